package message_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/wire"
)

func TestAGroupMessageIsToldToTheOthersBeforeTheAckAndToTheSenderAfter(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)

	out, err := w.Send(t.Context(), ann, wire.NewMessage{GroupChatID: g, Content: " hello <b>all</b> ", TempID: "t1"})
	if err != nil {
		t.Fatal(err)
	}

	m := out.Reply.Message
	if m.Content != "hello all" || m.GroupChat == nil || *m.GroupChat != g || m.Recipient != (wire.Person{}) || m.Sender.ID != ann.User {
		t.Errorf("sent %+v", m)
	}
	if len(out.Before) != 1 || len(out.After) != 1 {
		t.Fatalf("%d events before, %d after; want one each", len(out.Before), len(out.After))
	}
	others, own := out.Before[0], out.After[0]
	if got, want := others.Rooms, []wire.Room{wire.UserRoom(bob.User), wire.UserRoom(eve.User)}; !slices.Equal(got, want) || others.Name != "group:message_new" || others.Seq != m.Seq {
		t.Errorf("%s at %d for %v, want %v", others.Name, others.Seq, got, want)
	}
	if got := others.Payload.(wire.Message); got.TempID != "" || got.ID != m.ID {
		t.Errorf("the others hear %+v", got)
	}
	if got, want := own.Rooms, []wire.Room{wire.UserRoom(ann.User)}; !slices.Equal(got, want) || own.Name != "group:message_new" || own.Seq != m.Seq {
		t.Errorf("%s at %d for %v, want %v", own.Name, own.Seq, got, want)
	}
	if got := own.Payload.(wire.Message); got.TempID != "t1" {
		t.Errorf("the sender hears %+v", got)
	}
	for _, who := range []auth.Identity{ann, bob, eve} {
		if got := w.groupThread(t, who, g); len(got) != 1 || got[0].ID != m.ID || got[0].TempID != "" {
			t.Errorf("thread of %s %+v", who.User, got)
		}
	}
}

func TestAMessageIsForAPersonOrAGroup(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)

	_, err := w.send(ann, wire.NewMessage{RecipientID: bob.User, GroupChatID: g, Content: "hi"})
	wantFault(t, err, "INVALID_RECIPIENT")
	_, err = w.send(ann, wire.NewMessage{Content: "hi"})
	wantFault(t, err, "MISSING_RECIPIENT")
	_, err = w.send(eve, wire.NewMessage{GroupChatID: g, Content: "hi"})
	wantFault(t, err, "NOT_A_MEMBER")
	_, err = w.send(ann, wire.NewMessage{GroupChatID: id.Group{1}, Content: "hi"})
	wantFault(t, err, "GROUP_NOT_FOUND")
	_, err = w.send(ann, wire.NewMessage{GroupChatID: g, Content: " "})
	wantFault(t, err, "EMPTY_MESSAGE")

	if len(w.heard) > 0 || len(w.groupThread(t, ann, g)) > 0 {
		t.Errorf("what was refused is stored or told: %+v", w.heard)
	}
}

func TestARetryInAGroupIsToldToTheSenderAlone(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	in := wire.NewMessage{GroupChatID: g, Content: "hi", TempID: "t1"}
	first := w.mustSend(t, ann, in)
	for range 2 {
		w.forget()
		d := w.mustSend(t, ann, in)
		if !d.Duplicate || d.Message.ID != first.Message.ID {
			t.Errorf("retry answered %+v, want the first message as a duplicate", d)
		}
		if got := w.take(bob.User); got != nil {
			t.Errorf("another member heard %q of a retry", got)
		}
		if got := payloads(w, ann.User, wire.GroupMessageNew); len(got) != 1 || got[0].TempID != "t1" {
			t.Errorf("the sender heard %+v", got)
		}
		w = w.reopen(t)
	}
}

func TestARetryWithoutANameIsKnownInAGroupToo(t *testing.T) {
	w := newWorld(t)
	g, other := w.group(t, ann, bob), w.group(t, ann, bob)
	first := w.mustSend(t, ann, wire.NewMessage{GroupChatID: g, Content: "hi"})

	if d := w.mustSend(t, ann, wire.NewMessage{GroupChatID: g, Content: "hi"}); !d.Duplicate || d.Message.ID != first.Message.ID {
		t.Errorf("the same again answered %+v", d)
	}
	for what, in := range map[string]wire.NewMessage{
		"another group": {GroupChatID: other, Content: "hi"},
		"a person":      {RecipientID: bob.User, Content: "hi"},
		"a warning":     {GroupChatID: g, Content: "hi", ContentWarning: "loud"},
		"a reply":       {GroupChatID: g, Content: "hi", ReplyTo: first.Message.ID},
		"a voice":       {GroupChatID: g, Content: "hi", VoiceNote: &wire.VoiceNote{URL: "/v.ogg", Duration: 1}},
	} {
		if d := w.mustSend(t, ann, in); d.Duplicate {
			t.Errorf("%s is taken for a retry", what)
		}
	}
}

