// Package bus carries what happens on one node of the server to every node, this one included:
// events for sockets, the end of sessions, and that what is remembered of people is out of
// date. Who tells it declares what it needs of it. There is one node today, and Local calls
// it at once. A bus between processes would stand in its place, but would not be enough: the
// limit of a user's connections, the recheck of sessions and the publishing in order of
// commits (realtime.Gateway, order.Line) know the sockets and operations of one node alone.
package bus

import (
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Sockets are the sockets of one node.
type Sockets interface {
	wire.Publisher
	EndSession(session, reason string, final bool)
}

// Memory is what one node remembers of people.
type Memory interface {
	Forget(us ...id.User)
}

// Local is the bus of the only node. Its fields are set before it is used. Its methods are safe
// for concurrent use where theirs are, do not block where they do not, and keep the order in
// which one goroutine calls them.
type Local struct {
	Sockets Sockets
	Memory  Memory
}

var _ wire.Publisher = (*Local)(nil)

// Publish implements wire.Publisher.
func (l *Local) Publish(out ...wire.Outgoing) { l.Sockets.Publish(out...) }

// Revoke closes the sockets of a session that is over. final says that there is nothing to
// tell the person about.
func (l *Local) Revoke(session, reason string, final bool) {
	l.Sockets.EndSession(session, reason, final)
}

// Invalidate makes every node forget what it remembers of people.
func (l *Local) Invalidate(us ...id.User) { l.Memory.Forget(us...) }
