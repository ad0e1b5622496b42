package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// post sends a message over REST.
func (p *person) post(to *person, text string) wire.Message {
	p.w.t.Helper()
	m, _, err := p.rest.PostMessage(p.w.ctx(), wire.PostedMessage{Recipient: to.id, Content: text})
	if err != nil {
		p.w.t.Fatalf("post: %v", err)
	}
	return m
}

// do sends a request that must have this status, and returns the body of its answer.
func (p *person) do(status int, method, path string, body any) []byte {
	p.w.t.Helper()
	got, err := p.rest.Do(p.w.ctx(), method, path, body)
	if err != nil || got.Status != status {
		p.w.t.Fatalf("%s %s answered %d %s, %v; want %d", method, path, got.Status, got.Body, err, status)
	}
	return got.Body
}

// read decodes an answer, whatever else is in it.
func read[T any](t *testing.T, body []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("read %s: %v", body, err)
	}
	return v
}

func (p *person) conversation(with *person) string {
	return "/api/messages/conversations/" + with.id.String()
}

// row is a person's row of the conversation with somebody, or none.
func (p *person) row(with *person) (wire.Conversation, bool) {
	p.w.t.Helper()
	list, err := p.rest.Conversations(p.w.ctx())
	if err != nil {
		p.w.t.Fatal(err)
	}
	for _, c := range list {
		if c.ID == with.id {
			return c, true
		}
	}
	return wire.Conversation{}, false
}

func TestADeliveryIsHeardByBothFromEitherDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	a, b, second := ann.connect(), bob.connect(), bob.connect()
	for i, say := range []func(m wire.Message){
		func(m wire.Message) {
			if got := ask[wire.Noted](bob, b, "message:delivered", wire.MessageRef{MessageID: m.ID}); !got.Success {
				t.Errorf("acknowledged with %+v", got)
			}
		},
		func(m wire.Message) {
			if got := read[wire.Message](t, bob.do(200, "PUT", "/api/messages/"+m.ID.String()+"/delivered", nil)); got.ID != m.ID {
				t.Errorf("answered %+v", got)
			}
		},
		func(m wire.Message) { bob.do(200, "PUT", "/api/messages/"+m.ID.String()+"/read", nil) },
	} {
		m := ann.post(bob, fmt.Sprint("hello ", i))

		say(m)

		for name, c := range map[string]*testkit.Conn{"ann": a, "bob": b, "bob's other device": second} {
			e := bob.await(c, "message:delivered")
			got := decode[wire.MessageDelivered](t, e.Payload())
			if got.MessageID != m.ID || got.UserID != bob.id || e.Offset() == "" {
				t.Errorf("%s heard %+v at %q", name, got, e.Offset())
			}
		}
		if row, _ := ann.row(bob); row.PeerLastDeliveredID == nil || *row.PeerLastDeliveredID != m.ID {
			t.Errorf("ann's row says %v", row.PeerLastDeliveredID)
		}
	}
}

func TestHowFarSomebodyHasReadIsHeardByBothFromEitherDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	a, b := ann.connect(), bob.connect()
	for i, say := range []func(m wire.Message){
		func(m wire.Message) {
			ask[wire.Noted](bob, b, "conversation:read", wire.ReadUpTo{ConversationWith: ann.id, LastReadMessageID: m.ID})
		},
		func(m wire.Message) {
			got := read[wire.LastReadUpdated](t, bob.do(200, "PUT", bob.conversation(ann)+"/last-read", wire.LastRead{MessageID: m.ID}))
			if got.LastReadMessageID != m.ID || got.Message != "Last read message updated" {
				t.Errorf("answered %+v", got)
			}
		},
	} {
		m := ann.post(bob, fmt.Sprint("hello ", i))

		say(m)

		want := wire.ConversationRead{ConversationWith: bob.id, LastReadMessageID: m.ID, UserID: bob.id}
		if got := decode[wire.ConversationRead](t, ann.await(a, "conversation:read").Payload()); got != want {
			t.Errorf("ann heard %+v, want %+v", got, want)
		}
		want.ConversationWith = ann.id
		if got := decode[wire.ConversationRead](t, bob.await(b, "conversation:read").Payload()); got != want {
			t.Errorf("bob heard %+v, want %+v", got, want)
		}
		if row, _ := bob.row(ann); row.Unread != 0 || row.LastReadMessageID == nil || *row.LastReadMessageID != m.ID {
			t.Errorf("bob's row %+v", row)
		}
		if row, _ := ann.row(bob); row.PeerLastReadMessageID == nil || *row.PeerLastReadMessageID != m.ID {
			t.Errorf("ann's row %+v", row)
		}
	}
	if got := ask[wire.Failure](bob, b, "conversation:read", wire.ReadUpTo{ConversationWith: ann.id}); got.Code != "MISSING_MESSAGE_ID" {
		t.Errorf("without a message: %+v", got)
	}
	for body, code := range map[string]string{`{}`: "messageId is required", `{"messageId":"x"}`: "Invalid messageId format"} {
		if got := read[wire.Problem](t, bob.do(400, "PUT", bob.conversation(ann)+"/last-read", wire.Raw(body))); got.Message != code {
			t.Errorf("%s answered %+v", body, got)
		}
	}
}

