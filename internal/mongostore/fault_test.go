package mongostore

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/fault"
)

// A watch is a log whose messages can be waited for.
type watch struct{ heard chan string }

func newWatch() watch { return watch{make(chan string, 1000)} }

func (w watch) Enabled(context.Context, slog.Level) bool { return true }
func (w watch) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w watch) WithGroup(string) slog.Handler            { return w }
func (w watch) Handle(_ context.Context, r slog.Record) error {
	w.heard <- r.Message
	return nil
}

func (w watch) await(t *testing.T, text string) {
	t.Helper()
	for {
		select {
		case got := <-w.heard:
			if got == text {
				return
			}
		case <-t.Context().Done():
			t.Fatalf("nothing was logged like %q", text)
		}
	}
}

const unknownYet = "the outcome of a commit is not known yet"

// failing makes commands of the server fail, as the documentation of failCommand says, until the
// returned function or the end of the test.
func failing(t *testing.T, d *Database, mode any, data bson.D) (stop func()) {
	t.Helper()
	set := func(ctx context.Context, mode any, data bson.D) {
		t.Helper()
		point := bson.D{is("configureFailPoint", "failCommand"), is("mode", mode)}
		if data != nil {
			point = append(point, is("data", data))
		}
		// The client of an impatient database may be too late on a busy machine.
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		err := d.client.Database("admin").RunCommand(ctx, point).Err()
		for ; err != nil && ctx.Err() == nil; err = d.client.Database("admin").RunCommand(ctx, point).Err() {
			t.Logf("set the fail point: %v", err)
		}
		if err != nil {
			t.Errorf("set the fail point: %v", err)
		}
	}
	set(t.Context(), mode, data)
	stop = sync.OnceFunc(func() { set(context.WithoutCancel(t.Context()), "off", nil) })
	t.Cleanup(stop)
	return stop
}

const always = "alwaysOn"

func times(n int) bson.D { return bson.D{is("times", n)} }

// The ways in which a command fails.
var (
	conflict = bson.D{is("errorCode", 112), is("errorLabels", bson.A{labelTransient})}
	hangUp   = bson.D{is("closeConnection", true)}
	// forgotten says that the server does not hold the transaction.
	forgotten = bson.D{is("errorCode", 251), is("errorLabels", bson.A{labelTransient})}
	// done lets the command happen and answers that no majority has confirmed it.
	done = bson.D{is("writeConcernError", bson.D{is("code", 64), is("errmsg", "waiting for replication timed out")})}
)

func of(how bson.D, commands ...string) bson.D {
	return append(bson.D{is("failCommands", commands)}, how...)
}

// sendOne sends a message through the writer in the background.
func sendOne(t *testing.T, b bench, n int) <-chan error {
	outcome := make(chan error, 1)
	go func() {
		m, again, err := b.Append(t.Context(), draft(n, user(1), user(2), "hello"))
		if err == nil && (again || m.Seq == 0) {
			err = errors.New("the message is stored already, or has no number")
		}
		outcome <- err
	}()
	return outcome
}

// stored counts the messages of a conversation, and the unread ones.
func (b bench) stored(t *testing.T) (messages, unread int) {
	t.Helper()
	n, err := b.coll(messagesName).CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	counts, err := b.Unread(t.Context(), user(2))
	if err != nil {
		t.Fatal(err)
	}
	return int(n), counts[user(1)]
}

func TestTransientErrorsAreTriedAgain(t *testing.T) {
	tests := map[string]bson.D{
		"conflict of the lease":         of(conflict, "update"),
		"conflict of an insert":         of(conflict, "insert"),
		"connection lost in a read":     of(hangUp, "aggregate"),
		"connection lost in an insert":  of(hangUp, "insert"),
		"conflict of a commit":          of(conflict, "commitTransaction"),
		"connection lost in a commit":   of(hangUp, "commitTransaction"),
		"no longer primary in a commit": of(bson.D{is("errorCode", 10107)}, "commitTransaction"),
		"commit without acknowledgment": of(done, "commitTransaction"),
	}
	b := newBench(t, database(t), Options{})
	send(t, b.Store, 1, user(1), user(2), "first")
	n := 1
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			n++
			stop := failing(t, b.db, times(3), data)
			err := <-sendOne(t, b, n)
			stop()
			if err != nil {
				t.Errorf("the message: %v", err)
			}
			if messages, unread := b.stored(t); messages != n || unread != n {
				t.Errorf("%d messages are stored, %d unread; want %d", messages, unread, n)
			}
		})
	}
}

