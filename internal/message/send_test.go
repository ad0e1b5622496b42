package message_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/wire"
)

func TestSendIsStoredAndToldToBoth(t *testing.T) {
	w := newWorld(t)

	d := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: " hello & <b>welcome</b> ", TempID: "t1"})

	if got, want := d.Message.Content, "hello & welcome"; got != want {
		t.Errorf("content %q, want %q", got, want)
	}
	if got, want := w.take(bob.User), []string{"message:new"}; !slices.Equal(got, want) {
		t.Errorf("recipient heard %q, want %q", got, want)
	}
	if got, want := w.take(ann.User), []string{"message:sent"}; !slices.Equal(got, want) {
		t.Errorf("sender heard %q, want %q", got, want)
	}
	if got := w.thread(t, bob, ann.User); len(got) != 1 || got[0].ID != d.Message.ID || got[0].TempID != "" {
		t.Errorf("thread of the recipient %+v", got)
	}
}

func TestTheRecipientNeverHearsTheSendersName(t *testing.T) {
	w := newWorld(t)
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi", TempID: "t1"})

	for _, o := range w.heard {
		if m, ok := o.Payload.(wire.Message); ok && o.Name == "message:new" && m.TempID != "" {
			t.Errorf("message:new carries _tempId %q", m.TempID)
		}
	}
}

func TestSendRetryIsHeardOnce(t *testing.T) {
	w := newWorld(t)
	in := wire.NewMessage{RecipientID: bob.User, Content: "hi", TempID: "t1"}
	first := w.mustSend(t, ann, in)
	w.forget()

	again := w.mustSend(t, ann, in)

	if !again.Duplicate || again.Message.ID != first.Message.ID {
		t.Errorf("retry answered %+v, want the first message %s as a duplicate", again, first.Message.ID)
	}
	if got := w.take(bob.User); got != nil {
		t.Errorf("recipient heard %q of a retry", got)
	}
	if got, want := w.take(ann.User), []string{"message:sent"}; !slices.Equal(got, want) {
		t.Errorf("sender heard %q, want %q", got, want)
	}
}

func TestSendRetryAfterARestartFindsTheFirst(t *testing.T) {
	w := newWorld(t)
	in := wire.NewMessage{RecipientID: bob.User, Content: "hi", TempID: "t1"}
	first := w.mustSend(t, ann, in)
	w = w.reopen(t)

	again := w.mustSend(t, ann, in)

	if !again.Duplicate || again.Message.ID != first.Message.ID {
		t.Errorf("retry answered %+v, want the first message %s as a duplicate", again, first.Message.ID)
	}
	if got := w.thread(t, ann, bob.User); len(got) != 1 {
		t.Errorf("%d messages stored, want 1", len(got))
	}
}

func TestConcurrentRetriesStoreOne(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	firsts, names := 0, make(map[id.Message]bool)
	for range 50 {
		all.Go(func() {
			d, err := w.send(ann, wire.NewMessage{RecipientID: bob.User, Content: "hi", TempID: "t1"})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			names[d.Message.ID] = true
			if !d.Duplicate {
				firsts++
			}
		})
	}
	all.Wait()

	if firsts != 1 || len(names) != 1 {
		t.Errorf("%d firsts and %d ids, want one of each", firsts, len(names))
	}
	if got := w.thread(t, ann, bob.User); len(got) != 1 {
		t.Errorf("%d messages stored, want 1", len(got))
	}
}

func TestTheSameNameForSomethingElseIsAConflict(t *testing.T) {
	w := newWorld(t)
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi", TempID: "t1"})

	_, err := w.send(ann, wire.NewMessage{RecipientID: bob.User, Content: "other", TempID: "t1"})
	wantFault(t, err, "IDEMPOTENCY_CONFLICT")
	_, err = w.send(ann, wire.NewMessage{RecipientID: eve.User, Content: "hi", TempID: "t1"})
	wantFault(t, err, "IDEMPOTENCY_CONFLICT")
	w = w.reopen(t)
	_, err = w.send(ann, wire.NewMessage{RecipientID: eve.User, Content: "hi", TempID: "t1"})
	wantFault(t, err, "IDEMPOTENCY_CONFLICT")
	if d := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "mine", TempID: "t1"}); d.Duplicate {
		t.Error("the name of one sender stood in the way of another")
	}
}

func TestARetryAfterAnEditOrADeletionFindsTheMessage(t *testing.T) {
	w := newWorld(t)
	edited := wire.NewMessage{RecipientID: bob.User, Content: "hi", TempID: "edited"}
	deleted := wire.NewMessage{RecipientID: bob.User, Content: "secret", TempID: "deleted"}
	e, d := w.mustSend(t, ann, edited), w.mustSend(t, ann, deleted)
	w.mustEdit(t, ann, e.Message.ID, "changed")
	w.mustDelete(t, ann, d.Message.ID, true)

	if again := w.mustSend(t, ann, edited); !again.Duplicate || again.Message.Content != "changed" {
		t.Errorf("retry of an edited message answered %+v", again)
	}
	if again := w.mustSend(t, ann, deleted); !again.Duplicate || again.Message.ID != d.Message.ID || again.Message.Content != "" || !again.Message.IsDeleted {
		t.Errorf("retry of a deleted message answered %+v", again)
	}
}

