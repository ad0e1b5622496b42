package journalstore

import (
	"sync/atomic"
	"testing"
	"time"

	"pryde/internal/fault"
	"pryde/internal/order"
)

// A settler is an inner store of which only Settled is asked: each time it has settled one more.
type settler struct {
	Inner
	asked atomic.Int64
	upTo  int64
}

func (s *settler) Settled() order.Seq { return order.Seq(min(s.asked.Add(1), s.upTo)) }

func TestAReadWaitsUntilEverythingBelowWhatWasToldIsDecided(t *testing.T) {
	for name, c := range map[string]struct {
		upTo  int64
		away  bool
		wait  time.Duration
		asked int64 // at least
	}{
		"a commit that is decided": {upTo: 5, wait: time.Minute, asked: 5},
		"a commit that is not":     {upTo: 4, wait: 50 * time.Millisecond, away: true},
	} {
		t.Run(name, func(t *testing.T) {
			inner := &settler{upTo: c.upTo}
			s := &Store{inner: inner, queue: newQueue(), wait: c.wait}
			s.queue.highest = 5

			err := s.decided(t.Context())

			if away := fault.Of(err).Kind == fault.KindUnavailable; away != c.away || (err != nil) != c.away {
				t.Errorf("error %v, want that the store is away: %v", err, c.away)
			}
			if got := inner.asked.Load(); got < c.asked {
				t.Errorf("asked %d times, want %d", got, c.asked)
			}
		})
	}
}
