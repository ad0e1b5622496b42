package files

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// sweepEvery is how often what is due is looked at, besides when something was deleted.
	sweepEvery = time.Minute
	// partEvery is how long each of the 256 parts is the one whose rows and objects are compared:
	// all are within a day.
	partEvery = 5 * time.Minute
	// sweepBatch is how many files are looked at together.
	sweepBatch = 100
	// partBatch is how many rows and objects are listed together.
	partBatch = 1_000
	// retryDue is when a file is looked at again that could not be removed.
	retryDue = 10 * time.Minute
	// leastAge is how old a row or an object is that misses the other: a younger one may be on its
	// way.
	leastAge = time.Hour
	// endOfNames stands behind the names of a part.
	endOfNames = 0xff
)

// hurry asks the sweep to look now.
func (s *Service) hurry() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Sweep removes files that no message has, until ctx ends. What it has not come to, it finds again
// after a restart.
func (s *Service) Sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	last := -1
	for ctx.Err() == nil {
		err := s.sweep(ctx)
		if part := s.part(); err == nil && part != last {
			if err = s.compare(ctx, byte(part)); err == nil {
				last = part
			}
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "the sweep of files failed and tries again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// part is the part whose turn it is. It follows from the time alone, so that restarts keep none
// from being looked at.
func (s *Service) part() int { return int(s.now().Unix()/int64(partEvery.Seconds())) & 0xff }

// sweep decides about everything that is due.
func (s *Service) sweep(ctx context.Context) error {
	for {
		now := s.now()
		due, err := s.store.DueUploads(ctx, now, sweepBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, u := range due {
			if err := s.settle(ctx, u); err != nil {
				s.log.WarnContext(ctx, "a file could not be swept", "file", u.Name.String(), "err", err)
				// The others do not wait for it.
				if err := s.store.DeferUpload(ctx, u.Name, now.Add(retryDue)); err != nil {
					return err
				}
			}
		}
	}
}

// settle decides about a file that is due, and removes it where no message has it.
func (s *Service) settle(ctx context.Context, u Upload) error {
	u, err := s.store.SettleUpload(ctx, u.Name, u.Due)
	switch {
	case errors.Is(err, ErrNoUpload):
		return nil
	case err != nil || !u.Doomed:
		return err
	}
	return s.remove(ctx, u.Name)
}

// compare looks at one part of the names. Objects without a row, as after the database was put back
// to an older state, are removed; rows without an object, as after the objects were, are doomed.
func (s *Service) compare(ctx context.Context, part byte) error {
	objects := &listing[Listed]{next: func(after Listed) ([]Listed, error) {
		return s.objects.List(ctx, s.prefix+hex.EncodeToString([]byte{part})+"/", after.Key, partBatch)
	}}
	first, last := Name{part}, Name{part}
	for i := 1; i < nameSize; i++ {
		last[i] = endOfNames
	}
	rows := &listing[Upload]{last: Upload{Name: before(first)}, next: func(after Upload) ([]Upload, error) {
		return s.store.UploadsBetween(ctx, after.Name, last, partBatch)
	}}
	old := s.now().Add(-leastAge)
	for {
		o, listed, err := objects.peek()
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		u, known, err := rows.peek()
		if err != nil {
			return fmt.Errorf("list uploads: %w", err)
		}
		if !listed && !known {
			return nil
		}
		order := strings.Compare(o.Key, s.objectKey(u.Name))
		switch {
		case listed && (!known || order < 0):
			objects.pop()
			if o.Modified.Before(old) {
				s.log.WarnContext(ctx, "an object that belongs to no file is removed", "object", o.Key)
				err = s.objects.Delete(ctx, o.Key)
			}
		case known && (!listed || order > 0):
			rows.pop()
			if u.CreatedAt.Before(old) && !u.Doomed {
				s.log.WarnContext(ctx, "a file whose object is missing is removed", "file", u.Name.String())
				err = s.store.DoomUpload(ctx, u.Name, s.now())
			}
		default:
			objects.pop()
			rows.pop()
		}
		if err != nil {
			return err
		}
	}
}

// before returns the name in front of one whose bytes behind the first are zero. In front of the
// first of all there is none: it is random, and no file has it.
func before(n Name) Name {
	if n[0] == 0 {
		return Name{}
	}
	n[0]--
	for i := 1; i < nameSize; i++ {
		n[i] = endOfNames
	}
	return n
}

// A listing reads a long list, a page at a time.
type listing[T any] struct {
	next func(after T) ([]T, error)
	page []T
	last T
	over bool
}

// peek returns the first that was not taken yet, and whether there is one.
func (l *listing[T]) peek() (first T, ok bool, err error) {
	if len(l.page) == 0 && !l.over {
		if l.page, err = l.next(l.last); err != nil {
			return first, false, err
		}
		l.over = len(l.page) == 0
	}
	if len(l.page) == 0 {
		return first, false, nil
	}
	return l.page[0], true, nil
}

func (l *listing[T]) pop() { l.last, l.page = l.page[0], l.page[1:] }
