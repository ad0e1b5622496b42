package journalstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/testkit/mongod"
)

func groupID(n int) (g id.Group) {
	g[0], g[id.Size-1] = 0x67, byte(n)
	return g
}

// newGroup makes a group of which the first is the creator.
func (h *house) newGroup(n int, people ...id.User) message.Group {
	h.t.Helper()
	g := message.Group{ID: groupID(n), Name: fmt.Sprint("group ", n), Creator: people[0], CreatedAt: start, UpdatedAt: start}
	for i, u := range people {
		g.Members = append(g.Members, message.Member{User: u, Admin: i == 0, JoinedAt: start})
	}
	made, err := h.CreateGroup(h.t.Context(), g)
	if err != nil {
		h.t.Fatal(err)
	}
	return made
}

func toGroup(n int, from id.User, g message.Group, text string) message.Draft {
	d := draft(n, from, id.User{}, text)
	d.Group = g.ID
	return d
}

// thread is the whole group as somebody in it sees it.
func (h *house) thread(store message.Store, g message.Group, viewer id.User) []message.Message {
	h.t.Helper()
	p, err := store.PageBefore(h.t.Context(), message.InGroup(g.ID), viewer, id.Message{}, 10_000)
	if err != nil || p.More {
		h.t.Fatalf("PageBefore: more %v, error %v", p.More, err)
	}
	return p.Items
}

func (h *house) seat(store message.GroupStore, g message.Group, u id.User) message.Seat {
	h.t.Helper()
	s, err := store.Seat(h.t.Context(), g.ID, u)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) leave(g message.Group, u id.User) error {
	_, _, err := h.ChangeGroup(h.t.Context(), g.ID, u, start.Add(time.Minute), func(g *message.Group) error {
		for i, m := range g.Members {
			if m.User == u {
				g.Members = append(g.Members[:i], g.Members[i+1:]...)
				break
			}
		}
		return nil
	})
	return err
}

func TestGroupMessagesAreJournaledAndStoredAsTheyWereAcknowledged(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	g := h.newGroup(1, alice, bob, carol)
	other := h.newGroup(2, bob, dave)
	want := []message.Message{h.send(toGroup(1, alice, g, "stored"))}
	h.inner.away(true)
	for i := 2; i < 6; i++ {
		d := toGroup(i, []id.User{alice, bob}[i%2], g, fmt.Sprint("waits ", i))
		d.Attachment, d.ReplyTo = fmt.Sprint("/files/", i), want[0].ID
		d.Extra = message.Extra{VoiceURL: fmt.Sprint("/upload/voice/", i), VoiceSeconds: 1.5, Warning: "warned"}
		m := h.send(d)
		if m.Group != g.ID || m.Extra != d.Extra || m.ReplyTo != d.ReplyTo || m.Attachment != d.Attachment {
			t.Fatalf("acknowledged as %+v, want it as it was sent", m)
		}
		want = append(want, m)
	}
	elsewhere := h.send(toGroup(6, dave, other, "elsewhere"))
	check := func(when string, store interface {
		message.Store
		message.GroupStore
	}) {
		t.Helper()
		same(t, "the group "+when, h.thread(store, g, carol), want)
		last := want[len(want)-1]
		for u, unread := range map[id.User]int{alice: 2, bob: 3, carol: 5} {
			seat := h.seat(store, g, u)
			if seat.Unread != unread || seat.Last == nil || seat.Last.ID != last.ID || seat.Changed != last.Seq {
				t.Errorf("%s the seat has %d unread up to %v, changed at %d; want %d, %v and %d", when, seat.Unread, seat.Last, seat.Changed, unread, last.ID, last.Seq)
			}
			counts, err := store.UnreadInGroups(t.Context(), u)
			if err != nil || counts[g.ID] != unread {
				t.Errorf("%s %v are unread, error %v, want %d", when, counts, err, unread)
			}
		}
		seats, err := store.Seats(t.Context(), bob, id.Group{}, 10)
		if err != nil || len(seats.Items) != 2 || seats.Items[0].Last.ID != elsewhere.ID || seats.Items[1].Last.ID != last.ID {
			t.Errorf("%s bob's groups are %+v, error %v", when, seats.Items, err)
		}
		c, err := store.Since(t.Context(), carol, want[2].Seq, 100)
		if err != nil || len(c.Groups) != 1 || c.Groups[0].Unread != 5 {
			t.Errorf("%s carol's changes have the groups %+v, error %v; want one with 5 unread", when, c.Groups, err)
		}
		same(t, "what is new "+when, c.New, want[3:])
		c, err = store.Since(t.Context(), user(99), 0, 100)
		if err != nil || len(c.New)+len(c.Groups) != 0 {
			t.Errorf("%s a stranger hears %+v, error %v", when, c, err)
		}
	}

	check("while they wait", h.Store)
	for u, n := range map[id.User]int{carol: 2, dave: 1, user(99): 0} {
		if seen, err := h.Seen(t.Context(), u, []id.Message{want[0].ID, want[3].ID, elsewhere.ID}); err != nil || len(seen) != n {
			t.Errorf("of three messages %v sees %v, error %v; want %d", u, texts(seen), err, n)
		}
	}
	if seers, err := h.SeenBy(t.Context(), want[3].ID); err != nil || len(seers) != 3 {
		t.Errorf("a waiting message is seen by %v, error %v; want three", seers, err)
	}
	h.close()
	h.hold = true
	h.open()
	check("after a restart", h.Store)
	h.inner.away(false)
	h.drained()
	check("when they are stored", h.inner)
	if n := h.inner.replayed.Load(); n != 5 {
		t.Errorf("%d messages were replayed, want 5", n)
	}
}

