package testkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const pieceSize = 32 << 10 // bytes that are forwarded at once at most

// A Proxy forwards TCP connections to one address and does to them what networks do. Its methods
// are for one goroutine.
type Proxy struct {
	target, addr string

	running sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while new connections are refused
	links    map[*link]struct{}
	manner   manner
	changed  chan struct{} // closed when the manner is another one
}

// A manner is how bytes are forwarded.
type manner struct {
	holdRequests, holdAnswers bool
	latency                   time.Duration
	rate                      int // bytes a second; 0 is without a bound
}

// StartProxy returns a proxy on 127.0.0.1 that forwards to an address. The caller ends it with Close.
func StartProxy(ctx context.Context, target string) (*Proxy, error) {
	port, err := FreePort(ctx)
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		target: target, addr: addrOf(port),
		links: make(map[*link]struct{}), changed: make(chan struct{}),
	}
	return p, p.Mend(ctx)
}

// Addr returns the address of the proxy, which is the same for as long as it lives.
func (p *Proxy) Addr() string { return p.addr }

// Mend forwards everything at once, and takes connections again after Cut.
func (p *Proxy) Mend(ctx context.Context) error {
	p.be(manner{})
	p.mu.Lock()
	cut := p.listener == nil
	p.mu.Unlock()
	if !cut {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.addr)
	if err != nil {
		return fmt.Errorf("mend the proxy: %w", err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.running.Go(func() { p.accept(l) })
	return nil
}

// Cut resets every connection and lets new ones be refused, until Mend.
func (p *Proxy) Cut() {
	p.mu.Lock()
	l := p.listener
	p.listener = nil
	p.mu.Unlock()
	if l != nil {
		_ = l.Close() // the port is let go in any case
	}
	p.Reset()
}

// Reset resets every connection; new ones are taken.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.end(true)
	}
}

// Stall takes connections and forwards nothing. What comes meanwhile is forwarded after Mend.
func (p *Proxy) Stall() { p.be(manner{holdRequests: true, holdAnswers: true}) }

// StallAnswers forwards what clients say, and what they are answered only after Mend.
func (p *Proxy) StallAnswers() { p.be(manner{holdAnswers: true}) }

// Slow delays each piece of up to 32 KiB by a latency, and forwards at most so many bytes a second
// in each direction of a connection; 0 is without a bound.
func (p *Proxy) Slow(latency time.Duration, rate int) { p.be(manner{latency: latency, rate: rate}) }

// Close resets every connection and returns when nothing of the proxy runs.
func (p *Proxy) Close() {
	p.Cut()
	p.running.Wait()
}

func (p *Proxy) be(m manner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.manner = m
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // it is closed
		}
		p.running.Go(func() { p.serve(l, c) })
	}
}

// serve forwards one connection until it has ended.
func (p *Proxy) serve(from net.Listener, client net.Conn) {
	server, err := net.DialTimeout("tcp", p.target, dialTimeout) //nolint:noctx // its owner waits for it
	if err != nil {
		(&link{client: client, gone: make(chan struct{})}).end(true)
		return
	}
	l := &link{client: client, server: server, gone: make(chan struct{})}
	if !p.register(from, l) {
		l.end(true)
		return
	}
	defer p.forget(l)
	var both sync.WaitGroup
	both.Go(func() { p.forward(l, client, server, func(m manner) bool { return m.holdRequests }) })
	both.Go(func() { p.forward(l, server, client, func(m manner) bool { return m.holdAnswers }) })
	both.Wait()
	l.end(false)
}

// register says whether the connection may live: its listener was not closed meanwhile.
func (p *Proxy) register(from net.Listener, l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != from {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// forward copies one direction of a connection.
func (p *Proxy) forward(l *link, from, to net.Conn, held func(manner) bool) {
	piece := make([]byte, pieceSize)
	for {
		n, err := from.Read(piece)
		if !p.pass(l, n, held) {
			return
		}
		if _, failed := to.Write(piece[:n]); failed != nil || err != nil && !errors.Is(err, io.EOF) {
			l.end(true)
			return
		}
		if err != nil {
			if half, ok := to.(*net.TCPConn); ok {
				_ = half.CloseWrite() // fails only where the connection is gone
			}
			return
		}
	}
}

// pass waits until n bytes may be forwarded, and returns false where the connection has ended.
func (p *Proxy) pass(l *link, n int, held func(manner) bool) bool {
	for {
		p.mu.Lock()
		m, changed := p.manner, p.changed
		p.mu.Unlock()
		var due <-chan time.Time // never, while they are held
		if !held(m) {
			delay := m.latency
			if m.rate > 0 {
				delay += time.Duration(n) * time.Second / time.Duration(m.rate)
			}
			if delay == 0 {
				return true
			}
			due = time.After(delay)
		}
		select {
		case <-due:
			return true
		case <-changed:
		case <-l.gone:
			return false
		}
	}
}

// A link is a connection through the proxy.
type link struct {
	client, server net.Conn
	once           sync.Once
	gone           chan struct{}
}

// end closes both sides, where it is abrupt with a reset and without what was not read yet.
func (l *link) end(abrupt bool) {
	l.once.Do(func() {
		for _, c := range []net.Conn{l.client, l.server} {
			tcp, ok := c.(*net.TCPConn)
			if !ok {
				continue // there is none
			}
			if abrupt {
				_ = tcp.SetLinger(0) // fails only where the connection is gone
			}
			_ = tcp.Close()
		}
		close(l.gone)
	})
}
