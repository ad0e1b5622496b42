package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/bench/sample"
	"pryde/internal/id"
	"pryde/internal/testkit"
)

// What the limits allow one person, and how much is far too much.
const (
	burst     = 10
	briskRate = 5 // messages a second
	calmRate  = 1 // messages a second
	tooMany   = 4 * burst
	// briskFor is how long people write at the brisk rate: with the burst before and the calm
	// after it, nobody sends more than 110 messages in any minute, of 120.
	briskFor = 10 * time.Second
)

const refusedByLimit = "RATE_LIMITED"

// limits is people who all write as much as the limits allow where nothing is configured. None
// of them may be refused. One more person writes more than that and has to be refused, which
// shows that the limits are in force.
func (b *bench) limits(ctx context.Context) (_ []figure, err error) {
	w, err := b.newWorld(ctx, defaultLimits)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	people, err := w.people(ctx, b.talkers+1)
	if err != nil {
		return nil, err
	}
	conns, err := w.dialAll(ctx, people)
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	polite := len(people) - 1
	talk := pace{brisk: min(b.limitsFor/6, briskFor), span: b.limitsFor}
	heard, err := talk.all(ctx, conns[:polite], people[:polite])
	if err != nil {
		return nil, err
	}
	rude := &replies{}
	if err := rude.atOnce(ctx, conns[polite], people[0].id, tooMany); err != nil {
		return nil, err
	}
	if rude.refused == 0 {
		return nil, fmt.Errorf("of %d messages at once none was refused: the limits are not in force", tooMany)
	}
	n := heard.took.Len()
	return []figure{
		measured("refused below the limit", float64(heard.refused), "messages", n+heard.refused).atMost(0).
			noted("of %d sent at once by one more person, %d were", tooMany, rude.refused),
		measured("rate", float64(n)/talk.span.Seconds(), "messages/s", n),
		millis("ack p50", heard.took.Quantile(0.5), n),
		millis("ack p99", heard.took.Quantile(0.99), n),
		millis("ack max", heard.took.Max(), n),
	}, nil
}

// A pace is how a person writes: a burst, then briskly, then calmly up to the end of the span.
type pace struct{ brisk, span time.Duration }

// gap returns how long the n-th message after the burst leaves after the one before.
func (p pace) gap(n int) time.Duration {
	if time.Duration(n)*time.Second/briskRate <= p.brisk {
		return time.Second / briskRate
	}
	return time.Second / calmRate
}

// all lets everybody write to the next at the same time.
func (p pace) all(ctx context.Context, conns []*testkit.Conn, people []person) (*replies, error) {
	var mu sync.Mutex
	var all replies
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range conns {
		g.Go(func() error {
			var r replies
			err := p.talk(ctx, c, next(people, i), &r)
			mu.Lock()
			defer mu.Unlock()
			all.took.Join(&r.took)
			all.refused += r.refused
			return err
		})
	}
	return &all, g.Wait()
}

// talk is what one person does. Each message counts from the one before, the first from the
// acknowledgement of the burst: somebody who was held up does not catch up, which would be more
// than the limits allow.
func (p pace) talk(ctx context.Context, c *testkit.Conn, to id.User, r *replies) error {
	if err := r.atOnce(ctx, c, to, burst); err != nil {
		return err
	}
	last := time.Now()
	end := last.Add(p.span)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var sent []due
	for n := 1; last.Add(p.gap(n)).Before(end); n++ {
		at := last.Add(p.gap(n))
		timer.Reset(time.Until(at))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		last = time.Now()
		pending, err := ask(c, to, name("paced", n))
		if err != nil {
			return err
		}
		sent = append(sent, due{at, pending})
	}
	return r.hear(ctx, sent)
}

// replies are the acknowledgements of messages, some of which may have been refused by a limit.
type replies struct {
	took    sample.Set // of those stored, from when they were due
	refused int
}

// atOnce sends n messages without a pause and waits for their acknowledgements.
func (r *replies) atOnce(ctx context.Context, c *testkit.Conn, to id.User, n int) error {
	var sent []due
	for i := range n {
		at := time.Now()
		pending, err := ask(c, to, name("burst", i))
		if err != nil {
			return err
		}
		sent = append(sent, due{at, pending})
	}
	return r.hear(ctx, sent)
}

// hear waits for acknowledgements. One that is neither a success nor refused by a limit is an
// error.
func (r *replies) hear(ctx context.Context, sent []due) error {
	for _, d := range sent {
		a, err := answered(ctx, d.pending)
		if err != nil {
			return err
		}
		if a.Code == refusedByLimit {
			r.refused++
			continue
		}
		if _, err := a.stored(); err != nil {
			return err
		}
		r.took.Add(d.pending.At().Sub(d.at))
	}
	return nil
}
