package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pryde/internal/auth"
)

func session(n int) auth.Session {
	return auth.Session{
		ID: fmt.Sprintf("%064x", n), User: alice, Generation: 1, Hash: [32]byte{byte(n)},
		ExpiresAt: start.Add(30 * 24 * time.Hour), CreatedAt: start, LastActive: start.Add(time.Millisecond),
		Device: auth.Device{UserAgent: "Mozilla/5.0 (X11; Linux)", Address: "203.0.113.7"},
	}
}

// Sessions tests sessions.
func Sessions(t *testing.T, open func(*testing.T) Stores) {
	tests := map[string]func(*testing.T, auth.SessionStore){
		"SessionComesBackAsItWasStored":  testSession,
		"RotationReplacesTheToken":       testRotation,
		"RotationHappensOnce":            testRotationOnce,
		"RevokedSessionStaysAndIsNoMore": testRevocation,
		"UnknownSessionsAreNotFound":     testNoSession,
		"SessionsOfAPersonAreListed":     testSessionsOf,
		"SessionsOfAPersonEndAtOnce":     testRevokeSessions,
		"ActivityMovesForward":           testTouch,
		"SessionsStayWithinBounds":       testTrimSessions,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t).Sessions) })
	}
}

func createSession(t *testing.T, s auth.SessionStore, n auth.Session) {
	t.Helper()
	if err := s.CreateSession(t.Context(), n); err != nil {
		t.Fatalf("CreateSession: %v", err)
	}
}

func findSession(t *testing.T, s auth.SessionStore, i string) auth.Session {
	t.Helper()
	n, err := s.Session(t.Context(), i)
	if err != nil {
		t.Fatalf("Session: %v", err)
	}
	return n
}

func testSession(t *testing.T, s auth.SessionStore) {
	fresh, used := session(1), session(2)
	used.Generation, used.Previous, used.RotatedAt = 7, [32]byte{9}, start.Add(time.Hour)

	createSession(t, s, fresh)
	createSession(t, s, used)

	same(t, "fresh session", findSession(t, s, fresh.ID), fresh)
	same(t, "used session", findSession(t, s, used.ID), used)
	if err := s.CreateSession(t.Context(), fresh); err == nil {
		t.Error("a session id was given twice")
	}
}

func testRotation(t *testing.T, s auth.SessionStore) {
	want := session(1)
	createSession(t, s, want)
	createSession(t, s, session(2))

	next := want
	next.Generation, next.Previous, next.Hash = 2, want.Hash, [32]byte{0xff}
	next.RotatedAt, next.LastActive, next.ExpiresAt = start.Add(time.Hour), start.Add(time.Hour), start.Add(40*24*time.Hour)
	other := next
	other.User, other.CreatedAt, other.Device = bob, start.Add(time.Minute), auth.Device{UserAgent: "other"}
	if ok, err := s.RotateSession(t.Context(), 1, other); err != nil || !ok {
		t.Fatalf("RotateSession gave %v and error %v, want it done", ok, err)
	}

	same(t, "rotated session", findSession(t, s, want.ID), next)
	same(t, "other session", findSession(t, s, session(2).ID), session(2))
	if ok, err := s.RotateSession(t.Context(), 1, other); err != nil || ok {
		t.Errorf("RotateSession from an old generation gave %v and error %v, want it refused", ok, err)
	}
	same(t, "session after a refused rotation", findSession(t, s, want.ID), next)
}

func testRotationOnce(t *testing.T, s auth.SessionStore) {
	createSession(t, s, session(1))

	var done atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			next := session(1)
			next.Generation, next.Hash = 2, [32]byte{byte(100 + i)}
			ok, err := s.RotateSession(t.Context(), 1, next)
			if err != nil {
				t.Errorf("RotateSession: %v", err)
			}
			if ok {
				done.Add(1)
			}
		})
	}
	wg.Wait()

	if got := done.Load(); got != 1 {
		t.Errorf("%d of 8 rotations from one generation were done, want 1", got)
	}
}

func testRevocation(t *testing.T, s auth.SessionStore) {
	want := session(1)
	createSession(t, s, want)
	createSession(t, s, session(2))

	want.RevokedAt = start.Add(time.Hour)
	if ok, err := s.RevokeSession(t.Context(), want.ID, want.RevokedAt); err != nil || !ok {
		t.Fatalf("RevokeSession gave %v and error %v, want it done", ok, err)
	}

	if ok, err := s.RevokeSession(t.Context(), want.ID, start.Add(2*time.Hour)); err != nil || ok {
		t.Errorf("a second RevokeSession gave %v and error %v, want false", ok, err)
	}
	next := want
	next.Generation = 2
	if ok, err := s.RotateSession(t.Context(), 1, next); err != nil || ok {
		t.Errorf("RotateSession of a revoked session gave %v and error %v, want it refused", ok, err)
	}
	same(t, "revoked session", findSession(t, s, want.ID), want)
	same(t, "other session", findSession(t, s, session(2).ID), session(2))
}

