package socketio

import (
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// A Reason says why a socket left. The texts are those of the reference, and one of ours.
type Reason string

// Why sockets leave.
const (
	ReasonTransportClose   Reason = "transport close"             // the client or the network closed it
	ReasonTransportError   Reason = "transport error"             // WebSocket violated, or a handler panicked
	ReasonPingTimeout      Reason = "ping timeout"                // no pong in time
	ReasonClientDisconnect Reason = "client namespace disconnect" // the client said goodbye
	ReasonServerDisconnect Reason = "server namespace disconnect" // Socket.Disconnect
	ReasonParseError       Reason = "parse error"                 // a packet that is none
	ReasonShuttingDown     Reason = "server shutting down"        // Server.Drain
	ReasonQueueFull        Reason = "queue full"                  // the client reads too slowly
)

// A Handshake is what a client said about itself when it connected. It is shared and must
// not be changed.
type Handshake struct {
	Auth    []byte // raw JSON object of the CONNECT packet; nil if there was none
	Header  http.Header
	URL     *url.URL
	Address string // the key by which the client's address is counted
}

// A Refusal is the error by which Handler.Admit refuses a client for good: the client is
// told and does not try again by itself.
type Refusal struct {
	Message string
	Data    []byte // raw JSON; empty for none
}

func (r *Refusal) Error() string { return r.Message }

// A Socket is an admitted client. Its methods are safe for concurrent use, never block, and
// do nothing once the socket has left.
type Socket struct {
	conn      *conn
	id        string
	data      any
	handshake Handshake
	connected time.Time

	rooms map[string]struct{} // guarded by the hub; nil before the socket came and after it left
}

// ID returns the id that client and server know the socket by: 22 URL-safe characters that
// hold 128 random bits.
func (s *Socket) ID() string { return s.id }

// Data returns what Handler.Admit returned for the socket.
func (s *Socket) Data() any { return s.data }

// Handshake returns what the client said when it connected.
func (s *Socket) Handshake() Handshake { return s.handshake }

// Connected returns when the socket was admitted.
func (s *Socket) Connected() time.Time { return s.connected }

// LastPong returns when the client last answered a ping; before the first answer, when its
// transport opened.
func (s *Socket) LastPong() time.Time { return time.Unix(0, s.conn.pong.Load()) }

// Join puts the socket into the rooms. It leaves all of them by itself when it goes.
func (s *Socket) Join(rooms ...string) { s.conn.server.hub.joinAll(s, rooms) }

// Leave takes the socket out of the rooms.
func (s *Socket) Leave(rooms ...string) { s.conn.server.hub.leaveAll(s, rooms) }

// Rooms returns the rooms that the socket is in, sorted; its own id is one of them.
func (s *Socket) Rooms() []string { return s.conn.server.hub.roomsOf(s) }

// In reports whether the socket is in the room.
func (s *Socket) In(room string) bool { return s.conn.server.hub.in(s, room) }

// Emit sends the event to this socket. What one goroutine sends arrives in that order. If
// the socket's queue is full, the socket is closed.
func (s *Socket) Emit(f Frame) { s.send(f.message) }

// Disconnect tells the client that the server wants no more of it and closes the transport
// once everything sent before has been flushed. Events that wait are not handled any more. A
// client that was told does not come back by itself.
func (s *Socket) Disconnect() { s.conn.dismiss(s) }

func (s *Socket) send(message []byte) {
	if len(message) > 0 {
		s.conn.send(s, message)
	}
}

// An Event is what a client emitted. Its methods are safe for concurrent use, also after the
// handler has returned and the socket has gone. An Event that was not received but made by
// its fields asks for no reply.
type Event struct {
	Name string
	Args [][]byte // raw JSON each, valid; duplicate names are for its reader to refuse; not to be changed
	Size int      // bytes of the packet

	socket  *Socket
	job     *job
	id      uint64
	asked   bool
	replied atomic.Bool
}

// WantsReply reports whether the client asked for an acknowledgement.
func (e *Event) WantsReply() bool { return e.asked }

// Reply acknowledges the event with the arguments, which are raw JSON. Only the first call
// counts. It does nothing if the client asked for no acknowledgement or has gone.
func (e *Event) Reply(args ...[]byte) {
	if !e.asked || e.replied.Swap(true) {
		return
	}
	e.socket.send(AppendPacket([]byte{messageType}, Packet{Type: PacketAck, ID: e.id, HasID: true, Args: args}))
}

// Advance lets the next packet of the socket be handled although this handler has not
// returned. Only the first call counts, and none after the handler has returned.
func (e *Event) Advance() {
	if e.job != nil {
		e.socket.conn.line.pass(e.job)
	}
}
