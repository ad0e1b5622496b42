package auth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"pryde/internal/auth"
)

func challenge(t *testing.T, h *house, secret string) string {
	t.Helper()
	token, err := h.Challenge(alice, secret)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestAChallengeHoldsForItsSecretAndTenMinutes(t *testing.T) {
	h := open(t)
	token := challenge(t, h, "one")

	c, err := h.Challenged(token)
	if err != nil || c.User != alice || !h.Holds(c, "one") || h.Holds(c, "two") {
		t.Errorf("user %v, holds %t and %t, %v", c.User, h.Holds(c, "one"), h.Holds(c, "two"), err)
	}
	h.advance(10*time.Minute - 2*time.Second)
	if _, err := h.Challenged(token); err != nil {
		t.Errorf("shortly before the end: %v", err)
	}
	h.advance(2 * time.Second)
	if _, err := h.Challenged(token); !errors.Is(err, auth.ErrChallengeInvalid) {
		t.Errorf("after ten minutes: %v", err)
	}
}

func TestAChallengeOpensNothingElse(t *testing.T) {
	h := open(t)
	token := challenge(t, h, "one")
	if who, err := h.Verify(t.Context(), token); err == nil {
		t.Errorf("it is an access token of %+v", who)
	}
	if _, _, err := h.Refresh(t.Context(), token); err == nil {
		t.Error("it refreshes a session")
	}
	if who, err := h.Holder(token); err == nil {
		t.Errorf("it is a refresh token of %+v", who)
	}
}

func TestNothingElseIsAChallenge(t *testing.T) {
	h := open(t)
	tokens, n := h.start(t)
	sign := func(key string, change func(jwt.MapClaims)) string {
		claims := jwt.MapClaims{"userId": alice.String(), "type": "2fa", "requires2FA": true, "bond": "", "exp": h.clock().Add(time.Minute).Unix()}
		change(claims)
		s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const key = "an access key of some length...."
	if _, err := h.Challenged(sign(key, func(jwt.MapClaims) {})); err != nil {
		t.Fatalf("the tokens of this test are none anyway: %v", err)
	}
	for what, token := range map[string]string{
		"nothing": "", "access": tokens.Access, "refresh": tokens.Refresh,
		"another key":      sign("another", func(jwt.MapClaims) {}),
		"another type":     sign(key, func(c jwt.MapClaims) { c["type"] = "access"; c["sessionId"] = n.ID }),
		"no second factor": sign(key, func(c jwt.MapClaims) { c["requires2FA"] = false }),
		"nobody":           sign(key, func(c jwt.MapClaims) { c["userId"] = "000000000000000000000000" }),
		"an operator":      sign(key, func(c jwt.MapClaims) { c["userId"] = map[string]any{"$ne": ""} }),
		"without an end":   sign(key, func(c jwt.MapClaims) { delete(c, "exp") }),
	} {
		if _, err := h.Challenged(token); !errors.Is(err, auth.ErrChallengeInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
