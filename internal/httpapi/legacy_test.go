package httpapi_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/httpapi"
	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// talk answers every operation on messages with the same two people and their message.
type talk struct{ again bool }

var (
	annCard = wire.Person{ID: id.User{11: 0xa}, Username: "ann", DisplayName: "Ann Archer", ProfilePhoto: "/uploads/ann.jpg"}
	bobCard = wire.Person{ID: id.User{11: 0xb}, Username: "bob", DisplayName: "Bob Baker"}
	noon    = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	spoken  = wire.Message{ID: id.Message{11: 1}, Seq: 42, Sender: annCard, Recipient: bobCard, Content: "a & b <3", CreatedAt: noon}
)

type outcome[T any] = wire.Outcome[T]

func (t talk) Send(_ context.Context, _ auth.Identity, in wire.NewMessage) (outcome[wire.Delivery], error) {
	if in.Content == "" {
		return outcome[wire.Delivery]{}, fault.Invalid("EMPTY_MESSAGE", "Message must have content, attachment, or voice note")
	}
	m := spoken
	m.Content = in.Content
	return outcome[wire.Delivery]{Reply: wire.Delivery{Message: m, TempID: in.TempID, Duplicate: t.again}}, nil
}

func (talk) Edit(_ context.Context, _ auth.Identity, _ id.Message, in wire.EditedContent) (outcome[wire.Message], error) {
	m := spoken
	m.Content, m.Edited, m.EditedAt = in.Content, true, noon
	return outcome[wire.Message]{Reply: m}, nil
}

func (talk) Delete(_ context.Context, _ auth.Identity, of id.Message, forAll bool) (outcome[wire.Deleted], error) {
	if !forAll {
		return outcome[wire.Deleted]{}, fault.NotFound("MESSAGE_NOT_FOUND", "Message not found")
	}
	return outcome[wire.Deleted]{Reply: wire.Deleted{Message: "Message deleted for everyone", MessageID: of, DeleteForAll: true}}, nil
}

func (talk) MarkRead(context.Context, auth.Identity, id.Message) (outcome[wire.Message], error) {
	m := spoken
	m.Read = true
	return outcome[wire.Message]{Reply: m}, nil
}

func (talk) MarkDelivered(context.Context, auth.Identity, wire.MessageRef) (outcome[wire.Message], error) {
	return outcome[wire.Message]{Reply: spoken}, nil
}

func (talk) Thread(context.Context, auth.Identity, id.User, wire.ListQuery) (wire.Page[wire.Message], error) {
	gone := spoken
	gone.Content, gone.IsDeleted, gone.IsDeletedForAll, gone.DeletedType = "", true, true, "all"
	gone.DeletedForAll = &wire.Deletion{By: annCard.ID, At: noon}
	return wire.Page[wire.Message]{Items: []wire.Message{spoken, gone}}, nil
}

func (talk) Media(_ context.Context, _ auth.Identity, _ id.User, q wire.MediaQuery) (wire.Media, error) {
	item := wire.MediaItem{ID: spoken.ID, Attachment: fmt.Sprintf("/upload/image/%d-%d.png", q.Skip, q.Limit), Sender: annCard, CreatedAt: noon}
	return wire.Media{Media: []wire.MediaItem{item}, HasMore: true}, nil
}

func (talk) Conversations(context.Context, auth.Identity, wire.ListQuery) (wire.Page[wire.Conversation], error) {
	last := wire.LastMessage{ID: spoken.ID, Seq: 42, Sender: annCard.ID, Recipient: bobCard.ID, Content: spoken.Content, CreatedAt: noon}
	return wire.Page[wire.Conversation]{Items: []wire.Conversation{
		{ID: annCard.ID, LastMessage: &last, UnreadCount: 1, Unread: 1, OtherUser: &annCard, ManuallyUnread: true, LastReadMessageID: &spoken.ID},
	}}, nil
}

func (talk) Unread(context.Context, auth.Identity) (wire.Unread, error) { return wire.Unread{}, nil }

func (talk) React(_ context.Context, _ auth.Identity, _ id.Message, in wire.Emoji) (outcome[wire.Message], error) {
	m := spoken
	m.Reactions = []wire.Reaction{{User: bobCard.ID, Emoji: in.Emoji, CreatedAt: noon}}
	return outcome[wire.Message]{Reply: m}, nil
}

