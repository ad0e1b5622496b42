package people

import (
	"container/list"
	"sync"
	"time"
)

const (
	// maxFailures is how many wrong passwords lock an account for an address.
	maxFailures = 5
	// lockout is how long it stays locked, and how long failures are remembered.
	lockout = 15 * time.Minute
	// maxRemembered bounds how many pairs of account and address are remembered.
	maxRemembered = 100_000
)

// A login is who is asked for and where from. Failures are counted by both together, so that
// nobody can lock somebody else out.
type login struct{ account, address string }

// failures counts wrong passwords or codes, in memory. Its methods are safe for concurrent use.
type failures struct {
	now  func() time.Time
	most int // failures that lock
	max  int

	mu     sync.Mutex
	byKey  map[login]*list.Element
	recent list.List // of *failed, the most recent in front
}

type failed struct {
	login login
	times int
	until time.Time // when it is forgotten
}

func newFailures(now func() time.Time, most, remembered int) *failures {
	return &failures{now: now, most: most, max: remembered, byKey: make(map[login]*list.Element)}
}

// begin counts an attempt as failed before its password is checked, so that attempts at the
// same time do not all find the count as it was. Where there were too many it counts nothing
// and returns how long the account stays locked for the address.
func (f *failures) begin(l login) (locked time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.forget(now)
	e, ok := f.byKey[l]
	if ok && !now.Before(e.Value.(*failed).until) {
		f.remove(e)
		ok = false
	}
	if !ok {
		e = f.recent.PushFront(&failed{login: l})
		f.byKey[l] = e
	}
	r := e.Value.(*failed)
	if r.times >= f.most {
		return r.until.Sub(now)
	}
	r.times++
	r.until = now.Add(lockout)
	f.recent.MoveToFront(e)
	return 0
}

// undo takes back an attempt whose password could not be checked.
func (f *failures) undo(l login) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.byKey[l]; ok {
		r := e.Value.(*failed)
		r.times = max(r.times-1, 0)
	}
}

// clear forgets the failures of somebody who got it right.
func (f *failures) clear(l login) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.byKey[l]; ok {
		f.remove(e)
	}
}

// forget drops what is out of date, and the oldest where there is too much.
func (f *failures) forget(now time.Time) {
	for last := f.recent.Back(); last != nil; last = f.recent.Back() {
		if now.Before(last.Value.(*failed).until) && f.recent.Len() < f.max {
			return
		}
		f.remove(last)
	}
}

func (f *failures) remove(e *list.Element) {
	f.recent.Remove(e)
	delete(f.byKey, e.Value.(*failed).login)
}
