// Package limit counts how often somebody does something, with token buckets in memory. It
// knows the names of operations, and neither users nor doors.
package limit

import (
	"container/list"
	"errors"
	"math"
	"net/netip"
	"sync"
	"time"
)

// DefaultMaxKeys is how many keys of one operation are remembered.
const DefaultMaxKeys = 100_000

// Options are what a limiter is made of. Rules and Now are required.
type Options struct {
	Rules   Rules
	Factor  float64 // multiplies the rate and the burst of every rule; 0 means 1
	MaxKeys int     // per operation; 0 means DefaultMaxKeys
	Now     func() time.Time
}

// A Limiter says who may do something now. Its methods are safe for concurrent use.
type Limiter struct {
	tables map[string]*table
	now    func() time.Time
}

// New returns a limiter with full buckets. A factor that is not positive and finite is an
// error.
func New(o Options) (*Limiter, error) {
	if o.Factor == 0 {
		o.Factor = 1
	}
	if !(o.Factor > 0) || math.IsInf(o.Factor, 0) {
		return nil, errors.New("the factor of rate limits is a number above 0")
	}
	if o.MaxKeys == 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	l := &Limiter{tables: make(map[string]*table), now: o.Now}
	for name, rules := range o.Rules {
		t := &table{maxKeys: o.MaxKeys, byKey: make(map[string]*list.Element)}
		for _, r := range rules {
			t.rules = append(t.rules, paceOf(r.times(o.Factor)))
		}
		l.tables[name] = t
	}
	return l, nil
}

// Allow takes a token from every bucket that key has for operation, if each has one. Else it
// takes none and says how long it is until each has. An operation without rules is always
// allowed.
func (l *Limiter) Allow(operation, key string) (ok bool, retryAfter time.Duration) {
	t, ok := l.tables[operation]
	if !ok {
		return true, 0
	}
	return t.take(key, l.now().UnixNano())
}

// AddressKey returns the key by which an address is counted: an IPv4 address alone, and a /64
// network of IPv6, because one customer has all of it.
func AddressKey(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Masked().String()
		}
	}
	return a.String()
}

// A pace is a rule in the form in which it is checked: a bucket is the moment, in nanoseconds
// since 1970, at which it is full. A token taken moves that moment by interval; more than
// depth ahead of now it cannot lie.
type pace struct{ interval, depth int64 }

func paceOf(r Rule) pace {
	// A small factor stretches the refill beyond what a rule's own bounds allow.
	const longest = 100 * maxRefill
	interval := int64(min(max(float64(time.Second)/r.Rate, 1), float64(longest)/float64(r.Burst)))
	return pace{interval: interval, depth: interval * int64(r.Burst)}
}

// table holds the buckets of one operation.
type table struct {
	rules   []pace
	maxKeys int

	mu     sync.Mutex
	byKey  map[string]*list.Element
	recent list.List // of *buckets, the most recently used in front
}

// buckets are those of one key, one per rule.
type buckets struct {
	key    string
	fullAt [maxRules]int64 // nanoseconds since 1970
}

func (t *table) take(key string, now int64) (bool, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, known := t.byKey[key]
	if known {
		t.recent.MoveToFront(e)
	} else {
		e = t.add(key, now)
	}
	b := e.Value.(*buckets)

	next := b.fullAt
	var wait int64
	for i, p := range t.rules {
		next[i] = max(next[i], now) + p.interval
		wait = max(wait, next[i]-now-p.depth)
	}
	if wait > 0 {
		return false, time.Duration(wait)
	}
	b.fullAt = next
	return true, 0
}

// add makes room for a key, and its buckets. Of the keys that were used least recently, it
// takes two out whose buckets are full, so that idle keys go faster than new ones come; where
// there are too many keys all the same, the one used least recently goes, full or not.
func (t *table) add(key string, now int64) *list.Element {
	for range 2 {
		if last := t.recent.Back(); last != nil && last.Value.(*buckets).isFull(now) {
			t.remove(last)
		}
	}
	if last := t.recent.Back(); last != nil && t.recent.Len() >= t.maxKeys {
		t.remove(last)
	}
	e := t.recent.PushFront(&buckets{key: key})
	t.byKey[key] = e
	return e
}

func (b *buckets) isFull(now int64) bool {
	for _, at := range b.fullAt {
		if at > now {
			return false
		}
	}
	return true
}

func (t *table) remove(e *list.Element) {
	t.recent.Remove(e)
	delete(t.byKey, e.Value.(*buckets).key)
}
