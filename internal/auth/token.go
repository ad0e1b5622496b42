package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"pryde/internal/fault"
	"pryde/internal/id"
)

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 8 << 10

// The kinds of tokens, as the claim "type" names them.
const (
	accessType  = "access"
	refreshType = "refresh"
)

// Keys sign tokens.
type Keys struct {
	Access  Secret
	Refresh Secret
}

func (k Keys) of(kind string) []byte {
	if kind == refreshType {
		return k.Refresh.bytes()
	}
	return k.Access.bytes()
}

// claims are what a token says. Everything in them is ASCII without '>', '?' and '~', so that
// clients that decode base64url as base64 read the same.
type claims struct {
	UserID     string `json:"userId"`
	SessionID  string `json:"sessionId"`
	Type       string `json:"type"`
	Generation int    `json:"gen,omitempty"` // of a refresh token; absent in those of the former system
	jwt.RegisteredClaims
}

// An Issuer makes tokens, JWTs signed with HS256. It is safe for concurrent use.
type Issuer struct {
	keys   Keys
	access time.Duration // how long an access token is good
}

// NewIssuer returns an issuer whose access tokens are good for a time.
func NewIssuer(keys Keys, access time.Duration) *Issuer { return &Issuer{keys, access} }

// Access returns an access token for a session.
func (i *Issuer) Access(s Session, now time.Time) (string, error) {
	return i.sign(accessType, s, 0, now, now.Add(i.access))
}

// Refresh returns the refresh token of a session's present generation. It is the same, byte
// for byte, whenever it is made from the session as it is stored.
func (i *Issuer) Refresh(s Session) (string, error) {
	return i.sign(refreshType, s, s.Generation, s.RotatedAt, s.ExpiresAt)
}

func (i *Issuer) sign(kind string, s Session, generation int, from, until time.Time) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{
		UserID: s.User.String(), SessionID: s.ID, Type: kind, Generation: generation,
		RegisteredClaims: jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(from), ExpiresAt: jwt.NewNumericDate(until)},
	})
	signed, err := t.SignedString(i.keys.of(kind))
	if err != nil {
		return "", fmt.Errorf("sign %s token: %w", kind, err)
	}
	return signed, nil
}

// A Verifier reads tokens and knows nothing of sessions. It is safe for concurrent use.
type Verifier struct {
	keys   Keys
	parser *jwt.Parser
}

// NewVerifier returns a verifier that reads the time from now.
func NewVerifier(keys Keys, now func() time.Time) *Verifier {
	return &Verifier{keys, jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithStrictDecoding(), // one token has one spelling, and so one hash
		jwt.WithTimeFunc(now),
	)}
}

// A Claim is what a token that is good in itself says.
type Claim struct {
	User    id.User
	Session string // 64 lower-case hexadecimal digits
}

// Access reads an access token. The error is the fault with which the former system answered
// what is wrong with it: ErrNoToken, ErrTokenExpired, ErrTokenMalformed, ErrTokenNotActive or
// ErrTokenInvalid.
func (v *Verifier) Access(token string) (Claim, error) {
	if token == "" {
		return Claim{}, ErrNoToken
	}
	c, err := v.read(accessType, token)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, jwt.ErrTokenExpired):
		return Claim{}, ErrTokenExpired.Because(err)
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return Claim{}, ErrTokenNotActive.Because(err)
	case errors.Is(err, jwt.ErrTokenMalformed), errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return Claim{}, ErrTokenMalformed.Because(err)
	}
	return Claim{}, ErrTokenInvalid.Because(err)
}

// Refresh reads a refresh token. The error is ErrNoRefreshToken or ErrRefreshInvalid.
func (v *Verifier) Refresh(token string) (Claim, error) {
	if token == "" {
		return Claim{}, ErrNoRefreshToken
	}
	c, err := v.read(refreshType, token)
	if err != nil {
		return Claim{}, ErrRefreshInvalid.Because(err)
	}
	return c, nil
}

var (
	errTooLong = fmt.Errorf("%w: it is too long", jwt.ErrTokenMalformed)
	errHeader  = errors.New("the header names a key or an extension of its own")
	errType    = errors.New("it is of another type")
	errNames   = errors.New("its user or session is none")
)

func (v *Verifier) read(kind, token string) (Claim, error) {
	var c claims
	if err := v.parse(v.keys.of(kind), token, &c); err != nil {
		return Claim{}, err
	}
	if c.Type != kind {
		return Claim{}, errType
	}
	u, err := id.Parse[id.User](c.UserID)
	if err != nil || u.IsZero() || !isSessionID(c.SessionID) {
		return Claim{}, errNames
	}
	return Claim{User: u, Session: c.SessionID}, nil
}

// parse checks the form, the signature and the times of a token.
func (v *Verifier) parse(key []byte, token string, into jwt.Claims) error {
	if len(token) > maxToken {
		return errTooLong
	}
	_, err := v.parser.ParseWithClaims(token, into, func(t *jwt.Token) (any, error) {
		for _, name := range []string{"jku", "jwk", "x5u", "x5c", "crit"} {
			if _, ok := t.Header[name]; ok {
				return nil, errHeader
			}
		}
		return key, nil
	})
	return err
}

const sessionIDSize = 32 // bytes

func isSessionID(s string) bool {
	if len(s) != 2*sessionIDSize {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// unavailable keeps faults as they are and answers that the store is away to everything else.
func unavailable(err error) error {
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	return ErrStoreAway.Because(err)
}
