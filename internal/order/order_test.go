package order_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"pryde/internal/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// note returns a function that appends what to heard. Only the line's goroutine calls it.
func note(heard *[]string, what string) func() {
	return func() { *heard = append(*heard, what) }
}

func TestPublishesInOrderOfNumbers(t *testing.T) {
	line := order.NewLine(0)
	var heard []string
	first, a := line.Begin(t.Context())
	second, b := line.Begin(t.Context())
	order.Number(first, 1)
	order.Number(second, 2)

	b.End(note(&heard, "2"))
	a.End(note(&heard, "1"))
	line.Close()

	if want := []string{"1", "2"}; !slices.Equal(heard, want) {
		t.Errorf("published %q, want %q", heard, want)
	}
}

func TestNothingIsPublishedWhileALowerNumberMayCommit(t *testing.T) {
	line := order.NewLine(0)
	var heard []string
	first, a := line.Begin(t.Context())
	second, b := line.Begin(t.Context())
	order.Number(first, 1)
	order.Number(second, 2)
	b.End(note(&heard, "2"))

	_, free := line.Begin(t.Context())
	ran := make(chan struct{})
	free.End(func() {
		heard = append(heard, "unnumbered")
		close(ran)
	})
	<-ran
	a.End(nil)
	line.Close()

	if want := []string{"unnumbered", "2"}; !slices.Equal(heard, want) {
		t.Errorf("published %q, want %q", heard, want)
	}
}

func TestATurnNumberedAgainMovesBack(t *testing.T) {
	line := order.NewLine(0)
	var heard []string
	first, a := line.Begin(t.Context())
	second, b := line.Begin(t.Context())
	order.Number(first, 1)
	order.Number(second, 2)
	order.Number(first, 3)

	a.End(note(&heard, "3"))
	b.End(note(&heard, "2"))
	line.Close()

	if want := []string{"2", "3"}; !slices.Equal(heard, want) {
		t.Errorf("published %q, want %q", heard, want)
	}
}

func TestPublishedStaysBelowTheFirstNumberOfATurnThatHasNotEnded(t *testing.T) {
	line := order.NewLine(0)
	first, a := line.Begin(t.Context())
	second, b := line.Begin(t.Context())
	third, c := line.Begin(t.Context())
	order.Number(first, 1)
	order.Number(second, 2)
	order.Number(third, 3)
	order.Number(second, 4)
	order.Number(first, 5)
	order.Number(first, 6)

	var before, during []order.Seq
	look := func() { before, during = append(before, line.Published()), append(during, line.Begun()) }
	c.End(look)
	b.End(look)
	a.End(look)
	line.Close()

	if want := []order.Seq{0, 0, 0}; !slices.Equal(before, want) {
		t.Errorf("published %d before 3, 4 and 6, want %d", before, want)
	}
	if want := []order.Seq{3, 4, 6}; !slices.Equal(during, want) {
		t.Errorf("begun %d while 3, 4 and 6 are published, want %d", during, want)
	}
	if got := line.Published(); got != 6 {
		t.Errorf("published %d in the end, want 6", got)
	}
}

// The store gives the number of a commit that failed again when it has been restarted: whoever
// took it for told would never hear of that commit.
func TestPublishedIsNeverTheNumberOfACommitThatFailed(t *testing.T) {
	line := order.NewLine(7)
	failed := func(seq order.Seq) {
		ctx, turn := line.Begin(t.Context())
		order.Number(ctx, seq)
		turn.End(nil)
	}
	failed(8)
	ctx, turn := line.Begin(t.Context())
	order.Number(ctx, 9)
	turn.End(func() {})
	failed(10)
	line.Close()

	if got := line.Published(); got != 9 {
		t.Errorf("published up to %d, want 9, the last number that was committed", got)
	}
}

func TestALineStartsBehindWhatWasNumberedBefore(t *testing.T) {
	line := order.NewLine(7)
	defer line.Close()
	if p, b := line.Published(), line.Begun(); p != 7 || b != 7 {
		t.Errorf("published %d, begun %d, want 7", p, b)
	}
}

func TestOnlyTheFirstEndCounts(t *testing.T) {
	line := order.NewLine(0)
	var heard []string
	ctx, a := line.Begin(t.Context())
	order.Number(ctx, 1)

	a.End(note(&heard, "once"))
	a.End(note(&heard, "twice"))
	line.Close()

	if want := []string{"once"}; !slices.Equal(heard, want) {
		t.Errorf("published %q, want %q", heard, want)
	}
}

func TestManyCallersAreHeardInOrder(t *testing.T) {
	const callers, each = 32, 200
	line := order.NewLine(0)
	var writer sync.Mutex // stands for a store's writer
	var next order.Seq
	var heard []order.Seq
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				ctx, turn := line.Begin(t.Context())
				writer.Lock()
				next++
				seq := next
				order.Number(ctx, seq)
				writer.Unlock()
				if rand.IntN(4) == 0 {
					turn.End(nil) // a commit that failed
					continue
				}
				turn.End(func() { heard = append(heard, seq) })
			}
		})
	}
	all.Wait()
	line.Close()

	if !slices.IsSorted(heard) {
		t.Error("published out of order")
	}
	if len(heard) < callers*each/2 {
		t.Errorf("published %d of %d", len(heard), callers*each)
	}
}

func TestQueuedReachesEveryoneWhoWaits(t *testing.T) {
	var released []string
	ctx := order.OnQueued(t.Context(), func() { released = append(released, "socket") })
	ctx = order.OnQueued(ctx, func() { released = append(released, "lane") })

	order.Queued(ctx)
	order.Queued(context.Background())

	if want := []string{"lane", "socket"}; !slices.Equal(released, want) {
		t.Errorf("released %q, want %q", released, want)
	}
}
