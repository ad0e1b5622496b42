// Command torture proves what the server promises about messages. It starts the real binary,
// lets people write to each other and in groups through both doors while bad things happen to the server and
// to what keeps its data, and judges at the end what every client sent, was told and saw against
// what is stored. It ends with 1 where a promise was broken, and keeps the history of that run
// and what the servers printed.
//
// The data is kept by the embedded store on a disk that can lose its power, on MongoDB by a set of
// three servers behind proxies, with a second instance that takes over, or on MongoDB by a set
// of one server with a journal in front.
//
//	go run . -duration 2m -seed 7
//	go run . -store mongo -messages 50000 -faults 40 -duration 30m
//	go run . -store mongo-journal
//	go run . -store mongo -only step-down,server\ paused
//	go run . -plant no-dedup     with a bug that must be found
//	go run . -plants             with each of the known bugs, one after the other
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

	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
)

const (
	maxDuration = 24 * time.Hour
	maxNodes    = 7
	// findWithin is how long a planted bug may stay undiscovered; a round is a run that looks
	// for it.
	findWithin = 60 * time.Second
	round      = 8 * time.Second
	// On MongoDB faults last longer.
	findOnMongoWithin = 120 * time.Second
	mongoRound        = 20 * time.Second
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
	duration := flags.Duration("duration", 30*time.Second, "how long people write at most")
	messages := flags.Int("messages", 0, "end before the duration once so many messages are acknowledged; fewer are an error")
	faults := flags.Int("faults", 0, "and so many faults have happened; fewer are an error")
	only := flags.String("only", "", "the faults that happen, by comma; empty: all that there are on the store")
	nodes := flags.Int("nodes", 0, "servers of the replica set; 0: 3 with mongo, 1 with mongo-journal")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano()), "settles what people do and when faults happen")
	kept := flags.String("store", string(sqlite), "sqlite, mongo or mongo-journal")
	planted := flags.String("plant", "", "run with a bug, on the store and with the faults that show it: "+strings.Join(plantNames(), ", "))
	every := flags.Bool("plants", false, "run with each bug in turn and succeed only if all are found")
	race := flags.Bool("race", false, "build the server with the race detector")
	verbose := flags.Bool("v", false, "show faults and what the server prints")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c := config{
		store: store(*kept), nodes: *nodes, duration: *duration, messages: *messages, faults: *faults,
		seed: *seed, race: *race, out: out,
	}
	if *only != "" {
		c.only = strings.Split(*only, ",")
	}
	if err := c.check(); err != nil {
		return err
	}
	if *verbose {
		c.log = log
	}
	if *every {
		return findAll(ctx, c)
	}
	return once(ctx, c, *planted)
}

// check refuses what makes no sense.
func (c config) check() error {
	switch {
	case c.duration <= 0 || c.duration > maxDuration:
		return fmt.Errorf("-duration is more than 0 and at most %s", maxDuration)
	case !slices.Contains(stores, c.store):
		return errors.New("-store is sqlite, mongo or mongo-journal")
	case c.nodes < 0 || c.nodes > maxNodes || c.messages < 0 || c.faults < 0:
		return fmt.Errorf("-nodes is at most %d; nothing is less than 0", maxNodes)
	}
	for _, name := range c.only {
		if !slices.ContainsFunc(faults, func(f fault) bool { return f.name == name && slices.Contains(f.on, c.store) }) {
			return fmt.Errorf("-only: no fault of %s is called %q", c.store, name)
		}
	}
	return nil
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
	if planted != "" {
		c = c.with(plants[planted])
	}
	r, err := run(ctx, c)
	if err = c.skipped(err); err != nil || r.history == nil {
		return err
	}
	return r.verdict(c.out)
}

// skipped says aloud where there is no MongoDB, which is an error only where tests must not be
// left out.
func (c config) skipped(err error) error {
	if !errors.Is(err, mongod.ErrNone) || os.Getenv("CI") == "true" {
		return err
	}
	_, err = fmt.Fprintln(c.out, "MONGODB IS NOT TESTED HERE:", err)
	return err
}

// with is a run that shows a bug.
func (c config) with(p plant) config {
	c.store, c.only, c.nodes = p.store, p.faults, 1
	return c
}

// findAll looks for every known bug.
func findAll(ctx context.Context, c config) error {
	var missed []string
	for _, name := range plantNames() {
		found, err := find(ctx, c, name)
		if errors.Is(err, mongod.ErrNone) {
			found, err = true, c.skipped(err)
		}
		if err != nil {
			return fmt.Errorf("plant %s: %w", name, err)
		}
		if !found {
			missed = append(missed, name)
		}
	}
	if missed != nil {
		return fmt.Errorf("not found: %s", strings.Join(missed, ", "))
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
	c = c.with(plants[name])
	c.messages, c.faults = 0, 0
	within := findWithin
	c.duration = round
	if c.store != sqlite {
		within, c.duration = findOnMongoWithin, mongoRound
	}
	began := time.Now()
	for time.Since(began) < within-c.duration {
		r, err := run(ctx, c)
		if err != nil {
			return false, err
		}
		if len(r.violations) > 0 {
			_, err := fmt.Fprintf(c.out, "plant %s: found after %s, seed %d: %s\n", name, time.Since(began).Round(time.Second), c.seed, r.broken())
			return true, errors.Join(err, os.Remove(r.book))
		}
		c.seed++
	}
	_, err = fmt.Fprintf(c.out, "plant %s: NOT FOUND within %s\n", name, within)
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
