package people

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"

	"pryde/internal/fault"
	"pryde/internal/limit"
)

const (
	// maxFailures is how many wrong passwords lock a name for an address.
	maxFailures = 5
	// lockout is how long it stays locked, and how long failures are remembered.
	lockout = 15 * time.Minute
	// maxRemembered bounds of how many names and addresses failures are remembered.
	maxRemembered = 100_000
)

// A login is who is asked for and where from. Failures are counted by both together, so that
// nobody can lock somebody else out.
type login struct{ name, address string }

// failures counts wrong passwords or codes, in memory. Its methods are safe for concurrent use.
type failures struct {
	now       func() time.Time
	most      int  // failures that lock
	max       int  // logins whose failures are remembered while nobody tries
	forgiving bool // a right one makes forget the wrong ones before it

	mu      sync.Mutex
	byLogin map[login]*tries
	resting list.List // of *tries without an attempt under way, the latest in front
}

// tries are what is known of one login.
type tries struct {
	login   login
	failed  int
	until   time.Time     // when the failures are forgotten
	running int           // attempts under way
	settled chan struct{} // closed when one of them ends, and replaced
	rests   *list.Element // nil while attempts are under way
}

func newFailures(now func() time.Time, most, remembered int, forgiving bool) *failures {
	return &failures{now: now, most: most, max: remembered, forgiving: forgiving, byLogin: make(map[login]*tries)}
}

// An outcome says what came of an attempt.
type outcome int

const (
	unchecked outcome = iota // it could not be told
	wrong
	right
)

// try runs check and counts what it reports, or returns locked where too much has failed before.
// Attempts under way are no failures, but all of them may become some: where one more could be
// one too many, it waits for them. Where ctx ends first the error is that of a busy server.
func (f *failures) try(ctx context.Context, l login, locked *fault.Fault, check func() (bool, error)) (ok bool, err error) {
	wait, err := f.begin(ctx, l)
	switch {
	case err != nil:
		return false, err
	case wait > 0:
		return false, locked.After(wait)
	}
	came := unchecked
	defer func() { f.end(l, came) }() // also after a panic: others wait for it
	ok, err = check()
	switch {
	case err != nil:
	case ok:
		came = right
	default:
		came = wrong
	}
	return ok, err
}

// begin takes the place of an attempt, or returns how long the login stays locked.
func (f *failures) begin(ctx context.Context, l login) (locked time.Duration, err error) {
	for {
		locked, settled := f.enter(l)
		if settled == nil {
			return locked, nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return 0, errBusy.Because(ctx.Err())
		}
	}
}

// enter does what begin does, but where attempts under way have to end first it returns what is
// closed when one does.
func (f *failures) enter(l login) (locked time.Duration, settled <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	t, ok := f.byLogin[l]
	if !ok {
		t = &tries{login: l, settled: make(chan struct{})}
		f.byLogin[l] = t
	}
	if !now.Before(t.until) {
		t.failed = 0
	}
	switch {
	case t.failed >= f.most:
		return t.until.Sub(now), nil
	case t.failed+t.running >= f.most:
		return 0, t.settled
	}
	t.running++
	f.wake(t)
	return 0, nil
}

// end counts an attempt that began.
func (f *failures) end(l login, came outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	t := f.byLogin[l] // it is there as long as attempts are under way
	t.running--
	switch {
	case came == wrong:
		t.failed++
		t.until = now.Add(lockout)
	case came == right && f.forgiving:
		t.failed = 0
	}
	close(t.settled)
	t.settled = make(chan struct{})
	if t.running == 0 {
		f.rest(t, now)
	}
}

// rest keeps what there is to remember, and drops what is out of date, and the oldest where
// there is too much.
func (f *failures) rest(t *tries, now time.Time) {
	if t.failed == 0 {
		delete(f.byLogin, t.login)
	} else {
		t.rests = f.resting.PushFront(t)
	}
	for last := f.resting.Back(); last != nil; last = f.resting.Back() {
		old := last.Value.(*tries)
		if now.Before(old.until) && f.resting.Len() <= f.max {
			return
		}
		f.wake(old)
		delete(f.byLogin, old.login)
	}
}

// wake takes a login out of those that rest.
func (f *failures) wake(t *tries) {
	if t.rests != nil {
		f.resting.Remove(t.rests)
		t.rests = nil
	}
}

// network returns what counts as one address: an IPv6 network of 64 bits is one household.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	return limit.AddressKey(a)
}
