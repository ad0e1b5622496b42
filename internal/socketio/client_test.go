package socketio

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test for something that should come.
const patience = 10 * time.Second

// stub is a Handler made of functions; nil ones do nothing.
type stub struct {
	admit        func(context.Context, Handshake) (Admission, error)
	connected    func(context.Context, *Socket)
	event        func(context.Context, *Socket, *Event)
	disconnected func(*Socket, Reason)
}

func (h *stub) Admit(ctx context.Context, hs Handshake) (Admission, error) {
	if h.admit == nil {
		return Admission{}, nil
	}
	return h.admit(ctx, hs)
}

func (h *stub) Connected(ctx context.Context, s *Socket) {
	if h.connected != nil {
		h.connected(ctx, s)
	}
}

func (h *stub) Event(ctx context.Context, s *Socket, e *Event) {
	if h.event != nil {
		h.event(ctx, s, e)
	}
}

func (h *stub) Disconnected(s *Socket, r Reason) {
	if h.disconnected != nil {
		h.disconnected(s, r)
	}
}

// An engine is a server that listens, on loopback or on pipes.
type engine struct {
	*Server
	dial func() (net.Conn, error)
	url  string
}

// A space is a namespace beside "/".
type space struct {
	name    string
	handler Handler
}

// serve starts a server on loopback that is drained when the test ends.
func serve(t *testing.T, c Config, h Handler, spaces ...space) *engine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, c, h, spaces...)
}

// servePipes starts a server on pipes in memory, for tests with a clock of their own.
func servePipes(t *testing.T, c Config, h Handler, spaces ...space) *engine {
	t.Helper()
	l := testkit.NewPipeListener()
	return serveOn(t, l, l.Dial, c, h, spaces...)
}

func serveOn(t *testing.T, l net.Listener, dial func() (net.Conn, error), c Config, h Handler, spaces ...space) *engine {
	t.Helper()
	e := &engine{Server: New(c, h), dial: dial, url: "http://" + l.Addr().String() + "/socket.io/"}
	for _, s := range spaces {
		e.Of(s.name, s.handler)
	}
	server := &http.Server{Handler: e.Server}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Drain(ctx); err != nil {
			t.Errorf("drain at the end: %v", err)
		}
		_ = server.Close()
		<-done
	})
	return e
}

// A peer speaks WebSocket frame by frame, so that it can also speak it wrongly.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	sid  string // of the socket
}

const goodQuery = "EIO=4&transport=websocket"

// An answer is what the server said to an upgrade request; body is empty where it agreed.
type answer struct {
	status   int
	kind     string // Content-Type
	body     string
	deflated bool // an extension was agreed on
}

// request writes an upgrade request. The client it returns has read the answer only.
func request(t *testing.T, e *engine, query string, headers ...string) (answer, *peer) {
	t.Helper()
	conn, err := e.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	lines := append([]string{
		"GET /socket.io/?" + query + " HTTP/1.1", "Host: chat.test", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, headers...)
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	got := answer{status: response.StatusCode, kind: response.Header.Get("Content-Type"), deflated: response.Header.Get("Sec-WebSocket-Extensions") != ""}
	if got.status != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		got.body = string(body)
	}
	return got, &peer{t: t, conn: conn, in: in}
}

// open opens a transport and takes the open packet.
func open(t *testing.T, e *engine, headers ...string) *peer {
	t.Helper()
	got, c := request(t, e, goodQuery, headers...)
	if got.status != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade answered %d", got.status)
	}
	if got := c.recv(); !strings.HasPrefix(got, `0{"sid":"`) {
		t.Fatalf("first packet is %q, want an open packet", got)
	}
	return c
}

// join opens a transport and connects a socket on it.
func join(t *testing.T, e *engine) *peer {
	t.Helper()
	c := open(t, e)
	c.connect()
	return c
}

func (c *peer) connect() {
	c.t.Helper()
	c.sid = c.connectTo("")
}

