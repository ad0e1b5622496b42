package journalstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pryde/internal/fault"
	"pryde/internal/journal"
	"pryde/internal/message"
)

const (
	// What is stored in one commit, at most.
	maxBatch      = 256
	maxBatchBytes = 4 << 20

	// Between two attempts to store what waits.
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// codeStandby is that of an inner store that another server has taken over.
const codeStandby = "STANDBY"

// drain stores what waits, until ctx ends.
func (s *Store) drain(ctx context.Context) {
	defer close(s.stopped)
	pause := firstPause
	for {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
		for s.step(ctx, &pause) {
		}
	}
}

// step stores the next batch. It reports false where there is nothing to do until the drainer is
// woken.
func (s *Store) step(ctx context.Context, pause *time.Duration) bool {
	batch := s.next()
	if len(batch) == 0 {
		return false
	}
	err := s.store(ctx, batch)
	s.outcome(err)
	if err == nil {
		*pause = firstPause
		return true
	}
	t := time.NewTimer(*pause)
	defer t.Stop()
	*pause = min(2**pause, maxPause)
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// next returns what is stored next. Where that is all there is, new messages wait at the gate
// until it is stored, and go the direct way then: otherwise there would always be some more.
func (s *Store) next() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended() != nil {
		return nil
	}
	if len(s.queue.list) == 0 {
		s.reopen()
		return nil
	}
	var batch []*entry
	size := 0
	for _, e := range s.queue.list {
		if size += e.size; !e.durable || len(batch) == maxBatch || size > maxBatchBytes && len(batch) > 0 {
			break
		}
		batch = append(batch, e)
	}
	if gate := len(batch) == len(s.queue.list) && !s.away; s.gate && !gate {
		s.openGate()
	} else {
		s.gate = gate
	}
	return batch
}

// reopen lets messages go the direct way again, where nothing waits and nothing is about to. The
// caller holds s.mu.
func (s *Store) reopen() {
	if !s.diverted || s.heading > 0 || len(s.flights) > 0 {
		return
	}
	s.diverted, s.wave = false, newWave()
	s.log.Info("nothing waits any more: messages go to the database")
	s.openGate()
}

// openGate opens the gate, and tells those who wait. The caller holds s.mu.
func (s *Store) openGate() {
	s.gate = false
	s.changed()
}

// store stores a batch and takes it out of the journal.
func (s *Store) store(ctx context.Context, batch []*entry) error {
	upTo := batch[len(batch)-1].position
	err := s.replay(ctx, batch)
	switch {
	case err == nil:
		s.finish(batch, upTo)
		return nil
	case passing(err), len(batch) == 1 && !batch[0].suspect:
		return err
	}
	return s.storeSingly(ctx, batch)
}

// passing reports whether an error says nothing about what was to be stored.
func passing(err error) bool { return err != nil && fault.Of(err).Kind == fault.KindUnavailable }

// storeSingly stores a batch one by one. What the database does not take, before and after it took
// others, is put aside, and nothing has to wait behind it.
func (s *Store) storeSingly(ctx context.Context, batch []*entry) error {
	upTo := batch[len(batch)-1].position
	stored, left, why := s.each(ctx, batch)
	if passing(why) {
		return why
	}
	if len(stored) > 0 {
		var more []*entry
		if more, left, why = s.each(ctx, left); passing(why) {
			return why
		}
		stored = append(stored, more...)
	} else if slices.ContainsFunc(left, func(e *entry) bool { return !e.suspect }) {
		return why
	}
	for _, e := range left {
		s.log.Error("the database does not take a message that waits: it is put aside", "message", e.ID, "err", why)
		if err := s.setAside(e); err != nil {
			return err
		}
	}
	s.finish(stored, upTo)
	return nil
}

// each stores entries one by one, and returns which were stored and which were not, and why. An
// error that is passing ends it.
func (s *Store) each(ctx context.Context, entries []*entry) (stored, left []*entry, why error) {
	for i, e := range entries {
		switch err := s.replay(ctx, entries[i:i+1]); {
		case err == nil:
			stored = append(stored, e)
		case passing(err):
			return nil, nil, err
		default:
			left, why = append(left, e), err
		}
	}
	return stored, left, why
}

// replay stores messages. Where the database does not take them in time it counts as away, though
// it may take them later.
func (s *Store) replay(ctx context.Context, entries []*entry) error {
	ws := make([]message.Waiting, len(entries))
	for i, e := range entries {
		ws[i] = e.Waiting
	}
	running := true
	late := time.AfterFunc(s.wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if running {
			s.away = true
			s.openGate()
		}
	})
	err := s.inner.Replay(ctx, ws)
	late.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	running = false
	return err
}

// setAside puts an entry to the end of the journal, where it waits for the next start.
func (s *Store) setAside(e *entry) error {
	if err := s.again(e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.list = without(s.queue.list, e)
	s.queue.aside = append(s.queue.aside, e)
	return nil
}

// again writes an entry to the end of the journal once more.
func (s *Store) again(e *entry) error {
	at, err := s.journal.Append(s.cipher.seal(record{kind: kindAside, token: s.inner.Token(), waiting: e.Waiting}))
	if err != nil {
		return fmt.Errorf("put a message to the end of the journal: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.position = at
	return nil
}

// done notes in the journal that everything up to a message is done. What was put aside and
// stands before it goes to the end first.
func (s *Store) done(p journal.Position) error {
	upTo := s.through(p)
	s.mu.Lock()
	aside := slices.Clone(s.queue.aside)
	s.mu.Unlock()
	for _, e := range aside {
		if e.position > upTo {
			continue
		}
		if err := s.again(e); err != nil {
			return err
		}
	}
	return s.journal.Done(upTo)
}

// finish takes what is stored out of the queue, and everything up to a position out of the
// journal. Where that cannot note it, it is stored once more after a restart, which changes
// nothing.
func (s *Store) finish(stored []*entry, upTo journal.Position) {
	if err := s.done(upTo); err != nil {
		s.log.Error("the journal cannot note what is stored", "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.remove(stored...)
	s.budget = min(s.budget+(len(stored)+1)/2, maxBudget)
	s.changed()
}

// outcome notes whether the database took a batch.
func (s *Store) outcome(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.away
	s.away = err != nil
	if err != nil {
		if f := fault.Of(err); f.Code == codeStandby {
			s.refusal = f
		}
		s.openGate()
	}
	switch {
	case s.away && !was:
		s.log.Warn("the database does not take what waits", "waiting", len(s.queue.list), "err", err)
		s.changed()
	case was && !s.away:
		s.log.Info("the database takes what waits", "waiting", len(s.queue.list))
		s.changed()
	}
}
