package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
)

const (
	// patience is how long one search looks at texts that no segment has ruled out, before it
	// answers with what it has.
	patience = 3 * time.Second
	// atOnce is how many searches run at once: each holds some messages in memory.
	atOnce = 4
	// maxWait is how long a search waits for a place among them.
	maxWait = 5 * time.Second

	// maxTalks is how many conversations of a person are searched, those with the newest messages.
	maxTalks = 10_000
	// maxChanged is how many changed messages are looked at that the index does not know of.
	maxChanged = 512
)

// Options are what a service is made of. All are required.
type Options struct {
	Store   Store
	Key     [32]byte // of the server's hashes
	Metrics Metrics
	Now     func() time.Time
	Log     *slog.Logger
}

// Metrics are where the service says how it is.
type Metrics interface {
	Gauge(name, help string, read func() float64)
}

// Service searches, and keeps the indexes of those who do. Its methods are safe for concurrent
// use.
type Service struct {
	store   Store
	key     [32]byte
	now     func() time.Time
	places  chan struct{} // one for each search that may run
	indexer *indexer
}

var errBusy = fault.Unavailable("OVERLOADED", "Too many searches at once, please try again", time.Second)

// New returns a service. Close ends what runs in the background.
func New(o Options) *Service {
	s := &Service{store: o.Store, key: o.Key, now: o.Now, places: make(chan struct{}, atOnce)}
	s.indexer = newIndexer(o)
	o.Metrics.Gauge("pryde_search_waiting", "People and groups whose search index waits to be brought up to date, or is at it.",
		func() float64 { return float64(s.indexer.pool.left()) })
	return s
}

// Close ends the making of the index, which goes on another time.
func (s *Service) Close() { s.indexer.close() }

// Changed is told of a message that was stored or changed. It never blocks.
func (s *Service) Changed(n Notice) { s.indexer.pool.changed(n) }

// Search returns the messages of the caller that hold every word of a query, newest first. Its
// errors are ErrQuery, ErrLimit, those of Store and a fault of kind unavailable.
func (s *Service) Search(ctx context.Context, who auth.Identity, q Query) (Found, error) {
	want, err := parse(newHasher(s.key), q.Text)
	switch {
	case err != nil:
		return Found{}, err
	case q.Limit < 1:
		return Found{}, ErrLimit
	}
	if err := s.enter(ctx); err != nil {
		return Found{}, err
	}
	defer func() { <-s.places }()
	found, err := s.look(ctx, who.User, want, q)
	if errors.Is(err, ErrUnreadable) {
		// What the person has written can be read or not for its own reasons: the index only says
		// where, and can be made again.
		if err = s.store.DropSegments(ctx, who.User); err == nil {
			found, err = s.look(ctx, who.User, want, q)
		}
	}
	if err != nil {
		return Found{}, fmt.Errorf("search: %w", err)
	}
	return found, nil
}

// enter waits for a place among the searches that run.
func (s *Service) enter(ctx context.Context) error {
	late := time.NewTimer(maxWait)
	defer late.Stop()
	select {
	case s.places <- struct{}{}:
		return nil
	case <-late.C:
		return errBusy
	case <-ctx.Done():
		return errBusy.Because(ctx.Err())
	}
}

func (s *Service) look(ctx context.Context, owner id.User, want wanted, q Query) (Found, error) {
	end := Ref{Seq: maxNumber}
	if !q.Before.IsZero() {
		var err error
		if end, err = s.store.SearchPlace(ctx, owner, q.Before); err != nil {
			return Found{}, err
		}
	}
	deadline := s.now().Add(patience)
	l := &look{
		ctx: ctx, store: s.store, owner: owner, want: want, end: end, limit: min(q.Limit, MaxLimit),
		over: func() bool { return s.now().After(deadline) }, looked: map[id.Message]bool{},
	}
	if err := l.run(); err != nil {
		return Found{}, err
	}
	if l.behind {
		s.indexer.pool.searched(owner)
	}
	return l.found(), nil
}