func TestAConversationIsSetForOneself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	b := bob.connect()
	ann.post(bob, "hello")
	path := bob.conversation(ann)

	archived := read[wire.ConversationChanged](t, bob.do(200, "POST", path+"/archive", nil))
	muted := read[wire.ConversationMuted](t, bob.do(200, "POST", path+"/mute", wire.Muting{Duration: new(1.0)}))
	marked := read[wire.ConversationChanged](t, bob.do(200, "POST", path+"/mark-unread", nil))

	if len(archived.Conversation.ArchivedBy) != 1 || len(muted.Conversation.MutedBy) != 1 || muted.MutedUntil == nil || len(marked.Conversation.UnreadFor) != 1 {
		t.Errorf("answered %+v, %+v, %+v", archived, muted, marked)
	}
	if row, _ := bob.row(ann); !row.Archived || !row.Muted || !row.ManuallyUnread {
		t.Errorf("bob's row %+v", row)
	}
	if row, _ := ann.row(bob); row.Archived || row.Muted || row.ManuallyUnread {
		t.Errorf("ann's row %+v", row)
	}
	before, err := bob.rest.Sync(w.ctx(), "0")
	if err != nil {
		t.Fatal(err)
	}
	bob.do(200, "DELETE", path+"/mark-unread", nil)
	if told := decode[wire.MessageRead](t, bob.await(b, "message:read").Payload()); told != (wire.MessageRead{ConversationWith: ann.id}) {
		t.Errorf("bob heard %+v", told)
	}
	bob.do(200, "POST", path+"/unarchive", nil)
	bob.do(200, "POST", path+"/unmute", nil)
	bob.do(200, "POST", path+"/mute", nil)
	after, err := bob.rest.Sync(w.ctx(), before.Seq.String())
	if err != nil || len(after.Conversations) != 1 || after.Reload {
		t.Fatalf("sync told %+v, %v", after, err)
	}
	if row := after.Conversations[0]; row.Archived || !row.Muted || row.MutedUntil != nil || row.ManuallyUnread {
		t.Errorf("sync told of %+v", row)
	}
	for _, bad := range []string{`{"duration":0}`, `{"duration":-1}`, `{"duration":1e9}`, `{"duration":"1"}`, `{"duration":{"$gt":0}}`, `[]`} {
		bob.do(400, "POST", path+"/mute", wire.Raw(bad))
	}
}

func TestADeletedConversationComesBackWithWhatIsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	ann.post(bob, "one")
	bob.post(ann, "two")

	bob.do(200, "DELETE", bob.conversation(ann), nil)

	if _, listed := bob.row(ann); listed {
		t.Error("bob still sees the conversation")
	}
	if thread, err := bob.rest.Thread(w.ctx(), ann.id); err != nil || len(thread) != 0 {
		t.Errorf("bob sees %+v, %v", thread, err)
	}
	if thread, err := ann.rest.Thread(w.ctx(), bob.id); err != nil || len(thread) != 2 {
		t.Errorf("ann sees %+v, %v", thread, err)
	}
	m := ann.post(bob, "three")
	row, listed := bob.row(ann)
	if !listed || row.Unread != 1 || row.LastMessage.ID != m.ID {
		t.Errorf("bob's row %+v", row)
	}
	if thread, err := bob.rest.Thread(w.ctx(), ann.id); err != nil || len(thread) != 1 || thread[0].ID != m.ID {
		t.Errorf("bob sees %+v, %v", thread, err)
	}
}