func TestUnknownCommitIsHeldUntilTheTruthIsKnown(t *testing.T) {
	// How the commit fails at first, and what the server says later.
	tests := map[string]struct{ first, then bson.D }{
		"it did not happen, and the server remembers":  {of(hangUp, "commitTransaction"), nil},
		"it happened, and the server remembers":        {of(done, "commitTransaction"), nil},
		"it happened, and the server has forgotten it": {of(done, "commitTransaction"), of(forgotten, "commitTransaction")},
		"it did not happen, and the server has forgotten it": {
			of(hangUp, "commitTransaction"), of(forgotten, "commitTransaction"),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log := newWatch()
			d := impatient(t, 500*time.Millisecond)
			b := newBench(t, d, Options{Log: slog.New(log)})
			send(t, b.Store, 1, user(1), user(2), "first")
			stop := failing(t, d, always, test.first)

			held := sendOne(t, b, 2)
			log.await(t, unknownYet)
			// Whoever comes later is told in time; who is held waits for the truth.
			if f := fault.Of(<-sendOne(t, b, 3)); f.Code != "STORE_UNAVAILABLE" || f.RetryAfter <= 0 {
				t.Errorf("the message behind it: %v, want STORE_UNAVAILABLE", f)
			}
			select {
			case err := <-held:
				t.Errorf("the message that is held was answered: %v", err)
			default:
			}
			if test.then != nil {
				stop = failing(t, d, times(1), test.then)
			} else {
				stop()
			}
			err := <-held
			stop()

			if err != nil {
				t.Errorf("the message that was held: %v", err)
			}
			if messages, unread := b.stored(t); messages != 2 || unread != 2 {
				t.Errorf("%d messages are stored, %d unread; want 2", messages, unread)
			}
			send(t, b.Store, 4, user(1), user(2), "next")
		})
	}
}

func TestCloseEndsTheWaitForTheTruth(t *testing.T) {
	log := newWatch()
	d := impatient(t, 500*time.Millisecond)
	b := newBench(t, d, Options{Log: slog.New(log)})
	failing(t, d, always, of(hangUp, "commitTransaction"))

	held := sendOne(t, b, 1)
	log.await(t, unknownYet)
	b.close(t)

	if f := fault.Of(<-held); f.Code != "STORE_UNAVAILABLE" || f.Kind != fault.KindUnavailable {
		t.Errorf("the message whose commit is not known: %v, want STORE_UNAVAILABLE", f)
	}
}

func TestServerThatDoesNotWriteIsToldInTime(t *testing.T) {
	d := impatient(t, 500*time.Millisecond)
	b := newBench(t, d, Options{})
	stop := failing(t, d, always, of(conflict, "insert"))

	err := <-sendOne(t, b, 1)
	stop()

	if f := fault.Of(err); f.Code != "STORE_UNAVAILABLE" || f.Kind != fault.KindUnavailable || f.RetryAfter <= 0 {
		t.Errorf("the message: %v (retry after %v), want STORE_UNAVAILABLE", f, f.RetryAfter)
	}
	if messages, _ := b.stored(t); messages != 0 {
		t.Errorf("%d messages are stored, want none", messages)
	}
	send(t, b.Store, 2, user(1), user(2), "next")
}

func TestWhoLostTheLeaseWritesNothing(t *testing.T) {
	fenced := make(chan struct{}, 10)
	b := newBench(t, database(t), Options{Fenced: func() { fenced <- struct{}{} }})
	send(t, b.Store, 1, user(1), user(2), "first")
	release := b.block(t)
	var all sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		run := insertNumber(i)
		if i%2 == 0 {
			run = insertMessage(100+i, nil)
		}
		b.queue(t, &all, run, &errs[i])
	}

	seize(t, b.db)
	release()
	all.Wait()
	_, _, later := b.Append(t.Context(), draft(2, user(1), user(2), "later"))
	b.close(t)

	for _, err := range append(errs, later) {
		if f := fault.Of(err); f.Code != "STANDBY" || f.Kind != fault.KindUnavailable || f.RetryAfter <= 0 {
			t.Errorf("an operation answered %v, want STANDBY", err)
		}
	}
	if n := len(fenced); n != 1 {
		t.Errorf("told %d times that another server has taken over, want once", n)
	}
	if got := b.numbers(t); len(got) != 0 {
		t.Errorf("committed %d, want none", got)
	}
	if messages, _ := b.stored(t); messages != 1 {
		t.Errorf("%d messages are stored, want the first alone", messages)
	}
}

func TestWhoIsFencedByTheLeaseWritesNothing(t *testing.T) {
	fenced := make(chan struct{}, 10)
	b := newBench(t, database(t), Options{Fenced: func() { fenced <- struct{}{} }})

	b.Fence()
	b.Fence()
	err := <-sendOne(t, b, 1)
	b.close(t)

	if f := fault.Of(err); f.Code != "STANDBY" || len(fenced) != 1 {
		t.Errorf("the message: %v, told %d times; want STANDBY and once", err, len(fenced))
	}
}

func TestLeaseThatChangesHandsDuringACommitIsNoOutcome(t *testing.T) {
	log := newWatch()
	d := impatient(t, 500*time.Millisecond)
	b := newBench(t, d, Options{Log: slog.New(log)})
	failing(t, d, always, of(hangUp, "commitTransaction"))

	held := sendOne(t, b, 1)
	log.await(t, unknownYet)
	b.Fence()

	if f := fault.Of(<-held); f.Code != "STANDBY" {
		t.Errorf("the message: %v, want STANDBY", f)
	}
}

func TestRetriesTakeNewNumbersInOrder(t *testing.T) {
	b := newBench(t, database(t), Options{})
	stop := failing(t, b.db, times(2), of(conflict, "insert"))
	defer stop()
	errs := b.together(t, insertMessage(1, nil), insertMessage(2, nil), insertMessage(3, nil))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}

	var seqs []int64
	for n := 1; n <= 3; n++ {
		d, err := b.find(t.Context(), messageID(n))
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, int64(d.Seq))
	}
	if !slices.IsSorted(seqs) || seqs[0] != 7 || b.leaseDoc(t).Seq != 9 {
		t.Errorf("numbers %d, the last %d; want 7, 8 and 9 after two attempts", seqs, b.leaseDoc(t).Seq)
	}
}
