// Package custody looks after the keys of people while the server runs: it carries out what an
// operator orders, such as another wrapping, a new key for a person whose key has leaked or the
// erasing of a person, and seals again in the background what is sealed with a key that was
// replaced. It knows no database, no door and not how an order reaches it.
package custody

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"pryde/internal/id"
	"pryde/internal/seal"
)

// A Kind is what can be ordered.
type Kind string

// The kinds of orders.
const (
	Rewrap  Kind = "rewrap"  // wrap all data keys with the newest master key
	Replace Kind = "replace" // give a person a new data key
	Erase   Kind = "erase"   // erase a person
)

// An Order is what an operator wants done.
type Order struct {
	ID       int64 // given by Post; later ones have greater ids
	Kind     Kind
	Username string     // of Replace and Erase; empty once the order is carried out
	Master   seal.KeyID // of Rewrap: which key the operator holds for the newest
	PostedAt time.Time
	DoneAt   time.Time // zero until it is carried out
	Failed   bool      // it could not be, and is not tried again
	Says     string    // what came of it, in one sentence
}

// A Desk keeps orders beside the keys, where the server and the command line both reach them, and
// how far the sealing again is. Its methods are safe for concurrent use and durable.
type Desk interface {
	// Post adds an order and returns its id. Orders that were carried out a day before it go.
	Post(ctx context.Context, o Order) (int64, error)
	// Pending returns the orders that are not carried out, oldest first.
	Pending(ctx context.Context) ([]Order, error)
	// Order returns an order; false where there is none.
	Order(ctx context.Context, i int64) (Order, bool, error)
	// Finish keeps DoneAt, Failed and Says of an order and forgets its username. One that is
	// carried out already stays as it is.
	Finish(ctx context.Context, o Order) error
	// Progress returns what was noted for a retired key; empty where nothing was.
	Progress(ctx context.Context, k seal.DataKeyID) (string, error)
	// NoteProgress keeps a note for a retired key for as long as that is there.
	NoteProgress(ctx context.Context, k seal.DataKeyID, note string) error
}

// People are the accounts.
type People interface {
	// Find returns who has a username, without regard to case, deleted accounts included. It is a
	// fault of kind not found where there is nobody.
	Find(ctx context.Context, username string) (id.User, error)
	// Remove deletes an account as its owner would and ends all sessions. It does nothing where the
	// account is deleted already, or there is none.
	Remove(ctx context.Context, u id.User) error
	// Standing returns those of some people whose accounts are not deleted.
	Standing(ctx context.Context, us []id.User) ([]id.User, error)
}

// Data is what people have sealed, besides what their devices or their index build again.
type Data interface {
	// Reseal looks at up to limit values of a person behind a mark (empty: from the start), and
	// replaces each that is sealed with a retired key by what the present key makes of it, where it
	// is still what was looked at.
	Reseal(ctx context.Context, u id.User, from string, limit int) (Batch, error)
	// DropSegments removes the search index of a person.
	DropSegments(ctx context.Context, u id.User) error
	// DropSegmentsAround removes every search index that knows words of a person.
	DropSegmentsAround(ctx context.Context, u id.User) error
	// DoomUploadsOf has all files of a person removed soon.
	DoomUploadsOf(ctx context.Context, u id.User, at time.Time) error
	// Reload makes those who share a conversation with a person read everything again when they
	// come back.
	Reload(ctx context.Context, u id.User) error
	// Bury deletes up to limit messages of a person behind a mark (empty: from the start) for all, as
	// the person would, and returns the mark to go on from; empty at the end.
	Bury(ctx context.Context, u id.User, from string, at time.Time, limit int) (next string, err error)
}

// A Batch is what came of some values.
type Batch struct {
	Next   string // the mark to go on from; empty at the end
	Seen   int
	Sealed int // again
	Lost   int // that no key opens
}

// Options are what a service is made of.
type Options struct {
	Vault  *seal.Vault
	Desk   Desk
	People People
	Data   Data
	// Outside returns how many sealed messages wait outside the database. nil: none ever.
	Outside func() int
	// Valid reports whether the process may still act. nil: always.
	Valid func() bool
	Log   *slog.Logger
	Now   func() time.Time
	// Grace is how long a key is retired before the last look for what is sealed with it: longer
	// than anything that was begun before can take. 0: DefaultGrace.
	Grace time.Duration
	// Poll is how often orders are looked for. 0: every second.
	Poll time.Duration
}

