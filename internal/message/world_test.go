package message_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
	"pryde/internal/sqlitestore"
	"pryde/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ann = auth.Identity{User: id.User{11: 0xa}}
	bob = auth.Identity{User: id.User{11: 0xb}}
	eve = auth.Identity{User: id.User{11: 0xe}}
	dan = auth.Identity{User: id.User{11: 0xd}}
)

// everybody says that every account exists but those that are gone, and that everybody may
// write to everybody else but those who are apart.
type everybody struct {
	gone  map[id.User]bool
	apart map[id.User]map[id.User]bool // in both directions
}

func (e everybody) People(_ context.Context, us []id.User) (map[id.User]wire.Person, error) {
	known := make(map[id.User]wire.Person)
	for _, u := range us {
		if !e.gone[u] {
			known[u] = wire.Person{ID: u, Username: "u" + u.String(), DisplayName: "U"}
		}
	}
	return known, nil
}

func (e everybody) MayWrite(_ context.Context, from, to id.User) error {
	switch {
	case e.gone[to]:
		return fault.NotFound("USER_NOT_FOUND", "User not found")
	case e.apart[from][to]:
		return fault.Forbidden("CANNOT_MESSAGE", "Cannot send message to this user")
	}
	return nil
}

func (e everybody) BlockedWith(_ context.Context, u id.User) (map[id.User]bool, error) {
	return e.apart[u], nil
}

// unreachable lets nobody write to one person.
type unreachable struct {
	everybody
	who id.User
}

func (p unreachable) MayWrite(ctx context.Context, from, to id.User) error {
	if to == p.who && from != to {
		return fault.Forbidden("NOT_ACCEPTING", "This user is not accepting messages")
	}
	return p.everybody.MayWrite(ctx, from, to)
}

// part sets whether a block stands between two people.
func (e everybody) part(a, b id.User, apart bool) {
	for _, p := range [][2]id.User{{a, b}, {b, a}} {
		if e.apart[p[0]] == nil {
			e.apart[p[0]] = map[id.User]bool{}
		}
		e.apart[p[0]][p[1]] = apart
	}
}

// world is a service on a real store, and what it published, as a door hands it over.
type world struct {
	*message.Service
	store *sqlitestore.Store
	line  *order.Line
	dir   string
	stop  func()

	mu    sync.Mutex
	heard []wire.Outgoing
}

func open(t *testing.T, dir string, people message.People, set ...func(*message.Options)) *world {
	t.Helper()
	keys, err := sqlitestore.OpenKeys(t.Context(), filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	master := seal.Key{1}
	ring, err := seal.NewRing(master.ID(), map[seal.KeyID]seal.Key{master.ID(): master})
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Dir: dir, Vault: seal.New(ring, keys, rand.Reader), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{store: store, line: order.NewLine(0), dir: dir}
	options := message.Options{
		Store: store, Groups: store, People: people, IDs: id.NewSource(time.Now, rand.Reader), Key: [32]byte{7},
		Database: store.Database(), Now: time.Now,
	}
	for _, s := range set {
		s(&options)
	}
	w.Service = message.New(options)
	w.stop = sync.OnceFunc(func() {
		w.line.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		if err := keys.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

func newWorld(t *testing.T) *world { return open(t, t.TempDir(), everybody{}) }

// reopen closes the world and opens the same folder again: a restart.
func (w *world) reopen(t *testing.T) *world {
	w.stop()
	return open(t, w.dir, everybody{})
}

// do runs an operation as a door does: its events are published in the order of the commit.
// It returns the reply once everything is published.
func do[T any](w *world, op func(context.Context) (wire.Outcome[T], error)) (T, error) {
	ctx, turn := w.line.Begin(context.Background())
	defer turn.End(nil)
	out, err := op(ctx)
	if err != nil {
		return out.Reply, err
	}
	published := make(chan struct{})
	turn.End(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.heard = append(append(w.heard, out.Before...), out.After...)
		close(published)
	})
	<-published
	return out.Reply, nil
}

func (w *world) send(who auth.Identity, in wire.NewMessage) (wire.Delivery, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Delivery], error) { return w.Send(ctx, who, in) })
}

func (w *world) mustSend(t *testing.T, who auth.Identity, in wire.NewMessage) wire.Delivery {
	t.Helper()
	d, err := w.send(who, in)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	return d
}

// take returns what was published to a user since the last call, as event names.
func (w *world) take(u id.User) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, o := range w.heard {
		for _, r := range o.Rooms {
			if r == wire.UserRoom(u) {
				names = append(names, o.Name)
			}
		}
	}
	return names
}

// told returns what was published to a user since the last call of forget.
func (w *world) told(u id.User) []wire.Outgoing {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.heard), func(o wire.Outgoing) bool { return !slices.Contains(o.Rooms, wire.UserRoom(u)) })
}

// payloads returns what the events of one kind carried to a user since the last call of forget.
func payloads[P any](w *world, u id.User, e wire.ToClient[P]) []P {
	var out []P
	for _, o := range w.told(u) {
		if o.Name == e.Name() {
			out = append(out, o.Payload.(P))
		}
	}
	return out
}

func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = nil
}

func (w *world) thread(t *testing.T, who auth.Identity, with id.User) []wire.Message {
	t.Helper()
	p, err := w.Thread(t.Context(), who, with, wire.ListQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return p.Items
}

// wantFault checks that err is a fault with this code.
func wantFault(t *testing.T, err error, code string) {
	t.Helper()
	if got := fault.Of(err).Code; err == nil || got != code {
		t.Errorf("got %v, want a fault with code %s", err, code)
	}
}
