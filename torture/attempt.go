package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

const (
	maxBurst = 16 // messages that leave a socket without waiting
	maxDone  = 32 // acknowledged attempts that a device remembers
	maxOpen  = 16 // attempts that failed, before a device does nothing else than to try them again
)

// A receiver is a person or a group; the other is zero.
type receiver struct {
	person id.User
	group  id.Group
}

// An attempt is one message that somebody means to send once. Its name is its text too.
type attempt struct {
	name string
	to   receiver
}

func (d *device) attempt(to receiver) *attempt {
	d.sent++
	return &attempt{name: fmt.Sprintf("%s-%06d", d.name, d.sent), to: to}
}

// groupShare is how many of so many messages are to a group: one.
const groupShare = 3

// peer chooses somebody to write to, now and then oneself, or a group that one is in.
func (d *device) peer() receiver {
	if groups := d.groups(); len(groups) > 0 && d.random.IntN(groupShare) == 0 {
		return receiver{group: groups[d.random.IntN(len(groups))].id}
	}
	return receiver{person: d.w.people[d.random.IntN(len(d.w.people))].id}
}

// groups are those that the person is in.
func (d *device) groups() []*group {
	var in []*group
	for _, g := range d.w.groups {
		if g.has(d.person) {
			in = append(in, g)
		}
	}
	return in
}

// something does one of the things that people and their clients do.
func (d *device) something(ctx context.Context) {
	switch n := d.random.IntN(60); {
	case len(d.open) > maxOpen:
		d.wait(ctx, pause)
		d.retry(ctx, true)
	case n == 0:
		d.leave(ctx)
	case n < 26:
		to := d.peer()
		d.burst(ctx, func() receiver { return to })
	case n < 36:
		d.burst(ctx, d.peer)
	case n < 48:
		d.bothDoors(ctx, d.attempt(d.peer()))
	case n < 53:
		a := d.attempt(d.peer())
		d.conclude(a, d.post(ctx, d.rest(), a))
	case n < 55:
		d.markRead(ctx)
	case len(d.done) > 0:
		a := d.done[d.random.IntN(len(d.done))]
		d.await(ctx, a, d.ask(a))
	}
}

// burst sends several messages over the socket without waiting for an answer.
func (d *device) burst(ctx context.Context, to func() receiver) {
	attempts := make([]*attempt, 1+d.random.IntN(maxBurst))
	pending := make([]*testkit.Pending, len(attempts))
	for i := range attempts {
		attempts[i] = d.attempt(to())
		pending[i] = d.ask(attempts[i])
	}
	for i, a := range attempts {
		d.conclude(a, d.await(ctx, a, pending[i]))
	}
}

// bothDoors makes one attempt over both doors at once, over the socket twice.
func (d *device) bothDoors(ctx context.Context, a *attempt) {
	first, second, rest := d.ask(a), d.ask(a), d.rest()
	var posted bool
	var wg sync.WaitGroup
	wg.Go(func() { posted = d.post(ctx, rest, a) })
	one := d.await(ctx, a, first)
	two := d.await(ctx, a, second)
	wg.Wait()
	d.conclude(a, posted || one || two)
}

// conclude remembers an attempt for a later repeat, or for a retry.
func (d *device) conclude(a *attempt, acknowledged bool) {
	if !acknowledged {
		d.open = append(d.open, a)
		return
	}
	d.w.acked.Add(1)
	d.done = append(d.done, a)
	if len(d.done) > maxDone {
		d.done = d.done[1:]
	}
}

// retry makes the open attempts again, over either door. Where some may be given up, one in
// four is, as by a person who closes the page: nobody heals what the server told others of
// it.
func (d *device) retry(ctx context.Context, giveUp bool) {
	open := d.open
	d.open = nil
	for i, a := range open {
		switch {
		case d.conn.Err() != nil || ctx.Err() != nil:
			d.open = append(d.open, open[i:]...)
			return
		case giveUp && d.random.IntN(4) == 0:
		case d.random.IntN(2) == 0:
			d.conclude(a, d.post(ctx, d.rest(), a))
		default:
			d.conclude(a, d.await(ctx, a, d.ask(a)))
		}
	}
}

