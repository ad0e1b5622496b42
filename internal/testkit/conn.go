package testkit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Conn is one connection. Its methods are safe for concurrent use; what one goroutine
// sends arrives in that order.
type Conn struct {
	ws      *websocket.Conn
	onEvent func(Event)
	onFrame func(Direction, string, jsontext.Value)

	id  string // the socket's id
	pid string // the name of its state, "" where it has none

	done chan struct{}
	err  error // why it ended; read after done

	arrived chan struct{} // holds a token where the queue may have something

	mu      sync.Mutex
	queue   []Event
	pending map[uint64]*Pending
	nextID  uint64
	closed  bool
}

// ID returns the socket's id.
func (c *Conn) ID() string { return c.id }

// PID returns the name by which the server recovers the connection's state. It is the one that
// the Dialer sent where the state has been recovered.
func (c *Conn) PID() string { return c.pid }

// Done is closed when the connection has ended and its goroutine with it.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection ended; nil while it lives. ErrClosed is in its chain, and its
// text is the reason: "io server disconnect", "io client disconnect", "transport close", or
// a WebSocket close code.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close ends the connection and waits for its goroutine.
func (c *Conn) Close() {
	c.end("io client disconnect")
	_ = c.ws.CloseNow()
	<-c.done
}

// read takes packets until the connection ends.
func (c *Conn) read() {
	reason := c.serve()
	c.end(reason)
	_ = c.ws.CloseNow()
	c.mu.Lock()
	pending := c.pending
	c.pending = nil
	c.mu.Unlock()
	close(c.done)
	for _, p := range pending {
		close(p.answered)
	}
}

// end settles why the connection ended; the first reason stands.
func (c *Conn) end(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.err = fmt.Errorf("%w: %s", ErrClosed, reason)
	}
}

// serve answers packets and returns why there are no more.
func (c *Conn) serve() string {
	for {
		packet, err := c.frame(context.Background())
		if err != nil {
			if code := websocket.CloseStatus(err); code != -1 {
				return fmt.Sprintf("transport close (%d)", code)
			}
			return "transport close"
		}
		switch {
		case packet == "2":
			if err := c.write("3"); err != nil {
				return "transport close"
			}
		case packet == "1":
			return "transport close"
		case packet == "41":
			return "io server disconnect"
		case packet == "6":
		case strings.HasPrefix(packet, "42"):
			err = c.event(packet[2:])
		case strings.HasPrefix(packet, "43"):
			err = c.answer(packet[2:])
		default:
			err = fmt.Errorf("unexpected packet of type %.2q", packet)
		}
		if err != nil {
			return "parse error: " + err.Error()
		}
	}
}

