// Package mongostore keeps accounts, sessions and messages in MongoDB. It knows no rule of who
// may do what, no door and no wire format.
//
// One goroutine writes, and commits the operations that wait together in one transaction before
// any of them is answered. Every transaction proves that no other server has taken over the
// lease. Reads run beside it. What people write is sealed before it enters the writer and opened
// after it was read.
package mongostore

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"pryde/internal/former"
	"pryde/internal/order"
	"pryde/internal/seal"
)

// stateName is the collection of what the server itself keeps: the lease and what is known of
// the database.
const stateName = "pryde"

// The documents of stateName.
const (
	leaseID = "lease"
	metaID  = "meta"
)

// Options are what a store is made of.
type Options struct {
	Database *Database
	Vault    *seal.Vault // seals what people write; its keys are those of Database.Keys
	Token    int64       // of the lease that the server holds
	Log      *slog.Logger
	// Fenced is called once, on a goroutine of its own, when another server turns out to have
	// taken over: nothing is written from then on. May be nil.
	Fenced func()
	// FormerKey opens what the former system encrypted. May be nil where there is none of it.
	FormerKey *former.Key
	// Legacy writes as the former system does, so that it can read what is written here and may
	// write beside this one from time to time. It needs FormerKey.
	Legacy bool
	// NoBackfill puts off the pass over old messages. They get their places when somebody asks.
	NoBackfill bool
	// Counter gives the numbers where somebody else draws from it too. nil: one of the store's own.
	Counter *order.Counter
}

// A Store is an open database. Its methods are safe for concurrent use; their errors besides
// those of the interfaces are faults of fault.KindUnavailable (overload, shutdown, a server that
// is away, another server that has taken over) and internal ones.
type Store struct {
	db       *Database
	vault    *seal.Vault
	token    int64
	database [4]byte
	opened   order.Seq
	counter  *order.Counter
	writer   *writer

	formerKey *former.Key // nil: nothing was encrypted by the former system
	legacy    bool
	adoption  *adoption
}

// A metaDoc is what is known of the database for as long as it exists.
type metaDoc struct {
	Database []byte    `bson:"database"`
	KeyCheck []byte    `bson:"keyCheck"`
	OpenedAt time.Time `bson:"openedAt"` // when this system opened it first; what is older is the former system's
}

// A leaseDoc is what the store reads of the lease.
type leaseDoc struct {
	Token int64     `bson:"token"`
	Seq   order.Seq `bson:"seq"`
	Batch int64     `bson:"batch"`
}

// Open makes the collections and indexes that are missing and starts the writer. Only who holds
// the lease may open the database. Keys that are not those of the database are
// seal.ErrWrongKey, a lease of somebody else is a fault with the code STANDBY. Close must be
// called.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{db: o.Database, vault: o.Vault, token: o.Token, formerKey: o.FormerKey, legacy: o.Legacy, counter: o.Counter}
	if err := s.start(ctx, o); err != nil {
		if s.writer != nil {
			err = errors.Join(err, s.Close())
		}
		return nil, fmt.Errorf("open the store: %w", unavailable(err))
	}
	return s, nil
}

func (s *Store) start(ctx context.Context, o Options) error {
	if err := s.db.ensure(ctx, o.Log); err != nil {
		return err
	}
	if err := s.checkKeys(ctx); err != nil {
		return err
	}
	floor, err := s.floor(ctx, o.Log)
	if err != nil {
		return err
	}
	l, err := s.attach(ctx, o)
	if err != nil {
		return err
	}
	s.opened = max(l.Seq, floor)
	if s.counter == nil {
		s.counter = order.NewCounter(s.opened)
	}
	s.counter.Raise(s.opened)
	s.writer.recorded.Store(int64(s.opened))
	s.writer.start()
	if err := s.complete(ctx); err != nil {
		return err
	}
	if !o.NoBackfill {
		s.adoption.begin()
	}
	return nil
}

// attach makes the writer and notes its session in the lease document: who takes over from a
// server that died ends the transaction that it may have left open.
func (s *Store) attach(ctx context.Context, o Options) (l leaseDoc, err error) {
	session, err := s.db.client.StartSession(options.Session().SetDefaultTransactionOptions(
		options.Transaction().SetReadConcern(readconcern.Snapshot())))
	if err != nil {
		return leaseDoc{}, err
	}
	err = s.coll(stateName).FindOneAndUpdate(ctx, s.lease(),
		bson.D{is("$set", bson.D{is("session", session.ID())})}).Decode(&l)
	if err != nil {
		session.EndSession(ctx)
		if errors.Is(err, mongo.ErrNoDocuments) {
			err = errStandby
		}
		return leaseDoc{}, err
	}
	s.writer = newWriter(s, session, l.Batch, o)
	return l, nil
}

