package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pryde/bench/engine-figures/load"
	"pryde/bench/sample"
)

// burstSize is how many connections are made before all of them leave.
const burstSize = 1_000

// connectsOnBoth measures connects on one processor, and counts those without an answer on
// one and on two, where the goroutines of a server really run at once.
func (b *bench) connectsOnBoth(ctx context.Context, s *system) (map[string]float64, error) {
	n := (b.connects + b.rounds - 1) / b.rounds
	figures := make(map[string]float64)
	one, err1 := b.bursts(ctx, s, 1, n)
	one.into(figures, "connects")
	if len(one.rates) > 0 {
		figures["connects.rate"] = sample.Median(one.rates)
		figures["connects.cpu"] = micros(one.processor) / float64(one.made)
	}
	two, err2 := b.bursts(ctx, s, 2, n)
	two.into(figures, "connects2")
	if err2 != nil {
		err2 = fmt.Errorf("on two processors: %w", err2)
	}
	return figures, errors.Join(err1, err2)
}

// A tally says what became of connects.
type tally struct {
	rates      []float64 // connects a second, of each burst
	made       int       // and came to an end
	unanswered int       // of these: refused, lost, or still without an answer when it was waited for no longer
	failed     error     // the first that was refused or lost

	processor time.Duration // of the server, until the last clients have left
}

// count takes a burst.
func (t *tally) count(r load.Connected, begun time.Time) {
	t.made += len(r.Conns) + r.Unanswered + r.Failed
	t.unanswered += r.Unanswered + r.Failed
	if t.failed == nil {
		t.failed = r.Err
	}
	if len(r.Conns) > 0 {
		t.rates = append(t.rates, float64(len(r.Conns))/r.Last.Sub(begun).Seconds())
	}
}

func (t *tally) into(figures map[string]float64, prefix string) {
	figures[prefix+".made"], figures[prefix+".unanswered"] = float64(t.made), float64(t.unanswered)
}

// bursts starts a server and makes n connects.
func (b *bench) bursts(ctx context.Context, s *system, processors, n int) (tally, error) {
	server, err := b.start(ctx, s, processors, false)
	if err != nil {
		return tally{}, err
	}
	defer server.close()
	before, err := server.Processor()
	if err != nil {
		return tally{}, err
	}
	t, err := server.bursts(ctx, n)
	after, err2 := server.Processor()
	t.processor = after - before
	return t, errors.Join(err, err2)
}

// bursts makes n connects, in bursts. A connect that fails is counted and keeps none of the
// others from being made. With an error, the tally has what was made all the same.
func (s *served) bursts(ctx context.Context, n int) (tally, error) {
	var t tally
	for left := n; left > 0; left -= burstSize {
		begun := time.Now()
		r, err := s.Connect(ctx, min(burstSize, left), atOnce, answerTimeout)
		t.count(r, begun)
		if err == nil {
			err = s.leave(ctx)
		}
		if err != nil {
			return t, errors.Join(t.failed, err)
		}
	}
	return t, t.failed
}
