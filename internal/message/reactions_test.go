package message_test

import (
	"slices"
	"strings"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

func TestAReactionIsToldToBothOnce(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	w.forget()

	for range 2 {
		got, err := w.react(bob, m.ID, "👍")
		if err != nil || len(got.Reactions) != 1 || got.Reactions[0].User != bob.User || got.Reactions[0].Emoji != "👍" || got.Reactions[0].CreatedAt.IsZero() || got.Edited {
			t.Fatalf("reacted %+v, %v", got, err)
		}
	}

	for _, u := range []id.User{ann.User, bob.User} {
		if got, want := payloads(w, u, wire.MessageReacted), []wire.MessageReaction{{MessageID: m.ID, UserID: bob.User, Emoji: "👍"}}; !slices.Equal(got, want) {
			t.Errorf("%s heard %+v, want %+v", u, got, want)
		}
	}
	if len(w.heard) != 1 || w.heard[0].Seq <= m.Seq {
		t.Errorf("told %+v", w.heard)
	}
	w.forget()
	for range 2 {
		if got, err := w.unreact(bob, m.ID, "👍"); err != nil || len(got.Reactions) != 0 {
			t.Fatalf("took it back: %+v, %v", got, err)
		}
	}
	if got, want := payloads(w, ann.User, wire.MessageReacted), []wire.MessageReaction{{MessageID: m.ID, UserID: bob.User, Emoji: "👍", Removed: true}}; !slices.Equal(got, want) {
		t.Errorf("ann heard %+v, want %+v", got, want)
	}
}

func TestAReactionInAGroupIsToldToWhoeverSeesTheMessage(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	m := w.say(t, ann, g, "hi")
	w.mustDelete(t, eve, m.ID, false)
	w.forget()

	if _, err := w.react(bob, m.ID, "❤️"); err != nil {
		t.Fatal(err)
	}

	want := []wire.MessageReaction{{MessageID: m.ID, UserID: bob.User, Emoji: "❤️", GroupChatID: g}}
	for _, u := range []id.User{ann.User, bob.User} {
		if got := payloads(w, u, wire.MessageReacted); !slices.Equal(got, want) {
			t.Errorf("%s heard %+v, want %+v", u, got, want)
		}
	}
	if got := w.take(eve.User); got != nil {
		t.Errorf("who deleted it for themselves heard %q", got)
	}
	_, err := w.react(eve, m.ID, "❤️")
	wantFault(t, err, "MESSAGE_NOT_FOUND")
	_, err = w.react(dan, m.ID, "❤️")
	wantFault(t, err, "MESSAGE_NOT_FOUND")
}

func TestWhatAReactionIs(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	for _, emoji := range []string{
		"👍", "👍🏽", "❤️", "❤", "😀", "🇹🇷", "1️⃣", "#⃣", "👩‍🚀", "👩‍❤️‍👨", "‼️", "ℹ️", "Ⓜ️", "©️", "↔️", "◾", "〰️", "✅", "🏳️‍🌈",
	} {
		if _, err := w.react(bob, m.ID, emoji); err != nil {
			t.Errorf("%q (%+q): %v", emoji, emoji, err)
		}
	}
	w.forget()
	for _, text := range []string{
		" ", "a", "ok", "1", "12", "👍 ", " 👍", "👍\n", "👍\x00", "<b>", "👍<", "&amp;", "\u200d", "\ufe0f", "\u2800", "\u200b", "\u202e👍",
		"🏽", "1\ufe0f", "⃣", "+", "=", "~", "^", "¬", "±", "\ufffd", "\xff", "👍👍👍👍👍👍", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
		strings.Repeat("👍", 1<<18),
	} {
		_, err := w.react(bob, m.ID, text)
		wantFault(t, err, "INVALID_EMOJI")
		_, err = w.unreact(bob, m.ID, text)
		wantFault(t, err, "INVALID_EMOJI")
	}
	_, err := w.react(bob, m.ID, "")
	wantFault(t, err, "MISSING_EMOJI")
	if len(w.heard) > 0 {
		t.Errorf("%s was told of what was refused", w.heard[0].Name)
	}
}

func TestWhoMayNotReact(t *testing.T) {
	apart := everybody{apart: map[id.User]map[id.User]bool{}}
	w := open(t, t.TempDir(), apart)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	gone := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "gone"}).Message
	w.mustDelete(t, ann, gone.ID, true)
	hidden := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hidden"}).Message
	w.mustDelete(t, bob, hidden.ID, false)
	w.forget()

	_, err := w.react(eve, m.ID, "👍")
	wantFault(t, err, "MESSAGE_NOT_FOUND")
	_, err = w.react(bob, hidden.ID, "👍")
	wantFault(t, err, "MESSAGE_NOT_FOUND")
	_, err = w.react(bob, gone.ID, "👍")
	wantFault(t, err, "MESSAGE_DELETED")
	_, err = w.react(bob, id.Message{1}, "👍")
	wantFault(t, err, "MESSAGE_NOT_FOUND")
	apart.part(ann.User, bob.User, true)
	for _, who := range []auth.Identity{ann, bob} {
		_, err = w.react(who, m.ID, "👍")
		wantFault(t, err, "CANNOT_INTERACT")
		_, err = w.unreact(who, m.ID, "👍")
		wantFault(t, err, "CANNOT_INTERACT")
	}
	if len(w.heard) > 0 {
		t.Errorf("%s was told of what was refused", w.heard[0].Name)
	}
}

func TestAMessageHasAHundredReactionsAtMost(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	for i := range 100 {
		if _, err := w.react(bob, m.ID, string(rune(0x1f400+i))); err != nil {
			t.Fatal(err)
		}
	}

	_, err := w.react(ann, m.ID, "👍")
	wantFault(t, err, "TOO_MANY_REACTIONS")
	if got, err := w.react(bob, m.ID, "\U0001f400"); err != nil || len(got.Reactions) != 100 {
		t.Errorf("%d reactions, %v; one that is there already changes nothing", len(got.Reactions), err)
	}
	w.mustDelete(t, ann, m.ID, true)
	if got := w.thread(t, bob, ann.User)[0]; len(got.Reactions) != 0 {
		t.Errorf("what is deleted for all has %d reactions", len(got.Reactions))
	}
}

func TestAReactionThatWasMissedIsInTheNewestState(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	since := w.sync(t, "0").Seq
	if _, err := w.react(ann, m.ID, "👍"); err != nil {
		t.Fatal(err)
	}

	s := w.sync(t, since.String())
	if len(s.Changed) != 1 || len(s.Changed[0].Reactions) != 1 || len(s.Messages) != 0 {
		t.Errorf("sync brings %+v as changed", s.Changed)
	}
	told, _, ok := w.missed(t, since, false)
	if want := []string{"1 message:edited hi"}; !ok || !slices.Equal(told, want) {
		t.Errorf("missed %q, want %q", told, want)
	}
}
