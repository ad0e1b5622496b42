package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"pryde/internal/id"
)

// challengeExpiry is how long after the first step of a login the second may come.
const challengeExpiry = 10 * time.Minute

// challengeType is the claim "type" of a temporary token. No other token has it, and this one
// has no session, so that neither counts as the other.
const challengeType = "2fa"

type challengeClaims struct {
	UserID      string `json:"userId"`
	Requires2FA bool   `json:"requires2FA"`
	Type        string `json:"type"`
	Bond        string `json:"bond"`
	jwt.RegisteredClaims
}

// A Challenge is what is known of somebody who has taken the first of two steps of a login.
type Challenge struct {
	User id.User
	bond string
}

// Challenge returns a temporary token for somebody who has proven the first of two factors. It
// is good for ten minutes, for Challenged alone, and bound to a secret of the account: once
// that has changed, the challenge does not hold any more.
func (s *Sessions) Challenge(u id.User, secret string) (string, error) {
	now := s.now()
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, &challengeClaims{
		UserID: u.String(), Requires2FA: true, Type: challengeType, Bond: bond(s.issuer.keys, u, secret),
		RegisteredClaims: jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(challengeExpiry))},
	})
	signed, err := t.SignedString(s.issuer.keys.Access.bytes())
	if err != nil {
		return "", fmt.Errorf("sign challenge: %w", err)
	}
	return signed, nil
}

// Challenged reads a temporary token, or returns ErrChallengeInvalid.
func (s *Sessions) Challenged(token string) (Challenge, error) {
	var c challengeClaims
	if err := s.verifier.parse(s.verifier.keys.Access.bytes(), token, &c); err != nil {
		return Challenge{}, ErrChallengeInvalid.Because(err)
	}
	u, err := id.Parse[id.User](c.UserID)
	if err != nil || u.IsZero() || c.Type != challengeType || !c.Requires2FA {
		return Challenge{}, ErrChallengeInvalid
	}
	return Challenge{User: u, bond: c.Bond}, nil
}

// Holds reports whether a challenge was made for this secret of the account.
func (s *Sessions) Holds(c Challenge, secret string) bool {
	return hmac.Equal([]byte(c.bond), []byte(bond(s.verifier.keys, c.User, secret)))
}

// bond says nothing about the secret to those who read the token.
func bond(keys Keys, u id.User, secret string) string {
	h := hmac.New(sha256.New, keys.Access.bytes())
	h.Write([]byte("challenge"))
	h.Write(u[:])
	h.Write([]byte(secret))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
