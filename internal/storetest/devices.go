package storetest

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// A device knows what it was told of changes, and what it has loaded of groups that were new to it.
type device struct {
	owner   id.User
	upTo    order.Seq
	rows    map[id.User]message.Row
	seats   map[id.Group]message.Seat
	cursors map[id.Group]map[id.User]message.Cursor
	threads map[message.Conversation]map[id.Message]message.Message
}

func newDevice(owner id.User, upTo order.Seq) *device {
	return &device{
		owner: owner, upTo: upTo, rows: map[id.User]message.Row{}, seats: map[id.Group]message.Seat{},
		cursors: map[id.Group]map[id.User]message.Cursor{}, threads: map[message.Conversation]map[id.Message]message.Message{},
	}
}

// sync tells a device what changed and compares what it knows then with the oracle.
func (h *history) sync(d *device) {
	h.t.Helper()
	c := h.desk.since(d.owner, d.upTo)
	if c.Reload {
		h.t.Fatalf("the changes after %d of %d are to be loaded again", d.upTo, h.oracle.seq)
	}
	d.hear(h.desk, c)

	var rows []message.Row
	for _, s := range h.talksOf(d.owner) {
		rows = append(rows, h.oracle.row(s))
	}
	same(h.t, "rows that a device knows", sorted(maps.Values(d.rows), func(r message.Row) id.User { return r.Peer }),
		sorted(slices.Values(rows), func(r message.Row) id.User { return r.Peer }))
	name := func(s message.Seat) id.Group { return s.Group.ID }
	same(h.t, "seats that a device knows", sorted(maps.Values(d.seats), name), sorted(slices.Values(h.oracle.seats(d.owner)), name))
	for _, r := range rows {
		h.compare(d, message.Between(d.owner, r.Peer))
	}
	for g := range d.seats {
		h.compare(d, message.InGroup(g))
		want := slices.DeleteFunc(h.oracle.cursors(h.circle(g)), func(c message.Cursor) bool { return c.User == d.owner || c.Delivered == 0 })
		got := sorted(maps.Values(d.cursors[g]), func(c message.Cursor) id.User { return c.User })
		same(h.t, "cursors that a device knows", got, want)
	}
}

// compare compares a thread. Whether a message between two people is read is told by the rows.
func (h *history) compare(d *device, c message.Conversation) {
	h.t.Helper()
	want := h.oracle.page(c, d.owner)
	got := slices.SortedFunc(maps.Values(d.threads[c]), func(a, b message.Message) int { return cmp.Compare(a.Seq, b.Seq) })
	for i := range want {
		want[i].Read, want[i].Changed = false, 0
	}
	for i := range got {
		got[i].Read, got[i].Changed = false, 0
	}
	same(h.t, "thread that a device knows", got, want)
}

// hear takes over changes.
func (d *device) hear(desk *desk, c message.Changes) {
	for _, l := range c.Left {
		d.forget(l.Group)
	}
	for _, m := range slices.Concat(c.New, c.Changed) {
		d.thread(m.Conversation())[m.ID] = m
	}
	for _, g := range c.Deleted {
		talk := message.InGroup(g.Group)
		if g.Group.IsZero() {
			talk = message.Between(d.owner, g.Peer)
		}
		d.delete(talk, g, desk)
	}
	for _, r := range c.Rows {
		d.rows[r.Peer] = r
	}
	for _, s := range c.Groups {
		d.place(desk, s)
	}
	for _, cursor := range c.Cursors {
		d.cursors[cursor.Group][cursor.User] = cursor
	}
	d.upTo = c.Seq
}

func (d *device) thread(c message.Conversation) map[id.Message]message.Message {
	if d.threads[c] == nil {
		d.threads[c] = map[id.Message]message.Message{}
	}
	return d.threads[c]
}

// delete takes a message out, or puts the tombstone in its place.
func (d *device) delete(c message.Conversation, g message.Gone, desk *desk) {
	if !g.ForAll {
		delete(d.thread(c), g.ID)
		return
	}
	d.thread(c)[g.ID] = desk.find(g.ID)
}

// place takes over a group as the owner has it. One in which the owner was not before is loaded.
func (d *device) place(desk *desk, s message.Seat) {
	g := s.Group.ID
	me, _ := s.Group.Member(d.owner)
	if old, known := d.seats[g]; known {
		if was, _ := old.Group.Member(d.owner); was.JoinedAt.Equal(me.JoinedAt) {
			d.seats[g] = s
			maps.DeleteFunc(d.cursors[g], func(u id.User, _ message.Cursor) bool {
				_, in := s.Group.Member(u)
				return !in
			})
			return
		}
	}
	d.forget(g)
	d.seats[g], d.cursors[g] = s, map[id.User]message.Cursor{}
	for _, m := range desk.thread(message.InGroup(g), d.owner) {
		d.thread(message.InGroup(g))[m.ID] = m
	}
	for _, c := range desk.cursors(g) {
		if c.User != d.owner && c.Delivered > 0 {
			d.cursors[g][c.User] = c
		}
	}
}

func (d *device) forget(g id.Group) {
	delete(d.seats, g)
	delete(d.cursors, g)
	delete(d.threads, message.InGroup(g))
}

// A name is an id.
type name[N any] interface{ Compare(N) int }

// sorted returns values by their names.
func sorted[V any, N name[N]](values iter.Seq[V], nameOf func(V) N) []V {
	return slices.SortedFunc(values, func(a, b V) int { return nameOf(a).Compare(nameOf(b)) })
}
