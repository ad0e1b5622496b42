package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pryde/bench/peer"
	"pryde/bench/sample"
	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

const (
	formerListed = 50 // conversations in the list
	formerReads  = 10 // of each list by the former design, which takes long
)

// A formerServer is the former design's way of a message, in Node, on a database of its own.
type formerServer struct {
	home    *home
	secrets secrets
	data    *formerData
	process *peer.Process
	users   []id.User
}

// startFormer starts it on an empty database. The caller closes it.
func (b *bench) startFormer(ctx context.Context) (*formerServer, error) {
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	f := &formerServer{home: h, secrets: newSecrets()}
	if f.data, err = h.former(f.secrets); err == nil {
		err = f.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, h.remove())
	}
	return f, nil
}

func (f *formerServer) start(ctx context.Context) error {
	command, err := peer.Former(ctx)
	if err != nil {
		return err
	}
	command.Processors = runtime.NumCPU()
	command.Env = []string{"NODE_ENV=production", "MONGODB_URI=" + f.home.uri, "MESSAGE_ENCRYPTION_KEY=" + f.secrets.master}
	f.process, err = command.Start(ctx)
	return err
}

func (f *formerServer) url() string { return "http://" + f.process.Address }

// dial connects people, whose token is their id.
func (f *formerServer) dial(ctx context.Context, users []id.User) ([]*testkit.Conn, error) {
	var conns []*testkit.Conn
	for _, u := range users {
		c, err := (&testkit.Dialer{OnEvent: ignore}).Dial(ctx, f.url(), u.String())
		if err != nil {
			closeAll(conns)
			return nil, fmt.Errorf("connect: %w", err)
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func (f *formerServer) close() error {
	f.process.Stop()
	return f.home.remove()
}

// former reads the same database with the former design and with the server, after that has taken
// it over: threads, and the conversation list of somebody with many messages. Before, one sender
// writes to the former design.
func (b *bench) former(ctx context.Context) (_ []figure, err error) {
	f, err := b.startFormer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.home.remove()) }()
	figures, err := b.formerDesign(ctx, f)
	f.process.Stop()
	if err != nil {
		return figures, fmt.Errorf("the former design: %w", err)
	}
	ours, err := b.takenOver(ctx, f)
	return append(figures, ours...), err
}

// The people of the database, by number: two for each thread, two who talk, and one with a list.
func (b *bench) formerPeople() (talkers, reader, peers int) {
	talkers = 2 * len(b.threads)
	return talkers, talkers + 2, talkers + 3
}

func (b *bench) formerDesign(ctx context.Context, f *formerServer) ([]figure, error) {
	talkers, reader, peers := b.formerPeople()
	var err error
	if f.users, err = f.data.people(ctx, peers+formerListed); err != nil {
		return nil, err
	}
	users := f.users
	acks, err := f.one(ctx, users[talkers:talkers+2], max(b.messages/4, 1))
	if err != nil {
		return nil, err
	}
	if err := b.formerMessages(ctx, f, users); err != nil {
		return nil, err
	}
	figures := []figure{
		millis("former design: one sender, ack p50", acks.Quantile(0.5), acks.Len()),
		millis("former design: one sender, ack p99", acks.Quantile(0.99), acks.Len()),
	}
	for i, n := range b.threads {
		took, err := f.read(ctx, users[2*i], "/api/messages/"+users[2*i+1].String(), n)
		if err != nil {
			return figures, err
		}
		figures = append(figures, millis(fmt.Sprintf("former design: thread of %d, all of it, p50", n), took.Quantile(0.5), took.Len()))
	}
	took, err := f.read(ctx, users[reader], "/api/messages/list", formerListed)
	if err != nil {
		return figures, err
	}
	return append(figures, millis(fmt.Sprintf("former design: list over %d messages, p50", b.listed), took.Quantile(0.5), took.Len())), nil
}

// formerMessages stores the threads and what the list is made of.
func (b *bench) formerMessages(ctx context.Context, f *formerServer, users []id.User) error {
	_, reader, peers := b.formerPeople()
	var all []formerMessage
	for i, n := range b.threads {
		for k := range n {
			all = append(all, f.data.message(len(all), users[2*i+k%2], users[2*i+1-k%2], true))
		}
	}
	for k := range b.listed {
		from, to := users[reader], users[peers+k%formerListed]
		if k/formerListed%2 == 0 {
			from, to = to, from
		}
		all = append(all, f.data.message(len(all), from, to, k%10 > 0))
	}
	return f.data.insert(ctx, len(all), func(i int) formerMessage { return all[i] })
}

// one is one sender who waits for each message.
func (f *formerServer) one(ctx context.Context, two []id.User, n int) (*sample.Set, error) {
	conns, err := f.dial(ctx, two)
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	send := sendOver(conns, func(i int) id.User { return two[1-i] })
	var took sample.Set
	for i := range n + warmUp {
		begun := time.Now()
		at, err := send(ctx, 0, i)
		if err != nil {
			return nil, err
		}
		if i >= warmUp {
			took.Add(at.Sub(begun))
		}
	}
	return &took, nil
}

// read asks the former design for a list.
func (f *formerServer) read(ctx context.Context, me id.User, path string, rows int) (*sample.Set, error) {
	w := &world{server: &testkit.Server{BaseURL: f.url()}}
	return w.readRows(ctx, me.String(), path, rows, formerReads)
}

// readRows asks for a list again and again. The answer has to have so many rows.
func (w *world) readRows(ctx context.Context, token, path string, rows, times int) (*sample.Set, error) {
	var body bytes.Buffer
	var took sample.Set
	for range times {
		begun := time.Now()
		if err := w.get(ctx, path, "Authorization", "Bearer "+token, &body); err != nil {
			return nil, err
		}
		took.Add(time.Since(begun))
	}
	var found []jsontext.Value
	if err := json.Unmarshal(body.Bytes(), &found); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(found) != rows {
		return nil, fmt.Errorf("%s: %d rows, want %d", path, len(found), rows)
	}
	return &took, nil
}

// takenOver reads the same with the server, once it has taken the database over.
func (b *bench) takenOver(ctx context.Context, f *formerServer) (_ []figure, err error) {
	_, reader, _ := b.formerPeople()
	users, tokens := f.users, map[id.User]string{}
	for _, u := range users[:reader+1] {
		if tokens[u], err = f.data.session(ctx, f.secrets, u); err != nil {
			return nil, err
		}
	}
	w, err := b.startWorld(ctx, f.home, f.secrets.env()...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.server.Stop()) }()
	if err := every(ctx, nil, lookEvery, func(int) (bool, error) { return f.data.taken(ctx) }); err != nil {
		return nil, err
	}
	var figures []figure
	for i, n := range b.threads {
		token, peer := tokens[users[2*i]], users[2*i+1]
		page, err := w.readRows(ctx, token, pagePath(peer), min(n, pageRows), b.reads)
		if err != nil {
			return figures, err
		}
		whole, err := w.wholeThread(ctx, token, peer, n)
		if err != nil {
			return figures, err
		}
		figures = append(figures,
			millis(fmt.Sprintf("product: thread of %d, newest page, p50", n), page.Quantile(0.5), page.Len()),
			millis(fmt.Sprintf("product: thread of %d, all of it by pages, p50", n), whole.Quantile(0.5), whole.Len()))
	}
	list, err := w.readRows(ctx, tokens[users[reader]], listPath, formerListed, b.reads)
	if err != nil {
		return figures, err
	}
	return append(figures, millis(fmt.Sprintf("product: list over %d messages, p50", b.listed), list.Quantile(0.5), list.Len())), nil
}

// wholeThread reads a conversation from its end to its beginning.
func (w *world) wholeThread(ctx context.Context, token string, peer id.User, messages int) (*sample.Set, error) {
	var took sample.Set
	for range formerReads {
		begun := time.Now()
		thread, err := w.rest.As(token).Thread(ctx, peer)
		if err != nil {
			return nil, err
		}
		took.Add(time.Since(begun))
		if len(thread) != messages {
			return nil, fmt.Errorf("%d messages, want %d", len(thread), messages)
		}
	}
	return &took, nil
}

// unread is how many messages somebody has not read.
func (w *world) unread(ctx context.Context, token string) (int, error) {
	var body bytes.Buffer
	if err := w.get(ctx, unreadPath, "Authorization", "Bearer "+token, &body); err != nil {
		return 0, err
	}
	var found wire.Unread
	err := json.Unmarshal(body.Bytes(), &found)
	return found.TotalUnread, err
}
