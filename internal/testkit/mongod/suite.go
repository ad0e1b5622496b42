package mongod

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// A Suite is the tests of a package, which share one server.
type Suite struct{ m *testing.M }

// Around lets the tests of a package share one server, which starts with the first test that
// needs it and ends with the last. It is for TestMain: goleak.VerifyTestMain(mongod.Around(m)).
func Around(m *testing.M) Suite {
	shared.owned = true
	return Suite{m}
}

// Run runs the tests and ends what they shared.
func (s Suite) Run() int {
	code := s.m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "end the mongod of the tests:", err)
		return max(code, 1)
	}
	return code
}

// shared is the server of this test binary.
var shared sharedServer

type sharedServer struct {
	owned bool // somebody ends it

	once   sync.Once
	server *Server
	uri    string
	err    error

	mu   sync.Mutex
	idle []string // databases that are empty
}

// start returns the URI of the server that tests share: the one of MONGODB_TEST_URI, or one that
// is started now.
func (s *sharedServer) start(ctx context.Context) (string, error) {
	s.once.Do(func() {
		if s.uri = os.Getenv("MONGODB_TEST_URI"); s.uri != "" {
			return
		}
		if s.server, s.err = Start(ctx, Options{InMemory: true}); s.err == nil {
			s.uri = s.server.URI("")
		}
	})
	return s.uri, s.err
}

func (s *sharedServer) close() error {
	if s.server != nil {
		return s.server.Close()
	}
	var errs []error
	for _, name := range s.idle {
		errs = append(errs, drop(s.uri, name))
	}
	return errors.Join(errs...)
}

// take returns the name of an empty database, or a new one.
func (s *sharedServer) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		name := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return name
	}
	return newName()
}

func (s *sharedServer) give(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, name)
}

func newName() string {
	random := make([]byte, 6)
	_, _ = rand.Read(random) // never fails
	return "test_" + hex.EncodeToString(random)
}

// Database returns a URI of a database that nobody has used, on the server that the tests of the
// package share. Every database whose name begins with its name is dropped when the test ends.
// A test is skipped where no mongod can be had, and fails there under CI=true.
func Database(t testing.TB) string {
	t.Helper()
	server, name := sharedURI(t), newName()
	t.Cleanup(func() {
		if err := drop(server, name); err != nil {
			t.Errorf("drop the database of the test: %v", err)
		}
	})
	return withDatabase(server, name)
}

// Emptied is Database for a test that does not care whether the collections and the indexes are
// there already: it may get one that an earlier test has used, without its documents. Making
// collections and indexes takes longer than most tests.
func Emptied(t testing.TB) string {
	t.Helper()
	server, name := sharedURI(t), shared.take()
	t.Cleanup(func() {
		if t.Failed() {
			if err := drop(server, name); err != nil {
				t.Errorf("drop the database of the test: %v", err)
			}
			return
		}
		if err := empty(server, name); err != nil {
			t.Errorf("empty the database of the test: %v", err)
			return
		}
		shared.give(name)
	})
	return withDatabase(server, name)
}

// sharedURI is that of the server that the tests of the package share.
func sharedURI(t testing.TB) string {
	t.Helper()
	if !shared.owned {
		t.Fatal("the TestMain of this package does not use mongod.Around")
	}
	server, err := shared.start(context.WithoutCancel(t.Context()))
	need(t, err)
	return server
}

// ForTest starts a server of its own for a test that harms it, and ends it with the test. A test
// is skipped where no mongod can be had, and fails there under CI=true.
func ForTest(t testing.TB, o Options) *Server {
	t.Helper()
	return SetForTest(t, 1, o).Servers[0]
}

// SetForTest is ForTest for a replica set of so many servers.
func SetForTest(t testing.TB, servers int, o Options) *Set {
	t.Helper()
	o.InMemory = true
	s, err := StartSet(t.Context(), servers, o)
	need(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("end the mongod of the test: %v", err)
		}
	})
	return s
}

var loud sync.Once

// need ends a test without a mongod.
func need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case !errors.Is(err, ErrNone) || os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		loud.Do(func() { fmt.Fprintln(os.Stderr, "MONGODB IS NOT TESTED HERE:", err) })
		t.Skip("there is no mongod")
	}
}

// drop removes the databases whose names begin with a name.
func drop(uri, name string) error {
	return eachDatabase(uri, name, func(ctx context.Context, d *mongo.Database) error { return d.Drop(ctx) })
}

// empty removes the documents of these databases.
func empty(uri, name string) error {
	return eachDatabase(uri, name, func(ctx context.Context, d *mongo.Database) error {
		collections, err := d.ListCollectionNames(ctx, bson.D{{Key: "type", Value: "collection"}})
		if err != nil {
			return err
		}
		var errs []error
		for _, c := range collections {
			_, err := d.Collection(c).DeleteMany(ctx, bson.D{})
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// eachDatabase calls fn for each database whose name begins with a name.
func eachDatabase(uri, name string, fn func(context.Context, *mongo.Database) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	return withClient(ctx, uri, func(c *mongo.Client) error {
		names, err := c.ListDatabaseNames(ctx, bson.D{{Key: "name", Value: bson.Regex{Pattern: "^" + name}}})
		if err != nil {
			return err
		}
		var errs []error
		for _, n := range names {
			errs = append(errs, fn(ctx, c.Database(n)))
		}
		return errors.Join(errs...)
	})
}

// cleanTimeout is what the databases of a test may take to go. A transaction that the test left
// open holds them for up to a minute.
const cleanTimeout = 90 * time.Second

// withDatabase puts the name of a database into a URI, which may have one.
func withDatabase(uri, database string) string {
	rest, query, _ := strings.Cut(uri, "?")
	scheme, hosts, _ := strings.Cut(rest, "://")
	hosts, _, _ = strings.Cut(hosts, "/")
	if query != "" {
		query = "?" + query
	}
	return scheme + "://" + hosts + "/" + database + query
}
