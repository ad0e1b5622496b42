package app_test

import (
	"strings"
	"testing"

	"pryde/internal/wire"
)

func (p *person) block(other *person) {
	p.w.t.Helper()
	p.do(201, "POST", "/api/blocks", wire.Blocking{BlockedUserID: other.id})
}

// refusals are what a person gets who tries to reach somebody, on both doors.
func (p *person) refusals(other *person) (rest, socket string) {
	p.w.t.Helper()
	c := p.connect()
	defer c.Close()
	body := p.do(403, "POST", "/api/messages", wire.PostedMessage{Recipient: other.id, Content: "let me in"})
	ack := ask[wire.Failure](p, c, "send_message", wire.NewMessage{RecipientID: other.id, Content: "let me in", TempID: "t1"})
	if told := decode[wire.Failure](p.w.t, p.await(c, "message:error").Payload()); told.Code != ack.Code || told.TempID != "t1" {
		p.w.t.Errorf("message:error %+v, acknowledgement %+v", told, ack)
	}
	return read[wire.Problem](p.w.t, body).Message, ack.Message
}

func TestABlockKeepsTwoPeopleApartOnBothDoors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	fromAnn := ann.post(bob, "hello")
	fromBob := bob.post(ann, "go away")
	b := bob.connect()
	before, err := bob.rest.Sync(w.ctx(), "0")
	if err != nil {
		t.Fatal(err)
	}

	bob.block(ann)

	for _, p := range []*person{ann, bob} {
		if s, err := p.rest.Sync(w.ctx(), before.Seq.String()); err != nil || !s.Reload || len(s.Conversations) != 0 {
			t.Errorf("sync tells %s of %+v, %v; want a reload without the conversation", p.name, s, err)
		}
	}
	for _, p := range [][2]*person{{ann, bob}, {bob, ann}} {
		const refused = "Cannot send message to this user"
		if rest, socket := p[0].refusals(p[1]); rest != refused || socket != refused {
			t.Errorf("refused with %q and %q, want %q", rest, socket, refused)
		}
		for _, path := range []string{"", "/media"} {
			got := read[wire.Problem](t, p[0].do(403, "GET", "/api/messages/"+p[1].id.String()+path, nil))
			if got.Message != "You cannot interact with this user" {
				t.Errorf("reading answered %+v", got)
			}
		}
		if _, listed := p[0].row(p[1]); listed {
			t.Errorf("%s still sees the conversation", p[0].name)
		}
		if got := read[wire.Unread](t, p[0].do(200, "GET", "/api/messages/unread/counts", nil)); got.TotalUnread != 0 {
			t.Errorf("%s has unread messages: %+v", p[0].name, got)
		}
		if s, err := p[0].rest.Sync(w.ctx(), "0"); err != nil || len(s.Messages)+len(s.Conversations) != 0 {
			t.Errorf("sync tells %s of %+v, %v", p[0].name, s, err)
		}
	}
	ann.do(403, "PUT", "/api/messages/"+fromAnn.ID.String(), wire.EditedContent{Content: "hello again"})
	ann.do(403, "PUT", "/api/messages/"+fromBob.ID.String()+"/read", nil)
	ann.do(403, "PUT", "/api/messages/"+fromBob.ID.String()+"/delivered", nil)
	ann.do(403, "PUT", ann.conversation(bob)+"/last-read", wire.LastRead{MessageID: fromBob.ID})
	if got := ask[wire.Failure](bob, b, "message:delivered", wire.MessageRef{MessageID: fromAnn.ID}); got.Code != "CANNOT_INTERACT" {
		t.Errorf("message:delivered was answered with %+v", got)
	}
	bob.do(200, "POST", bob.conversation(ann)+"/archive", nil)

	bob.do(200, "DELETE", "/api/blocks/"+ann.id.String(), nil)

	if s, err := bob.rest.Sync(w.ctx(), before.Seq.String()); err != nil || !s.Reload || len(s.Conversations) != 1 {
		t.Errorf("sync tells bob %+v, %v; want a reload", s, err)
	}
	if thread, err := ann.rest.Thread(w.ctx(), bob.id); err != nil || len(thread) != 2 {
		t.Errorf("ann sees %+v, %v", thread, err)
	}
	ann.post(bob, "thank you")
}