func TestUnnamedRepeatsAreOneAndHonestNamesAreTwo(t *testing.T) {
	w := newWorld(t)
	first := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "ok"})
	again := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "ok"})
	if !again.Duplicate || again.Message.ID != first.Message.ID {
		t.Errorf("an unnamed repeat answered %+v", again)
	}
	one := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "yes", TempID: "a"})
	two := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "yes", TempID: "b"})
	if two.Duplicate || one.Message.ID == two.Message.ID {
		t.Error("two honest messages became one")
	}
	picture := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "ok", Attachment: "/upload/image/1"})
	if picture.Duplicate {
		t.Error("another attachment became a repeat")
	}
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	w := open(t, t.TempDir(), everybody{gone: map[id.User]bool{eve.User: true}})
	for what, tt := range map[string]struct {
		in   wire.NewMessage
		code string
	}{
		"no recipient":      {wire.NewMessage{Content: "hi"}, "MISSING_RECIPIENT"},
		"empty":             {wire.NewMessage{RecipientID: bob.User}, "EMPTY_MESSAGE"},
		"white space":       {wire.NewMessage{RecipientID: bob.User, Content: " \n\t "}, "EMPTY_MESSAGE"},
		"only markup":       {wire.NewMessage{RecipientID: bob.User, Content: "<b></b>"}, "EMPTY_MESSAGE"},
		"too long":          {wire.NewMessage{RecipientID: bob.User, Content: strings.Repeat("ä", 10_001)}, "MESSAGE_TOO_LONG"},
		"long attachment":   {wire.NewMessage{RecipientID: bob.User, Attachment: strings.Repeat("a", 3_000)}, "INVALID_ATTACHMENT"},
		"long client id":    {wire.NewMessage{RecipientID: bob.User, Content: "hi", TempID: strings.Repeat("a", 129)}, "INVALID_TEMP_ID"},
		"unknown recipient": {wire.NewMessage{RecipientID: eve.User, Content: "hi"}, "USER_NOT_FOUND"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := w.send(ann, tt.in)
			wantFault(t, err, tt.code)
		})
	}
	if got, err := w.Conversations(t.Context(), ann, wire.ListQuery{Limit: 100}); err != nil || len(got.Items) != 0 {
		t.Errorf("refused messages left %+v, %v", got, err)
	}
	if d := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: strings.Repeat("ä", 10_000)}); d.Duplicate {
		t.Error("the longest message was taken for a repeat")
	}
}

func TestNotesToOneselfAreToldBySentAlone(t *testing.T) {
	w := newWorld(t)

	w.mustSend(t, ann, wire.NewMessage{RecipientID: ann.User, Content: "milk", TempID: "t"})

	if got, want := w.take(ann.User), []string{"message:sent"}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
	if u, err := w.Unread(t.Context(), ann); err != nil || u.TotalUnread != 0 {
		t.Errorf("unread %+v, %v", u, err)
	}
}

// TestNoEventIsOutOfOrder runs 64 callers over 8 conversations: every listener hears the
// commits in growing order, and within a conversation in the order of the thread.
func TestNoEventIsOutOfOrder(t *testing.T) {
	const callers, conversations, each = 64, 8, 20
	w := newWorld(t)
	person := func(n int) auth.Identity { return auth.Identity{User: id.User{10: 1, 11: byte(n)}} }
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			pair := c % conversations
			from, to := person(2*pair), person(2*pair+1)
			if c/conversations%2 == 1 {
				from, to = to, from
			}
			for i := range each {
				name := fmt.Sprintf("%d-%d", c, i)
				if _, err := w.send(from, wire.NewMessage{RecipientID: to.User, Content: name, TempID: name}); err != nil {
					t.Errorf("send %s: %v", name, err)
				}
			}
		})
	}
	all.Wait()

	last, events := make(map[wire.Room]order.Seq), 0
	for _, o := range w.heard {
		for _, r := range o.Rooms {
			events++
			if o.Seq <= last[r] && o.Name == "message:new" {
				t.Fatalf("%s heard %d after %d", r, o.Seq, last[r])
			}
			last[r] = max(last[r], o.Seq)
		}
	}
	if want := 2 * callers * each; events != want {
		t.Errorf("%d events, want %d", events, want)
	}
	for pair := range conversations {
		thread := w.thread(t, person(2*pair), person(2*pair+1).User)
		if !slices.IsSortedFunc(thread, func(a, b wire.Message) int { return int(a.Seq - b.Seq) }) {
			t.Errorf("thread of pair %d is out of order", pair)
		}
		if !slices.IsSortedFunc(thread, func(a, b wire.Message) int { return a.CreatedAt.Compare(b.CreatedAt) }) {
			t.Errorf("createdAt of pair %d runs backwards", pair)
		}
	}
}

