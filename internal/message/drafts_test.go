package message_test

import (
	"slices"
	"strings"
	"testing"

	"pryde/internal/id"
	"pryde/internal/wire"
)

func TestADraftIsKeptAndToldToOnesOwnDevices(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	of := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi"}).Message
	w.forget()

	first, err := w.draft(bob, wire.NewDraft{ConversationWith: ann.User, Text: " <b>as typed", ReplyTo: of.ID})
	if err != nil || first.ConversationWith != ann.User || first.Text != " <b>as typed" || *first.ReplyTo != of.ID || first.UpdatedAt.IsZero() {
		t.Fatalf("saved %+v, %v", first, err)
	}
	second, err := w.draft(bob, wire.NewDraft{GroupChatID: g, Text: "to all"})
	if err != nil || second.GroupChatID != g {
		t.Fatalf("saved %+v, %v", second, err)
	}
	if _, err := w.draft(bob, wire.NewDraft{ConversationWith: ann.User, Text: "other"}); err != nil {
		t.Fatal(err)
	}

	w = w.reopen(t)
	got, err := w.Drafts(t.Context(), bob)
	if err != nil || len(got) != 2 {
		t.Fatalf("drafts %+v, %v; want 2", got, err)
	}
	if i := slices.IndexFunc(got, func(d wire.SavedDraft) bool { return d.ConversationWith == ann.User }); i < 0 || got[i].Text != "other" || got[i].ReplyTo != nil {
		t.Errorf("drafts %+v", got)
	}
	if got, err := w.Drafts(t.Context(), ann); err != nil || len(got) != 0 {
		t.Errorf("ann has the drafts %+v, %v", got, err)
	}
	if _, err := w.draft(bob, wire.NewDraft{GroupChatID: g}); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Drafts(t.Context(), bob); err != nil || len(got) != 1 {
		t.Errorf("drafts %+v, %v; want the one that is not empty", got, err)
	}
	if len(w.heard) != 1 || w.heard[0].Name != "draft:changed" || w.heard[0].Seq != 0 || !slices.Equal(w.heard[0].Rooms, []wire.Room{wire.UserRoom(bob.User)}) {
		t.Errorf("told %+v", w.heard)
	}
}

func TestWhatADraftMayNotBe(t *testing.T) {
	gone := id.User{11: 0x99}
	w := open(t, t.TempDir(), everybody{gone: map[id.User]bool{gone: true}})
	g := w.group(t, ann, bob)
	apart := w.mustSend(t, ann, wire.NewMessage{RecipientID: eve.User, Content: "hi"}).Message
	w.forget()
	for code, in := range map[string]wire.NewDraft{
		"MISSING_CONVERSATION_WITH": {Text: "hi"},
		"INVALID_CONVERSATION":      {ConversationWith: ann.User, GroupChatID: g, Text: "hi"},
		"DRAFT_TOO_LONG":            {ConversationWith: ann.User, Text: strings.Repeat("é", 10_001)},
		"USER_NOT_FOUND":            {ConversationWith: gone, Text: "hi"},
		"INVALID_REPLY":             {ConversationWith: ann.User, Text: "hi", ReplyTo: apart.ID},
		"GROUP_NOT_FOUND":           {GroupChatID: id.Group{1}, Text: "hi"},
	} {
		_, err := w.draft(bob, in)
		wantFault(t, err, code)
	}
	_, err := w.draft(eve, wire.NewDraft{GroupChatID: g, Text: "hi"})
	wantFault(t, err, "NOT_A_MEMBER")
	if _, err := w.draft(bob, wire.NewDraft{ConversationWith: ann.User, Text: strings.Repeat("é", 10_000)}); err != nil {
		t.Error(err)
	}
	if got := w.take(bob.User); !slices.Equal(got, []string{"draft:changed"}) {
		t.Errorf("told %q", got)
	}
}
