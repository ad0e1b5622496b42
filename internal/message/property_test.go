package message_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/people"
	"pryde/internal/wire"
)

// operationsPerRun times the runs of rapid, 100 by default, are the operations of the test.
const operationsPerRun = 25

// A device of a person shows what it was told by sync.
type device struct {
	owner id.User
	since string
	view  map[id.User]map[id.Message]string // by peer
}

// A run is one story of three people on two devices each.
type run struct {
	*rapid.T
	ctx     context.Context
	w       *world
	apart   everybody
	model   *model
	people  []id.User
	devices []*device
}

// TestWhatPeopleSeeEqualsARecount lets three people do anything to each other's messages: what
// each is shown, and what each of their devices has learned by sync, is what a model counts.
func TestWhatPeopleSeeEqualsARecount(t *testing.T) {
	apart := everybody{apart: map[id.User]map[id.User]bool{}}
	w := open(t, t.TempDir(), apart)
	runs := uint32(0)
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		r := &run{T: rt, ctx: t.Context(), w: w, apart: apart, model: newModel()}
		for i := range byte(3) {
			u := id.User{0: 1, 11: i}
			binary.BigEndian.PutUint32(u[4:], runs)
			r.people = append(r.people, u)
			for range 2 {
				r.devices = append(r.devices, &device{owner: u, since: "0", view: map[id.User]map[id.Message]string{}})
			}
		}
		for range operationsPerRun {
			r.step()
			r.check()
		}
		for _, d := range r.devices {
			r.sync(d)
		}
	})
}

func (r *run) person(what string) id.User { return rapid.SampledFrom(r.people).Draw(r.T, what) }

// operations are what people do to messages, the frequent ones more than once.
var operations = []string{
	"send", "send", "send", "send", "edit", "delete", "hide", "read", "read", "deliver", "read up to",
	"archive", "unarchive", "mute", "unmute", "mark", "unmark",
}

// step lets somebody do one thing.
func (r *run) step() {
	r.do(rapid.SampledFrom(append([]string{"clear", "part", "sync", "sync"}, operations...)).Draw(r.T, "operation"))
}

// do does one thing and holds its outcome to the model.
func (r *run) do(op string) {
	who, with := r.person("who"), r.person("with")
	switch op {
	case "send":
		r.send(who, with)
	case "clear":
		r.clear(who, with)
	case "part":
		r.part(who, with)
	case "sync":
		r.sync(rapid.SampledFrom(r.devices).Draw(r.T, "device"))
	case "archive", "unarchive", "mute", "unmute", "mark", "unmark":
		r.arrange(op, who, with)
	default:
		if n := len(r.model.messages); n > 0 {
			r.change(op, who, rapid.IntRange(max(1, n-5), n).Draw(r.T, "message"))
		}
	}
}

// expect fails unless an operation was refused with this code, or not at all where it is "".
func (r *run) expect(op string, err error, code string) {
	r.Helper()
	if code == "" && err != nil || code != "" && (err == nil || fault.Of(err).Code != code) {
		r.Fatalf("%s: %v, want code %q", op, err, code)
	}
}

func (r *run) send(who, with id.User) {
	n := len(r.model.messages)
	in := wire.NewMessage{RecipientID: with, Content: fmt.Sprintf("message %d", n), TempID: fmt.Sprint(n)}
	d, err := r.w.send(auth.Identity{User: who}, in)
	if who != with && r.model.blocked(who, with) {
		r.expect("send", err, "CANNOT_MESSAGE")
		return
	}
	r.expect("send", err, "")
	if again, err := r.w.send(auth.Identity{User: who}, in); err != nil || !again.Duplicate || again.Message.ID != d.Message.ID {
		r.Fatalf("the repeat answered %+v, %v", again, err)
	}
	r.model.messages = append(r.model.messages, &written{id: d.Message.ID, from: who, to: with, text: in.Content, hidden: map[id.User]bool{}})
}

