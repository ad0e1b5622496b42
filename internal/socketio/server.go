// Package socketio serves the Socket.IO protocol, version 5, over Engine.IO version 4. It
// knows who is connected, which rooms they are in and what is on its way to them, and
// nothing of what their events mean.
//
// The transport is WebSocket. A client connects, is admitted or refused by a Handler, and is
// a Socket from then on. Handlers run on workers that all sockets share: in order and one at
// a time for each socket, except where an event lets the next one begin.
package socketio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// idBytes is the length of the random part of an id.
const idBytes = 16

// drainGrace is how long Drain waits, after its deadline, for handlers that heed it.
const drainGrace = time.Second

// Config holds the bounds of a server. The zero value of a field means its default.
type Config struct {
	PingInterval time.Duration // between a pong and the next ping; default 25 s
	PingTimeout  time.Duration // from a ping to its pong, else the transport is closed; default 30 s

	// ConnectTimeout is the time from the opening of a transport, or from the disconnect
	// packet of its client, to the CONNECT packet that leads to an admission; else the
	// transport is closed. Default 20 s.
	ConnectTimeout time.Duration
	// AuthTimeout is the time from the CONNECT packet to the verdict, waiting for a worker
	// included; else the transport is closed, so that the client tries again. Default 10 s.
	AuthTimeout time.Duration

	MaxPayload   int // bytes of one incoming packet; default 1,000,000
	QueueBytes   int // bytes that wait to be sent to one socket; default 1 MiB
	QueuePackets int // packets that wait to be sent to one socket; default 1,024

	// QueueEvents is the number of events of one socket that wait or run; together they
	// hold at most MaxPayload bytes. Beyond that the socket is not read. Default 64.
	QueueEvents int

	Workers    int // handlers and admissions that run at once, over all sockets; default 512
	MaxPending int // transports without an admitted socket; more are answered 503; default 10,000

	// MaxPendingPerAddress is the number of transports of one address that have no admitted
	// socket; more are answered 429. Default 256.
	MaxPendingPerAddress int
	// Address returns the key by which a client's address is counted, from the address and
	// port of its connection and the values of X-Forwarded-For; default the IP address of the
	// connection.
	Address func(remoteAddr string, forwarded []string) string

	// AllowOrigin says whether a request may connect, judged by its Origin; others are
	// answered 403. The default lets through requests without Origin and those of the host
	// that they are made to.
	AllowOrigin func(*http.Request) bool

	Rand io.Reader    // for ids; safe for concurrent use; default crypto/rand
	Log  *slog.Logger // default: nothing is logged
}

