package mongostore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"pryde/internal/order"
)

const (
	maxBatch = 256  // operations that share a transaction
	maxQueue = 1024 // operations that wait for the writer; further callers wait to be queued
)

const noFloor = -1

// The ways of an operation through the queue.
const (
	opWaits int32 = iota
	opTaken       // by the writer, which answers it
	opGiven       // up by its caller; the writer passes it over
)

// An op is one operation on its way through the writer.
type op struct {
	run      func(*tx) error // may be called several times, the last one counts
	needs    needs
	announce func() order.Seq
	bid      *bid // that it stands for, or nil
	state    atomic.Int32
	err      error         // the outcome; the writer's until done is closed
	done     chan struct{} // closed when the outcome is known
}

func (o *op) answer(err error) {
	o.err = err
	close(o.done)
}

// A writer runs all operations that change the database on one goroutine: those that wait
// share a transaction.
type writer struct {
	store   *Store
	log     *slog.Logger
	session *mongo.Session // one for all transactions: the next one ends what the last one left open
	batch   int64          // number of the transaction; the goroutine's own
	loose   bool           // the server may hold the last transaction open; likewise
	memory  memory         // likewise

	// drawn is the highest number that a failed attempt at the batch has drawn. The next one
	// records it: what it answers without a new number may be announced under that one, which must
	// not be given again after a restart. The goroutine's own.
	drawn order.Seq

	// floor is a number up to which no number of the batch that is not decided was drawn, or
	// noFloor where that has drawn none.
	floor atomic.Int64
	// recorded is the highest number that the lease document is known to have.
	recorded atomic.Int64

	bids    bids
	queue   chan *op
	closing chan struct{}
	stopped chan struct{}

	fencing sync.Once
	fenced  chan struct{}   // closed when another server has taken over
	alive   context.Context // ends with that: nobody waits for the server any more
	die     context.CancelFunc
	onFence func()
	telling sync.WaitGroup
}

// newWriter returns a writer that waits for start and owns session. batch is the number of the
// last transaction that is in the lease document.
func newWriter(s *Store, session *mongo.Session, batch int64, o Options) *writer {
	w := &writer{
		store: s, log: o.Log, session: session, batch: batch, onFence: o.Fenced,
		queue: make(chan *op, maxQueue), closing: make(chan struct{}), stopped: make(chan struct{}),
		fenced: make(chan struct{}),
	}
	w.alive, w.die = context.WithCancel(context.Background())
	w.floor.Store(noFloor)
	return w
}

// start starts the writer's goroutine. stop ends it.
func (w *writer) start() { go w.loop() }

// stop finishes what is queued and waits for the goroutine to end. A transaction that was left
// open would keep others from the lease document until the server gives it up; who takes over
// ends it too, so that a writer that was fenced does not wait long for a server that is away.
func (w *writer) stop() {
	close(w.closing)
	<-w.stopped
	w.telling.Wait()
	w.die()
	patience := w.store.db.timeout
	if errors.Is(w.ended(), errStandby) {
		patience = min(patience, time.Second)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if w.loose {
		_ = w.store.db.client.Database("admin").RunCommand(ctx,
			bson.D{is("killSessions", bson.A{w.session.ID()})}).Err()
	}
	w.session.EndSession(ctx)
}

// fence ends all writing: another server has taken over.
func (w *writer) fence() {
	w.fencing.Do(func() {
		close(w.fenced)
		w.die()
		if w.onFence != nil {
			w.telling.Go(w.onFence)
		}
	})
}

// do runs an operation and returns its true outcome: once it is queued, ctx is no longer looked
// at. An operation that the writer could not begin with in time is not run. what names the
// operation in the error. run may be called several times: what it leaves in the variables of
// its caller must not depend on an earlier call.
func (w *writer) do(ctx context.Context, what string, run func(*tx) error, n ...needs) error {
	o := &op{run: run, announce: func() order.Seq { return w.store.counter.Next(ctx) }, done: make(chan struct{})}
	for _, one := range n {
		o.needs.add(one)
	}
	patience := time.NewTimer(w.store.db.timeout)
	defer patience.Stop()
	err := w.enqueue(ctx, o, patience.C)
	if err == nil {
		order.Queued(ctx)
		err = unavailable(w.wait(o, patience.C))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (w *writer) enqueue(ctx context.Context, o *op, late <-chan time.Time) error {
	if err := ctx.Err(); err != nil {
		return errOverloaded.Because(err)
	}
	if err := w.ended(); err != nil {
		return err
	}
	select {
	case w.queue <- o:
		return nil
	case <-ctx.Done():
		return errOverloaded.Because(ctx.Err())
	case <-late:
		return errOverloaded.Because(errLate)
	case <-w.closing:
		return errClosed
	case <-w.fenced:
		return errStandby
	}
}

// ended returns why nothing is written any more, or nil.
func (w *writer) ended() error {
	select {
	case <-w.fenced:
		return errStandby
	default:
	}
	select {
	case <-w.closing:
		return errClosed
	default:
		return nil
	}
}

// wait returns the outcome of an operation.
func (w *writer) wait(o *op, late <-chan time.Time) error {
	select {
	case <-o.done:
		return o.err
	case <-late:
		if o.state.CompareAndSwap(opWaits, opGiven) {
			return errStore.Because(errLate)
		}
	case <-w.stopped:
	}
	select {
	case <-o.done:
		return o.err
	case <-w.stopped:
	}
	// An operation that slipped into the queue behind the last look at it was never run.
	select {
	case <-o.done:
		return o.err
	default:
		return either(w.ended(), errClosed)
	}
}

func (w *writer) loop() {
	defer close(w.stopped)
	batch := make([]*op, 0, maxBatch)
	for {
		select {
		case <-w.fenced:
			return
		case o := <-w.queue:
			batch = w.gather(batch[:0], o)
			w.commit(batch)
		case <-w.closing:
			for batch = w.gather(batch[:0], nil); len(batch) > 0 && !errors.Is(w.ended(), errStandby); batch = w.gather(batch[:0], nil) {
				w.commit(batch)
			}
			return
		}
	}
}

// gather adds the operations that wait.
func (w *writer) gather(batch []*op, first *op) []*op {
	take := func(o *op) {
		if o != nil && o.state.CompareAndSwap(opWaits, opTaken) {
			batch = append(batch, o)
		}
	}
	take(first)
	yielded := false
	for len(batch) < maxBatch {
		select {
		case o := <-w.queue:
			take(o)
			continue
		default:
		}
		if yielded {
			break
		}
		// Those whose commit was just answered are about to come back: a moment for them makes
		// one full batch where there would be a small one and a large one.
		yielded = true
		runtime.Gosched()
	}
	return batch
}
