package mongostore

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
)

// brief are times for tests: long enough that nothing runs out by itself on a busy machine.
var brief = leaseTimes{life: 3 * time.Second, renew: 100 * time.Millisecond, retry: 50 * time.Millisecond, call: 2 * time.Second, wish: 5 * time.Second}

// leaseOf returns the lease of an instance with brief times.
func leaseOf(db *Database, holder string) *Lease {
	l := db.Lease(holder, false)
	l.times = brief
	return l
}

func taken(t *testing.T, l *Lease) *Term {
	t.Helper()
	term, err := l.Take(t.Context())
	if err != nil || term == nil {
		t.Fatalf("%s takes the lease: %v, %v", l.holder, term, err)
	}
	t.Cleanup(func() { _ = term.Release(context.WithoutCancel(t.Context()), true) })
	return term
}

func refused(t *testing.T, l *Lease) {
	t.Helper()
	if term, err := l.Take(t.Context()); err != nil || term != nil {
		t.Fatalf("%s takes the lease: %v, %v; want none", l.holder, term, err)
	}
}

// stored reads the lease as it is.
func stored(t *testing.T, db *Database) leaseRecord {
	t.Helper()
	var r leaseRecord
	if err := db.data.Collection(stateName).FindOne(t.Context(), bson.D{{Key: "_id", Value: leaseID}}).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

func ended(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(30 * time.Second):
		t.Fatalf("not %s within 30 s", what)
	}
}

