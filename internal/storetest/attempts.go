package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

const repeatWindow = 5 * time.Second

// repeat appends a draft that must be a repeat of first.
func (d *desk) repeat(draft message.Draft, first message.Message) {
	d.t.Helper()
	got, again, err := d.store.Append(d.t.Context(), draft)
	if err != nil || !again {
		d.t.Fatalf("Append of a repeat: again %v, error %v; want the first message", again, err)
	}
	same(d.t, "message of the first attempt", got, first)
}

func testClientID(t *testing.T, d *desk) {
	draft := d.draft(alice, bob, "once")
	draft.ClientID = "temp-1"
	first := d.append(draft)

	d.repeat(draft, first)
	changed := draft
	changed.ID, changed.Content, changed.Recipient, changed.At = messageID(500), "twice", carol, draft.At.Add(24*time.Hour)
	changed.Fingerprint = message.Fingerprint{0xff}
	d.repeat(changed, first)

	same(t, "page", d.page(alice, bob, bob), []message.Message{first})
	same(t, "unread", d.unread(bob), map[id.User]int{alice: 1})
	same(t, "rows of the other recipient", d.rows(carol), []message.Row(nil))
	d.markRead(bob, first.ID)
	first.Read = true
	d.repeat(draft, first)
}

func testClientIDOfOther(t *testing.T, d *desk) {
	mine, theirs, none, noneAgain := d.draft(alice, bob, "x"), d.draft(bob, alice, "x"), d.draft(alice, bob, "x"), d.draft(alice, bob, "x")
	mine.ClientID, theirs.ClientID = "temp-1", "temp-1"

	for _, draft := range []message.Draft{mine, theirs, none, noneAgain} {
		d.append(draft)
	}

	if got := len(d.page(alice, bob, alice)); got != 4 {
		t.Errorf("%d messages, want 4", got)
	}
}

func testAttemptStays(t *testing.T, d *desk) {
	draft := d.draft(alice, bob, "once")
	draft.ClientID = "temp-1"
	first := d.append(draft)
	tomb := d.deleteForAll(first.ID)

	d.repeat(draft, tomb)
	other := d.draft(alice, bob, "other")
	other.ID = first.ID
	if _, _, err := d.store.Append(t.Context(), other); err == nil {
		t.Error("the id of a deleted message was given again")
	}
}

func testRepeatWindow(t *testing.T, d *desk) {
	draft := d.draft(alice, bob, "again")
	draft.RepeatWindow = repeatWindow
	first := d.append(draft)
	at := func(after time.Duration) message.Draft {
		repeat := draft
		d.sent++
		repeat.ID, repeat.At = messageID(d.sent), draft.At.Add(after)
		return repeat
	}

	d.repeat(at(0), first)
	d.repeat(at(-time.Second), first)
	d.repeat(at(3*time.Second), first)
	d.repeat(at(repeatWindow), first)
	second := d.append(at(repeatWindow + time.Millisecond))

	same(t, "page", d.page(alice, bob, bob), []message.Message{first, second})
	d.repeat(at(repeatWindow+2*time.Millisecond), second)
	d.deleteForAll(second.ID)
	d.append(at(repeatWindow + 3*time.Millisecond))
}

func testRepeatDiffers(t *testing.T, d *desk) {
	draft := d.draft(alice, bob, "again")
	draft.RepeatWindow = repeatWindow
	d.append(draft)

	for name, change := range map[string]func(*message.Draft){
		"sender":      func(m *message.Draft) { m.Sender, m.Recipient = bob, alice },
		"recipient":   func(m *message.Draft) { m.Recipient = carol },
		"fingerprint": func(m *message.Draft) { m.Fingerprint[0]++ },
		"client id":   func(m *message.Draft) { m.ClientID = "temp-1" },
		"no window":   func(m *message.Draft) { m.RepeatWindow = 0 },
	} {
		other := draft
		d.sent++
		other.ID = messageID(d.sent)
		change(&other)
		if _, again, err := d.store.Append(t.Context(), other); err != nil || again {
			t.Errorf("another %s: again %v, error %v; want a message of its own", name, again, err)
		}
	}
}

