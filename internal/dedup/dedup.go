// Package dedup runs an action at most once per key within a window, in memory. It knows
// neither what the actions do nor what their results mean.
package dedup

import (
	"container/list"
	"context"
	"maps"
	"sync"
	"time"
)

// Options say how much a cache remembers, and for how long.
type Options[V any] struct {
	TTL       time.Duration    // how long a result is remembered
	MaxWeight int              // of all results together; the oldest go first. At 0 nothing is remembered
	Weigh     func(V) int      // weight of one result, from 0 up; nil: each weighs 1
	Now       func() time.Time // required
}

// A Cache remembers the results of actions that succeeded. Its methods are safe for concurrent
// use. It has no goroutine: what is out of date goes with the next call.
type Cache[V any] struct {
	options Options[V]

	mu      sync.Mutex
	entries map[string]*entry[V] // running, or remembered
	peak    int                  // the most entries since the map was made
	byAge   list.List            // of the remembered *entry[V], the oldest first
	weight  int                  // of the remembered
}

type entry[V any] struct {
	key  string
	done chan struct{} // closed when the run is over; the fields below are final then

	value     V
	succeeded bool

	// Guarded by the cache's mutex.
	forgotten bool          // Forget came while the action was running
	element   *list.Element // nil unless remembered
	weight    int
	expires   time.Time
}

// New returns an empty cache.
func New[V any](o Options[V]) *Cache[V] {
	if o.Weigh == nil {
		o.Weigh = func(V) int { return 1 }
	}
	return &Cache[V]{options: o, entries: make(map[string]*entry[V])}
}

// Do runs fn and returns what it returns, unless an action with this key is running or has
// succeeded within the window: then it waits for that action, without running fn, and returns
// its value with again set.
//
// A failed action is forgotten, and its error is its caller's alone: those who waited for it
// try again, one of them by running its own fn while the others wait for that one. So nobody
// fails because somebody else hung up. The same holds where fn panics. While it waits, Do
// returns the error of ctx when ctx ends.
func (c *Cache[V]) Do(ctx context.Context, key string, fn func() (V, error)) (v V, again bool, err error) {
	for {
		e, mine := c.claim(key)
		if mine {
			v, err = c.run(e, fn)
			return v, false, err
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return v, false, ctx.Err()
		}
		if e.succeeded {
			return e.value, true, nil
		}
	}
}

// Forget makes the next call with this key run its own action. Those who wait for one that is
// running still get its result.
func (c *Cache[V]) Forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		e.forgotten = true
		c.drop(e)
	}
}

// claim returns the entry of a key, and whether the caller has to run its action.
func (c *Cache[V]) claim(key string) (e *entry[V], mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(c.options.Now())
	if e, ok := c.entries[key]; ok {
		return e, false
	}
	e = &entry[V]{key: key, done: make(chan struct{})}
	c.entries[key] = e
	c.peak = max(c.peak, len(c.entries))
	return e, true
}

func (c *Cache[V]) run(e *entry[V], fn func() (V, error)) (v V, err error) {
	weight := 0
	// Also when fn panics: nobody may wait for ever.
	defer func() { c.finish(e, weight) }()
	v, err = fn()
	if err == nil {
		weight = c.options.Weigh(v)
		e.value, e.succeeded = v, true
	}
	return v, err
}

// finish remembers the result of an action, or forgets the action, and wakes those who wait.
func (c *Cache[V]) finish(e *entry[V], weight int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(e.done)
	if !e.succeeded || e.forgotten {
		c.drop(e)
		return
	}
	e.weight = weight
	e.expires = c.options.Now().Add(c.options.TTL)
	e.element = c.byAge.PushBack(e)
	c.weight += weight
	for c.weight > c.options.MaxWeight && c.byAge.Len() > 0 {
		c.drop(c.oldest())
	}
}

// expire drops what is out of date. Results expire in the order in which they came.
func (c *Cache[V]) expire(now time.Time) {
	for c.byAge.Len() > 0 {
		e := c.oldest()
		if now.Before(e.expires) {
			return
		}
		c.drop(e)
	}
}

func (c *Cache[V]) oldest() *entry[V] { return c.byAge.Front().Value.(*entry[V]) }

// drop takes an entry out of the cache. Its key may have been claimed again since.
func (c *Cache[V]) drop(e *entry[V]) {
	if e.element != nil {
		c.byAge.Remove(e.element)
		c.weight -= e.weight
		e.element = nil
	}
	if c.entries[e.key] == e {
		delete(c.entries, e.key)
	}
	c.shrink()
}

// shrinkFrom is the size below which a map is not worth copying.
const shrinkFrom = 1024

// shrink copies a map that has become much too large, because a map keeps the memory of the
// most entries that it ever had.
func (c *Cache[V]) shrink() {
	if c.peak < shrinkFrom || len(c.entries) > c.peak/4 {
		return
	}
	entries := make(map[string]*entry[V], len(c.entries))
	maps.Copy(entries, c.entries)
	c.entries = entries
	c.peak = len(entries)
}
