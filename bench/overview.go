package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pryde/bench/sample"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// pings is how many empty round trips are made.
const pings = 500

// overview takes the steps that the description of the former system gives times for, and
// shows what the same step takes here. A step that cannot be measured by itself is told as such.
func (b *bench) overview(ctx context.Context) (_ []figure, err error) {
	w, err := b.newWorld(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	t, err := w.talk(ctx, b.messages)
	if err != nil {
		return nil, err
	}
	trip, err := w.emptyTrips(ctx)
	if err != nil {
		return nil, err
	}
	n := t.acks.Len()
	return []figure{
		millis("save (50-150 ms)", t.operation, n).
			noted("mean of pryde_socket_event_seconds: rules, the people, sealing, synced commit and the shape to send, as the server itself measures it"),
		missing("populate (20-50 ms)", "no metric of its own: both people are looked up before the write, in a cache, and save includes it"),
		millis("emit (1-5 ms)", max(t.news.Mean()-t.operation, 0), n).
			noted("mean time to message:new less the mean operation: both ways over loopback, decoding, encoding and the client included"),
		missing("notification (30-80 ms)", "there are no notifications yet"),
		millis("total (100-300 ms)", t.acks.Mean(), n).
			noted("mean from before the message leaves the client to its acknowledgement"),
		millis("empty round trip", trip.Mean(), trip.Len()).
			noted("mean of the event ping, which stores nothing: what of the total is not the message"),
	}, nil
}

// emptyTrips asks for pings one after the other.
func (w *world) emptyTrips(ctx context.Context) (*sample.Set, error) {
	up, err := w.rest.LogIn(ctx, wire.LogIn{Email: "bench_0", Password: password})
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	c, err := w.dial(ctx, person{token: up.AccessToken}, ignore)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var took sample.Set
	for i := range pings + warmUp {
		begun := time.Now()
		d, err := ping(ctx, c, begun)
		if err != nil {
			return nil, err
		}
		if i >= warmUp {
			took.Add(d)
		}
	}
	return &took, nil
}

func ping(ctx context.Context, c *testkit.Conn, begun time.Time) (time.Duration, error) {
	p, err := c.Ask(wire.Ping.Name(), struct{}{})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	if _, err := p.Wait(ctx); err != nil {
		return 0, err
	}
	return p.At().Sub(begun), nil
}
