// Package socketio serves the Socket.IO protocol, version 5, on top of package engineio. It
// knows who is connected, which rooms they are in and what they ask and are asked, and
// nothing of what their events mean.
//
// A client connects to a namespace, is admitted or refused by its Handler, and is a Socket
// from then on. Handlers run on workers that all sockets share: in order and one at a time for
// each socket, except where an event lets the next one begin.
//
// # Recovery of a connection's state
//
// A socket gets what is broadcast from the moment that Handler.Connected returns. What is
// broadcast to its rooms while that runs is held, within the bounds of its queue. So Connected
// can join the rooms, read what the client has missed, send it by Socket.Emit, and say by
// Socket.CatchUp up to which Frame.Seq this was complete: frames that are held, or broadcast
// later, and not beyond it are left out. What the client has missed arrives before anything
// new, and nothing twice.
package socketio

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"pryde/internal/engineio"
)

// drainGrace is how long Drain waits, after its deadline, for handlers that heed it.
const drainGrace = time.Second

// Config holds the bounds of a server. The zero value of a field means its default.
type Config struct {
	PingInterval   time.Duration // between a pong and the next ping; default 25 s
	PingTimeout    time.Duration // from a ping to its pong, else the session is closed; default 30 s
	UpgradeTimeout time.Duration // for a change from polling to WebSocket; default 10 s

	// ConnectTimeout is the time from the opening of a session, or from the disconnect
	// packet of its last socket, to the CONNECT packet that leads to an admission; else the
	// session is closed. Default 20 s.
	ConnectTimeout time.Duration
	// AuthTimeout is the time from a CONNECT packet to the verdict, waiting for a worker
	// included; else the session is closed, so that the client tries again. Default 10 s.
	AuthTimeout time.Duration

	// MaxPayload is the size of one incoming packet, its attachments included; default
	// 1,000,000 bytes. Before a session has an admitted socket it is 32 KiB at most.
	MaxPayload   int
	QueueBytes   int // bytes that wait to be sent to one session; default 1 MiB
	QueuePackets int // packets that wait to be sent to one session; default 1,024

	// QueueEvents is the number of events of one socket that wait or run; together they
	// hold at most MaxPayload bytes. Beyond that the session is not read. Default 64.
	QueueEvents int

	Workers    int // handlers and admissions that run at once, over all sockets; default 512
	MaxPending int // sessions without an admitted socket; more are answered 503; default 10,000

	// MaxPendingPerAddress is the number of sessions of one address that have no admitted
	// socket; more are answered 429. Default 256.
	MaxPendingPerAddress int
	// Address returns the key by which a client's address is counted, from the address and
	// port of its connection and the values of X-Forwarded-For; default the IP address of the
	// connection.
	Address func(remoteAddr string, forwarded []string) string

	// AllowOrigin says whether a request may be served, judged by its Origin; others are
	// answered 403. The default lets through requests without Origin and those of the host
	// that they are made to.
	AllowOrigin func(*http.Request) bool

	// Polling lets clients use HTTP long-polling, and upgrade from it to WebSocket.
	Polling bool

	// KeepHeaders names the headers that Handshake.Header has after the first admission of a
	// session. They cost memory for as long as the session lives. Default: none.
	KeepHeaders []string

	// Node is put in front of the ids of sessions and sockets, with a dot behind it, where
	// several servers share an address; at most 32 letters, digits, - and _.
	Node string
	// Adapter returns what reaches the sockets of a namespace on all nodes, given what
	// reaches those of this process, which is the default.
	Adapter func(namespace string, local Adapter) Adapter

	Rand io.Reader    // for ids; safe for concurrent use; default crypto/rand
	Log  *slog.Logger // default: nothing is logged
}

// withDefaults returns c with defaults in the place of zero values, as far as this package
// looks at them; package engineio has the rest.
func (c Config) withDefaults() Config {
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 20*time.Second)
	c.AuthTimeout = cmp.Or(c.AuthTimeout, 10*time.Second)
	c.QueueEvents = cmp.Or(c.QueueEvents, 64)
	c.Workers = cmp.Or(c.Workers, 512)
	below := c.engine().WithDefaults()
	c.MaxPayload, c.QueueBytes, c.QueuePackets, c.Log = below.MaxPayload, below.QueueBytes, below.QueuePackets, below.Log
	return c
}

func (c Config) engine() engineio.Config {
	return engineio.Config{
		PingInterval: c.PingInterval, PingTimeout: c.PingTimeout, UpgradeTimeout: c.UpgradeTimeout,
		MaxPayload: c.MaxPayload, QueueBytes: c.QueueBytes, QueuePackets: c.QueuePackets, Polling: c.Polling,
		MaxPending: c.MaxPending, MaxPendingPerAddress: c.MaxPendingPerAddress, Node: c.Node,
		Address: c.Address, AllowOrigin: c.AllowOrigin, Rand: c.Rand, Log: c.Log,
	}
}