// connectTo connects a socket in a namespace, given with a comma behind it, and returns its
// id.
func (c *peer) connectTo(namespace string) string {
	c.t.Helper()
	c.send("40" + namespace)
	answer := c.recv()
	var body struct{ SID string }
	rest, ok := strings.CutPrefix(answer, "40"+namespace)
	if !ok || json.Unmarshal([]byte(rest), &body) != nil || body.SID == "" {
		c.t.Fatalf("connect answered %q", answer)
	}
	return body.SID
}

const (
	opText   = 1
	opBinary = 2
	opClose  = 8
)

// frame encodes a masked frame; the mask is zero, which masks nothing.
func frame(op byte, payload []byte) []byte {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// sendBinary writes attachments.
func (c *peer) sendBinary(data ...string) {
	c.t.Helper()
	for _, d := range data {
		c.write(frame(opBinary, []byte(d)))
	}
}

func (c *peer) send(text string) { c.t.Helper(); c.write(frame(opText, []byte(text))) }

func (c *peer) write(b []byte) {
	c.t.Helper()
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// errClosed is a close frame; the code is 0 where the connection ended without one.
type errClosed struct{ code int }

func (e errClosed) Error() string { return fmt.Sprintf("closed with %d", e.code) }

// next reads one message; a binary one has "binary:" in front. It answers a close frame and
// returns errClosed for it.
func (c *peer) next() (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return "", errClosed{}
	}
	size := uint64(head[1] & 0x7f)
	switch size {
	case 126:
		var b [2]byte
		if _, err := io.ReadFull(c.in, b[:]); err != nil {
			return "", errClosed{}
		}
		size = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		if _, err := io.ReadFull(c.in, b[:]); err != nil {
			return "", errClosed{}
		}
		size = binary.BigEndian.Uint64(b[:])
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return "", errClosed{}
	}
	if head[0]&0x0f == opBinary {
		return "binary:" + string(payload), nil
	}
	if head[0]&0x0f == opClose {
		_, _ = c.conn.Write(frame(opClose, payload))
		if len(payload) < 2 {
			return "", errClosed{}
		}
		return "", errClosed{code: int(binary.BigEndian.Uint16(payload))}
	}
	return string(payload), nil
}

// recv returns the next packet that is not a ping; pings are answered.
func (c *peer) recv() string {
	c.t.Helper()
	for {
		_ = c.conn.SetDeadline(time.Now().Add(patience))
		text, err := c.next()
		if err != nil {
			c.t.Fatalf("receive: %v", err)
		}
		if text != "2" {
			return text
		}
		c.send("3")
	}
}

func (c *peer) want(wanted ...string) {
	c.t.Helper()
	for _, want := range wanted {
		if got := c.recv(); got != want {
			c.t.Fatalf("received %q, want %q", got, want)
		}
	}
}

// end reads until the transport closes and returns what came before and the close code.
func (c *peer) end() (texts []string, code int) {
	c.t.Helper()
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	for {
		text, err := c.next()
		var closed errClosed
		if errors.As(err, &closed) {
			_ = c.conn.Close()
			return texts, closed.code
		}
		if text != "2" {
			texts = append(texts, text)
		}
	}
}

// ended checks that the transport closes with the code and nothing before.
func (c *peer) ended(code int) {
	c.t.Helper()
	texts, got := c.end()
	if len(texts) != 0 || got != code {
		c.t.Fatalf("closed with %d after %q, want %d and nothing", got, texts, code)
	}
}

// receive takes a value that has to come.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-from:
		return v
	case <-timer.C:
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// eventually yields to other goroutines until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-late:
			t.Fatalf("not so in time: %s", what)
		case <-tick.C:
		}
	}
}

// lives checks that the server still serves.
func lives(t *testing.T, e *engine) {
	t.Helper()
	c := join(t, e)
	c.send("41")
	c.write(frame(opClose, []byte{0x03, 0xe8}))
	_, _ = c.end()
}
