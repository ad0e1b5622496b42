package message_test

import (
	"fmt"
	"slices"
	"testing"

	"pryde/internal/wire"
)

func (w *world) sync(t *testing.T, since string) wire.Sync {
	t.Helper()
	s, err := w.Sync(t.Context(), bob, since)
	if err != nil {
		t.Fatalf("sync since %q: %v", since, err)
	}
	return s
}

func contents(ms []wire.Message) []string {
	var out []string
	for _, m := range ms {
		out = append(out, m.Content)
	}
	return out
}

func TestSyncTellsWhatWasMissedOnceAndInOrder(t *testing.T) {
	w := newWorld(t)
	old := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "old"}).Message
	gone := w.mustSend(t, eve, wire.NewMessage{RecipientID: bob.User, Content: "gone"}).Message
	seen := w.sync(t, "0")
	if got, want := contents(seen.Messages), []string{"old", "gone"}; !slices.Equal(got, want) {
		t.Fatalf("from nothing %q, want %q", got, want)
	}

	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "one"})
	w.mustEdit(t, ann, old.ID, "edited")
	w.mustSend(t, eve, wire.NewMessage{RecipientID: bob.User, Content: "two"})
	w.mustDelete(t, eve, gone.ID, true)
	three := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "three"}).Message
	if _, err := w.read(ann, three.ID); err != nil {
		t.Fatal(err)
	}

	got := w.sync(t, seen.Seq.String())
	if got, want := contents(got.Messages), []string{"one", "two", "three"}; !slices.Equal(got, want) {
		t.Errorf("messages %q, want %q", got, want)
	}
	if got, want := contents(got.Changed), []string{"edited"}; !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
	if want := []wire.DeletedMessage{{MessageID: gone.ID, DeleteForAll: true, ConversationWith: eve.User}}; !slices.Equal(got.Deleted, want) {
		t.Errorf("deleted %+v, want %+v", got.Deleted, want)
	}
	if got.Counts.Messages != 3 || len(got.Conversations) != 2 {
		t.Errorf("counts %+v and %d conversations, want 3 unread and 2", got.Counts, len(got.Conversations))
	}
	for _, c := range got.Conversations {
		if c.ID == ann.User && (c.PeerLastReadMessageID == nil || *c.PeerLastReadMessageID != three.ID) {
			t.Errorf("receipt %v, want %s", c.PeerLastReadMessageID, three.ID)
		}
	}
	if got := w.sync(t, got.Seq.String()); len(got.Messages)+len(got.Changed)+len(got.Deleted)+len(got.Conversations) != 0 || got.Reload {
		t.Errorf("nothing happened, but sync says %+v", got)
	}
}

func TestSyncAsksForAReloadWhereItCannotTell(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: fmt.Sprint(i)})
	}
	now := w.sync(t, "0").Seq
	future, foreign := now, now
	future.Seq += 100
	foreign.Database[0]++

	for what, since := range map[string]wire.Offset{"future": future, "another database": foreign} {
		t.Run(what, func(t *testing.T) {
			got := w.sync(t, since.String())
			if !got.Reload || len(got.Messages) != 0 || len(got.Conversations) != 1 || got.Counts.Messages != 3 || got.Seq != now {
				t.Errorf("got %+v", got)
			}
		})
	}
	for _, since := range []string{"", "x", "-1", "1", "00000000.", "00000000.-1", "0000000g.1", now.String() + "x"} {
		_, err := w.Sync(t.Context(), bob, since)
		wantFault(t, err, "INVALID_OFFSET")
	}
}

func TestSyncOfTooMuchIsAReload(t *testing.T) {
	w := newWorld(t)
	for i := range 1_000 {
		w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: fmt.Sprint(i)})
	}
	if got := w.sync(t, "0"); got.Reload || len(got.Messages) != 1_000 {
		t.Errorf("1,000 messages: reload %v, %d messages", got.Reload, len(got.Messages))
	}

	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "one more"})

	if got := w.sync(t, "0"); !got.Reload || len(got.Messages) != 0 || got.Counts.Messages != 1_001 || len(got.Conversations) != 1 {
		t.Errorf("1,001 messages: reload %v, %d messages, counts %+v", got.Reload, len(got.Messages), got.Counts)
	}
}

func TestListsArePaged(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: fmt.Sprint(i)})
	}
	w.mustSend(t, eve, wire.NewMessage{RecipientID: bob.User, Content: "eve"})

	first, err := w.Thread(t.Context(), bob, ann.User, wire.ListQuery{Limit: 4})
	if err != nil || !slices.Equal(contents(first.Items), []string{"3", "4", "5", "6"}) {
		t.Fatalf("first page %q, %v", contents(first.Items), err)
	}
	if first.Next != first.Items[0].ID.String() {
		t.Errorf("next %q", first.Next)
	}
	second, err := w.Thread(t.Context(), bob, ann.User, wire.ListQuery{Limit: 4, Before: first.Items[0].ID})
	if err != nil || !slices.Equal(contents(second.Items), []string{"0", "1", "2"}) || second.Next != "" {
		t.Errorf("second page %q, next %q, %v", contents(second.Items), second.Next, err)
	}

	list, err := w.Conversations(t.Context(), bob, wire.ListQuery{Limit: 1})
	if err != nil || len(list.Items) != 1 || list.Items[0].ID != eve.User || list.Next == "" {
		t.Fatalf("list %+v, %v", list, err)
	}
	rest, err := w.Conversations(t.Context(), bob, wire.ListQuery{Limit: 1, Before: list.Items[0].LastMessage.ID})
	if err != nil || len(rest.Items) != 1 || rest.Items[0].ID != ann.User || rest.Next != "" || rest.Items[0].Unread != 7 {
		t.Errorf("rest %+v, %v", rest, err)
	}
}