func TestTheSameNameInAGroupAndToAPersonIsAConflict(t *testing.T) {
	w := newWorld(t)
	g, other := w.group(t, ann, bob), w.group(t, ann, bob)
	w.mustSend(t, ann, wire.NewMessage{GroupChatID: g, Content: "hi", TempID: "in"})
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi", TempID: "to"})

	for range 2 {
		for _, in := range []wire.NewMessage{
			{RecipientID: bob.User, Content: "hi", TempID: "in"},
			{GroupChatID: other, Content: "hi", TempID: "in"},
			{GroupChatID: g, Content: "other", TempID: "in"},
			{GroupChatID: g, Content: "hi", ContentWarning: "loud", TempID: "in"},
			{GroupChatID: g, Content: "hi", TempID: "to"},
		} {
			_, err := w.send(ann, in)
			wantFault(t, err, "IDEMPOTENCY_CONFLICT")
		}
		w = w.reopen(t)
	}
}

// Blocks keep two people apart, and not a group.
func TestABlockBetweenTwoMembersHidesNothingInTheGroup(t *testing.T) {
	apart := everybody{apart: map[id.User]map[id.User]bool{}}
	w := open(t, t.TempDir(), apart)
	g := w.group(t, ann, bob)
	block(t, w, bob.User, ann.User)
	apart.part(ann.User, bob.User, true)

	since := w.sync(t, "0").Seq
	m := w.say(t, ann, g, "hi")
	w.mustEdit(t, ann, m.ID, "hello")
	if _, err := w.react(bob, m.ID, "👍"); err != nil {
		t.Error(err)
	}
	if _, err := w.read(bob, m.ID); err != nil {
		t.Error(err)
	}
	gone := w.say(t, ann, g, "gone")
	w.mustDelete(t, ann, gone.ID, true)

	if got, want := w.take(bob.User), []string{
		"group:message_new", "group:message_edited", "message:reaction", "message:delivered", "group:message_read", "message:read",
		"group:message_new", "group:message_deleted",
	}; !slices.Equal(got, want) {
		t.Errorf("bob heard %q, want %q", got, want)
	}
	if got, want := contents(w.groupThread(t, bob, g)), []string{"hello", ""}; !slices.Equal(got, want) {
		t.Errorf("bob sees %q, want %q", got, want)
	}
	if got := w.sync(t, since.String()); !slices.Equal(contents(got.Messages), []string{"hello"}) {
		t.Errorf("sync brings %q", contents(got.Messages))
	}
	w.say(t, ann, g, "more")
	if u, err := w.Unread(t.Context(), bob); err != nil || u.TotalUnread != 1 {
		t.Errorf("%d unread, %v; want 1", u.TotalUnread, err)
	}
}

func TestAnEditInAGroupIsToldToWhoeverSeesTheMessage(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	m := w.say(t, ann, g, "one")
	w.mustDelete(t, eve, m.ID, false)
	w.forget()

	w.mustEdit(t, ann, m.ID, "two")

	for _, u := range []id.User{ann.User, bob.User} {
		got := payloads(w, u, wire.GroupMessageEdited)
		if len(got) != 1 || got[0].Content != "two" || !got[0].Edited || *got[0].MessageID != m.ID || *got[0].GroupChatID != g {
			t.Errorf("%s heard %+v", u, got)
		}
	}
	if got := w.take(eve.User); got != nil {
		t.Errorf("who deleted it for themselves heard %q", got)
	}
	_, err := w.edit(bob, m.ID, "three")
	wantFault(t, err, "NOT_AUTHORIZED")
	_, err = w.edit(dan, m.ID, "three")
	wantFault(t, err, "MESSAGE_NOT_FOUND")
}

