package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pryde/internal/fault"
	"pryde/internal/order"
)

// A bench is a writer over a table of numbers.
type bench struct {
	*writer
	path    string
	commits int // of the writer's goroutine; read once it has stopped
	stopped bool
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{path: filepath.Join(t.TempDir(), "test.db")}
	if err := ensureFile(b.path); err != nil {
		t.Fatal(err)
	}
	c, err := connect(b.path, false, "journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.script("CREATE TABLE meta (key TEXT, value ANY); INSERT INTO meta VALUES ('seq', 0); CREATE TABLE n (n INTEGER UNIQUE)"); err != nil {
		t.Fatal(err)
	}
	b.writer = newWriter(c, 0, slog.New(slog.DiscardHandler), order.Queued, func() { b.commits++ })
	t.Cleanup(func() {
		b.halt()
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) halt() {
	if !b.stopped {
		b.stopped = true
		b.stop()
	}
}

func insertNumber(n int) func(*tx) error {
	return func(t *tx) error {
		_, err := t.exec("INSERT INTO n VALUES (?)", int64(n))
		return err
	}
}

// numbers reads what is committed.
func (b *bench) numbers(t *testing.T) []int64 {
	t.Helper()
	c, err := connect(b.path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	var list []int64
	if err := c.query(func(row []driver.Value) bool {
		list = append(list, integer(row[0]))
		return true
	}, "SELECT n FROM n ORDER BY n"); err != nil {
		t.Fatal(err)
	}
	return list
}

// together runs operations in one batch and returns their outcomes.
func (b *bench) together(t *testing.T, runs ...func(*tx) error) []error {
	t.Helper()
	release := b.block(t)
	errs := make([]error, len(runs))
	var wg sync.WaitGroup
	for i, run := range runs {
		// Each waits until the one before has its place, so that the order is known.
		queued := make(chan struct{})
		ctx := order.OnQueued(t.Context(), sync.OnceFunc(func() { close(queued) }))
		wg.Go(func() { errs[i] = b.do(ctx, "test", run) })
		<-queued
	}
	release()
	wg.Wait()
	return errs
}

// block keeps the writer busy until release is called.
func (b *bench) block(t *testing.T) (release func()) {
	t.Helper()
	running, hold, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- b.do(t.Context(), "block", func(*tx) error {
			close(running)
			<-hold
			return nil
		})
	}()
	<-running
	return func() {
		close(hold)
		if err := <-done; err != nil {
			t.Errorf("the operation that blocked: %v", err)
		}
	}
}

func TestFailingOperationIsUndoneAlone(t *testing.T) {
	b := newBench(t)
	wrong := errors.New("wrong")

	errs := b.together(t,
		insertNumber(1),
		func(tx *tx) error { return errors.Join(insertNumber(2)(tx), wrong) },
		func(tx *tx) error {
			_ = insertNumber(3)(tx)
			panic("no reason")
		},
		insertNumber(1),
		insertNumber(4),
	)
	b.halt()

	if errs[0] != nil || errs[4] != nil {
		t.Errorf("good operations failed: %v, %v", errs[0], errs[4])
	}
	if !errors.Is(errs[1], wrong) || errs[2] == nil || errs[3] == nil {
		t.Errorf("bad operations answered %v, %v, %v", errs[1], errs[2], errs[3])
	}
	if got, want := b.numbers(t), []int64{1, 4}; !slices.Equal(got, want) {
		t.Errorf("committed %d, want %d", got, want)
	}
	if b.commits != 2 {
		t.Errorf("%d commits, want 2: the blocking operation and the batch", b.commits)
	}
}

func TestFailedCommitFailsEveryOperationOfTheBatch(t *testing.T) {
	b := newBench(t)

	errs := b.together(t,
		insertNumber(1),
		// SQLite gives a transaction up by itself when the disk is full.
		func(tx *tx) error {
			_, err := tx.exec("ROLLBACK")
			return err
		},
		insertNumber(2),
	)
	after := b.do(t.Context(), "test", insertNumber(3))

	for i, err := range errs {
		if err == nil {
			t.Errorf("operation %d of a transaction that was given up was told yes", i)
		}
	}
	if after != nil {
		t.Errorf("the operation after it: %v", after)
	}
	if got, want := b.numbers(t), []int64{3}; !slices.Equal(got, want) {
		t.Errorf("committed %d, want %d", got, want)
	}
}

func TestNumbersGrowAcrossFailures(t *testing.T) {
	b := newBench(t)
	var seqs []order.Seq
	take := func(err error) func(*tx) error {
		return func(tx *tx) error {
			seqs = append(seqs, tx.next())
			return err
		}
	}

	b.together(t, take(nil), take(errors.New("wrong")), take(nil))
	b.halt()

	if want := []order.Seq{1, 2, 3}; !slices.Equal(seqs, want) {
		t.Errorf("numbers %d, want %d", seqs, want)
	}
	if got, err := b.conn.number("SELECT value FROM meta WHERE key = 'seq'"); err != nil || got != 3 {
		t.Errorf("the stored number is %d (error %v), want 3", got, err)
	}
}

func TestFullQueueMakesTheCallerWait(t *testing.T) {
	b := newBench(t)
	release := b.block(t)
	var queued, all sync.WaitGroup
	queued.Add(maxQueue)
	for i := range maxQueue {
		ctx := order.OnQueued(t.Context(), sync.OnceFunc(queued.Done))
		all.Go(func() {
			if err := b.do(ctx, "test", insertNumber(i)); err != nil {
				t.Errorf("operation %d: %v", i, err)
			}
		})
	}
	queued.Wait()

	ctx, cancel := context.WithCancel(t.Context())
	impatient := make(chan error)
	go func() { impatient <- b.do(ctx, "test", insertNumber(-1)) }()
	patient := make(chan error)
	go func() { patient <- b.do(t.Context(), "test", insertNumber(-2)) }()
	cancel()
	if f := fault.Of(<-impatient); f.Code != "OVERLOADED" || f.Kind != fault.KindUnavailable || f.RetryAfter <= 0 {
		t.Errorf("the caller who gave up got %v (retry after %v), want OVERLOADED", f, f.RetryAfter)
	}
	release()
	if err := <-patient; err != nil {
		t.Errorf("the caller who waited: %v", err)
	}
	all.Wait()
	b.halt()

	if got := len(b.numbers(t)); got != maxQueue+1 {
		t.Errorf("%d operations are committed, want %d", got, maxQueue+1)
	}
	if want := 2 + maxQueue/maxBatch; b.commits < want {
		t.Errorf("%d commits, want at least %d", b.commits, want)
	}
}

func TestStopFinishesWhatIsQueued(t *testing.T) {
	b := newBench(t)
	release := b.block(t)
	var queued, all sync.WaitGroup
	errs := make([]error, 300)
	queued.Add(len(errs))
	for i := range errs {
		ctx := order.OnQueued(t.Context(), sync.OnceFunc(queued.Done))
		all.Go(func() { errs[i] = b.do(ctx, "test", insertNumber(i)) })
	}
	queued.Wait()

	stopped := make(chan struct{})
	go func() {
		b.halt()
		close(stopped)
	}()
	<-b.closing
	release()
	<-stopped
	all.Wait()

	if err := errors.Join(errs...); err != nil {
		t.Errorf("queued operations failed: %v", err)
	}
	if got := len(b.numbers(t)); got != len(errs) {
		t.Errorf("%d operations are committed, want %d", got, len(errs))
	}
	if f := fault.Of(b.do(t.Context(), "test", insertNumber(-1))); f.Kind != fault.KindUnavailable {
		t.Errorf("an operation after the end got %v, want a fault of unavailability", f)
	}
}

func TestOperationsRaceWithTheEnd(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	var told []int64
	var all sync.WaitGroup
	begun := make(chan struct{})
	for i := range 64 {
		all.Go(func() {
			for n := 0; ; n++ {
				if i == 0 && n == 3 {
					close(begun)
				}
				number := i + 64*n
				if err := b.do(t.Context(), "test", insertNumber(number)); err != nil {
					return
				}
				mu.Lock()
				told = append(told, int64(number))
				mu.Unlock()
			}
		})
	}
	<-begun
	b.halt()
	all.Wait()

	slices.Sort(told)
	if got := b.numbers(t); !slices.Equal(got, told) {
		t.Errorf("%d operations are committed, %d callers were told so", len(got), len(told))
	}
}

func TestErrorOfTheDiskInvitesARetry(t *testing.T) {
	b := newBench(t)
	pages := int64(0)
	err := b.do(t.Context(), "test", func(tx *tx) (err error) {
		if pages, err = tx.number("PRAGMA page_count"); err != nil {
			return err
		}
		_, err = tx.number(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	err = b.do(t.Context(), "test", func(tx *tx) error {
		_, err := tx.exec("CREATE TABLE big (x)")
		return err
	})

	if f := fault.Of(err); f.Kind != fault.KindUnavailable || f.Code != "STORE_UNAVAILABLE" {
		t.Errorf("a full database answers %v, want STORE_UNAVAILABLE", err)
	}
	if err := b.do(t.Context(), "test", insertNumber(1)); err != nil {
		t.Errorf("the operation after it: %v", err)
	}
}
