package auth_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartKeepsTheHashOfTheTokenAndNotTheToken(t *testing.T) {
	h := open(t)
	tokens, got, err := h.Start(t.Context(), alice, auth.Device{UserAgent: strings.Repeat("é", 400), Address: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}

	now := time.Unix(1_700_000_000, 123_000_000).UTC()
	want := auth.Session{
		ID: got.ID, User: alice, Generation: 1, Hash: sha256.Sum256([]byte(tokens.Refresh)), RotatedAt: now,
		ExpiresAt: time.Unix(1_700_000_000, 0).UTC().Add(30 * 24 * time.Hour), CreatedAt: now, LastActive: now,
		Device: auth.Device{UserAgent: strings.Repeat("é", 250), Address: "192.0.2.1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("session differs (-want +got):\n%s", diff)
	}
	stored, err := h.store.Session(t.Context(), got.ID)
	if diff := cmp.Diff(want, stored); err != nil || diff != "" {
		t.Errorf("stored %v (-want +got):\n%s", err, diff)
	}
	if len(got.ID) != 64 || !tokens.Expires.Equal(want.ExpiresAt) {
		t.Errorf("the id is %q and the cookie is good until %v", got.ID, tokens.Expires)
	}
}

func TestAccessTokenIsGoodUntilItsTimeIsOver(t *testing.T) {
	h := open(t)
	tokens, s := h.start(t)
	h.advance(15*time.Minute - time.Second)
	if who, err := h.Verify(t.Context(), tokens.Access); err != nil || who.Session != s.ID {
		t.Errorf("got %+v, %v", who, err)
	}
	h.advance(time.Second)
	_, err := h.Verify(t.Context(), tokens.Access)
	sameFault(t, err, auth.ErrTokenExpired)
}

func TestRevokedSessionIsRefusedAtOnce(t *testing.T) {
	h := open(t)
	tokens, s := h.start(t)
	if _, err := h.Verify(t.Context(), tokens.Access); err != nil {
		t.Fatal(err)
	}

	if revoked, err := h.Revoke(t.Context(), s.ID); !revoked || err != nil {
		t.Errorf("Revoke = %t, %v; want true", revoked, err)
	}

	_, err := h.Verify(t.Context(), tokens.Access)
	sameFault(t, err, auth.ErrSessionEnded)
	sameFault(t, h.Check(t.Context(), auth.Identity{User: alice, Session: s.ID}), auth.ErrSessionEnded)
	_, _, err = h.Refresh(t.Context(), tokens.Refresh)
	sameFault(t, err, auth.ErrRefreshRevoked)
	if revoked, err := h.Revoke(t.Context(), s.ID); revoked || err != nil {
		t.Errorf("a second Revoke = %t, %v; want false", revoked, err)
	}
}

func TestWrongStandingRefuses(t *testing.T) {
	for _, c := range []struct {
		standing   error
		want       *fault.Fault
		onSocket   string
		afterwards *fault.Fault // once the session is revoked too
	}{
		{auth.ErrUserNotFound, auth.ErrUserNotFound, "User not found", auth.ErrUserNotFound},
		{auth.ErrAccountDeleted, auth.ErrAccountDeleted, "Account deleted", auth.ErrAccountDeleted},
		{auth.ErrAccountDeactivated, auth.ErrAccountDeactivated, "Account deactivated", auth.ErrSessionEnded},
		{auth.ErrAccountBanned, auth.ErrAccountBanned, "Account banned", auth.ErrSessionEnded},
		{auth.ErrAccountSuspended, auth.ErrAccountSuspended, "Account suspended", auth.ErrSessionEnded},
		{auth.ErrSystemAccount, auth.ErrSystemAccount, "System accounts cannot log in", auth.ErrSessionEnded},
		{errDown, auth.ErrStoreAway, "", auth.ErrStoreAway},
		{fmt.Errorf("ask: %w", fault.Unavailable("OVERLOADED", "Busy", 0)), fault.Unavailable("OVERLOADED", "Busy", 0), "", fault.Unavailable("OVERLOADED", "Busy", 0)},
	} {
		t.Run(c.want.Code+c.onSocket, func(t *testing.T) {
			h := open(t)
			tokens, s := h.start(t)
			h.accounts.set(map[id.User]error{alice: c.standing})

			who, err := h.Verify(t.Context(), tokens.Access)
			sameFault(t, err, c.want)
			if known := who == (auth.Identity{User: alice, Session: s.ID}); known != (c.want.Kind == fault.KindForbidden) {
				t.Errorf("refused as %+v, want the owner of the session where the account may not be used", who)
			}
			if got := auth.SocketRefusal(fault.Of(err)); c.onSocket != "" && got != c.onSocket {
				t.Errorf("a socket hears %q, want %q", got, c.onSocket)
			}
			_, _, err = h.Refresh(t.Context(), tokens.Refresh)
			sameFault(t, err, c.want)

			h.store.change(s.ID, func(s *auth.Session) { s.RevokedAt = h.clock() })
			who, err = h.Verify(t.Context(), tokens.Access)
			sameFault(t, err, c.afterwards)
			if who != (auth.Identity{}) {
				t.Errorf("once revoked it speaks for %+v", who)
			}
			if got := auth.SocketRefusal(fault.Of(err)); c.onSocket != "" && got != c.onSocket {
				t.Errorf("once revoked a socket hears %q, want %q", got, c.onSocket)
			}
		})
	}
}

func TestStoreTroubleIsNobodysFault(t *testing.T) {
	h := open(t)
	tokens, s := h.start(t)
	h.store.down = true

	_, verify := h.Verify(t.Context(), tokens.Access)
	_, _, refresh := h.Refresh(t.Context(), tokens.Refresh)
	_, _, start := h.Start(t.Context(), alice, phone)
	_, revoke := h.Revoke(t.Context(), s.ID)

	for what, err := range map[string]error{"verify": verify, "refresh": refresh, "start": start, "revoke": revoke} {
		f := fault.Of(err)
		if f.Kind != fault.KindUnavailable || f.Code != "STORE_UNAVAILABLE" || f.RetryAfter <= 0 || strings.Contains(f.Text, "disk") {
			t.Errorf("%s: got %s %s %q, retry after %v", what, f.Kind, f.Code, f.Text, f.RetryAfter)
		}
		if !errors.Is(err, errDown) {
			t.Errorf("%s: the cause is lost for the log: %v", what, err)
		}
	}
}

func TestRefreshReplacesTheNewestToken(t *testing.T) {
	h := open(t)
	first, s := h.start(t)
	h.advance(time.Hour)

	second, n, err := h.Refresh(t.Context(), first.Refresh)

	if err != nil || second.Refresh == first.Refresh || second.Access == first.Access {
		t.Fatalf("got %v; the tokens are new: %t, %t", err, second.Refresh != first.Refresh, second.Access != first.Access)
	}
	if n.ID != s.ID || n.Generation != 2 || n.Previous != s.Hash || n.Hash != sha256.Sum256([]byte(second.Refresh)) {
		t.Errorf("session became %+v", n)
	}
	if !second.Expires.After(first.Expires) {
		t.Errorf("good until %v, before until %v", second.Expires, first.Expires)
	}
	if _, err := h.Verify(t.Context(), second.Access); err != nil {
		t.Errorf("the new access token: %v", err)
	}
}

func TestPreviousTokenGetsTheNewestForFiveMinutes(t *testing.T) {
	h := open(t)
	first, _ := h.start(t)
	h.advance(time.Hour)
	second, want, err := h.Refresh(t.Context(), first.Refresh)
	if err != nil {
		t.Fatal(err)
	}

	h.advance(5*time.Minute - time.Millisecond)
	again, got, err := h.Refresh(t.Context(), first.Refresh)

	if err != nil || again.Refresh != second.Refresh || !again.Expires.Equal(second.Expires) {
		t.Fatalf("got %v; the same refresh token: %t", err, again.Refresh == second.Refresh)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the session changed (-want +got):\n%s", diff)
	}
	if _, err := h.Verify(t.Context(), again.Access); err != nil {
		t.Errorf("the access token: %v", err)
	}

	h.advance(time.Millisecond)
	_, _, err = h.Refresh(t.Context(), first.Refresh)
	sameFault(t, err, auth.ErrRefreshReused)
	_, _, err = h.Refresh(t.Context(), second.Refresh)
	sameFault(t, err, auth.ErrRefreshRevoked)
	_, err = h.Verify(t.Context(), second.Access)
	sameFault(t, err, auth.ErrSessionEnded)
}

func TestOlderTokenEndsTheSession(t *testing.T) {
	h := open(t)
	first, _ := h.start(t)
	second, _, err := h.Refresh(t.Context(), first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	third, _, err := h.Refresh(t.Context(), second.Refresh)
	if err != nil {
		t.Fatal(err)
	}

	_, _, err = h.Refresh(t.Context(), first.Refresh)

	sameFault(t, err, auth.ErrRefreshReused)
	_, err = h.Verify(t.Context(), third.Access)
	sameFault(t, err, auth.ErrSessionEnded)
}

// The last letter of a signature has two bits to spare. A token that differs in them only would
// have another hash, and end the session of the one who shows it.
func TestTokenHasOneSpelling(t *testing.T) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	h := open(t)
	tokens, _ := h.start(t)
	body, last := tokens.Refresh[:len(tokens.Refresh)-1], strings.IndexByte(letters, tokens.Refresh[len(tokens.Refresh)-1])

	_, _, err := h.Refresh(t.Context(), body+string(letters[last^1]))

	sameFault(t, err, auth.ErrRefreshInvalid)
	if _, err := h.Verify(t.Context(), tokens.Access); err != nil {
		t.Errorf("the session is over: %v", err)
	}
}

func TestSessionThatIsNotRefreshedEnds(t *testing.T) {
	h := open(t)
	_, s := h.start(t)
	who := auth.Identity{User: alice, Session: s.ID}
	h.advance(30*24*time.Hour - time.Second)
	if err := h.Check(t.Context(), who); err != nil {
		t.Errorf("in its last second: %v", err)
	}
	h.advance(time.Second)
	sameFault(t, h.Check(t.Context(), who), auth.ErrSessionEnded)
}

func TestConcurrentRefreshesEndWithTheSameToken(t *testing.T) {
	h := open(t)
	first, s := h.start(t)
	var mu sync.Mutex
	got := map[string]int{}
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			tokens, _, err := h.Refresh(t.Context(), first.Refresh)
			if err != nil {
				t.Errorf("refresh: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[tokens.Refresh]++
		})
	}
	all.Wait()

	n, err := h.store.Session(t.Context(), s.ID)
	if len(got) != 1 || err != nil || n.Generation != 2 || !n.RevokedAt.IsZero() {
		t.Errorf("%d different tokens came out, the session is at generation %d, %v", len(got), n.Generation, err)
	}
}

func TestRefreshGivesUpWhereOthersAlwaysComeBetween(t *testing.T) {
	h := open(t)
	first, s := h.start(t)
	h.store.rotating = func() { h.store.change(s.ID, func(s *auth.Session) { s.Generation++ }) }

	_, _, err := h.Refresh(t.Context(), first.Refresh)

	sameFault(t, err, auth.ErrRefreshConflict)
}

func TestRefreshDoesNotReviveASessionThatEndsMeanwhile(t *testing.T) {
	h := open(t)
	first, s := h.start(t)
	h.store.rotating = func() { h.store.change(s.ID, func(s *auth.Session) { s.RevokedAt = h.clock() }) }

	_, _, err := h.Refresh(t.Context(), first.Refresh)

	sameFault(t, err, auth.ErrRefreshRevoked)
}

// formerRefresh makes a session of the former system, whose refresh tokens name no generation.
func formerRefresh(t *testing.T, h *house, s auth.Session, iat time.Time) string {
	t.Helper()
	return signed(t, jwt.SigningMethodHS256, []byte(refreshKey), nil, jwt.MapClaims{
		"userId": s.User.String(), "sessionId": s.ID, "type": "refresh", "iat": iat.Unix(), "exp": iat.Add(time.Hour).Unix(),
	})
}

func TestFormerTokensAreKnownByTheirHash(t *testing.T) {
	h := open(t)
	_, s := h.start(t)
	newest, before := formerRefresh(t, h, s, h.clock()), formerRefresh(t, h, s, h.clock().Add(-time.Minute))
	h.store.change(s.ID, func(s *auth.Session) {
		s.Generation, s.Hash, s.Previous = 0, sha256.Sum256([]byte(newest)), sha256.Sum256([]byte(before))
	})

	// The newest token cannot be made again, so the second tab moves the session on.
	second, n, err := h.Refresh(t.Context(), before)
	if err != nil || n.Generation != 1 {
		t.Fatalf("the previous token: generation %d, %v", n.Generation, err)
	}
	first, n, err := h.Refresh(t.Context(), newest)

	if err != nil || n.Generation != 1 || first.Refresh != second.Refresh {
		t.Errorf("the newest token: generation %d, %v; the tabs have the same token: %t", n.Generation, err, first.Refresh == second.Refresh)
	}
}

func TestRefreshTokensThatDoNotCount(t *testing.T) {
	h := open(t)
	tokens, s := h.start(t)
	for _, c := range []struct {
		name, token string
		change      func(*auth.Session)
		want        *fault.Fault
		text        string
	}{
		{"none", "", nil, auth.ErrNoRefreshToken, "Refresh token required"},
		{"no token", "hello", nil, auth.ErrRefreshInvalid, "Invalid or expired refresh token"},
		{"access token", tokens.Access, nil, auth.ErrRefreshInvalid, "Invalid or expired refresh token"},
		{"expired", formerRefresh(t, h, s, h.clock().Add(-2*time.Hour)), nil, auth.ErrRefreshInvalid, "Invalid or expired refresh token"},
		{"of somebody else", tokens.Refresh, func(s *auth.Session) { s.User = bob }, auth.ErrRefreshForeign, "Invalid refresh token"},
		{"of an expired session", tokens.Refresh, func(s *auth.Session) { s.ExpiresAt = h.clock() }, auth.ErrRefreshExpired, "Refresh token has expired. Please log in again."},
		{"of a revoked session", tokens.Refresh, func(s *auth.Session) { s.RevokedAt = h.clock() }, auth.ErrRefreshRevoked, "Session has been revoked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.change != nil {
				h.store.change(s.ID, c.change)
				t.Cleanup(func() { h.store.change(s.ID, func(n *auth.Session) { *n = s }) })
			}
			_, _, err := h.Refresh(t.Context(), c.token)
			sameFault(t, err, c.want)
			if c.want.Text != c.text {
				t.Errorf("the text is %q, want %q", c.want.Text, c.text)
			}
		})
	}
	h.store.change(s.ID, nil)
	_, _, err := h.Refresh(t.Context(), tokens.Refresh)
	sameFault(t, err, auth.ErrRefreshNotFound)
}

func TestSessionsNeedKeysAndTimes(t *testing.T) {
	good := auth.Options{Keys: keys, AccessExpiry: time.Minute, RefreshExpiry: time.Hour}
	for name, change := range map[string]func(*auth.Options){
		"access key": func(o *auth.Options) { o.Keys.Access = auth.Secret{} }, "refresh key": func(o *auth.Options) { o.Keys.Refresh = auth.NewSecret(nil) },
		"access time": func(o *auth.Options) { o.AccessExpiry = 0 }, "refresh time": func(o *auth.Options) { o.RefreshExpiry = -time.Hour },
	} {
		o := good
		change(&o)
		if _, err := auth.New(o); err == nil {
			t.Errorf("without a good %s there are sessions", name)
		}
	}
}