func (talk) Unreact(_ context.Context, _ auth.Identity, _ id.Message, in wire.Emoji) (outcome[wire.Message], error) {
	if in.Emoji == "" {
		return outcome[wire.Message]{}, fault.Invalid("MISSING_EMOJI", "Emoji is required")
	}
	return outcome[wire.Message]{Reply: spoken}, nil
}

func (talk) History(context.Context, auth.Identity, id.Message) ([]wire.MessageVersion, error) {
	return nil, nil
}

func (talk) Sync(context.Context, auth.Identity, string) (wire.Sync, error) { return wire.Sync{}, nil }

// settings answers every operation on a conversation.
type settings struct{}

func (settings) state() wire.ConversationState {
	return wire.ConversationState{
		ID: wire.ConversationID{11: 7}, Participants: []id.User{annCard.ID, bobCard.ID}, ArchivedBy: []id.User{bobCard.ID},
		LastReadMessageID: []wire.LastReadBy{{User: bobCard.ID, MessageID: spoken.ID, UpdatedAt: noon}}, CreatedAt: noon, UpdatedAt: noon,
	}
}

func (s settings) Archive(context.Context, auth.Identity, id.User) (outcome[wire.ConversationChanged], error) {
	cv := s.state()
	return outcome[wire.ConversationChanged]{Reply: wire.ConversationChanged{Message: "Conversation archived", Conversation: &cv}}, nil
}

func (settings) none(message string) (outcome[wire.ConversationChanged], error) {
	return outcome[wire.ConversationChanged]{Reply: wire.ConversationChanged{Message: message}}, nil
}

func (s settings) Unarchive(context.Context, auth.Identity, id.User) (outcome[wire.ConversationChanged], error) {
	return s.none("Conversation unarchived")
}

func (s settings) Unmute(context.Context, auth.Identity, id.User) (outcome[wire.ConversationChanged], error) {
	return s.none("Conversation unmuted")
}

func (s settings) MarkUnread(context.Context, auth.Identity, id.User) (outcome[wire.ConversationChanged], error) {
	return s.none("Conversation marked as unread")
}

func (s settings) Mute(_ context.Context, _ auth.Identity, _ id.User, in wire.Muting) (outcome[wire.ConversationMuted], error) {
	out := wire.ConversationMuted{Message: "Conversation muted", Conversation: s.state()}
	if in.Duration != nil {
		until := noon.Add(time.Duration(*in.Duration) * time.Hour)
		out.MutedUntil = &until
	}
	return outcome[wire.ConversationMuted]{Reply: out}, nil
}

func (settings) UnmarkUnread(context.Context, auth.Identity, id.User) (outcome[wire.ConversationMarkedRead], error) {
	return outcome[wire.ConversationMarkedRead]{Reply: wire.ConversationMarkedRead{Message: "No conversation found"}}, nil
}

func (settings) ReadUpTo(_ context.Context, _ auth.Identity, in wire.ReadUpTo) (outcome[wire.LastReadUpdated], error) {
	return outcome[wire.LastReadUpdated]{Reply: wire.LastReadUpdated{Message: "Last read message updated", LastReadMessageID: in.LastReadMessageID}}, nil
}

func (settings) DeleteConversation(context.Context, auth.Identity, id.User) (outcome[wire.ConversationDeleted], error) {
	return outcome[wire.ConversationDeleted]{Reply: wire.ConversationDeleted{Message: "Conversation deleted successfully"}}, nil
}

func (settings) SaveDraft(_ context.Context, _ auth.Identity, in wire.NewDraft) (outcome[wire.SavedDraft], error) {
	return outcome[wire.SavedDraft]{Reply: wire.SavedDraft{ConversationWith: in.ConversationWith, GroupChatID: in.GroupChatID, Text: in.Text, UpdatedAt: noon}}, nil
}

func (settings) Drafts(context.Context, auth.Identity) ([]wire.SavedDraft, error) { return nil, nil }

