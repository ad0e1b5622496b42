package socketio

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pryde/internal/engineio"
)

// A Reason says why a socket left. The texts are those of the reference, and some of ours.
type Reason = engineio.Reason

// Why sockets leave.
const (
	ReasonTransportClose   = engineio.ReasonTransportClose
	ReasonTransportError   = engineio.ReasonTransportError // or a handler panicked
	ReasonPingTimeout      = engineio.ReasonPingTimeout
	ReasonParseError       = engineio.ReasonParseError
	ReasonQueueFull        = engineio.ReasonQueueFull
	ReasonClientDisconnect = Reason("client namespace disconnect") // the client said goodbye
	ReasonServerDisconnect = Reason("server namespace disconnect") // Socket.Disconnect and the like
	ReasonShuttingDown     = Reason("server shutting down")        // Server.Drain
)

// The states of a socket, in their order. Broadcasts wait for a socket that is opening.
const (
	opening uint32 = iota
	live
	left
)

// A Socket is a client that has been admitted to a namespace. Its methods are safe for
// concurrent use, never wait for the client (but for Ask), and do nothing once the socket has
// left.
type Socket struct {
	seat      *seat
	session   *engineio.Session
	id        string
	data      any
	recovered bool
	connected time.Time
	state     atomic.Uint32

	mu       sync.Mutex
	held     *held  // broadcasts that wait while the socket is opening
	caughtUp uint64 // frames up to it have been sent; written while the socket is opening
	asked    []*question

	rooms []stay // guarded by the mutex of the adapter in this process
}

// held is what waits for a socket that is opening.
type held struct {
	parcels        []*parcel
	packets, bytes int
}

// add keeps a parcel, and forgets volatile ones, the oldest first, as far as one that is not
// needs their room. It reports false when there is no room.
func (h *held) add(p *parcel, c *Config) bool {
	if !p.volatile {
		h.parcels = slices.DeleteFunc(h.parcels, func(old *parcel) bool {
			if !old.volatile || h.fits(p, c) {
				return false
			}
			h.packets -= len(old.messages)
			h.bytes -= old.size
			return true
		})
	}
	if !h.fits(p, c) {
		return false
	}
	h.parcels = append(h.parcels, p)
	h.packets += len(p.messages)
	h.bytes += p.size
	return true
}

func (h *held) fits(p *parcel, c *Config) bool {
	return h.packets+len(p.messages) <= c.QueuePackets && h.bytes+p.size <= c.QueueBytes
}

// ID returns the id that client and server know the socket by: 22 URL-safe characters that
// hold 128 random bits, behind Config.Node and a dot if there is one. It is the name of a room
// too, which the socket is in until it leaves.
func (s *Socket) ID() string { return s.id }

// Data returns what Handler.Admit returned for the socket.
func (s *Socket) Data() any { return s.data }

// Recovered returns what Handler.Admit said about the socket.
func (s *Socket) Recovered() bool { return s.recovered }

// Address returns the key by which the client's address is counted.
func (s *Socket) Address() string { return s.session.Address() }

// Transport returns how the client is connected now: "websocket" or "polling".
func (s *Socket) Transport() string { return s.session.Transport() }

// Namespace returns the namespace that the socket is in.
func (s *Socket) Namespace() *Namespace { return s.seat.space }

// Connected returns when the socket was admitted.
func (s *Socket) Connected() time.Time { return s.connected }

// LastPong returns when the client last answered a ping; before the first answer, when its
// session was opened.
func (s *Socket) LastPong() time.Time { return s.session.LastPong() }

// Join puts the socket into the rooms. It leaves all of them by itself when it goes.
func (s *Socket) Join(rooms ...string) { s.seat.space.adapter.Join(s, rooms) }

// Leave takes the socket out of the rooms.
func (s *Socket) Leave(rooms ...string) { s.seat.space.adapter.Leave(s, rooms) }

// Rooms returns the rooms that the socket is in, sorted; its own id is one of them.
func (s *Socket) Rooms() []string { return s.seat.space.adapter.Rooms(s) }

// In reports whether the socket is in the room.
func (s *Socket) In(room string) bool { return s.seat.space.adapter.In(s, room) }

