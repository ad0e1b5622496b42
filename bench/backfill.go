package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"pryde/bench/sample"
	"pryde/internal/id"
)

const (
	backfillGoal = 600 // seconds
	lookEvery    = 100 * time.Millisecond
	listEvery    = time.Second
	sayEvery     = 20 * time.Second
	// takeoverTimeout is after how long a takeover counts as hung.
	takeoverTimeout = 30 * time.Minute
	oneOf           = 100                    // the share of the people who write more than the reader of lists
	paceOfOne       = 100 * time.Millisecond // between messages while old ones are taken over
)

// adopt starts the server on a database of the former system, and measures how long it is until
// every message has its place, and how the server does meanwhile.
func (b *bench) adopt(ctx context.Context) (_ []figure, err error) {
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.remove()) }()
	s := newSecrets()
	f, err := h.former(s)
	if err != nil {
		return nil, err
	}
	c := newCrowd(b.crowd)
	for range b.backfill {
		c.write()
	}
	users, err := f.people(ctx, b.crowd)
	if err != nil {
		return nil, err
	}
	b.say("  storing %d messages as the former system does", b.backfill)
	if err := f.insert(ctx, b.backfill, func(i int) formerMessage {
		l := c.sent[i]
		return f.message(i, users[l.from], users[l.to], l.read)
	}); err != nil {
		return nil, err
	}
	reader := int32(b.crowd / oneOf) // somebody who writes much, and not most
	token, err := f.session(ctx, s, users[reader])
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	w, err := b.startWorld(ctx, h, s.env()...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.server.Stop()) }()
	ready := time.Since(begun)
	b.say("  the server takes them over, ready after %.0f s", ready.Seconds())
	m := &meanwhile{world: w, data: f, token: token, say: func(done int64) { b.say("  those of %d of %d people", done, b.crowd) }}
	if err := m.watch(ctx); err != nil {
		return nil, err
	}
	whole := time.Since(begun)
	if err := m.check(ctx, c, users, reader); err != nil {
		return nil, err
	}
	n := m.acks.Len()
	figures := []figure{
		measured(fmt.Sprintf("%d old messages have their places", b.backfill), whole.Seconds(), "s", 1).atMost(backfillGoal).
			noted("from the start of the process, the making of indexes included; %d conversations", len(c.sides)/2),
		measured("until the server was ready", ready.Seconds(), "s", 1),
		millis("meanwhile, one sender, ack p50", m.acks.Quantile(0.5), n),
		millis("meanwhile, one sender, ack p99", m.acks.Quantile(0.99), n),
	}
	lists := "meanwhile, conversation list of one who writes much, "
	figures = append(figures, measured(lists+"failed", float64(m.failed), "lists", m.failed+m.lists.Len()))
	if n := m.lists.Len(); n > 0 {
		return append(figures, millis(lists+"p50", m.lists.Quantile(0.5), n), millis(lists+"max", m.lists.Max(), n)), nil
	}
	return append(figures, missing(lists+"p50", "it was over before the first list")), nil
}

// A meanwhile is what people do while old messages are taken over.
type meanwhile struct {
	world *world
	data  *formerData
	token string // of who reads lists
	say   func(done int64)

	acks, lists sample.Set
	failed      int // lists that were not answered with success
}

// watch lets one person write and one read until everything is taken over.
func (m *meanwhile) watch(ctx context.Context) error {
	people, err := m.world.people(ctx, 2)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, takeoverTimeout, errors.New("the old messages did not get their places"))
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	over := make(chan struct{})
	g.Go(func() error {
		defer close(over)
		return every(ctx, nil, lookEvery, func(int) (bool, error) { return m.data.taken(ctx) })
	})
	g.Go(func() error {
		return every(ctx, over, sayEvery, func(int) (bool, error) {
			done, err := m.data.done(ctx)
			m.say(done)
			return false, err
		})
	})
	g.Go(func() error { return m.write(ctx, over, people) })
	g.Go(func() error {
		var body bytes.Buffer
		return every(ctx, over, listEvery, func(int) (bool, error) {
			begun := time.Now()
			if err := m.world.get(ctx, listPath, "Authorization", "Bearer "+m.token, &body); err != nil {
				m.failed++
				return false, context.Cause(ctx)
			}
			m.lists.Add(time.Since(begun))
			return false, nil
		})
	})
	return g.Wait()
}

func (m *meanwhile) write(ctx context.Context, over <-chan struct{}, people []person) error {
	conn, err := m.world.dial(ctx, people[0], ignore)
	if err != nil {
		return err
	}
	defer conn.Close()
	return every(ctx, over, paceOfOne, func(n int) (bool, error) {
		begun := time.Now()
		p, err := ask(conn, people[1].id, name("meanwhile", n))
		if err != nil {
			return false, err
		}
		_, err = acked(ctx, p)
		m.acks.Add(p.At().Sub(begun))
		return false, err
	})
}

// every calls do at an even pace, with a count, until it says that it is done, or over is closed.
func every(ctx context.Context, over <-chan struct{}, pace time.Duration, do func(n int) (bool, error)) error {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-over:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if done, err := do(n); done || err != nil {
			return err
		}
	}
}

// check compares what is there now with what was there.
func (m *meanwhile) check(ctx context.Context, c *crowd, users []id.User, reader int32) error {
	placed, err := m.data.db.Collection("messages").CountDocuments(ctx, bson.D{{Key: "seq", Value: bson.D{{Key: "$gt", Value: 0}}}})
	if err != nil {
		return err
	}
	if want := int64(len(c.sent) + m.acks.Len()); placed != want {
		return fmt.Errorf("%d messages have a place, want %d", placed, want)
	}
	want := 0
	for _, l := range c.sent {
		if l.to == reader && !l.read {
			want++
		}
	}
	got, err := m.world.unread(ctx, m.token)
	if err == nil && got != want {
		err = fmt.Errorf("%s has %d unread messages, want %d", users[reader], got, want)
	}
	return err
}