func TestOfManyWhoTakeTheLeaseOneHasIt(t *testing.T) {
	db := database(t)
	var all sync.WaitGroup
	terms := make([]*Term, 8)
	for i := range terms {
		all.Go(func() {
			var err error
			if terms[i], err = leaseOf(db, string(rune('a'+i))).Take(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	have := 0
	for _, term := range terms {
		if term == nil {
			continue
		}
		have++
		if term.Token() != 1 || !term.Valid() {
			t.Errorf("token %d, valid %t, want the first", term.Token(), term.Valid())
		}
		if err := term.Release(t.Context(), true); err != nil {
			t.Error(err)
		}
	}
	if have != 1 {
		t.Errorf("%d have the lease", have)
	}
}

func TestALeaseThatIsRenewedOutlivesItsTime(t *testing.T) {
	db := database(t)
	term := taken(t, leaseOf(db, "a"))
	first := stored(t, db).ExpiresAt

	for stored(t, db).RenewedAt.Before(first) {
		select {
		case <-term.Lost():
			t.Fatal("it was lost")
		case <-time.After(50 * time.Millisecond):
		}
	}

	refused(t, leaseOf(db, "b"))
	if !term.Valid() {
		t.Error("the term is not valid")
	}
}

func TestALeaseIsHandedOverToWhoAsks(t *testing.T) {
	db := database(t)
	a, b := leaseOf(db, "a"), leaseOf(db, "b")
	first := taken(t, a)
	refused(t, b)

	if err := b.Ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended(t, "asked", first.Wanted())
	if err := first.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	second := taken(t, b)

	if second.Token() != first.Token()+1 {
		t.Errorf("the second token is %d, the first %d", second.Token(), first.Token())
	}
	if r := stored(t, db); r.Seq != 0 || r.Wanted.By != "" || r.Holder != "b" {
		t.Errorf("the lease is %+v, want no number left out and no wish", r)
	}
	refused(t, a)
}

func TestAWishOfLongAgoIsForgotten(t *testing.T) {
	db := database(t)
	a, b := leaseOf(db, "a"), leaseOf(db, "b")
	a.times.wish = 0 // any wish is from long ago
	term := taken(t, a)
	if err := b.Ask(t.Context()); err != nil {
		t.Fatal(err)
	}

	for renewed := stored(t, db).RenewedAt; !stored(t, db).RenewedAt.After(renewed.Add(3 * a.times.renew)); {
		time.Sleep(a.times.renew)
	}

	select {
	case <-term.Wanted():
		t.Error("it was heard")
	default:
	}
}

func TestTheLeaseOfOneWhoDiedIsFreeWhenItRunsOut(t *testing.T) {
	db := database(t)
	a, b := leaseOf(db, "a"), leaseOf(db, "b")
	first := taken(t, a)
	first.Abandon()
	before := stored(t, db)
	refused(t, b)

	second := take(t, b)

	r := stored(t, db)
	if r.Seq != before.Seq+skippedAfterACrash {
		t.Errorf("the highest number is %d, it was %d; want %d left out", r.Seq, before.Seq, skippedAfterACrash)
	}
	if r.RenewedAt.Before(before.ExpiresAt) {
		t.Errorf("taken at %s, before it ran out at %s", r.RenewedAt, before.ExpiresAt)
	}
	if second.Token() != first.Token()+1 || first.Valid() {
		t.Errorf("the second token is %d, the first %d and valid %t", second.Token(), first.Token(), first.Valid())
	}
}

// take waits until the lease can be taken.
func take(t *testing.T, l *Lease) *Term {
	t.Helper()
	for range 1000 {
		term, err := l.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if term != nil {
			t.Cleanup(func() { _ = term.Release(context.WithoutCancel(t.Context()), true) })
			return term
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the lease did not become free")
	return nil
}

func TestATransactionLeftOpenDoesNotKeepTheLease(t *testing.T) {
	db := database(t)
	first := taken(t, leaseOf(db, "a"))
	session, err := db.client.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	bound := bson.D{{Key: "$set", Value: bson.D{{Key: "session", Value: session.ID()}}}}
	if _, err := db.data.Collection(stateName).UpdateOne(t.Context(), first.filter(), bound); err != nil {
		t.Fatal(err)
	}
	if err := session.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	inside := mongo.NewSessionContext(t.Context(), session)
	set := bson.D{{Key: "$set", Value: bson.D{{Key: "seq", Value: 7}}}}
	if _, err := db.data.Collection(stateName).UpdateOne(inside, first.filter(), set); err != nil {
		t.Fatal(err)
	}
	first.Abandon()

	second := take(t, leaseOf(db, "b"))

	if r := stored(t, db); r.Token != second.Token() || r.Seq != skippedAfterACrash {
		t.Errorf("the lease is %+v, want the second's, and nothing of the open transaction", r)
	}
	if err := session.CommitTransaction(t.Context()); err == nil {
		t.Error("the first could still commit")
	}
	session.EndSession(t.Context())
}

func TestRenewalsGoOnBesideTransactions(t *testing.T) {
	db := database(t)
	term := taken(t, leaseOf(db, "a"))
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		session, err := db.client.StartSession()
		if err != nil {
			t.Error(err)
			return
		}
		defer session.EndSession(context.WithoutCancel(ctx))
		for n := 1; ctx.Err() == nil; n++ {
			_, err := session.WithTransaction(context.WithoutCancel(ctx), func(ctx context.Context) (any, error) {
				return db.data.Collection(stateName).UpdateOne(ctx, term.filter(), bson.D{{Key: "$set", Value: bson.D{{Key: "seq", Value: n}}}})
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})

	for begun, n := stored(t, db).RenewedAt, 0; n < 20; {
		if r := stored(t, db); r.RenewedAt.After(begun) {
			begun = r.RenewedAt
			n++
		}
		if !term.Valid() {
			t.Fatalf("not valid any more after %d renewals", n)
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	writing.Wait()
}

func TestAHolderWhoCannotReachTheDatabaseIsFencedByTheClock(t *testing.T) {
	proxied := func(t *testing.T) (*Database, *testkit.Proxy) {
		server := mongod.ForTest(t, mongod.Options{})
		proxy, err := testkit.StartProxy(t.Context(), server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		return connect(t, mongod.DirectURI(proxy.Addr(), "pryde"), 0), proxy
	}

	t.Run("without a journal", func(t *testing.T) {
		db, proxy := proxied(t)
		term := taken(t, leaseOf(db, "a"))
		proxy.Cut()

		ended(t, "lost", term.Lost())

		if term.Valid() {
			t.Error("the term is valid")
		}
		if err := proxy.Mend(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := take(t, leaseOf(db, "a"))
		if again.Token() != term.Token()+1 {
			t.Errorf("the next token is %d, it was %d", again.Token(), term.Token())
		}
	})
	t.Run("one who outlasts it", func(t *testing.T) {
		db, proxy := proxied(t)
		lease := leaseOf(db, "a")
		lease.outlast = true
		term := taken(t, lease)
		proxy.Cut()
		for term.left() > 0 {
			time.Sleep(50 * time.Millisecond)
		}
		if !term.Valid() {
			t.Error("the term is over although nobody has taken over")
		}
		if err := proxy.Mend(t.Context()); err != nil {
			t.Fatal(err)
		}
		for term.left() <= 0 {
			time.Sleep(50 * time.Millisecond)
		}
		refused(t, leaseOf(db, "b"))
	})
}

func TestAHolderNoticesThatAnotherHasTakenOver(t *testing.T) {
	db := database(t)
	lease := leaseOf(db, "a")
	lease.outlast = true
	term := taken(t, lease)
	if _, err := db.data.Collection(stateName).UpdateOne(t.Context(), term.filter(),
		bson.D{{Key: "$set", Value: bson.D{{Key: "holder", Value: "b"}, {Key: "token", Value: term.Token() + 1}}}}); err != nil {
		t.Fatal(err)
	}

	ended(t, "lost", term.Lost())

	if err := term.Release(t.Context(), true); err != nil {
		t.Error(err)
	}
	if r := stored(t, db); r.Holder != "b" {
		t.Errorf("the lease of the other was given up: %+v", r)
	}
}

func TestWhatWasNotSettledLeavesNumbersOut(t *testing.T) {
	db := database(t)
	term := taken(t, leaseOf(db, "a"))
	if err := term.Release(t.Context(), false); err != nil {
		t.Fatal(err)
	}

	taken(t, leaseOf(db, "b"))

	if r := stored(t, db); r.Seq != skippedAfterACrash {
		t.Errorf("the highest number is %d, want %d", r.Seq, skippedAfterACrash)
	}
}
