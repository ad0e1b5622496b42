package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/bench/sample"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

const (
	// loginTimeout is after how long a login counts as hung.
	loginTimeout = 30 * time.Second
	// talkRate is how much each person writes, in messages a second, while others log in.
	talkRate = 1
	// maxQuietLate is up to which delay of the client itself (p99) the machine counts as quiet.
	maxQuietLate = 5 * time.Millisecond
	// keptOpen is how many idle connections a proxy keeps for further logins.
	keptOpen = 100
)

// login is people who talk, and a storm of logins beside it. The quiet that it is held against
// is half before and half after the storm, so that whatever else the machine does is in both.
func (b *bench) login(ctx context.Context) (_ []figure, err error) {
	w, err := b.newWorld(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	people, err := w.people(ctx, b.talkers)
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
	talk := func(name string, span time.Duration) (*sample.Set, *sample.Set, error) {
		return load{name, float64(len(people)) * talkRate, span}.arrive(ctx, conns, people)
	}

	before, quietLate, err := talk("before", b.loginFor/2)
	if err != nil {
		return nil, err
	}
	var came *logins
	var g errgroup.Group
	g.Go(func() (err error) {
		came, err = w.storm(ctx, people, schedule{b.loginRate, rand.New(rand.NewPCG(seed, seed))}, b.loginFor)
		return err
	})
	storm, stormLate, err := talk("beside", b.loginFor)
	if err := errors.Join(err, g.Wait()); err != nil {
		return nil, err
	}
	after, afterLate, err := talk("after", b.loginFor/2)
	if err != nil {
		return nil, err
	}
	var quiet sample.Set
	quiet.Join(before)
	quiet.Join(after)
	quietLate.Join(afterLate)

	calm, busy := quiet.Quantile(0.99), storm.Quantile(0.99)
	short := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	return append([]figure{
		millis("ack p50, quiet", quiet.Quantile(0.5), quiet.Len()),
		millis("ack p99, quiet", calm, quiet.Len()).
			noted("before %v, after %v; sent late p99 %v", short(before.Quantile(0.99)), short(after.Quantile(0.99)), short(quietLate.Quantile(0.99))),
		millis("ack p50, logins beside", storm.Quantile(0.5), storm.Len()),
		millis("ack p99, logins beside", busy, storm.Len()).
			noted("sent late p99 %v", short(stormLate.Quantile(0.99))),
		held(measured("ack p99, logins beside / quiet", float64(busy)/float64(calm), "times", storm.Len()), quietLate.Quantile(0.99)),
	}, came.figures(b.loginFor)...), nil
}

// held holds the times of messages beside logins to their goal. Where the client itself was late
// in quiet it was not quiet, and to be three times as slow as that says nothing.
func held(f figure, quietLate time.Duration) figure {
	if quietLate > maxQuietLate {
		return f.noted("not judged: in quiet the client itself was %v late (p99): other work has the processors", quietLate.Round(10*time.Microsecond))
	}
	return f.atMost(3)
}

// logins are what became of those who wanted to come in. The times are from when a login was
// due to the end of its answer.
type logins struct {
	mu                sync.Mutex
	admitted, refused sample.Set
	hung              int
}

// storm lets people log in again when it is due, however long the server takes, each time from
// an address of its own. An answer that is neither a session nor a 503 with a time to come back
// after is an error.
func (w *world) storm(ctx context.Context, people []person, s schedule, span time.Duration) (*logins, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: keptOpen}
	defer transport.CloseIdleConnections()
	l := &logins{}
	g, gctx := errgroup.WithContext(ctx)
	n := 0
	err := s.each(gctx, time.Now(), span, func(at time.Time) error {
		rest := w.as(from(len(people) + n))
		rest.HTTP = &http.Client{Transport: transport}
		who := username(n % len(people))
		n++
		g.Go(func() error { return l.attempt(gctx, rest, who, at) })
		return nil
	})
	return l, errors.Join(g.Wait(), err)
}

func (l *logins) attempt(ctx context.Context, rest *testkit.REST, who string, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	a, err := rest.Do(ctx, http.MethodPost, "/api/auth/login", wire.LogIn{Email: who, Password: password})
	took := time.Since(at)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		l.hung++
	case err != nil:
		return err
	case a.Status == http.StatusOK:
		l.admitted.Add(took)
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
		l.refused.Add(took)
	default:
		return fmt.Errorf("log in: status %d, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
	return nil
}

func (l *logins) figures(span time.Duration) []figure {
	in, out := l.admitted.Len(), l.refused.Len()
	all := in + out + l.hung
	return []figure{
		measured("logins offered", float64(all)/span.Seconds(), "logins/s", all),
		measured("logins admitted", float64(in)/span.Seconds(), "logins/s", in),
		millis("login admitted p50", l.admitted.Quantile(0.5), in),
		millis("login admitted p99", l.admitted.Quantile(0.99), in),
		millis("login admitted max", l.admitted.Max(), in),
		measured("logins refused with 503", float64(out)/float64(max(all, 1))*100, "%", out).noted("all with Retry-After"),
		millis("login refused p50", l.refused.Quantile(0.5), out),
		millis("login refused p99", l.refused.Quantile(0.99), out),
		measured(fmt.Sprintf("logins without an answer in %v", loginTimeout), float64(l.hung), "logins", all).atMost(0),
	}
}
