// Command torture proves what the server promises about messages. It starts the real binary
// with its data on a disk that can lose its power, lets people write to each other through
// both doors, kills the server and cuts the power while they do, and judges at the end what
// every client sent, was told and saw against what is stored. It ends with 1 where a promise
// was broken, and keeps the history of that run.
//
//	go run . -duration 2m -seed 7
//	go run . -plant no-dedup     with a bug that must be found
//	go run . -plants             with each of the known bugs, one after the other
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"pryde/internal/testkit"
)

const (
	maxDuration = 24 * time.Hour
	// findWithin is how long a planted bug may stay undiscovered; a round is a run that looks
	// for it.
	findWithin = 60 * time.Second
	round      = 8 * time.Second
	// maxShown is how many violations of one rule are printed; the history shows them all.
	maxShown = 5
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		stop()
		os.Exit(1)
	}
}

// command runs the command with its arguments.
func command(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.SetOutput(log)
	duration := flags.Duration("duration", 30*time.Second, "how long people write")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano()), "settles what people do and when faults happen")
	planted := flags.String("plant", "", "run with a bug: "+strings.Join(plantNames(), ", "))
	every := flags.Bool("plants", false, "run with each bug in turn and succeed only if all are found")
	race := flags.Bool("race", false, "build the server with the race detector")
	verbose := flags.Bool("v", false, "show faults and what the server prints")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *duration <= 0 || *duration > maxDuration {
		return fmt.Errorf("-duration is more than 0 and at most %s", maxDuration)
	}
	c := config{duration: *duration, seed: *seed, race: *race, out: out}
	if *verbose {
		c.log = log
	}
	if *every {
		return findAll(ctx, c)
	}
	return once(ctx, c, *planted)
}

// once builds the server, with a bug where one is named, and runs it.
func once(ctx context.Context, c config, planted string) error {
	dir, err := os.MkdirTemp("", "torture-build-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if c.binary, err = build(ctx, dir, planted, c.race); err != nil {
		return err
	}
	r, err := run(ctx, c)
	if err != nil {
		return err
	}
	return r.verdict(c.out)
}

// findAll looks for every known bug.
func findAll(ctx context.Context, c config) error {
	var missed []string
	for _, name := range plantNames() {
		found, err := find(ctx, c, name)
		if err != nil {
			return fmt.Errorf("plant %s: %w", name, err)
		}
		if !found {
			missed = append(missed, name)
		}
	}
	if missed != nil {
		return fmt.Errorf("not found within %s: %s", findWithin, strings.Join(missed, ", "))
	}
	return nil
}

// find runs the server with a bug, each round with another seed, until a promise is broken.
func find(ctx context.Context, c config, name string) (bool, error) {
	dir, err := os.MkdirTemp("", "torture-build-")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if c.binary, err = build(ctx, dir, name, c.race); err != nil {
		return false, err
	}
	began := time.Now()
	for time.Since(began) < findWithin-round {
		c.duration = round
		r, err := run(ctx, c)
		if err != nil {
			return false, err
		}
		if len(r.violations) > 0 {
			_, err := fmt.Fprintf(c.out, "plant %s: found after %s, seed %d: %s\n", name, time.Since(began).Round(time.Second), c.seed, r.broken())
			return true, err
		}
		c.seed++
	}
	_, err = fmt.Fprintf(c.out, "plant %s: NOT FOUND within %s\n", name, findWithin)
	return false, err
}

func build(ctx context.Context, dir, planted string, race bool) (string, error) {
	b := testkit.Build{Race: race}
	if planted != "" {
		root, err := testkit.ModuleRoot()
		if err != nil {
			return "", err
		}
		if b.Overlay, err = overlay(root, dir, planted); err != nil {
			return "", err
		}
	}
	return b.Into(ctx, dir)
}

// A report is what a run came to.
type report struct {
	seed       uint64
	took       time.Duration
	kills      int
	cuts       int
	history    *testkit.History
	violations []testkit.Violation
}

// broken says how often which promise was broken.
func (r report) broken() string {
	count := map[testkit.Rule]int{}
	for _, v := range r.violations {
		count[v.Rule]++
	}
	var parts []string
	for _, rule := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%s %d", rule, count[rule]))
	}
	return strings.Join(parts, ", ")
}

// missed counts the messages that came by a sync.
func missed(h *testkit.History) int {
	n := 0
	for _, e := range h.Entries() {
		if e.Kind == testkit.Synced {
			n += len(e.Items)
		}
	}
	return n
}

// verdict prints the run. Where promises were broken it keeps the history in a file and
// returns an error.
func (r report) verdict(out io.Writer) error {
	h := r.history
	_, err := fmt.Fprintf(out, "torture: seed %d, %s: %d messages acknowledged, %d tries, %d events seen, %d syncs with %d messages; %d kills, %d power cuts; %d violations\n",
		r.seed, r.took.Round(100*time.Millisecond), h.Count(testkit.Acked), h.Count(testkit.Tried), h.Count(testkit.Saw), h.Count(testkit.Synced), missed(h),
		r.kills, r.cuts, len(r.violations))
	if err != nil || len(r.violations) == 0 {
		return err
	}
	shown := map[testkit.Rule]int{}
	for _, v := range r.violations {
		if shown[v.Rule]++; shown[v.Rule] > maxShown {
			continue
		}
		if _, err := fmt.Fprintln(out, " ", v); err != nil {
			return err
		}
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("torture-%d.jsonl", r.seed))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(h.Write(f), f.Close()); err != nil {
		return err
	}
	return fmt.Errorf("broken promises (%s); the history is in %s", r.broken(), path)
}
