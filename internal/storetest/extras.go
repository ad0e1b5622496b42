package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

// react makes a reaction that must be new.
func (d *desk) react(m id.Message, r message.Reaction) message.Message {
	d.t.Helper()
	return d.made(d.store.React(d.t.Context(), m, r, false))
}

func (d *desk) versions(m id.Message) []message.Version {
	d.t.Helper()
	v, err := d.store.Versions(d.t.Context(), m)
	if err != nil {
		d.t.Fatalf("Versions: %v", err)
	}
	return v
}

// some are those of some messages that a person sees, in the order of seq.
func (d *desk) some(c message.Conversation, viewer id.User, of ...id.Message) []message.Message {
	d.t.Helper()
	all, err := d.store.Some(d.t.Context(), c, viewer, of)
	if err != nil {
		d.t.Fatalf("Some: %v", err)
	}
	slices.SortFunc(all, func(a, b message.Message) int { return int(a.Seq - b.Seq) })
	return all
}

func testExtra(t *testing.T, d *desk) {
	draft := d.draft(alice, bob, "")
	draft.Extra = message.Extra{VoiceURL: "/upload/voice/a.webm", VoiceSeconds: 12.5, Warning: "Spinnen ☃ \x00"}
	draft.ClientID = "temp-1"
	m := d.append(draft)
	reply := d.draft(bob, alice, "an answer")
	reply.ReplyTo = m.ID
	answer := d.append(reply)

	if m.Extra != draft.Extra || answer.ReplyTo != m.ID || answer.Extra != (message.Extra{}) {
		t.Errorf("appended with %+v, and an answer to %v", m.Extra, answer.ReplyTo)
	}
	same(t, "page", d.page(alice, bob, alice), []message.Message{m, answer})
	same(t, "message", d.find(m.ID), m)
	same(t, "row", d.row(bob).Last, &answer)
	same(t, "changes", d.since(bob, 0).New, []message.Message{m, answer})
	d.repeat(draft, m)

	edited, err := d.store.Edit(t.Context(), answer.ID, "another", d.now())
	if err != nil || edited.ReplyTo != m.ID {
		t.Errorf("after an edit it answers %v, error %v", edited.ReplyTo, err)
	}
	if tomb := d.deleteForAll(m.ID); tomb.Extra != (message.Extra{}) {
		t.Errorf("a deleted message has %+v", tomb.Extra)
	}
	same(t, "the message that answers a deleted one", d.find(answer.ID), edited)
	if tomb := d.deleteForAll(answer.ID); tomb.ReplyTo != m.ID {
		t.Errorf("a deleted answer is one to %v, want %v", tomb.ReplyTo, m.ID)
	}
}

func testSome(t *testing.T, d *desk) {
	first, second, third := d.send(alice, bob, "1"), d.send(bob, alice, "2"), d.send(alice, bob, "3")
	elsewhere := d.send(alice, carol, "elsewhere")
	d.deleteForSelf(second.ID, alice)
	tomb := d.deleteForAll(third.ID)
	c := message.Between(alice, bob)

	all := []id.Message{third.ID, messageID(999), first.ID, second.ID, elsewhere.ID}
	same(t, "alice's", d.some(c, alice, all...), []message.Message{first, tomb})
	same(t, "bob's", d.some(c, bob, all...), []message.Message{first, second, tomb})
	same(t, "one", d.some(c, bob, second.ID), []message.Message{second})
	same(t, "none", d.some(c, bob), []message.Message(nil))
	if err := d.store.Clear(t.Context(), bob, alice); err != nil {
		t.Fatalf("Clear: %v", err)
	}
	same(t, "after clearing", d.some(c, bob, all...), []message.Message(nil))
}

