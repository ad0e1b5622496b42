package mongostore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/order"
)

// skippedAfterACrash is how many numbers are left out where the last holder did not give the
// lease up: those that it drew and never stored may have been told to clients.
const skippedAfterACrash = 1 << 20

// leaseTimes are how long things last. The lease runs by the clock of the database, so that no
// two machines have to agree about the time.
type leaseTimes struct {
	life  time.Duration // of a lease that is not renewed
	renew time.Duration // between two renewals
	retry time.Duration // after one that failed
	call  time.Duration // bound of one call to the database
	wish  time.Duration // of a wish to have the lease that is not repeated
}

var usualTimes = leaseTimes{
	life: 6 * time.Second, renew: 1500 * time.Millisecond, retry: 250 * time.Millisecond, call: 2 * time.Second, wish: 5 * time.Second,
}

// A Lease makes one of several instances the active one: whoever has it may Open the store, and
// every write of that store carries its token. Its methods are for one goroutine.
type Lease struct {
	docs    *mongo.Collection
	holder  string
	outlast bool
	times   leaseTimes
}

// Lease returns the lease as one instance sees it; holder names the instance and must be
// unique. With outlast an instance that cannot reach the database keeps its term until
// it hears that another has taken over; without, the term ends with the time of the lease.
func (d *Database) Lease(holder string, outlast bool) *Lease {
	return &Lease{docs: d.lease.Collection(stateName), holder: holder, outlast: outlast, times: usualTimes}
}

// Prepare makes the collections and indexes that are missing, as Open does. It needs no lease: who
// is about to ask for it calls this before, so that nobody waits for it during the hand-over.
func (d *Database) Prepare(ctx context.Context, log *slog.Logger) error {
	if err := d.ensure(ctx, log); err != nil {
		return fmt.Errorf("prepare the database: %w", unavailable(err))
	}
	return nil
}

// leaseRecord is the lease as it is stored.
type leaseRecord struct {
	Token     int64     `bson:"token"`
	Holder    string    `bson:"holder"` // empty: given up
	ExpiresAt time.Time `bson:"expiresAt"`
	RenewedAt time.Time `bson:"renewedAt"`
	Clean     bool      `bson:"clean"`   // given up after everything was settled
	Seq       order.Seq `bson:"seq"`     // the highest number that was given out
	Session   bson.Raw  `bson:"session"` // of the holder's transactions; the store writes it
	Wanted    wish      `bson:"wanted"`
	Free      bool      `bson:"free"` // computed
}

type wish struct {
	By string    `bson:"by"`
	At time.Time `bson:"at"`
}

// now is the time of the database, in a pipeline.
const now = "$$NOW"

func field(name string) string { return "$" + name }

// free is whether a lease may be taken: it was given up, it ran out, or it is our own of a call
// whose answer was lost.
func (l *Lease) free() bson.D {
	return bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "$in", Value: bson.A{field("holder"), bson.A{"", l.holder}}}},
		bson.D{{Key: "$lte", Value: bson.A{field("expiresAt"), now}}},
	}}}
}

// Take takes the lease where nobody has it, and returns the term, which must be given up with
// Release. A nil term means that somebody else has it.
func (l *Lease) Take(ctx context.Context) (*Term, error) {
	doc, err := l.look(ctx)
	if err != nil || !doc.Free {
		return nil, err
	}
	if !doc.Clean && len(doc.Session) > 0 {
		// A process that died within a transaction leaves it open, and the lease locked by it,
		// until the database gives it up after a minute.
		if err := l.killSession(ctx, doc.Session); err != nil {
			return nil, err
		}
	}
	return l.take(ctx)
}

// Free reports whether nobody has the lease.
func (l *Lease) Free(ctx context.Context) (bool, error) {
	doc, err := l.look(ctx)
	return doc.Free, err
}

