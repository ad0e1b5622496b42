package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
	"pryde/internal/wire"
	"pryde/torture/powercut"
)

const (
	people      = 5
	twoDevices  = 2 // of them have a second device
	threeOfThem = 3 // are in the second group; all are in the first
	joinTimeout = 60 * time.Second
	settleTime  = 60 * time.Second // for what is open when the faults end
	readTimeout = 2 * time.Minute  // for everything that is stored
	// maxAttempts bounds what one device sends.
	maxAttempts = 50_000
)

// A config is what a run is made of.
type config struct {
	binary   string
	store    store
	nodes    int // of the replica set; 0: as many as are usual with the store
	duration time.Duration
	messages int      // the run ends before its duration once so many are acknowledged
	faults   int      // and so many faults have happened; it must reach both. 0 and 0: it does not
	only     []string // the faults that happen; empty: all
	seed     uint64
	race     bool
	out      io.Writer
	log      io.Writer // gets faults and the servers' output; may be nil
}

// A world is the servers, what keeps their data, and the people who use them.
type world struct {
	config
	history *testkit.History
	book    *book
	dir     string
	vars    []string     // of every server
	disk    *powercut.FS // nil where there is none
	db      *database    // nil on the embedded store
	people  []*person
	groups  []*group
	count   map[string]int // of the faults that happened, by name

	acked, heard atomic.Int64 // attempts that succeeded; events that told of a message

	mu        sync.Mutex
	instances []*instance // grows only
}

// A person has an account; a device of theirs is a client.
type person struct {
	id    id.User
	token string
}

// A group is one of some of the people, the same all the time.
type group struct {
	id      id.Group
	members []*person
}

func (g *group) has(p *person) bool { return slices.Contains(g.members, p) }

// randomness returns the numbers that settle what one part of a run does.
func (c config) randomness(part uint64) *rand.Rand { return rand.New(rand.NewPCG(c.seed, part)) }

func (w *world) note(format string, args ...any) {
	_, _ = fmt.Fprintf(w.book, "time=%s torture: "+format+"\n", append([]any{time.Now().UTC().Format("2006-01-02T15:04:05.000Z")}, args...)...)
}

// run lets people use servers to which bad things happen, and judges what they saw.
// Its error is trouble with the run itself; what the servers did wrong is in the report.
func run(ctx context.Context, c config) (report, error) {
	began := time.Now()
	book, err := openBook(c.seed, c.log)
	if err != nil {
		return report{}, err
	}
	dir, err := os.MkdirTemp("", "torture-data-")
	if err != nil {
		return report{}, errors.Join(err, book.close())
	}
	w := &world{config: c, history: testkit.NewHistory(time.Now), book: book, dir: dir, count: map[string]int{}}
	found, err := w.live(ctx)
	err = errors.Join(err, w.clean(), book.close())
	switch {
	case errors.Is(err, mongod.ErrNone):
		return report{}, errors.Join(err, book.remove())
	case err != nil:
		return report{}, fmt.Errorf("%w; the log is in %s", err, book.path)
	}
	r := report{
		seed: c.seed, store: c.store, took: time.Since(began), faults: w.count, history: w.history, book: book.path,
		violations: found,
	}
	if len(found) == 0 {
		r.violations = testkit.Check(w.history) // else not everything was read
	}
	if len(r.violations) > 0 {
		return r, nil
	}
	if got := int(w.acked.Load()); got < c.messages || r.total() < c.faults {
		err = fmt.Errorf("only %d messages and %d faults of %d and %d in %s", got, r.total(), c.messages, c.faults, c.duration)
	}
	return r, errors.Join(err, book.remove())
}

// clean ends everything, whatever happened before.
func (w *world) clean() error {
	var errs []error
	for _, i := range w.all() {
		i.server.Kill()
	}
	if w.db != nil {
		errs = append(errs, w.db.close())
	}
	if w.disk != nil {
		errs = append(errs, w.disk.Unmount())
	}
	if err := errors.Join(errs...); err != nil {
		return err // the folder may be in use
	}
	return os.RemoveAll(w.dir)
}