// Emit sends the events to this socket, one behind the other and in one piece, at once where
// nothing else waits to be sent. What one goroutine sends arrives in that order. If the
// socket's queue has no room for all of them, the socket is closed.
func (s *Socket) Emit(frames ...Frame) {
	if s.state.Load() == left {
		return
	}
	messages := make([]engineio.Message, 0, len(frames))
	for _, f := range frames {
		messages = f.messages(messages, s.seat.space.name, 0, false)
	}
	s.send(messages)
}

// EmitVolatile sends the event to this socket, unless its queue has no room, or needs the room
// for something else before the event is sent.
func (s *Socket) EmitVolatile(f Frame) {
	if s.state.Load() == left {
		return
	}
	if m := f.messages(nil, s.seat.space.name, 0, false); len(m) > 0 {
		s.session.Post(true, m...)
	}
}

func (s *Socket) send(m []engineio.Message) {
	if len(m) > 0 {
		s.session.Send(m...)
	}
}

// CatchUp says that the client has got, by Emit or before it came, every frame whose Seq is
// not beyond seq: broadcasts of those are not sent to it, neither what is held for it nor
// what comes later. It counts in Handler.Connected only.
func (s *Socket) CatchUp(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() == opening {
		s.caughtUp = seq
	}
}

// Disconnect tells the client that the server wants no more of it and closes the connection
// once everything sent before has been flushed, for the sockets of other namespaces too.
// Events that wait are not handled any more. A client that was told does not come back by
// itself.
func (s *Socket) Disconnect() { s.seat.client.dismiss(s) }

// DisconnectNamespace makes the socket leave its namespace, and tells the client. The
// connection stays, for sockets of other namespaces or for another CONNECT within the connect
// time-out. Events that wait are not handled any more.
func (s *Socket) DisconnectNamespace() {
	if !s.seat.client.leave(s, ReasonServerDisconnect, true) {
		return
	}
	s.flush()
	s.session.Send(engineio.Text(AppendPacket(nil, Packet{Type: PacketDisconnect, Namespace: s.seat.space.name})))
	s.forsake()
}

// Abort drops the connection without a word and without a flush. The client takes it for
// trouble of the network and comes back.
func (s *Socket) Abort() {
	if s.state.Load() != left {
		s.seat.client.abort(ReasonTransportClose)
	}
}

// deliver sends what was broadcast, or holds it while the socket is opening.
func (s *Socket) deliver(p *parcel) {
	for {
		switch s.state.Load() {
		case live:
			if m := p.after(s.caughtUp); len(m) > 0 {
				s.session.Post(p.volatile, m...)
			}
			return
		case left:
			return
		}
		if s.hold(p) {
			return
		}
	}
}

// hold keeps a parcel until the socket is live, within the bounds of its queue. It reports
// false when the socket is not opening any more.
func (s *Socket) hold(p *parcel) bool {
	c := s.seat.client
	s.mu.Lock()
	if s.state.Load() != opening {
		s.mu.Unlock()
		return false
	}
	if s.held == nil {
		s.held = new(held)
	}
	kept := s.held.add(p, &c.server.config)
	s.mu.Unlock()
	if !kept && !p.volatile {
		c.abort(ReasonQueueFull)
	}
	return true
}

// goLive sends what has been held, and lets broadcasts through from then on.
func (s *Socket) goLive() {
	for !s.flush() {
	}
}

// flush sends what has been held; for a socket that left while it was opening, only what is
// not counted. It reports true when there was nothing, and has let broadcasts through then.
func (s *Socket) flush() bool {
	s.mu.Lock()
	h, seq := s.held, s.caughtUp
	s.held = nil
	if h == nil {
		s.state.CompareAndSwap(opening, live)
	}
	if s.state.Load() == left {
		// The client may not have got what comes before a counted frame, and would go on
		// behind that one when it comes back.
		seq = math.MaxUint64
	}
	s.mu.Unlock()
	if h == nil {
		return true
	}
	for _, p := range h.parcels {
		if m := p.after(seq); len(m) > 0 {
			s.session.Post(p.volatile, m...)
		}
	}
	return false
}

// forsake lets go of what waits for a socket that has left.
func (s *Socket) forsake() {
	s.mu.Lock()
	asked := s.asked
	s.asked, s.held = nil, nil
	s.mu.Unlock()
	for _, q := range asked {
		q.answers <- given{socket: s, gone: true}
	}
}
