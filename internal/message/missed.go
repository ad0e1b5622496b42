package message

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/wire"
)

// Missed returns the events that tell the caller's socket what happened after an offset, in
// the order of the commits that they tell of, and the offset up to which they do. Each message
// comes once, in its newest state; a change, a deletion or a receipt may be one that the client
// knows already. partly says that the socket has heard of the commit at the offset, though
// perhaps not everything: a commit that leads to several events leads to one message at most,
// which is told first, and the rest is told again. It reports false where this cannot be told
// for certain: the offset is of another database or of the future, there is too much, a block
// began or ended, or a conversation changed that the caller has marked as unread.
func (s *Service) Missed(ctx context.Context, who auth.Identity, after wire.Offset, partly bool) (events []wire.Outgoing, upTo wire.Offset, ok bool, err error) {
	if after.Database != s.database {
		return nil, wire.Offset{}, false, nil
	}
	// The blocks come first: one that begins or ends from here on asks for a reload.
	blocked, err := s.people.BlockedWith(ctx, who.User)
	if err != nil {
		return nil, wire.Offset{}, false, fmt.Errorf("missed events: %w", err)
	}
	from, limit := after.Seq, maxSync
	// The first commit of all leads to one event at most, and 0 asks for everything.
	if partly && from > 1 {
		from, limit = from-1, limit+1
	}
	c, err := s.store.Since(ctx, who.User, from, limit)
	if err != nil {
		return nil, wire.Offset{}, false, fmt.Errorf("missed events: %w", err)
	}
	if c.Reload || after.Seq > c.Seq || slices.ContainsFunc(c.Rows, markedUnread) {
		return nil, wire.Offset{}, false, nil
	}
	known, err := s.people.People(ctx, participants(c.New, c.Changed))
	if err != nil {
		return nil, wire.Offset{}, false, fmt.Errorf("missed events: %w", err)
	}
	m := missed{me: who.User, after: after.Seq, blocked: blocked, known: known}
	return m.tellAll(c), wire.Offset{Database: s.database, Seq: c.Seq}, true, nil
}

// markedUnread reports whether a person has read in a conversation, and marked it as unread
// since. No event tells of such a mark, and the one that tells how far they have read would take
// it away from a device that shows it.
func markedUnread(r Row) bool { return !r.Settings.MarkedUnread.IsZero() && !r.ReadUpTo.IsZero() }

// missed gathers what one person's socket has to be told.
type missed struct {
	me      id.User
	after   order.Seq // the messages up to it have been heard
	blocked map[id.User]bool
	known   map[id.User]wire.Person
	events  []wire.Outgoing
}

func (m *missed) tellAll(c Changes) []wire.Outgoing {
	for _, one := range c.New {
		if one.Seq > m.after {
			m.arrived(one)
		} else if one.Changed > one.Seq {
			m.edited(one)
		}
	}
	for _, one := range c.Changed {
		m.edited(one)
	}
	for _, g := range c.Deleted {
		m.deleted(g)
	}
	for _, r := range c.Rows {
		m.receipts(r)
	}
	// The receipts of a conversation stand behind the message of the same commit.
	slices.SortStableFunc(m.events, func(a, b wire.Outgoing) int { return cmp.Compare(a.Seq, b.Seq) })
	return m.events
}

// tell adds an event, unless a block stands between the two people of the conversation. The
// rooms are those of the person; whoever sends the events picks one socket.
func tell[P any](m *missed, peer id.User, e wire.ToClient[P], seq order.Seq, p P) {
	if !m.blocked[peer] {
		m.events = append(m.events, e.At(seq, wire.UserRoom(m.me), p))
	}
}

func (m *missed) arrived(one Message) {
	event := wire.MessageNew
	if one.Sender == m.me {
		event = wire.MessageSent
	}
	tell(m, one.Conversation().Other(m.me), event, one.Seq, project(one, m.known))
}

func (m *missed) edited(one Message) {
	w := project(one, m.known)
	w.MessageID = &one.ID
	tell(m, one.Conversation().Other(m.me), wire.MessageEdited, one.Changed, w)
}

func (m *missed) deleted(g Gone) {
	w := wire.MessageDeleted{MessageID: g.ID, DeletedForUser: m.me}
	if g.ForAll {
		w = wire.MessageDeleted{MessageID: g.ID, DeleteForAll: true}
	}
	tell(m, g.Peer, wire.MessageGone, g.Seq, w)
}

func (m *missed) receipts(r Row) {
	// A mark "unread" may have gone where nothing was ever read: nothing in the row tells that
	// it was there.
	unmarked := r.Settings.MarkedUnread.IsZero() && r.Unread == 0
	if !r.ReadUpTo.IsZero() || unmarked {
		tell(m, r.Peer, wire.MessageWasRead, r.Changed, wire.MessageRead{MessageID: r.ReadUpTo, ConversationWith: r.Peer})
	}
	if !r.PeerHas.IsZero() && r.PeerHas != r.PeerRead {
		tell(m, r.Peer, wire.MessageArrived, r.Changed, wire.MessageDelivered{MessageID: r.PeerHas, UserID: r.Peer})
	}
	if !r.PeerRead.IsZero() {
		tell(m, r.Peer, wire.MessageWasRead, r.Changed, wire.MessageRead{MessageID: r.PeerRead, ReadBy: r.Peer})
	}
}
