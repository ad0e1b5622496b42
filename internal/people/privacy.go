package people

import (
	"context"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// An Audience says who may do something.
type Audience string

// The audiences.
const (
	Everyone  Audience = "everyone"
	Followers Audience = "followers"
	NoOne     Audience = "no-one"
)

// Refusals of a message.
var (
	// ErrUnavailable answers a message to somebody who is banned or has deactivated their account.
	ErrUnavailable = fault.Forbidden("USER_UNAVAILABLE", "This user is not available")
	// ErrBlocked answers a message between people of whom one blocks the other.
	ErrBlocked = fault.Forbidden("CANNOT_MESSAGE", "Cannot send message to this user")
	// ErrNotAccepting answers a message to somebody who wants none.
	ErrNotAccepting = fault.Forbidden("NOT_ACCEPTING_MESSAGES", "This user is not accepting messages")
	// ErrFollowersOnly answers a message of somebody else to a person who wants none but from followers.
	ErrFollowersOnly = fault.Forbidden("FOLLOWERS_ONLY", "You must be a follower to send a message")
)

// An Unverified is the error of somebody who has to verify their e-mail address first. Its fault
// is EMAIL_NOT_VERIFIED; the address, their own, is for the door to show beside it.
type Unverified struct{ address string }

var errUnverified = fault.Forbidden("EMAIL_NOT_VERIFIED", "Please verify your email address to access this feature")

func (u *Unverified) Error() string { return errUnverified.Error() }

// Unwrap returns the fault.
func (u *Unverified) Unwrap() error { return errUnverified }

// Address returns the e-mail address that is not verified.
func (u *Unverified) Address() string { return u.address }

// verified returns nil for whoever has verified their e-mail address, and for everybody where
// nobody has to.
func (s *Service) verified(ctx context.Context, u id.User) error {
	if !s.verifying {
		return nil
	}
	c, err := s.card(ctx, u)
	if err != nil || c.verified {
		return err
	}
	// Another process may have said so meanwhile.
	a, err := s.store.Account(ctx, u)
	switch {
	case err != nil:
		return away("look up person", err)
	case !a.EmailVerified:
		return &Unverified{a.Email}
	}
	s.bus.Invalidate(u)
	return nil
}

// MayWrite returns nil where from may write to to, else an *Unverified, ErrNoAccount,
// ErrUnavailable, ErrBlocked, ErrNotAccepting or ErrFollowersOnly. Notes to oneself need no more
// than a verified address. That from may be here is not asked.
func (s *Service) MayWrite(ctx context.Context, from, to id.User) error {
	if err := s.verified(ctx, from); err != nil {
		return err
	}
	c, err := s.card(ctx, to)
	if err != nil || from == to {
		return err
	}
	if !c.available {
		return ErrUnavailable
	}
	t, err := s.tiesOf(ctx, to)
	if err != nil {
		return err
	}
	if t.with[from] {
		return ErrBlocked
	}
	switch t.audience {
	case Everyone:
		return nil
	case Followers:
		follows, err := s.ties.Follows(ctx, from, to)
		if err != nil {
			return away("look up follower", err)
		}
		if follows {
			return nil
		}
		return ErrFollowersOnly
	}
	return ErrNotAccepting
}

var errAudience = fault.Invalid("INVALID_WHO_CAN_MESSAGE", "Invalid whoCanMessage value")

// Privacy returns what others may do to the caller.
func (s *Service) Privacy(ctx context.Context, who auth.Identity) (wire.PrivacySettings, error) {
	t, err := s.tiesOf(ctx, who.User)
	if err != nil {
		return wire.PrivacySettings{}, err
	}
	return wire.PrivacySettings{WhoCanMessage: string(t.audience)}, nil
}

// SetPrivacy changes what others may do to the caller. What is not named stays as it is.
func (s *Service) SetPrivacy(ctx context.Context, who auth.Identity, in wire.PrivacyChange) (wire.PrivacyChanged, error) {
	if in.WhoCanMessage != nil {
		a := Audience(*in.WhoCanMessage)
		if a != Everyone && a != Followers && a != NoOne {
			return wire.PrivacyChanged{}, errAudience
		}
		err := s.ties.SetAudience(ctx, who.User, a)
		s.bus.Invalidate(who.User) // also when it failed: it may be stored all the same
		if err != nil {
			return wire.PrivacyChanged{}, away("set privacy", err)
		}
	}
	now, err := s.Privacy(ctx, who)
	return wire.PrivacyChanged{Message: "Privacy settings updated", Settings: now}, err
}
