package message_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/people"
	"pryde/internal/wire"
)

// A follower is a device that shows what it loaded once and what it was told since, as a
// client does that recovers: where it stands is the offset of the last event that it heard.
type follower struct {
	owner  id.User
	at     wire.Offset
	partly bool // at is the offset of an event
	place  int  // in what was published: where it listens
	behind bool // it was cut while it recovered, and does not listen before it has caught up
	view   map[id.User]map[id.Message]string
	told   map[id.Message]bool // as new
	marks  map[id.User]*marks  // by peer
}

// marks are how far people have read, how far messages have come, and whether a conversation
// is marked as unread.
type marks struct {
	read, peerRead, peerHas id.Message
	unread                  bool
}

// TestWhoRecoversSeesWhatWhoLoadsSees lets people do anything while devices listen, are cut
// off anywhere, between two events of one commit too, and recover, again cut off anywhere: a
// device that has heard everything shows what a fresh load shows, and no message came twice.
func TestWhoRecoversSeesWhatWhoLoadsSees(t *testing.T) {
	apart := everybody{apart: map[id.User]map[id.User]bool{}}
	w := open(t, t.TempDir(), apart)
	runs := uint32(0)
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		r := &run{T: rt, ctx: t.Context(), w: w, apart: apart, model: newModel()}
		w.forget()
		var all []*follower
		for i := range byte(3) {
			u := id.User{0: 2, 11: i}
			binary.BigEndian.PutUint32(u[4:], runs)
			r.people = append(r.people, u)
		}
		for _, u := range r.people {
			all = append(all, r.follow(u), r.follow(u))
		}
		// Whoever listens is told neither that a conversation was deleted elsewhere nor what a
		// block hid: then everybody is away until they recover.
		ops, listening := operations, rapid.Bool().Draw(rt, "listening")
		if !listening {
			ops = append([]string{"clear", "part"}, operations...)
		}
		for range operationsPerRun {
			r.do(rapid.SampledFrom(ops).Draw(rt, "operation"))
			f := rapid.SampledFrom(all).Draw(rt, "device")
			switch rapid.IntRange(0, 3).Draw(rt, "what the device does") {
			case 0:
				r.recover(f, true)
			case 1:
				r.recover(f, false)
			case 2:
				if listening {
					r.listen(f)
				}
			}
		}
		for _, f := range all {
			r.recover(f, false)
		}
	})
}

func (r *run) follow(u id.User) *follower {
	f := &follower{owner: u}
	r.loadAll(f)
	return f
}

// loadAll is what a client does that is not recovered.
func (r *run) loadAll(f *follower) {
	r.Helper()
	who := auth.Identity{User: f.owner}
	s, err := r.w.Sync(r.ctx, who, "0")
	if err != nil {
		r.Fatal(err)
	}
	f.at, f.partly, f.place, f.behind = s.Seq, false, len(r.w.heard), false
	f.told, f.marks = map[id.Message]bool{}, map[id.User]*marks{}
	d := device{owner: f.owner, view: map[id.User]map[id.Message]string{}}
	for _, peer := range r.people {
		f.marks[peer] = &marks{}
		if !r.model.blocked(f.owner, peer) {
			d.put(r.load(who, peer)...)
		}
	}
	f.view = d.view
	for _, row := range r.list(f.owner) {
		*f.marks[row.ID] = marksOf(row)
	}
}

func (r *run) list(u id.User) []wire.Conversation {
	r.Helper()
	page, err := r.w.Conversations(r.ctx, auth.Identity{User: u}, wire.ListQuery{Limit: 100})
	if err != nil {
		r.Fatal(err)
	}
	return page.Items
}

func marksOf(c wire.Conversation) marks {
	name := func(m *id.Message) id.Message {
		if m == nil {
			return id.Message{}
		}
		return *m
	}
	return marks{name(c.LastReadMessageID), name(c.PeerLastReadMessageID), name(c.PeerLastDeliveredID), c.ManuallyUnread}
}

// listen hears some of what was published for the device's owner since it was last there.
func (r *run) listen(f *follower) {
	n := rapid.IntRange(0, 5).Draw(r.T, "events heard")
	for f.place < len(r.w.heard) && n > 0 && !f.behind {
		if o := r.w.heard[f.place]; slices.Contains(o.Rooms, wire.UserRoom(f.owner)) {
			r.hear(f, o)
			n--
		}
		f.place++
	}
}

// recover tells a device what it missed. Where it is cut, it hears only the beginning.
func (r *run) recover(f *follower, cut bool) {
	r.Helper()
	events, upTo, ok, err := r.w.Missed(r.ctx, auth.Identity{User: f.owner}, f.at, f.partly)
	if err != nil {
		r.Fatal(err)
	}
	if !ok {
		r.loadAll(f)
		return
	}
	if cut {
		events = events[:rapid.IntRange(0, len(events)).Draw(r.T, "events that come through")]
	}
	for _, o := range events {
		if o.Seq > upTo.Seq || o.Seq < f.at.Seq || o.Seq == f.at.Seq && !f.partly {
			r.Fatalf("%s at %d, between %v and %v", o.Name, o.Seq, f.at, upTo)
		}
		r.hear(f, o)
	}
	if f.behind = cut; !cut {
		f.place = len(r.w.heard)
		r.compare(f)
	}
}

// hear does what a client does with an event.
func (r *run) hear(f *follower, o wire.Outgoing) {
	r.Helper()
	switch p := o.Payload.(type) {
	case wire.Message:
		if o.Name != wire.MessageEdited.Name() && o.Seq > 0 {
			if f.told[p.ID] || f.shows(p.ID) {
				r.Fatalf("%s of %s came twice", o.Name, p.ID)
			}
			f.told[p.ID] = true
		}
		d := device{owner: f.owner, view: f.view}
		d.put(p)
	case wire.MessageDeleted:
		for peer, thread := range f.view {
			if _, shown := thread[p.MessageID]; shown && p.DeleteForAll {
				f.view[peer][p.MessageID] = shownText("", true)
			} else {
				delete(thread, p.MessageID)
			}
		}
	case wire.MessageRead:
		switch {
		case !p.ReadBy.IsZero():
			f.marks[p.ReadBy].peerRead = p.MessageID
		case p.MessageID.IsZero():
			f.marks[p.ConversationWith].unread = false
		default:
			f.marks[p.ConversationWith].read, f.marks[p.ConversationWith].unread = p.MessageID, false
		}
	case wire.ConversationRead:
		if p.UserID == f.owner {
			f.marks[p.ConversationWith].read, f.marks[p.ConversationWith].unread = p.LastReadMessageID, false
		} else {
			f.marks[p.UserID].peerRead = p.LastReadMessageID
		}
	case wire.MessageDelivered:
		if p.UserID != f.owner {
			f.marks[p.UserID].peerHas = p.MessageID
		}
	default:
		r.Fatalf("%s carries a %T", o.Name, p)
	}
	if o.Seq > 0 {
		f.at.Seq, f.partly = o.Seq, true
	}
}

func (f *follower) shows(m id.Message) bool {
	for _, thread := range f.view {
		if _, shown := thread[m]; shown {
			return true
		}
	}
	return false
}

// compare holds what a device shows against the model, except for what was deleted for all
// before the device heard of it: a load shows that something was there.
func (r *run) compare(f *follower) {
	r.Helper()
	for _, peer := range r.people {
		if r.model.blocked(f.owner, peer) {
			continue
		}
		want := r.model.thread(f.owner, peer)
		for m, text := range want {
			if _, shown := f.view[peer][m]; !shown && text == shownText("", true) {
				delete(want, m)
			}
		}
		if diff := cmp.Diff(want, f.view[peer], cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("a device of %s shows of %s (-want +got):\n%s", f.owner, peer, diff)
		}
	}
	for _, row := range r.list(f.owner) {
		got, want := *f.marks[row.ID], marksOf(row)
		if got.peerHas != want.peerHas && got.peerRead == want.peerHas {
			got.peerHas = want.peerHas // what was read has arrived
		}
		// Nobody is told that a mark was set.
		if !got.unread {
			got.unread = want.unread
		}
		if got != want {
			r.Fatalf("a device of %s has the marks %v with %s, want %v", f.owner, got, row.ID, want)
		}
	}
}

// missed returns what bob missed after an offset, as text.
func (w *world) missed(t *testing.T, after wire.Offset, partly bool) (told []string, upTo wire.Offset, ok bool) {
	t.Helper()
	events, upTo, ok, err := w.Missed(t.Context(), bob, after, partly)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if want := []wire.Room{wire.UserRoom(bob.User)}; !slices.Equal(e.Rooms, want) {
			t.Errorf("%s is for %v, want %v", e.Name, e.Rooms, want)
		}
		line := fmt.Sprintf("%d %s", e.Seq-after.Seq, e.Name)
		if m, ok := e.Payload.(wire.Message); ok {
			line += " " + m.Content
		}
		told = append(told, line)
	}
	return told, upTo, ok
}

