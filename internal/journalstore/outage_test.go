package journalstore_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/testkit/mongod"
)

// A crowd sends messages to each other, each person one after the other.
type crowd struct {
	h     *house
	stop  context.CancelFunc
	all   sync.WaitGroup
	count int // of senders

	mu    sync.Mutex
	acked map[id.User][]message.Message
	taken []time.Duration // how long the acknowledgements took
}

func startCrowd(h *house, count int) *crowd {
	ctx, cancel := context.WithCancel(h.t.Context())
	c := &crowd{h: h, stop: cancel, count: count, acked: map[id.User][]message.Message{}}
	for i := range count {
		h.known(user(100 + i))
	}
	for i := range count {
		c.all.Go(func() { c.talk(ctx, i) })
	}
	return c
}

// known makes the key of a sender, without which nothing of theirs is taken during an outage.
func (h *house) known(sender id.User) {
	h.t.Helper()
	d := draft(0, sender, bob, "x")
	_, err := h.inner.Seal(h.t.Context(), d)
	for tries := 0; err != nil && tries < 10; tries++ {
		_, err = h.inner.Seal(h.t.Context(), d)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (c *crowd) talk(ctx context.Context, i int) {
	me, peer := user(100+i), user(100+(i+1)%c.count)
	for n := 0; ctx.Err() == nil; n++ {
		d := draft(i*100_000+n, me, peer, fmt.Sprint(n))
		d.ClientID = fmt.Sprintf("%d-%d", i, n)
		begun := time.Now()
		m, again, err := c.h.Append(context.WithoutCancel(ctx), d)
		if err != nil || again {
			c.h.t.Errorf("message %d of sender %d: again %v, error %v", n, i, again, err)
			return
		}
		c.mu.Lock()
		c.acked[me] = append(c.acked[me], m)
		c.taken = append(c.taken, time.Since(begun))
		c.mu.Unlock()
	}
}

func (c *crowd) sent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, list := range c.acked {
		n += len(list)
	}
	return n
}

// more waits until so many more were acknowledged.
func (c *crowd) more(n int) {
	c.h.t.Helper()
	want := c.sent() + n
	for deadline := time.Now().Add(time.Minute); c.sent() < want && !c.h.t.Failed(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.h.t.Fatalf("%d of %d messages were acknowledged within a minute", c.sent(), want)
		}
	}
}

// end ends the crowd and compares what is stored with what was acknowledged.
func (c *crowd) end() {
	c.h.t.Helper()
	c.stop()
	c.all.Wait()
	c.h.drained()
	total := 0
	for i := range c.count {
		me, peer := user(100+i), user(100+(i+1)%c.count)
		var mine []message.Message
		for _, m := range c.h.page(c.h.inner, me, peer) {
			if m.Sender == me {
				mine = append(mine, m)
			}
		}
		same(c.h.t, fmt.Sprintf("what sender %d has stored and was told", i), mine, c.acked[me])
		total += len(mine)
		unread, err := c.h.Unread(c.h.t.Context(), peer)
		if err != nil {
			c.h.t.Fatal(err)
		}
		if unread[me] != len(mine) {
			c.h.t.Errorf("%d of %d messages are unread", unread[me], len(mine))
		}
	}
	if total == 0 {
		c.h.t.Fatal("nothing was stored")
	}
	slices.Sort(c.taken)
	c.h.t.Logf("%d messages, %d of them through the journal; acknowledged in p50 %v, p99 %v, at most %v",
		total, c.h.inner.replayed.Load(), c.taken[total/2], c.taken[total*99/100], c.taken[total-1])
	if c.h.inner.replayed.Load() == 0 {
		c.h.t.Error("nothing went through the journal")
	}
}

func TestSendingGoesOnWhileTheDatabaseIsKilled(t *testing.T) {
	t.Parallel()
	server := mongod.ForTest(t, mongod.Options{})
	h := newHouse(t, server.URI("killed"))
	c := startCrowd(h, 8)
	c.more(200)
	for range 2 {
		server.Kill()
		c.more(500)
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.more(500)
	}
	c.end()
}

