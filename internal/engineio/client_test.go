package engineio

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

func TestMain(m *testing.M) {
	// After a body that was too large net/http lingers for half a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience bounds every wait of a test for something that should come.
const patience = 10 * time.Second

// stub is a Handler made of functions; nil ones do nothing.
type stub struct {
	opened  func(*Session, *http.Request)
	message func(*Session, []byte, bool)
	closed  func(*Session, Reason)
}

func (h *stub) Opened(s *Session, r *http.Request) {
	if h.opened != nil {
		h.opened(s, r)
	}
}

func (h *stub) Message(s *Session, data []byte, binary bool) {
	if h.message != nil {
		h.message(s, data, binary)
	}
}

func (h *stub) Closed(s *Session, r Reason) {
	if h.closed != nil {
		h.closed(s, r)
	}
}

func echo(s *Session, data []byte, binary bool) {
	if binary {
		s.Send(Binary(data))
		return
	}
	s.Send(Text(data))
}

// An engine is a server that listens, on loopback or on pipes.
type engine struct {
	*Server
	dial func() (net.Conn, error)
}

// serve starts a server on loopback that is closed when the test ends.
func serve(t testing.TB, c Config, h Handler) *engine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, c, h)
}

// servePipes starts a server on pipes in memory, for tests with a clock of their own.
func servePipes(t testing.TB, c Config, h Handler) *engine {
	t.Helper()
	l := testkit.NewPipeListener()
	return serveOn(t, l, l.Dial, c, h)
}

func serveOn(t testing.TB, l net.Listener, dial func() (net.Conn, error), c Config, h Handler) *engine {
	t.Helper()
	e := &engine{Server: New(c, h), dial: dial}
	server := &http.Server{Handler: e.Server}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		e.Close()
		if err := e.Wait(ctx); err != nil {
			t.Errorf("wait at the end: %v", err)
		}
		if n := e.Count(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		if e.pending.all != 0 || len(e.pending.of) != 0 {
			t.Errorf("%d sessions are pending at the end, by address %v", e.pending.all, e.pending.of)
		}
		_ = server.Close()
		<-done
	})
	return e
}

// A client speaks WebSocket frame by frame, so that it can also speak it wrongly.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	open opening

	patience time.Duration // of a read; the usual one if it is 0
}

