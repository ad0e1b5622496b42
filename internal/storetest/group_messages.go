package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

func testGroupMessage(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob, carol)
	draft := d.groupDraft(g, bob, "Grüße ☃ \x00 <b>")
	draft.Attachment = "/files/picture.png"
	draft.ClientID = "temp-1"
	draft.At = start.Add(1234567 * time.Nanosecond)

	got := d.append(draft)

	want := message.Message{
		ID: draft.ID, Seq: got.Seq, Changed: got.Seq, Sender: bob, Group: g.ID, Content: draft.Content,
		Attachment: draft.Attachment, Fingerprint: draft.Fingerprint, CreatedAt: start.Add(time.Millisecond),
	}
	same(t, "appended message", got, want)
	same(t, "message", d.find(draft.ID), want)
	for u, unread := range map[id.User]int{alice: 1, bob: 0, carol: 1} {
		same(t, "page", d.thread(message.InGroup(g.ID), u), []message.Message{want})
		same(t, "seats", d.seats(u), []message.Seat{{Group: g, Last: &want, Unread: unread, Changed: want.Seq}})
		counts := map[id.Group]int{}
		if unread > 0 {
			counts[g.ID] = unread
		}
		same(t, "unread", d.unreadInGroups(u), counts)
	}
	same(t, "who sees it", d.seenBy(got.ID), []id.User{alice, bob, carol})
	early := d.groupDraft(g, alice, "a clock that is set back")
	early.At = start
	if second := d.append(early); second.CreatedAt.Before(got.CreatedAt) {
		t.Errorf("the second message is of %v, the first of %v", second.CreatedAt, got.CreatedAt)
	}
}

func testGroupAttempt(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	draft := d.groupDraft(g, alice, "once")
	draft.ClientID = "temp-1"
	first := d.append(draft)
	unnamed := d.groupDraft(g, alice, "unnamed")
	unnamed.RepeatWindow = repeatWindow
	second := d.append(unnamed)

	d.repeat(draft, first)
	elsewhere := draft
	elsewhere.ID, elsewhere.Group, elsewhere.Recipient = messageID(500), id.Group{}, bob
	d.repeat(elsewhere, first)
	again := unnamed
	again.ID = messageID(501)
	d.repeat(again, second)
	for name, change := range map[string]func(*message.Draft){
		"group":  func(m *message.Draft) { m.Group = d.newGroup(alice).ID },
		"person": func(m *message.Draft) { m.Group, m.Recipient = id.Group{}, bob },
	} {
		other := unnamed
		d.sent++
		other.ID = messageID(d.sent)
		change(&other)
		if _, repeated, err := d.store.Append(t.Context(), other); err != nil || repeated {
			t.Errorf("another %s: again %v, error %v; want a message of its own", name, repeated, err)
		}
	}
	if m, found, err := d.store.Attempt(t.Context(), draft); err != nil || !found || m.ID != first.ID {
		t.Errorf("Attempt gave %v, %v and error %v, want the first message", m.ID, found, err)
	}

	g = d.leave(g, alice)
	d.repeat(draft, first)
	if _, _, err := d.store.Append(t.Context(), d.groupDraft(g, alice, "new")); !errors.Is(err, message.ErrNotMember) {
		t.Errorf("Append after leaving: %v, want ErrNotMember", err)
	}
	same(t, "page", ids(d.thread(message.InGroup(g.ID), bob)), []id.Message{first.ID, second.ID})
}

