// Package auth says who is calling: tokens, the sessions behind them, and what a token that
// no longer counts is answered with. It knows accounts only through Accounts, and no door.
package auth

import (
	"context"
	"errors"
	"time"

	"pryde/internal/id"
)

// An Identity is the verified caller of a request or of a socket.
type Identity struct {
	User    id.User
	Session string // id of the session, 64 hexadecimal digits
	Socket  string // id of the socket; empty over REST
}

// A Session is one login of one person on one device, and the family of its refresh tokens.
type Session struct {
	ID         string // 64 hexadecimal digits
	User       id.User
	Generation int      // counts the rotations; the claim of the newest refresh token
	Hash       [32]byte // SHA-256 of the newest refresh token
	Previous   [32]byte // SHA-256 of the one before; zero at first
	RotatedAt  time.Time
	ExpiresAt  time.Time // of the newest refresh token
	CreatedAt  time.Time
	LastActive time.Time
	RevokedAt  time.Time // zero while the session lives
	Device     Device
}

// A Device is where a session was opened, for its owner to recognise. It is sealed at rest.
type Device struct {
	UserAgent string `json:"userAgent"` // at most 500 bytes
	Address   string `json:"address"`   // IP address
}

// A SessionStore keeps sessions. Times come back in UTC with milliseconds.
type SessionStore interface {
	// CreateSession stores a new session.
	CreateSession(ctx context.Context, s Session) error
	// Session returns a session, revoked ones included, or ErrNoSession.
	Session(ctx context.Context, id string) (Session, error)
	// RotateSession replaces the refresh token of a session (Generation, Hash, Previous,
	// RotatedAt, ExpiresAt, LastActive) if its generation is still from and it is not revoked;
	// else it changes nothing and reports false.
	RotateSession(ctx context.Context, from int, s Session) (bool, error)
	// RevokeSession ends a session. It reports false where it had ended or never was.
	RevokeSession(ctx context.Context, id string, at time.Time) (bool, error)
	// SessionsOf returns the sessions of a person that are not revoked, the last active first,
	// at most limit.
	SessionsOf(ctx context.Context, u id.User, limit int) ([]Session, error)
	// RevokeSessions ends all sessions of a person but the one named except, and returns the ids
	// of those that had not ended before. An empty except names none.
	RevokeSessions(ctx context.Context, u id.User, except string, at time.Time) ([]string, error)
	// TrimSessions deletes the sessions of a person that ended or expired before a time, revokes
	// all that live but the keep last active, and returns the ids of those that it revoked.
	TrimSessions(ctx context.Context, u id.User, keep int, before, at time.Time) ([]string, error)
	// TouchSession says when a session was last active, unless it is revoked or was active later.
	TouchSession(ctx context.Context, id string, at time.Time) error
}

// ErrNoSession is what a store answers about a session that never was.
var ErrNoSession = errors.New("no such session")
