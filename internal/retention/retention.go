// Package retention removes messages that are older than they may get. It knows neither what a
// message is nor how a store removes one.
package retention

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"pryde/internal/order"
)

// A Store removes messages from the old end of conversations.
type Store interface {
	// Expire goes on behind a mark (empty: from the first conversation) and removes, in one commit, up
	// to limit messages of one conversation that were written before a time, with all that belongs to
	// them: the rows of people and their counts are right after it. It looks at the oldest message
	// of a bounded number of conversations.
	Expire(ctx context.Context, before time.Time, from string, limit int) (Batch, error)
	// DropSegmentsBefore removes what the search index has of messages below a place.
	DropSegmentsBefore(ctx context.Context, before order.Seq) error
}

// A Batch is what came of one step.
type Batch struct {
	Next    string // the mark to go on from; empty at the end
	Removed int
	// Oldest is the lowest place of a message that is left in the conversations that were looked at;
	// 0 where there is none.
	Oldest order.Seq
	// Settled is a place up to which every message was there to be looked at when the step began.
	Settled order.Seq
	// Later says that the store cannot remove anything yet.
	Later bool
}

// Options are what a service is made of.
type Options struct {
	Store Store
	Age   time.Duration // how old a message gets
	// Valid reports whether the process may still act. nil: always.
	Valid func() bool
	Log   *slog.Logger
	Now   func() time.Time
}

const (
	// expireBatch is how many messages one commit removes.
	expireBatch = 100
	// restFactor is how many times as long as a commit takes nothing is done after it.
	restFactor = 4
	leastRest  = 5 * time.Millisecond
	// passEvery is the time from the end of one pass to the next.
	passEvery = time.Hour
	retry     = time.Minute
)

// A Service removes what is too old, time and again.
type Service struct{ Options }

// New returns a service. Run makes it work.
func New(o Options) *Service {
	if o.Valid == nil {
		o.Valid = func() bool { return true }
	}
	return &Service{o}
}

// Run removes what is too old, and what becomes it, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	for ctx.Err() == nil {
		rest := passEvery
		removed, done, err := s.Pass(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.Log.WarnContext(ctx, "old messages wait to be removed", "err", err)
			rest = retry
		case !done:
			rest = retry
		}
		if removed > 0 {
			s.Log.InfoContext(ctx, "messages that were too old were removed", "count", removed)
		}
		pause(ctx, rest)
	}
}

// Pass removes what is too old now, in small commits with rests between them, and returns how many
// messages. It is not done where the store is not ready for it. What a pass has removed stays removed
// where it is interrupted.
func (s *Service) Pass(ctx context.Context) (removed int, done bool, err error) {
	before := s.Now().Add(-s.Age)
	oldest, mark := order.Seq(0), ""
	for {
		if !s.Valid() {
			return removed, false, nil
		}
		began := time.Now()
		b, err := s.Store.Expire(ctx, before, mark, expireBatch)
		if err != nil || b.Later {
			return removed, false, err
		}
		removed += b.Removed
		if mark == "" {
			oldest = b.Settled + 1 // what is written meanwhile stays, and may not be looked at
		}
		if b.Oldest > 0 {
			oldest = min(oldest, b.Oldest)
		}
		if mark = b.Next; mark == "" {
			break
		}
		// What people do comes first: the longer a commit takes, the longer the rest after it.
		pause(ctx, max(restFactor*time.Since(began), leastRest))
		if err := ctx.Err(); err != nil {
			return removed, false, err
		}
	}
	if err := s.Store.DropSegmentsBefore(ctx, oldest); err != nil {
		return removed, false, fmt.Errorf("remove what the search index has of them: %w", err)
	}
	return removed, true, nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
