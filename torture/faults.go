package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"pryde/internal/testkit"
)

const (
	minCalm = 300 * time.Millisecond // between the end of a fault and the next one
	maxCalm = 1500 * time.Millisecond

	minSpan = 200 * time.Millisecond // of a database that is in trouble
	maxSpan = 8 * time.Second
	// maxLatency is that of a slow network, one way.
	maxLatency = 60 * time.Millisecond
	// maxDown is how long a server is away.
	maxDown = time.Second
)

// A fault is something that goes wrong, and is over when do returns.
type fault struct {
	name string
	on   []store
	do   func(ctx context.Context, w *world, random *rand.Rand) error
}

var (
	everywhere = stores
	anyMongo   = []store{onMongo, mongoJournal}
)

// faults are those of servers, those of the database, and some of both at once.
var faults = append([]fault{
	{"server killed", everywhere, killServer},
	{"server stopped", everywhere, stopServer},
	{"power cut", []store{sqlite}, cutPower},
	{"server paused", anyMongo, pauseServer},
	{"server replaced", []store{onMongo}, replaceServer},
	{"server killed while the database is in trouble", anyMongo, killMeanwhile},
	{"step-down", anyMongo, func(ctx context.Context, w *world, _ *rand.Rand) error {
		_, err := w.db.set.StepDown(ctx)
		return err
	}},
}, troubled()...)

// A trouble is something with the database that lasts until end is called.
type trouble struct {
	name  string
	away  bool // nothing can be stored meanwhile where the set has one server
	begin func(ctx context.Context, d *database, random *rand.Rand) (end func(context.Context) error, err error)
}

var troubles = []trouble{
	{"mongod paused", true, pauseMongod},
	{"mongod killed", true, killMongod},
	{"network slow", false, viaProxies(func(p *testkit.Proxy, random *rand.Rand) {
		p.Slow(between(random, time.Millisecond, maxLatency), 0)
	})},
	{"network cut", true, viaProxies(func(p *testkit.Proxy, _ *rand.Rand) { p.Cut() })},
	{"network stalled", true, viaProxies(func(p *testkit.Proxy, _ *rand.Rand) { p.Stall() })},
	{"answers stalled", true, viaProxies(func(p *testkit.Proxy, _ *rand.Rand) { p.StallAnswers() })},
	{"connections reset", false, viaProxies(func(p *testkit.Proxy, _ *rand.Rand) { p.Reset() })},
}

func troubled() []fault {
	var all []fault
	for _, t := range troubles {
		all = append(all, fault{t.name, anyMongo, func(ctx context.Context, w *world, random *rand.Rand) error {
			return w.trouble(ctx, t, random)
		}})
	}
	return all
}

// harm lets faults happen at random times until acting ends or there were enough. Its error is
// broken where a server does not live on as it should.
func (w *world) harm(ctx, acting context.Context) error {
	random := w.randomness(0)
	var deck []fault
	for total := 0; ; total++ {
		if w.messages+w.faults > 0 && total >= w.faults && int(w.acked.Load()) >= w.messages {
			return nil
		}
		if !sleep(acting, between(random, minCalm, maxCalm)) {
			return nil
		}
		if err := w.alive(); err != nil {
			return err
		}
		if len(deck) == 0 {
			deck = w.shuffled(random)
		}
		next := deck[0]
		deck = deck[1:]
		w.note("fault: %s", next.name)
		if err := next.do(ctx, w, random); err != nil {
			return fmt.Errorf("%s: %w", next.name, err)
		}
		w.count[next.name]++
		if _, err := w.active(ctx); err != nil {
			return fmt.Errorf("after %s: %w", next.name, err)
		}
		w.note("fault is over: %s", next.name)
	}
}

// shuffled returns the faults of this world, each of which happens before any happens again.
func (w *world) shuffled(random *rand.Rand) []fault {
	var deck []fault
	for _, f := range faults {
		if slices.Contains(f.on, w.store) && (len(w.only) == 0 || slices.Contains(w.only, f.name)) && (f.name != "power cut" || w.disk != nil) {
			deck = append(deck, f)
		}
	}
	random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck
}

func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)))
}

