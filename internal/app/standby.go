package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"pryde/internal/fault"
	"pryde/internal/mongostore"
	"pryde/internal/seal"
)

const (
	// pollEvery is how often a standby looks whether it can take over.
	pollEvery = 300 * time.Millisecond
	// askAfter is how long after its start an instance asks for the hand-over at the latest.
	askAfter = 3 * time.Second
	// askEvery is how often it says so again.
	askEvery = time.Second
	// retiredPatience is how long nobody must have had the lease before an instance takes it
	// that has given it up.
	retiredPatience = 3 * time.Second
	// storeTimeout is how long the end of an active time waits for what is in the journal.
	storeTimeout = 5 * time.Second
	// sayEvery is how often the log says what a hand-over waits for.
	sayEvery = 10 * time.Second
	// maxPause is the longest time between two attempts to reach a database that is away.
	maxPause = 5 * time.Second
)

// A member is this instance among those that share a database, of which one is active at a
// time: who holds the lease. It stands by, is active, and stands by again.
type member struct {
	*server
	started time.Time
	db      *mongostore.Database
	lease   *mongostore.Lease

	active  bool // it has been, and asks no more
	retired bool // it has given the lease up for another instance
	left    int  // messages that wait in the journal for its next turn
	asked   time.Time
	trouble bool // the database was away when it was last looked at
}

// runShared serves whenever this instance is the active one on its MongoDB.
func (s *server) runShared(ctx context.Context) (err error) {
	m := &member{server: s, started: time.Now()}
	if s.config.JournalDir == "" {
		if err := s.listen(ctx); err != nil {
			return err
		}
	}
	defer func() {
		s.front.become(state{says: "stopping", refusal: errStandby, ending: true})
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Shutdown)
		defer cancel()
		err = errors.Join(err, s.shutDown(bounded))
	}()
	if m.db, err = m.connect(ctx); m.db == nil {
		return err
	}
	defer func() { err = errors.Join(err, m.db.Close()) }()
	m.lease = m.db.Lease(instanceName(), s.config.JournalDir != "")
	for {
		term, err := m.standBy(ctx)
		if term == nil {
			return err
		}
		if err := m.serve(ctx, term); err != nil {
			return err
		}
	}
}

