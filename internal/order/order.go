// Package order publishes what operations did in the order in which it was committed. It
// knows neither the store that numbers the operations nor the events that they cause.
//
// An operation takes a Turn before it starts. The store's writer gives it a number where
// writes are serialised (Number), and the operation ends its turn with what is to be
// published (Turn.End). A Line runs these functions one at a time, in the order of the
// numbers: nothing is published while an operation with a lower number may still commit.
package order

import (
	"context"
	"slices"
	"sync"
)

// Seq is a commit sequence number. It grows with every change that a client can see; 0
// stands before the first.
type Seq int64

// A Line publishes in order. Its methods are safe for concurrent use.
type Line struct {
	mu      sync.Mutex
	more    *sync.Cond
	open    []*Turn  // numbered turns in the order of their numbers, ended or not
	ready   []func() // to be run, in order
	closing bool
	done    chan struct{}
}

// NewLine returns a line and starts the one goroutine that publishes. Close ends it.
func NewLine() *Line {
	l := &Line{done: make(chan struct{})}
	l.more = sync.NewCond(&l.mu)
	go l.run()
	return l
}

// A Turn is the place of one operation. Its methods are safe for concurrent use.
type Turn struct {
	line *Line

	// Guarded by line.mu.
	seq     Seq // 0 until numbered
	ended   bool
	publish func()
}

type turnKey struct{}

// Begin takes a turn for an operation that runs under the context it returns. The caller
// must end the turn, whatever happens: until then a numbered turn holds up the line.
func (l *Line) Begin(ctx context.Context) (context.Context, *Turn) {
	t := &Turn{line: l}
	return context.WithValue(ctx, turnKey{}, t), t
}

// Number gives the turn in ctx its number. Only a store's writer calls it, from one goroutine
// and with growing numbers, before the commit. A turn that is numbered again moves to the
// new number: what an operation publishes stands where its last change stands. Without a
// turn in ctx nothing happens.
func Number(ctx context.Context, seq Seq) {
	t, ok := ctx.Value(turnKey{}).(*Turn)
	if !ok {
		return
	}
	l := t.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.ended {
		return
	}
	if t.seq != 0 {
		l.open = slices.DeleteFunc(l.open, func(other *Turn) bool { return other == t })
	}
	t.seq = seq
	l.open = append(l.open, t)
	l.release()
}

// End ends the turn. publish runs once, on the line's goroutine, when every turn with a lower
// number has ended; it must not block. A turn without a number has no one to wait for. nil
// publishes nothing. Only the first call counts.
func (t *Turn) End(publish func()) {
	l := t.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	t.publish = publish
	if t.seq == 0 {
		l.enqueue(publish)
		return
	}
	l.release()
}

// release moves the turns that nothing holds up any more to the queue. The caller holds l.mu.
func (l *Line) release() {
	n := 0
	for n < len(l.open) && l.open[n].ended {
		l.enqueue(l.open[n].publish)
		l.open[n] = nil
		n++
	}
	l.open = l.open[n:]
}

func (l *Line) enqueue(publish func()) {
	if publish == nil {
		return
	}
	l.ready = append(l.ready, publish)
	l.more.Signal()
}

func (l *Line) run() {
	defer close(l.done)
	for {
		batch := l.next()
		if batch == nil {
			return
		}
		for _, publish := range batch {
			publish()
		}
	}
}

// next waits for something to publish; nil means that the line is closed and empty.
func (l *Line) next() []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ready) == 0 {
		if l.closing {
			return nil
		}
		l.more.Wait()
	}
	batch := l.ready
	l.ready = nil
	return batch
}

// Close publishes what is ready and returns when the goroutine has ended. The operations
// must have ended before; a turn that is still open is not waited for.
func (l *Line) Close() {
	l.mu.Lock()
	l.closing = true
	l.more.Signal()
	l.mu.Unlock()
	<-l.done
}
