package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pryde/internal/id"
)

const (
	// MaxSessions is how many sessions one person has at most: one more ends that which was not
	// active for the longest time.
	MaxSessions = 100
	// remembered is how long an ended session is kept, so that its tokens are known for what they
	// are.
	remembered = 30 * 24 * time.Hour
	// touchAfter is how much later activity has to be for it to be stored.
	touchAfter = time.Minute
)

// Of returns the sessions of a person that live, the last active first, at most MaxSessions.
func (s *Sessions) Of(ctx context.Context, u id.User) ([]Session, error) {
	all, err := s.store.SessionsOf(ctx, u, MaxSessions)
	if err != nil {
		return nil, unavailable(fmt.Errorf("list sessions: %w", err))
	}
	live := all[:0]
	for _, n := range all {
		if !s.expired(n) {
			live = append(live, n)
		}
	}
	return live, nil
}

// Find returns a session, or ErrNoSession.
func (s *Sessions) Find(ctx context.Context, session string) (Session, error) {
	n, err := s.store.Session(ctx, session)
	if err != nil && !errors.Is(err, ErrNoSession) {
		return Session{}, unavailable(fmt.Errorf("find session: %w", err))
	}
	return n, err
}

// RevokeOthers ends all sessions of a person but one, at once, and returns the ids of those
// that it ended. An empty keep keeps none. Sockets of the sessions are the caller's to close.
func (s *Sessions) RevokeOthers(ctx context.Context, u id.User, keep string) ([]string, error) {
	s.trust.forgetUser(u)
	defer s.trust.forgetUser(u)
	revoked, err := s.store.RevokeSessions(ctx, u, keep, s.instant())
	if err != nil {
		return nil, unavailable(fmt.Errorf("revoke sessions: %w", err))
	}
	return revoked, nil
}

// Trim keeps the sessions of a person within bounds, and returns the ids of those that it ended
// for it. Sockets of the sessions are the caller's to close.
func (s *Sessions) Trim(ctx context.Context, u id.User) ([]string, error) {
	now := s.instant()
	ended, err := s.store.TrimSessions(ctx, u, MaxSessions, now.Add(-remembered), now)
	s.trust.forget(ended...)
	if err != nil {
		s.trust.forgetUser(u) // some may have ended all the same
		return nil, unavailable(fmt.Errorf("trim sessions: %w", err))
	}
	return ended, nil
}

// Touch says that somebody is at a session. Activity less than a minute after the last is not
// stored.
func (s *Sessions) Touch(ctx context.Context, session string) error {
	n, err := s.Find(ctx, session)
	if err != nil || s.instant().Sub(n.LastActive) < touchAfter {
		return err
	}
	if err := s.store.TouchSession(ctx, session, s.instant()); err != nil {
		return unavailable(fmt.Errorf("touch session: %w", err))
	}
	return nil
}

// Holder returns whose refresh token this is, going by the token alone: whether the session
// still counts is not asked. The error is ErrNoRefreshToken or ErrRefreshInvalid.
func (s *Sessions) Holder(refreshToken string) (Identity, error) {
	c, err := s.verifier.Refresh(refreshToken)
	if err != nil {
		return Identity{}, err
	}
	return Identity{User: c.User, Session: c.Session}, nil
}
