package storetest

import (
	"cmp"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// A circle is a group as the oracle knows it; without members it is deleted.
type circle struct {
	message.Group
	touched order.Seq // by the last commit that changed the group or a message in it
}

// circle is that of a group, empty where there is none.
func (o *oracle) circle(g id.Group) *circle {
	for _, c := range o.circles {
		if c.ID == g {
			return c
		}
	}
	return &circle{}
}

// form takes over a new group.
func (o *oracle) form(g message.Group) {
	o.circles = append(o.circles, &circle{g, g.Changed})
	for _, m := range g.Members {
		o.enter(g, m.User)
	}
	o.seq = g.Changed
}

// reform takes over a change of a group.
func (o *oracle) reform(before, after message.Group) {
	c := o.circle(after.ID)
	c.Group, c.touched, o.seq = after, after.Changed, after.Changed
	for _, m := range before.Members {
		if _, stays := after.Member(m.User); !stays {
			s := side{m.User, message.InGroup(after.ID)}
			delete(o.sides, s)
			o.left[s] = after.Changed
		}
	}
	for _, m := range after.Members {
		if _, was := before.Member(m.User); !was {
			o.enter(after, m.User)
		}
	}
}

// enter gives a new member a cursor at the newest message.
func (o *oracle) enter(g message.Group, u id.User) {
	s := side{u, message.InGroup(g.ID)}
	newest := o.newestIn(g.ID)
	o.sides[s] = &own{read: newest, delivered: newest, changed: g.Changed, moved: g.Changed}
	delete(o.left, s)
}

// newestIn is the newest message of a group, whoever can see it; nil where there is none.
func (o *oracle) newestIn(g id.Group) (newest *entry) {
	for _, e := range o.messages {
		if e.Group == g {
			newest = e
		}
	}
	return newest
}

// place is that of a group in the list of a member.
func (o *oracle) place(c *circle) order.Seq { return max(o.newestIn(c.ID).seq(), c.Group.Changed) }

func (o *oracle) seat(u id.User, c *circle) message.Seat {
	s := side{u, message.InGroup(c.ID)}
	own := o.own(s)
	seat := message.Seat{
		Group: c.Group, Unread: o.unreadOf(s), ReadUpTo: own.read.id(), ReadAt: own.readAt, Settings: own.settings,
		Changed: max(c.touched, own.changed),
	}
	seat.Group.Members = slices.Clone(c.Members)
	seat.Last = newest(o.page(s.conversation, u))
	return seat
}

// seats are the groups of a person, in the order of the list.
func (o *oracle) seats(u id.User) []message.Seat {
	var seats []message.Seat
	circles := slices.Clone(o.circles)
	slices.SortFunc(circles, func(a, b *circle) int { return cmp.Compare(o.place(b), o.place(a)) })
	for _, c := range circles {
		if _, in := c.Member(u); in {
			seats = append(seats, o.seat(u, c))
		}
	}
	return seats
}

func (o *oracle) unreadInGroups(u id.User) map[id.Group]int {
	counts := map[id.Group]int{}
	for _, s := range o.seats(u) {
		if s.Unread > 0 {
			counts[s.Group.ID] = s.Unread
		}
	}
	return counts
}

// cursors are those of the members, by the person.
func (o *oracle) cursors(c *circle) []message.Cursor {
	var all []message.Cursor
	for _, m := range c.Members {
		s := side{m.User, message.InGroup(c.ID)}
		own, has := o.own(s), o.has(s)
		all = append(all, message.Cursor{
			Group: c.ID, User: m.User, Read: own.read.seq(), ReadID: own.read.id(), ReadAt: own.readAt,
			Delivered: has.seq(), DeliveredID: has.id(), DeliveredAt: own.deliveredAt, Changed: own.moved,
		})
	}
	slices.SortFunc(all, byUser)
	return all
}

func byUser(a, b message.Cursor) int { return a.User.Compare(b.User) }

// groupChanges fills in what changed of groups.
func (o *oracle) groupChanges(c *message.Changes, u id.User, after order.Seq) {
	for _, circle := range o.circles {
		if _, in := circle.Member(u); !in {
			if at := o.left[side{u, message.InGroup(circle.ID)}]; at > after {
				c.Left = append(c.Left, message.Left{Group: circle.ID, Seq: at})
			}
			continue
		}
		if seat := o.seat(u, circle); seat.Changed > after {
			c.Groups = append(c.Groups, seat)
		}
		for _, cursor := range o.cursors(circle) {
			if cursor.User != u && cursor.Changed > after && cursor.Delivered > 0 {
				c.Cursors = append(c.Cursors, cursor)
			}
		}
	}
	slices.SortFunc(c.Groups, func(a, b message.Seat) int { return cmp.Compare(a.Changed, b.Changed) })
	slices.SortFunc(c.Left, func(a, b message.Left) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortFunc(c.Cursors, byMove)
}

// byMove is by the change; several that came in by one are in any order.
func byMove(a, b message.Cursor) int {
	return cmp.Or(cmp.Compare(a.Changed, b.Changed), a.User.Compare(b.User))
}
