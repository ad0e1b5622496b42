package mongostore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pryde/internal/message"
	"pryde/internal/order"
)

// errGivenUp is the outcome of an operation whose caller no longer waits.
var errGivenUp = errors.New("the caller has given the operation up")

// Bids are the drafts on their way into the database whose callers may give them up. Where one is
// given up, all are that came so far: it gets a later number elsewhere, and what was sent behind it
// must not be stored under one that is lower.
//
// Of bids that are given up together, those that may have been committed stand before the others,
// and their numbers grow.
type bids struct {
	mu     sync.Mutex
	newest int64 // the place of the last that came
	given  int64 // those up to this place are given up
}

// A bid is one of them.
type bid struct {
	all   *bids
	place int64
	draft message.Draft
	fresh *messageDoc

	doc      *messageDoc
	again    bool
	readUpTo order.Seq

	tried *messageDoc // what the last attempt may have committed; nil: nothing. Guarded by all.mu
}

// join gives a bid its place, before it is queued.
func (all *bids) join(b *bid) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.newest++
	b.all, b.place = all, all.newest
}

// forget says that nothing of the last attempt at a batch was committed, before the next one: its
// numbers are not those that the bids will have. What was told when they were given up stands.
func (all *bids) forget(batch []*op) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, o := range batch {
		if o.bid != nil && o.bid.place > all.given {
			o.bid.tried = nil
		}
	}
}

// giveUp keeps the writer from trying the bid again, and all that came so far, and returns what it
// may have committed.
func (b *bid) giveUp() *messageDoc {
	b.all.mu.Lock()
	defer b.all.mu.Unlock()
	if b.place > b.all.given {
		b.all.given = b.all.newest
	}
	return b.tried
}

func (b *bid) run(t *tx) (err error) {
	if b.doc, err = t.repeated(b.draft, b.fresh); err != nil {
		return err
	}
	if b.again = b.doc != nil; b.again {
		b.readUpTo, err = t.readUpTo(b.doc)
		return err
	}
	// Looked at before, so that nothing under the lock waits for the database.
	if err := t.unit.load(needsOf(b.fresh)); err != nil {
		return err
	}
	// No number is drawn for who has gone.
	b.all.mu.Lock()
	defer b.all.mu.Unlock()
	if b.place <= b.all.given {
		return errGivenUp
	}
	b.tried = nil
	if b.doc, err = t.store(b.draft, *b.fresh); err == nil {
		b.tried = b.doc
	}
	return err
}

// stored is the message of the draft as an attempt stores it.
func (b *bid) stored(doc *messageDoc) message.Message {
	return shown(doc, b.draft)
}

// AppendWithin is Append for who has something better to do than to wait: once ctx ends it returns
// message.Undecided where the message may have been stored or may still be, and else a fault of
// kind unavailable; then it will not be stored. All calls that were made so far are given up
// with the first one, so that what is stored has lower numbers than what is not.
func (s *Store) AppendWithin(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	fresh, err := s.sealDraft(ctx, d)
	if err != nil {
		return message.Message{}, false, fmt.Errorf("append message: %w", unavailable(err))
	}
	b := &bid{draft: d, fresh: fresh}
	err = s.writer.doWithin(ctx, "append message", b, needsOf(fresh))
	switch {
	case err == nil && !b.again:
		return b.stored(b.doc), false, nil
	case err == nil:
		m, err := s.open(context.WithoutCancel(ctx), b.doc, b.readUpTo)
		return m, err == nil, unavailable(err)
	case errors.Is(err, errGivenUp), errors.Is(err, errStore):
		// Where nothing of an attempt was committed for certain, its number serves as well as
		// another.
		if tried := b.giveUp(); tried != nil {
			return message.Message{}, false, message.Undecided{Message: b.stored(tried)}
		}
	}
	if errors.Is(err, errGivenUp) {
		err = fmt.Errorf("append message: %w", errStore.Because(errLate))
	}
	return message.Message{}, false, err
}

// doWithin runs a bid for a caller who leaves when ctx ends: with errGivenUp where the writer has
// begun with it and does not have its outcome.
func (w *writer) doWithin(ctx context.Context, what string, b *bid, n needs) error {
	o := &op{
		run: b.run, bid: b, needs: n, done: make(chan struct{}),
		announce: func() order.Seq { return w.store.counter.Next(ctx) },
	}
	// Before the look at ctx: what is queued after that has ended has a place that was given up.
	w.bids.join(b)
	if err := w.enqueue(ctx, o, nil); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	order.Queued(ctx)
	var err error
	select {
	case <-o.done:
		err = o.err
	case <-ctx.Done():
		b.giveUp()
		if !o.state.CompareAndSwap(opWaits, opGiven) {
			return errGivenUp
		}
		err = errStore.Because(errLate)
	case <-w.stopped:
		err = w.wait(o, nil)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, unavailable(err))
	}
	return nil
}
