package journalstore

import (
	"slices"
	"time"

	"pryde/internal/id"
	"pryde/internal/journal"
	"pryde/internal/message"
	"pryde/internal/order"
)

// An entry is a message that waits. Its message does not change once it is in the queue.
type entry struct {
	message.Waiting
	size    int            // of its record, in bytes
	written *journal.Entry // until it is settled
	ready   chan struct{}  // closed when it is durable, or known never to be
	suspect bool           // the database did not take it at an earlier time
	err     error          // why it is not durable; settled when ready is closed

	// Guarded by the store's mutex.
	durable  bool
	position journal.Position // in the journal, once it is durable
	gone     bool             // it is stored, or was never durable
}

var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// An attempt is the client's own name for a message.
type attempt struct {
	sender   id.User
	clientID string
}

// A queue is what waits, in order. The store's mutex guards it.
type queue struct {
	list     []*entry // to be stored
	aside    []*entry // that the database does not take
	byID     map[id.Message]*entry
	attempts map[attempt]*entry
	people   map[id.User][]*entry  // in order; what they send each other and receive
	groups   map[id.Group][]*entry // in order
	highest  order.Seq             // of all that was ever in it
	removed  [256]int              // how many entries of the senders with that last byte were taken out

	// What is stored, without its texts: a repeat is known by it while the database gives no
	// answers. Where there is too much, what is older goes to former, and what is there goes.
	stored, former map[attempt]message.Message

	// What was taken out while somebody reads: a reader may have looked into the database before
	// that, and into the queue afterwards.
	past    []*entry
	ends    int         // how many were taken out at all: the place behind past
	readers map[int]int // how many began at a place
}

func newQueue() *queue {
	return &queue{byID: map[id.Message]*entry{}, attempts: map[attempt]*entry{}, people: map[id.User][]*entry{}, groups: map[id.Group][]*entry{}, readers: map[int]int{}, stored: map[attempt]message.Message{}}
}

// maxStored is of how many stored messages it is remembered at least, and half of how many at most.
const maxStored = 10_000

// remember notes that a message is stored.
func (q *queue) remember(clientID string, m message.Message) {
	if clientID == "" {
		return
	}
	if len(q.stored) >= maxStored {
		q.former, q.stored = q.stored, map[attempt]message.Message{}
	}
	m.Content, m.Attachment, m.Extra, m.Reactions = "", "", message.Extra{}, nil
	q.stored[attempt{m.Sender, clientID}] = m
}

// remembered returns the stored message that a draft repeats, where it is remembered.
func (q *queue) remembered(d message.Draft) (message.Message, bool) {
	a := attempt{d.Sender, d.ClientID}
	m, found := q.stored[a]
	if !found {
		m, found = q.former[a]
	}
	return m, found && m.ID == d.ID && m.Fingerprint == d.Fingerprint
}

// begin begins a read, and returns its place for since and end.
func (q *queue) begin() int {
	q.readers[q.ends]++
	return q.ends
}

// since returns what was taken out since a read began, in order, and is stored.
func (q *queue) since(place int) []*entry {
	var found []*entry
	for _, e := range q.past[len(q.past)-(q.ends-place):] {
		if e.durable {
			found = append(found, e)
		}
	}
	return found
}

// end ends a read.
func (q *queue) end(place int) {
	if q.readers[place]--; q.readers[place] == 0 {
		delete(q.readers, place)
	}
	first := q.ends
	for p := range q.readers {
		first = min(first, p)
	}
	if q.past = q.past[len(q.past)-(q.ends-first):]; len(q.past) == 0 {
		q.past = nil
	}
}

func (q *queue) add(e *entry) {
	q.list = append(q.list, e)
	q.byID[e.ID] = e
	if e.ClientID != "" {
		q.attempts[attempt{e.Sender, e.ClientID}] = e
	}
	if !e.Group.IsZero() {
		q.groups[e.Group] = append(q.groups[e.Group], e)
	} else {
		for _, u := range e.Conversation().People() {
			q.people[u] = append(q.people[u], e)
		}
	}
	q.highest = max(q.highest, e.Seq)
}

// remove takes entries out that are stored, or were never durable.
func (q *queue) remove(entries ...*entry) {
	for _, e := range entries {
		e.gone = true
		if len(q.readers) > 0 {
			q.past = append(q.past, e)
		}
		q.ends++
		if e.durable {
			q.remember(e.ClientID, e.Message)
		}
		delete(q.byID, e.ID)
		delete(q.attempts, attempt{e.Sender, e.ClientID})
		q.removed[e.Sender[id.Size-1]]++
		if !e.Group.IsZero() {
			takeOut(q.groups, e.Group, e)
		} else {
			for _, u := range e.Conversation().People() {
				takeOut(q.people, u, e)
			}
		}
		q.list = without(q.list, e)
		q.aside = without(q.aside, e)
	}
	if len(q.list) == 0 {
		q.list = nil
	}
}

// takeOut takes an entry out of one of several lists.
func takeOut[K comparable](lists map[K][]*entry, of K, e *entry) {
	if lists[of] = without(lists[of], e); len(lists[of]) == 0 {
		delete(lists, of)
	}
}

// without takes an entry out of a list, mostly the first one.
func without(list []*entry, e *entry) []*entry {
	if len(list) > 0 && list[0] == e {
		list[0] = nil
		return list[1:]
	}
	if i := slices.Index(list, e); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// repeated finds the message that a draft repeats, durable or on its way to the disk; nil where
// there is none. It is errTaken where another attempt has the id.
func (q *queue) repeated(d message.Draft) (*entry, error) {
	if d.ClientID != "" {
		if e := q.attempts[attempt{d.Sender, d.ClientID}]; e != nil {
			return e, nil
		}
	} else if d.RepeatWindow > 0 {
		oldest := whole(d.At).Add(-d.RepeatWindow)
		for _, e := range slices.Backward(q.between(d.Conversation())) {
			if e.Sender == d.Sender && e.Recipient == d.Recipient && e.Fingerprint == d.Fingerprint && !e.CreatedAt.Before(oldest) {
				return e, nil
			}
		}
	}
	if q.byID[d.ID] != nil {
		return nil, errTaken
	}
	return nil, nil
}

// between returns what waits in the group of a conversation, or else of the first person in it, in
// order.
func (q *queue) between(c message.Conversation) []*entry {
	if c.IsGroup() {
		return q.groups[c.Group]
	}
	return q.people[c.Low]
}

// with returns what waits in a conversation and is durable, in order.
func (q *queue) with(c message.Conversation) []*entry {
	var found []*entry
	for _, e := range q.between(c) {
		if e.durable && e.Conversation() == c {
			found = append(found, e)
		}
	}
	return found
}

// of returns what waits and is durable between a person and others, in order.
func (q *queue) of(u id.User) []*entry {
	var found []*entry
	for _, e := range q.people[u] {
		if e.durable {
			found = append(found, e)
		}
	}
	return found
}

// whole is a time as it is kept.
func whole(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }
