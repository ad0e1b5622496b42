package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/fault"
	"pryde/internal/order"
)

const numbersName = "numbers"

// A bench is a store whose writer is put to the test with a collection of numbers.
type bench struct{ *opened }

func newBench(t *testing.T, d *Database, o Options) bench {
	t.Helper()
	if err := d.data.CreateCollection(t.Context(), numbersName); err != nil {
		t.Fatal(err)
	}
	return bench{openWith(t, d, o)}
}

func insertNumber(n int) func(*tx) error {
	return func(t *tx) error {
		_, err := t.collection(numbersName).InsertOne(t.ctx, bson.D{is("_id", n)})
		return err
	}
}

// numbers reads what is committed.
func (b bench) numbers(t *testing.T) []int {
	t.Helper()
	c, err := b.coll(numbersName).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{is("_id", 1)}))
	if err != nil {
		t.Fatal(err)
	}
	var docs []struct {
		N int `bson:"_id"`
	}
	if err := c.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	var list []int
	for _, d := range docs {
		list = append(list, d.N)
	}
	return list
}

// lease reads the lease document.
func (b bench) leaseDoc(t *testing.T) leaseDoc {
	t.Helper()
	var l leaseDoc
	if err := b.coll(stateName).FindOne(t.Context(), bson.D{is("_id", leaseID)}).Decode(&l); err != nil {
		t.Fatal(err)
	}
	return l
}

// together runs operations in one batch and returns their outcomes.
func (b bench) together(t *testing.T, runs ...func(*tx) error) []error {
	t.Helper()
	release := b.block(t)
	errs := make([]error, len(runs))
	var wg sync.WaitGroup
	for i, run := range runs {
		b.queue(t, &wg, run, &errs[i])
	}
	release()
	wg.Wait()
	return errs
}

// queue puts an operation in the queue and returns when it has its place there.
func (b bench) queue(t *testing.T, wg *sync.WaitGroup, run func(*tx) error, err *error) {
	queued := make(chan struct{})
	ctx := order.OnQueued(t.Context(), sync.OnceFunc(func() { close(queued) }))
	wg.Go(func() { *err = b.writer.do(ctx, "test", run) })
	<-queued
}

