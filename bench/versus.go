package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"pryde/bench/sample"
	"pryde/internal/id"
	"pryde/internal/seal"
	"pryde/internal/testkit"
)

// Goals of the comparison, in messages a second to those of the other.
const (
	toBareInserts = 0.7
	toFormer      = 3
)

// A contender stores messages of many clients, each of which waits for one before the next.
type contender struct {
	name string
	// send stores the n-th message of a client and returns when it was acknowledged.
	send func(ctx context.Context, client, n int) (time.Time, error)
	// stored counts what is in the database.
	stored func(ctx context.Context) (int64, error)

	// server returns the processor time that its server has used; nil where there is none.
	server func(ctx context.Context) (time.Duration, error)

	sent  int64 // all of it
	rates []float64
	took  sample.Set
	spent spending
}

// versus compares the whole product with bare inserts of a document of the same size, and with the
// former design's way of a message: on the same MongoDB, in turns, so that what else the machine
// does meets all of them.
func (b *bench) versus(ctx context.Context) (_ []figure, err error) {
	product, end, err := b.productContender(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	before, endFormer, err := b.formerContender(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, endFormer()) }()
	bare, endBare := b.bareContender()
	defer func() { err = errors.Join(err, endBare()) }()

	all := []*contender{product, bare, before}
	for turn := range b.turns {
		for i := range all {
			c := all[(turn+i)%len(all)]
			if err := b.turn(ctx, c); err != nil {
				return nil, fmt.Errorf("%s, turn %d: %w", c.name, turn+1, err)
			}
		}
		b.say("  turn %d: %.0f, %.0f and %.0f messages/s", turn+1, product.rates[turn], bare.rates[turn], before.rates[turn])
	}
	for _, c := range all {
		if n, err := c.stored(ctx); err != nil || n != c.sent {
			return nil, fmt.Errorf("%s: %d messages were acknowledged, and %d are stored (%w)", c.name, c.sent, n, err)
		}
	}
	var figures []figure
	for _, c := range all {
		figures = append(figures, c.figures()...)
	}
	return append(figures,
		ratio(product, bare).atLeast(toBareInserts),
		ratio(product, before).atLeast(toFormer)), nil
}

// turn lets a contender rush and adds up the processor time that it took.
func (b *bench) turn(ctx context.Context, c *contender) error {
	before, err := b.spent(ctx, c)
	if err != nil {
		return err
	}
	if err := c.rush(ctx, b.flatSenders, b.turnFor); err != nil {
		return err
	}
	after, err := b.spent(ctx, c)
	c.spent.add(before, after)
	return err
}

