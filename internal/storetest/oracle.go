package storetest

import (
	"cmp"
	"slices"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// An oracle knows what a store must answer, by looking at everything each time.
type oracle struct {
	seq       order.Seq
	messages  []*entry
	readUpTo  map[side]*entry           // how far a person has read
	delivered map[side]*entry           // how far messages have reached a person
	settings  map[side]message.Settings // what a person has set
	changed   map[side]order.Seq        // when a conversation changed last for a person
}

// An entry is a message and who deleted it for themselves, by which commit.
type entry struct {
	message.Message
	hidden map[id.User]order.Seq
}

// A side is a conversation as one person sees it.
type side struct {
	user         id.User
	conversation message.Conversation
}

func newOracle() *oracle {
	return &oracle{
		readUpTo: map[side]*entry{}, delivered: map[side]*entry{}, settings: map[side]message.Settings{}, changed: map[side]order.Seq{},
	}
}

// commit takes over the number of a commit and marks the conversation for those it concerns.
func (o *oracle) commit(seq order.Seq, c message.Conversation, users ...id.User) {
	o.seq = seq
	for _, u := range users {
		o.changed[side{u, c}] = seq
	}
}

func (o *oracle) add(m message.Message) {
	o.messages = append(o.messages, &entry{m, map[id.User]order.Seq{}})
	o.commit(m.Seq, m.Conversation(), m.Sender, m.Recipient)
}

// shown is the message as a store returns it.
func (o *oracle) shown(e *entry) message.Message {
	m := e.Message
	m.Read = o.upTo(side{m.Recipient, m.Conversation()}) >= m.Seq
	return m
}

// settle changes what a person has set.
func (o *oracle) settle(s side, set func(*message.Settings)) {
	now := o.settings[s]
	set(&now)
	o.settings[s] = now
}

// clear hides all that a person can see of a conversation.
func (o *oracle) clear(s side, seq order.Seq) {
	for _, e := range o.messages {
		if e.Conversation() == s.conversation && e.visible(s.user) {
			e.hidden[s.user] = seq
		}
	}
	o.settle(s, func(set *message.Settings) { set.MarkedUnread = time.Time{} })
	o.commit(seq, s.conversation, s.user)
}

func (o *oracle) upTo(s side) order.Seq { return o.readUpTo[s].seq() }

// has is how far messages have reached a person: what was read has too.
func (o *oracle) has(s side) order.Seq { return max(o.delivered[s].seq(), o.readUpTo[s].seq()) }

func (o *oracle) hasID(s side) id.Message {
	if o.delivered[s].seq() > o.readUpTo[s].seq() {
		return o.delivered[s].id()
	}
	return o.readUpTo[s].id()
}

// newestOf is the newest message of somebody between two places that is not deleted.
func (o *oracle) newestOf(c message.Conversation, sender id.User, after, upTo order.Seq) id.Message {
	var newest id.Message
	for _, e := range o.messages {
		if e.Conversation() == c && e.Sender == sender && e.Seq > after && e.Seq <= upTo && e.DeletedAt.IsZero() {
			newest = e.ID
		}
	}
	return newest
}

// seq is 0 for no entry.
func (e *entry) seq() order.Seq {
	if e == nil {
		return 0
	}
	return e.Seq
}

func (e *entry) id() id.Message {
	if e == nil {
		return id.Message{}
	}
	return e.ID
}

func (e *entry) visible(u id.User) bool { return e.hidden[u] == 0 }

func (o *oracle) page(c message.Conversation, viewer id.User) []message.Message {
	var list []message.Message
	for _, e := range o.messages {
		if e.Conversation() == c && e.visible(viewer) {
			list = append(list, o.shown(e))
		}
	}
	return list
}

func (o *oracle) unreadOf(s side) int {
	n := 0
	for _, e := range o.messages {
		if e.Conversation() == s.conversation && e.Sender != s.user && e.Seq > o.upTo(s) && e.DeletedAt.IsZero() && e.visible(s.user) {
			n++
		}
	}
	return n
}

func (o *oracle) unread(u id.User) map[id.User]int {
	counts := map[id.User]int{}
	for s := range o.changed {
		if n := o.unreadOf(s); s.user == u && n > 0 {
			counts[s.conversation.Other(u)] = n
		}
	}
	return counts
}

func (o *oracle) row(s side) message.Row {
	peer := s.conversation.Other(s.user)
	r := message.Row{
		Peer: peer, Unread: o.unreadOf(s), Changed: o.changed[s],
		ReadUpTo: o.readUpTo[s].id(), PeerRead: o.readUpTo[side{peer, s.conversation}].id(),
		PeerHas: o.hasID(side{peer, s.conversation}), Settings: o.settings[s],
	}
	if page := o.page(s.conversation, s.user); len(page) > 0 {
		r.Last = &page[len(page)-1]
	}
	return r
}

// rows are the conversations of a person that changed after a number, newest first.
func (o *oracle) rows(u id.User, after order.Seq) []message.Row {
	var rows []message.Row
	for s, changed := range o.changed {
		if s.user == u && changed > after {
			rows = append(rows, o.row(s))
		}
	}
	last := func(r message.Row) order.Seq {
		if r.Last == nil {
			return 0
		}
		return r.Last.Seq
	}
	slices.SortFunc(rows, func(a, b message.Row) int {
		return cmp.Or(cmp.Compare(last(b), last(a)), cmp.Compare(b.Changed, a.Changed))
	})
	return rows
}

// listed are the conversations of which a person can see a message.
func (o *oracle) listed(u id.User) []message.Row {
	return slices.DeleteFunc(o.rows(u, 0), func(r message.Row) bool { return r.Last == nil })
}

func (o *oracle) changes(u id.User, after order.Seq) message.Changes {
	c := message.Changes{Seq: o.seq, Rows: o.rows(u, after)}
	slices.SortStableFunc(c.Rows, func(a, b message.Row) int { return cmp.Compare(a.Changed, b.Changed) })
	for _, e := range o.messages {
		talk := e.Conversation()
		if !talk.Has(u) {
			continue
		}
		forAll := !e.DeletedAt.IsZero() && e.Changed > after
		forSelf := e.hidden[u] > after
		switch {
		case e.hidden[u] != 0 && !forSelf:
			// It was gone for this person before.
		case forSelf:
			c.Deleted = append(c.Deleted, message.Gone{ID: e.ID, Peer: talk.Other(u), Seq: e.hidden[u]})
		case forAll:
			c.Deleted = append(c.Deleted, message.Gone{ID: e.ID, Peer: talk.Other(u), ForAll: true, Seq: e.Changed})
		case e.Seq > after:
			c.New = append(c.New, o.shown(e))
		case e.Changed > after:
			c.Changed = append(c.Changed, o.shown(e))
		}
	}
	slices.SortFunc(c.Changed, func(a, b message.Message) int { return cmp.Compare(a.Changed, b.Changed) })
	slices.SortStableFunc(c.Deleted, func(a, b message.Gone) int { return cmp.Compare(a.Seq, b.Seq) })
	return c
}
