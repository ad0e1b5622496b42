package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pryde/internal/files"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/retention"
)

// Retention runs the tests of the removal of old messages.
func Retention(t *testing.T, open func(*testing.T) CareStores) {
	t.Run("everything older goes and nothing newer", func(t *testing.T) {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { everythingOlderGoes(t, open(t), seed) })
		}
	})
	t.Run("a pass that is interrupted goes on", func(t *testing.T) { anInterruptedPassGoesOn(t, open(t)) })
	t.Run("files and segments go along", func(t *testing.T) { filesGoAlong(t, open(t)) })
	t.Run("a conversation of which all goes is empty", func(t *testing.T) { aConversationIsEmptied(t, open(t)) })
}

func expiring(s CareStores, before time.Time) *retention.Service {
	return retention.New(retention.Options{
		Store: s.Keep, Age: time.Hour, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return before.Add(time.Hour) },
	})
}

// everythingOlderGoes lets people do at random what they do, removes what is too old, and compares
// what each of them sees with what they saw before, and the counts with a recount.
func everythingOlderGoes(t *testing.T, s CareStores, seed uint64) {
	d, dice := deskOf(t, s.Stores), rand.New(rand.NewPCG(seed, 7))
	people := []id.User{alice, bob, carol}
	group := message.Group{ID: groupID(1), Name: "g", Creator: alice, CreatedAt: start, Members: []message.Member{{User: alice}, {User: bob}, {User: carol}}}
	if _, err := d.groups.CreateGroup(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	var sent []message.Message
	operations := 400
	if d.slow {
		operations = 150
	}
	for range operations {
		d.doAnything(dice, people, group.ID, &sent)
	}
	before := start.Add(time.Duration(d.sent) * time.Second * 2 / 3)
	was := d.views(people, group.ID)

	removed, done, err := expiring(s, before).Pass(t.Context())
	if err != nil || !done || removed == 0 {
		t.Fatalf("Pass: %d removed, done %v, error %v", removed, done, err)
	}

	for key, want := range was {
		old := func(m message.Message) bool { return m.CreatedAt.Before(before) }
		want = slices.DeleteFunc(want, old)
		got := d.thread(key.talk, key.viewer)
		if named(got) != named(want) {
			t.Errorf("%v sees %s in %v, want %s", key.viewer, named(got), key.talk, named(want))
		}
		for i, m := range got {
			if i < len(want) && (m.Content != want[i].Content || !m.DeletedAt.Equal(want[i].DeletedAt)) {
				t.Errorf("a message that stayed reads %q, want %q", m.Content, want[i].Content)
			}
		}
	}
	d.recount(people, group.ID)
	for _, m := range sent {
		_, err := d.store.Message(t.Context(), m.ID)
		if gone := errors.Is(err, message.ErrNoMessage); gone != m.CreatedAt.Before(before) || err != nil && !gone {
			t.Errorf("a message of %v is gone: %v (error %v); what is from before %v goes", m.CreatedAt, gone, err, before)
		}
	}
	if again, done, err := expiring(s, before).Pass(t.Context()); err != nil || !done || again != 0 {
		t.Errorf("a second pass removed %d, done %v, error %v; want nothing left to do", again, done, err)
	}
	for range operations / 4 {
		d.doAnything(dice, people, group.ID, &sent)
	}
	d.recount(people, group.ID)
}

// doAnything does something at random.
func (d *desk) doAnything(dice *rand.Rand, people []id.User, g id.Group, sent *[]message.Message) {
	d.t.Helper()
	ctx := d.t.Context()
	u := people[dice.IntN(len(people))]
	pick := func() message.Message { return (*sent)[dice.IntN(len(*sent))] }
	var err error
	switch n := dice.IntN(20); {
	case n < 10 || len(*sent) == 0:
		draft := d.draft(u, people[dice.IntN(len(people))], fmt.Sprint("text ", d.sent))
		if dice.IntN(3) == 0 {
			draft.Recipient, draft.Group = id.User{}, g
		}
		if dice.IntN(4) == 0 {
			draft.Attachment = "https://example.com/a"
		}
		*sent = append(*sent, d.append(draft))
	case n < 14:
		_, err = d.store.MarkRead(ctx, u, pick().ID, d.now())
	case n == 14:
		_, err = d.store.MarkDelivered(ctx, u, pick().ID, d.now())
	case n == 15:
		_, err = d.store.Edit(ctx, pick().ID, fmt.Sprint("edited ", d.sent), d.now())
	case n == 16:
		_, _, err = d.store.DeleteForAll(ctx, pick().ID, d.now())
	case n == 17:
		_, _, err = d.store.DeleteForSelf(ctx, pick().ID, u, d.now())
	case n == 18 && dice.IntN(4) == 0:
		err = d.store.Clear(ctx, u, people[dice.IntN(len(people))])
	case n == 18 && dice.IntN(4) == 0:
		err = d.groups.ClearGroup(ctx, g, u)
	default:
		_, _, err = d.store.React(ctx, pick().ID, message.Reaction{User: u, Emoji: "+", At: d.now()}, false)
	}
	for _, fine := range []error{message.ErrNoMessage, message.ErrGone, message.ErrNoConversation} {
		if errors.Is(err, fine) {
			err = nil
		}
	}
	if err != nil {
		d.t.Fatalf("something that people do: %v", err)
	}
}

// A glance is who looks at which conversation.
type glance struct {
	viewer id.User
	talk   message.Conversation
}

// views are what everybody sees.
func (d *desk) views(people []id.User, g id.Group) map[glance][]message.Message {
	d.t.Helper()
	all := map[glance][]message.Message{}
	for _, u := range people {
		for _, peer := range people {
			key := glance{u, message.Between(u, peer)}
			all[key] = d.thread(key.talk, u)
		}
		key := glance{u, message.InGroup(g)}
		all[key] = d.thread(key.talk, u)
	}
	return all
}

func named(ms []message.Message) string {
	var all []id.Message
	for _, m := range ms {
		all = append(all, m.ID)
	}
	return fmt.Sprint(all)
}

// recount compares the counts and the newest messages of lists with what can be read.
func (d *desk) recount(people []id.User, g id.Group) {
	d.t.Helper()
	cursors := map[id.User]message.Cursor{}
	list, err := d.groups.Cursors(d.t.Context(), g)
	if err != nil {
		d.t.Fatalf("Cursors: %v", err)
	}
	for _, c := range list {
		cursors[c.User] = c
	}
	for _, u := range people {
		unread := d.unread(u)
		rows := map[id.User]message.Row{}
		for _, r := range d.rows(u) {
			rows[r.Peer] = r
		}
		for _, peer := range people {
			seen := d.page(u, peer, u)
			r, listed := rows[peer]
			if listed != (len(seen) > 0) {
				d.t.Errorf("the conversation of %v with %v is listed: %v, and has %d messages", u, peer, listed, len(seen))
			}
			want := 0
			for _, m := range seen {
				if m.Sender != u && m.DeletedAt.IsZero() && !m.Read {
					want++
				}
			}
			if r.Unread != want || unread[peer] != want {
				d.t.Errorf("%v has %d and %d unread messages of %v, and %d by a recount", u, r.Unread, unread[peer], peer, want)
			}
			if listed && (r.Last == nil || len(seen) > 0 && r.Last.ID != seen[len(seen)-1].ID) {
				d.t.Errorf("the newest message of %v with %v is %v, and another one is seen", u, peer, r.Last)
			}
		}
		d.recountGroup(u, g, cursors[u])
	}
}

func (d *desk) recountGroup(u id.User, g id.Group, c message.Cursor) {
	d.t.Helper()
	seat, err := d.groups.Seat(d.t.Context(), g, u)
	if err != nil {
		d.t.Fatalf("Seat: %v", err)
	}
	seen := d.thread(message.InGroup(g), u)
	want := 0
	for _, m := range seen {
		if m.Sender != u && m.DeletedAt.IsZero() && m.Seq > c.Read {
			want++
		}
	}
	if seat.Unread != want {
		d.t.Errorf("%v has %d unread messages in the group, and %d by a recount", u, seat.Unread, want)
	}
	if (seat.Last == nil) != (len(seen) == 0) || seat.Last != nil && len(seen) > 0 && seat.Last.ID != seen[len(seen)-1].ID {
		d.t.Errorf("the newest message of the group for %v is %v, and another one is seen", u, seat.Last)
	}
}

func anInterruptedPassGoesOn(t *testing.T, s CareStores) {
	d := deskOf(t, s.Stores)
	for i := range 250 {
		d.send(alice, bob, fmt.Sprint(i))
	}
	before := start.Add(231 * time.Second)
	stops := errors.New("stops")
	cut := &cutStore{Store: s.Keep, after: 1, err: stops}
	half := retention.New(retention.Options{
		Store: cut, Age: time.Hour, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return before.Add(time.Hour) },
	})
	if removed, done, err := half.Pass(t.Context()); !errors.Is(err, stops) || done || removed == 0 || removed >= 230 {
		t.Fatalf("Pass: %d removed, done %v, error %v; want a part and the error", removed, done, err)
	}
	d.recountTwo(alice, bob)

	if _, done, err := expiring(s, before).Pass(t.Context()); err != nil || !done {
		t.Fatalf("Pass: done %v, error %v", done, err)
	}

	if got := d.page(alice, bob, bob); len(got) != 20 || got[0].CreatedAt.Before(before) {
		t.Errorf("%d messages are left, want the 20 newest", len(got))
	}
	d.recountTwo(alice, bob)
}