func TestADeletionInAGroupCarriesIdsOnly(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	m := w.say(t, ann, g, "secret")
	w.forget()

	_, err := w.delete(bob, m.ID, true)
	wantFault(t, err, "NOT_AUTHORIZED")
	w.mustDelete(t, eve, m.ID, false)
	w.mustDelete(t, ann, m.ID, true)
	w.mustDelete(t, ann, m.ID, true)

	if got, want := payloads(w, eve.User, wire.GroupMessageGone), []wire.GroupMessageDeleted{
		{GroupChatID: g, MessageID: m.ID, DeletedForUser: eve.User}, {GroupChatID: g, MessageID: m.ID, DeleteForAll: true},
	}; !slices.Equal(got, want) {
		t.Errorf("eve heard %+v, want %+v", got, want)
	}
	for _, u := range []id.User{ann.User, bob.User} {
		if got, want := payloads(w, u, wire.GroupMessageGone), []wire.GroupMessageDeleted{{GroupChatID: g, MessageID: m.ID, DeleteForAll: true}}; !slices.Equal(got, want) {
			t.Errorf("%s heard %+v, want %+v", u, got, want)
		}
	}
	if got := w.groupThread(t, bob, g)[0]; got.Content != "" || !got.IsDeleted || got.DeletedForAll == nil {
		t.Errorf("bob sees %+v", got)
	}
	if got := w.groupThread(t, eve, g); len(got) != 0 {
		t.Errorf("eve sees %+v", got)
	}
}

func TestTheMediaOfAGroup(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	for _, path := range []string{"/a.png", "/b.png", "/c.png"} {
		w.mustSend(t, ann, wire.NewMessage{GroupChatID: g, Attachment: path})
	}
	w.say(t, bob, g, "no picture")

	got, err := w.GroupMedia(t.Context(), bob, g, wire.MediaQuery{Limit: 1, Skip: 1})

	if err != nil || len(got.Media) != 1 || got.Media[0].Attachment != "/b.png" || got.Media[0].Sender.ID != ann.User || got.Media[0].Sender.Username == "" || !got.HasMore {
		t.Errorf("media %+v, %v", got, err)
	}
	_, err = w.GroupMedia(t.Context(), eve, g, wire.MediaQuery{Limit: 1})
	wantFault(t, err, "NOT_A_MEMBER")
	_, err = w.GroupMedia(t.Context(), eve, id.Group{1}, wire.MediaQuery{Limit: 1})
	wantFault(t, err, "GROUP_NOT_FOUND")
}

func TestAThreadOfAGroupIsPaged(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	for _, text := range []string{"one", "two", "three"} {
		w.say(t, ann, g, text)
	}
	direct := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "apart"}).Message

	page, err := w.GroupThread(t.Context(), bob, g, wire.ListQuery{Limit: 2})
	if err != nil || !slices.Equal(contents(page.Items), []string{"two", "three"}) || page.Next != page.Items[0].ID.String() {
		t.Fatalf("first page %q, next %q, %v", contents(page.Items), page.Next, err)
	}
	rest, err := w.GroupThread(t.Context(), bob, g, wire.ListQuery{Limit: 2, Before: page.Items[0].ID})
	if err != nil || !slices.Equal(contents(rest.Items), []string{"one"}) || rest.Next != "" {
		t.Errorf("second page %q, next %q, %v", contents(rest.Items), rest.Next, err)
	}
	_, err = w.GroupThread(t.Context(), bob, g, wire.ListQuery{Limit: 2, Before: direct.ID})
	wantFault(t, err, "MESSAGE_NOT_FOUND")
	_, err = w.GroupThread(t.Context(), eve, g, wire.ListQuery{Limit: 2})
	wantFault(t, err, "NOT_A_MEMBER")
	_, err = w.GroupThread(t.Context(), eve, id.Group{1}, wire.ListQuery{Limit: 2})
	wantFault(t, err, "GROUP_NOT_FOUND")
}