// look reads the lease; one that was never there is made.
func (l *Lease) look(ctx context.Context) (leaseRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, l.times.call)
	defer cancel()
	var doc leaseRecord
	seen := options.FindOne().SetProjection(bson.D{
		{Key: "holder", Value: 1}, {Key: "clean", Value: 1}, {Key: "session", Value: 1}, {Key: "free", Value: l.free()},
	})
	err := l.docs.FindOne(ctx, bson.D{{Key: "_id", Value: leaseID}}, seen).Decode(&doc)
	if errors.Is(err, mongo.ErrNoDocuments) {
		first := leaseRecord{Clean: true}
		_, err = l.docs.UpdateOne(ctx, bson.D{{Key: "_id", Value: leaseID}}, bson.D{{Key: "$setOnInsert", Value: bson.D{
			{Key: "token", Value: first.Token}, {Key: "holder", Value: first.Holder}, {Key: "expiresAt", Value: first.ExpiresAt},
			{Key: "clean", Value: first.Clean}, {Key: "seq", Value: first.Seq},
		}}}, options.UpdateOne().SetUpsert(true))
		if mongo.IsDuplicateKeyError(err) {
			err = nil // another instance came first, as the next step will tell
		}
		doc = leaseRecord{Clean: true, Free: true}
	}
	if err != nil {
		return leaseRecord{}, fmt.Errorf("look at the lease: %w", unavailable(err))
	}
	return doc, nil
}

func (l *Lease) killSession(ctx context.Context, session bson.Raw) error {
	ctx, cancel := context.WithTimeout(ctx, l.times.call)
	defer cancel()
	err := l.docs.Database().RunCommand(ctx, bson.D{{Key: "killSessions", Value: bson.A{session}}}).Err()
	if refused := (mongo.CommandError{}); errors.As(err, &refused) && !refused.HasErrorLabel("NetworkError") {
		return nil // not allowed here: the database gives the transaction up by itself, later
	}
	if err != nil {
		return fmt.Errorf("end the transactions of the last holder: %w", unavailable(err))
	}
	return nil
}

func (l *Lease) take(ctx context.Context) (*Term, error) {
	// Who is stopped meanwhile has to know that they have it, to give it up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.times.call)
	defer cancel()
	begun := time.Now()
	var doc leaseRecord
	err := l.docs.FindOneAndUpdate(ctx,
		bson.D{{Key: "_id", Value: leaseID}, {Key: "$expr", Value: l.free()}},
		mongo.Pipeline{
			{{Key: "$set", Value: bson.D{
				{Key: "token", Value: sum(field("token"), 1)},
				{Key: "holder", Value: l.holder},
				{Key: "renewedAt", Value: now},
				{Key: "expiresAt", Value: sum(now, l.times.life.Milliseconds())},
				{Key: "seq", Value: sum(bson.D{{Key: "$ifNull", Value: bson.A{field("seq"), 0}}}, bson.D{{Key: "$cond", Value: bson.A{field("clean"), 0, skippedAfterACrash}}})},
				{Key: "clean", Value: false},
			}}},
			{{Key: "$unset", Value: bson.A{"wanted", "session"}}},
		},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&doc)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("take the lease: %w", unavailable(err))
	}
	return l.begin(doc.Token, begun), nil
}

func sum(a, b any) bson.D { return bson.D{{Key: "$add", Value: bson.A{a, b}}} }

// Ask asks whoever has the lease to give it up. The wish is forgotten unless it is repeated
// every few seconds, so that nobody makes place for one who has gone.
func (l *Lease) Ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.times.call)
	defer cancel()
	_, err := l.docs.UpdateOne(ctx,
		bson.D{{Key: "_id", Value: leaseID}, {Key: "holder", Value: bson.D{{Key: "$nin", Value: bson.A{"", l.holder}}}}},
		mongo.Pipeline{{{Key: "$set", Value: bson.D{
			{Key: "wanted", Value: bson.D{{Key: "by", Value: l.holder}, {Key: "at", Value: now}}},
		}}}})
	if err != nil {
		return fmt.Errorf("ask for the lease: %w", unavailable(err))
	}
	return nil
}

// A Term is the time in which an instance has the lease: from Take until Release, or until it
// is lost. Its methods are safe for concurrent use.
type Term struct {
	lease *Lease
	token int64
	start time.Time
	until atomic.Int64 // nanoseconds after start; by our own clock, which goes on while the process stands still

	ending context.CancelFunc
	kept   chan struct{} // closed when nothing renews any more

	wantedOnce, lostOnce sync.Once
	wanted, lost         chan struct{}
}

