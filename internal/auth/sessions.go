package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
)

const (
	// grace is how long the refresh token before the newest stays good, for a second tab.
	grace = 5 * time.Minute
	// maxRotations bounds how often a refresh starts again because another came between.
	maxRotations = 4
	// maxUserAgent is how much of a user agent is kept, in bytes.
	maxUserAgent = 500
	// maxAddress is how much of an address is kept, in bytes.
	maxAddress = 64
)

// forever is when a session expires that does not.
var forever = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

// Accounts say whether somebody may be here.
type Accounts interface {
	// Standing returns nil for an account that is in use, one of ErrUserNotFound,
	// ErrAccountDeleted, ErrSystemAccount, ErrAccountBanned, ErrAccountSuspended and
	// ErrAccountDeactivated for others, and any other error where that could not be told.
	Standing(ctx context.Context, u id.User) error
}

// Options are what sessions are made of. All but the idle time-out and the trust are required.
type Options struct {
	Store         SessionStore
	Accounts      Accounts
	Keys          Keys
	AccessExpiry  time.Duration // of access tokens
	RefreshExpiry time.Duration // of refresh tokens, and of a session that is not refreshed
	IdleTimeout   time.Duration // of a session at which nobody is; 0: none
	Trust         time.Duration // how long a session that was good is believed while the store does not answer; 0: not at all
	Now           func() time.Time
	Rand          io.Reader // names sessions; it is read by one goroutine at a time
}

// Sessions start, refresh, verify and end sessions. What a store says is in force at once; only
// where it does not answer is a session believed that was good a short while ago (Options.Trust). Their
// methods are safe for concurrent use. Where the store or the accounts do not answer, the error is
// ErrStoreAway and never says anything about a token.
type Sessions struct {
	store    SessionStore
	accounts Accounts
	issuer   *Issuer
	verifier *Verifier
	lasts    time.Duration // a session that is not refreshed
	idle     time.Duration // 0: none
	trust    *trust
	now      func() time.Time

	mu   sync.Mutex
	rand io.Reader
}

// New returns sessions. A missing key or a time that is not positive is an error.
func New(o Options) (*Sessions, error) {
	if len(o.Keys.Access.bytes()) == 0 || len(o.Keys.Refresh.bytes()) == 0 {
		return nil, errors.New("a key for tokens is missing")
	}
	if o.AccessExpiry < time.Second || o.RefreshExpiry < time.Second {
		return nil, errors.New("tokens are good for less than a second")
	}
	return &Sessions{
		store: o.Store, accounts: o.Accounts,
		issuer: NewIssuer(o.Keys, o.AccessExpiry), verifier: NewVerifier(o.Keys, o.Now),
		lasts: o.RefreshExpiry, idle: o.IdleTimeout, trust: newTrust(o.Trust, o.Now), now: o.Now, rand: o.Rand,
	}, nil
}

// Tokens are what a client gets to show.
type Tokens struct {
	Access  string
	Refresh string
	Expires time.Time // of the refresh token
}

// Entered is the answer to somebody who came in: the body, and the refresh token, which goes
// into a cookie and never into the body.
type Entered[B any] struct {
	Body         B
	RefreshToken string    `json:"-"`
	Expires      time.Time `json:"-"` // of the refresh token
}

// Start opens a session for somebody who has proven who they are.
func (s *Sessions) Start(ctx context.Context, u id.User, from Device) (Tokens, Session, error) {
	name, err := s.name()
	if err != nil {
		return Tokens{}, Session{}, err
	}
	now := s.instant()
	n := Session{ID: name, User: u, Generation: 1, CreatedAt: now, Device: clipped(from)}
	t, err := s.renew(&n, now)
	if err != nil {
		return Tokens{}, Session{}, err
	}
	if err := s.store.CreateSession(ctx, n); err != nil {
		return Tokens{}, Session{}, unavailable(fmt.Errorf("start session: %w", err))
	}
	return t, n, nil
}

// Refresh trades a refresh token for new tokens. The newest token of a session is replaced. The
// one before it is good for five minutes more and gets what the newest is now, not a newer
// one, so that two tabs end with the same. Any other token that was good once ends the
// session, because somebody else may have it: ErrRefreshReused, with the session whose sockets
// are the caller's to close.
func (s *Sessions) Refresh(ctx context.Context, token string) (Tokens, Session, error) {
	claim, err := s.verifier.Refresh(token)
	if err != nil {
		return Tokens{}, Session{}, err
	}
	hash := sha256.Sum256([]byte(token))
	for range maxRotations {
		n, err := s.refreshable(ctx, claim)
		if err != nil {
			return Tokens{}, Session{}, err
		}
		t, n, again, err := s.trade(ctx, n, hash)
		if err != nil || !again {
			return t, n, err
		}
	}
	return Tokens{}, Session{}, ErrRefreshConflict
}

// refreshable returns the session of a refresh token if it may be refreshed.
func (s *Sessions) refreshable(ctx context.Context, c Claim) (Session, error) {
	n, err := s.store.Session(ctx, c.Session)
	switch {
	case errors.Is(err, ErrNoSession):
		return Session{}, ErrRefreshNotFound
	case err != nil:
		return Session{}, unavailable(fmt.Errorf("refresh session: %w", err))
	case n.User != c.User:
		return Session{}, ErrRefreshForeign
	case !n.RevokedAt.IsZero():
		return Session{}, ErrRefreshRevoked
	case s.expired(n):
		return Session{}, ErrRefreshExpired
	}
	if err := s.accounts.Standing(ctx, n.User); err != nil {
		return Session{}, unavailable(err)
	}
	return n, nil
}

