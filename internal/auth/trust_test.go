package auth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
)

func trusting(t *testing.T) *house {
	t.Helper()
	return openWith(t, func(o *auth.Options) { o.Trust = 5 * time.Minute })
}

// before is what happens while the store answers.
type before func(*testing.T, *house, auth.Tokens, auth.Session)

func TestWhereTheStoreIsAwayAGoodSessionIsBelievedForAWhile(t *testing.T) {
	for name, c := range map[string]struct {
		before before
		after  time.Duration
		want   bool
	}{
		"verified":       {verified, 0, true},
		"attended":       {attended, 0, true},
		"for a while":    {verified, 5*time.Minute - time.Second, true},
		"not longer":     {verified, 5 * time.Minute, false},
		"never verified": {func(*testing.T, *house, auth.Tokens, auth.Session) {}, 0, false},
		"ended":          {ended(func(ctx context.Context, h *house, s auth.Session) error { _, err := h.Revoke(ctx, s.ID); return err }), 0, false},
		"all ended": {ended(func(ctx context.Context, h *house, _ auth.Session) error {
			_, err := h.RevokeOthers(ctx, alice, "")
			return err
		}), 0, false},
		"maybe ended": {ended(maybe(func(ctx context.Context, h *house, s auth.Session) error { _, err := h.Revoke(ctx, s.ID); return err })), 0, false},
		"all maybe ended": {ended(maybe(func(ctx context.Context, h *house, _ auth.Session) error {
			_, err := h.RevokeOthers(ctx, alice, "")
			return err
		})), 0, false},
		"maybe trimmed":       {ended(maybe(func(ctx context.Context, h *house, _ auth.Session) error { _, err := h.Trim(ctx, alice); return err })), 0, false},
		"trimmed":             {trimmed, 0, false},
		"not trimmed":         {ended(func(ctx context.Context, h *house, _ auth.Session) error { _, err := h.Trim(ctx, alice); return err }), 0, true},
		"ended by others":     {distrusted(alice), 0, false},
		"somebody else's":     {distrusted(bob), 0, true},
		"found to be banned":  {foundBad(auth.ErrAccountBanned), 0, false},
		"found to be deleted": {foundBad(auth.ErrAccountDeleted), 0, false},
		"before it expires":   {expiring, time.Minute - time.Second, true},
		"when it expires":     {expiring, time.Minute, false},
		"reused":              {reused, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := trusting(t)
			tokens, s := h.start(t)
			c.before(t, h, tokens, s)
			h.store.down = true
			h.advance(c.after)

			who, err := h.Verify(t.Context(), tokens.Access)

			if c.want && (err != nil || who != auth.Identity{User: alice, Session: s.ID}) {
				t.Errorf("it counts for %v, %v", who, err)
			}
			if !c.want && !errors.Is(err, auth.ErrStoreAway) {
				t.Errorf("got %v, want that the store is away", err)
			}
			if err := h.Attend(t.Context(), auth.Identity{User: alice, Session: s.ID}); !errors.Is(err, auth.ErrStoreAway) {
				t.Errorf("a socket goes on with %v, want that the store is away", err)
			}
		})
	}
}

func verified(t *testing.T, h *house, tokens auth.Tokens, _ auth.Session) {
	t.Helper()
	if _, err := h.Verify(t.Context(), tokens.Access); err != nil {
		t.Fatal(err)
	}
}

func attended(t *testing.T, h *house, _ auth.Tokens, s auth.Session) {
	t.Helper()
	if err := h.Attend(t.Context(), auth.Identity{User: alice, Session: s.ID, Socket: "a socket"}); err != nil {
		t.Fatal(err)
	}
}

func ended(end func(context.Context, *house, auth.Session) error) before {
	return func(t *testing.T, h *house, tokens auth.Tokens, s auth.Session) {
		t.Helper()
		verified(t, h, tokens, s)
		if err := end(t.Context(), h, s); err != nil {
			t.Fatal(err)
		}
	}
}

