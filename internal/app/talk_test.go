package app_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pryde/internal/testkit"
	"pryde/internal/wire"
)

func TestTwoPeopleTalk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	a, b := ann.connect(), bob.connect()

	sent := ask[wire.Sent](ann, a, "send_message", wire.NewMessage{RecipientID: bob.id, Content: "hello", TempID: "t1"})

	arrived := bob.await(b, "message:new")
	m := decode[wire.Message](t, arrived.Payload())
	if m.ID != sent.MessageID || m.Content != "hello" || m.Sender.Username != ann.name {
		t.Errorf("bob heard %+v", m)
	}
	if told := decode[wire.Message](t, ann.await(a, "message:sent").Payload()); told.TempID != "t1" {
		t.Errorf("ann heard %+v", told)
	}
	if again := ask[wire.Sent](ann, a, "send_message", wire.NewMessage{RecipientID: bob.id, Content: "hello", TempID: "t1"}); !again.Duplicate || again.MessageID != sent.MessageID {
		t.Errorf("the repeat was acknowledged with %+v", again)
	}
	list, err := bob.rest.Conversations(w.ctx())
	if err != nil || len(list) != 1 || list[0].Unread != 1 || list[0].LastMessage.Content != "hello" {
		t.Errorf("bob's list %+v, %v", list, err)
	}
}

func TestBothDoorsKnowTheSameAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	b := bob.connect()
	in := wire.PostedMessage{Recipient: bob.id, Content: "hello", TempID: "t1"}

	m, again, err := ann.rest.PostMessage(w.ctx(), in)
	if err != nil || again {
		t.Fatalf("post: %v, again %v", err, again)
	}
	sent := ask[wire.Sent](ann, ann.connect(), "send_message", wire.NewMessage{RecipientID: bob.id, Content: "hello", TempID: "t1"})
	_, again, err = ann.rest.PostMessage(w.ctx(), in)

	if !sent.Duplicate || sent.MessageID != m.ID || !again || err != nil {
		t.Errorf("socket %+v, REST again %v, %v", sent, again, err)
	}
	if got := decode[wire.Message](t, bob.await(b, "message:new").Payload()); got.ID != m.ID {
		t.Errorf("bob heard %s, want %s", got.ID, m.ID)
	}
	in.Content = "something else"
	if _, _, err := ann.rest.PostMessage(w.ctx(), in); status(err) != http.StatusConflict {
		t.Errorf("the name of another message: %v", err)
	}
}

func TestTheIdempotencyKeyNamesAnAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	named := *ann.rest
	named.Header = http.Header{"Idempotency-Key": {"k1"}}

	first, _, err := named.PostMessage(w.ctx(), wire.PostedMessage{Recipient: bob.id, Content: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	if second, again, err := named.PostMessage(w.ctx(), wire.PostedMessage{Recipient: bob.id, Content: "hi", TempID: "k1"}); err != nil || !again || second.ID != first.ID {
		t.Errorf("the repeat: %s again %v, %v", second.ID, again, err)
	}
	if _, _, err := named.PostMessage(w.ctx(), wire.PostedMessage{Recipient: bob.id, Content: "hi", TempID: "k2"}); status(err) != http.StatusBadRequest {
		t.Errorf("two different names: %v", err)
	}
}

// TestABurstOfOneSocketKeepsItsOrder sends without waiting: everything is stored, told and
// acknowledged in the order of sending.
func TestABurstOfOneSocketKeepsItsOrder(t *testing.T) {
	t.Parallel()
	const burst = 60
	w := newWorld(t)
	ann, bob, eve := w.signUp(), w.signUp(), w.signUp()
	a, b := ann.connect(), bob.connect()
	var want []string
	var acks []*testkit.Pending
	for i := range burst {
		to := bob
		if i%3 == 2 {
			to = eve
		} else {
			want = append(want, fmt.Sprint(i))
		}
		p, err := a.Ask("send_message", wire.NewMessage{RecipientID: to.id, Content: fmt.Sprint(i), TempID: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, p)
	}
	for i, p := range acks {
		raw, err := p.Wait(w.ctx())
		if err != nil || !decode[wire.Sent](t, raw).Success {
			t.Fatalf("acknowledgement %d: %s, %v", i, raw, err)
		}
	}

	var heard []string
	for range want {
		heard = append(heard, decode[wire.Message](t, bob.await(b, "message:new").Payload()).Content)
	}
	if !slices.Equal(heard, want) {
		t.Errorf("bob heard %v, want %v", heard, want)
	}
	var told []string
	for range burst {
		told = append(told, decode[wire.Message](t, ann.await(a, "message:sent").Payload()).Content)
	}
	if !slices.IsSortedFunc(told, byNumber) {
		t.Errorf("ann was told in the order %v", told)
	}
	thread, err := bob.rest.Thread(w.ctx(), ann.id)
	if err != nil {
		t.Fatal(err)
	}
	var stored []string
	for _, m := range thread {
		stored = append(stored, m.Content)
	}
	if !slices.Equal(stored, want) {
		t.Errorf("stored %v, want %v", stored, want)
	}
}

func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func TestWhatWasMissedComesBySync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	a, b := ann.connect(), bob.connect()
	ask[wire.Sent](ann, a, "send_message", wire.NewMessage{RecipientID: bob.id, Content: "one", TempID: "1"})
	offset := bob.await(b, "message:new").Offset()
	b.Close()
	ask[wire.Sent](ann, a, "send_message", wire.NewMessage{RecipientID: bob.id, Content: "two", TempID: "2"})

	got, err := bob.rest.Sync(w.ctx(), offset)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) != 1 || got.Messages[0].Content != "two" || got.Reload || got.Counts.Messages != 2 {
		t.Errorf("sync %+v", got)
	}
	for since, want := range map[string]int{"": 400, "rubbish": 400, "0": 200, "00000000.1": 200} {
		got, err := bob.rest.Do(w.ctx(), "GET", "/api/sync?since="+since, nil)
		if err != nil || got.Status != want {
			t.Errorf("since=%q answered %d %s, %v", since, got.Status, got.Body, err)
		}
	}
}

func TestEditReadAndDeleteAreHeardByBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, eve := w.signUp(), w.signUp(), w.signUp()
	a, b := ann.connect(), bob.connect()
	m, _, err := ann.rest.PostMessage(w.ctx(), wire.PostedMessage{Recipient: bob.id, Content: "one"})
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/messages/" + m.ID.String()
	for _, step := range []struct {
		who          *person
		method, path string
		body         any
		event        string
	}{
		{ann, "PUT", path, wire.EditedContent{Content: "two"}, "message:edited"},
		{bob, "PUT", path + "/read", nil, "message:read"},
		{ann, "DELETE", path + "?deleteForAll=true", nil, "message:deleted"},
	} {
		got, err := eve.rest.Do(w.ctx(), step.method, step.path, step.body)
		if err != nil || got.Status != http.StatusNotFound {
			t.Errorf("a third person's %s answered %d %s, %v", step.event, got.Status, got.Body, err)
		}
		got, err = step.who.rest.Do(w.ctx(), step.method, step.path, step.body)
		if err != nil || got.Status != http.StatusOK {
			t.Fatalf("%s answered %d %s, %v", step.event, got.Status, got.Body, err)
		}
		ann.await(a, step.event)
		bob.await(b, step.event)
	}
}

func TestASecondDeviceHearsWhatTheFirstSends(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	phone, desk := ann.connect(), ann.connect()

	ask[wire.Sent](ann, phone, "send_message", wire.NewMessage{RecipientID: bob.id, Content: "hi", TempID: "t1"})

	if got := decode[wire.Message](t, ann.await(desk, "message:sent").Payload()); got.TempID != "t1" {
		t.Errorf("the desk heard %+v", got)
	}
}

func status(err error) int {
	if e := (*testkit.StatusError)(nil); errors.As(err, &e) {
		return e.Status
	}
	return 0
}