func testGroupPages(t *testing.T, d *desk) {
	g, other := d.newGroup(alice, bob), d.newGroup(alice, bob)
	c := message.InGroup(g.ID)
	var want []id.Message
	for i := range 7 {
		want = append(want, d.toGroup(g, []id.User{alice, bob}[i%2], fmt.Sprint(i)).ID)
		d.toGroup(other, alice, "elsewhere")
		d.send(alice, bob, "elsewhere")
	}

	for limit := 1; limit <= 8; limit++ {
		var got []id.Message
		before := id.Message{}
		for more := true; more; {
			p, err := d.store.PageBefore(t.Context(), c, bob, before, limit)
			if err != nil || len(p.Items) == 0 || len(p.Items) > limit {
				t.Fatalf("limit %d: PageBefore gave %d messages and error %v", limit, len(p.Items), err)
			}
			got = append(ids(p.Items), got...)
			before, more = p.Items[0].ID, p.More
		}
		same(t, fmt.Sprintf("pages of %d", limit), got, want)
	}
	for what, before := range map[string]id.Message{"of another group": d.toGroup(other, bob, "x").ID, "between two people": d.send(alice, bob, "x").ID} {
		if _, err := d.store.PageBefore(t.Context(), c, bob, before, 5); !errors.Is(err, message.ErrNoMessage) {
			t.Errorf("before a message %s: %v, want ErrNoMessage", what, err)
		}
	}
}

func testGroupMedia(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	attach := func() message.Message {
		draft := d.groupDraft(g, alice, "")
		draft.Attachment = fmt.Sprint("/upload/image/", d.sent)
		return d.append(draft)
	}
	cleared := attach()
	if err := d.groups.ClearGroup(t.Context(), g.ID, bob); err != nil {
		t.Fatalf("ClearGroup: %v", err)
	}
	first := attach()
	d.toGroup(g, alice, "no attachment")
	second, hidden, gone := attach(), attach(), attach()
	d.deleteForSelf(hidden.ID, bob)
	d.deleteForAll(gone.ID)

	for _, tt := range []struct {
		viewer      id.User
		skip, limit int
		want        []id.Message
		more        bool
	}{
		{bob, 0, 10, []id.Message{second.ID, first.ID}, false},
		{bob, 0, 1, []id.Message{second.ID}, true},
		{bob, 1, 1, []id.Message{first.ID}, false},
		{alice, 0, 10, []id.Message{hidden.ID, second.ID, first.ID, cleared.ID}, false},
	} {
		got, err := d.store.Media(t.Context(), message.InGroup(g.ID), tt.viewer, tt.skip, tt.limit)
		if err != nil || got.More != tt.more {
			t.Errorf("Media from %d on, %d: more %v and error %v, want %v", tt.skip, tt.limit, got.More, err, tt.more)
		}
		same(t, "attachments", ids(got.Items), tt.want)
	}
}

func testGroupDeletions(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob, carol)
	m, kept := d.toGroup(g, alice, "secret"), d.toGroup(g, alice, "kept")

	mine := d.deleteForSelf(m.ID, bob)
	same(t, "who sees it", d.seenBy(m.ID), []id.User{alice, carol})
	same(t, "bob's page", ids(d.thread(message.InGroup(g.ID), bob)), []id.Message{kept.ID})
	same(t, "bob's changes", d.since(bob, kept.Seq).Deleted, []message.Gone{{ID: m.ID, Group: g.ID, Seq: mine.Changed}})
	same(t, "carol's changes", d.since(carol, kept.Seq), message.Changes{Seq: mine.Changed})

	tomb := d.deleteForAll(m.ID)
	want := message.Message{ID: m.ID, Seq: m.Seq, Changed: tomb.Changed, Sender: alice, Group: g.ID, CreatedAt: m.CreatedAt, DeletedAt: tomb.DeletedAt}
	same(t, "tombstone", tomb, want)
	same(t, "carol's page", d.thread(message.InGroup(g.ID), carol), []message.Message{tomb, kept})
	same(t, "carol's changes of the deletion", d.since(carol, mine.Changed).Deleted, []message.Gone{{ID: m.ID, Group: g.ID, ForAll: true, Seq: tomb.Changed}})
	same(t, "bob's changes of the deletion", d.since(bob, mine.Changed).Deleted, []message.Gone(nil))
	for _, u := range []id.User{bob, carol} {
		same(t, "unread", d.unreadInGroups(u), map[id.Group]int{g.ID: 1})
	}
}