// span is how long a trouble lasts, more often short than long.
func span(random *rand.Rand) time.Duration {
	return between(random, minSpan, between(random, 2*minSpan, maxSpan))
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func killServer(ctx context.Context, w *world, random *rand.Rand) error {
	active, err := w.active(ctx)
	if err != nil {
		return err
	}
	w.kill(active, "kill")
	sleep(ctx, between(random, 0, maxDown))
	return w.start(ctx, active)
}

func stopServer(ctx context.Context, w *world, random *rand.Rand) error {
	active, err := w.active(ctx)
	if err != nil {
		return err
	}
	if err := w.stop(active); err != nil {
		return err
	}
	sleep(ctx, between(random, 0, maxDown))
	return w.start(ctx, active)
}

func cutPower(ctx context.Context, w *world, _ *rand.Rand) error {
	active, err := w.active(ctx)
	if err != nil {
		return err
	}
	w.disk.Cut()
	w.kill(active, "power cut")
	if err := w.disk.Restore(); err != nil {
		return err
	}
	return w.start(ctx, active)
}

// pauseServer lets the active server stand still. Where another one may take its place, it goes on
// once that has happened, half of the time.
func pauseServer(ctx context.Context, w *world, random *rand.Rand) error {
	active, err := w.active(ctx)
	if err != nil {
		return err
	}
	long := w.store == onMongo && random.IntN(2) == 0
	if long {
		// It becomes the active one at once where the other one is.
		if active, err = w.accompanied(ctx, active); err != nil {
			return err
		}
	}
	w.note("%s is paused", active.name)
	if err := active.server.Pause(); err != nil {
		return err
	}
	if long {
		err = w.until(ctx, "another server takes over", func() bool {
			return slices.ContainsFunc(w.all(), func(i *instance) bool {
				return i != active && i.runs.Load() && w.says(ctx, i) == "ok\n"
			})
		})
	}
	sleep(ctx, span(random)/2)
	w.note("%s goes on", active.name)
	if failed := active.server.Resume(); err == nil {
		err = failed
	}
	return err
}

// accompanied returns the active server once there is another one beside it.
func (w *world) accompanied(ctx context.Context, active *instance) (*instance, error) {
	other, err := w.other(ctx, active)
	if err != nil {
		return nil, err
	}
	if err := w.serving(ctx, other); err != nil { // it asks for the hand-over
		return nil, err
	}
	return other, nil
}

// other starts a second server.
func (w *world) other(ctx context.Context, active *instance) (*instance, error) {
	for _, i := range w.all() {
		if i == active {
			continue
		}
		if err := w.stop(i); err != nil {
			return nil, err
		}
		return i, w.start(ctx, i)
	}
	return w.open(ctx)
}

// replaceServer starts another server, which takes over, as a container host does. The former one
// is stopped then, or stays and stands by.
func replaceServer(ctx context.Context, w *world, random *rand.Rand) error {
	active, err := w.active(ctx)
	if err != nil {
		return err
	}
	if _, err = w.accompanied(ctx, active); err != nil || random.IntN(2) == 0 {
		return err
	}
	return w.stop(active)
}

// killMeanwhile kills a server while the database is in trouble, and starts it before that ends.
func killMeanwhile(ctx context.Context, w *world, random *rand.Rand) error {
	active, err := w.active(ctx)
	if err != nil {
		return err
	}
	t := troubles[random.IntN(len(troubles))]
	w.note("beside: %s", t.name)
	end, err := t.begin(ctx, w.db, random)
	if err != nil {
		return err
	}
	sleep(ctx, span(random))
	w.kill(active, "kill")
	started := make(chan error, 1)
	go func() { started <- w.start(ctx, active) }()
	sleep(ctx, span(random)/2)
	w.note("the database is well")
	err = end(ctx)
	if failed := <-started; err == nil {
		err = failed
	}
	return err
}

// trouble lets a trouble last for a while. A server with a journal must take and tell messages all
// the while.
func (w *world) trouble(ctx context.Context, t trouble, random *rand.Rand) error {
	end, err := t.begin(ctx, w.db, random)
	if err != nil {
		return err
	}
	length := span(random)
	taken := w.journals(ctx, t, length)
	w.note("the database is well")
	if err := end(ctx); err != nil {
		return err
	}
	return taken
}

// takesWithin is how long a server with a journal may wait for its database before it goes on
// without. What needs the database is refused after the time of an operation, and every device may
// wait for that: a part of a trouble that is shorter than provesAfter proves nothing.
const (
	takesWithin = 2 * time.Second
	provesAfter = storeTimeout + time.Second
)

// journals waits for the length of a trouble. It is an error where a server with a journal does
// nothing meanwhile.
func (w *world) journals(ctx context.Context, t trouble, length time.Duration) error {
	if w.store != mongoJournal || !t.away || len(w.db.set.Servers) > 1 || length < takesWithin+provesAfter {
		sleep(ctx, length)
		return nil
	}
	sleep(ctx, takesWithin)
	acked, heard := w.acked.Load(), w.heard.Load()
	sleep(ctx, length-takesWithin)
	acked, heard = w.acked.Load()-acked, w.heard.Load()-heard
	w.note("without the database %d messages are acknowledged and %d heard", acked, heard)
	if acked == 0 || heard == 0 {
		return broken{"journals", fmt.Errorf("without the database for %s %d messages were acknowledged and %d heard", length-takesWithin, acked, heard)}
	}
	return nil
}

func pauseMongod(ctx context.Context, d *database, _ *rand.Rand) (func(context.Context) error, error) {
	primary, err := d.set.Primary(ctx)
	if err != nil {
		return nil, err
	}
	return func(context.Context) error { return primary.Resume() }, primary.Pause()
}

func killMongod(ctx context.Context, d *database, _ *rand.Rand) (func(context.Context) error, error) {
	primary, err := d.set.Primary(ctx)
	if err != nil {
		return nil, err
	}
	primary.Kill()
	return primary.Restart, nil
}

// viaProxies begins a trouble of the network.
func viaProxies(do func(*testkit.Proxy, *rand.Rand)) func(context.Context, *database, *rand.Rand) (func(context.Context) error, error) {
	return func(ctx context.Context, d *database, random *rand.Rand) (func(context.Context) error, error) {
		chosen, err := d.through(ctx, random)
		if err != nil {
			return nil, err
		}
		for _, p := range chosen {
			do(p, random)
		}
		return func(ctx context.Context) error {
			for _, p := range chosen {
				if err := p.Mend(ctx); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}
}
