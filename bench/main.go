// Command bench measures the server: it starts the real binary on a fresh data folder, drives
// it over loopback with raw Socket.IO and REST clients, prints a table and writes JSON.
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
	"strings"
	"syscall"
	"time"
)

// maxRun bounds a run of everything, maxScenario each scenario; the times that are configured
// count on top.
const (
	maxRun      = 30 * time.Minute
	maxScenario = 8 * time.Minute
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
	b.report.print(stdout)
	if c.out != "" {
		err = errors.Join(err, b.report.write(c.out))
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// A config says what is measured and how long.
type config struct {
	binary, out, dir string
	only             []string

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
}

// configured is how long the parts take whose length is configured.
func (c config) configured() time.Duration {
	return c.openFor + 2*c.flatFor + 2*c.loginFor + c.limitsFor
}

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.binary, "binary", "../bin/pryde", "the server")
	f.StringVar(&c.out, "out", "", "write JSON to this `file`")
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
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if only != "" {
		c.only = strings.Split(only, ",")
	}
	for _, name := range c.only {
		if !slices.Contains(names(), name) {
			return c, fmt.Errorf("-only: %q is no scenario; there are %s", name, strings.Join(names(), ", "))
		}
	}
	counts := min(c.messages, c.openSenders, c.flatSenders, c.fill, c.reads, c.rounds, c.talkers, c.connects)
	if f.NArg() > 0 || counts < 1 || min(c.openRate, c.loginRate) <= 0 || min(c.openFor, c.flatFor, c.loginFor, c.limitsFor) <= 0 {
		return c, errors.New("every number and time is above 0, and there are only flags")
	}
	return c, nil
}

// A scenario measures something and returns its figures. What it could not measure is an
// error beside the figures that it has.
type scenario struct {
	name string
	run  func(*bench, context.Context) ([]figure, error)
}

func scenarios() []scenario {
	return []scenario{
		{"one", (*bench).one}, {"open", (*bench).open}, {"flat", (*bench).flat},
		{"page", (*bench).page}, {"list", (*bench).list},
		{"login", (*bench).login}, {"limits", (*bench).limits}, {"connect", (*bench).connect},
		{"overview", (*bench).overview},
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
	filled   *longTalk // made by the first scenario that reads it
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

// all runs the scenarios one after the other. One that fails does not keep the next from
// running.
func (b *bench) all(ctx context.Context) error {
	var errs []error
	for _, s := range scenarios() {
		if len(b.only) > 0 && !slices.Contains(b.only, s.name) {
			continue
		}
		if ctx.Err() != nil {
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		fmt.Fprintf(b.progress, "%s ...\n", s.name)
		ctx, cancel := context.WithTimeout(ctx, maxScenario+b.configured())
		figures, err := s.run(b, ctx)
		cancel()
		for _, f := range figures {
			f.Scenario = s.name
			b.report.Figures = append(b.report.Figures, f)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

func (b *bench) close() error {
	var err error
	if b.filled != nil {
		err = b.filled.world.close()
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}
