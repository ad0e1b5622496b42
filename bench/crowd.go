package main

import "math/rand/v2"

const (
	minCrowd   = 4
	maxFriends = 300 // people to whom one writes first
)

// A crowd draws who writes to whom, as unevenly as people do: both who writes, and to which of
// their friends, is drawn by Zipf's law. Two crowds of one size draw the same.
type crowd struct {
	people  int
	rng     *rand.Rand
	writers *rand.Zipf
	friends *rand.Zipf

	sent  []letter       // every message so far
	sides map[side]*view // what each of two people has of their conversation
	convs []int          // how many conversations each person has
}

// A letter is who wrote to whom, by number, and whether the recipient has read everything by then.
type letter struct {
	from, to int32
	read     bool
}

// A side is a person in the conversation with a peer.
type side struct{ me, peer int32 }

// A view is what a person has of a conversation.
type view struct{ messages, unread int }

func newCrowd(people int) *crowd {
	r := rand.New(rand.NewPCG(seed, 0))
	return &crowd{
		people: people, rng: r, sides: map[side]*view{}, convs: make([]int, people),
		writers: rand.NewZipf(r, 1.1, 1, uint64(people-1)),
		friends: rand.NewZipf(r, 1.2, 1, uint64(min(people-2, maxFriends))),
	}
}

// write draws the next message. Half of them are answers of the friend. After one of twenty the
// recipient has read everything.
func (c *crowd) write() letter {
	l := letter{from: int32(c.writers.Uint64())}
	l.to = int32((uint64(l.from) + 1 + c.friends.Uint64()) % uint64(c.people))
	if c.rng.IntN(2) == 0 {
		l.from, l.to = l.to, l.from
	}
	l.read = c.rng.IntN(20) == 0
	c.sent = append(c.sent, l)
	c.see(side{l.from, l.to}).messages++
	v := c.see(side{l.to, l.from})
	v.messages++
	v.unread++
	if l.read {
		v.unread = 0
	}
	return l
}

func (c *crowd) see(s side) *view {
	v := c.sides[s]
	if v == nil {
		v = &view{}
		c.sides[s] = v
		c.convs[s.me]++
	}
	return v
}

// unread is how many messages a person has not read.
func (c *crowd) unread(me int32) int {
	n := 0
	for s, v := range c.sides {
		if s.me == me {
			n += v.unread
		}
	}
	return n
}

// readers draws who reads, and with whom: the more people write, the more often they read.
func (c *crowd) readers(n int) []side {
	r := rand.New(rand.NewPCG(seed, uint64(len(c.sent))))
	all := make([]side, n)
	for i := range all {
		l := c.sent[r.IntN(len(c.sent))]
		if all[i] = (side{l.from, l.to}); r.IntN(2) == 0 {
			all[i] = side{l.to, l.from}
		}
	}
	return all
}
