package message_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/wire"
)

func TestAReplyQuotesWhatItRepliesTo(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	for what, c := range map[string]struct {
		to     wire.NewMessage
		thread func() []wire.Message
	}{
		"to a person": {wire.NewMessage{RecipientID: bob.User}, func() []wire.Message { return w.thread(t, bob, ann.User) }},
		"in a group":  {wire.NewMessage{GroupChatID: g}, func() []wire.Message { return w.groupThread(t, bob, g) }},
	} {
		t.Run(what, func(t *testing.T) {
			first := c.to
			first.Content = strings.Repeat("é", 150)
			of := w.mustSend(t, ann, first).Message
			reply := c.to
			reply.Content, reply.ReplyTo = "indeed", of.ID
			got := w.mustSend(t, ann, reply).Message

			want := wire.Quote{ID: of.ID, Sender: of.Sender, Content: strings.Repeat("é", 100)}
			told := payloads(w, bob.User, wire.MessageNew)
			if what == "in a group" {
				told = payloads(w, bob.User, wire.GroupMessageNew)
			}
			for who, m := range map[string]wire.Message{"the answer": got, "the event": told[len(told)-1], "the thread": c.thread()[1]} {
				if m.ReplyTo == nil || *m.ReplyTo != of.ID || m.Quote == nil || *m.Quote != want {
					t.Errorf("%s quotes %+v, want %+v", who, m.Quote, want)
				}
			}

			w.mustEdit(t, ann, of.ID, "short")
			if got := c.thread()[1].Quote; got.Content != "short" {
				t.Errorf("after an edit it quotes %+v", got)
			}
			w.mustDelete(t, ann, of.ID, true)
			if got := c.thread()[1].Quote; got == nil || !got.IsDeleted || got.Content != "" {
				t.Errorf("after the deletion it quotes %+v", got)
			}
			w.mustDelete(t, bob, of.ID, false)
			if got := c.thread()[0]; got.Quote != nil || *got.ReplyTo != of.ID {
				t.Errorf("to who deleted it for themselves it quotes %+v", got.Quote)
			}
			w.mustDelete(t, ann, got.ID, true)
			if got := c.thread()[0]; got.Quote != nil || got.ReplyTo != nil {
				t.Errorf("what is deleted for all quotes %+v", got.Quote)
			}
		})
	}
}

func TestAReplyIsToAMessageOfTheSameConversationThatTheSenderSees(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	direct := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "direct"}).Message
	apart := w.mustSend(t, bob, wire.NewMessage{RecipientID: eve.User, Content: "secret"}).Message
	hidden := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "hidden"}).Message
	w.mustDelete(t, ann, hidden.ID, false)
	inGroup := w.say(t, bob, g, "in the group")
	w.forget()

	for what, in := range map[string]wire.NewMessage{
		"unknown":               {RecipientID: bob.User, ReplyTo: id.Message{1}},
		"of other people":       {RecipientID: bob.User, ReplyTo: apart.ID},
		"hidden":                {RecipientID: bob.User, ReplyTo: hidden.ID},
		"of a group":            {RecipientID: bob.User, ReplyTo: inGroup.ID},
		"of a person":           {GroupChatID: g, ReplyTo: direct.ID},
		"of people, in a group": {GroupChatID: g, ReplyTo: apart.ID},
	} {
		t.Run(what, func(t *testing.T) {
			in.Content = "indeed"
			_, err := w.send(ann, in)
			wantFault(t, err, "INVALID_REPLY")
		})
	}
	if len(w.heard) > 0 {
		t.Errorf("%s was told of what was refused", w.heard[0].Name)
	}
}

// A retry is known although its sender does not see any more what it replies to.
func TestARetryOfAReplyIsKnown(t *testing.T) {
	w := newWorld(t)
	of := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "hi"}).Message
	in := wire.NewMessage{RecipientID: bob.User, Content: "indeed", ReplyTo: of.ID, TempID: "t1"}
	first := w.mustSend(t, ann, in)
	w.mustDelete(t, ann, of.ID, false)

	if d := w.mustSend(t, ann, in); !d.Duplicate || d.Message.ID != first.Message.ID {
		t.Errorf("retry answered %+v", d)
	}
	in.ReplyTo = first.Message.ID
	_, err := w.send(ann, in)
	wantFault(t, err, "IDEMPOTENCY_CONFLICT")
}

func TestAQuoteOfWhatIsWarnedOfIsTheWarning(t *testing.T) {
	w := newWorld(t)
	of := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "it ends badly", ContentWarning: "spoiler"}).Message

	got := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "no!", ReplyTo: of.ID}).Message

	if got.Quote == nil || got.Quote.Content != "spoiler" {
		t.Errorf("it quotes %+v", got.Quote)
	}
}

// counted counts what is asked of a store one by one.
type counted struct {
	message.Store
	some int
}

func (c *counted) Some(ctx context.Context, of message.Conversation, viewer id.User, ms []id.Message) ([]message.Message, error) {
	c.some++
	return c.Store.Some(ctx, of, viewer, ms)
}

func TestQuotesAreReadAtOnce(t *testing.T) {
	var store *counted
	w := open(t, t.TempDir(), everybody{}, func(o *message.Options) {
		store = &counted{Store: o.Store}
		o.Store = store
	})
	var old []id.Message
	for _, who := range []auth.Identity{ann, bob} {
		for range 20 {
			old = append(old, w.mustSend(t, who, wire.NewMessage{RecipientID: peer(who).User, Content: "old", TempID: fmt.Sprint(len(old))}).Message.ID)
		}
	}
	for _, of := range old {
		w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "new", ReplyTo: of})
	}
	store.some = 0

	page, err := w.Thread(t.Context(), bob, ann.User, wire.ListQuery{Limit: 40})

	if err != nil || len(page.Items) != 40 || slices.ContainsFunc(page.Items, func(m wire.Message) bool { return m.Quote == nil }) {
		t.Fatalf("%d messages, %v; want 40 with a quote", len(page.Items), err)
	}
	if store.some != 1 {
		t.Errorf("%d queries for the quotes of a page, want 1", store.some)
	}
	store.some = 0
	if page, err = w.Thread(t.Context(), bob, ann.User, wire.ListQuery{Limit: 100}); err != nil || len(page.Items) != 80 || store.some != 0 {
		t.Errorf("%d queries where what is quoted is on the page, %v", store.some, err)
	}
}

// peer is whom ann and bob talk to.
func peer(who auth.Identity) auth.Identity {
	if who == ann {
		return bob
	}
	return ann
}
