package auth

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
)

const (
	// trustPatience is how long a store may take to say that a session is still good before it is
	// believed to be.
	trustPatience = time.Second
	// maxTrusted bounds how many sessions are remembered; the oldest go first.
	maxTrusted = 100_000
)

// trust remembers which sessions the store called good, and when. Its methods are safe for
// concurrent use.
type trust struct {
	lasts time.Duration // 0: nothing is remembered
	now   func() time.Time
	seed  maphash.Seed

	mu    sync.Mutex
	good  map[string]*list.Element // of byAge, by session
	of    map[id.User]map[string]struct{}
	byAge list.List // of approval, the oldest first
	ends  [256]uint64
}

// An approval is that the store called a session good.
type approval struct {
	who   Identity // without a socket
	at    time.Time
	until time.Time // when the session expires
}

func newTrust(lasts time.Duration, now func() time.Time) *trust {
	return &trust{
		lasts: lasts, now: now, seed: maphash.MakeSeed(),
		good: make(map[string]*list.Element), of: make(map[id.User]map[string]struct{}),
	}
}

// endsOf counts how often a session was forgotten, together with the others that share the counter.
func (t *trust) endsOf(session string) *uint64 {
	return &t.ends[maphash.String(t.seed, session)%uint64(len(t.ends))]
}

// believes reports whether the store called a session good a short while ago, and what remember
// wants to know.
func (t *trust) believes(who Identity) (good bool, ends uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ends = *t.endsOf(who.Session)
	e, ok := t.good[who.Session]
	if !ok {
		return false, ends
	}
	a, now := approvalIn(e), t.now()
	return a.who.User == who.User && now.Sub(a.at) < t.lasts && now.Before(a.until), ends
}

// remember keeps that the store calls a session good until it expires, unless it was forgotten
// since ends.
func (t *trust) remember(who Identity, until time.Time, ends uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lasts == 0 || *t.endsOf(who.Session) != ends {
		return
	}
	t.drop(who.Session)
	for t.byAge.Len() >= maxTrusted {
		t.drop(approvalIn(t.byAge.Front()).who.Session)
	}
	t.good[who.Session] = t.byAge.PushBack(approval{Identity{User: who.User, Session: who.Session}, t.now(), until})
	if t.of[who.User] == nil {
		t.of[who.User] = make(map[string]struct{}, 1)
	}
	t.of[who.User][who.Session] = struct{}{}
}

// forget drops sessions. It is called after they have ended.
func (t *trust) forget(sessions ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, session := range sessions {
		*t.endsOf(session)++
		t.drop(session)
	}
}

// forgetUser drops all sessions of a person.
func (t *trust) forgetUser(u id.User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.ends { // also of sessions that are being asked about
		t.ends[i]++
	}
	for session := range t.of[u] {
		t.drop(session)
	}
}

func (t *trust) drop(session string) {
	e, ok := t.good[session]
	if !ok {
		return
	}
	u := approvalIn(e).who.User
	t.byAge.Remove(e)
	delete(t.good, session)
	delete(t.of[u], session)
	if len(t.of[u]) == 0 {
		delete(t.of, u)
	}
}

func approvalIn(e *list.Element) approval { return e.Value.(approval) } // there is nothing else

// Distrust makes the next look at the sessions of a person one at the store, which has to answer.
// Whoever ends sessions of a person, or takes their account out of use, without these Sessions
// calls it afterwards, also where that failed: it may have happened all the same.
func (s *Sessions) Distrust(u id.User) { s.trust.forgetUser(u) }

// Check returns nil while the session of an identity lives and its account is in use, else the
// fault that Verify would return. It always asks the store.
func (s *Sessions) Check(ctx context.Context, who Identity) error {
	_, ends := s.trust.believes(who)
	until, err := s.ask(ctx, who)
	switch {
	case err == nil:
		s.trust.remember(who, until, ends)
	case fault.Of(err).Kind != fault.KindUnavailable:
		s.trust.forget(who.Session)
	}
	return err
}

// ask is Check that remembers nothing. It returns when the session expires.
func (s *Sessions) ask(ctx context.Context, who Identity) (until time.Time, err error) {
	standing := s.accounts.Standing(ctx, who.User)
	if standing != nil && fault.Of(standing).Kind != fault.KindForbidden {
		return until, unavailable(standing) // unknown, deleted, or not to be told
	}
	n, err := s.store.Session(ctx, who.Session)
	switch {
	case errors.Is(err, ErrNoSession):
		return until, ended(standing)
	case err != nil:
		return until, unavailable(fmt.Errorf("check session: %w", err))
	case n.User != who.User:
		return until, ErrTokenInvalid
	case !n.RevokedAt.IsZero() || s.expired(n):
		return until, ended(standing)
	}
	return s.expiry(n), standing
}

// ended says that a session is over. Over REST that comes before what else is wrong with the
// account; a socket hears the other thing first, and finds it as the cause.
func ended(standing error) error {
	if standing != nil {
		return ErrSessionEnded.Because(standing)
	}
	return ErrSessionEnded
}

// confirm is Check, which does not wait for long where the session was good a short while ago. Where
// the store does not answer then, the session is believed: err says what Check does all the same.
func (s *Sessions) confirm(ctx context.Context, who Identity) (believed bool, err error) {
	good, _ := s.trust.believes(who)
	if !good {
		return false, s.Check(ctx, who)
	}
	asking, cancel := context.WithTimeout(ctx, trustPatience)
	defer cancel()
	err = s.Check(asking, who)
	if err == nil || fault.Of(err).Kind != fault.KindUnavailable || ctx.Err() != nil {
		return false, err
	}
	believed, _ = s.trust.believes(who) // it may have ended meanwhile
	return believed, err
}