// trade returns the tokens that a refresh token with this hash gets. again is set where the
// session has changed meanwhile and has to be read again.
func (s *Sessions) trade(ctx context.Context, n Session, hash [32]byte) (t Tokens, _ Session, again bool, err error) {
	now := s.instant()
	switch {
	case same(hash, n.Hash):
	case same(hash, n.Previous) && now.Sub(n.RotatedAt) < grace:
		if t, err = s.present(n, now); err == nil && same(sha256.Sum256([]byte(t.Refresh)), n.Hash) {
			return t, n, false, nil
		}
		// The newest token was made with another key or by the former system, and cannot be made
		// again. It becomes the previous one, so that the tab that has it goes on too.
	default:
		if _, err := s.Revoke(ctx, n.ID); err != nil {
			return Tokens{}, Session{}, false, err
		}
		return Tokens{}, n, false, ErrRefreshReused
	}

	from := n.Generation
	n.Previous = n.Hash
	n.Generation++
	if t, err = s.renew(&n, now); err != nil {
		return Tokens{}, Session{}, false, err
	}
	rotated, err := s.store.RotateSession(ctx, from, n)
	if err != nil {
		return Tokens{}, Session{}, false, unavailable(fmt.Errorf("rotate session: %w", err))
	}
	return t, n, !rotated, nil
}

// renew gives a session the refresh token of its generation, and returns it with an access
// token.
func (s *Sessions) renew(n *Session, now time.Time) (Tokens, error) {
	n.RotatedAt, n.LastActive = now, now
	n.ExpiresAt = now.Add(s.lasts).Truncate(time.Second)
	t, err := s.present(*n, now)
	if err != nil {
		return Tokens{}, err
	}
	n.Hash = sha256.Sum256([]byte(t.Refresh))
	return t, nil
}

// present returns the refresh token that a session has, and an access token.
func (s *Sessions) present(n Session, now time.Time) (Tokens, error) {
	refresh, err := s.issuer.Refresh(n)
	if err != nil {
		return Tokens{}, err
	}
	access, err := s.issuer.Access(n, now)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: access, Refresh: refresh, Expires: n.ExpiresAt}, nil
}

// Verify returns who an access token speaks for, or the fault that says why it does not count:
// one about the token, one of Accounts, or ErrSessionEnded. Where the session lives and the
// account may not be used, which is a fault of KindForbidden, it returns both.
func (s *Sessions) Verify(ctx context.Context, token string) (Identity, error) {
	claim, err := s.verifier.Access(token)
	if err != nil {
		return Identity{}, err
	}
	who := Identity{User: claim.User, Session: claim.Session}
	believed, err := s.confirm(ctx, who)
	if believed {
		return who, nil
	}
	if err != nil && fault.Of(err).Kind != fault.KindForbidden {
		return Identity{}, err
	}
	return who, err
}

// Revoke ends a session at once. It reports false where it had ended or never was. Sockets of
// the session are the caller's to close.
func (s *Sessions) Revoke(ctx context.Context, session string) (bool, error) {
	s.trust.forget(session)
	defer s.trust.forget(session)
	revoked, err := s.store.RevokeSession(ctx, session, s.instant())
	if err != nil {
		return false, unavailable(fmt.Errorf("revoke session: %w", err))
	}
	return revoked, nil
}

// IdleTimeout returns after how long a session ends at which nobody is; 0: never.
func (s *Sessions) IdleTimeout() time.Duration { return s.idle }

// Leave notes that somebody was at a session until now, where idle sessions end.
func (s *Sessions) Leave(ctx context.Context, who Identity) error {
	if s.idle == 0 {
		return nil
	}
	return s.Touch(ctx, who.Session)
}

// Attend is Check for who has a socket open, which counts as activity. Where the session was good a
// short while ago it does not wait for long for the store, but what it says is the store's word.
func (s *Sessions) Attend(ctx context.Context, who Identity) error {
	_, err := s.confirm(ctx, who)
	if err == nil && s.idle > 0 {
		err = s.Touch(ctx, who.Session)
	}
	return err
}

func (s *Sessions) expired(n Session) bool { return !s.now().Before(s.expiry(n)) }

// expiry returns when a session is over at which nobody is from now on.
func (s *Sessions) expiry(n Session) time.Time {
	at := n.ExpiresAt
	if idle := n.LastActive.Add(s.idle); s.idle > 0 && (at.IsZero() || idle.Before(at)) {
		at = idle
	}
	if at.IsZero() {
		return forever
	}
	return at
}

// instant is the time as stores keep it.
func (s *Sessions) instant() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

func (s *Sessions) name() (string, error) {
	var b [sessionIDSize]byte
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return "", fmt.Errorf("name session: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

func same(a, b [32]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

func clipped(d Device) Device {
	return Device{UserAgent: clip(d.UserAgent, maxUserAgent), Address: clip(d.Address, maxAddress)}
}

func clip(s string, size int) string {
	return strings.ToValidUTF8(s[:min(len(s), size)], "")
}