func TestMissedTellsInTheOrderOfTheCommits(t *testing.T) {
	w := newWorld(t)
	old := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "old"}).Message
	gone := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "gone"}).Message
	after := w.sync(t, "0").Seq

	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "one"})
	w.mustEdit(t, ann, old.ID, "edited")
	own := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "two"}).Message
	w.mustEdit(t, bob, own.ID, "two, edited")
	w.mustDelete(t, bob, gone.ID, true)
	w.mustDelete(t, bob, old.ID, false)
	if _, err := w.read(ann, own.ID); err != nil {
		t.Fatal(err)
	}

	got, upTo, ok := w.missed(t, after, false)
	want := []string{"1 message:new one", "3 message:sent two, edited", "5 message:deleted", "6 message:deleted", "7 message:read"}
	if !ok || !slices.Equal(got, want) {
		t.Errorf("missed %q, %v, want %q", got, ok, want)
	}
	if got, last, ok := w.missed(t, upTo, false); !ok || len(got) != 0 || last != upTo {
		t.Errorf("missed %q after everything, up to %v, want nothing up to %v", got, last, upTo)
	}
}

func TestACommitThatWasHeardInPartIsToldAgainButForItsMessage(t *testing.T) {
	w := newWorld(t)
	first := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "first"}).Message
	if _, err := w.read(bob, first.ID); err != nil {
		t.Fatal(err)
	}
	second := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "second"}).Message
	after := wire.Offset{Database: w.store.Database(), Seq: second.Seq}

	if got, _, ok := w.missed(t, after, true); !ok || !slices.Equal(got, []string{"0 message:read"}) {
		t.Errorf("missed %q, %v, want the receipt of the commit", got, ok)
	}
	w.mustEdit(t, ann, second.ID, "second, edited")
	if got, _, ok := w.missed(t, after, true); !ok || !slices.Equal(got, []string{"1 message:edited second, edited", "1 message:read"}) {
		t.Errorf("missed %q, %v, want the edit and the receipt", got, ok)
	}
	if got, _, ok := w.missed(t, wire.Offset{Database: after.Database}, true); !ok || len(got) == 0 {
		t.Errorf("missed %q, %v from the beginning", got, ok)
	}
}

func TestTheEndOfAMarkUnreadIsMissedWhereNothingWasEverRead(t *testing.T) {
	w := newWorld(t)
	sent := w.mustSend(t, bob, wire.NewMessage{RecipientID: ann.User, Content: "sent"}).Message
	after := wire.Offset{Database: w.store.Database(), Seq: sent.Seq}
	if _, err := w.MarkUnread(t.Context(), bob, ann.User); err != nil {
		t.Fatal(err)
	}
	if got, _, ok := w.missed(t, after, false); !ok || len(got) != 0 {
		t.Errorf("missed %q, %v while the mark is there, want nothing", got, ok)
	}
	if _, err := w.UnmarkUnread(t.Context(), bob, ann.User); err != nil {
		t.Fatal(err)
	}

	events, upTo, ok, err := w.Missed(t.Context(), bob, after, false)

	want := []wire.Outgoing{wire.MessageWasRead.At(upTo.Seq, wire.UserRoom(bob.User), wire.MessageRead{ConversationWith: ann.User})}
	if diff := cmp.Diff(want, events); diff != "" || !ok || err != nil {
		t.Errorf("%v, %v (-want +got):\n%s", ok, err, diff)
	}
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "unread"})
	if got, _, ok := w.missed(t, upTo, false); !ok || !slices.Equal(got, []string{"1 message:new unread"}) {
		t.Errorf("missed %q, %v, want the message alone", got, ok)
	}
}

func TestAMarkUnreadIsNotTakenAwayByWhatWasMissed(t *testing.T) {
	w := newWorld(t)
	sent := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "sent"}).Message
	if _, err := w.read(bob, sent.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.MarkUnread(t.Context(), bob, ann.User); err != nil {
		t.Fatal(err)
	}
	after := wire.Offset{Database: w.store.Database(), Seq: sent.Seq}

	if got, _, ok := w.missed(t, after, true); ok {
		t.Errorf("missed %q beside a mark of which no event tells", got)
	}

	if _, err := w.UnmarkUnread(t.Context(), bob, ann.User); err != nil {
		t.Fatal(err)
	}
	if got, _, ok := w.missed(t, after, true); !ok || !slices.Equal(got, []string{"3 message:read"}) {
		t.Errorf("missed %q, %v once the mark has gone, want how far has been read", got, ok)
	}
}

