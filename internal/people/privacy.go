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

// MayWrite returns nil where from may write to to, else ErrNoAccount, ErrUnavailable,
// ErrBlocked, ErrNotAccepting or ErrFollowersOnly. Notes to oneself are always allowed. That
// from may be here is not asked.
func (s *Service) MayWrite(ctx context.Context, from, to id.User) error {
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
		s.untie(who.User) // also when it failed: it may be stored all the same
		if err != nil {
			return wire.PrivacyChanged{}, away("set privacy", err)
		}
	}
	now, err := s.Privacy(ctx, who)
	return wire.PrivacyChanged{Message: "Privacy settings updated", Settings: now}, err
}