// A database that stands still leaves commits of which nobody knows whether they happened.
func TestSendingGoesOnWhileTheDatabaseStandsStill(t *testing.T) {
	t.Parallel()
	server := mongod.ForTest(t, mongod.Options{})
	h := newHouse(t, server.URI("paused"))
	c := startCrowd(h, 8)
	for range 3 {
		c.more(300)
		if err := server.Pause(); err != nil {
			t.Fatal(err)
		}
		c.more(300)
		if err := server.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	c.more(500)
	c.end()
}

func TestSendingGoesOnWhileThePrimaryStepsDown(t *testing.T) {
	t.Parallel()
	set := mongod.SetForTest(t, 3, mongod.Options{})
	h := newHouse(t, set.URI("stepdown"))
	h.close()
	h.options.Patience = 50 * time.Millisecond
	h.open()
	c := startCrowd(h, 8)
	c.more(200)
	if _, err := set.StepDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.more(500)
	c.end()
}

// While the database is away, what cannot be told is refused and never empty.
func TestWhatCannotBeToldIsRefused(t *testing.T) {
	t.Parallel()
	server := mongod.ForTest(t, mongod.Options{})
	h := newHouse(t, server.URI("away"))
	stored := h.send(draft(1, alice, bob, "stored"))
	server.Kill()
	waits := h.send(draft(2, alice, bob, "waits"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()

	found, err := h.Message(ctx, waits.ID)
	if err != nil {
		t.Errorf("the waiting message: %v", err)
	}
	same(t, "the waiting message", found, waits)
	for name, call := range map[string]func() error{
		"Message": func() error { _, err := h.Message(ctx, stored.ID); return err },
		"PageBefore": func() error {
			_, err := h.PageBefore(ctx, message.Between(alice, bob), bob, id.Message{}, 10)
			return err
		},
		"Media":         func() error { _, err := h.Media(ctx, message.Between(alice, bob), bob, 0, 10); return err },
		"Rows":          func() error { _, err := h.Rows(ctx, bob, id.Message{}, 10); return err },
		"Unread":        func() error { _, err := h.Unread(ctx, bob); return err },
		"Since":         func() error { _, err := h.Since(ctx, bob, 0, 10); return err },
		"Attempt":       func() error { _, _, err := h.Attempt(ctx, message.Draft{Sender: bob, ClientID: "x"}); return err },
		"Edit":          func() error { _, err := h.Edit(ctx, waits.ID, "other", start); return err },
		"DeleteForAll":  func() error { _, _, err := h.DeleteForAll(ctx, waits.ID, start); return err },
		"DeleteForSelf": func() error { _, _, err := h.DeleteForSelf(ctx, waits.ID, bob, start); return err },
		"MarkRead":      func() error { _, err := h.MarkRead(ctx, bob, waits.ID, start); return err },
		"MarkDelivered": func() error { _, err := h.MarkDelivered(ctx, bob, waits.ID, start); return err },
		"React": func() error {
			_, _, err := h.React(ctx, waits.ID, message.Reaction{User: bob, Emoji: "👍", At: start}, false)
			return err
		},
		"Versions": func() error { _, err := h.Versions(ctx, stored.ID); return err },
		"Some": func() error {
			_, err := h.Some(ctx, message.Between(alice, bob), bob, []id.Message{stored.ID, waits.ID})
			return err
		},
		"Drafts": func() error { _, err := h.Drafts(ctx, bob); return err },
		"SaveDraft": func() error {
			return h.SaveDraft(ctx, bob, message.SavedDraft{Conversation: message.Between(alice, bob), Text: "x", At: start})
		},
		"Clear": func() error { return h.Clear(ctx, bob, alice) },
		"Arrange": func() error {
			_, _, err := h.Arrange(ctx, bob, alice, true, start, func(*message.Settings) {})
			return err
		},
	} {
		if err := call(); code(err) != "STORE_UNAVAILABLE" {
			t.Errorf("%s: %v, want STORE_UNAVAILABLE", name, err)
		}
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.drained()
	same(t, "afterwards", h.page(h.Store, bob, alice), []message.Message{stored, waits})
}

// A change to what waits is made when that is stored.
func TestAChangeWaitsForWhatWaits(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.noAppend.Store(true)
	for name, change := range map[string]func(id.Message) error{
		"Edit": func(m id.Message) error { _, err := h.Edit(t.Context(), m, "other", start); return err },
		"MarkRead": func(m id.Message) error {
			r, err := h.MarkRead(t.Context(), bob, m, start)
			if err == nil && !r.Read {
				err = fmt.Errorf("nothing was marked")
			}
			return err
		},
		"Clear": func(m id.Message) error { return h.Clear(t.Context(), bob, alice) },
		"DeleteForAll": func(m id.Message) error {
			_, done, err := h.DeleteForAll(t.Context(), m, start)
			if err == nil && !done {
				err = fmt.Errorf("nothing was deleted")
			}
			return err
		},
	} {
		for n := range 5 {
			m := h.send(draft(1+len(name)*10+n, alice, bob, "waits"))
			if err := change(m.ID); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	rows, err := h.Rows(t.Context(), bob, id.Message{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows.Items {
		if r.Peer != alice {
			t.Errorf("a row of %v", r.Peer)
		}
	}
}

// Readers beside the drainer miss nothing, at no moment, and see nothing twice.
func TestReadersSeeEverythingAllTheTime(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			h.inner.away(i%3 == 0)
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	for n := range 2 {
		all.Go(func() { follow(ctx, t, h, n) })
	}
	g := h.newGroup(1, alice, bob, carol)
	var sent []message.Message
	fromAlice, toBob, inGroup := 0, 0, 0
	for i := 1; i <= followed; i++ {
		d := draft(i, alice, bob, "x")
		switch i % 4 {
		case 0:
			d.Sender, d.Recipient = bob, carol
		case 1:
			d = toGroup(i, carol, g, "x")
			inGroup++
		case 2:
			d.Sender = carol
			toBob++
		default:
			fromAlice++
			toBob++
		}
		m, _, err := h.Append(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, m)
		if old := max(i-30, 0); i%5 == 0 && sent[old].Sender != bob {
			if _, err := h.MarkDelivered(t.Context(), bob, sent[old].ID, start); err != nil && code(err) != "STORE_UNAVAILABLE" {
				t.Fatal(err)
			}
		}
		unread, err := h.Unread(t.Context(), bob)
		if err != nil {
			t.Fatal(err)
		}
		inGroups, err := h.UnreadInGroups(t.Context(), bob)
		if err != nil {
			t.Fatal(err)
		}
		if n := unread[alice] + unread[carol]; n != toBob || inGroups[g.ID] != inGroup {
			t.Fatalf("after %d messages: %v and %v are unread, want %d and %d", i, unread, inGroups, toBob, inGroup)
		}
		if n := len(h.page(h.Store, bob, alice)); n != fromAlice {
			t.Fatalf("after %d messages: %d with alice, want %d", i, n, fromAlice)
		}
		if n := len(h.thread(h.Store, g, bob)); n != inGroup {
			t.Fatalf("after %d messages: %d in the group, want %d", i, n, inGroup)
		}
		if !m.Group.IsZero() {
			if seat := h.seat(h.Store, g, bob); seat.Last.ID != m.ID || seat.Unread != inGroup {
				t.Fatalf("after %d messages: the seat ends with %v and has %d unread, want %v and %d", i, seat.Last.ID, seat.Unread, m.ID, inGroup)
			}
			continue
		}
		rows, err := h.Rows(t.Context(), bob, id.Message{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		if r := rows.Items[0]; r.Last.ID != m.ID || r.Unread != unread[r.Peer] {
			t.Fatalf("after %d messages: the first row ends with %v and has %d unread, want %v and %d", i, r.Last.ID, r.Unread, m.ID, unread[r.Peer])
		}
	}
	cancel()
	all.Wait()
	h.inner.away(false)
	h.drained()
	if h.inner.replayed.Load() == 0 {
		t.Error("nothing went through the journal")
	}
}

// followed is how many messages bob hears of.
const followed = 150

// follow reads what changed for bob until ctx ends: each message once, in order, whatever it was
// when he was told.
func follow(ctx context.Context, t *testing.T, h *house, n int) {
	heard := map[id.Message]bool{}
	var after order.Seq
	look := func() {
		c, err := h.Since(t.Context(), bob, after, 1000)
		if err != nil || c.Reload {
			t.Errorf("Since(%d): reload %v, error %v", after, c.Reload, err)
		}
		if c.Seq < after {
			t.Errorf("Since(%d) tells up to %d", after, c.Seq)
		}
		for _, r := range c.Rows {
			if r.Changed <= after || r.Changed > c.Seq {
				t.Errorf("Since(%d) up to %d tells of a row that changed at %d", after, c.Seq, r.Changed)
			}
		}
		for _, seat := range c.Groups {
			if seat.Changed <= after || seat.Changed > c.Seq {
				t.Errorf("Since(%d) up to %d tells of a group that changed at %d", after, c.Seq, seat.Changed)
			}
		}
		for _, m := range c.New {
			if heard[m.ID] || m.Seq <= after || m.Seq > c.Seq {
				t.Errorf("Since(%d) up to %d tells of %v at %d (told before: %v)", after, c.Seq, m.ID, m.Seq, heard[m.ID])
			}
			heard[m.ID] = true
		}
		after = c.Seq
	}
	for ctx.Err() == nil && !t.Failed() {
		look()
		time.Sleep(time.Millisecond) // the drainer and the sender want the processor too
	}
	look()
	if got := len(heard); !t.Failed() && got != followed {
		t.Errorf("reader %d heard of %d messages, want %d", n, got, followed)
	}
}

// pipeline sends many messages of one conversation without waiting for the acknowledgements: the
// next sets out when the place of the one before is fixed, as the lane of a conversation has it.
func pipeline(t *testing.T, h *house, from, to id.User, first, count int) {
	var all sync.WaitGroup
	for i := range count {
		placed := make(chan struct{})
		var once sync.Once
		free := func() { once.Do(func() { close(placed) }) }
		all.Go(func() {
			defer free()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			d := draft(first+i, from, to, fmt.Sprint(i))
			d.ClientID = fmt.Sprint(first + i)
			if _, _, err := h.Append(order.OnQueued(ctx, free), d); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		})
		<-placed
	}
	all.Wait()
}

func TestMessagesThatWereSentOneBehindTheOtherKeepTheirOrder(t *testing.T) {
	t.Parallel()
	const count = 1200
	server := mongod.ForTest(t, mongod.Options{})
	h := newHouse(t, server.URI("order"))
	for i := range 3 {
		h.known(user(10 + i))
	}
	var all sync.WaitGroup
	ends := make(chan struct{})
	for i := range 3 {
		all.Go(func() { pipeline(t, h, user(10+i), user(20+i), 1+i*count, count) })
	}
	go func() {
		defer close(ends)
		all.Wait()
	}()
	pauses := 0
	for over := false; !over; {
		select {
		case <-ends:
			over = true
		case <-time.After(100 * time.Millisecond):
			pauses++
			if err := server.Pause(); err != nil {
				t.Error(err)
			}
			time.Sleep(700 * time.Millisecond) // longer than the patience of a message
			if err := server.Resume(); err != nil {
				t.Error(err)
			}
		}
	}
	h.drained()

	for i := range 3 {
		got := h.page(h.inner, user(10+i), user(20+i))
		if len(got) != count {
			t.Errorf("%d messages are stored, want %d", len(got), count)
		}
		for n, m := range got {
			if m.Content != fmt.Sprint(n) {
				t.Fatalf("message %s has place %d", m.Content, n)
			}
		}
	}
	t.Logf("%d of %d messages went through the journal in %d pauses", h.inner.replayed.Load(), 3*count, pauses)
	if h.inner.replayed.Load() == 0 {
		t.Error("nothing went through the journal")
	}
}
