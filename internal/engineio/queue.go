package engineio

import "sync"

// maxBatch is how much one write to the network takes from a queue, in bytes; one group of
// messages may be larger.
const maxBatch = 64 << 10

// An item is a message in a queue.
type item struct {
	Message
	volatile bool
	joined   bool // it is sent or forgotten together with the one before it
}

// A queue holds the messages that wait to be sent. The mutex of its session guards it.
type queue struct {
	items   []item
	bytes   int // of the items
	writing int // bytes that have been taken out and are not yet with the network
}

// bounds are those of a queue: bytes and packets.
type bounds struct{ bytes, packets int }

// push appends messages as one group. It reports false when there is no room for them, even
// without the volatile ones that were queued before. In an empty queue there always is.
func (q *queue) push(group []Message, volatile bool, most bounds) bool {
	size := 0
	for _, m := range group {
		size += len(m.frame)
	}
	if !q.fits(len(group), size, most) && (volatile || !q.shed(len(group), size, most)) {
		return false
	}
	for i, m := range group {
		q.items = append(q.items, item{Message: m, volatile: volatile, joined: i > 0})
	}
	q.bytes += size
	return true
}

func (q *queue) fits(packets, size int, most bounds) bool {
	return len(q.items) == 0 && q.writing == 0 ||
		len(q.items)+packets <= most.packets && q.bytes+q.writing+size <= most.bytes
}

// force appends a message whatever the bounds say.
func (q *queue) force(m Message) {
	q.items = append(q.items, item{Message: m})
	q.bytes += len(m.frame)
}

// shed forgets volatile groups, the oldest first, until so much more fits. It reports whether
// it does.
func (q *queue) shed(packets, size int, most bounds) bool {
	kept := 0
	left := len(q.items)
	forget := false
	for _, it := range q.items {
		if !it.joined {
			forget = it.volatile && (left+packets > most.packets || q.bytes+q.writing+size > most.bytes)
		}
		if forget {
			left--
			q.bytes -= len(it.frame)
			continue
		}
		q.items[kept] = it
		kept++
	}
	clear(q.items[kept:])
	q.items = q.items[:kept]
	return q.fits(packets, size, most)
}

func (q *queue) clear() { q.items, q.bytes = nil, 0 }

// takeAll empties the queue.
func (q *queue) takeAll() []item {
	all := q.items
	q.clear()
	return all
}

// batch takes out what is to be written next, in whole groups: as many as hold maxBatch
// bytes, or one that holds more. It is empty when nothing waits.
func (q *queue) batch() chunk {
	n, bytes := 0, 0
	for n < len(q.items) {
		end, size := n+1, len(q.items[n].frame)
		for end < len(q.items) && q.items[end].joined {
			size += len(q.items[end].frame)
			end++
		}
		if n > 0 && bytes+size > maxBatch {
			break
		}
		n, bytes = end, bytes+size
	}
	var c chunk
	switch n {
	case 0:
		return c
	case 1:
		c.b = q.items[0].frame
	default:
		for _, it := range q.items[:n] {
			c.add(it.frame)
		}
	}
	clear(q.items[:n])
	q.items = q.items[n:]
	q.bytes -= bytes
	if len(q.items) == 0 {
		q.items = nil
	}
	return c
}

// A chunk is what one write is to send: a frame that others share, or a pooled buffer.
type chunk struct {
	b      []byte
	pooled *[]byte
}

// join returns the frames of messages as one chunk.
func join(group []Message) (c chunk) {
	if len(group) == 1 {
		c.b = group[0].frame
		return c
	}
	for _, m := range group {
		c.add(m.frame)
	}
	return c
}

func (c *chunk) add(frame []byte) {
	if c.pooled == nil {
		c.pooled = writeBuffers.Get().(*[]byte)
		c.b = (*c.pooled)[:0]
	}
	c.b = append(c.b, frame...)
}

// free gives the buffer back. The chunk must not be used any more.
func (c *chunk) free() {
	if c.pooled != nil && cap(c.b) <= 2*maxBatch {
		*c.pooled = c.b[:0]
		writeBuffers.Put(c.pooled)
	}
	*c = chunk{}
}

// Buffers that are not in use: those of writers are as large as they have grown.
var (
	writeBuffers = sync.Pool{New: func() any { return new([]byte) }}
	readBuffers  = sync.Pool{New: func() any { return new([readSize]byte) }}
)

// readSize is how much one read takes from the network, in bytes.
const readSize = 16 << 10
