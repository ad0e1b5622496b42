package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
	"pryde/torture/powercut"
)

const (
	people      = 5
	twoDevices  = 2 // of them have a second device
	syncDelay   = 2 * time.Millisecond
	joinTimeout = 60 * time.Second // for all accounts
	settleTime  = 45 * time.Second // for what is open when the faults end
	// maxAttempts bounds what one device sends.
	maxAttempts = 50_000

	minCalm = 300 * time.Millisecond // between a start and the next fault
	maxCalm = 1500 * time.Millisecond
)

// A config is what a run is made of.
type config struct {
	binary   string
	duration time.Duration
	seed     uint64
	race     bool
	out      io.Writer
	log      io.Writer // gets faults and the server's output; may be nil
}

// A world is the server, its disk and the people who use it.
type world struct {
	config
	history *testkit.History
	disk    *powercut.FS // nil where there is none
	server  *testkit.Server
	up      *gate
	people  []*person
	kills   int
	cuts    int
}

// A person has an account; a device of theirs is a client.
type person struct {
	id   id.User
	rest *testkit.REST
}

// randomness returns the numbers that settle what one part of a run does.
func (c config) randomness(part uint64) *rand.Rand { return rand.New(rand.NewPCG(c.seed, part)) }

func (w *world) note(format string, args ...any) {
	if w.log != nil {
		_, _ = fmt.Fprintf(w.log, "torture: "+format+"\n", args...)
	}
}

// run lets people use a server that is killed again and again, and judges what they saw.
// Its error is trouble with the run itself; what the server did wrong is in the report.
func run(ctx context.Context, c config) (report, error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "torture-data-")
	if err != nil {
		return report{}, err
	}
	w := &world{config: c, history: testkit.NewHistory(time.Now), up: newGate()}
	broken, err := w.live(ctx, dir)
	err = errors.Join(err, w.clean(dir))
	return report{
		seed: c.seed, took: time.Since(began), kills: w.kills, cuts: w.cuts, history: w.history,
		violations: append(broken, testkit.Check(w.history)...),
	}, err
}

// clean ends the server and unmounts its disk, whatever happened before.
func (w *world) clean(dir string) error {
	if w.server != nil {
		w.server.Kill()
	}
	if w.disk != nil {
		if err := w.disk.Unmount(); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// live runs the world to the end of the last reading.
func (w *world) live(ctx context.Context, dir string) ([]testkit.Violation, error) {
	if err := w.mount(dir); err != nil {
		return nil, err
	}
	var err error
	w.server, err = testkit.StartServer(ctx, testkit.ServerConfig{
		Binary: w.binary, DataDir: dir, Output: w.log, Env: []string{"ACCESS_TOKEN_EXPIRY=25h"},
	})
	if err != nil {
		return nil, err
	}
	w.up.open()
	if err := w.join(ctx); err != nil {
		return nil, err
	}
	if broken, err := w.torture(ctx); broken != nil || err != nil {
		return broken, err
	}
	if err := w.read(ctx); err != nil {
		return nil, err
	}
	if err := w.server.Stop(); err != nil {
		return []testkit.Violation{{Rule: "stops", Text: err.Error()}}, nil
	}
	return nil, nil
}

// mount puts a disk that can lose its power under the data, where this machine has one.
func (w *world) mount(dir string) (err error) {
	w.disk, err = powercut.Mount(dir, powercut.Options{Seed: w.seed, SyncDelay: syncDelay})
	if err == nil {
		return nil
	}
	w.disk = nil
	if !errors.Is(err, powercut.ErrUnavailable) || os.Getenv("CI") == "true" {
		return err
	}
	_, err = fmt.Fprintln(w.out, "POWER CUTS ARE NOT TESTED HERE, ONLY KILLS:", err)
	return err
}

// join makes the accounts.
func (w *world) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	for i := range people {
		name := fmt.Sprintf("person%d", i)
		rest := &testkit.REST{BaseURL: w.server.BaseURL}
		in, err := rest.SignUp(ctx, wire.SignUp{
			FullName: "Person " + name, Username: name, Email: name + "@example.test",
			Password: "Correct-horse-42-" + name, Birthday: "1990-01-01",
		})
		if err != nil {
			return fmt.Errorf("sign up %s: %w", name, err)
		}
		p := &person{id: in.User.ID, rest: rest.As(in.AccessToken)}
		w.people = append(w.people, p)
		w.history.Add(testkit.Entry{Kind: testkit.Joined, User: p.id.String()})
	}
	return nil
}

// torture runs every device and the faults beside them, then lets the devices settle.
func (w *world) torture(ctx context.Context) ([]testkit.Violation, error) {
	acting, stop := context.WithTimeout(ctx, w.duration)
	defer stop()
	settling, give := context.WithTimeout(ctx, w.duration+settleTime)
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
	if err != nil {
		give()
	}
	wg.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return []testkit.Violation{{Rule: "lives", Text: err.Error()}}, nil
	}
	var broken []testkit.Violation
	for _, err := range stuck {
		if err != nil {
			broken = append(broken, testkit.Violation{Rule: "settles", Text: err.Error()})
		}
	}
	return broken, nil
}

