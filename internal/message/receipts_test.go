package message_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

func (w *world) delivered(who auth.Identity, of id.Message) (wire.Message, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Message], error) {
		return w.MarkDelivered(ctx, who, wire.MessageRef{MessageID: of})
	})
}

func (w *world) readUpTo(who auth.Identity, with id.User, of id.Message) (wire.LastReadUpdated, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.LastReadUpdated], error) {
		return w.ReadUpTo(ctx, who, wire.ReadUpTo{ConversationWith: with, LastReadMessageID: of})
	})
}

func (w *world) row(t *testing.T, who auth.Identity) wire.Conversation {
	t.Helper()
	list, err := w.Conversations(t.Context(), who, wire.ListQuery{Limit: 100})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%d conversations, %v; want 1", len(list.Items), err)
	}
	return list.Items[0]
}

func TestADeliveryIsToldToBothOnce(t *testing.T) {
	w := newWorld(t)
	first := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "one"}).Message
	second := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "two"}).Message
	own := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "three"}).Message
	w.forget()

	for _, of := range []id.Message{second.ID, second.ID, first.ID, own.ID} {
		if m, err := w.delivered(bob, of); err != nil || m.ID != of || m.Read {
			t.Fatalf("delivered answered %+v, %v", m, err)
		}
	}

	for _, u := range []id.User{ann.User, bob.User} {
		if got, want := w.take(u), []string{"message:delivered"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	told := w.heard[0].Payload.(wire.MessageDelivered)
	if told.MessageID != second.ID || told.UserID != bob.User || told.DeliveredAt.IsZero() || w.heard[0].Seq == 0 {
		t.Errorf("told %+v at %d", told, w.heard[0].Seq)
	}
	if got := w.row(t, ann).PeerLastDeliveredID; got == nil || *got != second.ID {
		t.Errorf("ann's row says %v, want %s", got, second.ID)
	}
	if u, err := w.Unread(t.Context(), bob); err != nil || u.TotalUnread != 2 {
		t.Errorf("unread %+v, %v", u, err)
	}
}

func TestReadingUpToAMessageIsToldToBoth(t *testing.T) {
	w := newWorld(t)
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "one"})
	last := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "two"}).Message
	w.forget()

	for range 2 {
		got, err := w.readUpTo(bob, ann.User, last.ID)
		if want := (wire.LastReadUpdated{Message: "Last read message updated", LastReadMessageID: last.ID}); err != nil || got != want {
			t.Fatalf("answered %+v, %v", got, err)
		}
	}

	if got, want := w.take(ann.User), []string{"message:delivered", "conversation:read"}; !slices.Equal(got, want) {
		t.Errorf("ann heard %q, want %q", got, want)
	}
	if got, want := w.take(bob.User), []string{"message:delivered", "conversation:read", "message:read"}; !slices.Equal(got, want) {
		t.Errorf("bob heard %q, want %q", got, want)
	}
	told := map[wire.Room]wire.ConversationRead{}
	for _, o := range w.heard {
		if p, ok := o.Payload.(wire.ConversationRead); ok {
			told[o.Rooms[0]] = p
		}
	}
	want := map[wire.Room]wire.ConversationRead{
		wire.UserRoom(ann.User): {ConversationWith: bob.User, LastReadMessageID: last.ID, UserID: bob.User},
		wire.UserRoom(bob.User): {ConversationWith: ann.User, LastReadMessageID: last.ID, UserID: bob.User},
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("conversation:read (-want +got):\n%s", diff)
	}
	if got := w.row(t, bob); got.Unread != 0 || got.LastReadMessageID == nil || *got.LastReadMessageID != last.ID {
		t.Errorf("bob's row %+v", got)
	}
}

func TestReadingUpToAMessageOfOnesOwnReadsWhatIsBeforeIt(t *testing.T) {
	w := newWorld(t)
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "one"})
	own := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "two"}).Message
	w.forget()

	if _, err := w.readUpTo(bob, ann.User, own.ID); err != nil {
		t.Fatal(err)
	}

	if got := w.row(t, bob); got.Unread != 0 || *got.LastReadMessageID != own.ID {
		t.Errorf("bob's row %+v", got)
	}
	if got, want := w.take(ann.User), []string{"message:delivered", "conversation:read"}; !slices.Equal(got, want) {
		t.Errorf("ann heard %q, want %q", got, want)
	}
}

func TestReceiptsOfNothingAreRefused(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	elsewhere := w.mustSend(t, eve, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	w.forget()

	_, err := w.delivered(bob, id.Message{})
	wantFault(t, err, "MISSING_MESSAGE_ID")
	_, err = w.readUpTo(bob, ann.User, id.Message{})
	wantFault(t, err, "MISSING_MESSAGE_ID")
	_, err = w.readUpTo(bob, id.User{}, m.ID)
	wantFault(t, err, "MISSING_CONVERSATION_WITH")
	_, err = w.readUpTo(bob, ann.User, elsewhere.ID)
	wantFault(t, err, "MESSAGE_NOT_FOUND")
	_, err = w.readUpTo(eve, ann.User, m.ID)
	wantFault(t, err, "MESSAGE_NOT_FOUND")
	_, err = w.delivered(eve, m.ID)
	wantFault(t, err, "MESSAGE_NOT_FOUND")
	if len(w.heard) != 0 {
		t.Errorf("published %+v", w.heard)
	}
}

func TestABlockHidesEachFromTheOther(t *testing.T) {
	people := everybody{apart: map[id.User]map[id.User]bool{}}
	w := open(t, t.TempDir(), people)
	theirs := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi", Attachment: "/f"}).Message
	own := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "hello"}).Message
	w.mustSend(t, eve, wire.NewMessage{RecipientID: bob.User, Content: "elsewhere"})
	people.part(ann.User, bob.User, true)
	w.forget()

	for what, act := range map[string]func() error{
		"thread": func() error { _, err := w.Thread(t.Context(), bob, ann.User, wire.ListQuery{Limit: 10}); return err },
		"media":  func() error { _, err := w.Media(t.Context(), ann, bob.User, wire.MediaQuery{Limit: 10}); return err },
		"edit":   func() error { _, err := w.edit(bob, own.ID, "changed"); return err },
		"read":   func() error { _, err := w.read(bob, theirs.ID); return err },
		"up to":  func() error { _, err := w.readUpTo(bob, ann.User, theirs.ID); return err },
		"device": func() error { _, err := w.delivered(ann, own.ID); return err },
	} {
		t.Run(what, func(t *testing.T) { wantFault(t, act(), "CANNOT_INTERACT") })
	}
	_, err := w.send(bob, wire.NewMessage{RecipientID: ann.User, Content: "hi"})
	wantFault(t, err, "CANNOT_MESSAGE")
	if len(w.heard) != 0 {
		t.Errorf("published %+v", w.heard)
	}
	if got := w.row(t, bob); got.ID != eve.User {
		t.Errorf("bob's list shows %s", got.ID)
	}
	if u, err := w.Unread(t.Context(), bob); err != nil || u.TotalUnread != 1 {
		t.Errorf("unread %+v, %v", u, err)
	}
	w.mustDelete(t, bob, own.ID, true)
	got := w.sync(t, "0")
	if len(got.Messages) != 1 || len(got.Conversations) != 1 || len(got.Deleted) != 0 || got.Counts.Messages != 1 {
		t.Errorf("sync told %+v", got)
	}

	people.part(ann.User, bob.User, false)
	if got := contents(w.thread(t, bob, ann.User)); !slices.Equal(got, []string{"hi", ""}) {
		t.Errorf("afterwards bob sees %q", got)
	}
}
