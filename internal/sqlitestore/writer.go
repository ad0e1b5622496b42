package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"pryde/internal/fault"
	"pryde/internal/order"
)

const (
	maxBatch = 256  // operations that share a commit
	maxQueue = 1024 // operations that wait for the writer; further callers wait to be queued

	// retryAfter is what a caller is told who was not served in time.
	retryAfter = time.Second
)

var (
	errOverloaded = fault.Unavailable("OVERLOADED", "The server is overloaded. Please try again.", retryAfter)
	errStore      = fault.Unavailable("STORE_UNAVAILABLE", "The server cannot store anything right now. Please try again.", retryAfter)
	errClosed     = fault.Unavailable("STORE_UNAVAILABLE", "The server is shutting down. Please try again.", retryAfter)
)

// An op is one operation on its way through the writer.
type op struct {
	run      func(*tx) error
	announce func(order.Seq)
	err      error         // of run; the writer's until done is closed
	done     chan struct{} // closed when the outcome is known
}

// A tx is what an operation sees of the transaction that it runs in.
type tx struct {
	*conn
	w        *writer
	announce func(order.Seq)
}

// coming is the number that next would give.
func (t *tx) coming() order.Seq { return t.w.seq + 1 }

// next gives the operation its commit sequence number. An operation that turns out to change
// nothing does not ask for one.
func (t *tx) next() order.Seq {
	t.w.seq++
	t.announce(t.w.seq)
	return t.w.seq
}

// A writer runs all operations that change the database on one goroutine: those that wait
// share a transaction, a savepoint each, and one synced commit.
type writer struct {
	conn      *conn
	log       *slog.Logger
	seq       order.Seq             // the highest given out; the goroutine's own
	queued    func(context.Context) // called when an operation has its place
	committed func()                // called after every commit

	queue   chan *op
	closing chan struct{}
	stopped chan struct{}
}

// newWriter starts the writer's goroutine, which owns c. The functions must not block. stop
// ends the goroutine.
func newWriter(c *conn, seq order.Seq, log *slog.Logger, queued func(context.Context), committed func()) *writer {
	w := &writer{
		conn: c, log: log, seq: seq, queued: queued, committed: committed,
		queue: make(chan *op, maxQueue), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	go w.loop()
	return w
}

// stop finishes what is queued and waits for the goroutine to end.
func (w *writer) stop() {
	close(w.closing)
	<-w.stopped
}

// do runs an operation and returns its true outcome: once it is queued, ctx is no longer
// looked at. what names the operation in the error.
func (w *writer) do(ctx context.Context, what string, run func(*tx) error) error {
	o := &op{run: run, announce: func(n order.Seq) { order.Number(ctx, n) }, done: make(chan struct{})}
	if err := w.enqueue(ctx, o); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	w.queued(ctx)
	if !w.wait(o) {
		return fmt.Errorf("%s: %w", what, errClosed)
	}
	if o.err == nil {
		return nil
	}
	err := unavailable(o.err)
	if errors.Is(err, errStore) {
		w.log.Error("the store cannot write", "operation", what, "err", o.err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (w *writer) enqueue(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return errOverloaded.Because(err)
	}
	select {
	case <-w.closing:
		return errClosed
	default:
	}
	select {
	case w.queue <- o:
		return nil
	case <-ctx.Done():
		return errOverloaded.Because(ctx.Err())
	case <-w.closing:
		return errClosed
	}
}

// wait reports whether the operation was run.
func (w *writer) wait(o *op) bool {
	select {
	case <-o.done:
		return true
	case <-w.stopped:
	}
	// An operation that slipped into the queue behind the last look at it was never run.
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

func (w *writer) loop() {
	defer close(w.stopped)
	batch := make([]*op, 0, maxBatch)
	for {
		select {
		case o := <-w.queue:
			batch = w.gather(append(batch[:0], o))
			w.commit(batch)
		case <-w.closing:
			for batch = w.gather(batch[:0]); len(batch) > 0; batch = w.gather(batch[:0]) {
				w.commit(batch)
			}
			return
		}
	}
}

// gather adds the operations that wait.
func (w *writer) gather(batch []*op) []*op {
	yielded := false
	for len(batch) < maxBatch {
		select {
		case o := <-w.queue:
			batch = append(batch, o)
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

// commit runs a batch in one transaction and answers every operation in it.
func (w *writer) commit(batch []*op) {
	defer func() {
		for i, o := range batch {
			close(o.done)
			batch[i] = nil
		}
	}()
	if err := w.transaction(batch); err != nil {
		// A transaction that SQLite has given up by itself leaves nothing to roll back.
		_, _ = w.conn.exec("ROLLBACK")
		for _, o := range batch {
			o.err = err
		}
		return
	}
	w.committed()
}

func (w *writer) transaction(batch []*op) error {
	if _, err := w.conn.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	before := w.seq
	for _, o := range batch {
		if err := w.one(o); err != nil {
			return err
		}
	}
	if w.seq != before {
		if _, err := w.conn.exec("UPDATE meta SET value = ? WHERE key = 'seq'", int64(w.seq)); err != nil {
			return err
		}
	}
	_, err := w.conn.exec("COMMIT")
	return err
}

// one runs an operation in a savepoint of its own. An error of one is the end of the whole
// transaction.
func (w *writer) one(o *op) error {
	if _, err := w.conn.exec("SAVEPOINT op"); err != nil {
		return err
	}
	if o.err = w.guarded(o); o.err != nil {
		if _, err := w.conn.exec("ROLLBACK TO op"); err != nil {
			return errors.Join(o.err, err)
		}
	}
	_, err := w.conn.exec("RELEASE op")
	return err
}

// guarded keeps a panic in an operation from ending the writer.
func (w *writer) guarded(o *op) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("store operation panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in the writer: %v", p)
		}
	}()
	return o.run(&tx{conn: w.conn, w: w, announce: o.announce})
}

// unavailable marks the errors that say nothing about the operation: the disk is full or
// fails, or a lock was not to be had.
func unavailable(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN:
		return errStore.Because(err)
	}
	return err
}