// live runs the world to the end of the last reading.
func (w *world) live(ctx context.Context) ([]testkit.Violation, error) {
	if err := w.keep(ctx); err != nil {
		return nil, err
	}
	first, err := w.open(ctx)
	if err == nil {
		err = w.serving(ctx, first)
	}
	if err != nil {
		return nil, err
	}
	if err := w.join(ctx, first); err != nil {
		return nil, err
	}
	if found, err := w.torture(ctx); found != nil || err != nil {
		return found, err
	}
	if err := w.readTwice(ctx); err != nil {
		if bad, ok := errors.AsType[broken](err); ok {
			return []testkit.Violation{{Rule: bad.rule, Text: bad.Error()}}, nil
		}
		return nil, err
	}
	return nil, nil
}

// A broken promise is one that no history shows.
type broken struct {
	rule testkit.Rule
	error
}

func (b broken) Unwrap() error { return b.error }

// join makes the accounts and the groups.
func (w *world) join(ctx context.Context, at *instance) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	for i := range people {
		name := fmt.Sprintf("person%d", i)
		in, err := (&testkit.REST{BaseURL: at.server.BaseURL}).SignUp(ctx, wire.SignUp{
			FullName: "Person " + name, Username: name, Email: name + "@example.test",
			Password: "Correct-horse-42-" + name, Birthday: "1990-01-01",
		})
		if err != nil {
			return fmt.Errorf("sign up %s: %w", name, err)
		}
		p := &person{id: in.User.ID, token: in.AccessToken}
		w.people = append(w.people, p)
		w.history.Add(testkit.Entry{Kind: testkit.Joined, User: p.id.String()})
	}
	for _, members := range [][]*person{w.people, w.people[:threeOfThem]} {
		if err := w.form(ctx, at, members); err != nil {
			return err
		}
	}
	return nil
}

// form makes a group of some people.
func (w *world) form(ctx context.Context, at *instance, members []*person) error {
	in := wire.NewGroup{Name: fmt.Sprint("group", len(w.groups))}
	e := testkit.Entry{Kind: testkit.Formed, Members: []string{members[0].id.String()}}
	for _, p := range members[1:] {
		in.MemberIDs = append(in.MemberIDs, p.id)
		e.Members = append(e.Members, p.id.String())
	}
	made, err := (&testkit.REST{BaseURL: at.server.BaseURL, Token: members[0].token}).CreateGroup(ctx, in)
	if err != nil {
		return fmt.Errorf("make %s: %w", in.Name, err)
	}
	w.groups = append(w.groups, &group{id: made.ID, members: members})
	e.Group = made.ID.String()
	w.history.Add(e)
	return nil
}

// torture runs every device and the faults beside them, then lets the devices settle.
func (w *world) torture(ctx context.Context) ([]testkit.Violation, error) {
	acting, stop := context.WithTimeout(ctx, w.duration)
	defer stop()
	settling, give := context.WithCancel(ctx)
	defer give()
	var wg sync.WaitGroup
	stuck := make([]error, len(w.people)+twoDevices)
	for i := range stuck {
		d := newDevice(w, w.people[i%len(w.people)], i)
		wg.Go(func() {
			defer d.hangUp()
			d.act(acting, settling)
			stuck[i] = d.settle(settling)
		})
	}
	err := w.harm(ctx, acting)
	stop()
	if err != nil {
		give()
	}
	late := time.AfterFunc(settleTime, give)
	wg.Wait()
	late.Stop()
	switch bad, isBroken := errors.AsType[broken](err); {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case isBroken:
		return []testkit.Violation{{Rule: bad.rule, Text: bad.Error()}}, nil
	case err != nil:
		return nil, err
	}
	var violations []testkit.Violation
	for _, err := range stuck {
		if err != nil {
			violations = append(violations, testkit.Violation{Rule: "settles", Text: err.Error()})
		}
	}
	return violations, nil
}

