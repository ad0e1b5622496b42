package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/bench/peer"
	"pryde/bench/sample"
)

const (
	echoTime       = 3 * time.Second
	manyEchoers    = 100
	connects       = 1_000
	connectsAtOnce = 200
	floodsForTwo   = 3
	answerTimeout  = 10 * time.Second
	idle           = 2_000
	settleTime     = time.Second // until what a burst of connects left is collected or not
)

// engines are the peers that are compared, ours first.
var engines = []struct{ folder, label string }{{"engine", "pryde"}, {"zishang", "zishang520"}}

// A trial is one number of one engine in one round.
type trial struct {
	name, unit string
	value      float64
	summed     bool // rounds are added up; else their median counts
}

// engine compares the engine with another one that does the same: bare echo servers, loaded
// by the same client, in turns, each on one processor and the client on the others. The
// figures are medians over the rounds, and sums of what went wrong.
func (b *bench) engine(ctx context.Context) ([]figure, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(runtime.NumCPU()-1, 1)))
	programs := make(map[string]string)
	for _, e := range engines {
		program, err := peer.Build(ctx, e.folder, b.dir)
		if err != nil {
			return nil, err
		}
		programs[e.label] = program
	}
	results := make(map[string][][]trial) // by engine and round
	for range b.rounds {
		for _, e := range engines {
			trials, err := round(ctx, programs[e.label])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.label, err)
			}
			results[e.label] = append(results[e.label], trials)
		}
	}
	return compare(results), nil
}

// compare shows the rounds of both engines side by side.
func compare(results map[string][][]trial) []figure {
	ours, theirs := engines[0].label, engines[1].label
	var figures []figure
	for i, t := range results[ours][0] {
		a, b := over(results[ours], i), over(results[theirs], i)
		rounds := len(results[ours])
		figures = append(figures,
			measured(t.name+", "+ours, a, t.unit, rounds),
			measured(t.name+", "+theirs, b, t.unit, rounds))
		if !t.summed && b != 0 {
			figures = append(figures, measured(t.name+", ratio", a/b, ours+"/"+theirs, rounds))
		}
	}
	return figures
}