// opening is what an open packet says.
type opening struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int64    `json:"pingInterval"`
	PingTimeout  int64    `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

const (
	goodQuery = "EIO=4&transport=websocket"
	pollQuery = "EIO=4&transport=polling"
)

// An answer is what the server said to a request.
type answer struct {
	status int
	kind   string // Content-Type
	body   string
	header http.Header
}

// upgradeRequest writes an upgrade request. The client it returns has read the answer only.
func upgradeRequest(t testing.TB, e *engine, query string, headers ...string) (answer, *client) {
	t.Helper()
	lines := append([]string{
		"GET /engine.io/?" + query + " HTTP/1.1", "Host: chat.test", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, headers...)
	return rawRequest(t, e, strings.Join(lines, "\r\n")+"\r\n\r\n")
}

// rawRequest writes a request as it is and reads its answer.
func rawRequest(t testing.TB, e *engine, request string) (answer, *client) {
	t.Helper()
	conn, err := e.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	return readAnswer(t, in), &client{t: t, conn: conn, in: in}
}

func readAnswer(t testing.TB, in *bufio.Reader) answer {
	t.Helper()
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	got := answer{status: response.StatusCode, kind: response.Header.Get("Content-Type"), header: response.Header}
	if got.status != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		got.body = string(body)
	}
	return got
}

// connect opens a session on WebSocket and takes the open packet.
func connect(t testing.TB, e *engine, headers ...string) *client {
	t.Helper()
	got, c := upgradeRequest(t, e, goodQuery, headers...)
	if got.status != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade answered %d %s", got.status, got.body)
	}
	c.open = parseOpening(t, c.text())
	return c
}

func parseOpening(t testing.TB, packet string) (o opening) {
	t.Helper()
	body, ok := strings.CutPrefix(packet, "0")
	if err := json.Unmarshal([]byte(body), &o); !ok || err != nil {
		t.Fatalf("first packet is %q, want an open packet", packet)
	}
	return o
}

// frame returns a masked frame of a client.
func frame(op byte, fin bool, payload []byte) []byte {
	var b []byte
	first := op
	if fin {
		first |= finBit
	}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, first, maskBit|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, first, maskBit|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, first, maskBit|127), uint64(n))
	}
	mask := [4]byte{0x1a, 0xb2, 0x33, 0xc4}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// raw writes bytes as they are. The connection may be closed by then.
func (c *client) raw(b ...byte) {
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	_, _ = c.conn.Write(b)
}

func (c *client) send(packet string) { c.raw(frame(opText, true, []byte(packet))...) }

// read reads one frame. Servers do not mask, fragment or use reserved bits.
func (c *client) read() (op byte, payload []byte, err error) {
	_ = c.conn.SetDeadline(time.Now().Add(max(c.patience, patience)))
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&finBit == 0 || head[0]&rsvBits != 0 || head[1]&maskBit != 0 {
		return 0, nil, fmt.Errorf("frame of the server begins with %x", head)
	}
	n := uint64(head[1])
	var wide [8]byte
	switch n {
	case 126:
		if _, err := io.ReadFull(c.in, wide[6:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(wide[:])
	case 127:
		if _, err := io.ReadFull(c.in, wide[:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(wide[:])
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.in, payload)
	return head[0] & opBits, payload, err
}

func (c *client) must(op byte) []byte {
	c.t.Helper()
	got, payload, err := c.read()
	if err != nil {
		c.t.Fatalf("read a frame: %v", err)
	}
	if got != op {
		c.t.Fatalf("frame has opcode %x and payload %q, want opcode %x", got, payload, op)
	}
	return payload
}

// text reads a text frame.
func (c *client) text() string {
	c.t.Helper()
	return string(c.must(opText))
}

// expect reads a text frame that says so.
func (c *client) expect(want string) {
	c.t.Helper()
	if got := c.text(); got != want {
		c.t.Fatalf("server sent %q, want %q", got, want)
	}
}

// closing reads until the connection ends and returns the code of the close frame, or -1 if
// there was none.
func (c *client) closing() int {
	c.t.Helper()
	code := -1
	for {
		op, payload, err := c.read()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			c.t.Fatal("the server does not close the connection")
		case err != nil:
			_ = c.conn.Close()
			return code
		case op == opClose && len(payload) >= 2:
			code = int(binary.BigEndian.Uint16(payload))
		case op == opClose:
			code = 0
		}
	}
}

// A poller speaks polling: each request has its own connection.
type poller struct {
	t    testing.TB
	e    *engine
	open opening
}

func poll(t testing.TB, e *engine) *poller {
	t.Helper()
	got, _ := rawRequest(t, e, get(pollQuery))
	if got.status != http.StatusOK || got.kind != "text/plain; charset=UTF-8" {
		t.Fatalf("opening answered %d %s %q", got.status, got.kind, got.body)
	}
	return &poller{t: t, e: e, open: parseOpening(t, got.body)}
}

func get(query string) string {
	return "GET /engine.io/?" + query + " HTTP/1.1\r\nHost: chat.test\r\n\r\n"
}

func post(query, body string) string {
	return fmt.Sprintf("POST /engine.io/?%s HTTP/1.1\r\nHost: chat.test\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", query, len(body), body)
}

func (p *poller) query() string { return pollQuery + "&sid=" + p.open.SID }

// get polls once.
func (p *poller) get() answer {
	p.t.Helper()
	got, _ := rawRequest(p.t, p.e, get(p.query()))
	return got
}

// expect polls once for that payload.
func (p *poller) expect(want string) {
	p.t.Helper()
	if got := p.get(); got.status != http.StatusOK || got.body != want {
		p.t.Fatalf("poll answered %d %q, want %q", got.status, got.body, want)
	}
}

func (p *poller) post(body string) answer {
	p.t.Helper()
	got, _ := rawRequest(p.t, p.e, post(p.query(), body))
	return got
}

// begin writes a request that is to wait, and returns when the server has it.
func (p *poller) begin() *parkedPoll {
	p.t.Helper()
	conn, err := p.e.dial()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, get(p.query())); err != nil {
		p.t.Fatal(err)
	}
	s := p.e.find(p.open.SID)
	eventually(p.t, "the poll waits", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.polling != nil && s.polling.parked != nil
	})
	return &parkedPoll{t: p.t, conn: conn, in: bufio.NewReader(conn)}
}

type parkedPoll struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (p *parkedPoll) answer() answer {
	p.t.Helper()
	return readAnswer(p.t, p.in)
}

// upgrade opens a second transport for the session.
func (p *poller) upgrade() *client {
	p.t.Helper()
	got, c := upgradeRequest(p.t, p.e, goodQuery+"&sid="+p.open.SID)
	if got.status != http.StatusSwitchingProtocols {
		p.t.Fatalf("second transport answered %d %s", got.status, got.body)
	}
	return c
}

// eventually yields to other goroutines until something is so.
func eventually(t testing.TB, what string, so func() bool) {
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

// receive takes a value that should come.
func receive[T any](t testing.TB, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

// reasons returns a stub's closed function and the channel it fills.
func reasons() (func(*Session, Reason), chan Reason) {
	left := make(chan Reason, 1024)
	return func(_ *Session, r Reason) { left <- r }, left
}