// maybe lets the store not say whether it did what was asked of it.
func maybe(end func(context.Context, *house, auth.Session) error) func(context.Context, *house, auth.Session) error {
	return func(ctx context.Context, h *house, s auth.Session) error {
		h.store.down = true
		defer func() { h.store.down = false }()
		if err := end(ctx, h, s); !errors.Is(err, auth.ErrStoreAway) {
			return fmt.Errorf("got %w, want that the store is away", err)
		}
		return nil
	}
}

// trimmed lets so many sessions follow that the first one ends.
func trimmed(t *testing.T, h *house, tokens auth.Tokens, s auth.Session) {
	t.Helper()
	verified(t, h, tokens, s)
	h.advance(time.Second)
	for range auth.MaxSessions {
		h.start(t)
	}
	if over, err := h.Trim(t.Context(), alice); err != nil || len(over) != 1 || over[0] != s.ID {
		t.Fatalf("trimmed %v, %v", over, err)
	}
}

func distrusted(u id.User) before {
	return func(t *testing.T, h *house, tokens auth.Tokens, s auth.Session) {
		t.Helper()
		verified(t, h, tokens, s)
		h.Distrust(u)
	}
}

// foundBad lets the account be taken out of use without a word to the sessions, until they see it.
func foundBad(is error) before {
	return func(t *testing.T, h *house, tokens auth.Tokens, s auth.Session) {
		t.Helper()
		verified(t, h, tokens, s)
		h.accounts.set(map[id.User]error{alice: is})
		if _, err := h.Verify(t.Context(), tokens.Access); !errors.Is(err, is) {
			t.Fatalf("got %v, want %v", err, is)
		}
		h.accounts.set(nil)
	}
}

// expiring lets a session expire in a minute.
func expiring(t *testing.T, h *house, tokens auth.Tokens, s auth.Session) {
	t.Helper()
	h.store.change(s.ID, func(n *auth.Session) { n.ExpiresAt = h.clock().Add(time.Minute) })
	verified(t, h, tokens, s)
}

// reused lets the first refresh token of the session be shown after its time.
func reused(t *testing.T, h *house, tokens auth.Tokens, s auth.Session) {
	t.Helper()
	h.refresh(t, tokens.Refresh)
	h.advance(5 * time.Minute)
	verified(t, h, tokens, s)
	if _, _, err := h.Refresh(t.Context(), tokens.Refresh); !errors.Is(err, auth.ErrRefreshReused) {
		t.Fatalf("got %v, want that it was used before", err)
	}
}

func (h *house) refresh(t *testing.T, token string) {
	t.Helper()
	if _, _, err := h.Refresh(t.Context(), token); err != nil {
		t.Fatal(err)
	}
}

func TestAnIdleSessionIsNotBelievedForLonger(t *testing.T) {
	h := openWith(t, func(o *auth.Options) { o.Trust, o.IdleTimeout = 5*time.Minute, 2*time.Minute })
	tokens, s := h.start(t)
	h.advance(time.Minute)
	verified(t, h, tokens, s)
	h.store.down = true

	h.advance(time.Minute - time.Second)
	verified(t, h, tokens, s)
	h.advance(time.Second)
	if _, err := h.Verify(t.Context(), tokens.Access); !errors.Is(err, auth.ErrStoreAway) {
		t.Errorf("got %v, want that the store is away", err)
	}
}

func TestAStoreThatAnswersIsAlwaysAsked(t *testing.T) {
	h := trusting(t)
	tokens, s := h.start(t)
	verified(t, h, tokens, s)
	h.store.change(s.ID, func(n *auth.Session) { n.RevokedAt = h.clock() }) // without a word to the sessions

	_, err := h.Verify(t.Context(), tokens.Access)
	sameFault(t, err, auth.ErrSessionEnded)

	h.store.down = true
	if _, err := h.Verify(t.Context(), tokens.Access); !errors.Is(err, auth.ErrStoreAway) {
		t.Errorf("got %v, want that the store is away", err)
	}
}

func TestWithoutTrustNothingIsBelieved(t *testing.T) {
	h := open(t)
	tokens, s := h.start(t)
	verified(t, h, tokens, s)
	h.store.down = true

	if _, err := h.Verify(t.Context(), tokens.Access); !errors.Is(err, auth.ErrStoreAway) {
		t.Errorf("got %v, want that the store is away", err)
	}
}

