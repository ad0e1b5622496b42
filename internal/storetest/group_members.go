package storetest

import (
	"errors"
	"testing"

	"pryde/internal/id"
	"pryde/internal/message"
)

func testEnter(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	first := d.toGroup(g, alice, "before")
	tomb := d.deleteForAll(d.toGroup(g, bob, "deleted").ID)

	g = d.enter(g, alice, carol)

	same(t, "seat of who came in", d.seat(g.ID, carol), message.Seat{Group: g, Last: &tomb, ReadUpTo: tomb.ID, Changed: g.Changed})
	same(t, "what was there before", ids(d.thread(message.InGroup(g.ID), carol)), []id.Message{first.ID, tomb.ID})
	same(t, "their cursor", d.cursors(g.ID)[2], message.Cursor{
		Group: g.ID, User: carol, Read: tomb.Seq, ReadID: tomb.ID, Delivered: tomb.Seq, DeliveredID: tomb.ID, Changed: g.Changed,
	})
	if got := d.seat(g.ID, bob).Unread; got != 1 {
		t.Errorf("who was there has %d unread, want 1", got)
	}
	next := d.toGroup(g, bob, "after")
	same(t, "unread afterwards", d.unreadInGroups(carol), map[id.Group]int{g.ID: 1})
	same(t, "who sees it", d.seenBy(next.ID), []id.User{alice, bob, carol})
}

func testLeave(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob, carol)
	other := d.newGroup(alice, bob)
	m := d.toGroup(g, alice, "hello")
	elsewhere := d.toGroup(other, alice, "elsewhere")
	draft := message.SavedDraft{Conversation: message.InGroup(g.ID), Text: "not sent", At: d.now()}
	d.saveDraft(bob, draft)

	before := g
	g = d.leave(g, bob)

	if _, in := g.Member(bob); in || len(g.Members) != 2 {
		t.Errorf("members %v, want those who stay", g.Members)
	}
	same(t, "members in their order", g.Members, []message.Member{before.Members[0], before.Members[2]})
	same(t, "seats of who left", groupIDs(d.seats(bob)), []id.Group{other.ID})
	same(t, "unread of who left", d.unreadInGroups(bob), map[id.Group]int{other.ID: 1})
	same(t, "drafts of who left", d.drafts(bob), []message.SavedDraft(nil))
	same(t, "who sees the message", d.seenBy(m.ID), []id.User{alice, carol})
	if got := len(d.cursors(g.ID)); got != 2 {
		t.Errorf("%d cursors are left, want 2", got)
	}
	same(t, "messages of the other group", ids(d.thread(message.InGroup(other.ID), bob)), []id.Message{elsewhere.ID})
	if got := d.seat(g.ID, carol).Unread; got != 1 {
		t.Errorf("who stayed has %d unread, want 1", got)
	}
}

func testReenter(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	first, hidden := d.toGroup(g, alice, "1"), d.toGroup(g, alice, "2")
	d.deleteForSelf(hidden.ID, bob)
	d.markRead(bob, first.ID)
	d.arrangeGroup(g.ID, bob, func(s *message.Settings) { s.Archived = true })
	g = d.leave(g, bob)
	between := d.toGroup(g, alice, "3")

	g = d.enter(g, alice, bob)

	same(t, "seat", d.seat(g.ID, bob), message.Seat{Group: g, Last: &between, ReadUpTo: between.ID, Changed: g.Changed})
	same(t, "what is deleted stays so", ids(d.thread(message.InGroup(g.ID), bob)), []id.Message{first.ID, between.ID})
	if last := g.Members[len(g.Members)-1]; last.User != bob || !last.JoinedAt.Equal(d.now()) {
		t.Errorf("the last member is %v since %v", last.User, last.JoinedAt)
	}
}

func testDeletedGroup(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	d.toGroup(g, alice, "hello")
	d.leave(g, bob)

	d.sent++
	before, after, err := d.groups.ChangeGroup(t.Context(), g.ID, alice, d.now(), func(g *message.Group) error {
		g.Members = nil
		return nil
	})

	if err != nil || len(before.Members) != 1 || len(after.Members) != 0 || after.Changed <= before.Changed {
		t.Fatalf("the last one left %d members of %d at %d: %v", len(after.Members), len(before.Members), after.Changed, err)
	}
	same(t, "seats", d.seats(alice), []message.Seat(nil))
	same(t, "changes", d.since(alice, before.Changed), message.Changes{Seq: after.Changed, Left: []message.Left{{Group: g.ID, Seq: after.Changed}}})
	d.missing(g.ID)
	_, _, err = d.store.Append(t.Context(), d.groupDraft(g, alice, "into nothing"))
	if !errors.Is(err, message.ErrNotMember) {
		t.Errorf("Append: %v, want ErrNotMember", err)
	}
	again := d.groupOf(bob)
	again.ID = g.ID
	if _, err := d.groups.CreateGroup(t.Context(), again); err == nil {
		t.Error("the id of a deleted group was given again")
	}
}

// missing asks for a group that there is not.
func (d *desk) missing(g id.Group) {
	d.t.Helper()
	ctx, errs := d.t.Context(), map[string]error{}
	_, errs["Group"] = d.groups.Group(ctx, g)
	_, _, errs["ChangeGroup"] = d.groups.ChangeGroup(ctx, g, alice, start, func(g *message.Group) error {
		g.Members = append(g.Members, message.Member{User: alice})
		return nil
	})
	_, errs["Seat"] = d.groups.Seat(ctx, g, alice)
	_, errs["Cursors"] = d.groups.Cursors(ctx, g)
	_, _, errs["ArrangeGroup"] = d.groups.ArrangeGroup(ctx, g, alice, start, func(*message.Settings) {})
	errs["ClearGroup"] = d.groups.ClearGroup(ctx, g, alice)
	_, errs["Seats"] = d.groups.Seats(ctx, alice, g, 10)
	for what, err := range errs {
		if !errors.Is(err, message.ErrNoGroup) {
			d.t.Errorf("%s: %v, want ErrNoGroup", what, err)
		}
	}
}

func testNoGroup(t *testing.T, d *desk) { d.missing(groupID(99)) }

func testConcurrentMembers(t *testing.T, d *desk) {
	g := d.newGroup(alice)
	const people = 16
	done := make(chan error, people)
	for i := range people {
		go func() {
			_, _, err := d.groups.ChangeGroup(t.Context(), g.ID, alice, start, func(g *message.Group) error {
				g.Members = append(g.Members, message.Member{User: user(100 + i), JoinedAt: start})
				return nil
			})
			done <- err
		}()
	}
	for range people {
		if err := <-done; err != nil {
			t.Errorf("ChangeGroup: %v", err)
		}
	}

	if got := len(d.findGroup(g.ID).Members); got != people+1 {
		t.Errorf("%d members, want %d", got, people+1)
	}
	for i := range people {
		d.seat(g.ID, user(100+i))
	}
}
