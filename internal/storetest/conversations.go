package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

func (d *desk) arrange(u, peer id.User, create bool, set func(*message.Settings)) message.State {
	d.t.Helper()
	s, changed, err := d.store.Arrange(d.t.Context(), u, peer, create, d.now(), set)
	if err != nil || !changed {
		d.t.Fatalf("Arrange reported %v and error %v; want a change", changed, err)
	}
	return s
}

func testMarkDelivered(t *testing.T, d *desk) {
	first, second := d.send(alice, bob, "1"), d.send(alice, bob, "2")
	own := d.send(bob, alice, "3")

	got, err := d.store.MarkDelivered(t.Context(), bob, second.ID, start)

	if err != nil || got.Arrived != second.ID || got.Read || got.Message.Read || got.Message.Changed <= own.Seq {
		t.Fatalf("MarkDelivered gave %+v and error %v, want the delivery mark moved by a new commit", got, err)
	}
	for what, m := range map[string]id.Message{"an older one": first.ID, "the same": second.ID, "one of one's own": own.ID} {
		if r, err := d.store.MarkDelivered(t.Context(), bob, m, start); err != nil || r.Changed() {
			t.Errorf("MarkDelivered of %s moved %+v and gave error %v, want nothing", what, r, err)
		}
	}
	same(t, "sender's changes", d.since(alice, own.Seq), message.Changes{Seq: got.Message.Changed, Rows: []message.Row{
		{Peer: bob, Last: &own, Unread: 1, PeerHas: second.ID, Changed: got.Message.Changed},
	}})
	same(t, "recipient's unread", d.unread(bob), map[id.User]int{alice: 2})
	if r, err := d.store.MarkRead(t.Context(), bob, second.ID, start); err != nil || !r.Read || !r.Arrived.IsZero() {
		t.Errorf("reading what was delivered moved %+v and gave error %v, want the read mark alone", r, err)
	}
	third := d.send(alice, bob, "4")
	if r, err := d.store.MarkRead(t.Context(), bob, third.ID, start); err != nil || !r.Read || r.Arrived != third.ID {
		t.Errorf("reading what was not delivered moved %+v and gave error %v, want both marks", r, err)
	}
	if got := d.row(alice).PeerHas; got != third.ID {
		t.Errorf("bob has everything up to %v, want %v", got, third.ID)
	}
	d.send(alice, bob, "5")
	newest := d.send(alice, bob, "6")
	own = d.send(bob, alice, "7")
	if r, err := d.store.MarkRead(t.Context(), bob, own.ID, start); err != nil || !r.Read || r.Arrived != newest.ID {
		t.Errorf("reading up to one's own message moved %+v and gave error %v, want the newest before it to have arrived", r, err)
	}
}

func testArrange(t *testing.T, d *desk) {
	m := d.send(alice, bob, "hello")
	d.send(carol, bob, "elsewhere")
	until := start.Add(8 * time.Hour)

	d.arrange(bob, alice, false, func(s *message.Settings) { s.Archived = true })
	got := d.arrange(bob, alice, false, func(s *message.Settings) { s.Muted, s.MutedUntil = true, until })

	settings := message.Settings{Archived: true, Muted: true, MutedUntil: until}
	same(t, "state", got, message.State{
		User: bob, Peer: alice, Settings: settings, CreatedAt: m.CreatedAt, UpdatedAt: d.now(), Changed: got.Changed,
	})
	want := message.Row{Peer: alice, Last: &m, Unread: 1, Settings: settings, Changed: got.Changed}
	same(t, "row", d.rows(bob)[1], want)
	same(t, "changes", d.since(bob, got.Changed-1).Rows, []message.Row{want})
	same(t, "changes of the other person", d.since(alice, got.Changed-1).Rows, []message.Row(nil))
	if other := d.row(alice).Settings; other != (message.Settings{}) {
		t.Errorf("the other person's settings are %+v", other)
	}
	again, changed, err := d.store.Arrange(t.Context(), bob, alice, false, start.Add(time.Hour), func(s *message.Settings) { s.Archived = true })
	if err != nil || changed {
		t.Errorf("the same again reported %v and error %v, want no change", changed, err)
	}
	same(t, "state after the same again", again, got)
	_, _, err = d.store.Arrange(t.Context(), alice, carol, false, start, func(s *message.Settings) { s.Archived = true })
	if !errors.Is(err, message.ErrNoConversation) {
		t.Errorf("Arrange of no conversation gave %v, want ErrNoConversation", err)
	}
}

