package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

func testSeats(t *testing.T, d *desk) {
	var groups []message.Group
	for range 6 {
		groups = append(groups, d.newGroup(alice, bob))
	}
	d.newGroup(bob)
	last := d.toGroup(groups[1], bob, "back to the top")
	d.change(groups[3], bob, func(g *message.Group) { g.Name = "named" })
	d.toGroup(groups[4], alice, "first")
	tomb := d.toGroup(groups[2], bob, "deleted")
	d.deleteForAll(tomb.ID)
	d.deleteForSelf(last.ID, alice) // nothing moves by that
	var want []id.Group
	for _, i := range []int{2, 4, 3, 1, 5, 0} {
		want = append(want, groups[i].ID)
	}

	for limit := 1; limit <= 7; limit++ {
		var got []id.Group
		before := id.Group{}
		for more := true; more; {
			p, err := d.groups.Seats(t.Context(), alice, before, limit)
			if err != nil || len(p.Items) == 0 || len(p.Items) > limit {
				t.Fatalf("limit %d: Seats gave %d seats and error %v", limit, len(p.Items), err)
			}
			got = append(got, groupIDs(p.Items)...)
			before, more = p.Items[len(p.Items)-1].Group.ID, p.More
		}
		same(t, fmt.Sprintf("seats by %d", limit), got, want)
	}
	if _, err := d.groups.Seats(t.Context(), carol, groups[0].ID, 5); !errors.Is(err, message.ErrNoGroup) {
		t.Errorf("Seats before a group of others gave %v, want ErrNoGroup", err)
	}
}

func testSeatView(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob, carol)
	first, second := d.toGroup(g, alice, "1"), d.toGroup(g, alice, "2")

	hidden := d.deleteForSelf(second.ID, bob)
	same(t, "after hiding the newest", d.seat(g.ID, bob), message.Seat{Group: g, Last: &first, Unread: 1, Changed: hidden.Changed})
	same(t, "somebody else's", d.seat(g.ID, carol), message.Seat{Group: g, Last: &second, Unread: 2, Changed: second.Seq})

	gone := d.deleteForSelf(first.ID, bob)
	nothing := message.Seat{Group: g, Changed: gone.Changed}
	same(t, "with nothing to see", d.seats(bob), []message.Seat{nothing})
	same(t, "with nothing to see, as a change", d.since(bob, second.Seq).Groups, []message.Seat{nothing})

	third := d.toGroup(g, alice, "3")
	same(t, "that is back", d.seat(g.ID, bob), message.Seat{Group: g, Last: &third, Unread: 1, Changed: third.Seq})

	edited, err := d.store.Edit(t.Context(), third.ID, "edited", d.now())
	if err != nil {
		t.Fatalf("Edit: %v", err)
	}
	same(t, "of an edited message", d.seat(g.ID, bob), message.Seat{Group: g, Last: &edited, Unread: 1, Changed: edited.Changed})

	tomb := d.deleteForAll(third.ID)
	same(t, "of a tombstone", d.seat(g.ID, bob), message.Seat{Group: g, Last: &tomb, Changed: tomb.Changed})
	same(t, "group itself", d.findGroup(g.ID), g)
}

func testArrangeGroup(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	m := d.toGroup(g, alice, "hello")
	until := start.Add(8 * time.Hour)

	d.arrangeGroup(g.ID, bob, func(s *message.Settings) { s.Archived, s.MarkedUnread = true, d.now() })
	got := d.arrangeGroup(g.ID, bob, func(s *message.Settings) { s.Muted, s.MutedUntil = true, until })

	want := message.Seat{
		Group: g, Last: &m, Unread: 1, Changed: got.Changed,
		Settings: message.Settings{Archived: true, Muted: true, MutedUntil: until, MarkedUnread: d.now()},
	}
	same(t, "arranged seat", got, want)
	same(t, "seat", d.seat(g.ID, bob), want)
	same(t, "changes", d.since(bob, got.Changed-1).Groups, []message.Seat{want})
	same(t, "changes of somebody else", d.since(alice, got.Changed-1), message.Changes{Seq: got.Changed})
	if other := d.seat(g.ID, alice).Settings; other != (message.Settings{}) {
		t.Errorf("somebody else's settings are %+v", other)
	}
	again, changed, err := d.groups.ArrangeGroup(t.Context(), g.ID, bob, start.Add(time.Hour), func(s *message.Settings) { s.Archived = true })
	if err != nil || changed {
		t.Errorf("the same again reported %v and error %v, want no change", changed, err)
	}
	same(t, "seat after the same again", again, want)
}

func testGroupMark(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	first, second := d.toGroup(g, alice, "1"), d.toGroup(g, alice, "2")
	mark := func() { d.arrangeGroup(g.ID, bob, func(s *message.Settings) { s.MarkedUnread = d.now() }) }

	mark()
	d.markRead(bob, second.ID)
	if got := d.seat(g.ID, bob).Settings.MarkedUnread; !got.IsZero() {
		t.Errorf("after reading, the group is marked as unread since %v", got)
	}
	mark()
	r, err := d.store.MarkRead(t.Context(), bob, first.ID, start)
	if seat := d.seat(g.ID, bob); err != nil || !r.Unmarked || r.Read || r.Message.Changed != seat.Changed || !seat.Settings.MarkedUnread.IsZero() {
		t.Errorf("reading what is read gave %+v, %+v and error %v, want the mark to go", r, seat, err)
	}
	mark()
	if err := d.groups.ClearGroup(t.Context(), g.ID, bob); err != nil {
		t.Fatalf("ClearGroup: %v", err)
	}
	if got := d.seat(g.ID, bob).Settings.MarkedUnread; !got.IsZero() {
		t.Errorf("after clearing, the group is marked as unread since %v", got)
	}
}