func (c *Conn) event(body string) error {
	var args []jsontext.Value
	if err := json.Unmarshal([]byte(body), &args); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	e := Event{At: time.Now()}
	if len(args) == 0 || json.Unmarshal(args[0], &e.Name) != nil {
		return errors.New("event without a name")
	}
	e.Args = args[1:]
	if c.onFrame != nil {
		c.onFrame(In, e.Name, jsontext.Value(body))
	}
	if c.onEvent != nil {
		c.onEvent(e)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == maxQueued {
		return errors.New("nobody takes the events")
	}
	c.queue = append(c.queue, e)
	select {
	case c.arrived <- struct{}{}:
	default:
	}
	return nil
}

func (c *Conn) answer(body string) error {
	digits := strings.IndexByte(body, '[')
	if digits < 1 {
		return errors.New("acknowledgement without an id")
	}
	id, err := strconv.ParseUint(body[:digits], 10, 64)
	if err != nil {
		return fmt.Errorf("acknowledgement: %w", err)
	}
	var args []jsontext.Value
	if err := json.Unmarshal([]byte(body[digits:]), &args); err != nil {
		return fmt.Errorf("acknowledgement: %w", err)
	}
	c.mu.Lock()
	p := c.pending[id]
	delete(c.pending, id)
	c.mu.Unlock()
	if p == nil {
		return fmt.Errorf("acknowledgement %d of nothing that was sent, or the second one", id)
	}
	if c.onFrame != nil {
		c.onFrame(In, p.event, jsontext.Value(body[digits:]))
	}
	p.at = time.Now()
	if len(args) > 0 {
		p.ack = args[0]
	}
	close(p.answered)
	return nil
}

// Next returns the events in the order in which they arrived, and waits for one where none
// is there. It is not for connections with OnEvent. Of a closed connection the events that
// had arrived come first, then its error.
func (c *Conn) Next(ctx context.Context) (Event, error) {
	for {
		if e, ok := c.take(); ok {
			return e, nil
		}
		select {
		case <-c.arrived:
		case <-c.done:
			if e, ok := c.take(); ok {
				return e, nil
			}
			return Event{}, c.err
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Await returns the next event with this name and drops those before it.
func (c *Conn) Await(ctx context.Context, name string) (Event, error) {
	for {
		e, err := c.Next(ctx)
		if err != nil {
			return Event{}, fmt.Errorf("await %s: %w", name, err)
		}
		if e.Name == name {
			return e, nil
		}
	}
}

func (c *Conn) take() (Event, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return Event{}, false
	}
	e := c.queue[0]
	c.queue[0] = Event{}
	c.queue = c.queue[1:]
	if len(c.queue) > 0 {
		select {
		case c.arrived <- struct{}{}:
		default:
		}
	}
	return e, true
}

// A Pending is an event that waits for its acknowledgement.
type Pending struct {
	event    string
	conn     *Conn
	answered chan struct{}
	ack      jsontext.Value // read after answered; nil where the connection ended before
	at       time.Time
}

// Wait returns the first argument of the acknowledgement, or why there will be none.
func (p *Pending) Wait(ctx context.Context) (jsontext.Value, error) {
	select {
	case <-p.answered:
	case <-ctx.Done():
		return nil, fmt.Errorf("await the acknowledgement of %s: %w", p.event, ctx.Err())
	}
	if p.at.IsZero() {
		return nil, fmt.Errorf("await the acknowledgement of %s: %w", p.event, p.conn.err)
	}
	return p.ack, nil
}

// At returns when the acknowledgement was read. It is for after Wait.
func (p *Pending) At() time.Time { return p.at }

// Emit sends an event with one argument, none where payload is nil, and asks for no
// acknowledgement.
func (c *Conn) Emit(event string, payload any) error {
	body, err := arguments(event, payload)
	if err != nil {
		return err
	}
	return c.send(event, "42", body)
}

// Ask sends an event that asks for an acknowledgement, and does not wait for it.
func (c *Conn) Ask(event string, payload any) (*Pending, error) {
	body, err := arguments(event, payload)
	if err != nil {
		return nil, err
	}
	p := &Pending{event: event, conn: c, answered: make(chan struct{})}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, fmt.Errorf("send %s: %w", event, ErrClosed)
	}
	id := c.nextID
	c.nextID++
	c.pending[id] = p
	c.mu.Unlock()
	if err := c.send(event, "42"+strconv.FormatUint(id, 10), body); err != nil {
		return nil, err
	}
	return p, nil
}

// EmitWithAck sends an event and returns the first argument of its acknowledgement.
func (c *Conn) EmitWithAck(ctx context.Context, event string, payload any) (jsontext.Value, error) {
	p, err := c.Ask(event, payload)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// SendRaw sends one Engine.IO packet as it is, for tests of what a server refuses.
func (c *Conn) SendRaw(packet string) error { return c.write(packet) }

func (c *Conn) send(event, header string, body jsontext.Value) error {
	if c.onFrame != nil {
		c.onFrame(Out, event, body)
	}
	if err := c.write(header + string(body)); err != nil {
		return fmt.Errorf("send %s: %w", event, err)
	}
	return nil
}

func (c *Conn) write(packet string) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, []byte(packet))
}

func arguments(event string, payload any) (jsontext.Value, error) {
	args := []any{event}
	if payload != nil {
		args = append(args, payload)
	}
	body, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", event, err)
	}
	return body, nil
}
