package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

const (
	callTimeout = 6 * time.Second // for a connect, an acknowledgement, an answer
	pause       = 50 * time.Millisecond
	syncEvery   = 300 * time.Millisecond // while syncs fail
	maxAway     = 400 * time.Millisecond
)

// errLockedOut ends a device whose account the server no longer knows.
var errLockedOut = errors.New("the server no longer knows the account")

// A device is one client of a person: one socket at a time, and the REST door. It knows the
// addresses of all servers, and goes to another one when one does not take it.
type device struct {
	w      *world
	person *person
	name   string
	random *rand.Rand
	sent   int        // attempts so far
	open   []*attempt // that nobody has answered yet
	done   []*attempt // the newest that were acknowledged

	at         int           // the server that it talks to, counted round and round
	conn       *testkit.Conn // nil before the first
	connection int           // counts the sockets
	asked      time.Time     // for a sync

	mu     sync.Mutex
	known  wire.Offset             // all before it is known
	ahead  wire.Offset             // of the newest event, while the sync is not back
	inStep bool                    // the sync is back
	heard  wire.Offset             // the last one on this socket
	newest map[receiver]id.Message // that was heard of somebody, or in a group of others
}

func newDevice(w *world, p *person, number int) *device {
	return &device{
		w: w, person: p, name: fmt.Sprintf("device%d", number), random: w.randomness(uint64(number) + 1), newest: map[receiver]id.Message{},
	}
}

// act uses the device until acting ends; settling bounds what is under way then.
func (d *device) act(acting, settling context.Context) {
	for acting.Err() == nil {
		if err := d.connect(acting); err != nil {
			if errors.Is(err, errLockedOut) {
				return
			}
			d.wait(acting, pause)
			continue
		}
		d.retry(settling, true)
		for acting.Err() == nil && d.conn.Err() == nil && d.sent < maxAttempts {
			d.catchUp(settling)
			d.something(settling)
		}
		if d.sent >= maxAttempts {
			return
		}
	}
}

// leave hangs up for a while, so that there is something to miss.
func (d *device) leave(ctx context.Context) {
	d.conn.Close()
	d.wait(ctx, time.Duration(d.random.Int64N(int64(maxAway))))
}

func (d *device) wait(ctx context.Context, span time.Duration) {
	t := time.NewTimer(span)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// settle answers everything that is open once nothing fails any more, and asks for what was
// missed. An error is an attempt or a sync that cannot be brought to an end.
func (d *device) settle(ctx context.Context) error {
	for {
		err := d.connect(ctx)
		if errors.Is(err, errLockedOut) {
			return nil // the history tells of it
		}
		if err == nil {
			d.retry(ctx, false)
			if len(d.open) == 0 {
				if err = d.sync(ctx); err == nil {
					return nil
				}
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s has %d attempts that nobody answers: %w", d.name, len(d.open), errors.Join(err, ctx.Err()))
		}
		d.wait(ctx, pause)
	}
}

func (d *device) hangUp() {
	if d.conn != nil {
		d.conn.Close()
	}
}

// rest is the other door of the server that the device talks to, or now and then of any.
func (d *device) rest() *testkit.REST {
	at := d.at
	if d.random.IntN(4) == 0 {
		at = d.random.IntN(2)
	}
	return &testkit.REST{BaseURL: d.w.url(at), Token: d.person.token}
}

// connect opens a socket where none lives, waits until it hears the events of its user, and
// asks for what it missed. Where it cannot, the next server is tried the next time.
func (d *device) connect(ctx context.Context) error {
	if d.conn != nil && d.conn.Err() == nil {
		return nil
	}
	d.hangUp()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := d.dial(ctx); err != nil {
		d.at++
		return err
	}
	if d.stands() {
		return nil
	}
	return d.sync(ctx)
}

// dial opens a socket and waits until it hears the events of its user.
func (d *device) dial(ctx context.Context) error {
	d.connection++
	joined := make(chan struct{}, 1)
	connection := d.connection
	dialer := testkit.Dialer{OnEvent: func(e testkit.Event) {
		if e.Name == wire.RoomJoinedEvent.Name() {
			select {
			case joined <- struct{}{}:
			default:
			}
			return
		}
		d.hear(connection, e)
	}}
	from := d.place(&dialer)
	conn, err := dialer.Dial(ctx, d.w.url(d.at), d.person.token)
	if err != nil {
		return d.refused(err)
	}
	d.conn = conn
	select {
	case <-joined:
	case <-conn.Done():
		return conn.Err()
	case <-ctx.Done():
		conn.Close()
		return ctx.Err()
	}
	e := testkit.Entry{Kind: testkit.Connected, Client: d.name, Connection: connection, User: d.person.id.String()}
	if dialer.PID != "" && conn.PID() == dialer.PID {
		e.Since = from.Seq
		d.mu.Lock()
		d.known, d.inStep = newer(d.known, d.ahead), true
		d.mu.Unlock()
	}
	d.w.history.Add(e)
	return nil
}

// place names the state of the last socket to a dialer, half of the time, where nothing was
// missing on that.
func (d *device) place(dialer *testkit.Dialer) (from wire.Offset) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inStep && d.heard.Seq > 0 && d.random.IntN(2) == 0 {
		from = d.heard
		dialer.PID, dialer.Offset = d.conn.PID(), from.String()
	} else {
		d.heard = wire.Offset{}
	}
	d.inStep, d.ahead = false, wire.Offset{}
	return from
}

// stands reports whether nothing is missing.
func (d *device) stands() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inStep
}

