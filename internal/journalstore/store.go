// Package journalstore keeps messages while the database is away. It stands in front of a
// store of messages: what that one does not store in time is written to a journal on the
// local disk, acknowledged, and stored later, once and in order. It knows neither the database
// nor a rule of who may do what.
//
// As long as anything waits, further messages go behind it. What waits is part of what is
// read. Other changes go to the store directly; one that concerns a waiting message waits
// until that is stored.
package journalstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/journal"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
)

var _ message.Store = (*Store)(nil)

// An Inner store is the one that keeps the messages in the end.
type Inner interface {
	message.Store
	message.GroupStore
	// AppendWithin is Append that gives up when ctx ends: with message.Undecided where the message
	// may have been stored or may still be, and else with a fault of kind unavailable; then it
	// will not be stored. All calls that were made so far are given up with the first one.
	AppendWithin(ctx context.Context, d message.Draft) (m message.Message, again bool, err error)
	// Seal makes a draft ready to wait, all but its number. It does not need the database where
	// the key of the sender is known.
	Seal(ctx context.Context, d message.Draft) (message.Waiting, error)
	// Open returns a waiting message with its text in the clear.
	Open(ctx context.Context, w message.Waiting) (message.Message, error)
	// Replay stores messages as they stand, in one commit, whatever has come between the two
	// people and whoever has left the group since, and passes over those that are stored already.
	Replay(ctx context.Context, ws []message.Waiting) error
	// Recent returns the attempts among the newest messages, limit at most, that were sent since a
	// time, without their texts and in no order. Some may be missing.
	Recent(ctx context.Context, since time.Time, limit int) ([]message.Waiting, error)
	// RowsWith returns the conversations of a person with some others, in no order. Who has none
	// is left out.
	RowsWith(ctx context.Context, u id.User, peers []id.User) ([]message.Row, error)
	// Settled returns a number up to which every number that the store itself drew is decided:
	// what was committed is seen by the reads that begin from now on.
	Settled() order.Seq
	Counter() *order.Counter // what both stores draw numbers from
	Opened() order.Seq       // the newest number that was given when the database was opened
	Database() [4]byte       // identifies the database
	Token() int64            // grows whenever a server takes the database over, by 1 each time
}

// Options are what a store is made of. Zero durations are the defaults.
type Options struct {
	Inner   Inner
	Journal *journal.Journal // of the database (Tag); the store closes it
	Vault   *seal.Vault      // its server key seals the journal
	Log     *slog.Logger
	// Patience is how long a message may take to be stored before it is journaled.
	Patience time.Duration
	// Wait is how long a change to a waiting message waits until that is stored, and how long the
	// database may take to store some: after that it counts as away.
	Wait time.Duration
}

// The patience where nothing else is said.
const (
	DefaultPatience = 500 * time.Millisecond
	DefaultWait     = 2 * time.Second
)

// retryAfter is what a caller is told who was not served in time.
const retryAfter = time.Second

// Refusals.
var (
	// ErrFull answers a message for which there is no room in the journal.
	ErrFull   = fault.Unavailable("JOURNAL_FULL", "Too many messages wait to be stored. Please try again later.", 5*time.Second)
	errAway   = fault.Unavailable("STORE_UNAVAILABLE", "The server cannot store anything right now. Please try again.", retryAfter)
	errClosed = fault.Unavailable("STORE_UNAVAILABLE", "The server is shutting down. Please try again.", retryAfter)
)

// errTaken answers a new message whose id names another one.
var errTaken = errors.New("the id is taken by another attempt")

// Tag is that of the journal of a database.
func Tag(database [4]byte) (t journal.Tag) {
	copy(t[:], database[:])
	return t
}

// A Store is a message.Store and a message.GroupStore over an inner one. Its methods are safe for concurrent use. Besides
// those of the inner store their errors are faults of kind unavailable: JOURNAL_FULL where the
// bound of the journal is reached, STORE_UNAVAILABLE where the disk fails, where the key of the
// sender is not known, or who is in the group, and for changes while the database is away.
type Store struct {
	inner    Inner
	journal  *journal.Journal
	cipher   *envelope
	log      *slog.Logger
	patience time.Duration
	wait     time.Duration

	// Behind the last message that was there at the start stand, up to rest, only notes.
	lastFound, rest journal.Position

	wake    chan struct{}      // the drainer has something to do
	cancel  context.CancelFunc // ends the drainer
	stopped chan struct{}

	mu       sync.Mutex
	closed   bool
	queue    *queue
	diverted bool          // messages go to the journal
	away     bool          // the last attempt to store what waits failed
	askFrom  time.Time     // the inner store gives no answers: not before; zero where it does
	refusal  error         // why nothing is taken any more: another server has taken over
	gate     bool          // the last that waits is being stored, new ones wait for it
	budget   int           // how many messages may come before some are stored
	heading  int           // messages on their way to the journal that have no place there yet
	news     chan struct{} // closed and replaced when one of the above changed
	known    *directory    // groups
	flights  flights
	wave     wave // to which they belong
	times    times
}

