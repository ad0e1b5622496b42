package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pryde/bench/sample"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Goals on MongoDB with all messages, in milliseconds.
const (
	pageGoal     = 5
	rowsGoal     = 15
	unreadGoal   = 5
	overheadGoal = 0.5
)

const (
	unreadPath = "/api/messages/unread/counts"
	// checkedReaders is of how many readers every answer is compared with what was stored.
	checkedReaders = 20
)

// A growing is a crowd whose messages grow in number, and what it costs to write and to read
// among them.
type growing struct {
	bench   *bench
	home    *home
	secrets secrets
	crowd   *crowd
	users   []id.User        // the crowd, then those who talk
	persons map[int32]person // those with a session
	talkers int              // the next one who has not talked
}

// growth measures the same with ever more messages in the store.
func (b *bench) growth(ctx context.Context) (_ []figure, err error) {
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.remove()) }()
	g := &growing{
		bench: b, home: h, secrets: newSecrets(), crowd: newCrowd(b.crowd), persons: map[int32]person{}, talkers: b.crowd,
	}
	b.say("  making %d accounts", b.crowd)
	if err := g.open(ctx, func(o *openStore) (err error) {
		g.users, err = o.accounts(ctx, b.crowd+4*b.turns*len(b.sizes))
		return err
	}); err != nil {
		return nil, err
	}
	var figures []figure
	for i, size := range b.sizes {
		found, err := g.measure(ctx, size, i == len(b.sizes)-1)
		figures = append(figures, found...)
		if err != nil {
			return figures, fmt.Errorf("%d messages: %w", size, err)
		}
	}
	return figures, nil
}

// open opens the store for a moment.
func (g *growing) open(ctx context.Context, use func(*openStore) error) error {
	o, err := g.home.open(ctx, g.secrets)
	if err != nil {
		return err
	}
	return errors.Join(use(o), o.close())
}

// measure fills the store up to so many messages and measures; the goals are those of the last.
func (g *growing) measure(ctx context.Context, size int, last bool) (figures []figure, err error) {
	begun := time.Now()
	if err := g.home.sow(ctx, g.secrets, g.crowd, g.users, size-len(g.crowd.sent)); err != nil {
		return nil, fmt.Errorf("fill the store: %w", err)
	}
	g.bench.say("  %d messages in %d conversations after %.0f s", size, len(g.crowd.sides)/2, time.Since(begun).Seconds())
	readers := g.crowd.readers(g.bench.reads)
	if err := g.admit(ctx, readers); err != nil {
		return nil, fmt.Errorf("open sessions: %w", err)
	}
	w, figures, err := g.overhead(ctx, size, last)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.server.Stop()) }()
	for _, kind := range g.kinds() {
		if err := g.check(ctx, w, kind, readers[:min(len(readers), checkedReaders)]); err != nil {
			return figures, fmt.Errorf("%s: %w", kind.name, err)
		}
		took, err := g.read(ctx, w, kind, readers)
		if err != nil {
			return figures, fmt.Errorf("%s: %w", kind.name, err)
		}
		of := fmt.Sprintf("%d messages: %s", size, kind.name)
		p99 := millis(of+" p99", took.Quantile(0.99), took.Len())
		if last {
			p99 = g.bench.atMost(p99, 0, kind.goal)
		}
		figures = append(figures, millis(of+" p50", took.Quantile(0.5), took.Len()), p99)
	}
	return figures, nil
}

// admit opens sessions for those who have none.
func (g *growing) admit(ctx context.Context, readers []side) error {
	return g.open(ctx, func(o *openStore) error {
		var who []int32
		var users []id.User
		for _, r := range readers {
			if _, ok := g.persons[r.me]; !ok {
				g.persons[r.me] = person{}
				who, users = append(who, r.me), append(users, g.users[r.me])
			}
		}
		admitted, err := o.admit(ctx, users)
		for i, p := range admitted {
			g.persons[who[i]] = p
		}
		return err
	})
}

