package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"pryde/bench/sample"
	"pryde/internal/id"
	"pryde/internal/wire"
)

const (
	// searchGoal is in milliseconds, withSearchGoal what may be left of the rate of sending.
	searchGoal     = 50
	withSearchGoal = 0.95

	searchPeers = 40 // people with whom the one who searches has talked
	markerEvery = 500
	// indexPatience bounds the wait for an index that is made at a tenth of a core.
	indexPatience = 5 * time.Minute
)

// A lexicon makes texts like those of people: a few words are in most of them, most words in few.
type lexicon struct {
	words, signs *rand.Zipf
	rng          *rand.Rand
}

func newLexicon(part uint64) *lexicon {
	r := rand.New(rand.NewPCG(seed, part))
	return &lexicon{words: rand.NewZipf(r, 1.2, 3, 30_000), signs: rand.NewZipf(r, 1.1, 8, 3_000), rng: r}
}

// word is the n-th most frequent word.
func word(n uint64) string {
	const syllables = "ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro ru sa se si so su ta te ti to tu"
	all := strings.Fields(syllables)
	var b strings.Builder
	for n++; n > 0; n /= uint64(len(all)) {
		b.WriteString(all[n%uint64(len(all))])
	}
	return b.String()
}

func (l *lexicon) word() string { return word(l.words.Uint64()) }

// run is some Chinese characters in a row.
func (l *lexicon) run(n int) string {
	var b strings.Builder
	for range n {
		b.WriteRune(rune(0x4e00 + l.signs.Uint64()))
	}
	return b.String()
}

// line is a message; every tenth is in Chinese.
func (l *lexicon) line(n int) string {
	var b strings.Builder
	if n%10 == 0 {
		b.WriteString(l.run(8 + l.rng.IntN(30)))
	} else {
		for range 3 + l.rng.IntN(20) {
			b.WriteString(l.word() + " ")
		}
	}
	if n%markerEvery == 0 {
		fmt.Fprintf(&b, " marker%d", n)
	}
	return b.String()
}

// search is somebody with many messages who looks for some, and people who send while their index is
// kept up, beside others who have none.
func (b *bench) search(ctx context.Context) (_ []figure, err error) {
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	s := newSecrets()
	f, err := s.library(ctx, h, b.searched, b.flatSenders)
	if err != nil {
		return nil, errors.Join(err, h.remove())
	}
	f.bench = b
	if f.world, err = b.startWorld(ctx, h, s.env()...); err != nil {
		return nil, errors.Join(err, h.remove())
	}
	defer func() { err = errors.Join(err, f.world.close()) }()
	figures, err := f.find(ctx)
	if err != nil {
		return figures, err
	}
	sent, err := f.send(ctx)
	return append(figures, sent...), err
}

// A library is the messages of somebody, and two circles of people who send.
type library struct {
	bench    *bench
	world    *world
	reader   person
	messages int
	marked   map[int]id.Message // those with a marker
	circles  [2][]person        // those who have searched, and those who never did
}

// library fills the store of a home at which no server is at work.
func (s secrets) library(ctx context.Context, h *home, messages, senders int) (_ *library, err error) {
	o, err := h.open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	half := max(senders/2, 2)
	users, err := o.accounts(ctx, 1+searchPeers+2*half)
	if err != nil {
		return nil, err
	}
	all, err := o.admit(ctx, users)
	if err != nil {
		return nil, err
	}
	l := &library{reader: all[0], messages: messages, marked: map[int]id.Message{}}
	rest := all[1+searchPeers:]
	l.circles = [2][]person{rest[:half], rest[half:]}
	return l, o.converse(ctx, l, users[0], users[1:1+searchPeers])
}

// converse stores the messages of somebody with some others.
func (o *openStore) converse(ctx context.Context, l *library, me id.User, peers []id.User) error {
	lines, who := newLexicon(1), rand.NewZipf(rand.New(rand.NewPCG(seed, 2)), 1.3, 2, uint64(len(peers)-1))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(seedsAtOnce)
	for n := range l.messages {
		from, to := me, peers[who.Uint64()]
		if n%2 == 0 {
			from, to = to, from
		}
		d := draft(from, to, fmt.Sprint("library-", n))
		d.Content = lines.line(n)
		if n%markerEvery == 0 {
			l.marked[n] = d.ID
		}
		g.Go(func() error {
			_, _, err := o.Append(ctx, d)
			return err
		})
	}
	return g.Wait()
}

// look searches once as somebody and returns what was found, and how long the answer took.
func (l *library) look(ctx context.Context, p person, query string) ([]wire.Message, time.Duration, error) {
	var body bytes.Buffer
	begun := time.Now()
	err := l.world.get(ctx, "/api/messages/search?q="+url.QueryEscape(query), "Authorization", "Bearer "+p.token, &body)
	took := time.Since(begun)
	var found []wire.Message
	if err == nil {
		err = json.Unmarshal(body.Bytes(), &found)
	}
	if err != nil {
		return nil, took, fmt.Errorf("search: %w", err)
	}
	return found, took, nil
}

