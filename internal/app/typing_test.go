package app_test

import (
	"slices"
	"testing"
	"time"

	"pryde/internal/wire"
)

func TestWhoIsWrittenToIsToldByBothNamesOnEveryDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	a := ann.connect()
	phone, desk := bob.connect(), bob.connect()

	if err := a.Emit("typing", wire.Raw(`{"recipientId":"`+bob.id.String()+`","isTyping":true,"userId":"somebody else"}`)); err != nil {
		t.Fatal(err)
	}

	start := time.Now()
	for _, typing := range []bool{true, false} { // it ends by itself
		want := wire.Typing{UserID: ann.id, IsTyping: typing}
		if got := hears(bob, phone, wire.TypingShown); got != want {
			t.Errorf("the phone heard %+v, want %+v", got, want)
		}
		if got := hears(bob, desk, wire.UserTypingShown); got != want {
			t.Errorf("the desk heard %+v, want %+v", got, want)
		}
	}
	if took := time.Since(start); took < 2500*time.Millisecond {
		t.Errorf("it ended by itself after %v", took)
	}
}

func TestNobodyIsToldOfWritingWhoMayNotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, cay := w.signUp(), w.signUp(), w.signUp()
	g := found("choir", ann, bob, cay)
	bob.block(ann)
	noOne := "no-one"
	cay.do(200, "PATCH", "/api/privacy/settings", wire.PrivacyChange{WhoCanMessage: &noOne})
	a, b, c := ann.connect(), bob.connect(), cay.connect()

	for _, in := range []wire.Typed{{RecipientID: bob.id, IsTyping: true}, {RecipientID: cay.id, IsTyping: true}, {GroupChatID: g.ID, IsTyping: true}} {
		if err := a.Emit("typing", in); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := hears(cay, c, wire.GroupTypingShown), (wire.GroupTyping{GroupChatID: g.ID, UserID: ann.id, IsTyping: true}); got != want {
		t.Errorf("cay heard %+v, want %+v", got, want)
	}
	// What was told before this reply was told by now.
	ask[wire.Pong](bob, b, "ping", struct{}{})
	if err := b.Emit("get_online_users", struct{}{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range bob.namesUpTo(b, wire.OnlineUsers.Name()) {
		if slices.Contains([]string{"typing", "user_typing", "group:typing"}, name) {
			t.Errorf("bob, who blocks ann, heard %s", name)
		}
	}
}

func TestWritingIsLimitedAndTheRestIsDropped(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, "typing=3/1h")
	ann, bob := w.signUp(), w.signUp()
	a, b := ann.connect(), bob.connect()
	for range 9 {
		if err := a.Emit("typing", wire.Typed{RecipientID: bob.id, IsTyping: true}); err != nil {
			t.Fatal(err)
		}
	}
	ask[wire.Sent](ann, a, "send_message", wire.NewMessage{RecipientID: bob.id, Content: "done"})

	heard := 0
	for _, name := range bob.namesUpTo(b, "message:new") {
		if name == "typing" {
			heard++
		}
	}
	if heard != 3 {
		t.Errorf("bob heard %d of 9, want 3", heard)
	}
}
