package mongostore

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"pryde/internal/fault"
	"pryde/internal/order"
	"pryde/internal/seal"
	"pryde/internal/testkit/mongod"
)

func TestNumbersGoOnAfterReopening(t *testing.T) {
	d := database(t)
	first := openWith(t, d, Options{})
	last := send(t, first.Store, 1, user(1), user(2), "one")
	identity := first.Database()
	first.close(t)

	second := openWith(t, d, Options{})
	next := send(t, second.Store, 2, user(1), user(2), "two")

	if second.Opened() != last.Seq || next.Seq != last.Seq+1 {
		t.Errorf("opened at %d, the next number is %d; want %d and %d", second.Opened(), next.Seq, last.Seq, last.Seq+1)
	}
	if got := second.Database(); got != identity || got == [4]byte{} {
		t.Errorf("the database is %x after reopening, was %x", got, identity)
	}
	if got := open(t).Database(); got == identity {
		t.Error("two databases have the same identity")
	}
}

func TestNumbersComeFromTheCounterThatIsGiven(t *testing.T) {
	c := order.NewCounter(41)
	s := openWith(t, database(t), Options{Counter: c})

	m := send(t, s.Store, 1, user(1), user(2), "one")

	if m.Seq != 42 || c.Last() != 42 {
		t.Errorf("the message has number %d, the counter stands at %d; want 42", m.Seq, c.Last())
	}
}

func TestOpenRefuses(t *testing.T) {
	d := database(t)
	openWith(t, d, Options{}).close(t)
	token := seize(t, d)
	tests := map[string]struct {
		options Options
		refused func(error) bool
	}{
		"the keys of another database": {
			Options{Vault: vaultOf(t, impatient(t, time.Second), masterKey), Token: token},
			func(err error) bool { return errors.Is(err, seal.ErrWrongKey) },
		},
		"another master key": {
			Options{Vault: vaultOf(t, d, seal.Key{9}), Token: token},
			func(err error) bool { return errors.Is(err, seal.ErrWrongKey) },
		},
		"a lease of somebody else": {
			Options{Vault: vaultOf(t, d, masterKey), Token: token - 1},
			func(err error) bool { return fault.Of(err).Code == "STANDBY" },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.options.Database, test.options.Log = d, slog.New(slog.DiscardHandler)

			s, err := Open(t.Context(), test.options)

			if err == nil {
				t.Fatal(s.Close(), "the store is open")
			}
			if !test.refused(err) {
				t.Errorf("refused with %v", err)
			}
		})
	}
}

func TestConnectRefuses(t *testing.T) {
	tests := map[string]struct{ uri, says string }{
		"what is no address":      {"mongodb://", "malformed"},
		"a server that is not up": {"mongodb://user:sesame@127.0.0.1:1/pryde", "connect to MongoDB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d, err := Connect(t.Context(), test.uri, ConnectOptions{Timeout: 100 * time.Millisecond})
			if err == nil {
				t.Fatal(d.Close(), "connected")
			}
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "sesame") {
				t.Errorf("refused with %q", err)
			}
		})
	}
}

func TestDatabaseHasTheNameOfItsAddress(t *testing.T) {
	uri := mongod.Database(t)
	d := connect(t, uri, 0)
	if got := d.Name(); !strings.Contains(uri, "/"+got) || d.keys.Name() != got+"_keys" {
		t.Errorf("the databases are %q and %q", got, d.keys.Name())
	}
	unnamed := connect(t, strings.Replace(uri, d.Name(), "", 1), 0)
	if got := unnamed.Name(); got != "pryde" {
		t.Errorf("where the address names no database it is %q, want pryde", got)
	}
}

func TestPingAnswers(t *testing.T) {
	s := open(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// What people write is nowhere in the database as they wrote it.
func TestNothingIsStoredInTheClear(t *testing.T) {
	const canary = "canary-7f3a"
	s := open(t)
	d := draft(1, user(1), user(2), canary)
	d.Attachment = "/files/" + canary
	if _, _, err := s.Append(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Edit(t.Context(), d.ID, canary+" edited", start); err != nil {
		t.Fatal(err)
	}

	names, err := s.db.data.ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	documents := 0
	for _, name := range names {
		eachDocument(t, s.coll(name), func(raw bson.Raw) {
			documents++
			if strings.Contains(string(raw), canary) {
				t.Errorf("a document of %s holds the text", name)
			}
		})
	}
	if documents < 5 {
		t.Errorf("%d documents were looked at, want a message, two threads, the lease and the state", documents)
	}
}

func eachDocument(t *testing.T, c *mongo.Collection, look func(bson.Raw)) {
	t.Helper()
	cursor, err := c.Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cursor.Close(t.Context()) }()
	for cursor.Next(t.Context()) {
		look(cursor.Current)
	}
	if err := cursor.Err(); err != nil {
		t.Fatal(err)
	}
}
