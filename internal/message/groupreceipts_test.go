package message_test

import (
	"context"
	"slices"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

func TestAReadInAGroupIsToldToEveryMember(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	m := w.say(t, ann, g, "hi")
	w.forget()

	for range 2 {
		if got, err := w.read(bob, m.ID); err != nil || !got.Read || got.ReadCount != 1 || len(got.ReadBy) != 1 || got.ReadBy[0].User.ID != bob.User {
			t.Fatalf("read answered %+v, %v", got, err)
		}
	}
	if _, err := w.read(ann, m.ID); err != nil {
		t.Fatal(err)
	}

	read := []wire.GroupMessageRead{{GroupChatID: g, MessageID: m.ID, UserID: bob.User}}
	for u, want := range map[id.User][]string{
		ann.User: {"message:delivered", "group:message_read"},
		bob.User: {"message:delivered", "group:message_read", "message:read"},
		eve.User: {"group:message_read"},
	} {
		if got := w.take(u); !slices.Equal(got, want) {
			t.Errorf("%s heard %q, want %q", u, got, want)
		}
		if got := payloads(w, u, wire.GroupMessageWasRead); !slices.Equal(got, read) {
			t.Errorf("%s heard %+v, want %+v", u, got, read)
		}
	}
	if got, want := payloads(w, bob.User, wire.MessageWasRead), []wire.MessageRead{{MessageID: m.ID, GroupChatID: g}}; !slices.Equal(got, want) {
		t.Errorf("the reader's devices heard %+v, want %+v", got, want)
	}
}

func TestReadingUpToAPlaceInAGroupIsToldToEveryMember(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	w.say(t, ann, g, "one")
	m := w.say(t, ann, g, "two")
	w.forget()
	readUpTo := func(in wire.ReadUpTo) error {
		_, err := do(w, func(ctx context.Context) (wire.Outcome[wire.LastReadUpdated], error) { return w.ReadUpTo(ctx, bob, in) })
		return err
	}

	if err := readUpTo(wire.ReadUpTo{GroupChatID: g, LastReadMessageID: m.ID}); err != nil {
		t.Fatal(err)
	}

	if got := payloads(w, ann.User, wire.GroupMessageWasRead); len(got) != 1 || got[0].MessageID != m.ID {
		t.Errorf("ann heard %+v", got)
	}
	if row := w.groups(t, bob)[0]; row.UnreadCount != 0 || *row.LastReadMessageID != m.ID {
		t.Errorf("bob's row %+v", row)
	}
	wantFault(t, readUpTo(wire.ReadUpTo{GroupChatID: g, ConversationWith: ann.User, LastReadMessageID: m.ID}), "INVALID_CONVERSATION")
	wantFault(t, readUpTo(wire.ReadUpTo{LastReadMessageID: m.ID}), "MISSING_CONVERSATION_WITH")
	wantFault(t, readUpTo(wire.ReadUpTo{GroupChatID: g}), "MISSING_MESSAGE_ID")
	wantFault(t, readUpTo(wire.ReadUpTo{GroupChatID: id.Group{1}, LastReadMessageID: m.ID}), "MESSAGE_NOT_FOUND")
}

func TestADeliveryInAGroupIsToldToTheAuthorAndTheReader(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	m := w.say(t, ann, g, "hi")
	w.forget()

	if got, err := w.delivered(bob, m.ID); err != nil || got.Read || got.DeliveredCount != 1 || got.DeliveredTo[0].User.ID != bob.User {
		t.Fatalf("delivered answered %+v, %v", got, err)
	}

	for _, u := range []id.User{ann.User, bob.User} {
		got := payloads(w, u, wire.MessageArrived)
		if len(got) != 1 || got[0].MessageID != m.ID || got[0].GroupChatID != g || got[0].UserID != bob.User || got[0].DeliveredAt.IsZero() {
			t.Errorf("%s heard %+v", u, got)
		}
	}
	if got := w.take(eve.User); got != nil {
		t.Errorf("another member heard %q", got)
	}

	w.mustLeave(t, ann, g)
	w.forget()
	if _, err := w.delivered(eve, m.ID); err != nil {
		t.Fatal(err)
	}
	if got, want := w.take(eve.User), []string{"message:delivered"}; !slices.Equal(got, want) {
		t.Errorf("the reader heard %q, want %q", got, want)
	}
	if got := w.take(ann.User); got != nil {
		t.Errorf("the author, who has left, heard %q", got)
	}
}

func TestAMessageNamesItsNewestReadersAndCountsAll(t *testing.T) {
	w := newWorld(t)
	var others []auth.Identity
	for i := range byte(60) {
		others = append(others, auth.Identity{User: id.User{0: 9, 11: i}})
	}
	g := w.group(t, ann, others...)
	m := w.say(t, ann, g, "hi")
	later := w.say(t, others[0], g, "me too")
	for _, o := range others {
		of := m.ID
		if o == others[59] {
			of = later.ID // what stands before it is read, too
		}
		if _, err := w.read(o, of); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.add(ann, g, bob.User); err != nil {
		t.Fatal(err)
	}
	if _, err := w.remove(ann, g, others[58].User); err != nil {
		t.Fatal(err)
	}
	newest := w.say(t, ann, g, "news")
	if _, err := w.read(bob, newest.ID); err != nil {
		t.Fatal(err)
	}

	thread := w.groupThread(t, ann, g)

	got := thread[0]
	if got.ReadCount != 59 || got.DeliveredCount != 59 || len(got.ReadBy) != 50 || len(got.DeliveredTo) != 50 {
		t.Errorf("read by %d of %d, delivered to %d of %d; want 50 of 59", len(got.ReadBy), got.ReadCount, len(got.DeliveredTo), got.DeliveredCount)
	}
	if !slices.IsSortedFunc(got.ReadBy, func(a, b wire.ReadBy) int { return a.ReadAt.Compare(b.ReadAt) }) {
		t.Errorf("the readers do not come in the order in which they read: %+v", got.ReadBy)
	}
	if slices.ContainsFunc(got.ReadBy, func(r wire.ReadBy) bool {
		return r.User.ID == bob.User || r.User.ID == others[58].User || r.User.Username == ""
	}) {
		t.Errorf("read by %+v: bob came later, and one has left", got.ReadBy)
	}
	if got := thread[1]; got.ReadCount != 1 || got.ReadBy[0].User.ID != others[59].User {
		t.Errorf("the second message is read by %+v", got.ReadBy)
	}
	if got := thread[2]; got.ReadCount != 1 || got.ReadBy[0].User.ID != bob.User {
		t.Errorf("the newest message is read by %+v", got.ReadBy)
	}
}

func TestUnreadInGroupsCounts(t *testing.T) {
	w := newWorld(t)
	g, other := w.group(t, ann, bob), w.group(t, ann, bob)
	w.say(t, ann, g, "one")
	w.say(t, ann, g, "two")
	w.say(t, bob, g, "mine")
	gone := w.say(t, ann, g, "gone")
	w.mustDelete(t, ann, gone.ID, true)
	w.say(t, ann, other, "there")
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "here"})
	unread := func() wire.Unread {
		u, err := w.Unread(t.Context(), bob)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(u.UnreadByGroup, func(a, b wire.UnreadByGroup) int { return b.Count - a.Count })
		return u
	}

	u := unread()
	if want := []wire.UnreadByGroup{{GroupChatID: g, Count: 2}, {GroupChatID: other, Count: 1}}; u.TotalUnread != 4 || !slices.Equal(u.UnreadByGroup, want) || len(u.UnreadByUser) != 1 {
		t.Errorf("unread %+v, want 4 in all, in groups %+v", u, want)
	}
	if s := w.sync(t, "0"); s.Counts.Messages != 4 {
		t.Errorf("sync counts %d, want 4", s.Counts.Messages)
	}
	if _, err := w.remove(ann, g, bob.User); err != nil {
		t.Fatal(err)
	}
	if u := unread(); u.TotalUnread != 2 || len(u.UnreadByGroup) != 1 {
		t.Errorf("unread after the removal %+v, want 2", u)
	}
}