func TestAttachmentsAreListedForThePeopleOfAConversation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, eve := w.signUp(), w.signUp(), w.signUp()
	for _, file := range []string{"/upload/image/1.png", "", "/upload/image/2.png", "/upload/image/3.png"} {
		if _, _, err := ann.rest.PostMessage(w.ctx(), wire.PostedMessage{Recipient: bob.id, Content: "look " + file, Attachment: file}); err != nil {
			t.Fatal(err)
		}
	}

	first := read[wire.Media](t, bob.do(200, "GET", "/api/messages/"+ann.id.String()+"/media?limit=2", nil))
	rest := read[wire.Media](t, ann.do(200, "GET", "/api/messages/"+bob.id.String()+"/media?limit=2&skip=2", nil))

	if len(first.Media) != 2 || !first.HasMore || first.Media[0].Attachment != "/upload/image/3.png" || first.Media[0].Sender.Username != ann.name {
		t.Errorf("the newest two: %+v", first)
	}
	if len(rest.Media) != 1 || rest.HasMore || rest.Media[0].Attachment != "/upload/image/1.png" {
		t.Errorf("the rest: %+v", rest)
	}
	if got := read[wire.Media](t, eve.do(200, "GET", "/api/messages/"+ann.id.String()+"/media", nil)); len(got.Media) != 0 || got.HasMore {
		t.Errorf("eve sees %+v", got)
	}
}

func TestNotesToOneselfWorkOnBothDoors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	var mu sync.Mutex
	var heard []string
	d := testkit.Dialer{OnFrame: func(dir testkit.Direction, event string, _ jsontext.Value) {
		mu.Lock()
		defer mu.Unlock()
		if dir == testkit.In && strings.HasPrefix(event, "message:") {
			heard = append(heard, event)
		}
	}}
	c, err := d.Dial(w.ctx(), w.url, ann.token)
	if err != nil {
		t.Fatal(err)
	}

	note := ann.post(ann, "milk")
	ann.await(c, "message:sent")
	sent := ask[wire.Sent](ann, c, "send_message", wire.NewMessage{RecipientID: ann.id, Content: "bread", TempID: "t1"})
	ann.await(c, "message:sent")
	ask[wire.Pong](ann, c, "ping", wire.None{})
	c.Close()

	thread, err := ann.rest.Thread(w.ctx(), ann.id)
	if err != nil || len(thread) != 2 || thread[0].ID != note.ID || thread[1].ID != sent.MessageID {
		t.Errorf("notes %+v, %v", thread, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Join(heard, " ") != "message:sent message:sent" {
		t.Errorf("heard %v, want message:sent alone", heard)
	}
	if row, listed := ann.row(ann); !listed || row.Unread != 0 {
		t.Errorf("row %+v", row)
	}
}

// TestAThirdPersonGetsNothingFromAnyRoute asks every route of messages and conversations for
// what is somebody else's, for what is not there and for what is no id.
func TestAThirdPersonGetsNothingFromAnyRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, eve := w.signUp(), w.signUp(), w.signUp()
	e := eve.connect()
	m := ann.post(bob, "secret")
	unknown := strings.Repeat("f", 24)
	before := map[*person]wire.Sync{}
	for _, p := range []*person{ann, bob} {
		s, err := p.rest.Sync(w.ctx(), "0")
		if err != nil {
			t.Fatal(err)
		}
		before[p] = s
	}
	bodies := map[string]any{
		"PUT /api/messages/{id}":                             wire.EditedContent{Content: "mine now"},
		"PUT /api/messages/conversations/{userId}/last-read": wire.LastRead{MessageID: m.ID},
		"POST /api/messages/conversations/{userId}/mute":     wire.Muting{},
		"PUT /api/messages/conversations/{userId}/draft":     wire.DraftText{Text: "unsent"},
		"POST /api/messages/{id}/react":                      wire.Emoji{Emoji: "👍"},
		"DELETE /api/messages/{id}/react":                    wire.Emoji{Emoji: "👍"},
		"DELETE /api/messages/{id}":                          nil,
	}
	asked := 0
	for _, r := range wire.Routes() {
		if !strings.HasPrefix(r.Path, "/api/messages/") || !strings.Contains(r.Path, "{") {
			continue
		}
		asked++
		at := func(i string) string { return inBraces.ReplaceAllLiteralString(r.Path, i) }
		body := bodies[r.String()]
		var refused [2][]byte
		for i, of := range []string{m.ID.String(), unknown} {
			got, err := eve.rest.Do(w.ctx(), r.Method, at(of), body)
			if err != nil || got.Status != http.StatusNotFound && got.Status != http.StatusForbidden {
				t.Errorf("%s of %s answered %d %s, %v", r, of, got.Status, got.Body, err)
			}
			p := read[wire.Problem](t, got.Body)
			refused[i] = []byte(p.Code + p.Message)
		}
		if !bytes.Equal(refused[0], refused[1]) {
			t.Errorf("%s tells what is there from what is not: %s, %s", r, refused[0], refused[1])
		}
		for _, bad := range []string{"temp_1", "x", strings.Repeat("g", 24), unknown + "0", "%24ne"} {
			if p := read[wire.Problem](t, eve.do(400, r.Method, at(bad), body)); p.Code != "INVALID_ID" || p.Success == nil || *p.Success {
				t.Errorf("%s of %s answered %+v", r, bad, p)
			}
		}
	}
	if asked < 14 {
		t.Fatalf("only %d routes were asked", asked)
	}
	eve.do(404, "DELETE", "/api/messages/"+m.ID.String()+"?deleteForAll=true", nil)
	eve.do(404, "PUT", eve.conversation(ann)+"/last-read", wire.LastRead{MessageID: m.ID})
	eve.do(404, "GET", "/api/messages/"+ann.id.String()+"?before="+m.ID.String(), nil)
	for _, list := range []string{"/api/messages/conversations", "/api/messages/list", "/api/messages"} {
		eve.do(404, "GET", list+"?before="+m.ID.String(), nil)
	}
	if got := read[[]wire.Message](t, eve.do(200, "GET", "/api/messages/"+ann.id.String(), nil)); len(got) != 0 {
		t.Errorf("eve sees %+v", got)
	}
	for event, payload := range map[string]any{
		"message:delivered": wire.MessageRef{MessageID: m.ID},
		"conversation:read": wire.ReadUpTo{ConversationWith: ann.id, LastReadMessageID: m.ID},
	} {
		if got := ask[wire.Failure](eve, e, event, payload); got.Code != "MESSAGE_NOT_FOUND" {
			t.Errorf("%s was answered with %+v", event, got)
		}
	}

	for p, s := range before {
		after, err := p.rest.Sync(w.ctx(), s.Seq.String())
		if err != nil || len(after.Messages)+len(after.Changed)+len(after.Deleted)+len(after.Conversations) != 0 {
			t.Errorf("something changed for %s: %+v, %v", p.name, after, err)
		}
	}
	if list, err := eve.rest.Conversations(w.ctx()); err != nil || len(list) != 0 {
		t.Errorf("eve's list %+v, %v", list, err)
	}
	if thread, err := bob.rest.Thread(w.ctx(), ann.id); err != nil || len(thread) != 1 || thread[0].Content != "secret" || thread[0].Read {
		t.Errorf("the message is now %+v, %v", thread, err)
	}
}

// TestEventsOfReceiptsTakeOnlyWhatTheyName sends what attackers send in place of an id.
func TestEventsOfReceiptsTakeOnlyWhatTheyName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	m := ann.post(bob, "hi")
	c := bob.connect()
	payloads := map[string][]string{
		"message:delivered": {`null`, `"text"`, `[]`, `{}`, `{"messageId":"x"}`},
		"conversation:read": {`null`, `"text"`, `[]`, `{}`, `{"conversationWith":"x"}`},
	}
	for _, bad := range operators {
		payloads["message:delivered"] = append(payloads["message:delivered"], `{"messageId":`+bad+`}`)
		payloads["conversation:read"] = append(payloads["conversation:read"],
			`{"conversationWith":`+bad+`,"lastReadMessageId":"`+m.ID.String()+`"}`,
			`{"conversationWith":"`+ann.id.String()+`","lastReadMessageId":`+bad+`}`)
	}
	for event, all := range payloads {
		for _, payload := range all {
			if got := ask[wire.Failure](bob, c, event, wire.Raw(payload)); !strings.HasPrefix(got.Code, "INVALID_") && !strings.HasPrefix(got.Code, "MISSING_") {
				t.Errorf("%s %s was answered with %+v", event, payload, got)
			}
		}
	}
	if row, _ := bob.row(ann); row.Unread != 1 || row.LastReadMessageID != nil {
		t.Errorf("row %+v", row)
	}
	if row, _ := ann.row(bob); row.PeerLastDeliveredID != nil {
		t.Errorf("row %+v", row)
	}
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("bad events were logged as errors:\n%s", w.log)
	}
	var none id.Message
	if got := ask[wire.Failure](bob, c, "message:delivered", wire.MessageRef{MessageID: none}); got.Code != "MISSING_MESSAGE_ID" {
		t.Errorf("no message: %+v", got)
	}
}
