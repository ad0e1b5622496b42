package mongostore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Between two attempts at a transaction.
const (
	firstPause = time.Millisecond
	maxPause   = 250 * time.Millisecond
)

var (
	// errLate is the cause where the writer was busy for too long.
	errLate = errors.New("the writer did not come to it in time")
	// errAlone ends a transaction that holds an operation that cannot be undone by itself.
	errAlone = errors.New("an operation failed that cannot be undone alone")
	// errUnknown is the cause where nobody can tell any more whether a commit happened.
	errUnknown = errors.New("the outcome of the commit is not known")
	// errUncommitted says that a commit of unknown outcome turned out not to have happened.
	errUncommitted = errors.New("the transaction was not committed")
)

// commit runs a batch in one transaction and answers every operation in it. What fails as a
// whole is tried again, one operation at a time where one of them may be to blame.
func (w *writer) commit(batch []*op) {
	defer clear(batch)
	if errors.Is(w.ended(), errStandby) {
		fail(batch, errStandby)
		return
	}
	w.commitBy(batch, time.Now().Add(w.store.db.timeout), false)
	w.floor.Store(noFloor)
}

func (w *writer) commitBy(batch []*op, deadline time.Time, careful bool) {
	for pause := firstPause; len(batch) > 0; pause = min(2*pause, maxPause) {
		outcomes, err := w.transaction(batch, deadline, careful)
		if err != nil && !mongo.IsDuplicateKeyError(err) { // after that one nothing is unknown
			w.memory.forget()
		}
		switch {
		case err == nil:
			w.drawn = 0
			for i, o := range batch {
				o.answer(outcomes[i])
			}
			return
		case errors.Is(err, errStandby):
			w.fence()
			fail(batch, err)
			return
		case errors.Is(err, errUnknown):
			w.giveUp(batch, err)
			return
		case errors.Is(err, errUncommitted):
			// The server is back: this time counts, not the one that has passed.
			deadline = time.Now().Add(w.store.db.timeout)
		case transient(err):
			if time.Now().After(deadline) || !w.sleep(pause) {
				w.giveUp(batch, err)
				return
			}
		case mongo.IsDuplicateKeyError(err) && !careful:
			careful = true // a message is no new one
		case len(batch) == 1:
			fail(batch, err)
			return
		default:
			w.bids.forget(batch)
			for i := range batch {
				w.commitBy(batch[i:i+1], deadline, careful)
			}
			return
		}
		w.bids.forget(batch)
	}
}

// giveUp answers a batch that says nothing about its operations.
func (w *writer) giveUp(batch []*op, err error) {
	w.log.Error("the store cannot write", "operations", len(batch), "err", err)
	for _, o := range batch {
		if o.bid != nil {
			o.bid.giveUp() // before one of them is told: those behind them are not stored either
		}
	}
	fail(batch, either(w.ended(), errStore.Because(err)))
}

func fail(batch []*op, err error) {
	for _, o := range batch {
		o.answer(err)
	}
}

// sleep waits a moment, and reports false where there is nothing to wait for any more.
func (w *writer) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.fenced:
		return false
	}
}

// transaction makes one attempt at a batch and returns the outcome of each operation, or an
// error where nothing of it was committed, or errUnknown.
func (w *writer) transaction(batch []*op, deadline time.Time, careful bool) ([]error, error) {
	ctx, cancel := context.WithDeadline(w.alive, deadline)
	defer cancel()
	if w.session.TransactionRunning() {
		w.abort() // its commit never got an answer, and is known not to have happened
	}
	if err := w.session.StartTransaction(); err != nil {
		return nil, err
	}
	w.batch++
	w.loose = true
	u := newUnit(mongo.NewSessionContext(ctx, w.session), w.store)
	u.careful, u.highest = careful, w.drawn
	outcomes, err := w.run(u, batch)
	w.drawn = u.highest
	if err != nil {
		w.abort()
		return nil, err
	}
	// Also where nothing was changed: an answer may rest only on what a majority has.
	if err := w.session.CommitTransaction(ctx); err != nil {
		if err := w.resolve(err); err != nil {
			return nil, err
		}
	}
	w.loose = false
	w.memory.keep(u)
	w.recorded.Store(max(w.recorded.Load(), int64(u.highest)))
	return outcomes, nil
}