// Whoever is not in a group, or is no longer, sees nothing of it and changes nothing in it.
func testOutsider(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob, carol)
	m := d.toGroup(g, bob, "private")
	g = d.leave(g, bob)
	c, ctx := message.InGroup(g.ID), t.Context()
	before := d.since(alice, 0).Seq
	like := message.Reaction{Emoji: "👍", At: start}
	set := func(s *message.Settings) { s.Archived = true }

	for who, u := range map[string]id.User{"a stranger": user(99), "who left": bob} {
		like.User = u
		errs := map[string]error{}
		_, _, errs["Append"] = d.store.Append(ctx, d.groupDraft(g, u, "let me in"))
		_, errs["PageBefore"] = d.store.PageBefore(ctx, c, u, id.Message{}, 10)
		_, errs["Media"] = d.store.Media(ctx, c, u, 0, 10)
		_, errs["Some"] = d.store.Some(ctx, c, u, []id.Message{m.ID})
		_, errs["Seat"] = d.groups.Seat(ctx, g.ID, u)
		_, _, errs["ArrangeGroup"] = d.groups.ArrangeGroup(ctx, g.ID, u, start, set)
		errs["ClearGroup"] = d.groups.ClearGroup(ctx, g.ID, u)
		errs["SaveDraft"] = d.store.SaveDraft(ctx, u, message.SavedDraft{Conversation: c, Text: "x", At: start})
		for what, err := range errs {
			if !errors.Is(err, message.ErrNotMember) {
				t.Errorf("%s of %s: %v, want ErrNotMember", what, who, err)
			}
		}
		clear(errs)
		_, errs["MarkRead"] = d.store.MarkRead(ctx, u, m.ID, start)
		_, errs["MarkDelivered"] = d.store.MarkDelivered(ctx, u, m.ID, start)
		_, _, errs["React"] = d.store.React(ctx, m.ID, like, false)
		_, _, errs["DeleteForSelf"] = d.store.DeleteForSelf(ctx, m.ID, u, start)
		for what, err := range errs {
			if !errors.Is(err, message.ErrNoMessage) {
				t.Errorf("%s of %s: %v, want ErrNoMessage", what, who, err)
			}
		}
		same(t, "seats", d.seats(u), []message.Seat(nil))
		same(t, "unread", d.unreadInGroups(u), map[id.Group]int{})
		same(t, "drafts", d.drafts(u), []message.SavedDraft(nil))
		changes := d.since(u, 0)
		changes.Left = nil
		same(t, "changes", changes, message.Changes{Seq: before})
	}
	if _, err := d.store.Edit(ctx, m.ID, "changed", start); !errors.Is(err, message.ErrNotMember) {
		t.Errorf("Edit of who left: %v, want ErrNotMember", err)
	}
	same(t, "who sees the message", d.seenBy(m.ID), []id.User{alice, carol})
	same(t, "message", d.find(m.ID), m)
	same(t, "number", d.since(alice, 0).Seq, before)
}

// Messages of a group are not among those between its members.
func testGroupApart(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	d.toGroup(g, alice, "to all")
	direct := d.send(alice, bob, "to bob")
	note := d.send(alice, alice, "to me")

	same(t, "page", ids(d.page(alice, bob, bob)), []id.Message{direct.ID})
	same(t, "notes", ids(d.page(alice, alice, alice)), []id.Message{note.ID})
	same(t, "unread", d.unread(bob), map[id.User]int{alice: 1})
	same(t, "row", d.row(bob), message.Row{Peer: alice, Last: &direct, Unread: 1, Changed: direct.Seq})
	if n := len(d.rows(alice)); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	d.markRead(bob, direct.ID)
	same(t, "unread in the group", d.unreadInGroups(bob), map[id.Group]int{g.ID: 1})
	alone := d.newGroup(carol)
	d.toGroup(alone, carol, "to nobody")
	same(t, "rows of who is alone in a group", d.rows(carol), []message.Row(nil))
}

