package journalstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/journal"
	"pryde/internal/journalstore"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/people"
	"pryde/internal/testkit/mongod"
	"pryde/internal/wire"
)

func code(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Code
}

// send stores a draft that must be new.
func (h *house) send(d message.Draft) message.Message {
	h.t.Helper()
	m, again, err := h.Append(h.t.Context(), d)
	if err != nil || again {
		h.t.Fatalf("Append of %q: again %v, error %v; want a new message", d.Content, again, err)
	}
	return m
}

// page is the whole conversation of two people as the first sees it.
func (h *house) page(store message.Store, a, b id.User) []message.Message {
	h.t.Helper()
	p, err := store.PageBefore(h.t.Context(), message.Between(a, b), a, id.Message{}, 10_000)
	if err != nil || p.More {
		h.t.Fatalf("PageBefore: more %v, error %v", p.More, err)
	}
	return p.Items
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

func texts(ms []message.Message) []string {
	var all []string
	for _, m := range ms {
		all = append(all, m.Content)
	}
	return all
}

func TestWhatIsJournaledIsStoredOnceAndAsItWasAcknowledged(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	var want []message.Message
	want = append(want, h.send(draft(1, alice, bob, "stored")))
	h.inner.away(true)
	for i := 2; i < 8; i++ {
		d := draft(i, alice, bob, fmt.Sprint("waits ", i))
		d.Attachment = fmt.Sprint("/files/", i)
		if i == 5 {
			d.At = start // a clock that is set back
		}
		m := h.send(d)
		if m.ID != d.ID || m.Seq <= want[len(want)-1].Seq || m.CreatedAt.Before(want[len(want)-1].CreatedAt) {
			t.Fatalf("acknowledged as %v, %d at %v", m.ID, m.Seq, m.CreatedAt)
		}
		want = append(want, m)
	}
	same(t, "the conversation while they wait", h.page(h.Store, bob, alice), want)
	if st := h.Status(); st.Waiting != 6 || !st.Since.Equal(want[1].CreatedAt) || st.Bytes == 0 {
		t.Errorf("status %+v, want 6 that wait since %v", st, want[1].CreatedAt)
	}

	h.inner.away(false)
	h.drained()

	same(t, "the conversation when they are stored", h.page(h.inner, bob, alice), want)
	unread, err := h.Unread(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unread", unread, map[id.User]int{alice: 7})
	if n := h.inner.replayed.Load(); n != 6 {
		t.Errorf("%d messages were replayed, want 6", n)
	}
	h.send(draft(8, alice, bob, "direct"))
	if n := h.inner.replayed.Load(); n != 6 {
		t.Errorf("%d messages were replayed, want 6: the last one goes the direct way", n)
	}
}

func TestWhatWaitsOutlivesARestart(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.send(draft(1, alice, bob, "stored"))
	h.inner.away(true)
	d := draft(2, alice, bob, "waits")
	d.ClientID = "temp-1"
	first := h.send(d)
	unnamed := draft(3, bob, alice, "waits too")
	unnamed.RepeatWindow = 5 * time.Second
	second := h.send(unnamed)

	h.close()
	h.hold = true
	h.open()

	if got := h.Opened(); got < second.Seq {
		t.Errorf("opened at %d, want at least %d", got, second.Seq)
	}
	for _, again := range []message.Draft{d, unnamed} {
		again.ID = messageID(50)
		m, repeat, err := h.Append(t.Context(), again)
		want := first
		if again.ClientID == "" {
			want = second
		}
		if err != nil || !repeat {
			t.Errorf("a repeat after the restart: again %v, error %v", repeat, err)
		}
		same(t, "the repeat", m, want)
	}
	other := d
	other.Fingerprint[0]++
	if m, repeat, err := h.Append(t.Context(), other); err != nil || !repeat || m.Fingerprint == other.Fingerprint {
		t.Errorf("the attempt with other content: again %v, error %v, fingerprint %v", repeat, err, m.Fingerprint)
	}
	third := h.send(draft(4, alice, bob, "behind"))
	h.inner.away(false)
	h.drained()
	same(t, "the order", texts(h.page(h.inner, alice, bob)), []string{"stored", "waits", "waits too", "behind"})
	if third.Seq <= second.Seq {
		t.Errorf("number %d follows %d", third.Seq, second.Seq)
	}
}

// Where another server has held the database, what waits gets numbers beyond those that it told
// to clients.
func TestAfterAnotherServerWhatWaitsGetsNewNumbers(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]int{"nobody else": 0, "another server": 1} {
		t.Run(name, func(t *testing.T) {
			h := calmHouse(t, mongod.Emptied(t))
			h.inner.away(true)
			var before []message.Message
			for i := range 5 {
				before = append(before, h.send(draft(i, alice, bob, fmt.Sprint(i))))
			}
			h.close()
			var foreign order.Seq
			for range others {
				dir := h.dir
				h.dir = t.TempDir()
				h.open()
				foreign = h.send(draft(100, carol, dave, "meanwhile")).Seq
				h.close()
				h.dir = dir
			}
			// The numbers are told to clients before they are stored, so they must not change again.
			var waiting []message.Message
			for range 3 {
				h.hold = true
				h.open()
				waiting = h.page(h.Store, alice, bob)
				h.close()
			}
			h.hold = false
			h.open()
			h.drained()

			got := h.page(h.inner, alice, bob)
			same(t, "numbers once told", got, waiting)
			for i, m := range got {
				if others == 0 && m.Seq != before[i].Seq || others > 0 && m.Seq <= max(foreign, before[4].Seq) {
					t.Errorf("message %d has number %d, was %d; the other server's was %d", i, m.Seq, before[i].Seq, foreign)
				}
				if m.ID != before[i].ID || !m.CreatedAt.Equal(before[i].CreatedAt) {
					t.Errorf("message %d is %v of %v", i, m.ID, m.CreatedAt)
				}
			}
			if n := h.Status().Waiting; n != 0 {
				t.Errorf("%d wait", n)
			}
		})
	}
}

func TestABlockThatCameAfterwardsDoesNotHoldUpTheQueue(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.noAppend.Store(true)
	h.inner.noReplay.Store(true)
	h.send(draft(1, alice, bob, "acknowledged"))
	h.send(draft(2, alice, carol, "behind"))
	if _, _, err := h.inner.AddBlock(t.Context(), people.Block{ID: wire.BlockID{1}, Blocker: bob, Blocked: alice, CreatedAt: start}); err != nil {
		t.Fatal(err)
	}

	h.inner.away(false)
	h.drained()

	same(t, "bob's", texts(h.page(h.inner, bob, alice)), []string{"acknowledged"})
	same(t, "carol's", texts(h.page(h.inner, carol, alice)), []string{"behind"})
	if _, _, err := h.Append(t.Context(), draft(3, alice, bob, "refused")); !errors.Is(err, people.ErrBlocked) {
		t.Errorf("afterwards: %v, want ErrBlocked", err)
	}
}

func TestBeyondItsBoundTheJournalRefuses(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.close()
	h.bounds.MaxRecords = 3
	h.open()
	h.inner.away(true)
	for i := range 3 {
		h.send(draft(i, alice, bob, fmt.Sprint(i)))
	}

	_, _, err := h.Append(t.Context(), draft(3, alice, bob, "3"))

	if f := fault.Of(err); !errors.Is(err, journalstore.ErrFull) || f.Kind != fault.KindUnavailable || f.RetryAfter <= 0 {
		t.Errorf("the fourth of three: %v, want JOURNAL_FULL", err)
	}
	h.inner.away(false)
	h.drained()
	h.send(draft(3, alice, bob, "3"))
	same(t, "what is stored", texts(h.page(h.inner, alice, bob)), []string{"0", "1", "2", "3"})
}

func TestWhoseKeyIsNotKnownIsRefusedAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	server := mongod.ForTest(t, mongod.Options{})
	h := newHouse(t, server.URI("keys"))
	h.send(draft(1, alice, bob, "stored"))
	server.Kill()

	_, _, err := h.Append(t.Context(), draft(2, carol, bob, "no key"))
	m := h.send(draft(3, alice, bob, "waits"))

	if code(err) != "STORE_UNAVAILABLE" {
		t.Errorf("a sender whose key is not known: %v, want STORE_UNAVAILABLE", err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.drained()
	if got := h.page(h.inner, alice, bob); len(got) != 2 || got[1].Seq != m.Seq {
		t.Errorf("stored %v, want two", got)
	}
}

func TestAnotherServerThatTookOverIsNotOvertaken(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.away(true)
	h.send(draft(1, alice, bob, "waits"))
	h.inner.Fence()

	h.inner.away(false)

	deadline := time.Now().Add(10 * time.Second)
	for {
		_, _, err := h.Append(t.Context(), draft(2, carol, bob, "refused"))
		if code(err) == "STANDBY" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after another server has taken over: %v, want STANDBY", err)
		}
		time.Sleep(time.Millisecond)
	}
	if st := h.Status(); st.Waiting == 0 {
		t.Errorf("status %+v, want what waits", st)
	}
}

func TestTheJournalOfAnotherDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.away(true)
	h.send(draft(1, alice, bob, "waits"))
	h.close()
	_, err := journal.Open(journal.Options{Dir: h.dir, Tag: journalstore.Tag([4]byte{9, 9, 9, 9})})
	if !errors.Is(err, journal.ErrForeign) {
		t.Errorf("opened for another database: %v, want ErrForeign", err)
	}
}

