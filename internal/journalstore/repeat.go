package journalstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

// keepNew is keep for a message of which the inner store knows nothing so far. Where it answers
// questions, it is asked: what waited may have been stored in between.
func (s *Store) keepNew(ctx context.Context, f *flight, d message.Draft) (message.Message, bool, error) {
	for {
		s.mu.Lock()
		e, err := s.queue.repeated(d)
		removed := s.queue.removed[d.Sender[id.Size-1]]
		s.mu.Unlock()
		if err != nil {
			return message.Message{}, false, fmt.Errorf("journal message: %w", err)
		}
		if e == nil && s.mayAsk() {
			if m, found, err := s.ask(ctx, d); found || errors.Is(err, errTaken) {
				return m, found, err
			}
		}
		m, again, err := s.keep(ctx, f, d, nil, removed)
		if !errors.Is(err, errRemoved) {
			return m, again, err
		}
	}
}

// errRemoved says that what a message repeats may have been stored meanwhile.
var errRemoved = errors.New("something was stored meanwhile")

// askPause is how long an inner store that gave no answer is not asked.
const askPause = 2 * time.Second

// mayAsk reports whether the inner store is to be asked. While it gives no answers,
// one message at a time tries.
func (s *Store) mayAsk() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.askFrom) {
		return false
	}
	if !s.askFrom.IsZero() {
		s.askFrom = time.Now().Add(askPause)
	}
	return true
}

// ask asks the inner store for an attempt. It is errTaken where another one has the id.
func (s *Store) ask(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	m, found, err := s.inner.Attempt(ctx, d)
	if err == nil && !found {
		switch _, other := s.inner.Message(ctx, d.ID); {
		case other == nil:
			err = errTaken
		case !errors.Is(other, message.ErrNoMessage):
			err = other
		}
	}
	s.answered(err == nil || errors.Is(err, errTaken))
	return m, found && err == nil, err
}

// answered notes whether the inner store gave an answer.
func (s *Store) answered(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.askFrom = time.Time{}
	if !is {
		s.askFrom = time.Now().Add(askPause)
	}
}

// recentAge is how long after it was sent a message may be repeated to another run of the server
// and be known while the database gives no answers.
const recentAge = 5 * time.Minute

// recall remembers what was stored before the server started. Without it the server does its work
// as well: a repeat may be told under two numbers then, and is stored once.
func (s *Store) recall(ctx context.Context) {
	recent, err := s.inner.Recent(ctx, time.Now().Add(-recentAge), maxStored)
	if err != nil {
		s.log.Warn("what was sent last cannot be read", "err", err)
		return
	}
	for _, w := range recent {
		s.queue.remember(w.ClientID, w.Message)
	}
}
