package journalstore_test

import (
	"context"
	"testing"
	"time"

	"pryde/internal/journalstore"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/testkit/mongod"
)

// A message that is sent when another one has just been given up goes behind it: at no time is one
// given up while others still set out on the direct way.
func TestNothingGoesTheDirectWayOnceOneWasGivenUp(t *testing.T) {
	t.Parallel()
	h := openHouse(t, mongod.Emptied(t), 5*time.Second, journalstore.Options{Patience: 200 * time.Millisecond})
	way := make(chan string, 4)
	first, second := draft(1, alice, bob, "one"), draft(2, alice, bob, "two")
	results := make(chan message.Message, 2)
	send := func(ctx context.Context, d message.Draft) {
		m, _, err := h.Append(ctx, d)
		if err != nil {
			t.Errorf("append %v: %v", d.ID, err)
		}
		results <- m
	}
	h.inner.appending = func(ctx context.Context, d message.Draft) error {
		if d.ID == second.ID {
			way <- "direct"
			return nil
		}
		order.Queued(ctx)
		<-ctx.Done()
		go send(t.Context(), second)
		if got := <-way; got != "journal" {
			t.Errorf("what was sent after one was given up goes the %s way", got)
		}
		return errAway
	}
	h.inner.asking = func(d message.Draft) {
		if d.ID == second.ID {
			way <- "journal"
		}
	}

	send(t.Context(), first)

	a, b := <-results, <-results
	if a.ID != first.ID {
		a, b = b, a
	}
	if a.Seq >= b.Seq {
		t.Errorf("the first has the number %d, the second %d", a.Seq, b.Seq)
	}
	h.drained()
	for _, want := range []message.Message{a, b} {
		if got, err := h.inner.Message(t.Context(), want.ID); err != nil || got.Seq != want.Seq {
			t.Errorf("%v is stored under %d (%v), want %d", want.ID, got.Seq, err, want.Seq)
		}
	}
}