// change does something with the message at a place, which may be none of who's business.
func (r *run) change(op string, who id.User, place int) {
	m, ident := r.model.messages[place-1], auth.Identity{User: who}
	peer := m.conversation().Other(who)
	hidden := op != "delete" && op != "hide" && m.hidden[who]
	stranger, apart := !m.conversation().Has(who), who != peer && r.model.blocked(who, peer)
	code := func(all ...string) string {
		if stranger || hidden {
			return "MESSAGE_NOT_FOUND"
		}
		for _, c := range all {
			if c != "" {
				return c
			}
		}
		return ""
	}
	when := func(is bool, code string) string {
		if is {
			return code
		}
		return ""
	}
	var err error
	var want string
	switch op {
	case "edit":
		want = code(when(m.from != who, "NOT_AUTHORIZED"), when(apart, "CANNOT_INTERACT"), when(m.gone, "MESSAGE_DELETED"))
		_, err = r.w.edit(ident, m.id, m.text+"!")
	case "delete":
		want = code(when(m.from != who, "NOT_AUTHORIZED"))
		_, err = r.w.delete(ident, m.id, true)
	case "hide":
		want = code()
		_, err = r.w.delete(ident, m.id, false)
	case "read":
		want = code(when(apart && m.from != who, "CANNOT_INTERACT"))
		_, err = r.w.read(ident, m.id)
	case "deliver":
		want = code(when(apart && m.from != who, "CANNOT_INTERACT"))
		_, err = r.w.delivered(ident, m.id)
	case "read up to":
		want = code(when(apart, "CANNOT_INTERACT"))
		_, err = r.w.readUpTo(ident, peer, m.id)
	}
	r.expect(op, err, want)
	if err == nil {
		r.model.apply(op, who, place)
	}
}

// apply does what the service did.
func (m *model) apply(op string, who id.User, place int) {
	w := m.messages[place-1]
	s := m.side(who, w.conversation().Other(who))
	own := w.from == who
	switch {
	case op == "edit":
		w.text += "!"
	case op == "delete":
		w.gone, w.text = true, ""
	case op == "hide":
		w.hidden[who] = true
	case op == "deliver" && !own:
		s.delivered = max(s.delivered, place)
	case op == "read" && !own || op == "read up to":
		s.marked = false
		if w.from != w.to { // notes to oneself have no receipts
			s.read = max(s.read, place)
		}
	}
}

func (r *run) arrange(op string, who, with id.User) {
	ident, s := auth.Identity{User: who}, r.model.side(who, with)
	known := r.arranged(who, with)
	var err error
	set := func(f change) {
		_, err = do(r.w, func(ctx context.Context) (wire.Outcome[wire.ConversationChanged], error) { return f(ctx, ident, with) })
	}
	switch op {
	case "archive":
		set(r.w.Archive)
		s.archived = true
	case "unarchive":
		set(r.w.Unarchive)
		s.archived = false
	case "mute":
		_, err = r.w.mute(ident, with, nil)
		s.muted = true
	case "unmute":
		set(r.w.Unmute)
		s.muted = false
	case "mark":
		set(r.w.MarkUnread)
		s.marked = s.marked || known
	case "unmark":
		_, err = do(r.w, func(ctx context.Context) (wire.Outcome[wire.ConversationMarkedRead], error) {
			return r.w.UnmarkUnread(ctx, ident, with)
		})
		s.marked = false
	}
	r.expect(op, err, "")
}

// arranged reports whether a person has the conversation: somebody wrote in it, or the person
// set something for it before.
func (r *run) arranged(who, with id.User) bool {
	_, _, err := r.w.store.Arrange(r.ctx, who, with, false, time.Now(), func(*message.Settings) {})
	return err == nil
}

func (r *run) clear(who, with id.User) {
	known := r.arranged(who, with)
	_, err := do(r.w, func(ctx context.Context) (wire.Outcome[wire.ConversationDeleted], error) {
		return r.w.DeleteConversation(ctx, auth.Identity{User: who}, with)
	})
	if !known {
		r.expect("clear", err, "CONVERSATION_NOT_FOUND")
		return
	}
	r.expect("clear", err, "")
	for _, place := range r.model.visible(who, with) {
		r.model.messages[place-1].hidden[who] = true
	}
	r.model.side(who, with).marked = false
}

