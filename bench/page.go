package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/errgroup"

	"pryde/bench/sample"
	"pryde/internal/id"
)

const (
	fillTimeout = 3 * time.Minute
	fillWindow  = 48 // messages in flight on each socket; the server takes 64
	fillSockets = 2  // of each of the two people
	peers       = 50 // in the conversation list
	pageRows    = 50
)

// A longTalk is a server with one long conversation, and a person who has that one and short
// ones with others.
type longTalk struct {
	world       *world
	reader, pal person
	messages    int     // in the long conversation
	rate        float64 // messages a second while it was filled
}

// talked returns the long conversation, and fills it the first time. It ends with the run.
func (b *bench) talked(ctx context.Context) (*longTalk, error) {
	if b.filled != nil {
		return b.filled, nil
	}
	w, err := b.newWorld(ctx)
	if err != nil {
		return nil, err
	}
	t, err := b.fillUp(ctx, w)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	b.filled = t
	return t, nil
}

func (b *bench) fillUp(ctx context.Context, w *world) (*longTalk, error) {
	people, err := w.people(ctx, peers+1)
	if err != nil {
		return nil, err
	}
	t := &longTalk{world: w, reader: people[0], pal: people[1]}
	for i, p := range people[2:] {
		if err := w.fill(ctx, []person{people[0], p}, "short-"+strconv.Itoa(i), 10, nil); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	var sent atomic.Int64
	begun := time.Now()
	err = w.fill(ctx, people[:2], "long", b.config.fill, &sent)
	t.messages = int(sent.Load())
	t.rate = float64(t.messages) / time.Since(begun).Seconds()
	// A conversation that did not get as long as it should is told by its length, not by an error.
	if ctx.Err() != nil && t.messages > 0 {
		err = nil
	}
	return t, err
}

// fill lets two people send each other n messages in all, over several sockets, and counts
// those acknowledged.
func (w *world) fill(ctx context.Context, two []person, who string, n int, count *atomic.Int64) error {
	if count == nil {
		count = new(atomic.Int64)
	}
	conns, err := w.dialAll(ctx, slices.Repeat(two, fillSockets))
	if err != nil {
		return err
	}
	defer closeAll(conns)
	var taken atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for socket, c := range conns {
		to := two[1-socket%2].id
		for range fillWindow {
			g.Go(func() error {
				for {
					i := taken.Add(1)
					if i > int64(n) {
						return nil
					}
					p, err := ask(c, to, name(who, int(i)))
					if err != nil {
						return err
					}
					if _, err := acked(gctx, p); err != nil {
						return err
					}
					count.Add(1)
				}
			})
		}
	}
	return g.Wait()
}

// page reads the newest messages of the long conversation.
func (b *bench) page(ctx context.Context) ([]figure, error) {
	t, err := b.talked(ctx)
	if err != nil {
		return nil, err
	}
	took, err := t.reads(ctx, pagePath(t.pal.id), pageRows, b.reads)
	if err != nil {
		return nil, err
	}
	of := fmt.Sprintf("newest %d of %d", pageRows, t.messages)
	return []figure{
		millis(of+" p50", took.Quantile(0.5), took.Len()),
		b.judged(t, millis(of+" p99", took.Quantile(0.99), took.Len()), 5, 5),
		measured("fill rate", t.rate, "messages/s", t.messages).noted("one conversation, %d sockets with %d in flight each", 2*fillSockets, fillWindow),
	}, nil
}

// list reads the conversation list of the person who has the long conversation and others.
func (b *bench) list(ctx context.Context) ([]figure, error) {
	t, err := b.talked(ctx)
	if err != nil {
		return nil, err
	}
	took, err := t.reads(ctx, listPath, peers, b.reads)
	if err != nil {
		return nil, err
	}
	of := fmt.Sprintf("%d peers, %d messages", peers, t.messages+(peers-1)*10)
	return []figure{
		millis(of+" p50", took.Quantile(0.5), took.Len()),
		b.judged(t, millis(of+" p99", took.Quantile(0.99), took.Len()), 10, 15),
	}, nil
}

// judged holds a figure to its goal, which counts for a conversation of full length only.
func (b *bench) judged(t *longTalk, f figure, embeddedGoal, sharedGoal float64) figure {
	if t.messages < b.config.fill {
		return f.noted("not judged: filling stopped at %d messages after %s", t.messages, fillTimeout)
	}
	return b.atMost(f, embeddedGoal, sharedGoal)
}

const listPath = "/api/messages/conversations?limit=50"

func pagePath(peer id.User) string {
	return "/api/messages/" + peer.String() + "?limit=" + strconv.Itoa(pageRows)
}

// reads asks for a list again and again over one connection, from before the request to the
// end of its body. The answer has to have so many rows.
func (t *longTalk) reads(ctx context.Context, path string, rows, n int) (*sample.Set, error) {
	// One buffer for all answers, so that the client's own collections are not what is measured.
	var body bytes.Buffer
	if err := t.read(ctx, path, &body); err != nil {
		return nil, err
	}
	var found []jsontext.Value
	if err := json.Unmarshal(body.Bytes(), &found); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(found) != rows {
		return nil, fmt.Errorf("%s: %d rows, want %d", path, len(found), rows)
	}
	var took sample.Set
	for i := range n + warmUp {
		begun := time.Now()
		if err := t.read(ctx, path, &body); err != nil {
			return nil, err
		}
		if i >= warmUp {
			took.Add(time.Since(begun))
		}
	}
	return &took, nil
}

func (t *longTalk) read(ctx context.Context, path string, body *bytes.Buffer) error {
	return t.world.get(ctx, path, "Authorization", "Bearer "+t.reader.token, body)
}