func testGroupChanges(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	first, second, third := d.toGroup(g, alice, "1"), d.toGroup(g, alice, "2"), d.toGroup(g, bob, "3")
	after := third.Seq
	edited, err := d.store.Edit(t.Context(), first.ID, "edited", d.now())
	if err != nil {
		t.Fatalf("Edit: %v", err)
	}
	direct := d.send(alice, bob, "direct")
	fourth := d.toGroup(g, alice, "4")
	liked := d.react(second.ID, message.Reaction{User: alice, Emoji: "👍", At: start})

	same(t, "bob's changes", d.since(bob, after), message.Changes{
		Seq: liked.Changed, New: []message.Message{direct, fourth}, Changed: []message.Message{edited, liked},
		Rows:   []message.Row{{Peer: alice, Last: &direct, Unread: 1, Changed: direct.Seq}},
		Groups: []message.Seat{{Group: g, Last: &fourth, Unread: 3, Changed: liked.Changed}},
	})
	same(t, "a stranger's", d.since(user(99), after), message.Changes{Seq: liked.Changed})
	same(t, "from the newest on", d.since(bob, liked.Changed), message.Changes{Seq: liked.Changed})
	if all := d.since(bob, 0); len(all.New) != 5 || len(all.Changed) != 0 || len(all.Groups) != 1 {
		t.Errorf("from nothing: %d new and %d changed messages and %d groups", len(all.New), len(all.Changed), len(all.Groups))
	}
}

func testLeftChanges(t *testing.T, d *desk) {
	g, other := d.newGroup(alice, bob), d.newGroup(alice, bob)
	m := d.toGroup(g, alice, "hello")
	g = d.leave(g, bob)
	left := message.Left{Group: g.ID, Seq: g.Changed}
	later := d.toGroup(g, alice, "later")
	other = d.leave(other, bob)

	both := []message.Left{left, {Group: other.ID, Seq: other.Changed}}
	same(t, "changes", d.since(bob, m.Seq), message.Changes{Seq: other.Changed, Left: both})
	same(t, "changes from nothing", d.since(bob, 0).Left, both)
	same(t, "changes after it", d.since(bob, later.Seq).Left, both[1:])
	same(t, "changes of who stays", d.since(alice, later.Seq-1), message.Changes{
		Seq: other.Changed, New: []message.Message{later},
		Groups: []message.Seat{{Group: g, Last: &later, Changed: later.Seq}, {Group: other, Changed: other.Changed}},
	})

	g = d.enter(g, alice, bob)
	c := d.since(bob, m.Seq)
	same(t, "who came back left the other alone", c.Left, both[1:])
	same(t, "what they see of the time between", ids(c.New), []id.Message{later.ID})
	same(t, "their group", c.Groups, []message.Seat{{Group: g, Last: &later, ReadUpTo: later.ID, Changed: g.Changed}})
}

func testCursorChanges(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob, carol)
	other := d.newGroup(carol, user(4))
	first := d.toGroup(g, alice, "1")
	elsewhere := d.toGroup(other, carol, "elsewhere")
	d.sent++
	read, err := d.store.MarkRead(t.Context(), bob, first.ID, d.now())
	if err != nil {
		t.Fatalf("MarkRead: %v", err)
	}
	arrived, err := d.store.MarkDelivered(t.Context(), carol, first.ID, d.now())
	if err != nil {
		t.Fatalf("MarkDelivered: %v", err)
	}
	if _, err := d.store.MarkRead(t.Context(), user(4), elsewhere.ID, d.now()); err != nil {
		t.Fatalf("MarkRead: %v", err)
	}

	bobs := message.Cursor{
		Group: g.ID, User: bob, Read: first.Seq, ReadID: first.ID, ReadAt: d.now(),
		Delivered: first.Seq, DeliveredID: first.ID, DeliveredAt: d.now(), Changed: read.Message.Changed,
	}
	carols := message.Cursor{
		Group: g.ID, User: carol, Delivered: first.Seq, DeliveredID: first.ID, DeliveredAt: d.now(), Changed: arrived.Message.Changed,
	}
	same(t, "alice hears of both", d.since(alice, elsewhere.Seq).Cursors, []message.Cursor{bobs, carols})
	same(t, "after the first, of the second", d.since(alice, bobs.Changed).Cursors, []message.Cursor{carols})
	same(t, "no seat of hers changed", d.since(alice, elsewhere.Seq).Groups, []message.Seat(nil))
	c := d.since(bob, elsewhere.Seq)
	same(t, "bob hears of hers", c.Cursors, []message.Cursor{carols})
	same(t, "his seat has his own", groupIDs(c.Groups), []id.Group{g.ID})
	d.leave(g, bob)
	same(t, "whoever left hears of none", d.since(bob, 0).Cursors, []message.Cursor(nil))
	same(t, "nobody hears of theirs", d.since(alice, elsewhere.Seq).Cursors, []message.Cursor{carols})
}

