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
	"sync/atomic"
)

// Seq is a commit sequence number. It grows with every change that a client can see; 0
// stands before the first.
type Seq int64

// A Line publishes in order. Its methods are safe for concurrent use.
type Line struct {
	mu      sync.Mutex
	more    *sync.Cond
	open    []*Turn // numbered turns in the order of their numbers, ended or not
	moved   []*Turn // those of open that were numbered more than once
	ready   []entry // to be run, in order
	closing bool
	done    chan struct{}

	begun, published atomic.Int64 // a Seq each
}

// An entry is what a turn that ended publishes. Its numbers are 0 where the turn has none.
type entry struct {
	seq     Seq
	upTo    Seq    // everything up to it has been published after this
	publish func() // nil: nothing
}

// NewLine returns a line and starts the one goroutine that publishes. Close ends it. last is
// the newest number that was given before.
func NewLine(last Seq) *Line {
	l := &Line{done: make(chan struct{})}
	l.begun.Store(int64(last))
	l.published.Store(int64(last))
	l.more = sync.NewCond(&l.mu)
	go l.run()
	return l
}

// Published returns a number up to which everything has been published. What is beyond it may
// have been committed, and will be published later. It is never beyond what has been committed:
// a number whose commit failed may be given to another one after a restart.
func (l *Line) Published() Seq { return Seq(l.published.Load()) }

// Begun returns a number beyond which nothing had begun to be published when it was called:
// who listens by then hears everything beyond it.
func (l *Line) Begun() Seq { return Seq(l.begun.Load()) }

// A Turn is the place of one operation. Its methods are safe for concurrent use.
type Turn struct {
	line *Line

	// Guarded by line.mu.
	first   Seq // 0 until numbered
	seq     Seq // the newest number
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

// Number gives the turn in ctx its number. Only a Counter calls it, or the writer of a store that
// counts by itself, one call at a time and with growing numbers, before the commit. A turn that is numbered again moves to the
// new number: what an operation publishes stands where its last change stands, and until then
// Published stays below its first. Without a turn in ctx nothing happens.
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
	switch {
	case t.seq == 0:
		t.first = seq
	case t.seq == t.first:
		l.moved = append(l.moved, t)
		fallthrough
	default:
		l.open = remove(l.open, t)
	}
	t.seq = seq
	l.open = append(l.open, t)
	l.release()
}

// End ends the turn. publish runs once, on the line's goroutine, when every turn with a lower
// number has ended; it must not block. A turn without a number has no one to wait for. nil
// publishes nothing, and is what an operation ends with that failed. Only the first call counts.
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
		if publish != nil {
			l.enqueue(entry{publish: publish})
		}
		return
	}
	l.release()
}

// release moves the turns that nothing holds up any more to the queue. The caller holds l.mu.
func (l *Line) release() {
	n := 0
	for n < len(l.open) && l.open[n].ended {
		t := l.open[n]
		if t.seq != t.first {
			l.moved = remove(l.moved, t)
		}
		upTo := t.seq
		for _, m := range l.moved {
			upTo = min(upTo, m.first-1)
		}
		l.enqueue(entry{t.seq, upTo, t.publish})
		l.open[n] = nil
		n++
	}
	l.open = l.open[n:]
}

func remove(turns []*Turn, t *Turn) []*Turn {
	return slices.DeleteFunc(turns, func(other *Turn) bool { return other == t })
}

func (l *Line) enqueue(e entry) {
	l.ready = append(l.ready, e)
	l.more.Signal()
}

func (l *Line) run() {
	defer close(l.done)
	for {
		batch := l.next()
		if batch == nil {
			return
		}
		for _, e := range batch {
			if e.seq > 0 {
				l.begun.Store(int64(e.seq))
			}
			if e.publish == nil {
				continue
			}
			e.publish()
			if e.seq > 0 {
				l.published.Store(int64(e.upTo))
			}
		}
	}
}

// next waits for something to publish; nil means that the line is closed and empty.
func (l *Line) next() []entry {
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