// New returns a store over an inner one and a journal, and begins to store what waits in it. It
// is an error where a record of the journal cannot be opened: nothing that was acknowledged is
// passed over. The journal stays open then; else Close must be called.
func New(ctx context.Context, o Options) (*Store, error) {
	key, err := o.Vault.ServerKey(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the journal of messages: %w", err)
	}
	s := &Store{
		inner: o.Inner, journal: o.Journal, log: o.Log, patience: o.Patience, wait: o.Wait,
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
		queue: newQueue(), known: newDirectory(), news: make(chan struct{}), wave: newWave(), times: times{},
	}
	if s.patience <= 0 {
		s.patience = DefaultPatience
	}
	if s.wait <= 0 {
		s.wait = DefaultWait
	}
	if s.cipher, err = newEnvelope(key, o.Inner.Database()); err != nil {
		return nil, fmt.Errorf("open the journal of messages: %w", err)
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open the journal of messages: %w", err)
	}
	s.recall(ctx)
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go s.drain(ctx)
	return s, nil
}

// load takes over what the journal holds.
func (s *Store) load() error {
	for _, l := range s.journal.Losses() {
		s.log.Error("records of the journal are damaged", "segment", l.Segment, "from", l.From, "to", l.To)
	}
	found := s.journal.Recovered()
	if len(found) == 0 {
		return nil
	}
	entries, token, err := s.read(found)
	if err != nil {
		return err
	}
	if s.rest = found[len(found)-1].Position; len(entries) == 0 {
		return s.journal.Done(s.rest)
	}
	s.lastFound = entries[len(entries)-1].position
	for _, e := range entries {
		s.inner.Counter().Raise(e.Seq)
	}
	if token != s.inner.Token() {
		if err := s.take(entries, token); err != nil {
			return err
		}
	}
	for _, e := range entries {
		s.queue.add(e)
	}
	s.diverted, s.budget = true, maxBudget
	s.log.Info("messages wait to be stored", "count", len(entries))
	s.signal()
	return nil
}

// through is how far everything is done where everything up to a message is.
func (s *Store) through(p journal.Position) journal.Position {
	if p < s.lastFound {
		return p
	}
	return max(p, s.rest)
}

// Opened returns the newest number that had been given out when the store was opened.
func (s *Store) Opened() order.Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.inner.Opened(), s.queue.highest)
}

// Database identifies the database.
func (s *Store) Database() [4]byte { return s.inner.Database() }

// A Status says what waits.
type Status struct {
	Waiting int            // messages that are to be stored
	Since   time.Time      // when the oldest of them was sent; zero where there is none
	Aside   int            // messages that the database does not take; they are tried again at the next start
	Bytes   int64          // of both, on disk
	Away    bool           // the last attempt to store them failed
	Losses  []journal.Loss // what was damaged when the journal was opened
}

// Status returns what waits.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Waiting: len(s.queue.list), Aside: len(s.queue.aside), Away: s.away, Losses: s.journal.Losses()}
	_, st.Bytes = s.journal.Waiting()
	if st.Waiting > 0 {
		st.Since = s.queue.list[0].CreatedAt
	}
	return st
}

// Drained returns nil when nothing is to be stored any more, or the error of ctx when that ends
// first. Who wants to give the database up ends what sends messages before, and where something
// is left says that the end was not clean: the next one must leave out its numbers.
func (s *Store) Drained(ctx context.Context) error {
	for {
		s.mu.Lock()
		waits, news := len(s.queue.list) > 0, s.news
		s.mu.Unlock()
		if !waits {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the work in the background and closes the journal; what waits stays there. The
// inner store stays open. It must be called once, when nothing else is called any more.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.openGate()
	s.wave.callOff()
	s.mu.Unlock()
	s.cancel()
	<-s.stopped
	return s.journal.Close()
}

// signal wakes the drainer. It does not block.
func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// changed tells those who wait that something is different. The caller holds s.mu.
func (s *Store) changed() {
	close(s.news)
	s.news = make(chan struct{})
}

// times remembers when the newest message of a conversation was sent, for those that were
// written to since the server started.
type times map[message.Conversation]time.Time

// maxTimes bounds it; what is forgotten matters only where a clock is set back.
const maxTimes = 10_000

// next is a time for a message of a conversation that is not before the one in front of it.
func (t times) next(c message.Conversation, at time.Time) time.Time {
	if last := t[c]; at.Before(last) {
		return last
	}
	return at
}

func (t times) note(m message.Message) {
	if len(t) >= maxTimes {
		clear(t)
	}
	t[m.Conversation()] = m.CreatedAt
}
