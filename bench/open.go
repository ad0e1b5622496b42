package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/bench/sample"
	"pryde/internal/id"
	"pryde/internal/testkit"
)

// seed makes the gaps between messages the same in every run.
const seed = 7

// open is people who write when they please, however long the server takes: the times at
// which messages leave are drawn beforehand (a Poisson process), and each message is late
// from then on. So a stall counts for every message that was due in it.
func (b *bench) open(ctx context.Context) (_ []figure, err error) {
	w, err := b.newWorld(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	people, err := w.people(ctx, b.openSenders)
	if err != nil {
		return nil, err
	}
	conns, err := w.dialAll(ctx, people)
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	if err := greet(ctx, conns, people); err != nil {
		return nil, err
	}
	watch := watchFile(w.home.dir, "pryde.db") // of no use on MongoDB
	took, late, err := load{"open", b.openRate, b.openFor}.arrive(ctx, conns, people)
	checkpoints := watch.stop()
	if err != nil {
		return nil, err
	}
	n := took.Len()
	p99 := b.atMost(millis("ack p99", took.Quantile(0.99), n), 25, 0)
	if b.kind == embedded {
		p99 = p99.noted("checkpoints seen in %d of %d looks", checkpoints, watch.looks)
	}
	return []figure{
		b.atMost(millis("ack p50", took.Quantile(0.5), n), 4, 0),
		p99,
		millis("ack p99.9", took.Quantile(0.999), n),
		millis("ack max", took.Max(), n),
		millis("sent late p99", late.Quantile(0.99), n).noted("the client's own part of the times above"),
		measured("rate", float64(n)/b.openFor.Seconds(), "messages/s", n),
	}, nil
}

// greet sends one message from each person to the next, so that what is made once per
// conversation does not count.
func greet(ctx context.Context, conns []*testkit.Conn, people []person) error {
	for i, c := range conns {
		p, err := ask(c, next(people, i), name("hello", i))
		if err == nil {
			_, err = acked(ctx, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// next is whom the i-th person writes to.
func next(people []person, i int) id.User { return people[(i+1)%len(people)].id }

// A load is what people write together.
type load struct {
	name string  // keeps its messages apart from those of others
	rate float64 // messages a second, over all people
	span time.Duration
}

// arrive lets each person write to the next. took is from when a message was due to its
// acknowledgement, late how much later than that it left.
func (l load) arrive(ctx context.Context, conns []*testkit.Conn, people []person) (took, late *sample.Set, err error) {
	var mu sync.Mutex
	took, late = &sample.Set{}, &sample.Set{}
	start := time.Now().Add(100 * time.Millisecond)
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range conns {
		g.Go(func() error {
			s := schedule{rate: l.rate / float64(len(conns)), rng: rand.New(rand.NewPCG(seed, uint64(i)))}
			mine, mineLate, err := l.send(ctx, c, next(people, i), s, start)
			mu.Lock()
			defer mu.Unlock()
			took.Join(mine)
			late.Join(mineLate)
			return err
		})
	}
	return took, late, g.Wait()
}

// A schedule draws when one thing after the other is due.
type schedule struct {
	rate float64 // a second
	rng  *rand.Rand
}

func (s schedule) gap() time.Duration {
	return time.Duration(s.rng.ExpFloat64() / s.rate * float64(time.Second))
}

// each calls fn at each moment that is drawn, for so long, with the moment at which that was
// due.
func (s schedule) each(ctx context.Context, start time.Time, span time.Duration, fn func(at time.Time) error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for at := start.Add(s.gap()); at.Before(start.Add(span)); at = at.Add(s.gap()) {
		timer.Reset(time.Until(at))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := fn(at); err != nil {
			return err
		}
	}
	return nil
}

// A due message was sent and waits for its acknowledgement.
type due struct {
	at      time.Time // when it should have left
	pending *testkit.Pending
}

// send sends the messages of one person and waits for their acknowledgements.
func (l load) send(ctx context.Context, c *testkit.Conn, to id.User, s schedule, start time.Time) (took, late *sample.Set, err error) {
	took, late = &sample.Set{}, &sample.Set{}
	var sent []due
	err = s.each(ctx, start, l.span, func(at time.Time) error {
		late.Add(time.Since(at))
		p, err := ask(c, to, name(l.name, len(sent)))
		sent = append(sent, due{at, p})
		return err
	})
	if err != nil {
		return took, late, err
	}
	for _, d := range sent {
		if _, err := acked(ctx, d.pending); err != nil {
			return took, late, fmt.Errorf("of %d messages: %w", len(sent), err)
		}
		took.Add(d.pending.At().Sub(d.at))
	}
	return took, late, nil
}
