package journalstore

import (
	"context"
	"time"
)

// settlePause is between two looks at what is decided.
const settlePause = 5 * time.Millisecond

// decided waits until everything is decided up to the newest message that is in the queue. Such a
// message is told at once, while a commit of the inner store whose numbers are lower may still be
// undecided: an answer could reach only up to that, and who listens since then would never hear
// of what lies between.
func (s *Store) decided(ctx context.Context) error {
	s.mu.Lock()
	told := s.queue.highest
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	for s.inner.Settled() < told {
		select {
		case <-time.After(settlePause):
		case <-ctx.Done():
			return errAway.Because(ctx.Err())
		}
	}
	return nil
}
