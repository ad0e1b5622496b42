package journalstore

import (
	"context"
	"errors"
	"time"
)

// A flight is a message on its direct way to the inner store.
type flight struct {
	late   *time.Timer // ends the patience with all flights
	landed bool
}

// A wave is the flights between two times at which messages go to the journal. They are called off
// together, and no other sets out after that: one that stays on the direct way may be stored
// before one that left it, though that was sent first.
type wave struct {
	context.Context // ends when they are called off
	callOff         context.CancelFunc
}

func newWave() (w wave) {
	w.Context, w.callOff = context.WithCancel(context.Background())
	return w
}

// A within is the context of a flight: what is known of its caller, and the end of its wave. A
// caller who leaves does not call off the others.
type within struct {
	context.Context
	caller context.Context
}

func (w within) Value(key any) any { return w.caller.Value(key) }

// flights are those that are on their way, in the order in which they set out. What goes to the
// journal waits until those before it have landed, there or in the inner store: their place
// was fixed before.
type flights []*flight

// before returns the flights that set out before one, or all for nil, and have not landed.
func (fs flights) before(f *flight) flights {
	for i, other := range fs {
		if other == f {
			return fs[:i]
		}
	}
	return fs
}

// depart sets out on the direct way, with a context that ends when the flight is called off. There
// is no flight where messages go to the journal; the caller is on its way there then, until it
// calls arrive.
func (s *Store) depart(ctx context.Context) (*flight, context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	patient, cancel := context.WithTimeout(ctx, s.patience)
	_ = s.await(patient, func() bool { return !s.gate && !s.crowded() || s.ended() != nil })
	cancel()
	if err := either(ctx.Err(), s.ended()); err != nil {
		return nil, nil, refused(err)
	}
	if s.diverted {
		s.heading++
		s.budget--
		return nil, nil, nil
	}
	f := &flight{}
	f.late = time.AfterFunc(s.patience, func() { s.overdue(f) })
	s.flights = append(s.flights, f)
	return f, s.wave, nil
}

// maxBudget is how many messages may come at once while others are being stored.
const maxBudget = 16 * maxBatch

// crowded reports whether more messages come than the database takes, so that the queue would not
// end. A message has to wait a little then. The caller holds s.mu.
func (s *Store) crowded() bool { return s.diverted && !s.away && s.budget <= 0 }

// arrive ends the way to the journal.
func (s *Store) arrive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heading--; s.heading == 0 {
		s.signal()
	}
}

// land ends a flight. It may be called again.
func (s *Store) land(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.landing(f)
}

// landing is land under s.mu.
func (s *Store) landing(f *flight) {
	if f == nil || f.landed {
		return
	}
	f.landed = true
	f.late.Stop()
	for i, other := range s.flights {
		if other == f {
			s.flights = append(s.flights[:i], s.flights[i+1:]...)
			break
		}
	}
	if s.diverted {
		s.changed()
		s.signal()
	}
}

// errPatience is why messages go to the journal where one has taken too long.
var errPatience = errors.New("the database did not take a message in time")

// overdue diverts where a flight has taken too long.
func (s *Store) overdue(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.landed {
		s.diverting(errPatience)
	}
}

// divert sends messages to the journal from now on. Those that are on their way do not wait any
// longer: what comes behind them waits for them.
func (s *Store) divert(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.diverting(why)
}

// diverting is divert under s.mu.
func (s *Store) diverting(why error) {
	if s.diverted {
		return
	}
	s.log.Warn("the database is away: messages go to the journal", "err", why)
	s.diverted, s.budget = true, maxBudget
	s.wave.callOff() // when nothing sets out any more
	s.changed()
}
