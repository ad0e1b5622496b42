package people

import (
	"context"
	"errors"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Standings tell whether accounts are in use. They implement auth.Accounts.
type Standings struct {
	store Store
	now   func() time.Time
}

// NewStandings returns the standings of the accounts in a store.
func NewStandings(store Store, now func() time.Time) *Standings { return &Standings{store, now} }

// Standing returns nil for an account that is in use, else auth.ErrUserNotFound,
// auth.ErrAccountDeleted, auth.ErrSystemAccount, auth.ErrAccountBanned, auth.ErrAccountSuspended
// or auth.ErrAccountDeactivated, or auth.ErrStoreAway where it could not be told.
func (s *Standings) Standing(ctx context.Context, u id.User) error {
	a, err := s.store.Account(ctx, u)
	switch {
	case errors.Is(err, ErrNoAccount):
		return auth.ErrUserNotFound
	case err != nil:
		return away("look up account", err)
	}
	if err := s.mayEnter(a); err != nil {
		return err
	}
	if !a.Active {
		return auth.ErrAccountDeactivated
	}
	return nil
}

// mayEnter returns nil for an account that its owner may log in to.
func (s *Standings) mayEnter(a Account) error {
	switch {
	case a.Deleted:
		return auth.ErrAccountDeleted
	case a.System:
		return auth.ErrSystemAccount
	case a.Banned:
		return auth.ErrAccountBanned
	case s.now().Before(a.SuspendedUntil):
		return auth.ErrAccountSuspended
	}
	return nil
}

// A card is what others may know of an account.
type card struct {
	person    wire.Person
	deleted   bool
	available bool // neither banned nor deactivated
	verified  bool // the e-mail address is
}

func (s *Service) card(ctx context.Context, u id.User) (card, error) {
	c, _, err := s.known.Do(ctx, string(u[:]), func() (card, error) {
		a, err := s.store.Account(ctx, u)
		if err != nil {
			return card{}, err
		}
		return card{
			person:    wire.Person{ID: a.ID, Username: a.Username, DisplayName: a.DisplayName, ProfilePhoto: a.ProfilePhoto},
			deleted:   a.Deleted,
			available: a.Active && !a.Banned,
			verified:  a.EmailVerified,
		}, nil
	})
	switch {
	case err != nil:
		return card{}, away("look up person", err)
	case c.deleted:
		return card{}, ErrNoAccount
	}
	return c, nil
}

// Person returns how an account looks to others, or ErrNoAccount where there is none or where
// it is deleted. The answer may be five minutes old, but never older than the last change that
// was made here.
func (s *Service) Person(ctx context.Context, u id.User) (wire.Person, error) {
	c, err := s.card(ctx, u)
	return c.person, err
}

// People returns those of the accounts that exist and are not deleted, as Person does.
func (s *Service) People(ctx context.Context, us []id.User) (map[id.User]wire.Person, error) {
	people := make(map[id.User]wire.Person, len(us))
	for _, u := range us {
		p, err := s.Person(ctx, u)
		switch {
		case errors.Is(err, ErrNoAccount):
		case err != nil:
			return nil, err
		default:
			people[u] = p
		}
	}
	return people, nil
}

// Forget makes the next look at the accounts and the ties of people a fresh one. Whoever
// changes them calls it afterwards.
func (s *Service) Forget(us ...id.User) {
	for _, u := range us {
		s.known.Forget(string(u[:]))
		s.tied.Forget(string(u[:]))
	}
}
