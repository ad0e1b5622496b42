package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Direction says which way a frame went.
type Direction string

// The directions of frames.
const (
	In  Direction = "in"  // from the server
	Out Direction = "out" // to the server
)

// An Event is a Socket.IO event as it arrived.
type Event struct {
	Name string
	Args []jsontext.Value // without the name; a durable event's last one is its offset, a JSON string
	At   time.Time        // when it was read
}

// Payload returns the first argument, nil where there is none.
func (e Event) Payload() jsontext.Value {
	if len(e.Args) == 0 {
		return nil
	}
	return e.Args[0]
}

// Offset returns the offset of a durable event, "" where it has none.
func (e Event) Offset() string {
	var s string
	if len(e.Args) < 2 || json.Unmarshal(e.Args[len(e.Args)-1], &s) != nil {
		return ""
	}
	return s
}

// A RefusedError is a connect error: the server's answer to a CONNECT that it refused.
type RefusedError struct {
	Message string         `json:"message"`
	Data    jsontext.Value `json:"data"` // nil where there is none
}

func (e *RefusedError) Error() string { return "connect refused: " + e.Message }

// ErrClosed is in the chain of what a closed connection answers.
var ErrClosed = errors.New("connection closed")

const (
	maxFrame     = 4 << 20 // bytes of one frame from the server
	maxQueued    = 1 << 16 // events that wait for Next
	writeTimeout = 10 * time.Second
)

// A Dialer opens Socket.IO connections over WebSocket. The zero value is ready. Its hooks
// are called from one goroutine per connection and direction, and must not block.
type Dialer struct {
	// OnEvent takes each event on the goroutine that reads; where it is nil, events wait for Next.
	OnEvent func(Event)
	// OnFrame is told of every event and acknowledgement: event is the name, of an
	// acknowledgement the name of the event that it answers; raw is the JSON array with the
	// name (of an acknowledgement without).
	OnFrame func(d Direction, event string, raw jsontext.Value)
	// Header goes along with the upgrade.
	Header http.Header
	// PID and Offset ask for the recovery of the state of an earlier connection: what its PID
	// returned, and the offset of the last durable event that it heard. Empty: none.
	PID, Offset string
}

// Dial connects without hooks; see Dialer.Dial.
func Dial(ctx context.Context, baseURL, token string) (*Conn, error) {
	return (&Dialer{}).Dial(ctx, baseURL, token)
}

// Dial opens a WebSocket to a server (http://host:port), connects to the main namespace
// with the token (none where it is empty) and returns once the server has accepted. A
// refusal is a *RefusedError. ctx bounds the handshake only; Close ends the connection.
func (d *Dialer) Dial(ctx context.Context, baseURL, token string) (*Conn, error) {
	url := strings.TrimSuffix(baseURL, "/") + "/socket.io/?EIO=4&transport=websocket"
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: upgrades, HTTPHeader: d.Header}) //nolint:bodyclose // the library closes it
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	ws.SetReadLimit(maxFrame)
	c := &Conn{
		ws: ws, onEvent: d.OnEvent, onFrame: d.OnFrame,
		done: make(chan struct{}), arrived: make(chan struct{}, 1), pending: map[uint64]*Pending{},
	}
	if err := c.handshake(ctx, credentials{token, d.PID, d.Offset}); err != nil {
		_ = ws.CloseNow()
		return nil, err
	}
	go c.read()
	return c, nil
}

// upgrades keeps small buffers, since thousands of connections hold on to them.
var upgrades = &http.Client{Transport: &http.Transport{ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, DisableCompression: true}}

// credentials are the auth object of a CONNECT packet.
type credentials struct {
	Token  string `json:"token,omitzero"`
	PID    string `json:"pid,omitzero"`
	Offset string `json:"offset,omitzero"`
}

func (c *Conn) handshake(ctx context.Context, in credentials) error {
	open, err := c.frame(ctx)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if !strings.HasPrefix(open, "0{") {
		return fmt.Errorf("open: unexpected packet of type %.1q", open)
	}
	connect := "40"
	if in != (credentials{}) {
		auth, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		connect += string(auth)
	}
	if err := c.ws.Write(ctx, websocket.MessageText, []byte(connect)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	for {
		answer, err := c.frame(ctx)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		accepted, err := c.accepted(ctx, answer)
		if accepted || err != nil {
			return err
		}
	}
}

// accepted reads one packet of the handshake and reports whether it was the last.
func (c *Conn) accepted(ctx context.Context, packet string) (bool, error) {
	switch body := packet[min(2, len(packet)):]; {
	case packet == "2":
		return false, c.ws.Write(ctx, websocket.MessageText, []byte("3"))
	case strings.HasPrefix(packet, "40"):
		var hello struct {
			SID string `json:"sid"`
			PID string `json:"pid"`
		}
		if err := json.Unmarshal([]byte(body), &hello); err != nil {
			return false, fmt.Errorf("connect: %w", err)
		}
		c.id, c.pid = hello.SID, hello.PID
		return true, nil
	case strings.HasPrefix(packet, "44"):
		refused := &RefusedError{}
		if err := json.Unmarshal([]byte(body), refused); err != nil {
			return false, fmt.Errorf("connect refused: %w", err)
		}
		return false, refused
	case packet == "1" || packet == "41":
		return false, fmt.Errorf("connect: %w: transport close", ErrClosed)
	default:
		return false, fmt.Errorf("connect: unexpected packet of type %.2q", packet)
	}
}

func (c *Conn) frame(ctx context.Context) (string, error) {
	kind, b, err := c.ws.Read(ctx)
	if err != nil {
		return "", err
	}
	if kind != websocket.MessageText {
		return "", errors.New("a binary frame")
	}
	return string(b), nil
}
