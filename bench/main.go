// Command bench measures the server: it starts the real binary on a fresh data folder or database,
// drives it over loopback with raw Socket.IO and REST clients, prints a table and writes JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxRun bounds a run of everything, maxScenario each scenario; the times that are configured
// count on top.
const (
	maxRun      = 90 * time.Minute
	maxScenario = 15 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without the process around it. It returns the exit code: 0 where
// everything was measured, goals met or not; 1 where something failed or answered wrongly.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, maxRun+c.configured())
	defer cancel()
	b, err := newBench(c, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	err = b.all(ctx)
	err = errors.Join(err, b.close())
	b.report.finish()
	b.report.print(stdout)
	if c.out != "" {
		err = errors.Join(err, b.report.write(c.out))
	}
	if c.markdown != "" {
		err = errors.Join(err, b.report.writeMarkdown(c.markdown))
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// A config says what is measured and how long.
type config struct {
	binary, out, markdown, dir string
	mongoURI                   string // empty: a MongoDB is started where one is measured
	stores                     []kind
	only                       []string

	messages         int           // of one sender
	openFor, flatFor time.Duration // of flatFor, each of the two windows takes that long
	openRate         float64       // messages a second, over all senders
	openSenders      int
	flatSenders      int
	fill, reads      int // messages in the long conversation; requests for each list
	rounds           int // of everybody connecting

	talkers             int // people who talk while others log in, or at the default limits
	loginFor, limitsFor time.Duration
	loginRate           float64 // logins a second
	connects            int

	turns    int // of each in a comparison
	turnFor  time.Duration
	sizes    []int // of the crowd's messages, growing
	crowd    int   // people
	backfill int   // messages of the former system
	threads  []int // lengths of the threads that the former design is read with
	listed   int   // messages behind the conversation list that it is read with

	searched, searches int // messages of who searches; how often they do
}

// configured is how long the parts take whose length is configured.
func (c config) configured() time.Duration {
	return c.openFor + 2*c.flatFor + 2*c.loginFor + c.limitsFor + 3*time.Duration(c.turns)*c.turnFor
}

func parse(args []string, stderr io.Writer) (config, error) {
	c := config{mongoURI: os.Getenv("MONGODB_URI")}
	var only, stores, sizes, threads string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.binary, "binary", "../bin/pryde", "the server")
	f.StringVar(&c.out, "out", "", "write JSON to this `file`")
	f.StringVar(&c.markdown, "markdown", "", "write the table to this `file` as Markdown")
	f.StringVar(&stores, "store", "sqlite", "measure these stores, by comma: sqlite, mongo (the one of MONGODB_URI, else one that is started)")
	f.StringVar(&c.dir, "dir", "", "`folder` for the temporary data; the system's by default")
	f.StringVar(&only, "only", "", "run these scenarios, by comma, of: "+strings.Join(names(), ", "))
	f.IntVar(&c.messages, "one", 2_000, "messages of one sender")
	f.DurationVar(&c.openFor, "open", time.Minute, "how long the open loop runs")
	f.Float64Var(&c.openRate, "rate", 500, "messages a second in the open loop")
	f.IntVar(&c.openSenders, "open-senders", 50, "people in the open loop")
	f.DurationVar(&c.flatFor, "flat", 15*time.Second, "how long people send flat out, for each window")
	f.IntVar(&c.flatSenders, "flat-senders", 64, "people who send flat out")
	f.IntVar(&c.fill, "fill", 100_000, "messages in the long conversation")
	f.IntVar(&c.reads, "reads", 2_000, "requests for each list")
	f.IntVar(&c.rounds, "rounds", 3, "rounds of everybody connecting")
	f.IntVar(&c.talkers, "talkers", 200, "people who talk while others log in, and at the default limits")
	f.DurationVar(&c.loginFor, "login", 30*time.Second, "how long people log in; as long again it is quiet")
	f.Float64Var(&c.loginRate, "login-rate", 50, "logins a second that are offered")
	f.DurationVar(&c.limitsFor, "limits", time.Minute, "how long people write at the default limits")
	f.IntVar(&c.connects, "connects", 5_000, "people who connect")
	f.IntVar(&c.turns, "turns", 5, "turns of each in a comparison")
	f.DurationVar(&c.turnFor, "turn", 5*time.Second, "how long a turn is")
	f.StringVar(&sizes, "sizes", "10000,100000,1000000", "messages of the crowd, growing, by comma")
	f.IntVar(&c.crowd, "crowd", 10_000, "people in the crowd")
	f.IntVar(&c.backfill, "backfill", 1_000_000, "messages of the former system that are taken over")
	f.StringVar(&threads, "threads", "1000,10000", "lengths of the threads of the former system that are read")
	f.IntVar(&c.listed, "listed", 50_000, "messages of the former system behind the conversation list that is read")
	f.IntVar(&c.searched, "searched", 50_000, "messages of somebody who searches")
	f.IntVar(&c.searches, "searches", 4_000, "searches of theirs")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	var err1, err2 error
	c.sizes, err1 = numbers(sizes)
	c.threads, err2 = numbers(threads)
	if err := errors.Join(err1, err2); err != nil {
		return c, err
	}
	for name := range strings.SplitSeq(stores, ",") {
		if k := kind(name); k == embedded || k == shared {
			c.stores = append(c.stores, k)
			continue
		}
		return c, fmt.Errorf("-store: %q is neither %s nor %s", name, embedded, shared)
	}
	if only != "" {
		c.only = strings.Split(only, ",")
	}
	for _, name := range c.only {
		if !slices.Contains(names(), name) {
			return c, fmt.Errorf("-only: %q is no scenario; there are %s", name, strings.Join(names(), ", "))
		}
	}
	counts := min(c.messages, c.openSenders, c.flatSenders, c.fill, c.reads, c.rounds, c.talkers, c.connects,
		c.turns, c.backfill, c.listed, c.crowd/minCrowd, c.searched/markerEvery, c.searches)
	if f.NArg() > 0 || counts < 1 || min(c.openRate, c.loginRate) <= 0 || min(c.openFor, c.flatFor, c.loginFor, c.limitsFor, c.turnFor) <= 0 {
		return c, fmt.Errorf("every number and time is above 0, a crowd is at least %d, and there are only flags", minCrowd)
	}
	return c, nil
}

// numbers reads numbers by comma, each above the one before.
func numbers(list string) ([]int, error) {
	var all []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || len(all) > 0 && n <= all[len(all)-1] {
			return nil, fmt.Errorf("%q is no list of growing numbers by comma", list)
		}
		all = append(all, n)
	}
	return all, nil
}

// A scenario measures something and returns its figures. What it could not measure is an
// error beside the figures that it has.
type scenario struct {
	name string
	run  func(*bench, context.Context) ([]figure, error)
	only kind // the store that it is about; empty: each
}

func scenarios() []scenario {
	return []scenario{
		{name: "one", run: (*bench).one}, {name: "open", run: (*bench).open}, {name: "flat", run: (*bench).flat},
		{name: "versus", run: (*bench).versus, only: shared},
		{name: "page", run: (*bench).page}, {name: "list", run: (*bench).list},
		{name: "growth", run: (*bench).growth},
		{name: "backfill", run: (*bench).adopt, only: shared}, {name: "former", run: (*bench).former, only: shared},
		{name: "login", run: (*bench).login}, {name: "limits", run: (*bench).limits}, {name: "connect", run: (*bench).connect},
		{name: "overview", run: (*bench).overview}, {name: "search", run: (*bench).search},
	}
}

func names() []string {
	var out []string
	for _, s := range scenarios() {
		out = append(out, s.name)
	}
	return out
}

// A bench is one run.
type bench struct {
	config
	dir      string // everything temporary is in it
	progress io.Writer
	report   report
	kind     kind         // of the store that is measured now
	mongo    *mongoServer // nil where MongoDB is not measured now
	filled   *longTalk    // made by the first scenario that reads it
}

func newBench(c config, progress io.Writer) (*bench, error) {
	dir, err := os.MkdirTemp(c.dir, "pryde-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{config: c, dir: dir, progress: progress}
	if b.report.Machine, err = describe(dir, c.binary); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

// all measures each store.
func (b *bench) all(ctx context.Context) error {
	var errs []error
	for _, k := range b.stores {
		if err := b.on(ctx, k); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k, err))
		}
	}
	return errors.Join(errs...)
}