func TestARetryIsAnsweredAfterTheRightToWriteIsLost(t *testing.T) {
	people := everybody{apart: map[id.User]map[id.User]bool{}, gone: map[id.User]bool{}}
	w := open(t, t.TempDir(), people)
	named := wire.NewMessage{RecipientID: bob.User, Content: "one", TempID: "x"}
	unnamed := wire.NewMessage{RecipientID: bob.User, Content: "two"}
	first, second := w.mustSend(t, ann, named), w.mustSend(t, ann, unnamed)
	people.part(ann.User, bob.User, true)
	w.forget()

	for what, retry := range map[string]struct {
		in   wire.NewMessage
		want id.Message
	}{"a named one": {named, first.Message.ID}, "an unnamed one": {unnamed, second.Message.ID}} {
		got, err := w.send(ann, retry.in)
		if err != nil || !got.Duplicate || got.Message.ID != retry.want {
			t.Errorf("%s was answered %+v, %v", what, got, err)
		}
	}
	if got, want := w.take(ann.User), []string{"message:sent", "message:sent"}; !slices.Equal(got, want) {
		t.Errorf("ann heard %q, want %q", got, want)
	}
	if got := w.take(bob.User); got != nil {
		t.Errorf("bob heard %q", got)
	}
	_, err := w.send(ann, wire.NewMessage{RecipientID: bob.User, Content: "new", TempID: "y"})
	wantFault(t, err, "CANNOT_MESSAGE")
	_, err = w.send(ann, wire.NewMessage{RecipientID: bob.User, Content: "other", TempID: "x"})
	wantFault(t, err, "IDEMPOTENCY_CONFLICT")
	people.part(ann.User, bob.User, false)
	people.gone[bob.User] = true
	_, err = w.edit(ann, first.Message.ID, "still here")
	wantFault(t, err, "USER_NOT_FOUND")
}

func TestARetryTellsTheNewestState(t *testing.T) {
	w := newWorld(t)
	one := wire.NewMessage{RecipientID: bob.User, Content: "one", TempID: "1"}
	w.mustSend(t, ann, one)
	later := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "two", TempID: "2"}).Message
	if got := w.mustSend(t, ann, one).Message; got.Read {
		t.Error("what nobody read is read")
	}
	if _, err := w.read(bob, later.ID); err != nil {
		t.Fatal(err)
	}

	if got := w.mustSend(t, ann, one).Message; !got.Read {
		t.Error("after a later message was read, the retry tells that this one was not")
	}
}

func TestARepeatDoesNotBringBackWhatItsSenderDeleted(t *testing.T) {
	w := newWorld(t)
	named := wire.NewMessage{RecipientID: bob.User, Content: "named", TempID: "1"}
	cleared := wire.NewMessage{RecipientID: bob.User, Content: "cleared", TempID: "2"}
	unnamed := wire.NewMessage{RecipientID: bob.User, Content: "unnamed"}
	first := w.mustSend(t, ann, named).Message
	w.mustSend(t, ann, cleared)
	w.mustDelete(t, ann, first.ID, false)
	if _, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationDeleted], error) {
		return w.DeleteConversation(ctx, ann, bob.User)
	}); err != nil {
		t.Fatal(err)
	}
	gone := w.mustSend(t, ann, unnamed).Message
	w.mustDelete(t, ann, gone.ID, false)
	w.forget()

	for _, in := range []wire.NewMessage{named, cleared} {
		if got := w.mustSend(t, ann, in); !got.Duplicate {
			t.Errorf("the repeat of %q became another message", in.Content)
		}
	}
	if got := w.take(ann.User); got != nil {
		t.Errorf("ann heard %q of what she deleted", got)
	}
	if got := w.mustSend(t, ann, unnamed); !got.Duplicate || got.Message.ID != gone.ID || len(w.take(bob.User)) > 0 {
		t.Errorf("the repeat without a name answered %+v, and bob heard %q", got, w.take(bob.User))
	}
	_, err := w.read(bob, first.ID)
	if err != nil {
		t.Errorf("bob reads what only ann deleted: %v", err)
	}
	w.mustDelete(t, bob, first.ID, false)
	_, err = w.read(bob, first.ID)
	wantFault(t, err, "MESSAGE_NOT_FOUND")
}

func TestWhatSomebodyWroteOutlivesTheirAccount(t *testing.T) {
	people := everybody{gone: map[id.User]bool{}}
	w := open(t, t.TempDir(), people)
	w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "hi", Attachment: "/f"})
	people.gone[bob.User] = true

	if got := contents(w.thread(t, ann, bob.User)); !slices.Equal(got, []string{"hi"}) {
		t.Errorf("ann reads %q", got)
	}
	if got, err := w.Media(t.Context(), ann, bob.User, wire.MediaQuery{Limit: 10}); err != nil || len(got.Media) != 1 {
		t.Errorf("media %+v, %v", got, err)
	}
	_, err := w.Thread(t.Context(), eve, bob.User, wire.ListQuery{Limit: 10})
	wantFault(t, err, "USER_NOT_FOUND")
	_, err = w.Media(t.Context(), eve, bob.User, wire.MediaQuery{Limit: 10})
	wantFault(t, err, "USER_NOT_FOUND")
}
