package files_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/files"
	"pryde/internal/files/folder"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/seal"
	"pryde/internal/sqlitestore"
	"pryde/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ann = auth.Identity{User: id.User{0x65, 1}}
	bob = auth.Identity{User: id.User{0x65, 2}}

	nobody auth.Identity
	start  = time.Date(2024, 5, 1, 12, 20, 0, 0, time.UTC)
)

// A clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A world is a service over a real store and a real folder.
type world struct {
	*files.Service
	t       testing.TB
	dir     string
	spools  string
	store   *sqlitestore.Store
	vault   *seal.Vault
	objects *faulty
	clock   *clock
	options files.Options
	log     *bytes.Buffer
}

// faulty is a store of objects that fails where a test says so.
type faulty struct {
	files.Objects

	mu         sync.Mutex
	put, erase error
	partly     bool // a put that fails leaves the object
	opened     []int64
}

func (f *faulty) Put(ctx context.Context, key string, content io.Reader, size int64) error {
	f.mu.Lock()
	err, partly := f.put, f.partly
	f.mu.Unlock()
	if err == nil || partly {
		err = errors.Join(err, f.Objects.Put(ctx, key, content, size))
	}
	return err
}

func (f *faulty) Delete(ctx context.Context, key string) error {
	f.mu.Lock()
	err := f.erase
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Objects.Delete(ctx, key)
}

// Open counts which places are read from.
func (f *faulty) Open(ctx context.Context, key string) (files.Object, error) {
	o, err := f.Objects.Open(ctx, key)
	return watched{o, f}, err
}

type watched struct {
	files.Object
	of *faulty
}

func (w watched) From(offset int64) (io.ReadCloser, error) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	w.of.opened = append(w.of.opened, offset)
	return w.Object.From(offset)
}

func (f *faulty) set(change func(*faulty)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

const testQuota = 100 << 20

func newWorld(t testing.TB, change ...func(*files.Options)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), spools: t.TempDir(), clock: &clock{at: start}, log: &bytes.Buffer{}}
	keys, err := sqlitestore.OpenKeys(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.must(keys.Close()) })
	master := seal.Key{1, 2, 3}
	ring, err := seal.NewRing(master.ID(), map[seal.KeyID]seal.Key{master.ID(): master})
	if err != nil {
		t.Fatal(err)
	}
	w.vault = seal.New(ring, keys, rand.Reader)
	if w.store, err = sqlitestore.Open(t.Context(), sqlitestore.Options{Dir: t.TempDir(), Vault: w.vault, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.must(w.store.Close()) })
	objects, err := folder.Open(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.must(objects.Close()) })
	w.objects = &faulty{Objects: objects}
	w.options = files.Options{
		Store: w.store, Objects: w.objects, Vault: w.vault, Key: [32]byte{9}, Database: [4]byte{0xda, 0x7a, 0xba, 0x5e}, Spool: w.spools,
		Quota: testQuota, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.clock.now,
	}
	for _, c := range change {
		c(&w.options)
	}
	w.again()
	return w
}

// again is a new process on the same data.
func (w *world) again() {
	w.t.Helper()
	s, err := files.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Service = s
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Error(err)
	}
}

// send uploads a file that has to be taken, and returns its link.
func (w *world) send(who auth.Identity, file []byte) string {
	w.t.Helper()
	got, err := w.Store(w.t.Context(), who, wire.Upload{Content: bytes.NewReader(file)})
	if err != nil {
		w.t.Fatalf("Store: %v", err)
	}
	return got.URL
}

// query reads a link as the door does.
func (w *world) query(link string) wire.FileQuery {
	w.t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		w.t.Fatal(err)
	}
	return wire.FileQuery{Name: path.Base(u.Path), Expires: u.Query().Get("expires"), Signature: u.Query().Get("signature")}
}

// get fetches what a link shows.
func (w *world) get(link string) (wire.File, []byte) {
	w.t.Helper()
	f, err := w.Fetch(w.t.Context(), nobody, w.query(link))
	if err != nil {
		w.t.Fatalf("Fetch: %v", err)
	}
	b, err := io.ReadAll(f.Content)
	if err = errors.Join(err, f.Content.Close()); err != nil {
		w.t.Fatalf("read a file: %v", err)
	}
	return f, b
}

// refused fetches what has to be refused.
func (w *world) refused(who auth.Identity, q wire.FileQuery, want error) {
	w.t.Helper()
	f, err := w.Fetch(w.t.Context(), who, q)
	if err == nil {
		_ = f.Content.Close()
	}
	if !errors.Is(err, want) {
		w.t.Errorf("Fetch gave %v, want %v", err, want)
	}
}

// stored returns the objects that are on the disk, what is being written included.
func (w *world) stored() (names []string) {
	w.t.Helper()
	for _, dir := range []string{w.dir, w.spools} {
		err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				names = append(names, name)
			}
			return err
		})
		w.must(err)
	}
	return names
}

// rows returns what the store knows of.
func (w *world) rows() []files.Upload {
	w.t.Helper()
	last := files.Name{}
	for i := range last {
		last[i] = 0xff
	}
	rows, err := w.store.UploadsBetween(w.t.Context(), files.Name{}, last, 1000)
	w.must(err)
	return rows
}

// empty says that nothing is stored anywhere.
func (w *world) empty(what string) {
	w.t.Helper()
	if names, rows := w.stored(), w.rows(); len(names)+len(rows) > 0 {
		w.t.Errorf("%s: %d files and %d rows are left", what, len(names), len(rows))
	}
}

// sweep sweeps once.
func (w *world) sweep() {
	w.t.Helper()
	w.must(w.SweepNow(w.t.Context()))
}

// message stores a message that has files.
func (w *world) message(n byte, from auth.Identity, links ...string) id.Message {
	w.t.Helper()
	m := id.Message{0x66, n}
	if err := w.Attach(w.t.Context(), from.User, m, links...); err != nil {
		w.t.Fatalf("Attach: %v", err)
	}
	d := message.Draft{
		ID: m, Sender: from.User, Recipient: bob.User, Content: "look", Attachment: strings.Join(links, " "),
		Fingerprint: message.Fingerprint{1, n}, At: w.clock.now(),
	}
	if _, again, err := w.store.Append(w.t.Context(), d); err != nil || again {
		w.t.Fatalf("Append: again %v, error %v", again, err)
	}
	return m
}

// overwrite changes the only object on the disk.
func (w *world) overwrite(change func([]byte) []byte) {
	w.t.Helper()
	names := w.stored()
	if len(names) != 1 {
		w.t.Fatalf("%d files are stored, want 1", len(names))
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		w.t.Fatal(err)
	}
	w.must(os.WriteFile(names[0], change(b), 0o600))
}

func code(err error) string { return fault.Of(err).Code }