func filesGoAlong(t *testing.T, s CareStores) {
	d := deskOf(t, s.Stores)
	ctx := t.Context()
	var sent []message.Message
	for i := range byte(4) {
		draft := d.draft(alice, bob, "")
		draft.Attachment = "/api/upload/image/x"
		name := files.Name{i}
		if i == 3 {
			name = files.Name{0} // the newest message has the file of the oldest one
		}
		if i < 3 {
			if err := s.Uploads.AddUpload(ctx, files.Upload{
				Name: name, Owner: alice, Kind: files.KindAttachment, Type: "image/png", Size: 1, Key: []byte("k"), CreatedAt: start, Due: start.Add(time.Hour),
			}, 10); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Uploads.UseUploads(ctx, alice, draft.ID, []files.Name{name}, start.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, d.append(draft))
	}
	watched := &segmentWatch{Store: s.Keep}
	before := sent[2].CreatedAt

	if removed, done, err := retention.New(retention.Options{
		Store: watched, Age: time.Hour, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return before.Add(time.Hour) },
	}).Pass(ctx); err != nil || !done || removed != 2 {
		t.Fatalf("Pass: %d removed, done %v, error %v", removed, done, err)
	}

	for i, doomed := range []bool{false, true, false} {
		if u, err := s.Uploads.Upload(ctx, files.Name{byte(i)}); err != nil || u.Doomed != doomed {
			t.Errorf("file %d is about to be removed: %v (error %v), want %v", i, u.Doomed, err, doomed)
		}
	}
	if watched.before != sent[2].Seq {
		t.Errorf("segments below %d were dropped, want those below %d, the oldest message that is left", watched.before, sent[2].Seq)
	}
}