func TestWhatIsNotCertainIsNotMissed(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "one"}).Message
	now := wire.Offset{Database: w.store.Database(), Seq: m.Seq}
	future, foreign := now, now
	future.Seq++
	foreign.Database[3]++
	for what, after := range map[string]wire.Offset{"future": future, "another database": foreign, "none": {}} {
		for _, partly := range []bool{false, true} {
			if got, _, ok := w.missed(t, after, partly); ok || got != nil {
				t.Errorf("%s: missed %q", what, got)
			}
		}
	}
	if _, _, ok := w.missed(t, now, true); !ok {
		t.Error("what is certain is not told")
	}
	if _, _, err := w.store.AddBlock(t.Context(), people.Block{ID: wire.BlockID{1}, Blocker: ann.User, Blocked: bob.User, CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, partly := range []bool{false, true} {
		if got, _, ok := w.missed(t, now, partly); ok {
			t.Errorf("over a block: missed %q", got)
		}
	}
}

func TestAThousandMissedMessagesAreToldAndNoMore(t *testing.T) {
	w := newWorld(t)
	known := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "known"}).Message
	after := wire.Offset{Database: w.store.Database(), Seq: known.Seq}
	for i := range 1_000 {
		w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: fmt.Sprint(i)})
	}
	for _, partly := range []bool{false, true} {
		got, _, ok := w.missed(t, after, partly)
		if !ok || len(got) != 1_000 || !strings.HasSuffix(got[999], " 999") {
			t.Fatalf("told %d of 1,000 messages, %v", len(got), ok)
		}
	}

	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "one more"})

	for _, partly := range []bool{false, true} {
		if got, _, ok := w.missed(t, after, partly); ok {
			t.Errorf("told %d of 1,001 messages", len(got))
		}
	}
}

// What somebody missed is in memory until it has been sent: 1,000 messages that are as large as
// messages may be would be 40 MB.
func TestLargeMessagesThatWereMissedAreNotTold(t *testing.T) {
	w := newWorld(t)
	after := wire.Offset{Database: w.store.Database(), Seq: w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "heard"}).Message.Seq}
	large := func(i int) wire.NewMessage {
		return wire.NewMessage{RecipientID: bob.User, Content: fmt.Sprintf("%03d", i) + strings.Repeat("\U0001f600", message.MaxContent-3)}
	}
	few := message.MaxChangeBytes / (4 * message.MaxContent)
	for i := range few {
		w.mustSend(t, ann, large(i))
	}
	if got, _, ok := w.missed(t, after, false); !ok || len(got) != few {
		t.Errorf("missed %d events, %v, want all %d", len(got), ok, few)
	}

	w.mustSend(t, ann, large(few))

	if got, _, ok := w.missed(t, after, false); ok {
		t.Errorf("missed %d events with more in them than is held", len(got))
	}
	c, err := w.store.Since(t.Context(), bob.User, after.Seq, 1_000)
	if err != nil || !c.Reload || len(c.New) > 0 || len(c.Rows) != 1 {
		t.Errorf("the store returns %d messages and %d conversations, %v, %v, want the one conversation and a reload", len(c.New), len(c.Rows), c.Reload, err)
	}
}

func TestOffsetsOfWhatWasMissedNeverRunBackwards(t *testing.T) {
	w := newWorld(t)
	var last order.Seq
	for i := range 20 {
		m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: fmt.Sprint(i)}).Message
		if i%3 == 0 {
			w.mustEdit(t, ann, m.ID, "edited")
		}
		if _, err := w.readUpTo(bob, ann.User, m.ID); err != nil {
			t.Fatal(err)
		}
	}
	events, upTo, ok, err := w.Missed(t.Context(), bob, wire.Offset{Database: w.store.Database()}, false)
	if err != nil || !ok || len(events) < 20 {
		t.Fatalf("%d events, %v, %v", len(events), ok, err)
	}
	for _, e := range events {
		if e.Seq < last || e.Seq > upTo.Seq {
			t.Errorf("%s at %d behind %d, up to %d", e.Name, e.Seq, last, upTo.Seq)
		}
		last = e.Seq
	}
}