// begin starts a term whose lease was asked for at the time begun, and the goroutine that
// renews it.
func (l *Lease) begin(token int64, begun time.Time) *Term {
	ctx, ending := context.WithCancel(context.Background())
	t := &Term{
		lease: l, token: token, start: begun, ending: ending,
		kept: make(chan struct{}), wanted: make(chan struct{}), lost: make(chan struct{}),
	}
	t.until.Store(int64(l.times.life))
	go t.keep(ctx)
	return t
}

// Token is what every write of the term carries. It is higher in every later term.
func (t *Term) Token() int64 { return t.token }

// Wanted is closed once another instance asks for the lease.
func (t *Term) Wanted() <-chan struct{} { return t.wanted }

// Lost is closed once the term is over without having been given up: another instance may be
// active.
func (t *Term) Lost() <-chan struct{} { return t.lost }

// Valid reports whether no other instance can be active. It is true at once after a renewal, and
// turns false by the clock alone, before Lost is closed where the process stood still.
func (t *Term) Valid() bool {
	select {
	case <-t.lost:
		return false
	default:
		return t.lease.outlast || t.left() > 0
	}
}

// Fence ends the term: a write has found the token of another instance.
func (t *Term) Fence() { t.lostOnce.Do(func() { close(t.lost) }) }

func (t *Term) left() time.Duration { return time.Duration(t.until.Load()) - time.Since(t.start) }

// Abandon ends the term without giving the lease up: it runs out by itself, and the next leaves out
// numbers. It takes the place of Release.
func (t *Term) Abandon() {
	t.ending()
	<-t.kept
}

// Release gives the lease up, for the next to take at once, and ends the term; a term that was
// lost has nothing to give up. clean says that everything that was begun is settled: without,
// the next leaves out numbers.
func (t *Term) Release(ctx context.Context, clean bool) error {
	t.Abandon()
	select {
	case <-t.lost:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, t.lease.times.call)
	defer cancel()
	_, err := t.lease.docs.UpdateOne(ctx, t.filter(), mongo.Pipeline{{{Key: "$set", Value: bson.D{
		{Key: "holder", Value: ""}, {Key: "clean", Value: clean}, {Key: "expiresAt", Value: now},
	}}}})
	if err != nil {
		return fmt.Errorf("give the lease up: %w", unavailable(err))
	}
	return nil
}

func (t *Term) filter() bson.D {
	return bson.D{{Key: "_id", Value: leaseID}, {Key: "token", Value: t.token}}
}

// keep renews the lease until the term ends.
func (t *Term) keep(ctx context.Context) {
	defer close(t.kept)
	next := time.NewTimer(t.lease.times.renew)
	defer next.Stop()
	for {
		var end <-chan time.Time
		if !t.lease.outlast {
			end = time.After(t.left())
		}
		select {
		case <-ctx.Done():
			return
		case <-t.lost:
			return
		case <-end:
			t.Fence()
			return
		case <-next.C:
		}
		switch found, err := t.renew(ctx); {
		case err != nil:
			next.Reset(t.lease.times.retry)
		case !found:
			t.Fence()
			return
		default:
			next.Reset(t.lease.times.renew)
		}
	}
}

// renew reports whether the lease is still that of this term.
func (t *Term) renew(ctx context.Context) (bool, error) {
	bound := t.lease.times.call
	if !t.lease.outlast {
		bound = min(bound, t.left())
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	begun := time.Since(t.start)
	var doc leaseRecord
	err := t.lease.docs.FindOneAndUpdate(ctx, t.filter(),
		mongo.Pipeline{{{Key: "$set", Value: bson.D{
			{Key: "renewedAt", Value: now}, {Key: "expiresAt", Value: sum(now, t.lease.times.life.Milliseconds())},
		}}}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&doc)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("renew the lease: %w", unavailable(err))
	}
	t.until.Store(int64(begun + t.lease.times.life))
	if doc.Wanted.By != "" && doc.RenewedAt.Sub(doc.Wanted.At) < t.lease.times.wish {
		t.wantedOnce.Do(func() { close(t.wanted) })
	}
	return true, nil
}
