package auth_test

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
)

var (
	errDown = errors.New("disk on fire at /var/lib")
	alice   = id.User{1, 2, 3}
	bob     = id.User{4, 5, 6}
	phone   = auth.Device{UserAgent: "phone", Address: "192.0.2.1"}
	keys    = auth.Keys{Access: auth.NewSecret([]byte("an access key of some length....")), Refresh: auth.NewSecret([]byte("a refresh key of some length....."))}
)

// store is a session store in memory.
type store struct {
	mu       sync.Mutex
	sessions map[string]auth.Session
	down     bool
	touched  int    // how often activity was stored
	rotating func() // called before a rotation, without the lock
}

func (s *store) CreateSession(_ context.Context, n auth.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errDown
	}
	s.sessions[n.ID] = n
	return nil
}

func (s *store) Session(_ context.Context, i string) (auth.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return auth.Session{}, errDown
	}
	n, ok := s.sessions[i]
	if !ok {
		return auth.Session{}, auth.ErrNoSession
	}
	return n, nil
}

func (s *store) RotateSession(_ context.Context, from int, n auth.Session) (bool, error) {
	if s.rotating != nil {
		s.rotating()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return false, errDown
	}
	old, ok := s.sessions[n.ID]
	if !ok || old.Generation != from || !old.RevokedAt.IsZero() {
		return false, nil
	}
	old.Generation, old.Hash, old.Previous = n.Generation, n.Hash, n.Previous
	old.RotatedAt, old.ExpiresAt, old.LastActive = n.RotatedAt, n.ExpiresAt, n.LastActive
	s.sessions[n.ID] = old
	return true, nil
}

func (s *store) RevokeSession(_ context.Context, i string, at time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return false, errDown
	}
	n, ok := s.sessions[i]
	if !ok || !n.RevokedAt.IsZero() {
		return false, nil
	}
	n.RevokedAt = at
	s.sessions[i] = n
	return true, nil
}

func (s *store) SessionsOf(_ context.Context, u id.User, limit int) ([]auth.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errDown
	}
	var live []auth.Session
	for _, n := range s.sessions {
		if n.User == u && n.RevokedAt.IsZero() {
			live = append(live, n)
		}
	}
	slices.SortFunc(live, func(a, b auth.Session) int { return b.LastActive.Compare(a.LastActive) })
	return live[:min(len(live), limit)], nil
}

func (s *store) RevokeSessions(_ context.Context, u id.User, except string, at time.Time) (revoked []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errDown
	}
	for i, n := range s.sessions {
		if n.User == u && i != except && n.RevokedAt.IsZero() {
			n.RevokedAt = at
			s.sessions[i] = n
			revoked = append(revoked, i)
		}
	}
	return revoked, nil
}

func (s *store) TrimSessions(_ context.Context, u id.User, keep int, before, at time.Time) (ended []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errDown
	}
	var live []auth.Session
	for i, n := range s.sessions {
		switch {
		case n.User != u:
		case !n.RevokedAt.IsZero() && n.RevokedAt.Before(before) || n.ExpiresAt.Before(before):
			delete(s.sessions, i)
		case n.RevokedAt.IsZero():
			live = append(live, n)
		}
	}
	slices.SortFunc(live, func(a, b auth.Session) int { return b.LastActive.Compare(a.LastActive) })
	for _, n := range live[min(keep, len(live)):] {
		n.RevokedAt = at
		s.sessions[n.ID] = n
		ended = append(ended, n.ID)
	}
	return ended, nil
}

func (s *store) TouchSession(_ context.Context, i string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errDown
	}
	n := s.sessions[i]
	n.LastActive = at
	s.sessions[i] = n
	s.touched++
	return nil
}

// change changes a stored session, or with nil removes it.
func (s *store) change(i string, fn func(*auth.Session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fn == nil {
		delete(s.sessions, i)
		return
	}
	n := s.sessions[i]
	fn(&n)
	s.sessions[i] = n
}

// accounts answer one error for everybody but those who are listed.
type accounts struct {
	mu    sync.Mutex
	wrong map[id.User]error
}

func (a *accounts) Standing(_ context.Context, u id.User) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wrong[u]
}

func (a *accounts) set(wrong map[id.User]error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wrong = maps.Clone(wrong)
}

// house is sessions with everything under them.
type house struct {
	*auth.Sessions
	store    *store
	accounts *accounts

	mu  sync.Mutex
	now time.Time
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func open(t testing.TB) *house {
	t.Helper()
	return openWith(t, func(*auth.Options) {})
}

func openWith(t testing.TB, change func(*auth.Options)) *house {
	t.Helper()
	h := &house{store: &store{sessions: map[string]auth.Session{}}, accounts: &accounts{}, now: time.Unix(1_700_000_000, 123_456_789)}
	o := auth.Options{
		Store: h.store, Accounts: h.accounts, Keys: keys, AccessExpiry: 15 * time.Minute, RefreshExpiry: 30 * 24 * time.Hour,
		Now: h.clock, Rand: rand.Reader,
	}
	change(&o)
	s, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h.Sessions = s
	return h
}

// start opens a session of alice.
func (h *house) start(t testing.TB) (auth.Tokens, auth.Session) {
	t.Helper()
	tokens, s, err := h.Start(t.Context(), alice, phone)
	if err != nil {
		t.Fatalf("start session: %v", err)
	}
	return tokens, s
}
