package message_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

type change func(context.Context, auth.Identity, id.User) (wire.Outcome[wire.ConversationChanged], error)

func (w *world) set(t *testing.T, who auth.Identity, with id.User, op change) wire.ConversationChanged {
	t.Helper()
	got, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationChanged], error) { return op(ctx, who, with) })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (w *world) mute(who auth.Identity, with id.User, hours *float64) (wire.ConversationMuted, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationMuted], error) {
		return w.Mute(ctx, who, with, wire.Muting{Duration: hours})
	})
}

func (w *world) unmark(t *testing.T, who auth.Identity, with id.User) wire.ConversationMarkedRead {
	t.Helper()
	got, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationMarkedRead], error) {
		return w.UnmarkUnread(ctx, who, with)
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAConversationIsArchivedForOneself(t *testing.T) {
	w := newWorld(t)
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"})
	w.forget()

	got := w.set(t, bob, ann.User, w.Archive)

	cv := got.Conversation
	if got.Message != "Conversation archived" || cv == nil || !slices.Equal(cv.ArchivedBy, []id.User{bob.User}) {
		t.Fatalf("answered %+v", got)
	}
	if !slices.Equal(cv.Participants, []id.User{ann.User, bob.User}) || cv.ID.IsZero() || cv.CreatedAt.IsZero() || cv.UpdatedAt.Before(cv.CreatedAt) {
		t.Errorf("conversation %+v", cv)
	}
	if !w.row(t, bob).Archived || w.row(t, ann).Archived {
		t.Error("want it archived in bob's list and not in ann's")
	}
	if other := w.set(t, ann, bob.User, w.Archive).Conversation; other.ID != cv.ID || !slices.Equal(other.ArchivedBy, []id.User{ann.User}) {
		t.Errorf("ann is told of %+v", other)
	}
	if got := w.set(t, bob, ann.User, w.Unarchive); got.Message != "Conversation unarchived" || len(got.Conversation.ArchivedBy) != 0 || w.row(t, bob).Archived {
		t.Errorf("answered %+v", got)
	}
	if len(w.heard) != 0 {
		t.Errorf("published %+v", w.heard)
	}
}

func TestAConversationIsMutedForAWhileOrForGood(t *testing.T) {
	w := newWorld(t)
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"})

	got, err := w.mute(bob, ann.User, new(0.5))
	if err != nil || got.MutedUntil == nil || len(got.Conversation.MutedBy) != 1 || got.Conversation.MutedBy[0].User != bob.User {
		t.Fatalf("answered %+v, %v", got, err)
	}
	if left := time.Until(*got.MutedUntil); left > 30*time.Minute || left < 29*time.Minute {
		t.Errorf("muted for %v, want half an hour", left)
	}
	if row := w.row(t, bob); !row.Muted || row.MutedUntil == nil || !row.MutedUntil.Equal(*got.MutedUntil) {
		t.Errorf("row %+v", row)
	}
	if got, err = w.mute(bob, ann.User, nil); err != nil || got.MutedUntil != nil || len(got.Conversation.MutedBy) != 1 {
		t.Errorf("answered %+v, %v", got, err)
	}
	if row := w.row(t, bob); !row.Muted || row.MutedUntil != nil {
		t.Errorf("row %+v", row)
	}
	if got := w.set(t, bob, ann.User, w.Unmute); len(got.Conversation.MutedBy) != 0 || w.row(t, bob).Muted {
		t.Errorf("answered %+v", got)
	}
	if got, err = w.mute(bob, ann.User, new(1e-9)); err != nil || len(got.Conversation.MutedBy) != 0 || w.row(t, bob).Muted {
		t.Errorf("a muting that is over answered %+v, %v", got, err)
	}
	for _, hours := range []float64{0, -1, 87_601, 1e300, math.Inf(1), math.NaN()} {
		_, err := w.mute(bob, ann.User, &hours)
		wantFault(t, err, "INVALID_DURATION")
	}
}

func TestAConversationIsMarkedAsUnread(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	if _, err := w.read(bob, m.ID); err != nil {
		t.Fatal(err)
	}
	w.forget()

	first := w.set(t, bob, ann.User, w.MarkUnread).Conversation
	again := w.set(t, bob, ann.User, w.MarkUnread).Conversation

	if len(first.UnreadFor) != 1 || first.UnreadFor[0].User != bob.User || first.UnreadFor[0] != again.UnreadFor[0] {
		t.Errorf("marked %+v, then %+v", first.UnreadFor, again.UnreadFor)
	}
	if row := w.row(t, bob); !row.ManuallyUnread || row.Unread != 0 {
		t.Errorf("row %+v", row)
	}
	if got := w.unmark(t, bob, ann.User); got.Message != "Conversation marked as read" || len(got.Conversation.UnreadFor) != 0 {
		t.Errorf("answered %+v", got)
	}
	w.unmark(t, bob, ann.User)
	if got, want := w.take(bob.User), []string{"message:read"}; !slices.Equal(got, want) {
		t.Errorf("bob heard %q, want %q", got, want)
	}
	if told := w.heard[0].Payload.(wire.MessageRead); told != (wire.MessageRead{ConversationWith: ann.User}) {
		t.Errorf("bob heard %+v", told)
	}
	if w.row(t, bob).ManuallyUnread || w.take(ann.User) != nil {
		t.Error("the mark is still there, or ann heard of it")
	}
}

func TestConversationsThatAreNotThere(t *testing.T) {
	w := open(t, t.TempDir(), everybody{gone: map[id.User]bool{eve.User: true}})

	for _, op := range []change{w.Unarchive, w.Unmute, w.MarkUnread} {
		if got := w.set(t, bob, ann.User, op); got.Conversation != nil || got.Message == "" {
			t.Errorf("answered %+v", got)
		}
	}
	if got := w.unmark(t, bob, ann.User); got.Message != "No conversation found" || got.Conversation != nil {
		t.Errorf("answered %+v", got)
	}
	for _, op := range []change{w.Archive, w.Unarchive, w.Unmute, w.MarkUnread} {
		_, err := op(t.Context(), bob, eve.User)
		wantFault(t, err, "USER_NOT_FOUND")
	}
	_, err := w.mute(bob, eve.User, nil)
	wantFault(t, err, "USER_NOT_FOUND")
	_, err = w.DeleteConversation(t.Context(), bob, ann.User)
	wantFault(t, err, "CONVERSATION_NOT_FOUND")
	if got := w.set(t, bob, ann.User, w.Archive).Conversation; got == nil || got.CreatedAt.IsZero() {
		t.Errorf("archived %+v", got)
	}
	if list, err := w.Conversations(t.Context(), bob, wire.ListQuery{Limit: 10}); err != nil || len(list.Items) != 0 {
		t.Errorf("list %+v, %v", list, err)
	}
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"})
	if !w.row(t, bob).Archived {
		t.Error("a conversation that was archived before it began is not archived")
	}
}

func TestAConversationIsDeletedForOneself(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"one", "two"} {
		w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: text, Attachment: "/f"})
	}
	seen := w.sync(t, "0")
	w.forget()

	got, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationDeleted], error) {
		return w.DeleteConversation(ctx, bob, ann.User)
	})

	if err != nil || got.Message != "Conversation deleted successfully" {
		t.Fatalf("answered %+v, %v", got, err)
	}
	if list, err := w.Conversations(t.Context(), bob, wire.ListQuery{Limit: 10}); err != nil || len(list.Items) != 0 || len(w.thread(t, bob, ann.User)) != 0 {
		t.Errorf("bob sees %+v, %v", list, err)
	}
	if media, err := w.Media(t.Context(), bob, ann.User, wire.MediaQuery{Limit: 10}); err != nil || len(media.Media) != 0 {
		t.Errorf("bob sees %+v, %v", media, err)
	}
	if got := contents(w.thread(t, ann, bob.User)); !slices.Equal(got, []string{"one", "two"}) || w.take(ann.User) != nil {
		t.Errorf("ann sees %q and heard %q", got, w.take(ann.User))
	}
	if got := w.sync(t, seen.Seq.String()); len(got.Deleted) != 2 || got.Deleted[0].DeleteForAll || got.Counts.Messages != 0 {
		t.Errorf("bob's other device is told %+v", got)
	}
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "three"})
	if got := contents(w.thread(t, bob, ann.User)); !slices.Equal(got, []string{"three"}) || w.row(t, bob).Unread != 1 {
		t.Errorf("afterwards bob sees %q and %d unread", got, w.row(t, bob).Unread)
	}
}