// TestWhatEndsWhileItIsLookedUpIsNotRemembered lets a session end between the answer of the store
// and the end of the look.
func TestWhatEndsWhileItIsLookedUpIsNotRemembered(t *testing.T) {
	for name, end := range map[string]func(*house, string) error{
		"one":  func(h *house, session string) error { _, err := h.Revoke(context.Background(), session); return err },
		"all":  func(h *house, _ string) error { _, err := h.RevokeOthers(context.Background(), alice, ""); return err },
		"else": func(h *house, _ string) error { h.Distrust(alice); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			late := &lateStore{}
			h := openWith(t, func(o *auth.Options) {
				o.Trust = 5 * time.Minute
				late.SessionStore, o.Store = o.Store, late
			})
			tokens, s := h.start(t)
			late.read = func() {
				late.read = nil
				if err := end(h, s.ID); err != nil {
					t.Error(err)
				}
			}
			verified(t, h, tokens, s) // the store said so
			h.store.down = true

			if _, err := h.Verify(t.Context(), tokens.Access); !errors.Is(err, auth.ErrStoreAway) {
				t.Errorf("got %v, want that the store is away", err)
			}
		})
	}
}

// lateStore calls read between the look at a session and the answer.
type lateStore struct {
	auth.SessionStore
	read func()
}

func (s *lateStore) Session(ctx context.Context, i string) (auth.Session, error) {
	n, err := s.SessionStore.Session(ctx, i)
	if s.read != nil {
		s.read()
	}
	return n, err
}

func TestTheSessionsThatAreRememberedAreBounded(t *testing.T) {
	const most = 100_000
	h := trusting(t)
	first, s := h.start(t)
	verified(t, h, first, s)
	second, s := h.start(t)
	verified(t, h, second, s)
	for i := range most - 1 {
		who := auth.Identity{User: id.User{byte(i), byte(i >> 8), byte(i >> 16), 9}, Session: fmt.Sprintf("%064x", i)}
		h.store.change(who.Session, func(n *auth.Session) { *n = auth.Session{ID: who.Session, User: who.User} })
		if err := h.Check(t.Context(), who); err != nil {
			t.Fatal(err)
		}
	}
	h.store.down = true

	if _, err := h.Verify(t.Context(), first.Access); !errors.Is(err, auth.ErrStoreAway) {
		t.Errorf("the oldest: %v, want that the store is away", err)
	}
	if _, err := h.Verify(t.Context(), second.Access); err != nil {
		t.Errorf("the second: %v", err)
	}
}

// trustPatience is how long a store is waited for that hangs.
const trustPatience = time.Second

func TestAStoreThatHangsIsNotWaitedForWhereTheSessionWasGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := make(chan struct{}) // closed once the store hangs
		h := openWith(t, func(o *auth.Options) {
			o.Trust = 5 * time.Minute
			o.Accounts = hangs{hanging}
		})
		tokens, s := h.start(t)
		verified(t, h, tokens, s)
		close(hanging)

		from := time.Now()
		verified(t, h, tokens, s)
		err := h.Attend(t.Context(), auth.Identity{User: alice, Session: s.ID})
		if !errors.Is(err, auth.ErrStoreAway) {
			t.Errorf("a socket goes on with %v, want that the store is away", err)
		}
		if took := time.Since(from); took != 2*trustPatience {
			t.Errorf("two looks took %v", took)
		}

		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Verify(gone, tokens.Access); fault.Of(err).Kind != fault.KindUnavailable {
			t.Errorf("who has gone is answered %v", err)
		}

		time.AfterFunc(trustPatience/2, func() { h.Distrust(alice) })
		if _, err := h.Verify(t.Context(), tokens.Access); !errors.Is(err, auth.ErrStoreAway) {
			t.Errorf("what ended meanwhile: %v, want that the store is away", err)
		}
	})
}

// hangs answers until a channel is closed, and then nobody before they give up.
type hangs struct{ from <-chan struct{} }

func (a hangs) Standing(ctx context.Context, _ id.User) error {
	select {
	case <-a.from:
		<-ctx.Done()
		return ctx.Err()
	default:
		return nil
	}
}