// harm kills the server and cuts its power at random times and starts it again, until
// acting ends. Its error is a server that does not start any more, or ends by itself.
func (w *world) harm(ctx, acting context.Context) error {
	random := w.randomness(0)
	for {
		calm := time.NewTimer(minCalm + time.Duration(random.Int64N(int64(maxCalm-minCalm))))
		select {
		case <-calm.C:
		case <-acting.Done():
			calm.Stop()
			return nil
		case <-w.server.Exited():
			calm.Stop()
			return fmt.Errorf("the server ended by itself; it printed:\n%s", last(w.server.Output()))
		}
		w.up.close()
		if err := w.fault(w.disk != nil && random.IntN(2) == 0); err != nil {
			return err
		}
		if err := w.server.Start(ctx); err != nil {
			return err
		}
		w.up.open()
	}
}

// last is the end of a long text.
func last(s string) string { return s[max(0, len(s)-4000):] }

func (w *world) fault(power bool) error {
	if !power {
		w.kills++
		w.note("kill")
		w.server.Kill()
		w.history.Add(testkit.Entry{Kind: testkit.Crashed, Note: "kill"})
		return nil
	}
	w.cuts++
	w.note("power cut")
	w.disk.Cut()
	w.server.Kill()
	w.history.Add(testkit.Entry{Kind: testkit.Crashed, Note: "power cut"})
	return w.disk.Restore()
}

// read records what is stored, as both people of each conversation read it.
func (w *world) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for _, p := range w.people {
		for _, peer := range w.people {
			thread, err := p.rest.Thread(ctx, peer.id)
			if err != nil {
				return fmt.Errorf("read what is stored: %w", err)
			}
			w.history.Add(testkit.Entry{Kind: testkit.Stored, User: p.id.String(), Peer: peer.id.String(), Items: items(thread)})
		}
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
	return testkit.Item{
		Message: m.ID.String(), Seq: m.Seq, Sender: m.Sender.ID.String(), Recipient: m.Recipient.ID.String(),
		Tag: m.Content, CreatedAt: m.CreatedAt,
	}
}

// A gate lets people wait while the server is down. It is safe for concurrent use.
type gate struct {
	mu     sync.Mutex
	opened chan struct{}
	isOpen bool
}

func newGate() *gate { return &gate{opened: make(chan struct{})} }

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isOpen {
		g.isOpen = true
		close(g.opened)
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isOpen {
		g.isOpen = false
		g.opened = make(chan struct{})
	}
}

// pass waits until the gate is open.
func (g *gate) pass(ctx context.Context) error {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	select {
	case <-opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
