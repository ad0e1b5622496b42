package search

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"pryde/internal/id"
)

const (
	// segmentSize is how many messages a segment is of at most.
	segmentSize = 256
	// maxListed is how large a list grows before its segment ends, in bytes.
	maxListed = 64 << 10
	// restAfter is how long the indexer rests after work, as a multiple of how long that took: the
	// messages of people who write now come first.
	restAfter = 9
	// jobTime bounds the work for one segment.
	jobTime = time.Minute
)

// An indexer brings the indexes up to date of people who search. One goroutine does the work, one
// segment at a time.
type indexer struct {
	store Store
	hash  *hasher // the goroutine's own
	log   *slog.Logger
	pool  *pool
	now   func() time.Time
	size  int // of a segment, in messages
	rest  time.Duration

	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup
}

// newIndexer starts the goroutine. close ends it.
func newIndexer(o Options) *indexer {
	x := &indexer{
		store: o.Store, hash: newHasher(o.Key), log: o.Log, pool: newPool(), now: o.Now, size: segmentSize, rest: restAfter,
	}
	x.ctx, x.end = context.WithCancel(context.Background())
	x.work.Go(x.loop)
	return x
}

func (x *indexer) close() {
	x.end()
	x.work.Wait()
}

func (x *indexer) loop() {
	for x.ctx.Err() == nil {
		t, ok := x.pool.next()
		if !ok {
			select {
			case <-x.pool.ready:
			case <-x.ctx.Done():
			}
			continue
		}
		if err := x.do(t); err != nil && x.ctx.Err() == nil {
			x.log.Warn("an index of messages is brought up to date later", "err", err)
		}
	}
}

func (x *indexer) do(t task) error {
	if t.group.IsZero() {
		return x.bring(t.owner, t.searched)
	}
	ctx, cancel := context.WithTimeout(x.ctx, jobTime)
	defer cancel()
	who, err := x.store.SearchersIn(ctx, t.group)
	x.pool.members(who)
	return err
}

// bring makes the segments that are due of a person, one after the other.
func (x *indexer) bring(owner id.User, searched bool) error {
	for more := true; more && x.ctx.Err() == nil; {
		began := x.now()
		ctx, cancel := context.WithTimeout(x.ctx, jobTime)
		var err error
		more, err = x.step(ctx, owner, searched)
		cancel()
		if errors.Is(err, ErrMoved) {
			more, err = true, nil // the index was dropped meanwhile
		}
		if errors.Is(err, ErrUnreadable) {
			return x.store.DropSegments(x.ctx, owner)
		}
		if err != nil {
			return err
		}
		x.pause(x.rest * x.now().Sub(began))
	}
	return nil
}

func (x *indexer) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-x.ctx.Done():
	}
}

// step makes the segments of some messages. It reports whether there may be more to do.
func (x *indexer) step(ctx context.Context, owner id.User, searched bool) (more bool, err error) {
	head, err := x.store.SearchHead(ctx, owner)
	if err != nil {
		return false, err
	}
	c, err := decodeCover(head)
	if err != nil {
		return false, ErrUnreadable
	}
	j := &job{indexer: x, ctx: ctx, owner: owner, head: head, cover: c}
	switch {
	case c.known:
		return j.run()
	case searched:
		return true, j.begin()
	}
	x.pool.note(owner, false)
	return false, nil
}
