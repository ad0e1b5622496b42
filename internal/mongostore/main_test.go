package mongostore

import (
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/seal"
	"pryde/internal/testkit/mongod"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(mongod.Around(m)) }

var masterKey = seal.Key{1, 2, 3}

// connect returns a connection that the end of the test closes.
func connect(t testing.TB, uri string, timeout time.Duration) *Database {
	t.Helper()
	d, err := Connect(t.Context(), uri, ConnectOptions{Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return d
}

// database returns a database that nobody has used.
func database(t testing.TB) *Database {
	t.Helper()
	return connect(t, mongod.Database(t), 0)
}

// impatient is database with a time for each operation.
func impatient(t testing.TB, timeout time.Duration) *Database {
	t.Helper()
	return connect(t, mongod.Database(t), timeout)
}

// seize takes the lease of a database from whoever has it, and returns the token.
func seize(t testing.TB, d *Database) int64 {
	t.Helper()
	var l leaseDoc
	err := d.data.Collection(stateName).FindOneAndUpdate(t.Context(), bson.D{is("_id", leaseID)},
		bson.D{is("$inc", bson.D{is("token", int64(1))})},
		options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&l)
	if err != nil {
		t.Fatalf("take the lease: %v", err)
	}
	return l.Token
}

func vaultOf(t testing.TB, d *Database, key seal.Key) *seal.Vault {
	t.Helper()
	ring, err := seal.NewRing(key.ID(), map[seal.KeyID]seal.Key{key.ID(): key})
	if err != nil {
		t.Fatalf("make a key ring: %v", err)
	}
	return seal.New(ring, d.Keys(), rand.Reader)
}

// An opened store; close may be called before the test ends.
type opened struct {
	*Store
	closed bool
}

func (o *opened) close(t testing.TB) {
	t.Helper()
	if o.closed {
		return
	}
	o.closed = true
	if err := o.Close(); err != nil {
		t.Errorf("close the store: %v", err)
	}
}

// openWith opens a database whose lease it takes. What the options leave out is as usual.
func openWith(t testing.TB, d *Database, o Options) *opened {
	t.Helper()
	o.Database, o.Vault, o.Token = d, vaultOf(t, d, masterKey), seize(t, d)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	opened := &opened{Store: s}
	t.Cleanup(func() { opened.close(t) })
	return opened
}

// open opens an empty database.
func open(t testing.TB) *opened {
	t.Helper()
	return openWith(t, connect(t, mongod.Emptied(t), 0), Options{})
}

// start is the time at which every test begins.
var start = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func user(n int) (u id.User) {
	u[0] = 0x65
	u[10], u[11] = byte(n>>8), byte(n)
	return u
}

func messageID(n int) (m id.Message) {
	m[0] = 0x66
	m[9], m[10], m[11] = byte(n>>16), byte(n>>8), byte(n)
	return m
}

func draft(n int, from, to id.User, text string) message.Draft {
	return message.Draft{
		ID: messageID(n), Sender: from, Recipient: to, Content: text, Fingerprint: message.Fingerprint{1, byte(n), byte(n >> 8)},
		At: start.Add(time.Duration(n) * time.Second),
	}
}

func send(t testing.TB, s *Store, n int, from, to id.User, text string) message.Message {
	t.Helper()
	m, again, err := s.Append(t.Context(), draft(n, from, to, text))
	if err != nil || again {
		t.Fatalf("Append: again %v, error %v; want a new message", again, err)
	}
	return m
}