func testClearGroup(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	first, second := d.toGroup(g, alice, "1"), d.toGroup(g, bob, "2")
	hidden := d.toGroup(g, alice, "3")
	d.deleteForSelf(hidden.ID, bob)
	before := d.since(bob, 0).Seq

	if err := d.groups.ClearGroup(t.Context(), g.ID, bob); err != nil {
		t.Fatalf("ClearGroup: %v", err)
	}

	at := d.since(bob, 0).Seq
	empty := message.Seat{Group: g, Changed: at}
	same(t, "page", d.thread(message.InGroup(g.ID), bob), []message.Message(nil))
	same(t, "seats", d.seats(bob), []message.Seat{empty})
	same(t, "unread", d.unreadInGroups(bob), map[id.Group]int{})
	same(t, "somebody else's page", ids(d.thread(message.InGroup(g.ID), alice)), []id.Message{first.ID, second.ID, hidden.ID})
	same(t, "changes", d.since(bob, before), message.Changes{Seq: at, Groups: []message.Seat{empty}, Deleted: []message.Gone{
		{ID: first.ID, Group: g.ID, Seq: at}, {ID: second.ID, Group: g.ID, Seq: at},
	}})
	same(t, "changes of somebody else", d.since(alice, before), message.Changes{Seq: at})
	if err := d.groups.ClearGroup(t.Context(), g.ID, bob); err != nil || d.since(bob, 0).Seq != at {
		t.Errorf("a second ClearGroup took a number, or gave error %v, want nothing", err)
	}

	later := d.toGroup(g, alice, "4")
	same(t, "seat with what came later", d.seat(g.ID, bob), message.Seat{Group: g, Last: &later, Unread: 1, Changed: later.Seq})
	d.deleteForAll(first.ID)
	same(t, "unread after a cleared message was deleted", d.unreadInGroups(bob), map[id.Group]int{g.ID: 1})
}

func testCursors(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob, carol)
	first, second, third := d.toGroup(g, alice, "1"), d.toGroup(g, carol, "2"), d.toGroup(g, bob, "3")
	cursor := func() message.Cursor { return d.cursors(g.ID)[1] }

	d.sent++
	r, err := d.store.MarkDelivered(t.Context(), bob, second.ID, d.now())
	if err != nil || r.Arrived != second.ID || r.Read || r.Message.Changed <= third.Seq {
		t.Fatalf("MarkDelivered gave %+v and error %v, want the cursor moved by a new commit", r, err)
	}
	want := message.Cursor{Group: g.ID, User: bob, Delivered: second.Seq, DeliveredID: second.ID, DeliveredAt: d.now(), Changed: r.Message.Changed}
	same(t, "cursor of what arrived", cursor(), want)
	for what, m := range map[string]id.Message{"an older one": first.ID, "the same": second.ID, "one of one's own": third.ID} {
		if r, err := d.store.MarkDelivered(t.Context(), bob, m, start); err != nil || r.Changed() {
			t.Errorf("MarkDelivered of %s moved %+v and gave error %v, want nothing", what, r, err)
		}
	}

	d.sent++
	r, err = d.store.MarkRead(t.Context(), bob, first.ID, d.now())
	if err != nil || !r.Read || !r.Arrived.IsZero() || r.Message.Read {
		t.Fatalf("MarkRead gave %+v and error %v, want the read mark alone", r, err)
	}
	want.Read, want.ReadID, want.ReadAt, want.Changed = first.Seq, first.ID, d.now(), r.Message.Changed
	same(t, "cursor of what was read", cursor(), want)
	same(t, "unread", d.unreadInGroups(bob), map[id.Group]int{g.ID: 1})
	if seat := d.seat(g.ID, bob); seat.ReadUpTo != first.ID || !seat.ReadAt.Equal(d.now()) || seat.Changed != r.Message.Changed {
		t.Errorf("the seat is %+v, want that bob has read up to %v", seat, first.ID)
	}

	fourth := d.toGroup(g, carol, "4")
	own := d.toGroup(g, bob, "5")
	r, err = d.store.MarkRead(t.Context(), bob, own.ID, d.now())
	if err != nil || !r.Read || r.Arrived != fourth.ID {
		t.Errorf("reading up to one's own message moved %+v and gave error %v, want the newest before it to have arrived", r, err)
	}
	want.Read, want.ReadID, want.ReadAt = own.Seq, own.ID, d.now()
	want.Delivered, want.DeliveredID, want.DeliveredAt, want.Changed = own.Seq, own.ID, d.now(), r.Message.Changed
	same(t, "cursor of what was read to the end", cursor(), want)
	for _, m := range []message.Message{first, fourth, own} {
		if r, err := d.store.MarkRead(t.Context(), bob, m.ID, start); err != nil || r.Changed() {
			t.Errorf("MarkRead of what is read moved %+v and gave error %v, want nothing", r, err)
		}
	}
	same(t, "unread at the end", d.unreadInGroups(bob), map[id.Group]int{})
	same(t, "unread of others", d.unreadInGroups(alice), map[id.Group]int{g.ID: 4})
	if d.find(first.ID).Read {
		t.Error("a message of a group is read: cursors tell that")
	}
	if seat := d.seat(g.ID, alice); seat.Changed != own.Seq {
		t.Errorf("somebody else's seat changed at %d, want %d", seat.Changed, own.Seq)
	}
}
