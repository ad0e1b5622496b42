package retention_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"pryde/internal/order"
	"pryde/internal/retention"
)

// steps are what a store answers, one after the other.
type steps struct {
	batches []retention.Batch
	dropped order.Seq
}

func (s *steps) Expire(context.Context, time.Time, string, int) (retention.Batch, error) {
	b := s.batches[0]
	s.batches = s.batches[1:]
	return b, nil
}

func (s *steps) DropSegmentsBefore(_ context.Context, before order.Seq) error {
	s.dropped = before
	return nil
}

func TestWhatTheIndexHasOfMessagesGoesWithThem(t *testing.T) {
	for _, tt := range []struct {
		name    string
		batches []retention.Batch
		want    order.Seq
	}{
		{"some are left", []retention.Batch{{Next: "a", Oldest: 7, Settled: 9}, {Oldest: 5, Settled: 9}}, 5},
		{"none is left", []retention.Batch{{Next: "a", Removed: 3, Settled: 9}, {Settled: 12}}, 10},
		{"none was there", []retention.Batch{{Settled: 9}}, 10},
		{"some came meanwhile", []retention.Batch{{Next: "a", Removed: 3, Settled: 9}, {Oldest: 12, Settled: 12}}, 10},
	} {
		s := &steps{batches: tt.batches}
		service := retention.New(retention.Options{Store: s, Age: time.Hour, Log: slog.New(slog.DiscardHandler), Now: time.Now})

		if _, done, err := service.Pass(t.Context()); err != nil || !done {
			t.Errorf("%s: done %v, error %v", tt.name, done, err)
		}

		if s.dropped != tt.want {
			t.Errorf("%s: segments below %d were dropped, want those below %d", tt.name, s.dropped, tt.want)
		}
	}
}
