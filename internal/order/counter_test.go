package order_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pryde/internal/order"
)

func TestACounterGoesOnAfterTheNumberThatItWasGiven(t *testing.T) {
	c := order.NewCounter(7)

	first, second := c.Next(t.Context()), c.Next(t.Context())

	if first != 8 || second != 9 || c.Last() != 9 {
		t.Errorf("drew %d and %d, the last is %d; want 8, 9 and 9", first, second, c.Last())
	}
}

func TestACounterIsOnlyRaised(t *testing.T) {
	c := order.NewCounter(7)

	c.Raise(5)
	first := c.Next(t.Context())
	c.Raise(20)

	if second := c.Next(t.Context()); first != 8 || second != 21 {
		t.Errorf("drew %d and %d, want 8 and 21", first, second)
	}
}

func TestReservedNumbersAreNotDrawn(t *testing.T) {
	c := order.NewCounter(7)

	if first, next := c.Reserve(3), c.Next(t.Context()); first != 8 || next != 11 {
		t.Errorf("reserved from %d and drew %d, want 8 and 11", first, next)
	}
}

// Two writers share the counter: were a number drawn before the one below it is announced, the
// line would publish it too early.
func TestNumbersOfManyWritersArePublishedInOrder(t *testing.T) {
	const writers, each = 8, 500
	line := order.NewLine(0)
	c := order.NewCounter(0)
	var heard []order.Seq
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				ctx, turn := line.Begin(t.Context())
				seq := c.Next(ctx)
				if rand.IntN(4) == 0 {
					seq = c.Next(ctx) // tried again
				}
				turn.End(func() { heard = append(heard, seq) })
			}
		})
	}
	all.Wait()
	line.Close()

	if len(heard) != writers*each || !slices.IsSorted(heard) {
		t.Errorf("heard %d numbers, in order: %v; want %d in order", len(heard), slices.IsSorted(heard), writers*each)
	}
	if got := line.Published(); got != c.Last() {
		t.Errorf("published up to %d, the last is %d", got, c.Last())
	}
}