// After a removal everything refuses: what was written before, too.
func TestWhoIsOutOfAGroupIsRefusedEverywhere(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	theirs := w.say(t, ann, g, "theirs")
	in := wire.NewMessage{GroupChatID: g, Content: "mine", TempID: "t1"}
	mine := w.mustSend(t, bob, in).Message
	if _, err := w.draft(bob, wire.NewDraft{GroupChatID: g, Text: "almost"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.remove(ann, g, bob.User); err != nil {
		t.Fatal(err)
	}
	w.forget()

	for range 2 {
		refusals := map[string]struct {
			code string
			op   func() error
		}{
			"send":   {"NOT_A_MEMBER", func() error { _, err := w.send(bob, wire.NewMessage{GroupChatID: g, Content: "hi"}); return err }},
			"retry":  {"NOT_A_MEMBER", func() error { _, err := w.send(bob, in); return err }},
			"thread": {"NOT_A_MEMBER", func() error { _, err := w.GroupThread(t.Context(), bob, g, wire.ListQuery{Limit: 1}); return err }},
			"page": {"NOT_A_MEMBER", func() error {
				_, err := w.GroupThread(t.Context(), bob, g, wire.ListQuery{Limit: 1, Before: mine.ID})
				return err
			}},
			"media":     {"NOT_A_MEMBER", func() error { _, err := w.GroupMedia(t.Context(), bob, g, wire.MediaQuery{Limit: 1}); return err }},
			"group":     {"NOT_A_MEMBER", func() error { _, err := w.Group(t.Context(), bob, g); return err }},
			"members":   {"NOT_A_MEMBER", func() error { _, err := w.Members(t.Context(), bob.User, g); return err }},
			"leave":     {"NOT_A_MEMBER", func() error { _, err := w.leave(bob, g); return err }},
			"archive":   {"NOT_A_MEMBER", func() error { _, err := w.ArchiveGroup(t.Context(), bob, g); return err }},
			"clear":     {"NOT_A_MEMBER", func() error { return w.clearGroup(bob, g) }},
			"draft":     {"NOT_A_MEMBER", func() error { _, err := w.draft(bob, wire.NewDraft{GroupChatID: g, Text: "hi"}); return err }},
			"edit":      {"MESSAGE_NOT_FOUND", func() error { _, err := w.edit(bob, mine.ID, "hi"); return err }},
			"delete":    {"MESSAGE_NOT_FOUND", func() error { _, err := w.delete(bob, mine.ID, true); return err }},
			"hide":      {"MESSAGE_NOT_FOUND", func() error { _, err := w.delete(bob, mine.ID, false); return err }},
			"history":   {"MESSAGE_NOT_FOUND", func() error { _, err := w.History(t.Context(), bob, mine.ID); return err }},
			"read":      {"MESSAGE_NOT_FOUND", func() error { _, err := w.read(bob, theirs.ID); return err }},
			"delivered": {"MESSAGE_NOT_FOUND", func() error { _, err := w.delivered(bob, theirs.ID); return err }},
			"react":     {"MESSAGE_NOT_FOUND", func() error { _, err := w.react(bob, theirs.ID, "👍"); return err }},
			"unreact":   {"MESSAGE_NOT_FOUND", func() error { _, err := w.unreact(bob, theirs.ID, "👍"); return err }},
			"quote": {"INVALID_REPLY", func() error {
				_, err := w.send(bob, wire.NewMessage{RecipientID: ann.User, Content: "look", ReplyTo: theirs.ID})
				return err
			}},
		}
		for what, r := range refusals {
			t.Run(what, func(t *testing.T) { wantFault(t, r.op(), r.code) })
		}
		if got, err := w.Shown(t.Context(), bob, []id.Message{mine.ID, theirs.ID}); err != nil || len(got) != 0 {
			t.Errorf("found %q, %v", contents(got), err)
		}
		if got := w.groups(t, bob); len(got) != 0 {
			t.Errorf("listed %+v", got)
		}
		if got, err := w.Drafts(t.Context(), bob); err != nil || len(got) != 0 {
			t.Errorf("drafts %+v, %v", got, err)
		}
		if u, err := w.Unread(t.Context(), bob); err != nil || u.TotalUnread != 0 {
			t.Errorf("unread %+v, %v", u, err)
		}
		if len(w.heard) > 0 {
			t.Errorf("%s was told of what was refused", w.heard[0].Name)
		}
		w = w.reopen(t)
	}
}

func TestNobodyHearsWhatWasSentAfterTheyWereOut(t *testing.T) {
	w := newWorld(t)
	var others []auth.Identity
	for i := range byte(40) {
		others = append(others, auth.Identity{User: id.User{0: 9, 11: i}})
	}
	g := w.group(t, ann, others...)
	var all sync.WaitGroup
	all.Go(func() {
		for i := range 200 {
			if _, err := w.send(ann, wire.NewMessage{GroupChatID: g, Content: fmt.Sprint("hi ", i), TempID: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		}
	})
	for _, o := range others {
		if _, err := w.remove(ann, g, o.User); err != nil {
			t.Error(err)
		}
	}
	all.Wait()

	for _, o := range others {
		var out order.Seq
		for _, e := range w.told(o.User) {
			if e.Name == "group:removed" {
				out = e.Seq
			}
		}
		for _, e := range w.told(o.User) {
			if out == 0 || e.Seq > out {
				t.Errorf("%s heard %s at %d, and was out at %d", o.User, e.Name, e.Seq, out)
			}
		}
	}
}