// block keeps the writer busy until release is called.
func (b bench) block(t *testing.T) (release func()) {
	t.Helper()
	running, hold, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- b.writer.do(t.Context(), "block", func(*tx) error {
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

// insertMessage is an operation that can be undone alone.
func insertMessage(n int, err error) func(*tx) error {
	return func(t *tx) error {
		t.insert(&messageDoc{
			ID: bson.ObjectID(messageID(n)), Sender: bson.ObjectID(user(1)), Recipient: bson.ObjectID(user(2)),
			Conv: threadConv(1, 2), Seq: t.next(), CreatedAt: start,
		})
		return err
	}
}

func threadConv(a, b int) (k convKey) {
	u, v := user(a), user(b)
	copy(k[:], u[:])
	copy(k[len(u):], v[:])
	return k
}

func TestFailingOperationIsUndoneAlone(t *testing.T) {
	b := newBench(t, database(t), Options{})
	wrong := errors.New("wrong")
	before := b.leaseDoc(t).Batch

	errs := b.together(t,
		insertMessage(1, nil),
		insertMessage(2, wrong),
		func(tx *tx) error {
			_ = insertMessage(3, nil)(tx)
			panic("no reason")
		},
		insertMessage(4, nil),
	)

	if errs[0] != nil || errs[3] != nil {
		t.Errorf("good operations failed: %v, %v", errs[0], errs[3])
	}
	if !errors.Is(errs[1], wrong) || errs[2] == nil {
		t.Errorf("bad operations answered %v, %v", errs[1], errs[2])
	}
	for n, want := range map[int]bool{1: true, 2: false, 3: false, 4: true} {
		if _, err := b.find(t.Context(), messageID(n)); (err == nil) != want {
			t.Errorf("message %d: %v; want it stored: %v", n, err, want)
		}
	}
	// The batch that blocked wrote nothing, and its number was passed over.
	if got := b.leaseDoc(t).Batch - before; got != 2 {
		t.Errorf("%d transactions, want the blocking one and one more", got)
	}
}

func TestOperationThatCannotBeUndoneAloneFailsAlone(t *testing.T) {
	b := newBench(t, database(t), Options{})
	wrong := errors.New("wrong")

	errs := b.together(t,
		insertNumber(1),
		func(tx *tx) error { return errors.Join(insertNumber(2)(tx), wrong) },
		func(tx *tx) error {
			_ = insertNumber(3)(tx)
			panic("no reason")
		},
		insertNumber(1), // taken
		insertMessage(4, nil),
		insertMessage(4, nil), // taken
		insertNumber(5),
	)

	for i, good := range []bool{true, false, false, false, true, false, true} {
		if (errs[i] == nil) != good {
			t.Errorf("operation %d: %v; want it good: %v", i, errs[i], good)
		}
	}
	if !errors.Is(errs[1], wrong) {
		t.Errorf("the second operation answered %v, want its own error", errs[1])
	}
	if got, want := b.numbers(t), []int{1, 5}; !slices.Equal(got, want) {
		t.Errorf("committed %d, want %d", got, want)
	}
}

func TestNumbersGrowAcrossFailures(t *testing.T) {
	b := newBench(t, database(t), Options{})
	var seqs []order.Seq
	take := func(err error) func(*tx) error {
		return func(tx *tx) error {
			seqs = append(seqs, tx.next())
			return err
		}
	}

	b.together(t, take(nil), take(errors.New("wrong")), take(nil))

	if want := []order.Seq{1, 2, 3}; !slices.Equal(seqs, want) {
		t.Errorf("numbers %d, want %d", seqs, want)
	}
	if got := b.leaseDoc(t).Seq; got != 3 || !b.Recorded() {
		t.Errorf("the stored number is %d, all are recorded: %t; want 3", got, b.Recorded())
	}
}

// TestANumberOfWhatFailedIsNotRecorded has a number that clients may have been told of, and that
// no commit has.
func TestANumberOfWhatFailedIsNotRecorded(t *testing.T) {
	b := newBench(t, database(t), Options{})
	twice := func(t *tx) error {
		t.next()
		return errors.Join(insertNumber(1)(t), insertNumber(1)(t))
	}

	if err := b.together(t, twice)[0]; err == nil {
		t.Error("one number was inserted twice")
	}
	if b.Recorded() {
		t.Error("it is recorded")
	}
	if err := b.together(t, insertMessage(1, nil))[0]; err != nil || !b.Recorded() {
		t.Errorf("after a commit with a higher number: %v, recorded: %t", err, b.Recorded())
	}
}

func TestFullQueueMakesTheCallerWait(t *testing.T) {
	b := newBench(t, database(t), Options{})
	release := b.block(t)
	var queued, all sync.WaitGroup
	queued.Add(maxQueue)
	for i := range maxQueue {
		ctx := order.OnQueued(t.Context(), sync.OnceFunc(queued.Done))
		all.Go(func() {
			if err := b.writer.do(ctx, "test", insertNumber(i)); err != nil {
				t.Errorf("operation %d: %v", i, err)
			}
		})
	}
	queued.Wait()

	ctx, cancel := context.WithCancel(t.Context())
	impatient := make(chan error)
	go func() { impatient <- b.writer.do(ctx, "test", insertNumber(-1)) }()
	patient := make(chan error)
	go func() { patient <- b.writer.do(t.Context(), "test", insertNumber(-2)) }()
	cancel()
	if f := fault.Of(<-impatient); f.Code != "OVERLOADED" || f.Kind != fault.KindUnavailable || f.RetryAfter <= 0 {
		t.Errorf("the caller who gave up got %v (retry after %v), want OVERLOADED", f, f.RetryAfter)
	}
	release()
	if err := <-patient; err != nil {
		t.Errorf("the caller who waited: %v", err)
	}
	all.Wait()

	if got := len(b.numbers(t)); got != maxQueue+1 {
		t.Errorf("%d operations are committed, want %d", got, maxQueue+1)
	}
}

func TestStopFinishesWhatIsQueued(t *testing.T) {
	b := newBench(t, database(t), Options{})
	release := b.block(t)
	var all sync.WaitGroup
	errs := make([]error, maxBatch+44)
	for i := range errs {
		b.queue(t, &all, insertNumber(i), &errs[i])
	}

	stopped := make(chan struct{})
	go func() {
		b.close(t)
		close(stopped)
	}()
	<-b.writer.closing
	release()
	<-stopped
	all.Wait()

	if err := errors.Join(errs...); err != nil {
		t.Errorf("queued operations failed: %v", err)
	}
	if got := len(b.numbers(t)); got != len(errs) {
		t.Errorf("%d operations are committed, want %d", got, len(errs))
	}
	if f := fault.Of(b.writer.do(t.Context(), "test", insertNumber(-1))); f.Kind != fault.KindUnavailable {
		t.Errorf("an operation after the end got %v, want a fault of unavailability", f)
	}
}

func TestOperationsRaceWithTheEnd(t *testing.T) {
	b := newBench(t, database(t), Options{})
	var mu sync.Mutex
	var told []int
	var all sync.WaitGroup
	begun := make(chan struct{})
	for i := range 16 {
		all.Go(func() {
			for n := 0; ; n++ {
				if i == 0 && n == 3 {
					close(begun)
				}
				number := i + 16*n
				if err := b.writer.do(t.Context(), "test", insertNumber(number)); err != nil {
					return
				}
				mu.Lock()
				told = append(told, number)
				mu.Unlock()
			}
		})
	}
	<-begun
	b.close(t)
	all.Wait()

	slices.Sort(told)
	if got := b.numbers(t); !slices.Equal(got, told) {
		t.Errorf("%d operations are committed, %d callers were told so", len(got), len(told))
	}
}

func TestFlushedChangesAreSeenByQueries(t *testing.T) {
	b := newBench(t, database(t), Options{})

	errs := b.together(t,
		insertMessage(1, nil),
		func(tx *tx) error {
			_ = insertMessage(2, nil)(tx)
			if err := tx.flush(); err != nil {
				return err
			}
			n, err := tx.reading(messagesName).CountDocuments(tx.ctx, bson.D{})
			if err == nil && n != 2 {
				err = fmt.Errorf("%d messages are seen, want 2", n)
			}
			return err
		},
		insertMessage(3, nil),
	)

	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if n, err := b.coll(messagesName).CountDocuments(t.Context(), bson.D{}); err != nil || n != 3 {
		t.Errorf("%d messages are stored (error %v), want 3", n, err)
	}
}

func TestOperationThatIsLateIsNotRun(t *testing.T) {
	b := newBench(t, database(t), Options{})
	release := b.block(t)
	b.db.timeout = 50 * time.Millisecond
	ran := false

	err := b.writer.do(t.Context(), "test", func(*tx) error {
		ran = true
		return nil
	})
	b.db.timeout = DefaultTimeout
	release()
	after := b.writer.do(t.Context(), "test", insertNumber(1))

	if f := fault.Of(err); f.Code != "STORE_UNAVAILABLE" || f.Kind != fault.KindUnavailable || f.RetryAfter <= 0 {
		t.Errorf("the operation that came too late got %v (retry after %v), want STORE_UNAVAILABLE", f, f.RetryAfter)
	}
	if ran || after != nil {
		t.Errorf("it ran: %v; the operation after it: %v", ran, after)
	}
}