func testNoSession(t *testing.T, s auth.SessionStore) {
	createSession(t, s, session(0xa))

	for _, i := range []string{"", "x", session(1).ID, strings.Repeat("z", 64), strings.ToUpper(session(0xa).ID), session(0xa).ID + "00"} {
		if _, err := s.Session(t.Context(), i); !errors.Is(err, auth.ErrNoSession) {
			t.Errorf("Session(%q) gave %v, want ErrNoSession", i, err)
		}
		if ok, err := s.RevokeSession(t.Context(), i, start); err != nil || ok {
			t.Errorf("RevokeSession(%q) gave %v and error %v, want false", i, ok, err)
		}
		if ok, err := s.RotateSession(t.Context(), 1, auth.Session{ID: i}); err != nil || ok {
			t.Errorf("RotateSession(%q) gave %v and error %v, want false", i, ok, err)
		}
	}
}

func testSessionsOf(t *testing.T, s auth.SessionStore) {
	var want []auth.Session
	for i := range 4 {
		n := session(i)
		n.LastActive = start.Add(-time.Duration(i) * time.Minute)
		createSession(t, s, n)
		want = append(want, n)
	}
	foreign := session(9)
	foreign.User = bob
	createSession(t, s, foreign)
	if _, err := s.RevokeSession(t.Context(), want[1].ID, start); err != nil {
		t.Fatalf("RevokeSession: %v", err)
	}

	for limit, want := range map[int][]auth.Session{10: {want[0], want[2], want[3]}, 2: {want[0], want[2]}} {
		got, err := s.SessionsOf(t.Context(), alice, limit)
		if err != nil {
			t.Fatalf("SessionsOf: %v", err)
		}
		same(t, fmt.Sprintf("at most %d sessions", limit), got, want)
	}
	if got, err := s.SessionsOf(t.Context(), carol, 10); err != nil || len(got) != 0 {
		t.Errorf("SessionsOf nobody gave %v and error %v", got, err)
	}
}

func testRevokeSessions(t *testing.T, s auth.SessionStore) {
	for i := range 4 {
		createSession(t, s, session(i))
	}
	foreign := session(9)
	foreign.User = bob
	createSession(t, s, foreign)
	if _, err := s.RevokeSession(t.Context(), session(3).ID, start); err != nil {
		t.Fatalf("RevokeSession: %v", err)
	}
	at := start.Add(time.Hour)

	for _, step := range []struct {
		except string
		want   []string
	}{{session(1).ID, []string{session(0).ID, session(2).ID}}, {session(1).ID, nil}, {foreign.ID, []string{session(1).ID}}, {"", nil}} {
		got, err := s.RevokeSessions(t.Context(), alice, step.except, at)
		if err != nil {
			t.Fatalf("RevokeSessions: %v", err)
		}
		same(t, "sessions that ended", got, step.want)
	}

	for i, want := range []time.Time{at, at, at, start} {
		if got := findSession(t, s, session(i).ID).RevokedAt; !got.Equal(want) {
			t.Errorf("session %d ended at %v, want %v", i, got, want)
		}
	}
	same(t, "somebody else's session", findSession(t, s, foreign.ID), foreign)
}

func testTouch(t *testing.T, s auth.SessionStore) {
	want := session(1)
	createSession(t, s, want)
	createSession(t, s, session(2))
	want.LastActive = start.Add(time.Hour)
	touch := func(i string, at time.Time) {
		t.Helper()
		if err := s.TouchSession(t.Context(), i, at); err != nil {
			t.Fatalf("TouchSession: %v", err)
		}
	}

	touch(want.ID, want.LastActive)
	touch(want.ID, start.Add(time.Minute))
	touch("nothing", start.Add(2*time.Hour))

	same(t, "touched session", findSession(t, s, want.ID), want)
	same(t, "other session", findSession(t, s, session(2).ID), session(2))
	want.RevokedAt = start.Add(2 * time.Hour)
	if _, err := s.RevokeSession(t.Context(), want.ID, want.RevokedAt); err != nil {
		t.Fatalf("RevokeSession: %v", err)
	}
	touch(want.ID, start.Add(3*time.Hour))
	same(t, "session that had ended", findSession(t, s, want.ID), want)
}

func testTrimSessions(t *testing.T, s auth.SessionStore) {
	ended, expired, others := session(1), session(2), session(3)
	ended.RevokedAt, expired.ExpiresAt, others.User = start.Add(time.Hour), start.Add(time.Hour), bob
	lately := session(4)
	lately.RevokedAt = start.Add(3 * time.Hour)
	for _, n := range []auth.Session{ended, expired, others, lately} {
		createSession(t, s, n)
	}
	for i := range 5 {
		n := session(10 + i)
		n.LastActive = start.Add(time.Duration(i) * time.Minute)
		createSession(t, s, n)
	}
	at := start.Add(4 * time.Hour)

	got, err := s.TrimSessions(t.Context(), alice, 3, start.Add(2*time.Hour), at)

	if err != nil {
		t.Fatalf("TrimSessions: %v", err)
	}
	slices.Sort(got)
	same(t, "revoked", got, []string{session(10).ID, session(11).ID})
	for _, i := range []int{1, 2} {
		if _, err := s.Session(t.Context(), session(i).ID); !errors.Is(err, auth.ErrNoSession) {
			t.Errorf("session %d: %v, want it deleted", i, err)
		}
	}
	same(t, "one that ended lately", findSession(t, s, lately.ID), lately)
	same(t, "one of somebody else", findSession(t, s, others.ID), others)
	if n := findSession(t, s, session(10).ID); !n.RevokedAt.Equal(at) {
		t.Errorf("the oldest was revoked at %v", n.RevokedAt)
	}
	if n := findSession(t, s, session(12).ID); !n.RevokedAt.IsZero() {
		t.Errorf("one of the three last active was revoked")
	}
}
