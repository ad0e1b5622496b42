package storetest

import (
	"fmt"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
)

// groupOf returns a group that no other resembles, a second after what was before.
func (d *desk) groupOf(creator id.User, others ...id.User) message.Group {
	d.sent++
	d.formed++
	g := message.Group{
		ID: groupID(d.formed), Name: fmt.Sprint("group ", d.formed), Creator: creator,
		CreatedAt: d.now(), UpdatedAt: d.now(), Members: []message.Member{{User: creator, Admin: true, JoinedAt: d.now()}},
	}
	for _, u := range others {
		g.Members = append(g.Members, message.Member{User: u, JoinedAt: d.now()})
	}
	return g
}

func (d *desk) newGroup(creator id.User, others ...id.User) message.Group {
	d.t.Helper()
	g, err := d.groups.CreateGroup(d.t.Context(), d.groupOf(creator, others...))
	if err != nil {
		d.t.Fatalf("CreateGroup: %v", err)
	}
	return g
}

func (d *desk) toGroup(g message.Group, from id.User, text string) message.Message {
	d.t.Helper()
	return d.append(d.groupDraft(g, from, text))
}

func (d *desk) groupDraft(g message.Group, from id.User, text string) message.Draft {
	draft := d.draft(from, id.User{}, text)
	draft.Group = g.ID
	return draft
}

func (d *desk) findGroup(g id.Group) message.Group {
	d.t.Helper()
	got, err := d.groups.Group(d.t.Context(), g)
	if err != nil {
		d.t.Fatalf("Group: %v", err)
	}
	return got
}

// change makes a change that must change something, and returns the group as it is then.
func (d *desk) change(g message.Group, by id.User, set func(*message.Group)) message.Group {
	d.t.Helper()
	before, after, err := d.groups.ChangeGroup(d.t.Context(), g.ID, by, d.now(), func(g *message.Group) error {
		set(g)
		return nil
	})
	if err != nil || after.Changed <= before.Changed {
		d.t.Fatalf("ChangeGroup from %d to %d: %v; want a change", before.Changed, after.Changed, err)
	}
	return after
}

func (d *desk) enter(g message.Group, by, u id.User) message.Group {
	d.t.Helper()
	d.sent++
	return d.change(g, by, func(g *message.Group) { enter(g, message.Member{User: u, JoinedAt: d.now()}) })
}

func (d *desk) leave(g message.Group, u id.User) message.Group {
	d.t.Helper()
	d.sent++
	return d.change(g, u, func(g *message.Group) { leave(g, u) })
}

func (d *desk) seat(g id.Group, u id.User) message.Seat {
	d.t.Helper()
	s, err := d.groups.Seat(d.t.Context(), g, u)
	if err != nil {
		d.t.Fatalf("Seat: %v", err)
	}
	return s
}

func (d *desk) seats(u id.User) []message.Seat {
	d.t.Helper()
	p, err := d.groups.Seats(d.t.Context(), u, id.Group{}, 1000)
	if err != nil || p.More {
		d.t.Fatalf("Seats: more %v, error %v; want all of a short list", p.More, err)
	}
	return p.Items
}

// cursors are those of the members, by the person.
func (d *desk) cursors(g id.Group) []message.Cursor {
	d.t.Helper()
	all, err := d.groups.Cursors(d.t.Context(), g)
	if err != nil {
		d.t.Fatalf("Cursors: %v", err)
	}
	slices.SortFunc(all, byUser)
	return all
}

func (d *desk) unreadInGroups(u id.User) map[id.Group]int {
	d.t.Helper()
	n, err := d.groups.UnreadInGroups(d.t.Context(), u)
	if err != nil {
		d.t.Fatalf("UnreadInGroups: %v", err)
	}
	return n
}

func groupIDs(seats []message.Seat) []id.Group {
	var list []id.Group
	for _, s := range seats {
		list = append(list, s.Group.ID)
	}
	return list
}

func (d *desk) arrangeGroup(g id.Group, u id.User, set func(*message.Settings)) message.Seat {
	d.t.Helper()
	s, changed, err := d.groups.ArrangeGroup(d.t.Context(), g, u, d.now(), set)
	if err != nil || !changed {
		d.t.Fatalf("ArrangeGroup reported %v and error %v; want a change", changed, err)
	}
	return s
}