// A row counts all that waits, also what somebody has heard of before.
func TestChangesCountAllThatWaits(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	g := h.newGroup(1, alice, bob)
	old := h.send(draft(1, alice, bob, "stored"))
	h.inner.away(true)
	first := h.send(draft(2, alice, bob, "waits"))
	h.send(toGroup(3, alice, g, "waits"))
	heard := h.send(toGroup(4, alice, g, "waits"))
	last := h.send(draft(5, alice, bob, "waits"))
	newest := h.send(toGroup(6, alice, g, "waits"))

	c, err := h.Since(t.Context(), bob, heard.Seq, 100)

	if err != nil || len(c.Rows) != 1 || len(c.Groups) != 1 || len(c.New) != 2 {
		t.Fatalf("changes %+v, error %v", c, err)
	}
	if r := c.Rows[0]; r.Unread != 3 || r.Last.ID != last.ID {
		t.Errorf("the row has %d unread up to %v, want 3 up to %v", r.Unread, r.Last.ID, last.ID)
	}
	if s := c.Groups[0]; s.Unread != 3 || s.Last.ID != newest.ID {
		t.Errorf("the seat has %d unread up to %v, want 3 up to %v", s.Unread, s.Last.ID, newest.ID)
	}
	r, err := h.MarkRead(t.Context(), bob, old.ID, start)
	if err != nil {
		// A database that takes nothing that waits counts as away: then nothing is marked.
		if code(err) != "STORE_UNAVAILABLE" {
			t.Fatal(err)
		}
		return
	}
	c, err = h.Since(t.Context(), bob, newest.Seq, 100)
	if err != nil || len(c.Rows) != 1 || c.Rows[0].Unread != 2 || c.Rows[0].Last.ID != last.ID || c.Rows[0].Changed != r.Message.Changed {
		t.Errorf("after reading %v of %v: %+v, error %v", old.ID, first.ID, c.Rows, err)
	}
}