// abort ends the transaction. Where the server does not hear of it, the next one ends it, or the
// end of the writer.
func (w *writer) abort() {
	ctx, cancel := context.WithTimeout(w.alive, time.Second)
	defer cancel()
	_ = w.session.AbortTransaction(ctx)
}

// run runs the operations of a batch and writes what they changed.
func (w *writer) run(u *unit, batch []*op) ([]error, error) {
	var n needs
	for _, o := range batch {
		n.add(o.needs)
	}
	if err := u.load(n); err != nil {
		return nil, err
	}
	outcomes := make([]error, len(batch))
	for i, o := range batch {
		t := newTx(u, o.announce)
		outcomes[i] = w.guarded(o, t)
		if u.failed != nil {
			return nil, u.failed
		}
		if outcomes[i] == nil {
			t.merge()
			continue
		}
		if err := outcomes[i]; fromDriver(err) || errors.Is(err, errStandby) {
			return nil, err
		}
		if t.spent {
			if len(batch) == 1 {
				return nil, outcomes[i]
			}
			return nil, errAlone
		}
	}
	if u.empty() {
		return outcomes, u.prove()
	}
	return outcomes, u.flush()
}

// guarded keeps a panic in an operation from ending the writer.
func (w *writer) guarded(o *op, t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("store operation panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in the writer: %v", p)
		}
	}()
	return o.run(t)
}

// resolve finds out whether a commit happened that did not answer, however long that takes: nil
// if it did, errUncommitted if it did not. It gives up with errUnknown when the store is closed
// and the time of an operation has passed since, or when writing has ended.
func (w *writer) resolve(err error) error {
	if !definite(err) {
		w.log.Warn("the outcome of a commit is not known yet", "err", err)
	}
	var last time.Time // when to give up; zero while the store is open
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		if definite(err) {
			if committed, err := w.look(); err == nil || errors.Is(err, errStandby) {
				return either(err, outcome(committed))
			}
		}
		ended := w.ended()
		if ended != nil && last.IsZero() {
			last = time.Now().Add(w.store.db.timeout)
		}
		if errors.Is(ended, errStandby) || !last.IsZero() && time.Now().After(last) {
			return errUnknown
		}
		w.sleep(pause)
		if definite(err) {
			continue
		}
		if err = w.again(); err == nil {
			return nil
		}
	}
}

func outcome(committed bool) error {
	if committed {
		return nil
	}
	return errUncommitted
}

// again repeats the commit, which tells its outcome for as long as the server remembers it.
func (w *writer) again() error {
	ctx, cancel := context.WithTimeout(w.alive, w.store.db.timeout)
	defer cancel()
	return w.session.CommitTransaction(ctx)
}

// definite reports whether the server has answered that it does not hold the transaction: it was
// never committed, or so long ago that it is forgotten.
func definite(err error) bool {
	return labeled(err, labelTransient) || !labeled(err, labelUnknown) && !away(err)
}

// look reads from the lease document whether the last transaction was committed. It is
// errStandby where another server has taken over.
func (w *writer) look() (committed bool, err error) {
	ctx, cancel := context.WithTimeout(w.alive, w.store.db.timeout)
	defer cancel()
	var l leaseDoc
	if err := w.store.coll(stateName).FindOne(ctx, w.store.lease()).Decode(&l); err != nil {
		if errors.Is(err, mongo.ErrNoDocuments) {
			return false, errStandby
		}
		return false, err
	}
	return l.Batch == w.batch, nil
}
