package custody

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"pryde/internal/id"
	"pryde/internal/seal"
)

const (
	// resealBatch is how many values are sealed again in one commit.
	resealBatch = 64
	// restFactor is how many times as long as a batch takes nothing is done after it.
	restFactor = 4
	leastRest  = 5 * time.Millisecond
	// noteEvery is how often it is noted how far the sealing again is.
	noteEvery = time.Second
)

// A job seals again what a retired key has sealed. It passes over all that its owner has sealed
// twice: at once, and when everything that was begun with the key must have ended. Then nothing is
// sealed with it, and it is destroyed.
type job struct {
	key   seal.WrappedKey
	note  note
	noted time.Time
}

// A note is how far a job is.
type note struct {
	Mark   string `json:"mark,omitempty"`
	Last   bool   `json:"last,omitempty"`   // it is in the last pass
	Waits  bool   `json:"waits,omitempty"`  // for the last pass
	Sealed int    `json:"sealed,omitempty"` // values so far
	Lost   int    `json:"lost,omitempty"`
}

// Status says in a few words how far the sealing again is, from what was noted.
func Status(noted string) string {
	var n note
	if noted != "" && json.Unmarshal([]byte(noted), &n) != nil {
		return "not known to this release"
	}
	says := "is being sealed again"
	switch {
	case n.Waits:
		says = "was sealed again; the key goes after a last look"
	case n.Last:
		says = "was sealed again; the last look is taken"
	}
	return fmt.Sprintf("%s (%d values so far)", says, n.Sealed)
}

// choose begins, or goes on with, the first job that is due.
func (s *Service) choose(ctx context.Context) error {
	keys, err := s.Vault.Retired(ctx)
	if err != nil {
		return err
	}
	now := s.Now()
	for _, k := range keys {
		if _, known := s.seen[k.ID]; !known {
			s.seen[k.ID] = now
			s.Vault.Forget(k.Owner)
		}
		if k.Purpose != seal.PurposePerson {
			continue
		}
		j, err := s.open(ctx, k)
		if err != nil {
			return err
		}
		if j.note.Waits && !s.lastDue(k, now) {
			continue
		}
		if j.note.Waits {
			j.note.Waits, j.note.Last, j.note.Mark = false, true, ""
		}
		s.job = j
		return s.save(ctx)
	}
	return nil
}

// open reads how far a job is.
func (s *Service) open(ctx context.Context, k seal.WrappedKey) (*job, error) {
	noted, err := s.Desk.Progress(ctx, k.ID)
	if err != nil {
		return nil, fmt.Errorf("look how far the sealing again is: %w", err)
	}
	j := &job{key: k}
	if noted != "" && json.Unmarshal([]byte(noted), &j.note) != nil {
		j.note = note{} // of another release: from the start
	}
	return j, nil
}

// lastDue reports whether the last pass may begin: nothing that was sealed with the key can come
// into the database any more. Another process may have retired the key, so that this one has known
// it for a shorter time.
func (s *Service) lastDue(k seal.WrappedKey, now time.Time) bool {
	since := s.seen[k.ID]
	if k.RetiredAt.After(since) {
		since = k.RetiredAt
	}
	return !now.Before(since.Add(s.Grace)) && s.Outside() == 0
}

// step seals one batch again.
func (s *Service) step(ctx context.Context) error {
	j := s.job
	b, err := s.Data.Reseal(ctx, id.User(j.key.Owner), j.note.Mark, resealBatch)
	if err != nil {
		s.job = nil // it is opened again, from what was noted
		return fmt.Errorf("seal again: %w", err)
	}
	j.note.Mark = b.Next
	j.note.Sealed += b.Sealed
	j.note.Lost += b.Lost
	if b.Next != "" {
		if time.Since(j.noted) < noteEvery {
			return nil
		}
		return s.save(ctx)
	}
	if j.note.Last {
		return s.finish(ctx)
	}
	j.note.Waits = true
	err = s.save(ctx)
	s.job = nil
	return err
}

func (s *Service) save(ctx context.Context) error {
	b, err := json.Marshal(s.job.note)
	if err != nil {
		return fmt.Errorf("note how far the sealing again is: %w", err)
	}
	if err := s.Desk.NoteProgress(ctx, s.job.key.ID, string(b)); err != nil {
		return fmt.Errorf("note how far the sealing again is: %w", err)
	}
	s.job.noted = time.Now()
	return nil
}

// finish destroys the key: nothing is sealed with it.
func (s *Service) finish(ctx context.Context) error {
	j := s.job
	s.job = nil
	if err := s.Vault.Drop(ctx, j.key); err != nil {
		return err
	}
	delete(s.seen, j.key.ID)
	s.Log.InfoContext(ctx, "a data key that was replaced is destroyed: what it had sealed is sealed with another one",
		"user", id.User(j.key.Owner), "values", j.note.Sealed, "unreadable", j.note.Lost)
	return nil
}
