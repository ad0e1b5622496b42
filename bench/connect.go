package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/bench/sample"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// connectsAtOnce is how many people dial at the same time.
const connectsAtOnce = 200

// greetTimeout bounds one connect with its greeting.
const greetTimeout = 30 * time.Second

// connect is everybody coming back after a restart: a socket for each person, of whom each has
// to show a token and hears the whole greeting. The figures are medians of rounds; each begins
// with a server in which nobody is online.
func (b *bench) connect(ctx context.Context) (_ []figure, err error) {
	w, people, err := b.seeded(ctx, b.connects)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	var seconds, processor, p50, p99 []float64
	for round := range b.rounds {
		if round > 0 {
			if err := errors.Join(w.server.Stop(), w.server.Start(ctx), w.server.Active(ctx)); err != nil {
				return nil, err
			}
		}
		r, err := w.comeBack(ctx, people)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", round+1, err)
		}
		seconds = append(seconds, r.span.Seconds())
		processor = append(processor, r.processor/float64(len(people))*1e6)
		p50 = append(p50, float64(r.took.Quantile(0.5))/float64(time.Millisecond))
		p99 = append(p99, float64(r.took.Quantile(0.99))/float64(time.Millisecond))
	}
	median := func(name, unit string, values []float64) figure {
		return measured(name, sample.Median(values), unit, len(values))
	}
	return []figure{
		median(fmt.Sprintf("%d people connected and greeted", len(people)), "s", seconds).atMost(6).
			noted("%d at once; the rounds took %.2f s", connectsAtOnce, seconds),
		median("from dialling to the whole greeting p50", "ms", p50),
		median("from dialling to the whole greeting p99", "ms", p99),
		median("server processor per connect", "µs", processor),
	}, nil
}

// A comeback is one round.
type comeback struct {
	span      time.Duration // from before the first dial to the last greeting
	took      sample.Set    // from before a dial to the whole greeting
	processor float64       // seconds that the server used
}

// comeBack connects each person once, so many at once, and ends with their sockets closed.
func (w *world) comeBack(ctx context.Context, people []person) (*comeback, error) {
	before, err := w.metrics(ctx)
	if err != nil {
		return nil, err
	}
	conns := make([]*testkit.Conn, len(people))
	took := make([]time.Duration, len(people))
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	start := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(connectsAtOnce)
	for i, p := range people {
		g.Go(func() (err error) {
			conns[i], took[i], err = w.greeted(gctx, p)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r := &comeback{span: time.Since(start)}
	after, err := w.metrics(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range took {
		r.took.Add(d)
	}
	r.processor = after[processorSeconds] - before[processorSeconds]
	return r, nil
}

// greeted connects a person and waits for the greeting. The connection may be there beside an
// error.
func (w *world) greeted(ctx context.Context, p person) (*testkit.Conn, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	g := &greeting{own: []byte(`"` + p.id.String() + `"`), whole: make(chan struct{})}
	begun := time.Now()
	c, err := w.dial(ctx, p, g.hear)
	if err != nil {
		return nil, 0, err
	}
	select {
	case <-g.whole:
		return c, g.at.Sub(begun), nil
	case <-c.Done():
		return c, 0, fmt.Errorf("await the greeting: %w", c.Err())
	case <-ctx.Done():
		return c, 0, fmt.Errorf("await the greeting: %w", context.Cause(ctx))
	}
}

// A greeting is what a socket hears first: its room, how many are online, and a list of people
// online that has its own person on it.
type greeting struct {
	own                 []byte
	joined, count, list bool
	at                  time.Time // when it was whole
	whole               chan struct{}
}

// hear takes events on the goroutine that reads.
func (g *greeting) hear(e testkit.Event) {
	if !g.at.IsZero() {
		return
	}
	switch e.Name {
	case wire.RoomJoinedEvent.Name():
		g.joined = true
	case wire.LoungeCount.Name():
		g.count = true
	case wire.OnlineUsers.Name():
		g.list = g.list || bytes.Contains(e.Payload(), g.own)
	}
	if g.joined && g.count && g.list {
		g.at = e.At
		close(g.whole)
	}
}