// withDefaults returns c with defaults in the place of zero values.
func (c Config) withDefaults() Config {
	fill(&c.PingInterval, 25*time.Second)
	fill(&c.PingTimeout, 30*time.Second)
	fill(&c.ConnectTimeout, 20*time.Second)
	fill(&c.AuthTimeout, 10*time.Second)
	fill(&c.MaxPayload, 1_000_000)
	fill(&c.QueueBytes, 1<<20)
	fill(&c.QueuePackets, 1024)
	fill(&c.QueueEvents, 64)
	fill(&c.Workers, 512)
	fill(&c.MaxPending, 10_000)
	fill(&c.MaxPendingPerAddress, 256)
	if c.Address == nil {
		c.Address = remoteHost
	}
	if c.AllowOrigin == nil {
		c.AllowOrigin = sameOrigin
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func fill[T comparable](field *T, standard T) {
	var zero T
	if *field == zero {
		*field = standard
	}
}

// A Handler says who may connect and what events do. Its methods run on workers and may be
// called for many sockets at once. A panic closes the transport of that socket.
//
// The contexts carry no cancellation by the death of a socket: what a client asked for is
// finished although it left. They end at the deadline of Server.Drain, and that of Admit at
// the AuthTimeout too.
type Handler interface {
	// Admit decides on a client. The data it returns becomes Socket.Data. A *Refusal is
	// sent to the client, which may try again on the same transport until the connect
	// time-out. Any other error closes the transport, so that the client tries again
	// later; so does a verdict after the deadline of ctx. If the transport is gone by the
	// verdict, the admission is forgotten, and no other method is called for it.
	Admit(ctx context.Context, h Handshake) (data any, err error)

	// Connected is called when the answer to an admitted client has been queued, before
	// any of its events. The socket is in the room named by its id.
	Connected(ctx context.Context, s *Socket)

	// Event handles what the socket emitted. What was received before a socket left is
	// handled, except after Socket.Disconnect and a panic.
	Event(ctx context.Context, s *Socket, e *Event)

	// Disconnected is called exactly once for each socket that Connected was called for,
	// when its last handler has returned. The socket is in no room any more.
	Disconnected(s *Socket, reason Reason)
}

// A Server is an http.Handler for the path of the engine. Its methods are safe for
// concurrent use. Drain ends it.
type Server struct {
	config  Config
	handler Handler
	log     *slog.Logger
	hub     *hub
	pool    pool
	ctx     context.Context // of the handlers; it lives as long as the server
	cancel  context.CancelFunc

	mu       sync.Mutex
	conns    map[*conn]struct{}
	opening  int // handshakes that run
	pending  pending
	draining bool
	ended    chan struct{} // closed when draining and nothing is left
}

// New returns a server. It panics without a handler.
func New(c Config, h Handler) *Server {
	if h == nil {
		panic("socketio: New without a Handler")
	}
	c = c.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		config: c, handler: h, log: c.Log, hub: newHub(), pool: pool{max: c.Workers},
		ctx: ctx, cancel: cancel, conns: make(map[*conn]struct{}), pending: pending{of: make(map[string]int)}, ended: make(chan struct{}),
	}
}

// ServeHTTP opens a transport, or answers why it does not. It returns when the transport is
// open; the transport lives on without the request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rejected := s.examine(r); rejected != nil {
		rejected.write(w)
		return
	}
	address := s.config.Address(r.RemoteAddr, r.Header.Values("X-Forwarded-For"))
	if rejected := s.reserve(address); rejected != nil {
		rejected.write(w)
		return
	}
	c, open, err := s.accept(w, r, address)
	if err != nil {
		s.log.Debug("handshake failed", "err", err)
		s.abandon(address)
		return
	}
	if s.enter(c) {
		c.goAway()
	}
	go c.run(open)
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request, address string) (*conn, []byte, error) {
	id, err := s.newID()
	if err != nil {
		unavailable.write(w)
		return nil, nil, err
	}
	open, err := s.openPacket(id)
	if err != nil {
		unavailable.write(w)
		return nil, nil, fmt.Errorf("encode open packet: %w", err)
	}
	below := &capture{ResponseWriter: w}
	ws, err := websocket.Accept(below, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // examine has judged the Origin
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, nil, err
	}
	ws.SetReadLimit(int64(min(s.config.MaxPayload, maxUnadmitted)))
	return newConn(s, ws, below.conn, Handshake{Header: r.Header, URL: r.URL, Address: address}), open, nil
}

// Emit sends the event to every socket that is in one of the rooms and in none of the
// excepted ones, once each. Without rooms it is sent to nobody. It never blocks: a socket
// whose queue is full is closed. What one goroutine emits arrives in that order.
func (s *Server) Emit(f Frame, rooms []string, except []string) {
	s.EmitAll([]Frame{f}, rooms, except, false)
}

// EmitAll sends events like Emit, one behind the other: each socket has all of them in its
// queue at once, and its transport writes them together. A socket whose queue has no room for
// all of them is closed; where they are volatile it stays, and gets none.
func (s *Server) EmitAll(frames []Frame, rooms []string, except []string, volatile bool) {
	messages := make([][]byte, 0, len(frames))
	for _, f := range frames {
		if len(f.message) > 0 {
			messages = append(messages, f.message)
		}
	}
	if len(messages) == 0 {
		return
	}
	for _, socket := range s.hub.members(rooms, except) {
		socket.conn.sendAll(socket, messages, volatile)
	}
}