// A segmentWatch remembers which segments were dropped.
type segmentWatch struct {
	retention.Store
	before order.Seq
}

func (w *segmentWatch) DropSegmentsBefore(ctx context.Context, before order.Seq) error {
	w.before = before
	return w.Store.DropSegmentsBefore(ctx, before)
}

// recountTwo compares the count of what one person has not read of another.
func (d *desk) recountTwo(from, to id.User) {
	d.t.Helper()
	if got, want := d.row(to).Unread, len(d.page(from, to, to)); got != want {
		d.t.Errorf("%d messages are unread, and %d by a recount", got, want)
	}
}

// A cutStore fails after some steps.
type cutStore struct {
	retention.Store
	after int
	err   error
}

func (c *cutStore) Expire(ctx context.Context, before time.Time, from string, limit int) (retention.Batch, error) {
	if c.after == 0 {
		return retention.Batch{}, c.err
	}
	c.after--
	return c.Store.Expire(ctx, before, from, limit)
}

func aConversationIsEmptied(t *testing.T, s CareStores) {
	d := deskOf(t, s.Stores)
	old := d.send(alice, bob, "old")
	d.markRead(bob, old.ID)
	d.send(alice, bob, "old too")
	notes := d.send(alice, alice, "a note")
	away := d.since(bob, 0)
	before := d.now().Add(time.Second)
	watched := &segmentWatch{Store: s.Keep}

	if removed, done, err := retention.New(retention.Options{
		Store: watched, Age: time.Hour, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return before.Add(time.Hour) },
	}).Pass(t.Context()); err != nil || !done || removed != 3 {
		t.Fatalf("Pass: %d removed, done %v, error %v", removed, done, err)
	}

	if rows := d.rows(bob); len(rows) > 0 {
		t.Errorf("an empty conversation is listed: %+v", rows)
	}
	if n := d.unread(bob); len(n) > 0 {
		t.Errorf("unread messages are counted in an empty conversation: %v", n)
	}
	if _, err := d.store.Message(t.Context(), notes.ID); !errors.Is(err, message.ErrNoMessage) {
		t.Errorf("an old note is still there: %v", err)
	}
	c := d.since(bob, away.Seq)
	if len(c.New)+len(c.Changed)+len(c.Deleted) > 0 || len(c.Rows) != 1 || c.Rows[0].Last != nil || c.Rows[0].Unread != 0 || !c.Rows[0].ReadUpTo.IsZero() {
		t.Errorf("who was away hears %+v, want one row without messages", c)
	}
	again := d.send(bob, alice, "and on")
	if watched.before <= notes.Seq || watched.before > again.Seq {
		t.Errorf("segments below %d were dropped, want those of all up to %d and not of %d, which came later", watched.before, notes.Seq, again.Seq)
	}
	if got := d.row(alice); got.Last == nil || got.Last.ID != again.ID || got.Unread != 1 {
		t.Errorf("the row is %+v after a new message", got)
	}
}