func testReactions(t *testing.T, d *desk) {
	m := d.send(alice, bob, "hello")
	other := d.send(alice, bob, "other")
	like := message.Reaction{User: bob, Emoji: "👍🏽", At: start.Add(time.Minute + time.Microsecond)}
	love := message.Reaction{User: bob, Emoji: "❤️", At: start.Add(2 * time.Minute)}
	hers := message.Reaction{User: alice, Emoji: like.Emoji, At: start.Add(3 * time.Minute)}

	got := d.react(m.ID, like)

	like.At = start.Add(time.Minute)
	want := m
	want.Reactions, want.Changed = []message.Reaction{like}, got.Changed
	if got.Changed <= other.Seq {
		t.Errorf("Changed is %d, want more than %d", got.Changed, other.Seq)
	}
	same(t, "message with a reaction", got, want)
	d.react(m.ID, love)
	got = d.react(m.ID, hers)
	want.Reactions, want.Changed = []message.Reaction{like, love, hers}, got.Changed
	same(t, "message", d.find(m.ID), want)
	same(t, "page", d.page(alice, bob, bob), []message.Message{want, other})
	same(t, "changes", d.since(alice, other.Seq), message.Changes{
		Seq: got.Changed, Changed: []message.Message{want}, Rows: []message.Row{{Peer: bob, Last: &other, Changed: got.Changed}},
	})
	same(t, "unread", d.unread(bob), map[id.User]int{alice: 2})
	for what, remove := range map[string]bool{"made again": false, "never made and removed": true} {
		r := message.Reaction{User: bob, Emoji: like.Emoji, At: start.Add(time.Hour)}
		if remove {
			r.Emoji = "🎉"
		}
		again, changed, err := d.store.React(t.Context(), m.ID, r, remove)
		if err != nil || changed {
			t.Errorf("a reaction that is %s reported %v and error %v, want nothing", what, changed, err)
		}
		same(t, "message after it", again, want)
	}

	got = d.made(d.store.React(t.Context(), m.ID, like, true))
	want.Reactions, want.Changed = []message.Reaction{love, hers}, got.Changed
	same(t, "message without the first", got, want)
	got = d.react(m.ID, like)
	want.Reactions, want.Changed = []message.Reaction{love, hers, like}, got.Changed
	same(t, "message with it again, at the end", d.find(m.ID), want)
	if tomb := d.deleteForAll(m.ID); len(tomb.Reactions) != 0 {
		t.Errorf("a deleted message has the reactions %v", tomb.Reactions)
	}
	same(t, "tombstone", d.find(m.ID).Reactions, []message.Reaction(nil))
}

func testMaxReactions(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	m := d.toGroup(g, alice, "hello")
	reaction := func(i int) message.Reaction {
		return message.Reaction{User: []id.User{alice, bob}[i%2], Emoji: fmt.Sprint(i / 2), At: start}
	}
	for i := range message.MaxReactions {
		d.react(m.ID, reaction(i))
	}
	one := reaction(message.MaxReactions)

	if _, _, err := d.store.React(t.Context(), m.ID, one, false); !errors.Is(err, message.ErrReactions) {
		t.Errorf("one more gave %v, want ErrReactions", err)
	}
	if _, changed, err := d.store.React(t.Context(), m.ID, reaction(0), false); err != nil || changed {
		t.Errorf("one that is there gave %v and error %v, want nothing", changed, err)
	}
	d.made(d.store.React(t.Context(), m.ID, reaction(0), true))
	if got := len(d.react(m.ID, one).Reactions); got != message.MaxReactions {
		t.Errorf("%d reactions, want %d", got, message.MaxReactions)
	}
}

func testReactRefused(t *testing.T, d *desk) {
	m, hidden, deleted := d.send(alice, bob, "1"), d.send(alice, bob, "2"), d.send(alice, bob, "3")
	d.deleteForSelf(hidden.ID, bob)
	d.deleteForAll(deleted.ID)

	for what, tt := range map[string]struct {
		of   id.Message
		by   id.User
		want error
	}{
		"a stranger":         {m.ID, carol, message.ErrNoMessage},
		"an unknown one":     {messageID(999), bob, message.ErrNoMessage},
		"one that is gone":   {deleted.ID, bob, message.ErrGone},
		"one that is hidden": {hidden.ID, bob, message.ErrNoMessage},
	} {
		for _, remove := range []bool{false, true} {
			_, _, err := d.store.React(t.Context(), tt.of, message.Reaction{User: tt.by, Emoji: "👍", At: start}, remove)
			if !errors.Is(err, tt.want) {
				t.Errorf("React of %s, remove %v: %v, want %v", what, remove, err, tt.want)
			}
		}
	}
	d.react(hidden.ID, message.Reaction{User: alice, Emoji: "👍", At: start})
	same(t, "message", d.find(m.ID), m)
}