// catchUp asks for what was missed where the last answer was none.
func (d *device) catchUp(ctx context.Context) {
	if !d.stands() && time.Since(d.asked) > syncEvery {
		_ = d.sync(ctx) // the next time
	}
}

// refused looks whether the server has forgotten the account.
func (d *device) refused(err error) error {
	connect, isConnect := errors.AsType[*testkit.RefusedError](err)
	status, isStatus := errors.AsType[*testkit.StatusError](err)
	var note string
	switch {
	case isConnect:
		note = connect.Message
	case isStatus && status.Status == http.StatusUnauthorized:
		note = status.Code
	default:
		return err
	}
	d.w.history.Add(testkit.Entry{Kind: testkit.LockedOut, Client: d.name, User: d.person.id.String(), Note: note})
	return fmt.Errorf("%w: %w", errLockedOut, err)
}

// messageEvents tell of messages that are new.
var messageEvents = []string{wire.MessageNew.Name(), wire.MessageSent.Name(), wire.GroupMessageNew.Name()}

// hear records a durable event about a message. It runs on the socket's reader.
func (d *device) hear(connection int, e testkit.Event) {
	offset, err := wire.ParseOffset(e.Offset())
	if err == nil && offset.Seq > 0 {
		d.advance(offset)
	}
	if !slices.Contains(messageEvents, e.Name) {
		return
	}
	var m wire.Message
	if err := json.Unmarshal(e.Payload(), &m); err != nil {
		d.w.note("%s heard %s that is no message: %v", d.name, e.Name, err)
		return
	}
	seen := item(m)
	seen.Seq = 0
	if err == nil {
		seen.Seq = offset.Seq
	}
	d.w.history.Add(testkit.Entry{
		Kind: testkit.Saw, Client: d.name, Connection: connection, User: d.person.id.String(), Event: e.Name, Item: seen,
	})
	d.w.heard.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if m.Sender.ID != d.person.id {
		of := receiver{person: m.Sender.ID}
		if m.GroupChat != nil {
			of = receiver{group: *m.GroupChat}
		}
		d.newest[of] = m.ID
	}
}

// advance moves what is known, or would be if the sync were back: until then what lies
// between the two may be missing.
func (d *device) advance(o wire.Offset) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = newer(d.heard, o)
	if d.inStep {
		d.known = newer(d.known, o)
	} else {
		d.ahead = newer(d.ahead, o)
	}
}

func newer(a, b wire.Offset) wire.Offset {
	if b.Seq > a.Seq {
		return b
	}
	return a
}

// sync asks for what was missed.
func (d *device) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	d.asked = time.Now()
	d.mu.Lock()
	since := d.known
	d.mu.Unlock()
	// From where the socket is: another server may not know yet what that one tells.
	answer, err := (&testkit.REST{BaseURL: d.w.url(d.at), Token: d.person.token}).Sync(ctx, since.String())
	if err != nil {
		return d.refused(err)
	}
	d.w.history.Add(testkit.Entry{
		Kind: testkit.Synced, Client: d.name, Connection: d.connection, User: d.person.id.String(),
		Since: since.Seq, Reload: answer.Reload, Item: testkit.Item{Seq: answer.Seq.Seq}, Items: items(answer.Messages),
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = newer(newer(d.known, answer.Seq), d.ahead)
	d.inStep = true
	return nil
}
