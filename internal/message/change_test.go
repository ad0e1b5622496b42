package message_test

import (
	"context"
	"slices"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

func (w *world) edit(who auth.Identity, of id.Message, text string) (wire.Message, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Message], error) {
		return w.Edit(ctx, who, of, wire.EditedContent{Content: text})
	})
}

func (w *world) mustEdit(t *testing.T, who auth.Identity, of id.Message, text string) wire.Message {
	t.Helper()
	m, err := w.edit(who, of, text)
	if err != nil {
		t.Fatalf("edit: %v", err)
	}
	return m
}

func (w *world) delete(who auth.Identity, of id.Message, forAll bool) (wire.Deleted, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Deleted], error) { return w.Delete(ctx, who, of, forAll) })
}

func (w *world) mustDelete(t *testing.T, who auth.Identity, of id.Message, forAll bool) {
	t.Helper()
	if _, err := w.delete(who, of, forAll); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

func (w *world) read(who auth.Identity, of id.Message) (wire.Message, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Message], error) { return w.MarkRead(ctx, who, of) })
}

func TestAnEditReachesBoth(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	w.forget()

	got := w.mustEdit(t, ann, m.ID, "hello <i>there</i>")

	if got.Content != "hello there" || !got.Edited || got.EditedAt.IsZero() {
		t.Errorf("edited message %+v", got)
	}
	for _, u := range []id.User{ann.User, bob.User} {
		if got, want := w.take(u), []string{"message:edited"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	if got := w.thread(t, bob, ann.User)[0].Content; got != "hello there" {
		t.Errorf("stored %q", got)
	}
}

func TestWhatIsDeletedForAllLeavesNoContent(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "secret", Attachment: "/f"}).Message
	w.forget()

	w.mustDelete(t, ann, m.ID, true)
	w.mustDelete(t, ann, m.ID, true)

	for _, u := range []id.User{ann.User, bob.User} {
		if got, want := w.take(u), []string{"message:deleted"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	got := w.thread(t, bob, ann.User)[0]
	if got.Content != "" || got.Attachment != nil || !got.IsDeleted || got.DeletedType != "all" {
		t.Errorf("tombstone %+v", got)
	}
	if u, err := w.Unread(t.Context(), bob); err != nil || u.TotalUnread != 0 {
		t.Errorf("unread %+v, %v", u, err)
	}
	list, err := w.Conversations(t.Context(), bob, wire.ListQuery{Limit: 10})
	if err != nil || list.Items[0].LastMessage.Content != "" {
		t.Errorf("list %+v, %v", list, err)
	}
	_, err = w.edit(ann, m.ID, "back")
	wantFault(t, err, "MESSAGE_DELETED")
}

func TestWhatIsDeletedForOneselfStaysForTheOther(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	w.forget()

	w.mustDelete(t, bob, m.ID, false)

	if got := w.thread(t, bob, ann.User); len(got) != 0 {
		t.Errorf("bob sees %+v", got)
	}
	if got := w.thread(t, ann, bob.User); len(got) != 1 {
		t.Errorf("ann sees %+v", got)
	}
	if got := w.take(ann.User); got != nil {
		t.Errorf("ann heard %q", got)
	}
	if got, want := w.take(bob.User), []string{"message:deleted"}; !slices.Equal(got, want) {
		t.Errorf("bob heard %q, want %q", got, want)
	}

	w.forget()
	w.mustEdit(t, ann, m.ID, "changed")

	if got := w.take(bob.User); got != nil {
		t.Errorf("bob heard %q of what he deleted", got)
	}
	if got, want := w.take(ann.User), []string{"message:edited"}; !slices.Equal(got, want) {
		t.Errorf("ann heard %q, want %q", got, want)
	}
}

func TestReadingTellsBothAndCountsDown(t *testing.T) {
	w := newWorld(t)
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "one"})
	second := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "two"}).Message
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "three"})
	w.forget()

	m, err := w.read(bob, second.ID)
	if err != nil || !m.Read {
		t.Fatalf("read answered %+v, %v", m, err)
	}
	if _, err := w.read(bob, second.ID); err != nil {
		t.Fatal(err)
	}

	for _, u := range []id.User{ann.User, bob.User} {
		if got, want := w.take(u), []string{"message:delivered", "message:read"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	if u, err := w.Unread(t.Context(), bob); err != nil || u.TotalUnread != 1 || u.UnreadByUser[0].UserID != ann.User {
		t.Errorf("unread %+v, %v", u, err)
	}
	var reads []bool
	for _, m := range w.thread(t, ann, bob.User) {
		reads = append(reads, m.Read)
	}
	if want := []bool{true, true, false}; !slices.Equal(reads, want) {
		t.Errorf("read flags %v, want %v", reads, want)
	}
}

func TestAThirdPersonLearnsNothing(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	unknown := id.Message{1}
	w.forget()

	for what, act := range map[string]func(of id.Message) error{
		"edit":            func(of id.Message) error { _, err := w.edit(eve, of, "x"); return err },
		"delete for all":  func(of id.Message) error { _, err := w.delete(eve, of, true); return err },
		"delete for self": func(of id.Message) error { _, err := w.delete(eve, of, false); return err },
		"read":            func(of id.Message) error { _, err := w.read(eve, of); return err },
	} {
		t.Run(what, func(t *testing.T) {
			wantFault(t, act(m.ID), "MESSAGE_NOT_FOUND")
			wantFault(t, act(unknown), "MESSAGE_NOT_FOUND")
		})
	}
	if len(w.heard) != 0 {
		t.Errorf("published %+v", w.heard)
	}
	_, err := w.edit(bob, m.ID, "x")
	wantFault(t, err, "NOT_AUTHORIZED")
	_, err = w.delete(bob, m.ID, true)
	wantFault(t, err, "NOT_AUTHORIZED")
	_, err = w.Thread(t.Context(), eve, ann.User, wire.ListQuery{Limit: 10, Before: m.ID})
	wantFault(t, err, "MESSAGE_NOT_FOUND")
}