// newestAccounts is of how many people who signed up last it is looked whether their keys are there.
const newestAccounts = 100

// checkKeys looks whether the keys open what is in the database: whether the master keys are the
// right ones, the server key that with which the database was made, and the keys not an older copy
// than the data. Without it lost keys would be noticed only when something cannot be read any more.
func (s *Store) checkKeys(ctx context.Context) error {
	if err := s.vault.Check(ctx); err != nil {
		return err
	}
	var meta metaDoc
	made, err := found(&meta, s.coll(stateName).FindOne(ctx, bson.D{is("_id", metaID)}).Decode(&meta))
	if err != nil {
		return err
	}
	if there, err := s.vault.HasServerKey(ctx); err != nil || !there && made != nil {
		return either(err, fmt.Errorf("%w: there are no keys in %s, and the database was made with some", seal.ErrWrongKey, s.db.keys.Name()))
	}
	key, err := s.vault.ServerKey(ctx)
	if err != nil {
		return err
	}
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("pryde database"))
	sum := h.Sum(nil)[:16]
	var fresh [4]byte
	_, _ = rand.Read(fresh[:])
	err = s.coll(stateName).FindOneAndUpdate(ctx, bson.D{is("_id", metaID)},
		bson.D{is("$setOnInsert", metaDoc{fresh[:], sum, whole(time.Now())})},
		options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&meta)
	if err != nil {
		return err
	}
	if !hmac.Equal(meta.KeyCheck, sum) {
		return fmt.Errorf("%w: the keys in %s are not those of this database", seal.ErrWrongKey, s.db.keys.Name())
	}
	copy(s.database[:], meta.Database)
	return s.expectKeys(ctx)
}

// expectKeys looks for the keys of those who signed up last. Accounts of the former system have
// none before something is sealed for them.
func (s *Store) expectKeys(ctx context.Context) error {
	cursor, err := s.coll(usersName).Find(ctx, bson.D{is("details", bson.D{is("$exists", true)}), notDeleted},
		options.Find().SetSort(bson.D{is("_id", -1)}).SetLimit(newestAccounts).SetProjection(bson.D{is("_id", 1)}))
	if err != nil {
		return err
	}
	newest, err := all[userDoc](ctx, cursor)
	if err != nil {
		return err
	}
	owners := make([]seal.Owner, len(newest))
	for i, d := range newest {
		owners[i] = seal.Owner(d.ID)
	}
	return s.vault.Expect(ctx, owners)
}

// lease is the filter that finds the lease document while the store holds the lease.
func (s *Store) lease() bson.D {
	return bson.D{is("_id", leaseID), is("token", s.token)}
}

// coll returns a collection of the data.
func (s *Store) coll(name string) *mongo.Collection { return s.db.data.Collection(name) }

// snapshot runs queries that see one state of the database, committed by a majority.
func (s *Store) snapshot(ctx context.Context, read func(context.Context) error) error {
	session, err := s.db.client.StartSession(options.Session().SetSnapshot(true))
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	return read(mongo.NewSessionContext(ctx, session))
}

// Opened returns the newest number that had been given out when the database was opened.
func (s *Store) Opened() order.Seq { return s.opened }

// Recorded reports whether the database knows of every number that was drawn. Clients may have been
// told of one that it does not know, that of an operation that failed: who gives the lease up then
// says that the end was not clean. It is asked after Close.
func (s *Store) Recorded() bool { return int64(s.counter.Last()) <= s.writer.recorded.Load() }

// Database identifies the database for as long as it exists: four random bytes.
func (s *Store) Database() [4]byte { return s.database }

// Fence ends all writing, because the server could not renew its lease: what waits and what comes
// answers STANDBY.
func (s *Store) Fence() { s.writer.fence() }

// Ping returns nil if the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.db.client.Ping(ctx, nil); err != nil {
		return fmt.Errorf("ping the database: %w", unavailable(err))
	}
	return nil
}

// Close finishes what is queued, for at most the time of two operations. What is called later
// answers that the store is closed. The connection stays open. It must be called once.
func (s *Store) Close() error {
	s.adoption.stop()
	s.writer.stop()
	return nil
}
