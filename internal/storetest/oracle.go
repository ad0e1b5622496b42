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
	seq      order.Seq
	messages []*entry
	sides    map[side]*own
	circles  []*circle // the groups, deleted ones too
	left     map[side]order.Seq
}

// An entry is a message, its earlier texts, and who deleted it for themselves, by which commit.
type entry struct {
	message.Message
	versions []message.Version
	hidden   map[id.User]order.Seq
}

// A side is a conversation as one person sees it.
type side struct {
	user         id.User
	conversation message.Conversation
}

// An own is what is a person's own in a conversation.
type own struct {
	read, delivered     *entry // how far the person has read, and how far messages have reached them
	readAt, deliveredAt time.Time
	settings            message.Settings
	changed             order.Seq // when it changed last for the person; 0 where they do not have the conversation
	moved               order.Seq // when how far moved last, in a group
}

func newOracle(seq order.Seq) *oracle {
	return &oracle{seq: seq, sides: map[side]*own{}, left: map[side]order.Seq{}}
}

// own is never nil.
func (o *oracle) own(s side) *own {
	if o.sides[s] == nil {
		o.sides[s] = &own{}
	}
	return o.sides[s]
}

// commit takes over the number of a commit and marks the conversation for those it concerns.
func (o *oracle) commit(seq order.Seq, c message.Conversation, users ...id.User) {
	o.seq = seq
	for _, u := range users {
		o.own(side{u, c}).changed = seq
	}
}

// touch is commit for what concerns everybody in the conversation of a message.
func (o *oracle) touch(seq order.Seq, e *entry) {
	if e.Group.IsZero() {
		o.commit(seq, e.Conversation(), e.Sender, e.Recipient)
		return
	}
	o.seq, o.circle(e.Group).touched = seq, seq
}

func (o *oracle) add(m message.Message) {
	e := &entry{Message: m, hidden: map[id.User]order.Seq{}}
	o.messages = append(o.messages, e)
	o.touch(m.Seq, e)
}

// takesPart reports whether a person is in a conversation.
func (o *oracle) takesPart(u id.User, c message.Conversation) bool {
	if !c.IsGroup() {
		return c.Has(u)
	}
	_, in := o.circle(c.Group).Member(u)
	return in
}

// shown is the message as a store returns it.
func (o *oracle) shown(e *entry) message.Message {
	m := e.Message
	m.Reactions = slices.Clone(m.Reactions)
	if m.Group.IsZero() {
		m.Read = o.upTo(side{m.Recipient, m.Conversation()}) >= m.Seq
	}
	return m
}

// settle changes what a person has set.
func (o *oracle) settle(s side, set func(*message.Settings)) { set(&o.own(s).settings) }

func unmark(set *message.Settings) { set.MarkedUnread = time.Time{} }

// clear hides all that a person can see of a conversation.
func (o *oracle) clear(s side, seq order.Seq) {
	for _, e := range o.messages {
		if e.Conversation() == s.conversation && e.visible(s.user) {
			e.hidden[s.user] = seq
		}
	}
	o.settle(s, unmark)
	o.commit(seq, s.conversation, s.user)
}

func (o *oracle) upTo(s side) order.Seq { return o.own(s).read.seq() }

// has is how far messages have reached a person: what was read has too.
func (o *oracle) has(s side) *entry {
	own := o.own(s)
	if own.delivered.seq() > own.read.seq() {
		return own.delivered
	}
	return own.read
}

// newestTo is the newest message to a person between two places that is not deleted.
func (o *oracle) newestTo(s side, after, upTo order.Seq) id.Message {
	var newest id.Message
	for _, e := range o.messages {
		if e.Conversation() == s.conversation && e.Sender != s.user && e.Seq > after && e.Seq <= upTo && e.DeletedAt.IsZero() {
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
	for _, s := range o.talksOf(u) {
		if n := o.unreadOf(s); n > 0 {
			counts[s.conversation.Other(u)] = n
		}
	}
	return counts
}

// talksOf are the conversations with one other that a person has.
func (o *oracle) talksOf(u id.User) []side {
	var all []side
	for s, own := range o.sides {
		if s.user == u && own.changed > 0 && !s.conversation.IsGroup() {
			all = append(all, s)
		}
	}
	return all
}

func (o *oracle) row(s side) message.Row {
	theirs := side{s.conversation.Other(s.user), s.conversation}
	r := message.Row{
		Peer: theirs.user, Unread: o.unreadOf(s), Changed: o.own(s).changed, Settings: o.own(s).settings,
		ReadUpTo: o.own(s).read.id(), PeerRead: o.own(theirs).read.id(), PeerHas: o.has(theirs).id(),
	}
	r.Last = newest(o.page(s.conversation, s.user))
	return r
}

// newest is nil where there is nothing.
func newest(page []message.Message) *message.Message {
	if len(page) == 0 {
		return nil
	}
	return &page[len(page)-1]
}

// rows are the conversations of a person that changed after a number, newest first.
func (o *oracle) rows(u id.User, after order.Seq) []message.Row {
	var rows []message.Row
	for _, s := range o.talksOf(u) {
		if o.own(s).changed > after {
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
	o.groupChanges(&c, u, after)
	for _, e := range o.messages {
		talk := e.Conversation()
		if !o.takesPart(u, talk) {
			continue
		}
		gone := message.Gone{ID: e.ID, Group: e.Group}
		if e.Group.IsZero() {
			gone.Peer = talk.Other(u)
		}
		forAll := !e.DeletedAt.IsZero() && e.Changed > after
		forSelf := e.hidden[u] > after
		switch {
		case e.hidden[u] != 0 && !forSelf:
			// It was gone for this person before.
		case forSelf:
			gone.Seq = e.hidden[u]
			c.Deleted = append(c.Deleted, gone)
		case forAll:
			gone.ForAll, gone.Seq = true, e.Changed
			c.Deleted = append(c.Deleted, gone)
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
