package message_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/wire"
)

var errDown = errors.New("the database does not answer")

// frail is a store, and people, that end what is asked of them when the caller has left, and from
// which little can be read while they are down.
type frail struct {
	message.Store
	message.GroupStore
	everybody
	down bool
}

func (f *frail) readable(ctx context.Context) error {
	if f.down {
		return errDown
	}
	return ctx.Err()
}

func (f *frail) People(ctx context.Context, us []id.User) (map[id.User]wire.Person, error) {
	if f.down && len(us) > 1 {
		return nil, errDown
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return f.everybody.People(ctx, us)
}

func (f *frail) BlockedWith(ctx context.Context, u id.User) (map[id.User]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return f.everybody.BlockedWith(ctx, u)
}

func (f *frail) Some(ctx context.Context, c message.Conversation, u id.User, of []id.Message) ([]message.Message, error) {
	if err := f.readable(ctx); err != nil {
		return nil, err
	}
	return f.Store.Some(ctx, c, u, of)
}

func (f *frail) SeenBy(ctx context.Context, of id.Message) ([]id.User, error) {
	if err := f.readable(ctx); err != nil {
		return nil, err
	}
	return f.Store.SeenBy(ctx, of)
}

func (f *frail) Group(ctx context.Context, g id.Group) (message.Group, error) {
	if err := f.readable(ctx); err != nil {
		return message.Group{}, err
	}
	return f.GroupStore.Group(ctx, g)
}

func (f *frail) Cursors(ctx context.Context, g id.Group) ([]message.Cursor, error) {
	if err := f.readable(ctx); err != nil {
		return nil, err
	}
	return f.GroupStore.Cursors(ctx, g)
}

func newFrail(t *testing.T) (*world, *frail) {
	f := &frail{}
	w := open(t, t.TempDir(), f, func(o *message.Options) {
		f.Store, f.GroupStore = o.Store, o.Groups
		o.Store, o.Groups = f, f
	})
	return w, f
}

// leaving runs an operation whose caller leaves while it is stored, and returns the events of it.
func leaving[T any](t *testing.T, w *world, op func(context.Context) (wire.Outcome[T], error)) (names []string) {
	t.Helper()
	w.forget()
	reply, err := do(w, func(ctx context.Context) (wire.Outcome[T], error) {
		ctx, leave := context.WithCancel(ctx)
		defer leave()
		return op(order.OnQueued(ctx, leave))
	})
	if err != nil {
		t.Errorf("it failed although it is stored: %v", err)
	}
	if answer, err := json.Marshal(reply); err != nil || strings.Contains(string(answer), "Deleted user") {
		t.Errorf("people were not looked up: %s, %v", answer, err)
	}
	for _, o := range w.heard {
		for range o.Rooms {
			names = append(names, o.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestWhatIsStoredIsToldAlthoughTheCallerLeft(t *testing.T) {
	w, _ := newFrail(t)
	g := w.group(t, ann, bob)
	direct := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "direct"}).Message
	inGroup := w.say(t, ann, g, "in the group")
	name := "climbers"
	for _, c := range []struct {
		what string
		got  func() []string
		want []string
	}{
		{"a new group", func() []string {
			return leaving(t, w, func(ctx context.Context) (wire.Outcome[wire.Group], error) {
				return w.CreateGroup(ctx, ann, wire.NewGroup{Name: "other", MemberIDs: []id.User{bob.User}})
			})
		}, []string{"group:updated", "group:updated"}},
		{"a change of a group", func() []string {
			return leaving(t, w, func(ctx context.Context) (wire.Outcome[wire.Group], error) {
				return w.ChangeGroup(ctx, ann, g, wire.GroupChange{Name: &name})
			})
		}, []string{"group:updated", "group:updated"}},
		{"a message to a group", func() []string {
			return leaving(t, w, func(ctx context.Context) (wire.Outcome[wire.Delivery], error) {
				return w.Send(ctx, ann, wire.NewMessage{GroupChatID: g, Content: "hi", ReplyTo: inGroup.ID, TempID: "1"})
			})
		}, []string{"group:message_new", "group:message_new"}},
		{"an edit", func() []string {
			return leaving(t, w, func(ctx context.Context) (wire.Outcome[wire.Message], error) {
				return w.Edit(ctx, ann, direct.ID, wire.EditedContent{Content: "edited"})
			})
		}, []string{"message:edited", "message:edited"}},
		{"a reaction", func() []string {
			return leaving(t, w, func(ctx context.Context) (wire.Outcome[wire.Message], error) {
				return w.React(ctx, bob, direct.ID, wire.Emoji{Emoji: "👍"})
			})
		}, []string{"message:reaction", "message:reaction"}},
		{"a receipt", func() []string {
			return leaving(t, w, func(ctx context.Context) (wire.Outcome[wire.Message], error) {
				return w.MarkRead(ctx, bob, direct.ID)
			})
		}, []string{"message:delivered", "message:delivered", "message:read", "message:read"}},
		{"a receipt in a group", func() []string {
			return leaving(t, w, func(ctx context.Context) (wire.Outcome[wire.LastReadUpdated], error) {
				// What is remembered of the group is forgotten meanwhile.
				rename := func() { _, _ = w.ChangeGroup(t.Context(), ann, g, wire.GroupChange{Name: &name}) }
				return w.ReadUpTo(order.OnQueued(ctx, rename), bob, wire.ReadUpTo{GroupChatID: g, LastReadMessageID: inGroup.ID})
			})
		}, []string{"group:message_read", "group:message_read", "message:delivered", "message:delivered", "message:read"}},
		{"a deletion", func() []string {
			return leaving(t, w, func(ctx context.Context) (wire.Outcome[wire.Deleted], error) {
				return w.Delete(ctx, ann, direct.ID, true)
			})
		}, []string{"message:deleted", "message:deleted"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got := c.got(); !slices.Equal(got, c.want) {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

func TestAReplyThatIsStoredIsToldAlthoughNothingCanBeRead(t *testing.T) {
	w, f := newFrail(t)
	g := w.group(t, ann, bob)
	for what, c := range map[string]struct {
		of    id.Message
		in    wire.NewMessage
		event wire.ToClient[wire.Message]
	}{
		"to a person": {
			w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "hi"}).Message.ID,
			wire.NewMessage{RecipientID: bob.User}, wire.MessageNew,
		},
		"in a group": {w.say(t, bob, g, "hi").ID, wire.NewMessage{GroupChatID: g}, wire.GroupMessageNew},
	} {
		t.Run(what, func(t *testing.T) {
			in := c.in
			in.Content, in.ReplyTo = "indeed", c.of
			w.forget()

			d, err := do(w, func(ctx context.Context) (wire.Outcome[wire.Delivery], error) {
				return w.Send(order.OnQueued(ctx, func() { f.down = true }), ann, in)
			})
			told := payloads(w, bob.User, c.event)
			f.down = false

			if err != nil || d.Message.Quote == nil || d.Message.Sender.Username == "" {
				t.Errorf("answered %+v, %v", d.Message, err)
			}
			if len(told) != 1 || told[0].Quote == nil || told[0].Quote.Content != "hi" {
				t.Errorf("told %+v", told)
			}
		})
	}
}

func TestARetryInAGroupIsAnsweredAlthoughNothingCanBeRead(t *testing.T) {
	w, f := newFrail(t)
	in := wire.NewMessage{GroupChatID: w.group(t, ann, bob), Content: "hi", TempID: "1"}
	first := w.mustSend(t, ann, in)
	f.down = true

	got, err := w.send(ann, in)

	if err != nil || !got.Duplicate || got.Message.ID != first.Message.ID {
		t.Errorf("answered %+v, %v", got, err)
	}
}

func TestAChangeIsToldWithoutWhatCannotBeRead(t *testing.T) {
	w, f := newFrail(t)
	g := w.group(t, ann, bob)
	of := w.say(t, bob, g, "hi")
	reply := w.mustSend(t, ann, wire.NewMessage{GroupChatID: g, Content: "indeed", ReplyTo: of.ID}).Message
	w.forget()

	got, err := do(w, func(ctx context.Context) (wire.Outcome[wire.Message], error) {
		return w.MarkRead(order.OnQueued(ctx, func() { f.down = true }), bob, reply.ID)
	})

	if told := payloads(w, ann.User, wire.GroupMessageWasRead); err != nil || got.ID != reply.ID || got.Quote != nil || len(told) != 1 {
		t.Errorf("answered %+v, %v, and told %+v", got, err, told)
	}
}

// Whoever deleted a message for themselves, or cleared it away, does not hear it again from those
// who reply to it.
func TestAQuoteIsToldToThoseAloneWhoSeeWhatIsQuoted(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	direct := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "direct"}).Message
	inGroup := w.say(t, ann, g, "in the group")
	w.mustDelete(t, bob, direct.ID, false)
	if err := w.clearGroup(bob, g); err != nil {
		t.Fatal(err)
	}
	quotes := func(who auth.Identity, e wire.ToClient[wire.Message]) string {
		t.Helper()
		told := payloads(w, who.User, e)
		if len(told) != 1 || told[0].ReplyTo == nil {
			t.Fatalf("%s heard %+v, want one reply", who.User, told)
		}
		if told[0].Quote == nil {
			return ""
		}
		return told[0].Quote.Content
	}

	w.forget()
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "see?", ReplyTo: direct.ID})
	if got, own := quotes(bob, wire.MessageNew), quotes(ann, wire.MessageSent); got != "" || own != "direct" {
		t.Errorf("bob heard %q again, and ann %q", got, own)
	}

	reply := w.mustSend(t, ann, wire.NewMessage{GroupChatID: g, Content: "see?", ReplyTo: inGroup.ID}).Message
	w.mustEdit(t, ann, reply.ID, "do you see?")
	for _, e := range []wire.ToClient[wire.Message]{wire.GroupMessageNew, wire.GroupMessageEdited} {
		if got := quotes(bob, e); got != "" {
			t.Errorf("bob heard %q again in %s", got, e.Name())
		}
		if anns, eves := quotes(ann, e), quotes(eve, e); anns != "in the group" || eves != "in the group" {
			t.Errorf("ann heard %q and eve %q in %s", anns, eves, e.Name())
		}
	}
}

// overtaken is a store in which something happens once it was asked who sees a message.
type overtaken struct {
	message.Store
	then func()
}

func (s *overtaken) SeenBy(ctx context.Context, of id.Message) ([]id.User, error) {
	seers, err := s.Store.SeenBy(ctx, of)
	if then := s.then; then != nil {
		s.then = nil
		then()
	}
	return seers, err
}

func TestAReplyDoesNotQuoteWhatWasDeletedMeanwhile(t *testing.T) {
	var store *overtaken
	w := open(t, t.TempDir(), everybody{}, func(o *message.Options) {
		store = &overtaken{Store: o.Store}
		o.Store = store
	})
	of := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "secret"}).Message
	store.then = func() {
		if _, err := w.Delete(t.Context(), bob, of.ID, true); err != nil {
			t.Error(err)
		}
	}

	got := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "indeed", ReplyTo: of.ID}).Message

	if got.Quote == nil || !got.Quote.IsDeleted || got.Quote.Content != "" {
		t.Errorf("it quotes %+v", got.Quote)
	}
}

// unnamed is a store that no longer knows which messages were read.
type unnamed struct{ message.Store }

func (s unnamed) Since(ctx context.Context, u id.User, after order.Seq, limit int) (message.Changes, error) {
	c, err := s.Store.Since(ctx, u, after, limit)
	for i := range c.Cursors {
		c.Cursors[i].ReadID = id.Message{}
	}
	for i := range c.Groups {
		c.Groups[i].ReadUpTo = id.Message{}
	}
	return c, err
}

func TestAReadWithoutAMessageIsNotTold(t *testing.T) {
	w := open(t, t.TempDir(), everybody{}, func(o *message.Options) { o.Store = unnamed{o.Store} })
	g := w.group(t, ann, bob, eve)
	m := w.say(t, ann, g, "hi")
	after := w.sync(t, "0").Seq
	for _, who := range []auth.Identity{bob, eve} {
		if _, err := w.read(who, m.ID); err != nil {
			t.Fatal(err)
		}
	}

	if told, _, ok := w.missed(t, after, false); !ok || slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "group:message_read") }) {
		t.Errorf("bob missed %q", told)
	}
	if got := w.sync(t, after.String()).GroupReads; len(got) > 0 {
		t.Errorf("a sync tells %+v", got)
	}
}