// on measures one store.
func (b *bench) on(ctx context.Context, k kind) (err error) {
	b.kind = k
	if k == shared {
		if b.mongo, err = startMongo(ctx, b.mongoURI, b.dir); err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, b.mongo.close())
			b.mongo = nil
		}()
		if b.report.Machine.MongoDB, err = b.mongo.version(ctx); err != nil {
			return err
		}
	}
	err = b.scenarios(ctx)
	if b.filled != nil {
		err = errors.Join(err, b.filled.world.close())
		b.filled = nil
	}
	return err
}

// scenarios runs them one after the other. One that fails does not keep the next from running.
func (b *bench) scenarios(ctx context.Context) error {
	var errs []error
	for _, s := range scenarios() {
		if len(b.only) > 0 && !slices.Contains(b.only, s.name) || s.only != "" && s.only != b.kind {
			continue
		}
		if ctx.Err() != nil {
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		b.say("%s %s ...", b.kind, s.name)
		load := loadAverage()
		ctx, cancel := context.WithTimeout(ctx, maxScenario+b.configured())
		figures, err := s.run(b, ctx)
		cancel()
		for _, f := range figures {
			f.Store, f.Scenario, f.Load = b.kind, s.name, load
			b.report.Figures = append(b.report.Figures, f)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

// say tells whoever watches how far the run is.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

func (b *bench) close() error { return os.RemoveAll(b.dir) }