func testArrangeNew(t *testing.T, d *desk) {
	d.sent++ // so that now is not the beginning

	got := d.arrange(alice, bob, true, func(s *message.Settings) { s.Muted = true })

	want := message.Settings{Muted: true}
	same(t, "state", got, message.State{
		User: alice, Peer: bob, Settings: want, CreatedAt: d.now(), UpdatedAt: d.now(), Changed: got.Changed,
	})
	same(t, "rows", d.rows(alice), []message.Row(nil))
	m := d.send(bob, alice, "hello")
	same(t, "row", d.row(alice), message.Row{Peer: bob, Last: &m, Unread: 1, Settings: want, Changed: m.Seq})
}

func testMarkedUnread(t *testing.T, d *desk) {
	first, second := d.send(alice, bob, "1"), d.send(alice, bob, "2")
	d.markRead(bob, first.ID)

	state := d.arrange(bob, alice, false, func(s *message.Settings) { s.MarkedUnread = d.now() })
	if state.ReadUpTo != first.ID || state.ReadAt != d.now() || state.Settings.MarkedUnread != d.now() {
		t.Errorf("state %+v, want the mark and how far bob has read", state)
	}
	d.markRead(bob, second.ID)

	if got := d.row(bob).Settings.MarkedUnread; !got.IsZero() {
		t.Errorf("after reading, the conversation is marked as unread since %v", got)
	}
	d.arrange(bob, alice, false, func(s *message.Settings) { s.MarkedUnread = d.now() })
	if r, err := d.store.MarkRead(t.Context(), bob, first.ID, start); err != nil || !r.Unmarked || r.Read || r.Message.Changed != d.row(bob).Changed {
		t.Errorf("reading what is read gave %+v and error %v, want the mark to go", r, err)
	}
	if got := d.row(bob).Settings.MarkedUnread; !got.IsZero() {
		t.Errorf("after reading what is read, the conversation is marked as unread since %v", got)
	}
	note := d.send(bob, bob, "note")
	d.arrange(bob, bob, false, func(s *message.Settings) { s.MarkedUnread = d.now() })
	if r, err := d.store.MarkRead(t.Context(), bob, note.ID, start); err != nil || !r.Unmarked {
		t.Errorf("reading a note gave %+v and error %v, want the mark to go", r, err)
	}
	d.arrange(bob, alice, false, func(s *message.Settings) { s.MarkedUnread, s.Archived = d.now(), true })
	if err := d.store.Clear(t.Context(), bob, alice); err != nil {
		t.Fatalf("Clear: %v", err)
	}
	state, _, err := d.store.Arrange(t.Context(), bob, alice, false, start, func(*message.Settings) {})
	if want := (message.Settings{Archived: true}); err != nil || state.Settings != want {
		t.Errorf("after clearing: %+v and error %v, want %+v", state.Settings, err, want)
	}
}