func testGroupTooMany(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	after := d.toGroup(g, alice, "before").Seq
	for i := range 3 {
		d.toGroup(g, alice, fmt.Sprint(i))
	}
	last := d.send(alice, bob, "direct")

	for limit := range 6 {
		c, err := d.store.Since(t.Context(), bob, after, limit)
		if err != nil {
			t.Fatalf("Since: %v", err)
		}
		if want := limit < 4; c.Reload != want {
			t.Errorf("4 messages with limit %d: too many is %v, want %v", limit, c.Reload, want)
		}
		if n := len(c.New); c.Reload && n != 0 || !c.Reload && n != 4 {
			t.Errorf("limit %d: %d messages are filled in (too many: %v)", limit, n, c.Reload)
		}
		if len(c.Rows) != 1 || len(c.Groups) != 1 || c.Seq != last.Seq {
			t.Errorf("limit %d: %d conversations and %d groups up to %d, want 1 and 1 up to %d", limit, len(c.Rows), len(c.Groups), c.Seq, last.Seq)
		}
	}
}

func testChangedSeats(t *testing.T, d *desk) {
	const groups = 103
	for i := range groups {
		d.newGroup(user(100+i), alice)
	}

	seats := d.since(alice, 0).Groups

	if len(seats) != groups {
		t.Fatalf("%d groups, want %d", len(seats), groups)
	}
	if !slices.IsSortedFunc(seats, func(a, b message.Seat) int { return int(a.Changed - b.Changed) }) {
		t.Error("the groups are not in the order of their change")
	}
	c, err := d.store.Since(t.Context(), alice, 0, 102)
	if err != nil || !c.Reload || len(c.Groups) != 100 {
		t.Errorf("103 groups with limit 102: reload is %v, %d groups, %v", c.Reload, len(c.Groups), err)
	}
}

func testGroupMoment(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	var drafts []message.Draft
	for i := range 60 {
		drafts = append(drafts, d.groupDraft(g, alice, fmt.Sprint(i)))
	}
	d.moments(g.Changed, drafts, func(c message.Changes) (*message.Message, int) {
		return c.Groups[0].Last, c.Groups[0].Unread
	})
}

func testLateComer(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	first, second := d.toGroup(g, alice, "1"), d.toGroup(g, bob, "2")
	g = d.enter(g, alice, carol)
	edited, err := d.store.Edit(t.Context(), first.ID, "edited", d.now())
	if err != nil {
		t.Fatalf("Edit: %v", err)
	}

	same(t, "the page", d.thread(message.InGroup(g.ID), carol), d.thread(message.InGroup(g.ID), alice))
	same(t, "some messages", d.some(message.InGroup(g.ID), carol, first.ID, second.ID), []message.Message{edited, second})
	same(t, "changes from nothing", ids(d.since(carol, 0).New), []id.Message{first.ID, second.ID})
	same(t, "changes since they came", d.since(carol, g.Changed).Changed, []message.Message{edited})
	same(t, "nothing is unread", d.unreadInGroups(carol), map[id.Group]int{})
	d.react(first.ID, message.Reaction{User: carol, Emoji: "👍", At: start})
	mine := d.deleteForSelf(second.ID, carol)
	same(t, "what they deleted", gone(d.since(carol, mine.Changed-1).Deleted), []id.Message{second.ID})
}