func (d *device) entry(kind testkit.Kind, a *attempt, connection int) testkit.Entry {
	e := testkit.Entry{Kind: kind, Client: d.name, Connection: connection, Attempt: a.name}
	if kind == testkit.Tried {
		e.Item = testkit.Item{Sender: d.person.id.String(), Tag: a.name}
		if a.to.group.IsZero() {
			e.Recipient = a.to.person.String()
		} else {
			e.Group = a.to.group.String()
		}
	}
	return e
}

// ask sends an attempt over the socket; nil where that is gone.
func (d *device) ask(a *attempt) *testkit.Pending {
	d.w.history.Add(d.entry(testkit.Tried, a, d.connection))
	p, err := d.conn.Ask(wire.SendMessage.Name(), wire.NewMessage{
		RecipientID: a.to.person, GroupChatID: a.to.group, Content: a.name, TempID: a.name,
	})
	if err != nil {
		return nil
	}
	return p
}

// await records the answer to an attempt over the socket and reports whether it succeeded.
func (d *device) await(ctx context.Context, a *attempt, p *testkit.Pending) bool {
	if p == nil {
		return false
	}
	var ack struct {
		wire.Sent
		Code string `json:"code"`
	}
	return d.reply(ctx, p, &ack) && d.answered(a, d.connection, ack.Success, ack.MessageID, ack.Duplicate, ack.Code)
}

// reply waits for an acknowledgement and reports whether it came. A socket on which it does not
// come in time is given up.
func (d *device) reply(ctx context.Context, p *testkit.Pending, into any) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	raw, err := p.Wait(ctx)
	if err != nil {
		if d.conn.Err() == nil {
			d.conn.Close()
			d.at++
		}
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil {
		d.w.note("%s got an acknowledgement that cannot be read: %v", d.name, err)
		return false
	}
	return true
}

// markRead says that everything that was heard of somebody, or in a group, is read. What some
// people write, and what is in some groups, is never read, so that a count that is wrong stays wrong.
func (d *device) markRead(ctx context.Context) {
	of := receiver{person: d.w.people[d.random.IntN(len(d.w.people)/2)].id}
	if d.random.IntN(groupShare) == 0 {
		of = receiver{group: d.w.groups[0].id}
	}
	d.mu.Lock()
	newest := d.newest[of]
	d.mu.Unlock()
	if newest.IsZero() {
		return
	}
	p, err := d.conn.Ask(wire.SayRead.Name(), wire.ReadUpTo{ConversationWith: of.person, GroupChatID: of.group, LastReadMessageID: newest})
	if err != nil {
		return
	}
	var ack wire.Noted
	if d.reply(ctx, p, &ack) && ack.Success {
		e := testkit.Entry{Kind: testkit.Marked, Client: d.name, User: d.person.id.String(), Item: testkit.Item{Message: newest.String()}}
		if of.group.IsZero() {
			e.Peer = of.person.String()
		} else {
			e.Group = of.group.String()
		}
		d.w.history.Add(e)
	}
}

// post makes an attempt over the REST door and reports whether it succeeded.
func (d *device) post(ctx context.Context, rest *testkit.REST, a *attempt) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	d.w.history.Add(d.entry(testkit.Tried, a, 0))
	m, again, err := rest.PostMessage(ctx, wire.PostedMessage{
		Recipient: a.to.person, GroupChatID: a.to.group, Content: a.name, TempID: a.name,
	})
	if refused, ok := errors.AsType[*testkit.StatusError](err); ok {
		return d.answered(a, 0, false, m.ID, false, refused.Code)
	}
	if err != nil {
		return false
	}
	return d.answered(a, 0, true, m.ID, again, "")
}

func (d *device) answered(a *attempt, connection int, success bool, m id.Message, again bool, code string) bool {
	if !success {
		e := d.entry(testkit.Refused, a, connection)
		e.Code = code
		d.w.history.Add(e)
		return false
	}
	e := d.entry(testkit.Acked, a, connection)
	e.Message, e.Duplicate = m.String(), again
	d.w.history.Add(e)
	return true
}
