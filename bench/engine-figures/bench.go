package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// maxTrial bounds one scenario of one system in one round, beside its own waits.
const maxTrial = 10 * time.Minute

// A scenario measures one system once, on fresh processes, and returns its figures by key.
type scenario struct {
	name string
	idle bool // has its own number of rounds
	ours bool // has a turn of our system only
	run  func(*bench, context.Context, *system) (map[string]float64, error)
}

func scenarios() []scenario {
	return []scenario{
		{name: "idle", idle: true, run: (*bench).idleSockets},
		{name: "polling", idle: true, run: (*bench).idlePolls},
		{name: "product", idle: true, ours: true, run: (*bench).idleProduct},
		{name: "room", run: (*bench).flatOut},
		{name: "paced", run: (*bench).paced},
		{name: "echo", run: (*bench).echoes},
		{name: "connects", run: (*bench).connectsOnBoth},
	}
}

func scenarioNames() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// results are the figures of every round, by key and system.
type results map[string]map[string][]float64

func (r results) add(system string, figures map[string]float64) {
	for key, v := range figures {
		if r[key] == nil {
			r[key] = make(map[string][]float64)
		}
		r[key][system] = append(r[key][system], v)
	}
}

// A bench is one run.
type bench struct {
	config
	progress io.Writer
	results  results
	tmp      string   // everything temporary is in it
	product  *product // made by the first round that needs it
}

// all runs every scenario, one after the other, in rounds: in each all systems have a turn,
// and another one is the first. A trial that fails leaves a gap and does not keep the next
// from running.
func (b *bench) all(ctx context.Context) (err error) {
	if b.tmp, err = os.MkdirTemp(b.dir, "engine-figures-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.tmp)) }()
	systems := systemsOf(b.systems)
	var failed []error
	for _, s := range scenarios() {
		if !slices.Contains(b.only, s.name) {
			continue
		}
		rounds := b.rounds
		if s.idle {
			rounds = b.idleRounds
		}
		for round := range rounds {
			for turn := range systems {
				system := systems[(round+turn)%len(systems)]
				if s.ours && system.name != ours {
					continue
				}
				if ctx.Err() != nil {
					return errors.Join(append(failed, context.Cause(ctx))...)
				}
				failed = append(failed, b.trial(ctx, s, round, system))
			}
		}
	}
	return errors.Join(failed...)
}

func (b *bench) trial(ctx context.Context, s scenario, round int, system *system) error {
	fmt.Fprintf(b.progress, "%s  %s, round %d, %s\n", time.Now().Format(time.TimeOnly), s.name, round+1, system.name)
	ctx, cancel := context.WithTimeout(ctx, maxTrial+2*b.settle)
	defer cancel()
	figures, err := s.run(b, ctx, system)
	b.results.add(system.name, figures)
	if err != nil {
		err = fmt.Errorf("%s, round %d, %s: %w", s.name, round+1, system.name, err)
		fmt.Fprintln(b.progress, err)
	}
	return err
}
