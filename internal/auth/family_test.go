package auth_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
)

func TestSessionsOfAPersonAreThoseThatLive(t *testing.T) {
	h := open(t)
	_, over := h.start(t)
	_, expired := h.start(t)
	h.store.change(expired.ID, func(n *auth.Session) { n.ExpiresAt = h.clock().Add(time.Second) })
	h.advance(time.Hour)
	_, first := h.start(t)
	h.advance(time.Hour)
	_, last := h.start(t)
	if _, _, err := h.Start(t.Context(), bob, phone); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Revoke(t.Context(), over.ID); err != nil {
		t.Fatal(err)
	}

	got, err := h.Of(t.Context(), alice)

	if err != nil || len(got) != 2 || got[0].ID != last.ID || got[1].ID != first.ID {
		t.Errorf("got %+v, %v; want the two that live, the last active first", got, err)
	}
}

func TestOtherSessionsEndAtOnce(t *testing.T) {
	h := open(t)
	mine, kept := h.start(t)
	theirs, other := h.start(t)
	foreign, _, err := h.Start(t.Context(), bob, phone)
	if err != nil {
		t.Fatal(err)
	}

	revoked, err := h.RevokeOthers(t.Context(), alice, kept.ID)

	if err != nil || !slices.Equal(revoked, []string{other.ID}) {
		t.Errorf("revoked %v, %v", revoked, err)
	}
	for _, token := range []string{mine.Access, foreign.Access} {
		if _, err := h.Verify(t.Context(), token); err != nil {
			t.Errorf("a session that stays: %v", err)
		}
	}
	if _, err := h.Verify(t.Context(), theirs.Access); !errors.Is(err, auth.ErrSessionEnded) {
		t.Errorf("a session that ended: %v", err)
	}
	if again, err := h.RevokeOthers(t.Context(), alice, kept.ID); err != nil || len(again) != 0 {
		t.Errorf("again: %v, %v", again, err)
	}
}

// TestARefreshDuringALogoutOfAllOpensNothing lets every session end between the look at it
// and its rotation.
func TestARefreshDuringALogoutOfAllOpensNothing(t *testing.T) {
	h := open(t)
	tokens, _ := h.start(t)
	var once sync.Once
	h.store.rotating = func() {
		once.Do(func() {
			if _, err := h.RevokeOthers(t.Context(), alice, ""); err != nil {
				t.Error(err)
			}
		})
	}

	_, _, err := h.Refresh(t.Context(), tokens.Refresh)

	if f := fault.Of(err); f.Code != auth.ErrRefreshRevoked.Code {
		t.Errorf("got %v, want it revoked", err)
	}
}

func TestReuseSaysWhichSessionEnded(t *testing.T) {
	h := open(t)
	old, n := h.start(t)
	if _, _, err := h.Refresh(t.Context(), old.Refresh); err != nil {
		t.Fatal(err)
	}
	h.advance(5 * time.Minute)

	_, got, err := h.Refresh(t.Context(), old.Refresh)

	if !errors.Is(err, auth.ErrRefreshReused) || got.ID != n.ID {
		t.Errorf("got session %q and %v, want %q and the reuse", got.ID, err, n.ID)
	}
}

func TestActivityIsStoredOnceAMinute(t *testing.T) {
	h := open(t)
	_, n := h.start(t)
	for range 10 {
		h.advance(20 * time.Second)
		if err := h.Touch(t.Context(), n.ID); err != nil {
			t.Fatal(err)
		}
	}
	if h.store.touched != 3 {
		t.Errorf("200 s of activity were stored %d times, want 3", h.store.touched)
	}
	if err := h.Touch(t.Context(), "nothing"); !errors.Is(err, auth.ErrNoSession) {
		t.Errorf("no session: %v", err)
	}
}

func TestHolderGoesByARefreshTokenAlone(t *testing.T) {
	h := open(t)
	tokens, n := h.start(t)
	if who, err := h.Holder(tokens.Refresh); err != nil || who != (auth.Identity{User: alice, Session: n.ID}) {
		t.Errorf("got %+v, %v", who, err)
	}
	for _, token := range []string{"", "x", tokens.Access} {
		if who, err := h.Holder(token); err == nil {
			t.Errorf("%q belongs to %+v", token, who)
		}
	}
}

func TestFamiliesSayWhenTheStoreIsAway(t *testing.T) {
	h := open(t)
	_, n := h.start(t)
	h.store.down = true
	_, of := h.Of(t.Context(), alice)
	_, find := h.Find(t.Context(), n.ID)
	_, others := h.RevokeOthers(t.Context(), alice, "")
	touch := h.Touch(t.Context(), n.ID)
	for what, err := range map[string]error{"of": of, "find": find, "others": others, "touch": touch} {
		if !errors.Is(err, auth.ErrStoreAway) || !errors.Is(err, errDown) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestASessionAtWhichNobodyIsEnds(t *testing.T) {
	h := openWith(t, func(o *auth.Options) { o.IdleTimeout = 10 * time.Minute })
	tokens, n := h.start(t)
	who := auth.Identity{User: alice, Session: n.ID}
	for range 4 {
		h.advance(9 * time.Minute)
		if err := h.Attend(t.Context(), who); err != nil {
			t.Fatalf("with somebody there: %v", err)
		}
	}
	h.advance(9 * time.Minute)
	tokens, _, err := h.Refresh(t.Context(), tokens.Refresh)
	if err != nil {
		t.Fatalf("a refresh: %v", err)
	}
	h.advance(9 * time.Minute)
	if err := h.Check(t.Context(), who); err != nil {
		t.Fatalf("nine minutes after a refresh: %v", err)
	}
	h.advance(time.Minute)

	sameFault(t, h.Attend(t.Context(), who), auth.ErrSessionEnded)
	if _, _, err := h.Refresh(t.Context(), tokens.Refresh); !errors.Is(err, auth.ErrRefreshExpired) {
		t.Errorf("a refresh after ten idle minutes: %v", err)
	}
	if left, err := h.Of(t.Context(), alice); err != nil || len(left) > 0 {
		t.Errorf("%d sessions are listed, %v", len(left), err)
	}
}