// DefaultGrace is longer than a request or an upload may take.
const DefaultGrace = 15 * time.Minute

const (
	defaultPoll = time.Second
	// refreshEvery is how often it is read again who was erased.
	refreshEvery = time.Minute
)

// A Service carries out orders and seals again, one thing at a time.
type Service struct {
	Options
	job  *job                         // nil: nothing is being sealed again
	seen map[seal.DataKeyID]time.Time // since when this process knows that a key is retired

	troubled bool // the last turn failed
}

// New returns a service. Run makes it work.
func New(o Options) *Service {
	if o.Outside == nil {
		o.Outside = func() int { return 0 }
	}
	if o.Valid == nil {
		o.Valid = func() bool { return true }
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.Poll == 0 {
		o.Poll = defaultPoll
	}
	return &Service{Options: o, seen: map[seal.DataKeyID]time.Time{}}
}

// Run works until ctx ends. What it was in the middle of goes on with the next Run, also in
// another process.
func (s *Service) Run(ctx context.Context) {
	var polled, refreshed time.Time
	for ctx.Err() == nil {
		rest := s.Poll
		err := s.turn(ctx, &polled, &refreshed, &rest)
		if err != nil {
			rest = max(rest, s.Poll)
		}
		s.notice(ctx, err)
		pause(ctx, rest)
	}
}

// notice logs when nothing can be done any more, and when it can again.
func (s *Service) notice(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !s.troubled:
		s.Log.WarnContext(ctx, "the care of the keys waits", "err", err)
	case err == nil && s.troubled:
		s.Log.InfoContext(ctx, "the care of the keys goes on")
	}
	s.troubled = err != nil
}

// turn does what is due: orders, then one batch of the sealing again.
func (s *Service) turn(ctx context.Context, polled, refreshed *time.Time, rest *time.Duration) error {
	if !s.Valid() {
		return nil
	}
	now := time.Now()
	if now.Sub(*refreshed) >= refreshEvery {
		if err := s.Vault.Refresh(ctx); err != nil {
			return err
		}
		*refreshed = now
	}
	if now.Sub(*polled) >= s.Poll {
		if _, err := s.CarryOut(ctx); err != nil {
			return err
		}
		if s.job == nil {
			if err := s.choose(ctx); err != nil {
				return err
			}
		}
		*polled = now
	}
	if s.job == nil {
		return nil
	}
	began := time.Now()
	err := s.step(ctx)
	// What people do comes first: the longer a batch takes, the longer the rest after it.
	*rest = max(restFactor*time.Since(began), leastRest)
	return err
}

// Restore erases again who was erased and has come back with an older copy of the data. It is
// called before anybody is let in.
func (s *Service) Restore(ctx context.Context) error {
	erased := s.Vault.ErasedOwners()
	batch := make([]id.User, 0, restoreBatch)
	for o := range erased {
		batch = append(batch, id.User(o))
		if len(batch) == cap(batch) {
			if err := s.restore(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return s.restore(ctx, batch)
}

const restoreBatch = 1_000

func (s *Service) restore(ctx context.Context, erased []id.User) error {
	if len(erased) == 0 {
		return nil
	}
	standing, err := s.People.Standing(ctx, erased)
	if err != nil {
		return err
	}
	for _, u := range standing {
		s.Log.WarnContext(ctx, "a person who was erased has come back with an older copy of the data, and is erased again", "user", u)
		if err := s.remove(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// remove takes away what is left of a person besides what their key sealed.
func (s *Service) remove(ctx context.Context, u id.User) error {
	if err := errors.Join(
		s.People.Remove(ctx, u), s.Data.DoomUploadsOf(ctx, u, s.Now()), s.Data.DropSegmentsAround(ctx, u), s.Data.Reload(ctx, u),
	); err != nil {
		return err
	}
	// Nobody can read them any more, but they are counted, and take room.
	for mark := ""; ; {
		began := time.Now()
		next, err := s.Data.Bury(ctx, u, mark, s.Now(), buryBatch)
		if err != nil || next == "" {
			return err
		}
		mark = next
		if pause(ctx, time.Since(began)); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// buryBatch is how many messages of an erased person are deleted at once.
const buryBatch = 64

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