// rush sends for so long.
func (c *contender) rush(ctx context.Context, clients int, span time.Duration) error {
	var mu sync.Mutex
	inTime, base := 0, len(c.rates)*1_000_000
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for i := range clients {
		g.Go(func() error {
			var mine sample.Set
			var sent int64
			counted := 0
			var failed error
			for n := base; failed == nil && time.Since(start) < span; n++ {
				begun := time.Now()
				var at time.Time
				if at, failed = c.send(ctx, i, n); failed != nil {
					break
				}
				sent++
				mine.Add(at.Sub(begun))
				if at.Sub(start) <= span {
					counted++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			c.took.Join(&mine)
			c.sent += sent
			inTime += counted
			return failed
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.rates = append(c.rates, float64(inTime)/span.Seconds())
	return nil
}

func (c *contender) figures() []figure {
	n := c.took.Len()
	return []figure{
		measured(c.name+": acked and stored", sample.Median(c.rates), "messages/s", n).noted("median of turns: %.0f", c.rates),
		millis(c.name+": ack p50", c.took.Quantile(0.5), n),
		millis(c.name+": ack p99", c.took.Quantile(0.99), n),
		measured(c.name+": processor in all", float64((c.spent.mongo+c.spent.server+c.spent.client).Microseconds())/float64(n), "µs/message", n).
			noted("MongoDB %.0f, server %.0f, clients %.0f", c.spent.mongo.Seconds()*1e6/float64(n), c.spent.server.Seconds()*1e6/float64(n), c.spent.client.Seconds()*1e6/float64(n)),
	}
}

// ratio is how many times as fast a is as b: the median of the turns.
func ratio(a, b *contender) figure {
	ratios := make([]float64, len(a.rates))
	for i := range ratios {
		ratios[i] = a.rates[i] / b.rates[i]
	}
	return measured(a.name+" / "+b.name, sample.Median(ratios), "times", len(ratios)).noted("of the turns: %.2f", ratios)
}

// productContender is the whole product: sockets, rules, sealing, rows and receipts.
func (b *bench) productContender(ctx context.Context) (_ *contender, end func() error, err error) {
	w, err := b.newWorld(ctx)
	if err != nil {
		return nil, nil, err
	}
	people, err := w.people(ctx, b.flatSenders)
	if err != nil {
		return nil, nil, errors.Join(err, w.close())
	}
	conns, err := w.dialAll(ctx, people)
	if err != nil {
		return nil, nil, errors.Join(err, w.close())
	}
	c := &contender{name: "product", send: sendOver(conns, func(i int) id.User { return next(people, i) })}
	c.stored = func(ctx context.Context) (int64, error) {
		if err := w.countStored(ctx, people, c.sent); err != nil {
			return 0, err
		}
		return c.sent, nil
	}
	c.server = func(ctx context.Context) (time.Duration, error) {
		m, err := w.metrics(ctx)
		return time.Duration(m[processorSeconds] * float64(time.Second)), err
	}
	return c, func() error {
		closeAll(conns)
		return w.close()
	}, warm(ctx, c, len(conns))
}

// sendOver sends to somebody over the sockets of many.
func sendOver(conns []*testkit.Conn, to func(i int) id.User) func(context.Context, int, int) (time.Time, error) {
	return func(ctx context.Context, i, n int) (time.Time, error) {
		p, err := ask(conns[i], to(i), name("versus", n))
		if err != nil {
			return time.Time{}, err
		}
		_, err = acked(ctx, p)
		return p.At(), err
	}
}

// warm lets each client send once, so that what is made once does not count.
func warm(ctx context.Context, c *contender, clients int) error {
	for i := range clients {
		if _, err := c.send(ctx, i, -1); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		c.sent++
	}
	return nil
}

// bareContender inserts a document with as many bytes of text as a sealed message has, journaled
// on a majority, into a collection without indexes, and nothing besides.
func (b *bench) bareContender() (*contender, func() error) {
	name, _ := b.mongo.fresh()
	docs := b.mongo.client.Database(name).Collection("bare")
	sealed := make([]byte, len(text)+len(" versus-1000000")+seal.Overhead)
	from, to := bson.NewObjectID(), bson.NewObjectID()
	c := &contender{name: "bare inserts", send: func(ctx context.Context, i, n int) (time.Time, error) {
		_, err := docs.InsertOne(ctx, bson.D{
			{Key: "sender", Value: from}, {Key: "recipient", Value: to}, {Key: "content", Value: sealed},
			{Key: "createdAt", Value: time.Now()}, {Key: "clientId", Value: strconv.Itoa(n)},
		})
		return time.Now(), err
	}}
	c.stored = func(ctx context.Context) (int64, error) { return docs.CountDocuments(ctx, bson.D{}) }
	return c, func() error { return b.mongo.drop(name) }
}

// formerContender is the former design's way of a message.
func (b *bench) formerContender(ctx context.Context) (_ *contender, end func() error, err error) {
	f, err := b.startFormer(ctx)
	if err != nil {
		return nil, nil, err
	}
	users, err := f.data.people(ctx, b.flatSenders)
	if err != nil {
		return nil, nil, errors.Join(err, f.close())
	}
	conns, err := f.dial(ctx, users)
	if err != nil {
		return nil, nil, errors.Join(err, f.close())
	}
	c := &contender{name: "former design", send: sendOver(conns, func(i int) id.User { return users[(i+1)%len(users)] })}
	c.stored = func(ctx context.Context) (int64, error) {
		return f.data.db.Collection("messages").CountDocuments(ctx, bson.D{})
	}
	c.server = func(context.Context) (time.Duration, error) { return f.process.Processor() }
	return c, func() error {
		closeAll(conns)
		return f.close()
	}, warm(ctx, c, len(conns))
}
