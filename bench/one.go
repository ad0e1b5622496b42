package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"pryde/bench/sample"
	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// warmUp is how many messages are sent before the first one that counts.
const warmUp = 100

// one is one sender who waits for each acknowledgement before the next message.
func (b *bench) one(ctx context.Context) (_ []figure, err error) {
	w, err := b.newWorld(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	t, err := w.talk(ctx, b.messages)
	if err != nil {
		return nil, err
	}
	n := t.acks.Len()
	return []figure{
		b.atMost(millis("ack p50", t.acks.Quantile(0.5), n), 2, 3),
		millis("ack p99", t.acks.Quantile(0.99), n),
		millis("message:new p50", t.news.Quantile(0.5), n),
		millis("message:new p99", t.news.Quantile(0.99), n),
	}, nil
}

// A talk is how long messages from one person to another took.
type talk struct {
	acks, news sample.Set    // from before the message left to its acknowledgement, and to message:new at the other side
	operation  time.Duration // mean time in the server's own operation
}

// An arrival is a message:new at the recipient.
type arrival struct {
	message id.Message
	at      time.Time
}

// talk lets two new people talk: one sends n messages, each after the acknowledgement of the
// one before.
func (w *world) talk(ctx context.Context, n int) (*talk, error) {
	people, err := w.people(ctx, 2)
	if err != nil {
		return nil, err
	}
	return w.between(ctx, people[0], people[1], n)
}

// between lets two people who have not talked before talk.
func (w *world) between(ctx context.Context, from, to person, n int) (*talk, error) {
	sender, err := w.dial(ctx, from, ignore)
	if err != nil {
		return nil, err
	}
	defer sender.Close()
	arrivals := make(chan arrival, warmUp+n)
	recipient, err := w.dial(ctx, to, func(e testkit.Event) { arrive(arrivals, e) })
	if err != nil {
		return nil, err
	}
	defer recipient.Close()

	t := &talk{}
	if err := t.send(ctx, sender, to.id, "warm", warmUp, arrivals); err != nil {
		return nil, err
	}
	before, err := w.metrics(ctx)
	if err != nil {
		return nil, err
	}
	*t = talk{}
	if err := t.send(ctx, sender, to.id, "one", n, arrivals); err != nil {
		return nil, err
	}
	after, err := w.metrics(ctx)
	if err != nil {
		return nil, err
	}
	count := after[sendCount] - before[sendCount]
	if count != float64(n) {
		return nil, fmt.Errorf("the server counts %v messages of %d", count, n)
	}
	t.operation = time.Duration((after[sendSum] - before[sendSum]) / count * float64(time.Second))
	return t, nil
}

// arrive notes a message:new. The channel has room for all that is ever sent.
func arrive(arrivals chan<- arrival, e testkit.Event) {
	if e.Name != wire.MessageNew.Name() {
		return
	}
	var m struct {
		ID id.Message `json:"_id"`
	}
	if json.Unmarshal(e.Payload(), &m) == nil {
		arrivals <- arrival{m.ID, e.At}
	}
}

func (t *talk) send(ctx context.Context, c *testkit.Conn, to id.User, who string, n int, arrivals <-chan arrival) error {
	for i := range n {
		begun := time.Now()
		p, err := ask(c, to, name(who, i))
		if err != nil {
			return err
		}
		m, err := acked(ctx, p)
		if err != nil {
			return err
		}
		t.acks.Add(p.At().Sub(begun))
		select {
		case a := <-arrivals:
			if a.message != m {
				return fmt.Errorf("message %s arrived where %s was due", a.message, m)
			}
			t.news.Add(a.at.Sub(begun))
		case <-time.After(ackTimeout):
			return fmt.Errorf("message %s was acknowledged and did not arrive", m)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
