// Package limit counts how often somebody does something, with token buckets in memory. It
// knows the names of operations, and neither users nor doors.
package limit

import (
	"container/list"
	"errors"
	"fmt"
	"math"
	"strings"
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
		t.policy = policy(t.rules)
		l.tables[name] = t
	}
	return l, nil
}

// A Verdict says whether somebody may do something now, and how much of their budget is left.
// Where an operation has several rules, it speaks of the one that is closest to its end.
type Verdict struct {
	Allowed    bool
	RetryAfter time.Duration // until it is allowed; 0 where it is now
	Limit      int           // tokens of a full bucket; 0 where the operation has no rules
	Remaining  int           // tokens that are left
	Reset      time.Duration // until the bucket is full again
	Window     time.Duration // in which an empty bucket fills
	Policy     string        // every rule as a count and its time in seconds, such as 10;w=2, 120;w=60
}

// Take takes a token from every bucket that key has for operation, if each has one. Else it
// takes none and says how long it is until each has. An operation without rules is always
// allowed.
func (l *Limiter) Take(operation, key string) Verdict {
	t, ok := l.tables[operation]
	if !ok {
		return Verdict{Allowed: true}
	}
	return t.take(key, l.now().UnixNano())
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

// tokens returns how many tokens a full bucket holds.
func (p pace) tokens() int { return int(p.depth / p.interval) }

// policy describes rules as the RateLimit-Policy header does: each as the tokens of a full
// bucket and the seconds in which an empty one fills.
func policy(rules []pace) string {
	var b strings.Builder
	for i, p := range rules {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d;w=%d", p.tokens(), max(1, (p.depth+int64(time.Second)/2)/int64(time.Second)))
	}
	return b.String()
}

// table holds the buckets of one operation.
type table struct {
	rules   []pace
	policy  string
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

func (t *table) take(key string, now int64) Verdict {
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
	if wait <= 0 {
		b.fullAt = next
	}
	v := t.state(b, now)
	v.Allowed, v.RetryAfter = wait <= 0, time.Duration(max(wait, 0))
	return v
}

// state describes the fullest use of the buckets of a key. The caller holds t.mu.
func (t *table) state(b *buckets, now int64) Verdict {
	v := Verdict{Policy: t.policy}
	for i, p := range t.rules {
		used := max(b.fullAt[i]-now, 0)
		if left := int((p.depth - used) / p.interval); i == 0 || left < v.Remaining {
			v.Limit, v.Remaining, v.Reset, v.Window = p.tokens(), left, time.Duration(used), time.Duration(p.depth)
		}
	}
	return v
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
