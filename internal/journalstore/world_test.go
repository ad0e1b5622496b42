package journalstore_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/journal"
	"pryde/internal/journalstore"
	"pryde/internal/message"
	"pryde/internal/mongostore"
	"pryde/internal/order"
	"pryde/internal/seal"
	"pryde/internal/testkit/mongod"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(mongod.Around(m)) }

var masterKey = seal.Key{1, 2, 3}

var (
	alice = user(1)
	bob   = user(2)
	carol = user(3)
	dave  = user(4)
)

// start is the time at which every test begins.
var start = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func user(n int) (u id.User) {
	u[0] = 0x65
	binary.BigEndian.PutUint32(u[8:], uint32(n))
	return u
}

func messageID(n int) (m id.Message) {
	m[0] = 0x66
	binary.BigEndian.PutUint32(m[8:], uint32(n))
	return m
}

func draft(n int, from, to id.User, text string) message.Draft {
	return message.Draft{
		ID: messageID(n), Sender: from, Recipient: to, Content: text, Fingerprint: message.Fingerprint{1, byte(n), byte(n >> 8)},
		At: start.Add(time.Duration(n) * time.Second),
	}
}

// A house is a database, its lease and a journal, which may be closed and opened again.
type house struct {
	t       testing.TB
	uri     string
	dir     string
	timeout time.Duration
	options journalstore.Options
	bounds  journal.Options
	opens   func(journalstore.Options)  // looks at the first opening
	hold    bool                        // the inner store is away when it is opened
	refuse  func(message.Waiting) error // what the inner store does not take

	database *mongostore.Database
	term     *mongostore.Term
	inner    *inner
	*journalstore.Store
}

// newHouse opens a store over a database that nobody has used.
func newHouse(t testing.TB, uri string) *house {
	t.Helper()
	return openHouse(t, uri, 5*time.Second, journalstore.Options{})
}

// calmHouse is newHouse for a store that takes nothing for an outage because a machine is slow.
func calmHouse(t testing.TB, uri string) *house {
	t.Helper()
	const patience = 20 * time.Second
	return openHouse(t, uri, patience, journalstore.Options{Patience: patience, Wait: patience})
}

func openHouse(t testing.TB, uri string, timeout time.Duration, o journalstore.Options) *house {
	t.Helper()
	h := &house{t: t, uri: uri, dir: t.TempDir(), timeout: timeout, options: o}
	h.open()
	t.Cleanup(h.close)
	return h
}

func (h *house) open() {
	h.t.Helper()
	ctx := h.t.Context()
	var err error
	if h.database, err = mongostore.Connect(ctx, h.uri, mongostore.ConnectOptions{Timeout: h.timeout}); err != nil {
		h.t.Fatal(err)
	}
	if h.term, err = h.database.Lease(rand.Text(), true).Take(ctx); err != nil {
		h.t.Fatal(err)
	}
	ring, err := seal.NewRing(masterKey.ID(), map[seal.KeyID]seal.Key{masterKey.ID(): masterKey})
	if err != nil {
		h.t.Fatal(err)
	}
	vault := seal.New(ring, h.database.Keys(), rand.Reader)
	log := slog.New(slog.DiscardHandler)
	s, err := mongostore.Open(ctx, mongostore.Options{Database: h.database, Vault: vault, Token: h.term.Token(), Log: log})
	if err != nil {
		h.t.Fatal(err)
	}
	h.inner = &inner{Store: s, refuse: h.refuse}
	h.inner.away(h.hold)
	h.bounds.Dir, h.bounds.Tag = h.dir, journalstore.Tag(s.Database())
	j, err := journal.Open(h.bounds)
	if err != nil {
		h.t.Fatal(err)
	}
	h.options.Inner, h.options.Journal, h.options.Vault, h.options.Log = h.inner, j, vault, log
	if h.opens != nil {
		opens := h.opens
		h.opens = nil
		opens(h.options)
		if err := os.MkdirAll(h.dir, 0o700); err != nil {
			h.t.Fatal(err)
		}
		if h.options.Journal, err = journal.Open(h.bounds); err != nil {
			h.t.Fatal(err)
		}
	}
	if h.Store, err = journalstore.New(ctx, h.options); err != nil {
		h.t.Fatal(err)
	}
}

// close ends the store as a shutdown does. It may be called again.
func (h *house) close() {
	h.t.Helper()
	if h.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), h.timeout)
	defer cancel()
	for _, err := range []error{h.Store.Close(), h.inner.Store.Close(), h.term.Release(ctx, true), h.database.Close()} {
		if err != nil {
			h.t.Errorf("close: %v", err)
		}
	}
	h.Store = nil
}

// drained waits until everything is stored.
func (h *house) drained() {
	h.t.Helper()
	if err := h.Drained(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	if st := h.Status(); st.Waiting != 0 || st.Bytes != 0 || !st.Since.IsZero() {
		h.t.Errorf("when everything is stored: %+v", st)
	}
}

var errAway = fault.Unavailable("STORE_UNAVAILABLE", "away", time.Second)

// An inner store that may not be able to write, though it can read.
type inner struct {
	*mongostore.Store
	noAppend, noReplay atomic.Bool
	noAttempt          atomic.Bool
	replayed           atomic.Int64 // messages
	refuse             func(message.Waiting) error

	// Called before the store is, where they are there.
	appending func(context.Context, message.Draft) error
	asking    func(message.Draft)
	changing  func(id.Group)

	// Called when the store has been.
	found func(id.Group)
	told  func()
}

func (i *inner) away(is bool) {
	i.noAppend.Store(is)
	i.noReplay.Store(is)
}

func (i *inner) Attempt(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	if i.asking != nil {
		i.asking(d)
	}
	if i.noAttempt.Load() {
		return message.Message{}, false, errAway
	}
	return i.Store.Attempt(ctx, d)
}

func (i *inner) ChangeGroup(ctx context.Context, g id.Group, by id.User, at time.Time, set func(*message.Group) error) (before, after message.Group, err error) {
	if i.changing != nil {
		i.changing(g)
	}
	return i.Store.ChangeGroup(ctx, g, by, at, set)
}

func (i *inner) Group(ctx context.Context, g id.Group) (message.Group, error) {
	found, err := i.Store.Group(ctx, g)
	if i.found != nil {
		i.found(g)
	}
	return found, err
}

func (i *inner) Since(ctx context.Context, u id.User, after order.Seq, limit int) (message.Changes, error) {
	c, err := i.Store.Since(ctx, u, after, limit)
	if i.told != nil {
		i.told()
	}
	return c, err
}

func (i *inner) AppendWithin(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	if i.noAppend.Load() {
		return message.Message{}, false, errAway
	}
	if i.appending != nil {
		if err := i.appending(ctx, d); err != nil {
			return message.Message{}, false, err
		}
	}
	return i.Store.AppendWithin(ctx, d)
}

func (i *inner) Replay(ctx context.Context, ws []message.Waiting) error {
	if i.noReplay.Load() {
		return errAway
	}
	if i.refuse != nil {
		for _, w := range ws {
			if err := i.refuse(w); err != nil {
				return err
			}
		}
	}
	i.replayed.Add(int64(len(ws)))
	return i.Store.Replay(ctx, ws)
}
