package journalstore

import (
	"context"
	"errors"
	"fmt"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/journal"
	"pryde/internal/message"
	"pryde/internal/order"
)

// Append implements message.Store. Whether one of the two people blocks the other is asked by
// the inner store: what is journaled was allowed as far as its caller knew. Who is in a group is
// asked by the inner store too, and of what is journaled it has to be known.
func (s *Store) Append(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	f, until, err := s.depart(ctx)
	if err != nil {
		return message.Message{}, false, fmt.Errorf("append message: %w", err)
	}
	if f == nil {
		defer s.arrive()
		return s.keepNew(ctx, nil, d)
	}
	defer s.land(f)
	m, again, err := s.inner.AppendWithin(within{until, ctx}, d)
	undecided, open := errors.AsType[message.Undecided](err)
	if !open && !diverts(err) {
		if err == nil {
			s.note(d.ClientID, m)
		}
		return m, again, err
	}
	s.divert(err)
	if open {
		return s.keep(ctx, f, d, &undecided.Message, 0)
	}
	return s.keepNew(ctx, f, d)
}

// codeOverloaded is that of an inner store whose queue is full.
const codeOverloaded = "OVERLOADED"

// diverts reports whether an error says that the message may be stored later, and not that it
// may not be stored, or that another server has taken over.
func diverts(err error) bool {
	f, ok := errors.AsType[*fault.Fault](err)
	return ok && (f.Code == errAway.Code || f.Code == codeOverloaded)
}

// keep puts a message into the journal. f is the flight that failed, or nil. undecided is the
// message as the inner store may have stored it. Where there is none, it is errRemoved unless
// the count of what was removed is still the same.
func (s *Store) keep(ctx context.Context, f *flight, d message.Draft, undecided *message.Message, removed int) (message.Message, bool, error) {
	for {
		e, first, err := s.enqueue(ctx, f, d, undecided, removed)
		if err == nil && first {
			err = s.settle(e)
		}
		switch {
		case err != nil:
			return message.Message{}, false, fmt.Errorf("journal message: %w", err)
		case first:
			m := e.Message
			m.Content, m.Attachment, m.Extra = d.Content, d.Attachment, d.Extra
			return m, false, nil
		}
		<-e.ready
		if e.err != nil {
			continue // what it repeated is not there
		}
		m, err := s.inner.Open(ctx, e.Waiting)
		return m, err == nil, err
	}
}

// enqueue gives a message its place in the journal, and reports false with the one that it
// repeats where that waits.
func (s *Store) enqueue(ctx context.Context, f *flight, d message.Draft, undecided *message.Message, removed int) (e *entry, first bool, err error) {
	w, err := s.sealed(ctx, d)
	if err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	changes := s.known.ended
	s.mu.Unlock()
	foreign := s.admitted(ctx, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.await(ctx, func() bool { return len(s.flights.before(f)) == 0 }); err != nil {
		return nil, false, err
	}
	if err := s.ended(); err != nil {
		return nil, false, err
	}
	if e, err = s.queue.repeated(d); e != nil || err != nil {
		return e, false, err
	}
	if undecided == nil && s.queue.removed[d.Sender[id.Size-1]] != removed {
		return nil, false, errRemoved
	}
	// It has been told under its number, and must not be told under another one.
	if m, stored := s.queue.remembered(d); stored {
		w.Seq, w.Changed, w.CreatedAt = m.Seq, m.Changed, m.CreatedAt
		return &entry{Waiting: w, ready: closedChannel}, false, nil
	}
	if err := either(foreign, s.known.admits(d, changes)); err != nil {
		return nil, false, err
	}
	e = &entry{Waiting: w, ready: make(chan struct{})}
	if undecided != nil {
		e.Seq, e.CreatedAt = undecided.Seq, undecided.CreatedAt
	} else {
		e.Seq, e.CreatedAt = s.inner.Counter().Next(ctx), s.times.next(w.Conversation(), w.CreatedAt)
	}
	e.Changed = e.Seq
	payload := s.cipher.seal(record{kind: kindMessage, token: s.inner.Token(), waiting: e.Waiting})
	e.size = len(payload)
	if e.written, err = s.journal.Enqueue(payload); err != nil {
		return nil, false, refused(err)
	}
	s.queue.add(e)
	s.times.note(e.Message)
	order.Queued(ctx)
	s.landing(f)
	return e, true, nil
}

// sealed makes a draft ready to wait. Only a key that is not in memory takes time.
func (s *Store) sealed(ctx context.Context, d message.Draft) (message.Waiting, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	return s.inner.Seal(ctx, d)
}

// settle waits until an entry is durable. One that cannot be made durable does not wait.
func (s *Store) settle(e *entry) error {
	position, err := e.written.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.log.Error("the journal cannot be written", "err", err)
		e.err = refused(err)
		s.queue.remove(e)
	} else {
		e.position, e.durable = position, true
	}
	e.written = nil // it holds the record
	close(e.ready)
	s.signal()
	return e.err
}

// refused is what a caller is told whose message the journal did not take.
func refused(err error) error {
	switch {
	case errors.Is(err, journal.ErrFull):
		return ErrFull
	case errors.Is(err, journal.ErrClosed):
		return errClosed
	}
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		return f
	}
	return errAway.Because(err)
}

// either returns the first error that there is.
func either(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// ended returns why nothing is taken any more, or nil. The caller holds s.mu.
func (s *Store) ended() error {
	if s.closed {
		return errClosed
	}
	return s.refusal
}

// await waits until something is so. The caller holds s.mu, which is free meanwhile.
func (s *Store) await(ctx context.Context, so func() bool) error {
	for !so() {
		news := s.news
		s.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if err := ctx.Err(); err != nil && !so() {
			return errAway.Because(err)
		}
	}
	return nil
}

// note remembers a message that is stored.
func (s *Store) note(clientID string, m message.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times.note(m)
	s.queue.remember(clientID, m)
	s.known.confirm(m.Group)
}