// readTwice records what is stored, before and after a restart.
func (w *world) readTwice(ctx context.Context) error {
	active, err := w.active(ctx)
	if err != nil {
		return err
	}
	if err := w.read(ctx, active); err != nil {
		return err
	}
	for _, i := range w.all() {
		if i != active {
			if err := w.stop(i); err != nil {
				return err
			}
		}
	}
	if err := w.stop(active); err != nil {
		return err
	}
	if err := w.start(ctx, active); err != nil {
		return err
	}
	if err := w.until(ctx, "the only server serves and nothing waits to be stored", func() bool { return w.says(ctx, active) == "ok\n" }); err != nil {
		return err
	}
	if err := w.read(ctx, active); err != nil {
		return err
	}
	return w.stop(active)
}

// read records what is stored, as everybody in each conversation reads it.
func (w *world) read(ctx context.Context, at *instance) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for _, p := range w.people {
		rest := &testkit.REST{BaseURL: at.server.BaseURL, Token: p.token}
		for _, peer := range w.people {
			thread, err := rest.Thread(ctx, peer.id)
			if err != nil {
				return broken{"reads", fmt.Errorf("read what is stored: %w", err)}
			}
			w.history.Add(testkit.Entry{Kind: testkit.Stored, User: p.id.String(), Peer: peer.id.String(), Items: items(thread)})
		}
		for _, g := range w.groups {
			if !g.has(p) {
				continue
			}
			thread, err := rest.GroupThread(ctx, g.id)
			if err != nil {
				return broken{"reads", fmt.Errorf("read a group: %w", err)}
			}
			w.history.Add(testkit.Entry{Kind: testkit.Stored, User: p.id.String(), Item: testkit.Item{Group: g.id.String()}, Items: items(thread)})
		}
		list, err := rest.Conversations(ctx)
		if err != nil {
			return broken{"reads", fmt.Errorf("read the list: %w", err)}
		}
		groups, err := rest.Groups(ctx)
		if err != nil {
			return broken{"reads", fmt.Errorf("read the groups: %w", err)}
		}
		w.history.Add(testkit.Entry{Kind: testkit.Listed, User: p.id.String(), Rows: append(rows(list), groupRows(groups)...)})
	}
	return nil
}

func items(ms []wire.Message) []testkit.Item {
	list := make([]testkit.Item, len(ms))
	for i, m := range ms {
		list[i] = item(m)
	}
	return list
}

func item(m wire.Message) testkit.Item {
	it := testkit.Item{Message: m.ID.String(), Seq: m.Seq, Sender: m.Sender.ID.String(), Tag: m.Content, CreatedAt: m.CreatedAt}
	if m.GroupChat != nil {
		it.Group = m.GroupChat.String()
	} else {
		it.Recipient = m.Recipient.ID.String()
	}
	return it
}

func rows(list []wire.Conversation) []testkit.Row {
	out := make([]testkit.Row, len(list))
	for i, c := range list {
		out[i] = testkit.Row{Peer: c.ID.String(), Unread: c.UnreadCount}
		if c.LastMessage != nil {
			out[i].Last = c.LastMessage.ID.String()
		}
		if c.LastReadMessageID != nil {
			out[i].Read = c.LastReadMessageID.String()
		}
	}
	return out
}

func groupRows(list []wire.GroupRow) []testkit.Row {
	out := make([]testkit.Row, len(list))
	for i, g := range list {
		out[i] = testkit.Row{Peer: g.ID.String(), Unread: g.UnreadCount}
		if g.LastMessage != nil {
			out[i].Last = g.LastMessage.ID.String()
		}
		if g.LastReadMessageID != nil {
			out[i].Read = g.LastReadMessageID.String()
		}
	}
	return out
}

// A book takes down what happens to the servers and what they print. It is safe for concurrent use.
type book struct {
	path string
	file *os.File
	also io.Writer // may be nil
	mu   sync.Mutex
}

func openBook(seed uint64, also io.Writer) (*book, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("torture-%d.log", seed))
	f, err := os.Create(path)
	return &book{path: path, file: f, also: also}, err
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.also != nil {
		_, _ = b.also.Write(p)
	}
	return b.file.Write(p)
}

func (b *book) close() error  { return b.file.Close() }
func (b *book) remove() error { return os.Remove(b.path) }
