package socketio

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// A Target names sockets of one namespace. The zero Target names none.
type Target struct {
	All    bool     // every socket, whatever Rooms says
	Rooms  []string // the sockets that are in one of these; the id of a socket is a room as well
	Except []string // but in none of these
}

// In names the sockets that are in one of the rooms.
func In(rooms ...string) Target { return Target{Rooms: rooms} }

// But returns t without the sockets that are in one of the rooms.
func (t Target) But(rooms ...string) Target {
	t.Except = slices.Concat(t.Except, rooms)
	return t
}

// A Namespace is one of the spaces that clients connect to. Each has sockets, rooms and a
// Handler of its own. Its methods are safe for concurrent use, and none but Ask and IDs wait
// for anything.
type Namespace struct {
	name    string
	server  *Server
	handler Handler
	local   *local
	adapter Adapter       // around local
	asks    atomic.Uint64 // the last ack id
}

func newNamespace(s *Server, name string, h Handler) *Namespace {
	n := &Namespace{name: name, server: s, handler: h}
	n.local = newLocal(n)
	n.adapter = n.local
	if s.config.Adapter != nil {
		n.adapter = s.config.Adapter(name, n.local)
	}
	return n
}

// Of adds a namespace. It is called before the server serves. It panics without a handler, on
// a name that is taken, and on one that is no path of at most 512 bytes of UTF-8 without
// commas and control characters.
func (s *Server) Of(name string, h Handler) *Namespace {
	control := func(r rune) bool { return r == ',' || r < ' ' }
	if h == nil || s.spaces[name] != nil || len(name) > maxNamespace || !strings.HasPrefix(name, "/") ||
		!utf8.ValidString(name) || strings.ContainsFunc(name, control) {
		panic("socketio: no namespace " + strconv.Quote(name))
	}
	n := newNamespace(s, name, h)
	s.spaces[name] = n
	return n
}

// Name returns the name, which begins with a slash.
func (n *Namespace) Name() string { return n.name }

// Emit sends the events to each of the sockets, one behind the other and in one piece: they
// are written together. A socket whose queue has no room for all of them is closed. What one
// goroutine emits arrives in that order. Sockets for which Handler.Connected has not returned
// get the events after that.
func (n *Namespace) Emit(to Target, frames ...Frame) { n.adapter.Broadcast(to, frames, false) }

// EmitVolatile sends the events like Emit, except to sockets whose queues have no room for
// all of them, or need the room for something else before they are sent.
func (n *Namespace) EmitVolatile(to Target, frames ...Frame) { n.adapter.Broadcast(to, frames, true) }

// Ask sends the event to the sockets and waits until each has acknowledged it, has left, or
// ctx has ended, which has to have a deadline. It returns the answers, and the ids of those
// who gave none, by the ids of the sockets.
func (n *Namespace) Ask(ctx context.Context, to Target, f Frame) (answers map[string]Answer, missing []string) {
	return n.adapter.Ask(ctx, to, f)
}

// Sockets returns the sockets of this process that are in the room, in no order.
func (n *Namespace) Sockets(room string) []*Socket { return n.adapter.Sockets(In(room)) }

// Select returns the sockets of this process that are named, in no order.
func (n *Namespace) Select(to Target) []*Socket { return n.adapter.Sockets(to) }

// IDs returns the ids of the sockets that are named, of other nodes too, in no order.
func (n *Namespace) IDs(ctx context.Context, to Target) ([]string, error) {
	return n.adapter.IDs(ctx, to)
}

// Join puts the sockets into the rooms.
func (n *Namespace) Join(to Target, rooms ...string) { n.adapter.JoinAll(to, rooms) }

// Leave takes the sockets out of the rooms.
func (n *Namespace) Leave(to Target, rooms ...string) { n.adapter.LeaveAll(to, rooms) }

// Disconnect makes the sockets leave: like Socket.Disconnect where their connections are to
// be closed, else like Socket.DisconnectNamespace.
func (n *Namespace) Disconnect(to Target, closing bool) { n.adapter.Disconnect(to, closing) }

// Count returns how many sockets of the namespace there are in this process.
func (n *Namespace) Count() int { return n.adapter.Count() }
