package message

import (
	"cmp"
	"context"
	"errors"
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
	if c.Reload || after.Seq > c.Seq || slices.ContainsFunc(c.Rows, markedUnread) || slices.ContainsFunc(c.Groups, seatMarkedUnread) {
		return nil, wire.Offset{}, false, nil
	}
	c.hide(who.User, blocked)
	m := missed{me: who.User, after: after.Seq, since: from}
	if m.mine, err = s.deliveredOf(ctx, who.User, c.Cursors); err != nil {
		return nil, wire.Offset{}, false, fmt.Errorf("missed events: %w", err)
	}
	if m.scene, err = s.sceneOf(ctx, who.User, c.New, c.Changed); err != nil {
		return nil, wire.Offset{}, false, fmt.Errorf("missed events: %w", err)
	}
	return m.tellAll(c), wire.Offset{Database: s.database, Seq: c.Seq}, true, nil
}

// markedUnread reports whether a person has read in a conversation, and marked it as unread
// since. No event tells of such a mark, and the one that tells how far they have read would take
// it away from a device that shows it.
func markedUnread(r Row) bool { return !r.Settings.MarkedUnread.IsZero() && !r.ReadUpTo.IsZero() }

// seatMarkedUnread is markedUnread for a group.
func seatMarkedUnread(st Seat) bool {
	return !st.Settings.MarkedUnread.IsZero() && !st.ReadUpTo.IsZero()
}

// deliveredOf returns those of somebody's messages up to which messages have come to other
// members of their groups, who have not read them. Nobody else is told that they have.
func (s *Service) deliveredOf(ctx context.Context, u id.User, cursors []Cursor) (map[id.Message]bool, error) {
	in := make(map[id.Group][]id.Message)
	for _, c := range cursors {
		if c.Delivered > c.Read && !c.DeliveredAt.IsZero() && !slices.Contains(in[c.Group], c.DeliveredID) {
			in[c.Group] = append(in[c.Group], c.DeliveredID)
		}
	}
	mine := make(map[id.Message]bool)
	for g, of := range in {
		some, err := s.store.Some(ctx, InGroup(g), u, of)
		if errors.Is(err, ErrNotMember) || errors.Is(err, ErrNoGroup) {
			continue // what comes next tells them that they are out
		}
		if err != nil {
			return nil, err
		}
		for _, m := range some {
			if m.Sender == u {
				mine[m.ID] = true
			}
		}
	}
	return mine, nil
}

// missed gathers what one person's socket has to be told.
type missed struct {
	scene
	me     id.User
	after  order.Seq // the messages up to it have been heard
	since  order.Seq // everything up to it has been heard
	mine   map[id.Message]bool
	events []wire.Outgoing
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
	for _, st := range c.Groups {
		m.group(st)
	}
	for _, cur := range c.Cursors {
		m.moved(cur)
	}
	for _, l := range c.Left {
		told(m, wire.GroupLeftBehind, l.Seq, wire.GroupRemoved{GroupChatID: l.Group})
	}
	// The receipts of a conversation stand behind the message of the same commit.
	slices.SortStableFunc(m.events, func(a, b wire.Outgoing) int { return cmp.Compare(a.Seq, b.Seq) })
	return m.events
}

// told adds an event. The rooms are those of the person; whoever sends the events picks one
// socket.
func told[P any](m *missed, e wire.ToClient[P], seq order.Seq, p P) {
	m.events = append(m.events, e.At(seq, wire.UserRoom(m.me), p))
}

func (m *missed) arrived(one Message) {
	event := wire.MessageNew
	switch {
	case one.Conversation().IsGroup():
		event = wire.GroupMessageNew
	case one.Sender == m.me:
		event = wire.MessageSent
	}
	told(m, event, one.Seq, m.show(one))
}

func (m *missed) edited(one Message) { told(m, edited(one), one.Changed, asEdited(m.show(one))) }

func (m *missed) deleted(g Gone) {
	if g.Group.IsZero() {
		told(m, wire.MessageGone, g.Seq, g.direct(m.me))
	} else {
		told(m, wire.GroupMessageGone, g.Seq, g.inGroup(m.me))
	}
}

func (m *missed) receipts(r Row) {
	// A mark "unread" may have gone where nothing was ever read: nothing in the row tells that
	// it was there.
	unmarked := r.Settings.MarkedUnread.IsZero() && r.Unread == 0
	if !r.ReadUpTo.IsZero() || unmarked {
		told(m, wire.MessageWasRead, r.Changed, wire.MessageRead{MessageID: r.ReadUpTo, ConversationWith: r.Peer})
	}
	if !r.PeerHas.IsZero() && r.PeerHas != r.PeerRead {
		told(m, wire.MessageArrived, r.Changed, wire.MessageDelivered{MessageID: r.PeerHas, UserID: r.Peer})
	}
	if !r.PeerRead.IsZero() {
		told(m, wire.MessageWasRead, r.Changed, wire.MessageRead{MessageID: r.PeerRead, ReadBy: r.Peer})
	}
}

// hasRead reports whether the member has read anything. Whoever came later begins behind what
// was written before, and has not read that.
func (c Cursor) hasRead() bool { return !c.ReadAt.IsZero() }

// group tells of a group that changed, and how far the person has read in it.
func (m *missed) group(st Seat) {
	g := st.Group
	if g.Changed > m.since {
		told(m, wire.GroupUpdated, g.Changed, card(g))
	}
	unmarked := st.Settings.MarkedUnread.IsZero() && st.Unread == 0
	if !st.ReadAt.IsZero() && !st.ReadUpTo.IsZero() {
		told(m, wire.GroupMessageWasRead, st.Changed, wire.GroupMessageRead{GroupChatID: g.ID, MessageID: st.ReadUpTo, UserID: m.me})
	}
	if !st.ReadUpTo.IsZero() || unmarked {
		told(m, wire.MessageWasRead, st.Changed, wire.MessageRead{MessageID: st.ReadUpTo, GroupChatID: g.ID})
	}
}

// moved tells how far another member has read, and the author what has reached them.
func (m *missed) moved(c Cursor) {
	if m.mine[c.DeliveredID] && c.Delivered > c.Read {
		told(m, wire.MessageArrived, c.Changed, wire.MessageDelivered{MessageID: c.DeliveredID, UserID: c.User, GroupChatID: c.Group})
	}
	if c.hasRead() && !c.ReadID.IsZero() {
		told(m, wire.GroupMessageWasRead, c.Changed, wire.GroupMessageRead{GroupChatID: c.Group, MessageID: c.ReadID, UserID: c.User})
	}
}