// TestFormerClientsReadWhatTheyUsedTo holds whole bodies, and their status, to the golden files.
func TestFormerClientsReadWhatTheyUsedTo(t *testing.T) {
	ann, m := annCard.ID.String(), spoken.ID.String()
	for _, tt := range []struct{ name, method, path, body string }{
		{"message_posted", "POST", "/api/messages", `{"recipient":"` + ann + `","content":"a & b <3","voiceNote":null}`},
		{"message_empty", "POST", "/api/messages", `{"recipient":"` + ann + `","content":""}`},
		{"message_bad_recipient", "POST", "/api/messages", `{"recipient":"x","content":"hi"}`},
		{"message_edited", "PUT", "/api/messages/" + m, `{"content":"new"}`},
		{"message_deleted", "DELETE", "/api/messages/" + m + "?deleteForAll=true", ``},
		{"message_not_found", "DELETE", "/api/messages/" + m, ``},
		{"message_bad_id", "PUT", "/api/messages/temp_1/read", ``},
		{"message_read", "PUT", "/api/messages/" + m + "/read", ``},
		{"message_reacted", "POST", "/api/messages/" + m + "/react", `{"emoji":"👍"}`},
		{"message_unreacted", "DELETE", "/api/messages/" + m + "/react", `{"emoji":"👍"}`},
		{"message_unreacted_nothing", "DELETE", "/api/messages/" + m + "/react", `{}`},
		{"thread", "GET", "/api/messages/" + ann, ``},
		{"thread_bad_id", "GET", "/api/messages/temp_1", ``},
		{"list", "GET", "/api/messages/list", ``},
		{"list_in_the_root", "GET", "/api/messages/", ``},
		{"media", "GET", "/api/messages/" + ann + "/media?limit=2&skip=4", ``},
		{"archived", "POST", "/api/messages/conversations/" + ann + "/archive", ``},
		{"unarchived_nothing", "POST", "/api/messages/conversations/" + ann + "/unarchive", `{}`},
		{"muted_without_a_body", "POST", "/api/messages/conversations/" + ann + "/mute", ``},
		{"muted", "POST", "/api/messages/conversations/" + ann + "/mute", `{"duration":8}`},
		{"marked_read_nothing", "DELETE", "/api/messages/conversations/" + ann + "/mark-unread", ``},
		{"last_read", "PUT", "/api/messages/conversations/" + ann + "/last-read", `{"messageId":"` + m + `"}`},
		{"last_read_bad_id", "PUT", "/api/messages/conversations/" + ann + "/last-read", `{"messageId":"x"}`},
		{"conversation_deleted", "DELETE", "/api/messages/conversations/" + ann, ``},
		{"conversation_bad_id", "POST", "/api/messages/conversations/x/archive", ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t)
			httpapi.BindMessages(d.API, talk{})
			httpapi.BindConversations(d.API, settings{})
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			r.Header.Set("X-Request-Id", "request-1")

			w := d.do(r)

			testkit.Golden(t, tt.name, jsontext.Value(fmt.Sprintf(`{"status":%d,"body":%s}`, w.Code, w.Body)), *update)
		})
	}
}

func TestARepeatIsAnsweredWith200(t *testing.T) {
	d := newDoor(t)
	httpapi.BindMessages(d.API, talk{again: true})
	body := `{"recipient":"` + annCard.ID.String() + `","content":"hi"}`
	if w := d.do(httptest.NewRequest("POST", "/api/messages", strings.NewReader(body))); w.Code != http.StatusOK {
		t.Errorf("answered %d", w.Code)
	}
}

func TestPartsOfAttachmentListsAreBounded(t *testing.T) {
	d := newDoor(t)
	httpapi.BindMessages(d.API, talk{})
	for query, want := range map[string]string{
		"": "0-50", "?limit=1000": "0-100", "?skip=7": "7-50", "?skip=-1": "", "?skip=x": "", "?skip=1000001": "", "?limit=0": "", "?limit=-1": "",
	} {
		w := d.do(httptest.NewRequest("GET", "/api/messages/"+annCard.ID.String()+"/media"+query, nil))
		if want == "" && w.Code != http.StatusBadRequest || want != "" && !strings.Contains(w.Body.String(), "/"+want+".png") {
			t.Errorf("%q answered %d %s", query, w.Code, w.Body)
		}
	}
}