// over returns the median, over the rounds, of the number at this place, or its sum.
func over(rounds [][]trial, at int) float64 {
	var values []float64
	for _, r := range rounds {
		values = append(values, r[at].value)
	}
	if !rounds[0][at].summed {
		return sample.Median(values)
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum
}

// round takes every number of one engine once. Each part begins with a fresh process.
func round(ctx context.Context, program string) ([]trial, error) {
	var all []trial
	for _, part := range []struct {
		processors int
		run        func(context.Context, *peer.Process) ([]trial, error)
	}{
		{1, echoes}, {1, floods}, {2, floodsOnTwo}, {1, idles},
	} {
		p, err := peer.Start(ctx, program, part.processors)
		if err != nil {
			return nil, err
		}
		trials, err := part.run(ctx, p)
		p.Stop()
		if err != nil {
			return nil, err
		}
		all = append(all, trials...)
	}
	return all, nil
}

// echoes measures round trips at one connection and at many.
func echoes(ctx context.Context, p *peer.Process) ([]trial, error) {
	one, _, err := echo(ctx, p, 1)
	if err != nil {
		return nil, err
	}
	many, cpu, err := echo(ctx, p, manyEchoers)
	if err != nil {
		return nil, err
	}
	at := fmt.Sprintf("at %d connections", manyEchoers)
	return []trial{
		{name: "echo at 1 connection", unit: "round trips/s", value: one},
		{name: "echo " + at, unit: "round trips/s", value: many},
		{name: "server processor per echo " + at, unit: "µs", value: cpu},
	}, nil
}

// echo returns round trips a second, and the processor time of the server for each in
// microseconds.
func echo(ctx context.Context, p *peer.Process, n int) (rate, cpu float64, err error) {
	d := dialPeers(ctx, p.Address, n, n)
	defer closePeers(d.conns)
	if err := d.all(); err != nil {
		return 0, 0, err
	}
	before, err := p.Processor()
	if err != nil {
		return 0, 0, err
	}
	var trips atomic.Int64
	start := time.Now()
	var g errgroup.Group
	for _, c := range d.conns {
		g.Go(func() error {
			for time.Since(start) < echoTime && ctx.Err() == nil {
				if err := c.Echo(); err != nil {
					return err
				}
				trips.Add(1)
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return 0, 0, err
	}
	took := time.Since(start)
	after, err := p.Processor()
	count := float64(trips.Load())
	return count / took.Seconds(), float64((after - before).Microseconds()) / count, err
}

// floods measures connects up to the last one that was accepted, and counts those that got no
// answer in time.
func floods(ctx context.Context, p *peer.Process) ([]trial, error) {
	return flood(ctx, p, 1, "")
}

// floodsOnTwo is for a server on two processors, where its goroutines really run at once; the
// client shares them. Connects that get no answer are rare, so it makes more of them.
func floodsOnTwo(ctx context.Context, p *peer.Process) ([]trial, error) {
	return flood(ctx, p, floodsForTwo, ", server on 2 processors")
}

// flood makes the connects so many times. A failure other than silence is an error.
func flood(ctx context.Context, p *peer.Process, times int, where string) ([]trial, error) {
	var rates []float64
	unanswered := 0
	for range times {
		begun := time.Now()
		d := dialPeers(ctx, p.Address, connects, connectsAtOnce)
		closePeers(d.conns)
		if err := errors.Join(d.err, ctx.Err()); err != nil {
			return nil, err
		}
		rates = append(rates, float64(len(d.conns))/d.last.Sub(begun).Seconds())
		unanswered += d.unanswered
	}
	return []trial{
		{name: fmt.Sprintf("%d connects with a token", connects) + where, unit: "connects/s", value: sample.Median(rates)},
		{name: "connects without an answer in 10 s" + where, unit: fmt.Sprintf("of %d a round", times*connects), value: float64(unanswered), summed: true},
	}, nil
}

// idles measures the memory of connections that do nothing.
func idles(ctx context.Context, p *peer.Process) ([]trial, error) {
	before, err := p.Resident()
	if err != nil {
		return nil, err
	}
	d := dialPeers(ctx, p.Address, idle, connectsAtOnce)
	defer closePeers(d.conns)
	if err := d.all(); err != nil {
		return nil, err
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	after, err := p.Resident()
	per := float64(after-before) / float64(len(d.conns)) / 1024
	return []trial{{name: fmt.Sprintf("memory per idle connection, %d of them", idle), unit: "KiB", value: per}}, err
}

// dials are what became of many connects.
type dials struct {
	conns      []*peer.Conn
	last       time.Time // when the last one was accepted
	unanswered int
	err        error // the first other failure
}

// dialPeers makes n connects, so many at once.
func dialPeers(ctx context.Context, address string, n, atOnce int) *dials {
	var mu sync.Mutex
	var d dials
	var g errgroup.Group
	g.SetLimit(atOnce)
	for range n {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, answerTimeout)
			defer cancel()
			c, err := peer.Dial(ctx, address, peer.Token)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				d.conns, d.last = append(d.conns, c), time.Now()
			case errors.Is(err, os.ErrDeadlineExceeded):
				d.unanswered++
			case d.err == nil:
				d.err = err
			}
			return nil
		})
	}
	_ = g.Wait() // what failed is counted
	return &d
}

// all returns an error where not every connect was accepted.
func (d *dials) all() error {
	if d.unanswered > 0 {
		return fmt.Errorf("%d connects got no answer", d.unanswered)
	}
	return d.err
}

func closePeers(conns []*peer.Conn) {
	for _, c := range conns {
		c.Close()
	}
}