// indexed waits until no index is being made.
func (l *library) indexed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, indexPatience)
	defer cancel()
	for {
		m, err := l.world.metrics(ctx)
		if err != nil {
			return err
		}
		waiting, known := m["pryde_search_waiting"]
		if !known {
			return errors.New("the server does not say whether an index is being made")
		}
		if waiting == 0 {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("an index is made for too long: %w", context.Cause(ctx))
		}
	}
}

// find measures searches of one client.
func (l *library) find(ctx context.Context) ([]figure, error) {
	_, first, err := l.look(ctx, l.reader, "marker0")
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := l.indexed(ctx); err != nil {
		return nil, err
	}
	figures := []figure{
		millis("first search", first, 1).noted("%d messages and no index", l.messages),
		measured("index made", time.Since(begun).Seconds(), "s", l.messages),
	}
	if err := l.check(ctx); err != nil {
		return figures, err
	}
	lines := newLexicon(3)
	var all sample.Set
	for _, kind := range []struct {
		name  string
		query func(n int) string
	}{
		{"a word of one message", func(n int) string { return fmt.Sprint("marker", n%(l.messages/markerEvery)*markerEvery) }},
		{"one of the 50 most frequent words", func(n int) string { return word(uint64(n % 50)) }},
		{"a word as often as it is written", func(int) string { return lines.word() }},
		{"one of the rarest words", func(n int) string { return word(uint64(20_000 + 7*n)) }},
		{"two words", func(n int) string { return word(uint64(n%400)) + " " + word(uint64(n%37)) }},
		{"no word of any", func(n int) string { return fmt.Sprint("absent", n) }},
		{"two Chinese characters", func(int) string { return lines.run(2) }},
		{"one Chinese character", func(int) string { return lines.run(1) }},
	} {
		var took sample.Set
		for n := range max(l.bench.searches/8, 1) {
			_, d, err := l.look(ctx, l.reader, kind.query(n))
			if err != nil {
				return figures, fmt.Errorf("%s: %w", kind.name, err)
			}
			took.Add(d)
		}
		figures = append(figures,
			millis(kind.name+" p50", took.Quantile(0.5), took.Len()), millis(kind.name+" p99", took.Quantile(0.99), took.Len()))
		all.Join(&took)
	}
	return append(figures, millis("all p50", all.Quantile(0.5), all.Len()), millis("all p99", all.Quantile(0.99), all.Len()).atMost(searchGoal)), nil
}

// check looks for every message that has a word for itself.
func (l *library) check(ctx context.Context) error {
	for n, m := range l.marked {
		found, _, err := l.look(ctx, l.reader, fmt.Sprint("marker", n))
		if err != nil {
			return err
		}
		if len(found) != 1 || found[0].ID != m {
			return fmt.Errorf("of the message with marker %d, %d are found", n, len(found))
		}
	}
	return nil
}

// send lets both circles send in turns.
func (l *library) send(ctx context.Context) ([]figure, error) {
	var all [2]*contender
	for i, name := range []string{"with an index", "without one"} {
		people := l.circles[i]
		conns, err := l.world.dialAll(ctx, people)
		if err != nil {
			return nil, err
		}
		defer closeAll(conns)
		all[i] = &contender{name: name, send: sendOver(conns, func(i int) id.User { return next(people, i) })}
		if err := warm(ctx, all[i], len(conns)); err != nil {
			return nil, err
		}
	}
	for _, p := range l.circles[0] {
		if _, _, err := l.look(ctx, p, "hello"); err != nil {
			return nil, err
		}
	}
	for turn := range l.bench.turns {
		for i := range all {
			// What a turn leaves to be indexed is not for the other one to bear.
			if err := l.indexed(ctx); err != nil {
				return nil, err
			}
			c := all[(turn+i)%len(all)]
			if err := c.rush(ctx, len(l.circles[0]), l.bench.turnFor); err != nil {
				return nil, fmt.Errorf("%s, turn %d: %w", c.name, turn+1, err)
			}
		}
		l.bench.say("  turn %d: %.0f and %.0f messages/s", turn+1, all[0].rates[turn], all[1].rates[turn])
	}
	var figures []figure
	for _, c := range all {
		n := c.took.Len()
		figures = append(figures,
			measured("sent by people "+c.name, sample.Median(c.rates), "messages/s", n).noted("median of turns: %.0f", c.rates),
			millis("sent by people "+c.name+": ack p99", c.took.Quantile(0.99), n))
	}
	return append(figures, ratio(all[0], all[1]).atLeast(withSearchGoal)), nil
}
