package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/internal/testkit"
)

// flat is people who all send as fast as they are acknowledged, with one message in flight
// each, and then with eight.
func (b *bench) flat(ctx context.Context) (_ []figure, err error) {
	w, err := b.newWorld(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	people, err := w.people(ctx, b.flatSenders)
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
	stored := int64(len(conns))
	var figures []figure
	for _, window := range []int{1, 8} {
		f, all, err := b.rush(ctx, w, conns, people, window)
		if err != nil {
			return figures, fmt.Errorf("window %d: %w", window, err)
		}
		figures = append(figures, f...)
		stored += all
	}
	closeAll(conns)
	return figures, w.countStored(ctx, people, stored)
}

// rush sends for the time configured and returns how many messages were acknowledged, those
// after the time was up included. A message that is refused is an error.
func (b *bench) rush(ctx context.Context, w *world, conns []*testkit.Conn, people []person, window int) (f []figure, all int64, err error) {
	before, err := w.metrics(ctx)
	if err != nil {
		return nil, 0, err
	}
	var inTime, total atomic.Int64
	start := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for i, c := range conns {
		for lane := range window {
			g.Go(func() error {
				who := "flat-" + strconv.Itoa(window) + "-" + strconv.Itoa(lane)
				for n := 0; time.Since(start) < b.flatFor; n++ {
					p, err := ask(c, next(people, i), name(who, n))
					if err != nil {
						return err
					}
					if _, err := acked(gctx, p); err != nil {
						return err
					}
					total.Add(1)
					if p.At().Sub(start) <= b.flatFor {
						inTime.Add(1)
					}
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	after, err := w.metrics(ctx)
	if err != nil {
		return nil, 0, err
	}
	n := int(total.Load())
	rate := float64(inTime.Load()) / b.flatFor.Seconds()
	cpu := (after[processorSeconds] - before[processorSeconds]) / float64(n) * 1e6
	rated := measured(fmt.Sprintf("acked, window %d", window), rate, "messages/s", n)
	if b.kind == embedded {
		rated = rated.atLeast(2000)
	}
	return []figure{
		rated,
		measured(fmt.Sprintf("server processor, window %d", window), cpu, "µs/message", n),
	}, total.Load(), nil
}

// countStored reads every conversation and compares the number of messages with what was
// acknowledged.
func (w *world) countStored(ctx context.Context, people []person, want int64) error {
	var got atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for i, p := range people {
		// Two people who write to each other have one conversation.
		if len(people) == 2 && i == 1 {
			break
		}
		g.Go(func() error {
			thread, err := p.rest.Thread(ctx, next(people, i))
			got.Add(int64(len(thread)))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("count what is stored: %w", err)
	}
	if got.Load() != want {
		return fmt.Errorf("%d messages were acknowledged, and %d are stored", want, got.Load())
	}
	return nil
}