func testVersions(t *testing.T, d *desk) {
	draft := d.draft(alice, bob, "first ☃")
	draft.Attachment = "picture"
	m := d.append(draft)
	same(t, "versions at first", d.versions(m.ID), []message.Version(nil))
	var want []message.Version
	text, shown := m.Content, m.CreatedAt
	for i := range message.MaxVersions + 3 {
		want = append(want, message.Version{Content: text, At: shown})
		text, shown = strings.Repeat("x", i), start.Add(time.Duration(i+1)*time.Hour)
		if _, err := d.store.Edit(t.Context(), m.ID, text, shown); err != nil {
			t.Fatalf("Edit: %v", err)
		}
		if i == 1 {
			same(t, "versions of two edits", d.versions(m.ID), want)
		}
	}

	same(t, "versions, the oldest gone", d.versions(m.ID), want[len(want)-message.MaxVersions:])
	d.deleteForAll(m.ID)
	same(t, "versions of what is deleted", d.versions(m.ID), []message.Version(nil))
	if _, err := d.store.Versions(t.Context(), messageID(999)); !errors.Is(err, message.ErrNoMessage) {
		t.Errorf("Versions of an unknown message: %v, want ErrNoMessage", err)
	}
}

func (d *desk) saveDraft(u id.User, s message.SavedDraft) {
	d.t.Helper()
	if err := d.store.SaveDraft(d.t.Context(), u, s); err != nil {
		d.t.Fatalf("SaveDraft: %v", err)
	}
}

func (d *desk) drafts(u id.User) []message.SavedDraft {
	d.t.Helper()
	all, err := d.store.Drafts(d.t.Context(), u)
	if err != nil {
		d.t.Fatalf("Drafts: %v", err)
	}
	return all
}

func testDrafts(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	m := d.send(bob, alice, "hello")
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	toBob := message.SavedDraft{Conversation: message.Between(alice, bob), Text: "Lieber Bob ☃", ReplyTo: m.ID, At: at(1).Add(time.Microsecond)}
	toAll := message.SavedDraft{Conversation: message.InGroup(g.ID), Text: "to all", At: at(2)}
	note := message.SavedDraft{Conversation: message.Between(alice, alice), Text: "milk", At: at(3)}
	for _, draft := range []message.SavedDraft{note, toBob, toAll} {
		d.saveDraft(alice, draft)
	}
	toBob.At = at(1)

	same(t, "drafts", d.drafts(alice), []message.SavedDraft{note, toAll, toBob})
	same(t, "somebody else's", d.drafts(bob), []message.SavedDraft(nil))
	toBob.Text, toBob.ReplyTo, toBob.At = "Lieber Bob, 2", id.Message{}, at(4)
	d.saveDraft(alice, toBob)
	same(t, "after another text", d.drafts(alice), []message.SavedDraft{toBob, note, toAll})
	toBob.Text, toBob.ReplyTo, toBob.At = "", m.ID, at(5)
	d.saveDraft(alice, toBob)
	same(t, "with a reply alone", d.drafts(alice), []message.SavedDraft{toBob, note, toAll})
	for _, draft := range []message.SavedDraft{toBob, toAll} {
		draft.Text, draft.ReplyTo = "", id.Message{}
		d.saveDraft(alice, draft)
		d.saveDraft(alice, draft)
	}
	same(t, "after nothing was kept", d.drafts(alice), []message.SavedDraft{note})
	if got := d.since(alice, 0).Seq; got != m.Seq {
		t.Errorf("drafts took numbers up to %d from %d on", got, m.Seq)
	}
}

func testMaxDrafts(t *testing.T, d *desk) {
	draft := func(i int) message.SavedDraft {
		return message.SavedDraft{Conversation: message.Between(alice, user(100+i)), Text: "x", At: start.Add(time.Duration(i) * time.Second)}
	}
	for i := range message.MaxDrafts {
		d.saveDraft(alice, draft(i))
	}
	d.saveDraft(bob, message.SavedDraft{Conversation: message.Between(alice, bob), Text: "bob's", At: start})
	again := draft(0)
	again.At = start.Add(time.Hour)
	d.saveDraft(alice, again)
	if got := len(d.drafts(alice)); got != message.MaxDrafts {
		t.Fatalf("%d drafts, want %d", got, message.MaxDrafts)
	}
	newest := draft(message.MaxDrafts)
	newest.At = start.Add(2 * time.Hour)

	d.saveDraft(alice, newest)

	all := d.drafts(alice)
	if len(all) != message.MaxDrafts || !slices.Contains(all, newest) || !slices.Contains(all, again) || slices.Contains(all, draft(1)) {
		t.Errorf("%d drafts, want %d without the oldest", len(all), message.MaxDrafts)
	}
	if got := len(d.drafts(bob)); got != 1 {
		t.Errorf("somebody else has %d drafts, want 1", got)
	}
}