// part sets a block between two people, or ends it.
func (r *run) part(a, b id.User) {
	if a == b {
		return
	}
	c := message.Between(a, b)
	var err error
	if r.model.apart[c] {
		err = r.w.store.RemoveBlock(r.ctx, c.Low, c.High)
	} else {
		_, _, err = r.w.store.AddBlock(r.ctx, people.Block{ID: wire.BlockID{1}, Blocker: c.Low, Blocked: c.High, CreatedAt: time.Now()})
	}
	r.expect("part", err, "")
	r.model.apart[c] = !r.model.apart[c]
	r.apart.part(a, b, r.model.apart[c])
}

// check compares what everybody is shown with the model.
func (r *run) check() {
	r.Helper()
	for _, u := range r.people {
		list, err := r.w.Conversations(r.ctx, auth.Identity{User: u}, wire.ListQuery{Limit: 100})
		if err != nil {
			r.Fatal(err)
		}
		var got []string
		for _, c := range list.Items {
			got = append(got, shownRow(c))
		}
		if want := r.model.list(u, r.people); !slices.Equal(got, want) {
			r.Fatalf("list of %s (-want +got):\n%s", u, cmp.Diff(want, got))
		}
		unread, err := r.w.Unread(r.ctx, auth.Identity{User: u})
		if err != nil {
			r.Fatal(err)
		}
		want := 0
		for _, peer := range r.people {
			if !r.model.blocked(u, peer) {
				want += r.model.unread(u, peer)
			}
		}
		if unread.TotalUnread != want {
			r.Fatalf("%s has %d unread, want %d", u, unread.TotalUnread, want)
		}
	}
}

// sync brings a device up to date and compares what it shows with the model and the threads.
func (r *run) sync(d *device) {
	r.Helper()
	who := auth.Identity{User: d.owner}
	s, err := r.w.Sync(r.ctx, who, d.since)
	if err != nil {
		r.Fatal(err)
	}
	d.since = s.Seq.String()
	if s.Reload {
		d.view = map[id.User]map[id.Message]string{}
		for _, peer := range r.people {
			if !r.model.blocked(d.owner, peer) {
				d.put(r.load(who, peer)...)
			}
		}
	}
	d.put(s.Messages...)
	d.put(s.Changed...)
	for _, g := range s.Deleted {
		if g.DeleteForAll {
			d.show(g.ConversationWith, g.MessageID, shownText("", true))
		} else {
			delete(d.view[g.ConversationWith], g.MessageID)
		}
	}
	for _, peer := range r.people {
		if r.model.blocked(d.owner, peer) {
			continue
		}
		want := r.model.thread(d.owner, peer)
		if diff := cmp.Diff(want, d.view[peer], cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("a device of %s shows of %s (-want +got):\n%s", d.owner, peer, diff)
		}
		fresh := device{owner: d.owner, view: map[id.User]map[id.Message]string{}}
		fresh.put(r.load(who, peer)...)
		if diff := cmp.Diff(want, fresh.view[peer], cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("the thread of %s with %s (-want +got):\n%s", d.owner, peer, diff)
		}
	}
}

func (r *run) load(who auth.Identity, peer id.User) []wire.Message {
	r.Helper()
	p, err := r.w.Thread(r.ctx, who, peer, wire.ListQuery{Limit: 100})
	if err != nil {
		r.Fatal(err)
	}
	return p.Items
}

func (d *device) put(ms ...wire.Message) {
	for _, m := range ms {
		d.show(message.Between(m.Sender.ID, m.Recipient.ID).Other(d.owner), m.ID, shownText(m.Content, m.IsDeleted))
	}
}

func (d *device) show(peer id.User, m id.Message, text string) {
	if d.view[peer] == nil {
		d.view[peer] = map[id.Message]string{}
	}
	d.view[peer][m] = text
}