func TestBlocksAreAnsweredAsTheyWere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()

	made := read[wire.Blocked](t, ann.do(201, "POST", "/api/blocks", wire.Blocking{BlockedUserID: bob.id, Reason: "spam"}))
	again := read[wire.Blocked](t, ann.do(200, "POST", "/api/blocks", wire.Blocking{BlockedUserID: bob.id}))

	if made.Message != "User blocked successfully" || made.Block.Reason != "spam" || again.Block != made.Block {
		t.Errorf("answered %+v, then %+v", made, again)
	}
	list := read[[]wire.BlockedPerson](t, ann.do(200, "GET", "/api/blocks", nil))
	if len(list) != 1 || list[0].Blocked.Username != bob.name || list[0].ID != made.Block.ID || list[0].Reason != "spam" {
		t.Errorf("list %+v", list)
	}
	for _, tt := range []struct {
		who  *person
		name string
		want bool
	}{
		{ann, bob.id.String(), true}, {ann, bob.name, true}, {ann, strings.ToUpper(bob.name), true},
		{bob, ann.id.String(), false}, {ann, "nobody_at_all", false}, {ann, bob.name + "@example.com", false},
	} {
		if got := read[wire.BlockCheck](t, tt.who.do(200, "GET", "/api/blocks/check/"+tt.name, nil)); got.IsBlocked != tt.want {
			t.Errorf("check of %s: %v, want %v", tt.name, got.IsBlocked, tt.want)
		}
	}
	for body, want := range map[string]string{
		`{}`: "User ID is required",
		`{"blockedUserId":"` + ann.id.String() + `"}`: "You cannot block yourself",
		`{"blockedUserId":{"$ne":""}}`:                "Invalid data: blockedUserId",
	} {
		if got := read[wire.Problem](t, ann.do(400, "POST", "/api/blocks", wire.Raw(body))); got.Message != want {
			t.Errorf("%s answered %+v, want %q", body, got, want)
		}
	}
	ann.do(404, "POST", "/api/blocks", wire.Blocking{BlockedUserID: [12]byte{1}})
	bob.do(404, "DELETE", "/api/blocks/"+ann.id.String(), nil)
	ann.do(400, "DELETE", "/api/blocks/x", nil)
	if got := read[wire.Unblocked](t, ann.do(200, "DELETE", "/api/blocks/"+bob.id.String(), nil)); got.Message != "User unblocked successfully" {
		t.Errorf("answered %+v", got)
	}
	if got := read[wire.Problem](t, ann.do(404, "DELETE", "/api/blocks/"+bob.id.String(), nil)); got.Message != "Block not found" {
		t.Errorf("answered %+v", got)
	}
}

func TestWhoMayWriteHoldsOnBothDoors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	if got := read[wire.PrivacySettings](t, bob.do(200, "GET", "/api/privacy/settings", nil)); got.WhoCanMessage != "everyone" {
		t.Errorf("at first %+v", got)
	}
	ann.post(bob, "hello")
	for who, want := range map[string]string{
		"no-one": "This user is not accepting messages", "followers": "You must be a follower to send a message",
	} {
		got := read[wire.PrivacyChanged](t, bob.do(200, "PATCH", "/api/privacy/settings", wire.PrivacyChange{WhoCanMessage: &who}))
		if got.Settings.WhoCanMessage != who || got.Message == "" {
			t.Errorf("answered %+v", got)
		}
		if rest, socket := ann.refusals(bob); rest != want || socket != want {
			t.Errorf("%s: refused with %q and %q, want %q", who, rest, socket, want)
		}
		bob.post(ann, who)
		bob.post(bob, who)
	}
	for _, bad := range []string{`{"whoCanMessage":"nobody"}`, `{"whoCanMessage":["everyone"]}`, `{"whoCanMessage":{"$ne":1}}`} {
		bob.do(400, "PATCH", "/api/privacy/settings", wire.Raw(bad))
	}
	bob.do(200, "PATCH", "/api/privacy/settings", wire.Raw(`{"whoCanMessage":null,"quietModeEnabled":true}`))
	if got := read[wire.PrivacySettings](t, bob.do(200, "GET", "/api/privacy/settings", nil)); got.WhoCanMessage == "everyone" {
		t.Errorf("refused changes left %+v", got)
	}
}