// A Handler says who may connect to a namespace and what events do. Its methods run on
// workers and may be called for many sockets at once. A panic closes the connection of that
// socket, and is logged with its stack.
//
// The contexts carry no cancellation by the death of a socket: what a client asked for is
// finished although it left. They end at the deadline of Server.Drain, and that of Admit at
// the AuthTimeout too.
type Handler interface {
	// Admit decides on a client. A *Refusal is sent to the client, which may try again on
	// the same session until the connect time-out. Any other error closes the session, so
	// that the client tries again later; so does a verdict after the deadline of ctx. If the
	// session is gone by the verdict, the admission is forgotten, and no other method is
	// called for it.
	Admit(ctx context.Context, h Handshake) (Admission, error)

	// Connected is called when the answer to an admitted client is on its way, before any of
	// its events. The socket is in the room named by its id. It gets nothing that is
	// broadcast before Connected has returned.
	Connected(ctx context.Context, s *Socket)

	// Event handles what the socket emitted. What was received before a socket left is
	// handled, except when this side made it leave, and after a panic.
	Event(ctx context.Context, s *Socket, e *Event)

	// Disconnected is called exactly once for each socket that Connected was called for,
	// when its last handler has returned. The socket is in no room any more.
	Disconnected(s *Socket, reason Reason)
}

// A Server is an http.Handler for the path of the engine, and the namespace "/". Its methods
// are safe for concurrent use. Drain ends it.
type Server struct {
	*Namespace // "/"

	config Config
	log    *slog.Logger
	engine *engineio.Server
	spaces map[string]*Namespace // by name; not changed any more once the server serves
	pool   *pool
	ctx    context.Context // of the handlers; it lives as long as the server
	cancel context.CancelFunc

	mu       sync.Mutex
	clients  map[*client]struct{}
	draining bool
	ended    chan struct{} // closed when draining and nothing is left
}

// New returns a server whose namespace "/" has the handler. It panics without a handler.
func New(c Config, h Handler) *Server {
	c = c.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		config: c, log: c.Log, spaces: make(map[string]*Namespace), pool: newPool(c.Workers, c.QueueEvents, c.MaxPayload),
		ctx: ctx, cancel: cancel, clients: make(map[*client]struct{}), ended: make(chan struct{}),
	}
	s.Namespace = s.Of(rootSpace, h)
	s.engine = engineio.New(c.engine(), (*door)(s))
	return s
}

// ServeHTTP opens sessions and serves their requests, or answers why it does not.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Drain ends the server. New sessions are answered 503 and no packet is taken any more, but
// answers to what was asked; handlers finish what was taken before; then what is queued is
// flushed and each session closes, with status 1001, so that its client connects again
// elsewhere. Drain returns nil when everything has ended, goroutines included.
//
// When ctx ends first, waiting events are forgotten, the context of the handlers is
// cancelled, the connections are cut, and Drain returns an error; handlers that do not heed
// their context may then still run.
func (s *Server) Drain(ctx context.Context) error {
	s.engine.Refuse()
	clients := s.depart()
	for _, c := range clients {
		c.deafen()
	}
	for _, c := range clients {
		c.goAway()
	}
	if s.wait(ctx) == nil {
		s.cancel()
		return nil
	}

	left := s.depart()
	for _, c := range left {
		// Before the handlers that run are told, so that none begins when they return.
		c.discard()
	}
	s.cancel()
	for _, c := range left {
		c.abort(ReasonShuttingDown)
	}
	s.engine.Close()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainGrace)
	defer cancel()
	_ = s.wait(grace) // the error is that nothing more can be done
	return fmt.Errorf("drain: %w", context.Cause(ctx))
}

// wait returns nil when everything has ended, or an error when ctx has ended first.
func (s *Server) wait(ctx context.Context) error {
	select {
	case <-s.ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.pool.close()
	s.pool.ended.Wait()
	return s.engine.Wait(ctx)
}

// depart takes note that the server ends and returns the clients that are left.
func (s *Server) depart() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	s.checkEnd()
	left := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		left = append(left, c)
	}
	return left
}

// checkEnd runs under s.mu after every change that may have been the last.
func (s *Server) checkEnd() {
	if !s.draining || len(s.clients) > 0 {
		return
	}
	select {
	case <-s.ended:
	default:
		close(s.ended)
	}
}

// enter takes a new client in and reports whether the server is draining.
func (s *Server) enter(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c] = struct{}{}
	return s.draining
}

// forget lets a client go of which nothing is left.
func (s *Server) forget(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
	s.checkEnd()
}

// disconnected tells that a socket has left and none of its handlers runs.
func (s *Server) disconnected(socket *Socket, reason Reason) {
	space := socket.seat.space
	s.guard("Adapter.Exit", func() {}, func() { space.adapter.Exit(socket) })
	s.guard("Disconnected", func() {}, func() { space.handler.Disconnected(socket, reason) })
}

// guard calls a handler. If it panics, or ends its goroutine, that is logged, failed is
// called, and guard returns false.
func (s *Server) guard(name string, failed, call func()) (returned bool) {
	defer func() {
		if !returned {
			s.panicked(name, recover())
			failed()
		}
	}()
	call()
	return true
}

func (s *Server) panicked(handler string, value any) {
	s.log.Error("handler panicked", "handler", handler, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
}