func testClear(t *testing.T, d *desk) {
	first, second := d.send(alice, bob, "1"), d.send(bob, alice, "2")
	hidden := d.send(alice, bob, "3")
	d.deleteForSelf(hidden.ID, bob)
	before := d.since(bob, 0).Seq

	if err := d.store.Clear(t.Context(), bob, alice); err != nil {
		t.Fatalf("Clear: %v", err)
	}

	same(t, "page", d.page(alice, bob, bob), []message.Message(nil))
	same(t, "rows", d.rows(bob), []message.Row(nil))
	same(t, "unread", d.unread(bob), map[id.User]int{})
	same(t, "the other person's page", ids(d.page(alice, bob, alice)), []id.Message{first.ID, second.ID, hidden.ID})
	at := d.since(bob, 0).Seq
	same(t, "changes", d.since(bob, before), message.Changes{Seq: at, Rows: []message.Row{{Peer: alice, Changed: at}}, Deleted: []message.Gone{
		{ID: first.ID, Peer: alice, Seq: at}, {ID: second.ID, Peer: alice, Seq: at},
	}})
	same(t, "changes of the other person", d.since(alice, before), message.Changes{Seq: at})
	if err := d.store.Clear(t.Context(), bob, alice); err != nil || d.since(bob, 0).Seq != at {
		t.Errorf("a second Clear took a number, or gave error %v, want nothing", err)
	}
	d.arrange(bob, alice, false, func(s *message.Settings) { s.MarkedUnread = d.now() })
	if err := d.store.Clear(t.Context(), bob, alice); err != nil {
		t.Errorf("Clear of nothing that is marked: %v", err)
	}
	if state, _, err := d.store.Arrange(t.Context(), bob, alice, false, start, func(*message.Settings) {}); err != nil || !state.Settings.MarkedUnread.IsZero() {
		t.Errorf("afterwards %+v, %v, want no mark", state.Settings, err)
	}
	if err := d.store.Clear(t.Context(), bob, carol); !errors.Is(err, message.ErrNoConversation) {
		t.Errorf("Clear of no conversation gave %v, want ErrNoConversation", err)
	}

	later := d.send(alice, bob, "4")
	same(t, "row that is back", d.row(bob), message.Row{Peer: alice, Last: &later, Unread: 1, Changed: later.Seq})
	same(t, "page that is back", ids(d.page(alice, bob, bob)), []id.Message{later.ID})
	d.deleteForAll(first.ID)
	same(t, "unread after a cleared message was deleted", d.unread(bob), map[id.User]int{alice: 1})
	if err := d.store.Clear(t.Context(), bob, alice); err != nil {
		t.Fatalf("Clear: %v", err)
	}
	same(t, "what the second clearing took", gone(d.since(bob, at).Deleted), []id.Message{later.ID})
}

func gone(list []message.Gone) []id.Message {
	var all []id.Message
	for _, g := range list {
		all = append(all, g.ID)
	}
	return all
}

func testMedia(t *testing.T, d *desk) {
	attach := func(from, to id.User) message.Message {
		draft := d.draft(from, to, "")
		draft.Attachment = fmt.Sprint("/upload/image/", d.sent)
		return d.append(draft)
	}
	cleared := attach(alice, bob)
	if err := d.store.Clear(t.Context(), bob, alice); err != nil {
		t.Fatalf("Clear: %v", err)
	}
	first := attach(alice, bob)
	d.send(alice, bob, "no attachment")
	second, hidden, gone, third := attach(bob, alice), attach(alice, bob), attach(alice, bob), attach(alice, bob)
	attach(alice, carol)
	d.deleteForSelf(hidden.ID, bob)
	d.deleteForAll(gone.ID)

	for _, tt := range []struct {
		viewer      id.User
		skip, limit int
		want        []id.Message
		more        bool
	}{
		{bob, 0, 10, []id.Message{third.ID, second.ID, first.ID}, false},
		{bob, 0, 2, []id.Message{third.ID, second.ID}, true},
		{bob, 2, 2, []id.Message{first.ID}, false},
		{bob, 3, 2, nil, false},
		{alice, 0, 10, []id.Message{third.ID, hidden.ID, second.ID, first.ID, cleared.ID}, false},
	} {
		got, err := d.store.Media(t.Context(), message.Between(alice, bob), tt.viewer, tt.skip, tt.limit)
		if err != nil || got.More != tt.more {
			t.Errorf("Media from %d on, %d: more %v and error %v, want %v", tt.skip, tt.limit, got.More, err, tt.more)
		}
		same(t, "attachments", ids(got.Items), tt.want)
	}
	if got, err := d.store.Media(t.Context(), message.Between(alice, bob), bob, 0, 1); err != nil || len(got.Items) != 1 || got.Items[0].Attachment != third.Attachment {
		t.Errorf("the newest is %+v, error %v", got.Items, err)
	}
}
