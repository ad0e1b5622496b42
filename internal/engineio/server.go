package engineio

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	idBytes = 16 // of the random part of an id
	maxNode = 32 // characters of Config.Node
)

// A Server is an http.Handler for the path of the engine. Its methods are safe for concurrent
// use. It owns goroutines only while it has sessions.
type Server struct {
	config  Config
	handler Handler
	started time.Time
	wheel   *wheel
	flush   flushers

	mu       sync.Mutex
	sessions map[string]*Session
	pending  pending
	refusing bool
	live     int           // sessions, their goroutines, and requests that are being served
	idle     chan struct{} // closed when live falls to 0; nil unless somebody waits
}

// New returns a server. It panics without a handler, and with a Node that is not plain.
func New(c Config, h Handler) *Server {
	switch {
	case h == nil:
		panic("engineio: New without a Handler")
	case c.Node != "" && (len(c.Node) > maxNode || !isPlain(c.Node)):
		panic("engineio: Config.Node is not plain: " + c.Node)
	}
	s := &Server{
		config: c.WithDefaults(), handler: h, started: time.Now(),
		sessions: make(map[string]*Session), pending: pending{of: make(map[string]int)},
	}
	s.flush.init(s)
	s.wheel = newWheel(s, min(s.config.PingInterval, s.config.PingTimeout, s.config.UpgradeTimeout))
	return s
}

// Refuse makes the server open no session any more: requests for one are answered 503.
func (s *Server) Refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusing = true
}

// Sessions returns the sessions that are not gone yet and for which Handler.Opened has
// returned, in no order.
func (s *Server) Sessions() []*Session {
	return slices.DeleteFunc(s.all(), func(session *Session) bool {
		session.mu.Lock()
		defer session.mu.Unlock()
		return session.opening
	})
}

func (s *Server) all() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		all = append(all, session)
	}
	return all
}

// Count returns how many sessions there are, those that end included.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Wait returns nil when nothing is left of any session, goroutines included, or the cause of
// ctx's end when that comes first. New sessions are waited for too; see Refuse.
func (s *Server) Wait(ctx context.Context) error {
	s.mu.Lock()
	if s.live == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for sessions: %w", context.Cause(ctx))
	}
}

// Close refuses new sessions and aborts all that there are. Wait tells when they are gone.
func (s *Server) Close() {
	s.Refuse()
	for _, session := range s.all() {
		session.Abort(ReasonForcedClose)
	}
}

// now is the time since the server was made.
func (s *Server) now() time.Duration { return time.Since(s.started) }

// enter counts something that Wait waits for.
func (s *Server) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live++
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live--
	if s.live == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// find returns the session with an id, or nil.
func (s *Server) find(id string) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// reserve takes a place for a session of an address, or says why there is none.
func (s *Server) reserve(address string) *rejection {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.refusing || s.pending.all >= s.config.MaxPending:
		return unavailable
	case s.pending.of[address] >= s.config.MaxPendingPerAddress:
		return tooMany
	}
	s.pending.add(address, 1)
	s.live++
	return nil
}

// abandon gives the place of a session back that came to nothing.
func (s *Server) abandon(address string) {
	s.pend(address, -1)
	s.leave()
}

// register makes a session known. It reports whether the server refuses sessions by now.
func (s *Server) register(session *Session) (refusing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.id] = session
	return s.refusing
}

func (s *Server) unregister(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session.id)
}

// pend counts a session that became pending or is no longer.
func (s *Server) pend(address string, change int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.add(address, change)
}

// NewID returns an id like those of sessions, which no session has. The error is that of
// Config.Rand.
func (s *Server) NewID() (string, error) {
	var b [idBytes]byte
	if _, err := io.ReadFull(s.config.Rand, b[:]); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	id := base64.RawURLEncoding.EncodeToString(b[:])
	if s.config.Node != "" {
		id = strings.Join([]string{s.config.Node, id}, ".")
	}
	return id, nil
}

// guard calls a handler. If it panics, or ends its goroutine, that is logged, and the session
// ends.
func (s *Server) guard(name string, session *Session, call func()) {
	returned := false
	defer func() {
		if !returned {
			s.failed(name, session, recover())
		}
	}()
	call()
	returned = true
}

// message does what guard does, without a closure for every message.
func (s *Server) message(session *Session, data []byte, binary bool) {
	returned := false
	defer func() {
		if !returned {
			s.failed("Message", session, recover())
		}
	}()
	s.handler.Message(session, data, binary)
	returned = true
}

func (s *Server) failed(name string, session *Session, panicked any) {
	s.config.Log.Error("handler panicked", "handler", name, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
	session.end(ReasonTransportError, StatusInternalError, drop)
}

// closed tells the handler of a session's end. The caller has entered, so that Wait waits for
// it.
func (s *Server) closed(session *Session, reason Reason) {
	defer s.leave()
	s.guard("Closed", session, func() { s.handler.Closed(session, reason) })
}

// pending counts sessions that are not settled, handshakes included, in all and by address.
type pending struct {
	all int
	of  map[string]int
}

func (p *pending) add(address string, change int) {
	p.all += change
	if p.of[address] += change; p.of[address] == 0 {
		delete(p.of, address)
	}
}
