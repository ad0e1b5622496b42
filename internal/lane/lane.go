// Package lane runs one thing at a time per key, in the order of arrival. It knows nothing of
// what it runs, has no goroutines of its own, and holds no lock while something runs.
package lane

import (
	"context"
	"errors"
	"sync"
)

// ErrFull is the error of a call for whose key too many are waiting.
var ErrFull = errors.New("too many are waiting in this lane")

// Lanes are queues by key. Their methods are safe for concurrent use. Keys that nobody uses
// take no memory.
type Lanes struct {
	capacity int

	mu    sync.Mutex
	byKey map[string]*queue
}

// A queue belongs to a key while somebody holds its lane. The holder is not in waiting.
type queue struct {
	holder  *place
	waiting []*place // in the order of arrival
}

// A place is that of one call.
type place struct {
	granted chan struct{} // closed when the call may run
}

// New returns lanes in which at most capacity calls wait per key, besides the one that runs.
func New(capacity int) *Lanes {
	return &Lanes{capacity: capacity, byKey: make(map[string]*queue)}
}

// Do runs fn on the caller's goroutine as soon as every call that came before it with the same
// key has returned or called its advance, and returns the error of fn. fn may call advance,
// also more than once, when those behind it may start; it goes on beside them then. It gets
// ctx as it is.
//
// Without running fn, Do returns ErrFull where too many wait already, and the error of ctx
// where it ends before the turn comes. The order of the others does not change.
func (l *Lanes) Do(ctx context.Context, key string, fn func(ctx context.Context, advance func()) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := l.enter(key)
	if err != nil {
		return err
	}
	advance := func() { l.leave(key, p) }
	defer advance()
	select {
	case <-p.granted:
	case <-ctx.Done():
		return ctx.Err()
	}
	return fn(ctx, advance)
}

// enter takes the lane, or a place in its queue.
func (l *Lanes) enter(key string) (*place, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &place{granted: make(chan struct{})}
	q, ok := l.byKey[key]
	if !ok {
		l.byKey[key] = &queue{holder: p}
		close(p.granted)
		return p, nil
	}
	if len(q.waiting) >= l.capacity {
		return nil, ErrFull
	}
	q.waiting = append(q.waiting, p)
	return p, nil
}

// leave takes p out of its lane, wherever it stands. A place that has left already changes
// nothing.
func (l *Lanes) leave(key string, p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q, ok := l.byKey[key]
	if !ok {
		return
	}
	if q.holder != p {
		q.remove(p)
		return
	}
	if len(q.waiting) == 0 {
		delete(l.byKey, key)
		return
	}
	q.holder = q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	close(q.holder.granted)
}

// remove takes p out of the queue if it waits there.
func (q *queue) remove(p *place) {
	for i, other := range q.waiting {
		if other == p {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			return
		}
	}
}
