package search_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/metric"
	"pryde/internal/seal"
	"pryde/internal/search"
	"pryde/internal/sqlitestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A tester is a test, a benchmark or a run of a property.
type tester interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
	Cleanup(f func())
}

// A world is a search over a database.
type world struct {
	t       tester
	store   *sqlitestore.Store
	options search.Options
	service *search.Service
	sent    int
	formed  int
}

var start = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world { return openWorld(t, t.TempDir(), t.TempDir()) }

// openWorld opens a database that may be there. The end of the test closes it.
func openWorld(t tester, data, keys string) *world {
	w := &world{t: t}
	k, err := sqlitestore.OpenKeys(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	master := seal.Key{1, 2, 3}
	ring, err := seal.NewRing(master.ID(), map[seal.KeyID]seal.Key{master.ID(): master})
	if err != nil {
		t.Fatal(err)
	}
	vault := seal.New(ring, k, rand.Reader)
	if w.store, err = sqlitestore.Open(t.Context(), sqlitestore.Options{Dir: data, Vault: vault, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	w.options = search.Options{Store: w.store, Key: [32]byte{4, 5}, Metrics: metric.New(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	w.service = search.New(w.options)
	t.Cleanup(func() {
		w.service.Close()
		if err := w.store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
		if err := k.Close(); err != nil {
			t.Errorf("close the keys: %v", err)
		}
	})
	return w
}

func user(n int) (u id.User) {
	u[0] = 0x65
	binary.BigEndian.PutUint32(u[8:], uint32(n))
	return u
}

var alice, bob, carol = user(1), user(2), user(3)

func (w *world) draft(from id.User, text string) message.Draft {
	w.sent++
	d := message.Draft{Sender: from, Content: text, At: start.Add(time.Duration(w.sent) * time.Second), Fingerprint: message.Fingerprint{1}}
	d.ID[0] = 0x66
	binary.BigEndian.PutUint32(d.ID[8:], uint32(w.sent))
	return d
}

func (w *world) append(d message.Draft) message.Message {
	w.t.Helper()
	m, _, err := w.store.Append(w.t.Context(), d)
	if err != nil {
		w.t.Fatalf("Append: %v", err)
	}
	return m
}

func (w *world) send(from, to id.User, text string) message.Message {
	w.t.Helper()
	d := w.draft(from, text)
	d.Recipient = to
	return w.append(d)
}

func (w *world) toGroup(g id.Group, from id.User, text string) message.Message {
	w.t.Helper()
	d := w.draft(from, text)
	d.Group = g
	return w.append(d)
}

func (w *world) newGroup(members ...id.User) id.Group {
	w.t.Helper()
	w.formed++
	g := message.Group{ID: groupID(w.formed), Name: "group", Creator: members[0], CreatedAt: start, UpdatedAt: start}
	for i, u := range members {
		g.Members = append(g.Members, message.Member{User: u, Admin: i == 0, JoinedAt: start})
	}
	if _, err := w.store.CreateGroup(w.t.Context(), g); err != nil {
		w.t.Fatalf("CreateGroup: %v", err)
	}
	return g.ID
}

func (w *world) members(g id.Group, set func([]message.Member) []message.Member) {
	w.t.Helper()
	_, _, err := w.store.ChangeGroup(w.t.Context(), g, alice, start, func(g *message.Group) error {
		g.Members = set(g.Members)
		return nil
	})
	if err != nil {
		w.t.Fatalf("ChangeGroup: %v", err)
	}
}

func (w *world) enter(g id.Group, u id.User) {
	w.t.Helper()
	w.members(g, func(ms []message.Member) []message.Member {
		return append(slices.Clone(ms), message.Member{User: u, JoinedAt: start})
	})
}

func (w *world) leave(g id.Group, u id.User) {
	w.t.Helper()
	w.members(g, func(ms []message.Member) []message.Member {
		return slices.DeleteFunc(slices.Clone(ms), func(m message.Member) bool { return m.User == u })
	})
}

func (w *world) edit(m id.Message, text string) {
	w.t.Helper()
	if _, err := w.store.Edit(w.t.Context(), m, text, start); err != nil {
		w.t.Fatalf("Edit: %v", err)
	}
}

func (w *world) deleteForAll(m id.Message) {
	w.t.Helper()
	if _, _, err := w.store.DeleteForAll(w.t.Context(), m, start); err != nil {
		w.t.Fatalf("DeleteForAll: %v", err)
	}
}

func (w *world) deleteForSelf(m id.Message, u id.User) {
	w.t.Helper()
	if _, _, err := w.store.DeleteForSelf(w.t.Context(), m, u, start); err != nil {
		w.t.Fatalf("DeleteForSelf: %v", err)
	}
}

// index makes all segments that are due of somebody, of so many messages each.
func (w *world) index(u id.User, size int) {
	w.t.Helper()
	if err := search.Settled(w.t.Context(), w.options, u, size); err != nil {
		w.t.Fatalf("make the index: %v", err)
	}
}

// page is one page of a search.
func (w *world) page(u id.User, q search.Query) search.Found {
	w.t.Helper()
	found, err := w.service.Search(w.t.Context(), auth.Identity{User: u}, q)
	if err != nil {
		w.t.Fatalf("Search for %q: %v", q.Text, err)
	}
	return found
}

// find returns all that is found, page by page.
func (w *world) find(u id.User, text string, limit int) []id.Message {
	w.t.Helper()
	var all []id.Message
	for q := (search.Query{Text: text, Limit: limit}); ; {
		found := w.page(u, q)
		if !found.Complete || len(found.IDs) > limit {
			w.t.Fatalf("a page of %q has %d messages, complete %v; want at most %d and all looked at", text, len(found.IDs), found.Complete, limit)
		}
		all = append(all, found.IDs...)
		if found.Next.IsZero() {
			return all
		}
		q.Before = found.Next
	}
}

// finds compares what is found with what should be, newest first.
func (w *world) finds(what string, u id.User, text string, want ...message.Message) {
	w.t.Helper()
	var ids []id.Message
	for _, m := range want {
		ids = append(ids, m.ID)
	}
	if got := w.find(u, text, 10); !slices.Equal(got, ids) {
		w.t.Errorf("%s: %q finds %v, want %v", what, text, got, ids)
	}
}

// segments returns how many segments somebody has.
func (w *world) segments(u id.User) int {
	w.t.Helper()
	all, err := w.store.SegmentFilters(w.t.Context(), u, search.Segment{}, 10_000)
	if err != nil {
		w.t.Fatalf("SegmentFilters: %v", err)
	}
	return len(all)
}

// poll waits until something is true.
func poll(t tester, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !true(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *world) chat(from, to id.User, n int) {
	w.t.Helper()
	for i := range n {
		w.send(from, to, fmt.Sprintf("filling number%d", i))
	}
}

// nth is the message that was sent as the nth one.
func (w *world) nth(n int) message.Message {
	m := message.Message{}
	m.ID[0] = 0x66
	binary.BigEndian.PutUint32(m.ID[8:], uint32(n))
	return m
}

// filtersOf is what the filters of somebody say.
func (w *world) filtersOf(u id.User) string {
	w.t.Helper()
	all, err := w.store.SegmentFilters(w.t.Context(), u, search.Segment{}, 10_000)
	if err != nil {
		w.t.Fatalf("SegmentFilters: %v", err)
	}
	var s []byte
	for _, g := range all {
		s = append(s, g.Filter...)
	}
	return string(s)
}

func groupID(n int) (g id.Group) {
	g[0] = 0x67
	binary.BigEndian.PutUint32(g[8:], uint32(n))
	return g
}
