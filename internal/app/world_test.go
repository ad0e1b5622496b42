package app_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/goleak"

	"pryde/internal/app"
	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
	"pryde/internal/wire"
)

// storeVariable says on which store the tests run: sqlite, where it is not set, or mongodb.
const storeVariable = "PRYDE_TEST_STORE"

func TestMain(m *testing.M) {
	if s := os.Getenv(storeVariable); s != "" && s != "sqlite" && s != "mongodb" {
		fmt.Fprintf(os.Stderr, "%s: want sqlite or mongodb\n", storeVariable)
		os.Exit(2)
	}
	flag.Parse()
	// Most of a test is waiting, a good part of it for passwords: the server rests between two.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err) // a number is one
		}
	}
	goleak.VerifyTestMain(mongod.Around(m))
}

func onMongoDB() bool { return os.Getenv(storeVariable) == "mongodb" }

// embeddedOnly skips a test of what only the embedded store has.
func embeddedOnly(t *testing.T) {
	t.Helper()
	if onMongoDB() {
		t.Skip("a test of the embedded store")
	}
}

// onMongoDBAnyway skips a test that is on MongoDB by itself where all are: the run on the embedded
// store has had it.
func onMongoDBAnyway(t *testing.T) {
	t.Helper()
	if onMongoDB() {
		t.Skip("a test that runs on MongoDB anyway")
	}
}

// databases are the addresses of those on MongoDB, by the data folders that they stand for.
var databases sync.Map

// storeIn returns the variables of the store that belongs to a data folder, and more.
func storeIn(t *testing.T, dir string, more map[string]string) map[string]string {
	t.Helper()
	all := map[string]string{"DATA_DIR": dir}
	if onMongoDB() && more["MONGODB_URI"] == "" {
		uri, known := databases.Load(dir)
		if !known {
			uri = mongod.Emptied(t)
			databases.Store(dir, uri)
		}
		all["MONGODB_URI"], _ = uri.(string)
	}
	maps.Copy(all, more)
	return all
}

// world is the whole server in this process, on a real socket and a real store.
type world struct {
	t    *testing.T
	url  string
	dir  string
	log  *logBook
	http *http.Client
	stop func() error // ends the server; later calls return the same
}

// logBook keeps what the server logs.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs a server in dir with these variables on top of generous limits.
func start(t *testing.T, dir string, vars map[string]string) *world {
	t.Helper()
	all := map[string]string{"RATE_LIMIT_FACTOR": "1000", "LOG_LEVEL": "debug"}
	maps.Copy(all, vars)
	c, err := app.LoadConfig(storeIn(t, dir, all))
	if err != nil {
		t.Fatal(err)
	}
	c.Port = 0 // any that is free
	w := &world{t: t, dir: dir, log: &logBook{}, http: &http.Client{Transport: &http.Transport{}}}
	ctx, cancel := context.WithCancel(context.Background())
	addr, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, c, slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), func(a net.Addr) { addr <- a })
	}()
	w.stop = sync.OnceValue(func() error {
		cancel()
		w.http.CloseIdleConnections()
		return <-ended
	})
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	select {
	case a := <-addr:
		w.url = "http://" + a.String()
		w.active(ended)
	case err := <-ended:
		ended <- err
		t.Fatalf("the server did not start: %v", err)
	}
	return w
}

// active waits until the server serves: on MongoDB it listens before that.
func (w *world) active(ended chan error) {
	w.t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for ctx := w.ctx(); ; {
		got, err := (&testkit.REST{BaseURL: w.url, HTTP: w.http}).Do(ctx, "GET", "/readyz", nil)
		if err == nil && got.Status == http.StatusOK && string(got.Body) == "ok\n" {
			return
		}
		select {
		case <-poll.C:
		case err := <-ended:
			ended <- err
			w.t.Fatalf("the server ended before it served: %v", err)
		case <-ctx.Done():
			w.t.Fatalf("the server does not serve: %d %s, %v; its log:\n%s", got.Status, got.Body, err, w.log)
		}
	}
}

func newWorld(t *testing.T) *world { return start(t, t.TempDir(), nil) }

// person is somebody who has signed up.
type person struct {
	w     *world
	id    id.User
	token string
	rest  *testkit.REST
	name  string
}

var people atomic.Int64

const password = "Correct-Horse-7"

func form(name string) wire.SignUp {
	return wire.SignUp{
		FullName: "Person Example", Username: name, Email: name + "@example.com",
		Password: password, Birthday: "1990-01-31",
	}
}

// rest is a client without a token whose answers are held to the contract.
func (w *world) rest() *testkit.REST {
	return &testkit.REST{BaseURL: w.url, HTTP: w.http, OnResponse: func(method, path string, status int, body []byte) {
		route := routeOf(method, path)
		if route == "" && status < http.StatusBadRequest {
			return // not of the REST door
		}
		if err := wire.ValidateAnswer(method, route, status, body); err != nil {
			w.t.Errorf("%s %s answered %d against the contract: %v", method, path, status, err)
		}
	}}
}

func (w *world) signUp() *person {
	w.t.Helper()
	name := fmt.Sprintf("person_%d", people.Add(1))
	rest := w.rest()
	in, err := rest.SignUp(w.ctx(), form(name))
	if err != nil {
		w.t.Fatalf("sign up: %v", err)
	}
	return &person{w: w, id: in.User.ID, token: in.AccessToken, rest: rest.As(in.AccessToken), name: name}
}

// ctx bounds one step of a test.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	w.t.Cleanup(cancel)
	return ctx
}

// dial connects with a token; what the server sends is held to the contract.
func (w *world) dial(token string) (*testkit.Conn, error) {
	d := testkit.Dialer{OnFrame: func(dir testkit.Direction, event string, raw jsontext.Value) {
		if dir == testkit.In {
			w.validate(event, raw)
		}
	}}
	return d.Dial(w.ctx(), w.url, token)
}

func (p *person) connect() *testkit.Conn {
	p.w.t.Helper()
	c, err := p.w.dial(p.token)
	if err != nil {
		p.w.t.Fatalf("connect: %v", err)
	}
	p.w.t.Cleanup(c.Close)
	p.await(c, wire.RoomJoinedEvent.Name())
	return c
}

func (p *person) await(c *testkit.Conn, event string) testkit.Event {
	p.w.t.Helper()
	e, err := c.Await(p.w.ctx(), event)
	if err != nil {
		p.w.t.Fatalf("%s: %v", p.name, err)
	}
	return e
}

// ask emits and returns the acknowledgement, decoded.
func ask[A any](p *person, c *testkit.Conn, event string, payload any) A {
	p.w.t.Helper()
	raw, err := c.EmitWithAck(p.w.ctx(), event, payload)
	if err != nil {
		p.w.t.Fatalf("%s: %v", event, err)
	}
	return decode[A](p.w.t, raw)
}

func decode[T any](t *testing.T, raw []byte) T {
	t.Helper()
	v, err := wire.Decode[T](raw)
	if err != nil {
		t.Fatalf("decode %s: %v", raw, err)
	}
	return v
}
