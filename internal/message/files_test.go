package message_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/wire"
)

// shelf is where files lie in a test: by path, whose they are.
type shelf struct {
	mu       sync.Mutex
	owner    map[string]id.User
	of       map[id.Message][]string
	detached []id.Message
}

var errNotTheirs = fault.Invalid("INVALID_ATTACHMENT", "Invalid attachment")

func (s *shelf) Attach(_ context.Context, owner id.User, m id.Message, paths ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range paths {
		if s.owner[p] != owner {
			return errNotTheirs
		}
	}
	s.of[m] = paths
	return nil
}

func (s *shelf) Detach(_ context.Context, m id.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detached = append(s.detached, m)
	for _, p := range s.of[m] {
		delete(s.owner, p)
	}
	return nil
}

func (s *shelf) Link(path string) string {
	if strings.HasPrefix(path, "/upload/") {
		return path + "?signed"
	}
	return path
}

func withFiles(t *testing.T) (*world, *shelf) {
	files := &shelf{owner: map[string]id.User{"/upload/image/a": ann.User, "/upload/file/v": ann.User, "/upload/image/b": bob.User}, of: map[id.Message][]string{}}
	return open(t, t.TempDir(), everybody{}, func(o *message.Options) { o.Files = files }), files
}

func TestAMessageTakesTheFilesOfItsSender(t *testing.T) {
	w, files := withFiles(t)
	g := w.group(t, ann, bob)
	in := wire.NewMessage{GroupChatID: g, Attachment: "/upload/image/a", VoiceNote: &wire.VoiceNote{URL: "/upload/file/v", Duration: 1}, TempID: "t1"}

	m := w.mustSend(t, ann, in).Message

	if got, want := files.of[m.ID], []string{"/upload/image/a", "/upload/file/v"}; !slices.Equal(got, want) {
		t.Errorf("the message has %q, want %q", got, want)
	}
	stored, err := w.store.Message(t.Context(), m.ID)
	if err != nil || stored.Attachment != "/upload/image/a" || stored.Extra.VoiceURL != "/upload/file/v" {
		t.Errorf("stored %+v, %v", stored, err)
	}
	media, err := w.GroupMedia(t.Context(), bob, g, wire.MediaQuery{Limit: 10})
	if err != nil || media.Media[0].Attachment != "/upload/image/a?signed" {
		t.Errorf("media %+v, %v", media, err)
	}
	for who, got := range map[string]wire.Message{
		"the answer": m, "the thread": w.groupThread(t, bob, g)[0], "the event": payloads(w, bob.User, wire.GroupMessageNew)[0],
	} {
		if *got.Attachment != "/upload/image/a?signed" || got.VoiceNote.URL != "/upload/file/v?signed" {
			t.Errorf("%s shows %q and %q", who, *got.Attachment, got.VoiceNote.URL)
		}
	}
	if last := w.groups(t, bob)[0].LastMessage; *last.Attachment != "/upload/image/a?signed" || last.VoiceNote.URL != "/upload/file/v?signed" {
		t.Errorf("the list shows %+v", last)
	}

	w.mustDelete(t, ann, m.ID, true)
	if got, want := files.detached, []id.Message{m.ID}; !slices.Equal(got, want) {
		t.Errorf("detached from %v, want %v", got, want)
	}
	if d := w.mustSend(t, ann, in); !d.Duplicate || !d.Message.IsDeleted {
		t.Errorf("a retry after the deletion answered %+v", d)
	}
}

func TestAMessageTakesNobodyElsesFiles(t *testing.T) {
	w, files := withFiles(t)
	for _, in := range []wire.NewMessage{
		{Attachment: "/upload/image/b"},
		{Attachment: "/upload/image/none"},
		{VoiceNote: &wire.VoiceNote{URL: "/upload/image/b", Duration: 1}},
		{Attachment: "/upload/image/a", VoiceNote: &wire.VoiceNote{URL: "/upload/file/none", Duration: 1}},
	} {
		in.RecipientID = bob.User
		_, err := w.send(ann, in)
		wantFault(t, err, "INVALID_ATTACHMENT")
	}
	if len(files.of) != 0 || len(w.heard) != 0 || len(w.thread(t, ann, bob.User)) != 0 {
		t.Errorf("what was refused left %v, and told %+v", files.of, w.heard)
	}
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Attachment: "https://example.com/a.png"}).Message
	if *m.Attachment != "https://example.com/a.png" || len(files.of) != 0 {
		t.Errorf("what is elsewhere is shown as %q", *m.Attachment)
	}
}

// notes remembers what an index was told.
type notes struct {
	mu   sync.Mutex
	told []message.Message
}

func (n *notes) Changed(m message.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, m)
}

func TestTheIndexIsToldOfWhatIsNewOrOther(t *testing.T) {
	index := &notes{}
	w := open(t, t.TempDir(), everybody{}, func(o *message.Options) { o.Index = index })
	g := w.group(t, ann, bob)
	for _, to := range []wire.NewMessage{{RecipientID: bob.User}, {GroupChatID: g}} {
		index.told = nil
		to.Content, to.TempID = "one", to.GroupChatID.String()
		m := w.mustSend(t, ann, to).Message
		w.mustSend(t, ann, to)
		w.mustEdit(t, ann, m.ID, "two")
		if _, err := w.react(bob, m.ID, "👍"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.read(bob, m.ID); err != nil {
			t.Fatal(err)
		}
		w.mustDelete(t, bob, m.ID, false)
		w.mustDelete(t, ann, m.ID, true)
		w.mustDelete(t, ann, m.ID, true)

		var got []string
		for _, one := range index.told {
			got = append(got, one.Content)
		}
		if want := []string{"one", "two", ""}; !slices.Equal(got, want) || index.told[2].DeletedAt.IsZero() {
			t.Errorf("told of %q, want %q, the last one deleted", got, want)
		}
	}
}

func TestWhatIsFoundIsShownAsItIsSeen(t *testing.T) {
	apart := everybody{apart: map[id.User]map[id.User]bool{}}
	w := open(t, t.TempDir(), apart)
	g := w.group(t, ann, bob)
	direct := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "direct"}).Message
	inGroup := w.say(t, ann, g, "group")
	reply := w.mustSend(t, bob, wire.NewMessage{GroupChatID: g, Content: "reply", ReplyTo: inGroup.ID}).Message
	strange := w.mustSend(t, ann, wire.NewMessage{RecipientID: eve.User, Content: "strange"}).Message
	hidden := w.say(t, ann, g, "hidden")
	w.mustDelete(t, bob, hidden.ID, false)
	gone := w.say(t, ann, g, "gone")
	w.mustDelete(t, ann, gone.ID, true)
	across := w.mustSend(t, eve, wire.NewMessage{RecipientID: bob.User, Content: "across"}).Message
	apart.part(bob.User, eve.User, true)

	got, err := w.Shown(t.Context(), bob, []id.Message{reply.ID, strange.ID, gone.ID, direct.ID, hidden.ID, {1}, across.ID, inGroup.ID})

	if want := []string{"reply", "direct", "group"}; err != nil || !slices.Equal(contents(got), want) {
		t.Fatalf("shown %q, %v; want %q", contents(got), err, want)
	}
	if got[0].Quote == nil || got[0].Quote.Content != "group" || got[1].Recipient.ID != bob.User {
		t.Errorf("shown %+v", got)
	}
}