func testIDClash(t *testing.T, d *desk) {
	first := d.send(alice, bob, "first")

	for name, change := range map[string]func(*message.Draft){
		"without a client id": func(*message.Draft) {},
		"with a client id":    func(m *message.Draft) { m.ClientID = "temp-1" },
		"of another person":   func(m *message.Draft) { m.Sender, m.Recipient = carol, alice },
	} {
		other := d.draft(alice, bob, "second")
		other.ID = first.ID
		change(&other)
		if _, again, err := d.store.Append(t.Context(), other); err == nil {
			t.Errorf("a draft %s took an id that is taken (again %v)", name, again)
		}
	}
	same(t, "page", d.page(alice, bob, bob), []message.Message{first})
	same(t, "unread", d.unread(bob), map[id.User]int{alice: 1})
	same(t, "rows of the other person", d.rows(carol), []message.Row(nil))
}

func testConcurrentAttempts(t *testing.T, d *desk) {
	named, unnamed := d.draft(alice, bob, "named"), d.draft(alice, bob, "unnamed")
	named.ClientID = "temp-1"
	unnamed.RepeatWindow = repeatWindow
	var mu sync.Mutex
	stored := map[string][]id.Message{}
	firsts := map[string]int{}

	var wg sync.WaitGroup
	for i := range 16 {
		for j, draft := range []message.Draft{named, unnamed} {
			draft.ID = messageID(100 + 2*i + j)
			wg.Go(func() {
				m, again, err := d.store.Append(t.Context(), draft)
				if err != nil {
					t.Errorf("Append: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				stored[draft.Content] = append(stored[draft.Content], m.ID)
				if !again {
					firsts[draft.Content]++
				}
			})
		}
	}
	wg.Wait()

	same(t, "attempts that stored something", firsts, map[string]int{"named": 1, "unnamed": 1})
	for text, list := range stored {
		if got := len(slices.Compact(list)); got != 1 {
			t.Errorf("the %s attempt was answered with %d messages, want 1", text, got)
		}
	}
	if got := len(d.page(alice, bob, bob)); got != 2 {
		t.Errorf("%d messages are stored, want 2", got)
	}
}

func testCreatedAt(t *testing.T, d *desk) {
	late, early := d.draft(alice, bob, "late"), d.draft(bob, alice, "early")
	late.At, early.At = start.Add(time.Hour), start

	first, second := d.append(late), d.append(early)
	elsewhere := d.draft(alice, carol, "elsewhere")
	elsewhere.At = start

	if !second.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("the second message is of %v, the first of %v", second.CreatedAt, first.CreatedAt)
	}
	same(t, "stored message", d.find(second.ID), second)
	if got := d.append(elsewhere).CreatedAt; !got.Equal(start) {
		t.Errorf("a message of another conversation is of %v, want %v", got, start)
	}
}

func testNumbers(t *testing.T, d *desk) {
	line := order.NewLine(0)
	type turn struct {
		*order.Turn
		seq order.Seq
	}
	turns := make([]turn, 48)

	var wg sync.WaitGroup
	for i := range turns {
		draft := d.draft(user(10+i%4), user(20+i%8), fmt.Sprint(i))
		wg.Go(func() {
			ctx, t1 := line.Begin(t.Context())
			m, _, err := d.store.Append(ctx, draft)
			if err != nil {
				t.Errorf("Append: %v", err)
			}
			turns[i] = turn{t1, m.Seq}
		})
	}
	wg.Wait()

	// Ending the turns from the last number to the first shows whether they were numbered.
	slices.SortFunc(turns, func(a, b turn) int { return int(b.seq - a.seq) })
	got := published(line, func(publish func(order.Seq) func()) {
		for _, t := range turns {
			t.End(publish(t.seq))
		}
	})
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(turns) {
		t.Errorf("what was announced is numbered %d, want growing numbers", got)
	}
}

func testNoNumber(t *testing.T, d *desk) {
	first, second := d.send(alice, bob, "first"), d.send(alice, bob, "second")
	d.markRead(bob, second.ID)
	hidden := d.deleteForSelf(first.ID, bob)
	tomb := d.deleteForAll(first.ID)
	newest := d.since(alice, 0).Seq
	if newest != tomb.Changed || newest <= hidden.Changed {
		t.Fatalf("the newest number is %d, want %d", newest, tomb.Changed)
	}

	line := order.NewLine(0)
	open, held := line.Begin(t.Context())
	m, _, err := d.store.Append(open, d.draft(alice, carol, "holds up what has a number"))
	if err != nil || m.Seq <= newest {
		t.Fatalf("Append gave number %d and error %v, want more than %d", m.Seq, err, newest)
	}
	// A repeat of an attempt is not among them: a store may draw a number before it finds out.
	calls := []func(context.Context) (bool, error){
		func(ctx context.Context) (bool, error) {
			_, changed, err := d.store.DeleteForAll(ctx, first.ID, start)
			return changed, err
		},
		func(ctx context.Context) (bool, error) {
			_, changed, err := d.store.DeleteForSelf(ctx, first.ID, bob, start)
			return changed, err
		},
		func(ctx context.Context) (bool, error) {
			r, err := d.store.MarkRead(ctx, bob, second.ID, start)
			return r.Changed(), err
		},
		func(ctx context.Context) (bool, error) {
			r, err := d.store.MarkDelivered(ctx, bob, second.ID, start)
			return r.Changed(), err
		},
		func(ctx context.Context) (bool, error) {
			_, changed, err := d.store.Arrange(ctx, bob, alice, true, start, func(*message.Settings) {})
			return changed, err
		},
	}
	got := published(line, func(publish func(order.Seq) func()) {
		for i, call := range calls {
			ctx, turn := line.Begin(t.Context())
			if changed, err := call(ctx); err != nil || changed {
				t.Errorf("call %d reported %v and error %v, want nothing changed", i, changed, err)
			}
			turn.End(publish(0))
		}
		held.End(publish(m.Seq))
	})
	same(t, "what was published", got, []order.Seq{0, 0, 0, 0, 0, m.Seq})
	if next := d.send(alice, bob, "next"); next.Seq != m.Seq+1 {
		t.Errorf("the next number is %d, want %d", next.Seq, m.Seq+1)
	}
}

func testCancelled(t *testing.T, d *desk) {
	m, _, err := d.store.Append(queuedThenCancelled(t.Context()), d.draft(alice, bob, "cancelled"))
	if err != nil {
		t.Fatalf("Append that was queued before its context ended: %v", err)
	}
	same(t, "message", d.find(m.ID), m)

	if _, err := d.store.Edit(queuedThenCancelled(t.Context()), m.ID, "edited", start); err != nil {
		t.Errorf("Edit: %v", err)
	}
	if r, err := d.store.MarkDelivered(queuedThenCancelled(t.Context()), bob, m.ID, start); err != nil || r.Arrived != m.ID {
		t.Errorf("MarkDelivered: %v, %v", r, err)
	}
	if r, err := d.store.MarkRead(queuedThenCancelled(t.Context()), bob, m.ID, start); err != nil || !r.Read {
		t.Errorf("MarkRead: %v, %v", r, err)
	}
	if _, changed, err := d.store.DeleteForSelf(queuedThenCancelled(t.Context()), m.ID, bob, start); err != nil || !changed {
		t.Errorf("DeleteForSelf: %v, %v", changed, err)
	}
	if _, changed, err := d.store.DeleteForAll(queuedThenCancelled(t.Context()), m.ID, start); err != nil || !changed {
		t.Errorf("DeleteForAll: %v, %v", changed, err)
	}
	archive := func(s *message.Settings) { s.Archived = true }
	if _, changed, err := d.store.Arrange(queuedThenCancelled(t.Context()), alice, bob, false, start, archive); err != nil || !changed {
		t.Errorf("Arrange: %v, %v", changed, err)
	}
	if err := d.store.Clear(queuedThenCancelled(t.Context()), alice, bob); err != nil || len(d.rows(alice)) != 0 {
		t.Errorf("Clear: %v, %d rows left", err, len(d.rows(alice)))
	}
}

// Whatever a caller is told whose context has already ended, it is what happened.
func testEndedContext(t *testing.T, d *desk) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	draft := d.draft(alice, bob, "late")

	_, _, err := d.store.Append(ctx, draft)

	_, found := d.store.Message(t.Context(), draft.ID)
	switch {
	case err == nil && found != nil:
		t.Errorf("Append said yes and the message is not there: %v", found)
	case err != nil && !errors.Is(found, message.ErrNoMessage):
		t.Errorf("Append said %v and the message is there (%v)", err, found)
	case err != nil && fault.Of(err).Kind != fault.KindUnavailable:
		t.Errorf("Append said %v, want a fault that invites a retry", err)
	}
}