// While the database is away, a message to a group is taken from those who are known to be in it.
func TestWhoIsNotKnownToBeInTheGroupIsRefused(t *testing.T) {
	t.Parallel()
	server := mongod.ForTest(t, mongod.Options{})
	h := newHouse(t, server.URI("known"))
	g := h.newGroup(1, alice, bob)
	left := h.newGroup(2, alice, bob, carol)
	stored := h.send(toGroup(1, alice, g, "stored"))
	h.send(toGroup(2, bob, left, "stored"))
	h.send(toGroup(3, carol, left, "stored"))
	if err := h.leave(left, bob); err != nil {
		t.Fatal(err)
	}
	h.send(draft(4, dave, alice, "a key"))
	h.close()
	h.open()
	if _, err := h.Group(t.Context(), left.ID); err != nil {
		t.Fatal(err)
	}
	for _, d := range []message.Draft{draft(5, alice, bob, "x"), draft(6, bob, alice, "x"), draft(7, carol, alice, "x"), draft(8, dave, alice, "x")} {
		h.send(d) // their keys are known
	}
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	waits := h.send(toGroup(10, carol, left, "waits"))

	for what, d := range map[string]message.Draft{"who left": toGroup(11, bob, left, "x"), "a stranger": toGroup(12, dave, left, "x")} {
		if _, _, err := h.Append(ctx, d); !errors.Is(err, message.ErrNotMember) {
			t.Errorf("Append of %s: %v, want ErrNotMember", what, err)
		}
	}
	if _, _, err := h.Append(ctx, toGroup(13, alice, g, "x")); code(err) != "STORE_UNAVAILABLE" {
		t.Errorf("Append to a group that is not known: %v, want STORE_UNAVAILABLE", err)
	}
	if known, err := h.Group(ctx, left.ID); err != nil || len(known.Members) != 2 {
		t.Errorf("the group that is known: %+v, %v", known, err)
	}
	some, err := h.Some(ctx, message.InGroup(left.ID), alice, []id.Message{waits.ID})
	if err != nil || len(some) != 1 {
		t.Errorf("what waits, as one may reply to it: %v, error %v", some, err)
	}
	same(t, "earlier texts of what waits", versions(t, h, waits.ID), 0)
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for name, call := range map[string]func() error{
		"Group": func() error { _, err := h.Group(ctx, g.ID); return err },
		"Some": func() error {
			_, err := h.Some(ctx, message.InGroup(g.ID), alice, []id.Message{stored.ID})
			return err
		},
		"PageBefore": func() error {
			_, err := h.PageBefore(ctx, message.InGroup(left.ID), carol, id.Message{}, 10)
			return err
		},
		"Seat":           func() error { _, err := h.Seat(ctx, left.ID, carol); return err },
		"Seats":          func() error { _, err := h.Seats(ctx, carol, id.Group{}, 10); return err },
		"UnreadInGroups": func() error { _, err := h.UnreadInGroups(ctx, carol); return err },
		"Cursors":        func() error { _, err := h.Cursors(ctx, left.ID); return err },
		"CreateGroup":    func() error { _, err := h.CreateGroup(ctx, message.Group{ID: groupID(9), Creator: alice}); return err },
		"ChangeGroup":    func() error { return h.leave(left, carol) },
		"ArrangeGroup": func() error {
			_, _, err := h.ArrangeGroup(ctx, left.ID, carol, start, func(*message.Settings) {})
			return err
		},
		"ClearGroup": func() error { return h.ClearGroup(ctx, left.ID, carol) },
	} {
		if err := call(); err == nil || fault.Of(err).Kind != fault.KindUnavailable {
			t.Errorf("%s: %v, want that it is not to be had", name, err)
		}
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.drained()
	if got := h.thread(h.inner, left, carol); len(got) != 3 || got[2].ID != waits.ID || got[2].Seq != waits.Seq {
		t.Errorf("stored %v, want what waited at the end", texts(got))
	}
}

func versions(t *testing.T, h *house, m id.Message) int {
	t.Helper()
	v, err := h.Versions(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return len(v)
}

// A change of a group is made when what waits in it is stored: whoever comes in has read it.
func TestAChangeOfAGroupWaitsForWhatWaits(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	g := h.newGroup(1, alice, bob)
	h.inner.noAppend.Store(true)
	for i := range 5 {
		m := h.send(toGroup(10+i, alice, g, "waits"))
		newcomer := user(50 + i)
		_, _, err := h.ChangeGroup(t.Context(), g.ID, alice, start, func(g *message.Group) error {
			g.Members = append(g.Members, message.Member{User: newcomer, JoinedAt: start})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if seat := h.seat(h.Store, g, newcomer); seat.ReadUpTo != m.ID || seat.Unread != 0 {
			t.Errorf("who came in has read up to %v with %d unread, want %v", seat.ReadUpTo, seat.Unread, m.ID)
		}
	}
	last := h.send(toGroup(20, alice, g, "waits"))
	if err := h.ClearGroup(t.Context(), g.ID, bob); err != nil {
		t.Fatal(err)
	}
	if err := h.leave(g, bob); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Append(t.Context(), toGroup(21, bob, g, "x")); !errors.Is(err, message.ErrNotMember) {
		t.Errorf("Append of who left: %v, want ErrNotMember", err)
	}
	if _, err := h.MarkRead(t.Context(), bob, last.ID, start); !errors.Is(err, message.ErrNoMessage) {
		t.Errorf("MarkRead of who left: %v, want ErrNoMessage", err)
	}
	if h.inner.replayed.Load() == 0 {
		t.Error("nothing went through the journal")
	}
}

// What is to be stored is stored, whoever has left the group meanwhile.
func TestWhatWasAcknowledgedInAGroupIsStoredWhoeverLeft(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	g := h.newGroup(1, alice, bob)
	h.inner.away(true)
	m := h.send(toGroup(1, bob, g, "acknowledged"))
	h.send(draft(2, alice, carol, "behind"))
	if _, _, err := h.inner.ChangeGroup(t.Context(), g.ID, bob, start, func(g *message.Group) error {
		g.Members = g.Members[:1]
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	h.inner.away(false)
	h.drained()

	same(t, "the group", texts(h.thread(h.inner, g, alice)), []string{"acknowledged"})
	same(t, "carol's", texts(h.page(h.inner, carol, alice)), []string{"behind"})
	if got, err := h.inner.Message(t.Context(), m.ID); err != nil || got.Seq != m.Seq {
		t.Errorf("stored under %d (%v), want %d", got.Seq, err, m.Seq)
	}
}

// Who is in a group that is being changed is not to be told.
func TestWhatIsSentWhileTheGroupChangesIsNotJournaled(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	g := h.newGroup(1, alice, bob)
	h.inner.noAppend.Store(true)
	h.inner.changing = func(id.Group) {
		if _, _, err := h.Append(t.Context(), toGroup(1, bob, g, "late")); code(err) != "STORE_UNAVAILABLE" {
			t.Errorf("Append while the group changes: %v, want STORE_UNAVAILABLE", err)
		}
	}
	if err := h.leave(g, bob); err != nil {
		t.Fatal(err)
	}

	if _, _, err := h.Append(t.Context(), toGroup(1, bob, g, "late")); !errors.Is(err, message.ErrNotMember) {
		t.Errorf("Append of who left: %v, want ErrNotMember", err)
	}
	h.send(toGroup(2, alice, g, "waits"))
	h.drained()
	same(t, "the group", texts(h.thread(h.inner, g, alice)), []string{"waits"})
}

// What the database told of a group before it changed lets nobody in afterwards.
func TestWhoLeftMeanwhileIsNotJournaled(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"the group alone": "NOT_A_MEMBER", "another group too": "STORE_UNAVAILABLE"} {
		t.Run(name, func(t *testing.T) {
			h := calmHouse(t, mongod.Emptied(t))
			g, other := h.newGroup(1, alice, bob), h.newGroup(2, alice, bob)
			h.close()
			h.open()
			h.inner.noAppend.Store(true)
			h.inner.found = func(id.Group) {
				h.inner.found = nil
				h.inner.changing = func(id.Group) {
					h.inner.changing = nil
					if want == "NOT_A_MEMBER" {
						return
					}
					if err := h.leave(other, bob); err != nil { // after that the group is not known
						t.Error(err)
					}
				}
				if err := h.leave(g, bob); err != nil {
					t.Error(err)
				}
			}

			if _, _, err := h.Append(t.Context(), toGroup(1, bob, g, "late")); code(err) != want {
				t.Errorf("Append of who left meanwhile: %v, want %s", err, want)
			}
			if _, _, err := h.Append(t.Context(), toGroup(1, bob, g, "late")); !errors.Is(err, message.ErrNotMember) {
				t.Errorf("Append of who left: %v, want ErrNotMember", err)
			}
		})
	}
}