// overhead lets the bare store and the server around it take turns on the same data: in each, one
// sender waits for each message. It returns the server of the last turn, which is not stopped.
func (g *growing) overhead(ctx context.Context, size int, last bool) (_ *world, figures []figure, err error) {
	var bare, acks sample.Set
	var diffs []float64
	n := max(g.bench.messages/g.bench.turns, 1)
	for turn := 1; ; turn++ {
		mine, two, err := g.appends(ctx, n)
		if err != nil {
			return nil, nil, fmt.Errorf("the bare store: %w", err)
		}
		w, err := g.bench.startWorld(ctx, g.home, g.secrets.env()...)
		if err != nil {
			return nil, nil, err
		}
		t, err := w.between(ctx, two[0], two[1], n)
		if err == nil {
			bare.Join(mine)
			acks.Join(&t.acks)
			diffs = append(diffs, float64(t.acks.Quantile(0.5)-mine.Quantile(0.5))/float64(time.Millisecond))
			if turn == g.bench.turns {
				of := fmt.Sprintf("%d messages: ", size)
				over := measured(of+"ack overhead p50", sample.Median(diffs), "ms", acks.Len())
				if last {
					over = g.bench.atMost(over, 0, overheadGoal)
				}
				return w, []figure{
					millis(of+"one sender, ack p50", acks.Quantile(0.5), acks.Len()),
					millis(of+"one sender, ack p99", acks.Quantile(0.99), acks.Len()),
					millis(of+"bare store, append p50", bare.Quantile(0.5), bare.Len()),
					over.noted("server less bare store, median of turns: %.2f", diffs),
				}, nil
			}
		}
		if err := errors.Join(err, w.server.Stop()); err != nil {
			return nil, nil, err
		}
	}
}

// appends times what the store itself takes for a message, and admits two people who have not
// talked.
func (g *growing) appends(ctx context.Context, n int) (took *sample.Set, two []person, err error) {
	took = &sample.Set{}
	who := g.users[g.talkers : g.talkers+4]
	g.talkers += 4
	err = g.open(ctx, func(o *openStore) (err error) {
		if two, err = o.admit(ctx, who[2:]); err != nil {
			return err
		}
		for i := range n + warmUp {
			d := draft(who[0], who[1], name("bare", i))
			begun := time.Now()
			if _, _, err := o.Append(ctx, d); err != nil {
				return err
			}
			if i >= warmUp {
				took.Add(time.Since(begun))
			}
		}
		return nil
	})
	return took, two, err
}

// A reading is something that people ask for.
type reading struct {
	name string
	goal float64
	path func(r side) string
	// right reports whether an answer is the one that is due.
	right func(r side, body []byte) error
}

func (g *growing) kinds() []reading {
	rows := func(want func(side) int) func(side, []byte) error {
		return func(r side, body []byte) error {
			var found []jsontext.Value
			if err := json.Unmarshal(body, &found); err != nil {
				return err
			}
			if due := min(want(r), pageRows); len(found) != due {
				return fmt.Errorf("%d rows, want %d", len(found), due)
			}
			return nil
		}
	}
	return []reading{
		{
			name: "newest page", goal: pageGoal, path: func(r side) string { return pagePath(g.users[r.peer]) },
			right: rows(func(r side) int { return g.crowd.sides[r].messages }),
		},
		{
			name: "conversation list", goal: rowsGoal, path: func(side) string { return listPath },
			right: rows(func(r side) int { return g.crowd.convs[r.me] }),
		},
		{
			name: "unread counts", goal: unreadGoal, path: func(side) string { return unreadPath },
			right: func(r side, body []byte) error {
				var found wire.Unread
				if err := json.Unmarshal(body, &found); err != nil {
					return err
				}
				if due := g.crowd.unread(r.me); found.TotalUnread != due {
					return fmt.Errorf("%d unread, want %d", found.TotalUnread, due)
				}
				return nil
			},
		},
	}
}

// check compares whole answers with what was stored.
func (g *growing) check(ctx context.Context, w *world, kind reading, readers []side) error {
	var body bytes.Buffer
	for _, r := range readers {
		if err := g.ask(ctx, w, kind, r, &body); err != nil {
			return err
		}
		if err := kind.right(r, body.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// read times each reader once, over one connection, from before the request to the end of the body.
func (g *growing) read(ctx context.Context, w *world, kind reading, readers []side) (*sample.Set, error) {
	var body bytes.Buffer
	var took sample.Set
	for _, r := range readers {
		begun := time.Now()
		if err := g.ask(ctx, w, kind, r, &body); err != nil {
			return nil, err
		}
		took.Add(time.Since(begun))
	}
	return &took, nil
}

func (g *growing) ask(ctx context.Context, w *world, kind reading, r side, body *bytes.Buffer) error {
	return w.get(ctx, kind.path(r), "Authorization", "Bearer "+g.persons[r.me].token, body)
}