// Sockets returns the sockets in the room, in no order.
func (s *Server) Sockets(room string) []*Socket {
	return s.hub.members([]string{room}, nil)
}

// Count returns how many admitted sockets there are.
func (s *Server) Count() int { return s.hub.count() }

// Drain ends the server. New transports are answered 503 and no packet is taken any more;
// handlers finish what was taken before; then what is queued is flushed and each transport
// closes with status 1001, so that its client connects again elsewhere. Drain returns nil
// when everything has ended, goroutines included.
//
// When ctx ends first, waiting events are forgotten, the context of the handlers is
// cancelled, the transports are cut, and Drain returns an error; handlers that do not heed
// their context may then still run.
func (s *Server) Drain(ctx context.Context) error {
	for _, c := range s.depart() {
		c.goAway()
	}
	select {
	case <-s.ended:
		s.pool.ended.Wait()
		s.cancel()
		return nil
	case <-ctx.Done():
	}
	left := s.depart()
	for _, c := range left {
		// Before the handlers that run are told, so that none begins when they return.
		c.line.discard()
	}
	s.cancel()
	for _, c := range left {
		c.abort()
	}
	grace := time.NewTimer(drainGrace)
	defer grace.Stop()
	select {
	case <-s.ended:
		s.pool.ended.Wait()
	case <-grace.C:
	}
	return fmt.Errorf("drain: %w", context.Cause(ctx))
}

// depart lets no transport in any more and returns those that are left.
func (s *Server) depart() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.draining = true
		s.checkEnd()
	}
	left := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		left = append(left, c)
	}
	return left
}

// checkEnd runs under s.mu after every change that may have been the last.
func (s *Server) checkEnd() {
	if s.draining && len(s.conns) == 0 && s.opening == 0 {
		select {
		case <-s.ended:
		default:
			close(s.ended)
		}
	}
}

// reserve takes a place for a handshake, or says why there is none.
func (s *Server) reserve(address string) *rejection {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining || s.pending.all >= s.config.MaxPending:
		return unavailable
	case s.pending.of[address] >= s.config.MaxPendingPerAddress:
		return tooMany
	}
	s.pending.add(address, 1)
	s.opening++
	return nil
}

// abandon gives the place of a handshake that failed back.
func (s *Server) abandon(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.add(address, -1)
	s.opening--
	s.checkEnd()
}

// enter makes a finished handshake a transport and reports whether the server is draining.
func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opening--
	s.conns[c] = struct{}{}
	return s.draining
}

// forget lets a transport go of which nothing is left.
func (s *Server) forget(c *conn) {
	c.mu.Lock()
	idle := c.idle
	c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if idle {
		s.pending.add(c.handshake.Address, -1)
	}
	delete(s.conns, c)
	s.checkEnd()
}

// pend counts a transport that lost or got its socket.
func (s *Server) pend(address string, change int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.add(address, change)
}

func (s *Server) newID() (string, error) {
	var b [idBytes]byte
	if _, err := io.ReadFull(s.config.Rand, b[:]); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

func (s *Server) disconnected(socket *Socket, reason Reason) {
	s.guard("Disconnected", func() {}, func() { s.handler.Disconnected(socket, reason) })
}

// guard calls a handler. If it panics, or ends its goroutine, that is logged, failed is
// called, and guard returns false.
func (s *Server) guard(name string, failed, call func()) (returned bool) {
	defer func() {
		if returned {
			return
		}
		s.log.Error("handler panicked", "handler", name, "panic", fmt.Sprint(recover()), "stack", string(debug.Stack()))
		failed()
	}()
	call()
	return true
}
