package people

import (
	"context"
	"errors"
	"fmt"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/wire"
)

// What the sockets of a session hear when it ends.
const (
	reasonOwn         = "Logged out"
	reasonAll         = "All sessions logged out"
	reasonOne         = "Session logged out from another device"
	reasonElsewhere   = "Logged out from another device"
	reasonPassword    = "Password changed"
	reasonDeactivated = "Account deactivated"
	reasonDeleted     = "Account deleted"
)

// ErrNoSession answers about a session that is none of the caller's, or over.
var ErrNoSession = fault.NotFound("SESSION_NOT_FOUND", "Session not found")

// LogOut ends the session of the caller, and then its sockets.
func (s *Service) LogOut(ctx context.Context, who auth.Identity) (wire.Done, error) {
	if _, err := s.sessions.Revoke(ctx, who.Session); err != nil {
		return wire.Done{}, fmt.Errorf("log out: %w", err)
	}
	s.bus.Revoke(who.Session, reasonOwn, true)
	return done("Logged out successfully"), nil
}

// LogOutAll ends every session of the caller, and then their sockets.
func (s *Service) LogOutAll(ctx context.Context, who auth.Identity) (wire.Done, error) {
	return s.endAll(ctx, who, "", reasonAll, true, "Logged out from all devices successfully")
}

// EndAllSessions does what LogOutAll does for somebody who looks at the list of sessions: the
// other devices tell their person about it.
func (s *Service) EndAllSessions(ctx context.Context, who auth.Identity) (wire.Done, error) {
	return s.endAll(ctx, who, "", reasonAll, false, "All sessions logged out successfully")
}

// EndOtherSessions ends every session of the caller but the one that asks.
func (s *Service) EndOtherSessions(ctx context.Context, who auth.Identity) (wire.Done, error) {
	return s.endAll(ctx, who, who.Session, reasonElsewhere, false, "Other sessions logged out successfully")
}

func (s *Service) endAll(ctx context.Context, who auth.Identity, keep, reason string, final bool, message string) (wire.Done, error) {
	over, err := s.sessions.RevokeOthers(ctx, who.User, keep)
	if err != nil {
		return wire.Done{}, fmt.Errorf("end sessions: %w", err)
	}
	s.closeSockets(over, reason, final)
	return done(message), nil
}

// EndOneSession ends one session of the caller, which may be the one that asks. It is
// ErrNoSession where it is somebody else's, as where there is none.
func (s *Service) EndOneSession(ctx context.Context, who auth.Identity, session string) (wire.Done, error) {
	n, err := s.sessions.Find(ctx, session)
	switch {
	case errors.Is(err, auth.ErrNoSession), err == nil && n.User != who.User:
		return wire.Done{}, ErrNoSession
	case err != nil:
		return wire.Done{}, fmt.Errorf("end session: %w", err)
	case n.ID == who.Session:
		return s.LogOut(ctx, who)
	}
	live, err := s.sessions.Revoke(ctx, n.ID)
	if err != nil {
		return wire.Done{}, fmt.Errorf("end session: %w", err)
	}
	s.closeSockets([]string{n.ID}, reasonOne, false)
	if !live {
		return wire.Done{}, ErrNoSession
	}
	return done("Session logged out successfully"), nil
}

// MySessions returns the living sessions of the caller, the last active first, at most 100.
func (s *Service) MySessions(ctx context.Context, who auth.Identity) ([]wire.Session, error) {
	all, err := s.sessions.Of(ctx, who.User)
	if err != nil {
		return nil, err
	}
	shown := make([]wire.Session, 0, len(all))
	for _, n := range all {
		d := parseDevice(n.Device.UserAgent)
		shown = append(shown, wire.Session{
			SessionID: n.ID, Device: d.device, Browser: d.browser, OS: d.os, IPAddress: n.Device.Address,
			CreatedAt: n.CreatedAt, LastActive: n.LastActive, IsCurrent: n.ID == who.Session,
		})
	}
	return shown, nil
}

// Active says that somebody is at the session of the caller.
func (s *Service) Active(ctx context.Context, who auth.Identity) (wire.Done, error) {
	if err := s.sessions.Touch(ctx, who.Session); err != nil {
		if errors.Is(err, auth.ErrNoSession) {
			return wire.Done{}, auth.ErrSessionEnded
		}
		return wire.Done{}, err
	}
	return done("Activity updated"), nil
}

func (s *Service) closeSockets(sessions []string, reason string, final bool) {
	for _, session := range sessions {
		s.bus.Revoke(session, reason, final)
	}
}

func done(message string) wire.Done { return wire.Done{Message: message, Success: true} }
