package app_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"pryde/internal/wire"
)

// TestNobodyTouchesWhatIsNotTheirs asks for what belongs to others, and for what does not exist,
// by every verb: nobody learns more than that it is not for them, and nothing changes.
func TestNobodyTouchesWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	before := s.dump()
	unknown := strings.Repeat("f", 24)

	for _, r := range wire.Routes() {
		for _, name := range paramsOf(r) {
			if r.Access != wire.Bearer || mayBeAnything(r) {
				continue
			}
			for what, v := range map[string]string{"unknown": unknown, "no id": "temp_1", "too short": unknown[1:], "no hexadecimal": strings.Repeat("g", 24)} {
				s.refuses(s.ann, request{what: name + " is " + what, method: r.Method, path: s.path(t, r, map[string]string{name: v}), body: s.body(t, r)})
			}
			if name == "id" || name == "groupId" {
				s.refuses(s.eve, request{what: name + " is another person's", method: r.Method, path: s.path(t, r, nil), body: s.body(t, r)})
			}
			if strings.HasPrefix(r.Path, "/api/messages/{id}") && name == "id" {
				s.refuses(s.eve, request{what: "id is a message in a group of others", method: r.Method, path: s.path(t, r, map[string]string{"id": s.inGroup.ID.String()}), body: s.body(t, r)})
			}
		}
	}
	own := func(body any) request {
		return request{what: "the body names what is another person's: " + asJSON(body), method: http.MethodPost, path: "/api/messages", body: asJSON(body)}
	}
	for _, bad := range []request{
		own(wire.PostedMessage{Recipient: s.bob.id, Content: "x", ReplyTo: s.mine.ID}),
		own(wire.PostedMessage{Recipient: s.bob.id, Content: "x", ReplyTo: s.inGroup.ID}),
		own(wire.PostedMessage{GroupChatID: s.foreign.ID, Content: "x", ReplyTo: s.mine.ID}),
		own(wire.PostedMessage{GroupChatID: s.group.ID, Content: "x"}),
		own(wire.PostedMessage{Recipient: s.bob.id, GroupChatID: s.foreign.ID, Content: "x"}),
		{what: "messageId is another person's", method: http.MethodPut, path: s.eve.conversation(s.bob) + "/last-read", body: asJSON(wire.LastRead{MessageID: s.mine.ID})},
		{what: "messageId is of another group", method: http.MethodPut, path: groupPath(s.foreign.ID) + "/last-read", body: asJSON(wire.LastRead{MessageID: s.inGroup.ID})},
		{what: "replyTo is another person's", method: http.MethodPut, path: s.eve.conversation(s.bob) + "/draft", body: asJSON(wire.DraftText{Text: "x", ReplyTo: s.mine.ID})},
		{what: "the cursor is another person's", method: http.MethodGet, path: "/api/messages/" + s.bob.id.String() + "?before=" + s.mine.ID.String()},
		{what: "the cursor is another group's", method: http.MethodGet, path: "/api/messages/group/" + s.foreign.ID.String() + "?before=" + s.inGroup.ID.String()},
		{what: "the cursor is a group of others", method: http.MethodGet, path: "/api/groupchats?before=" + s.group.ID.String()},
		{what: "the cursor is another person's", method: http.MethodGet, path: "/api/messages/search?q=mine&before=" + s.mine.ID.String()},
	} {
		s.refuses(s.eve, bad)
	}
	c := s.eve.connect()
	for event, payload := range map[string]any{
		"send_message":      wire.NewMessage{GroupChatID: s.group.ID, Content: "x"},
		"message:delivered": wire.MessageRef{MessageID: s.mine.ID},
		"conversation:read": wire.ReadUpTo{GroupChatID: s.group.ID, LastReadMessageID: s.inGroup.ID},
	} {
		if got := ask[wire.Failure](s.eve, c, event, payload); got.Code == "" || got.Code == "INTERNAL_ERROR" {
			t.Errorf("%s of what is another person's was acknowledged with %+v", event, got)
		}
	}

	if after := s.dump(); after != before {
		t.Errorf("somebody changed what is not theirs:\n%s", firstDifference(before, after))
	}
}

// A frame beyond what the transport takes ends the connection, and nothing else.
func TestAFrameBeyondTheLimitEndsItsConnectionAlone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	before := s.dump()
	c, other := s.ann.connect(), s.ann.connect()

	payload := bytes.Repeat([]byte("x"), million)
	if err := c.Emit("send_message", wire.NewMessage{RecipientID: s.bob.id, Content: string(payload)}); err == nil {
		select {
		case <-c.Done():
		case <-s.ctx().Done():
			t.Error("the connection goes on")
		}
	}

	ask[wire.Pong](s.ann, other, "ping", struct{}{})
	if after := s.dump(); after != before {
		t.Errorf("it changed what is stored:\n%s", firstDifference(before, after))
	}
}