// instanceName is a random name: a process that starts again is another instance.
func instanceName() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// connect returns a connection once the database can be reached, and nil when ctx ends first. What
// does not pass by itself is an error.
func (m *member) connect(ctx context.Context) (*mongostore.Database, error) {
	for pause := pollEvery; ; pause = min(2*pause, maxPause) {
		db, err := mongostore.Connect(ctx, string(m.config.MongoURI), mongostore.ConnectOptions{Timeout: m.config.MongoTimeout})
		if err == nil {
			if err = m.prepare(ctx, db); err == nil {
				return db, nil
			}
			err = errors.Join(err, db.Close())
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		if !passing(err) {
			return nil, fmt.Errorf("MONGODB_URI: %w", err)
		}
		m.away(ctx, err)
		if !sleep(ctx, pause) {
			return nil, nil
		}
	}
}

// prepare does what can be done, and can fail, before anybody is asked for a hand-over: it looks
// whether the keys are the right ones, and makes indexes.
func (m *member) prepare(ctx context.Context, db *mongostore.Database) error {
	vault, err := newVault(m.config, db.Keys())
	if err != nil {
		return err
	}
	if err = vault.Check(ctx); err == nil {
		_, err = vault.ServerKey(ctx)
	}
	if errors.Is(err, seal.ErrWrongKey) {
		return fmt.Errorf("the key in MESSAGE_ENCRYPTION_KEY is not that of the database: %w", err)
	}
	if err != nil {
		return err
	}
	return db.Prepare(ctx, m.log)
}

// passing reports whether an error of the database says that it is away.
func passing(err error) bool { return fault.Of(err).Kind == fault.KindUnavailable }

// away takes note that the database cannot be reached.
func (m *member) away(ctx context.Context, err error) {
	if !m.trouble {
		m.log.WarnContext(ctx, "the database cannot be reached", "err", err)
	}
	m.trouble = true
	m.front.become(state{says: "the database cannot be reached", refusal: errAway})
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// standBy waits until the lease is ours; a nil term means that ctx has ended, or an error.
func (m *member) standBy(ctx context.Context) (*mongostore.Term, error) {
	if ctx.Err() == nil {
		m.log.InfoContext(ctx, "standing by")
	}
	free := time.Now() // since then nobody has had the lease
	for {
		term, taken, err := m.look(ctx, free)
		switch {
		case term != nil:
			return term, nil
		case ctx.Err() != nil:
			return nil, nil
		case err != nil && !passing(err):
			return nil, err
		case err != nil:
			m.away(ctx, err)
		default:
			m.waits(ctx)
		}
		if taken || err != nil {
			free = time.Now()
		}
		if !sleep(ctx, pollEvery) {
			return nil, nil
		}
	}
}

// waits says that the database is there and another instance active.
func (m *member) waits(ctx context.Context) {
	if m.trouble {
		m.log.InfoContext(ctx, "the database is there again")
	}
	m.trouble = false
	switch {
	case m.left > 0:
		m.front.become(state{says: "another instance has taken over; " + inJournal(m.left), refusal: errStandby})
	case m.retired:
		m.front.become(state{says: "another instance has taken over", refusal: errStandby})
	default:
		m.front.become(state{says: "standing by", ready: true, refusal: errStandby})
	}
}

// look takes the lease if that can be done, and asks for it if that is due. taken says that
// somebody else has it; nobody has had it since free. An instance asks once in its life, and where
// messages wait in its journal.
func (m *member) look(ctx context.Context, free time.Time) (term *mongostore.Term, taken bool, err error) {
	if m.retired && time.Since(free) < retiredPatience {
		nobody, err := m.lease.Free(ctx)
		return nil, !nobody, err
	}
	if term, err = m.lease.Take(ctx); term != nil || err != nil {
		return term, false, err
	}
	due := !m.active && (m.front.asked.Load() || time.Since(m.started) > askAfter) || m.left > 0
	if due && time.Since(m.asked) > askEvery {
		m.asked = time.Now()
		err = m.lease.Ask(ctx)
	}
	return nil, true, err
}

// serve is the time in which this instance is the active one. What cannot be opened, and will not
// open later, is an error; so is what a stop could not finish.
func (m *member) serve(ctx context.Context, term *mongostore.Term) error {
	m.active, m.retired = true, false
	b, err := openMongo(ctx, m.config, m.log, m.db, term)
	if err != nil {
		m.release(ctx, term, true)
		return m.unopened(ctx, err)
	}
	err = m.furnish(ctx, term, b)
	for err == nil && b.waiting() > 0 && ctx.Err() == nil && !over(term) {
		err = m.furnish(ctx, term, b) // the lease is given up with an empty journal only
	}
	m.left = b.waiting()
	m.retired = m.retired && m.left == 0
	closed := b.close()
	if m.left > 0 {
		m.log.WarnContext(ctx, "messages wait in the journal for the next turn of this instance", "count", m.left)
		term.Abandon()
	} else {
		m.release(ctx, term, closed == nil && b.settled())
	}
	return errors.Join(err, closed)
}

// furnish makes the rooms over an open database and serves in them.
func (m *member) furnish(ctx context.Context, term *mongostore.Term, b *backend) error {
	r, err := openRooms(ctx, m.config, m.log, b, term.Valid)
	if err != nil {
		return m.unopened(ctx, err)
	}
	defer r.close()
	if m.http == nil {
		if err := m.listen(ctx); err != nil {
			return err
		}
	}
	m.front.become(state{says: "ok", ready: true, rooms: r})
	m.log.InfoContext(ctx, "active", "token", term.Token())
	return m.hold(ctx, term, r, b)
}

// unopened decides what becomes of an instance that has the lease and cannot open the database.
func (m *member) unopened(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case !passing(err):
		return err
	}
	m.away(ctx, err)
	return nil
}

// hold serves until the instance is stopped, asked for the hand-over, or not active any more, and
// returns when nothing is being answered. Its error is what a stop could not finish.
func (m *member) hold(ctx context.Context, term *mongostore.Term, r *rooms, b *backend) error {
	select {
	case <-term.Lost():
	case <-ctx.Done():
	case <-term.Wanted():
		m.retired = m.stored(ctx, term, b)
	}
	switch {
	case over(term):
	case ctx.Err() != nil:
		m.log.InfoContext(ctx, "stopping")
		m.front.become(state{says: "stopping", rooms: r, refusal: errStandby, ending: true})
	default:
		m.log.InfoContext(ctx, "another instance takes over")
		m.front.become(state{says: "handing over to another instance", rooms: r, refusal: errStandby})
	}
	err := m.leave(ctx, term, r, b)
	if err == nil {
		return nil
	}
	m.front.become(state{says: "not active any more", refusal: errStandby})
	lost := over(term)
	if lost {
		m.log.WarnContext(ctx, "the lease is lost: another instance may be active")
		b.fence()
	}
	m.abandon(ctx, r)
	switch {
	case lost:
		return nil
	case ctx.Err() != nil:
		return err
	}
	m.log.WarnContext(ctx, "not everything was finished before the hand-over", "err", err)
	return nil
}

// stored serves on until nothing waits in the journal, and reports whether that is so: it is not
// where the instance is stopped or the lease lost meanwhile.
func (m *member) stored(ctx context.Context, term *mongostore.Term, b *backend) bool {
	said := time.Time{}
	for b.waiting() > 0 {
		if time.Since(said) > sayEvery {
			m.log.WarnContext(ctx, "the hand-over waits for messages in the journal", "count", b.waiting())
			said = time.Now()
		}
		if over(term) || !sleep(ctx, pollEvery) {
			return false
		}
	}
	return true
}

// over reports whether a term is lost.
func over(term *mongostore.Term) bool {
	select {
	case <-term.Lost():
		return true
	default:
		return false
	}
}

// leave finishes what was accepted, within SHUTDOWN_TIMEOUT and as long as the lease is ours.
func (m *member) leave(ctx context.Context, term *mongostore.Term, r *rooms, b *backend) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.config.Shutdown)
	defer cancel()
	if over(term) {
		return errStandby
	}
	drained := make(chan error, 1)
	go func() {
		err := r.drain(ctx)
		if b.journal != nil {
			ctx, cancel := context.WithTimeout(ctx, storeTimeout)
			defer cancel()
			_ = b.journal.Drained(ctx) // what is left waits for the next turn
		}
		drained <- err
	}()
	select {
	case err := <-drained:
		return err
	case <-term.Lost():
		cancel()
		return errors.Join(errStandby, <-drained)
	}
}

// abandonTimeout bounds the wait for what does not heed that everything is over.
const abandonTimeout = 30 * time.Second

// abandon ends everything at once, and returns when nothing is being answered any more.
func (m *member) abandon(ctx context.Context, r *rooms) {
	r.cut()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	if err := r.drain(ctx); err != nil {
		m.log.ErrorContext(ctx, "something still runs", "err", err)
	}
}

// release gives the lease up. Where that fails it runs out by itself.
func (m *member) release(ctx context.Context, term *mongostore.Term, settled bool) {
	if err := term.Release(context.WithoutCancel(ctx), settled); err != nil {
		m.log.WarnContext(ctx, "the lease runs out by itself", "err", err)
		return
	}
	m.log.InfoContext(ctx, "not active any more")
}