// What the database does not take stands in nobody's way, and is not lost.
func TestWhatTheDatabaseDoesNotTakeIsPutAside(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.away(true)
	for i := range 6 {
		h.send(draft(i, alice, bob, fmt.Sprint(i)))
	}
	h.refuse = func(w message.Waiting) error {
		if w.ID == messageID(1) || w.ID == messageID(4) {
			return errors.New("it does not fit")
		}
		return nil
	}
	h.inner.refuse = h.refuse
	h.inner.away(false)
	if err := h.Drained(t.Context()); err != nil {
		t.Fatal(err)
	}

	same(t, "what is stored", texts(h.page(h.inner, alice, bob)), []string{"0", "2", "3", "5"})
	if st := h.Status(); st.Waiting != 0 || st.Aside != 2 {
		t.Errorf("status %+v, want two aside", st)
	}
	h.send(draft(10, alice, bob, "direct"))
	h.inner.away(true)
	h.send(draft(11, alice, bob, "waits"))
	h.inner.away(false)
	if err := h.Drained(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h.close()
		h.open()
		if err := h.Drained(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := h.Status(); st.Waiting != 0 || st.Aside != 2 {
			t.Errorf("after a restart: status %+v, want two aside", st)
		}
	}
	h.close()
	h.refuse = nil
	h.open()
	h.drained()
	if st := h.Status(); st.Aside != 0 {
		t.Errorf("status %+v, want nothing aside", st)
	}
	same(t, "everything, in its place", texts(h.page(h.inner, alice, bob)), []string{"0", "1", "2", "3", "4", "5", "direct", "waits"})
}

// A database that takes nothing at all is no reason to put everything aside.
func TestWhereNothingIsTakenEverythingWaits(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.away(true)
	for i := range 6 {
		h.send(draft(i, alice, bob, fmt.Sprint(i)))
	}
	var tries atomic.Int64
	h.inner.refuse = func(message.Waiting) error {
		if tries.Add(1) < 40 {
			return errors.New("not authorized")
		}
		return nil
	}
	h.inner.away(false)

	h.drained()

	same(t, "what is stored", texts(h.page(h.inner, alice, bob)), []string{"0", "1", "2", "3", "4", "5"})
	if n := tries.Load(); n < 40 {
		t.Errorf("the database was tried %d times", n)
	}
}

// Numbers of both ways are published in order, and each once.
func TestBothWaysPublishInOrder(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	line := order.NewLine(h.Opened())
	var heard []order.Seq
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 25 {
				if i == 0 {
					h.inner.noAppend.Store(j%5 == 0)
				}
				ctx, turn := line.Begin(t.Context())
				m, _, err := h.Append(ctx, draft(1+i*100+j, user(10+i), bob, fmt.Sprint(j)))
				if err != nil {
					t.Error(err)
				}
				turn.End(func() { heard = append(heard, m.Seq) })
			}
		})
	}
	all.Wait()
	line.Close()
	h.inner.noAppend.Store(false)
	h.drained()

	if len(heard) != 200 || !slices.IsSorted(heard) {
		t.Errorf("%d numbers were published, in order: %v", len(heard), slices.IsSorted(heard))
	}
	if h.inner.replayed.Load() == 0 {
		t.Error("nothing went through the journal")
	}
}

// However many send, the queue ends and messages go the direct way again.
func TestUnderLoadTheJournalEnds(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.away(true)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var n atomic.Int64
	var acked sync.Map
	for i := range 32 {
		all.Go(func() {
			for ctx.Err() == nil {
				d := draft(int(n.Add(1)), user(10+i), bob, "x")
				m, _, err := h.Append(t.Context(), d)
				if err != nil {
					t.Error(err)
					return
				}
				acked.Store(m.ID, m)
				if n.Load() == 500 {
					h.inner.away(false)
				}
			}
		})
	}
	for direct := 0; direct < 3; {
		before := h.inner.replayed.Load()
		seen := n.Load()
		for n.Load() < seen+100 && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		if h.Status().Waiting == 0 && before > 0 && h.inner.replayed.Load() == before {
			direct++
		}
		if t.Failed() {
			break
		}
	}
	cancel()
	all.Wait()
	h.drained()

	acked.Range(func(k, v any) bool {
		m, err := h.inner.Message(t.Context(), k.(id.Message))
		if err != nil || m.Seq != v.(message.Message).Seq {
			t.Errorf("message %v is stored under %d (%v), acknowledged under %d", k, m.Seq, err, v.(message.Message).Seq)
		}
		return !t.Failed()
	})
}
