// Package load is a Socket.IO client that costs as little as it can, so that the client's
// processor is not what limits a server under test: one goroutine drives thousands of raw
// connections through one epoll instance and one read buffer. It knows the wire
// protocol and nothing of what is measured.
package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readBuffer  = 256 << 10 // bytes, shared by all connections
	eventsAtOne = 512       // that one look at the system returns
	longestWait = 100 * time.Millisecond

	// sourceAddresses is how many addresses of the loopback network the connections come
	// from in turn: one has about 28,000 ports, and a port that was used rests for a while.
	sourceAddresses = 8

	// plainCongestion is the congestion control of the client's connections. Others keep account of
	// rates and times for every segment, which costs the client more than there is to gain on
	// loopback. The servers have what the system gives them.
	plainCongestion = "reno"
)

// A Target is the server that is loaded.
type Target struct {
	Address netip.AddrPort // IPv4
	Tokens  []string       // shown at CONNECT, in turn by the connections

	// Polling makes connections that stay on HTTP long-polling. They hear everything; what they
	// send waits until the server has something for them.
	Polling bool
}

// A Loop drives the connections. It is for one goroutine; its functions are called from Wait
// and may use the loop, but for Wait and Connect.
type Loop struct {
	// OnPacket is told of every Socket.IO packet of an open connection. The bytes are its own
	// only until it returns. It may be nil.
	OnPacket func(c *Conn, packet []byte)

	// Busy makes the loop ask the system again and again where it would sleep, so that waking the
	// client is no part of what a server does and of what it takes. It is for a client that has a
	// processor of its own.
	Busy bool

	target  Target
	epoll   int
	conns   []*Conn // by file descriptor
	dialed  int
	buffer  []byte
	scratch []byte
	events  []unix.EpollEvent

	idle   time.Duration // that nothing happened, while Busy
	onOpen func(*Conn)
	onGone func(*Conn, error)
	lost   error
}

// New makes a loop without connections. The caller closes it.
func New(t Target) (*Loop, error) {
	if !t.Address.Addr().Is4() || len(t.Tokens) == 0 {
		return nil, errors.New("load: the target has to have an IPv4 address and a token")
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	l := &Loop{target: t, epoll: epoll, buffer: make([]byte, readBuffer), events: make([]unix.EpollEvent, eventsAtOne)}
	l.keepLosses()
	return l, nil
}

// keepLosses sets what happens outside of Connect: the loss of a connection is kept for Err.
func (l *Loop) keepLosses() {
	l.onOpen = func(*Conn) {}
	l.onGone = func(_ *Conn, err error) {
		if l.lost == nil {
			l.lost = fmt.Errorf("an open connection was lost: %w", err)
		}
	}
}

// Err returns why the first of the connections was lost that Connect had returned, nil where
// all are open or were closed by Drop.
func (l *Loop) Err() error { return l.lost }

// Idle returns how long the loop had nothing to do while it was Busy, since it was made.
func (l *Loop) Idle() time.Duration { return l.idle }

// Count returns how many connections there are, those that are being made included.
func (l *Loop) Count() int {
	n := 0
	for _, c := range l.conns {
		if c != nil {
			n++
		}
	}
	return n
}

// Close closes every connection and the loop.
func (l *Loop) Close() {
	l.DropAll()
	_ = unix.Close(l.epoll)
}

// DropAll closes every connection without a word.
func (l *Loop) DropAll() {
	for _, c := range l.conns {
		if c != nil {
			l.Drop(c)
		}
	}
}

// Until waits for events and handles them until the time has come. It fails where ctx ends or
// an open connection is lost.
func (l *Loop) Until(ctx context.Context, at time.Time) error {
	return l.While(ctx, at, func() bool { return true })
}

// While is Until that ends as soon as going is false after some events were handled, too.
func (l *Loop) While(ctx context.Context, at time.Time, going func() bool) error {
	for going() && time.Now().Before(at) {
		if err := errors.Join(context.Cause(ctx), l.wait(at), l.lost); err != nil {
			return err
		}
	}
	return nil
}

// wait handles what has happened, or happens until the time has come. It returns at the
// latest after longestWait, and at once where the loop is busy.
func (l *Loop) wait(at time.Time) error {
	n, err := l.poll(at)
	if err != nil {
		if errors.Is(err, unix.EINTR) {
			return nil
		}
		return fmt.Errorf("load: %w", err)
	}
	for _, e := range l.events[:n] {
		// A descriptor may have been closed, and given to a new connection, since the system told.
		if c := l.conns[e.Fd]; c != nil && c.serial == e.Pad {
			l.handle(c, e.Events)
		}
	}
	return nil
}

// poll asks the system what has happened, and waits for it unless the loop is busy.
func (l *Loop) poll(at time.Time) (int, error) {
	now := time.Now()
	if l.Busy {
		n, err := pollNow(l.epoll, l.events)
		if n == 0 {
			l.idle += time.Since(now)
		}
		return n, err
	}
	// Rounding down makes the last part of a millisecond a busy wait, so that what is due
	// at a time leaves at that time.
	timeout := int(min(max(at.Sub(now), 0), longestWait) / time.Millisecond)
	return unix.EpollWait(l.epoll, l.events, timeout)
}

// Connected says what became of many connects.
type Connected struct {
	Conns      []*Conn
	Last       time.Time // when the last one was accepted
	Unanswered int       // had no verdict in time, and were dropped
	Failed     int       // were refused or lost before a verdict
	Err        error     // of the first that failed
}

// All returns an error where not every connect was accepted.
func (c Connected) All() error {
	if c.Unanswered > 0 {
		return fmt.Errorf("%d connects got no answer", c.Unanswered)
	}
	return c.Err
}

// Connect makes n connects, at most so many at once, each up to the answer to its CONNECT
// packet, for which it waits so long. The error says that ctx ended or that the client itself
// failed.
func (l *Loop) Connect(ctx context.Context, n, atOnce int, timeout time.Duration) (Connected, error) {
	var r Connected
	defer l.keepLosses()
	lost := l.onGone
	l.onOpen = func(c *Conn) {
		r.Conns, r.Last = append(r.Conns, c), time.Now()
	}
	l.onGone = func(c *Conn, err error) {
		if c.state == stateOpen {
			lost(c, err)
			return
		}
		if r.Failed++; r.Err == nil {
			r.Err = fmt.Errorf("connect: %w", err)
		}
	}
	var dialing []*Conn // the oldest first
	for begun := 0; ; {
		for len(dialing) > 0 && dialing[0].settled() {
			dialing = dialing[1:]
		}
		if len(dialing) > 0 && time.Since(dialing[0].begun) > timeout {
			l.Drop(dialing[0])
			r.Unanswered++
			continue
		}
		verdicts := len(r.Conns) + r.Unanswered + r.Failed
		if verdicts >= n {
			return r, l.lost
		}
		for begun < n && begun-verdicts < atOnce {
			c, err := l.dial()
			if err != nil {
				return r, err
			}
			dialing = append(dialing, c)
			begun++
		}
		if err := errors.Join(context.Cause(ctx), l.wait(time.Now().Add(longestWait))); err != nil {
			return r, err
		}
	}
}
