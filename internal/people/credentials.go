package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// ErrWrongPassword refuses what needs one's present password.
var ErrWrongPassword = fault.Unauthenticated("INVALID_PASSWORD", "Current password is incorrect")

// errSessionLocked refuses what needs the password in a session that guessed too often.
var errSessionLocked = fault.Locked("ACCOUNT_LOCKED", "Too many failed attempts. Please try again later.", lockout)

var errPasswordConflict = fault.Conflict("PASSWORD_CHANGED", "The password was changed at the same time")

// ChangePassword replaces the password of the caller. The session that asks stays, the others
// end. The error is ErrWrongPassword, a *Rejected, a fault of KindLocked, that of a session that
// has ended meanwhile, or one of KindConflict where another change came between.
func (s *Service) ChangePassword(ctx context.Context, who auth.Identity, in wire.PasswordChange) (wire.Done, error) {
	if err := readPasswordChange(in); err != nil {
		return wire.Done{}, err
	}
	a, err := s.confirm(ctx, who, in.CurrentPassword)
	if err != nil {
		return wire.Done{}, err
	}
	hash, err := s.passwords.hash(ctx, in.NewPassword)
	if err != nil {
		return wire.Done{}, fmt.Errorf("change password: %w", err)
	}
	changed, over, err := s.store.ReplacePassword(ctx, who.User, a.PasswordEra, hash, who.Session, s.instant())
	s.sessions.Distrust(who.User)
	if err != nil {
		return wire.Done{}, away("change password", err)
	}
	if !changed {
		// The session that asks has ended, or another change came between.
		return wire.Done{}, cmp.Or(s.sessions.Check(ctx, who), error(errPasswordConflict))
	}
	s.closeSockets(over, reasonPassword, false)
	return done("Password changed successfully"), nil
}

func readPasswordChange(in wire.PasswordChange) error {
	var f form
	f.checkPassword(in.CurrentPassword, "currentPassword")
	f.check(isPassword(in.NewPassword), "newPassword", passwordRule)
	f.check(in.NewPassword != in.CurrentPassword, "newPassword", "The new password must be another one")
	return f.err()
}

// checkPassword checks that a password which is to be compared can be one.
func (f *form) checkPassword(password, field string) {
	f.check(password != "" && utf8.RuneCountInString(password) <= MaxPassword, field, "Please enter your password")
}

// confirm returns the account of the caller if this is its password. Wrong ones are counted by
// session, so that a stolen token does not help to guess it, and its owner is not locked out
// elsewhere.
func (s *Service) confirm(ctx context.Context, who auth.Identity, password string) (Account, error) {
	var f form
	f.checkPassword(password, "password")
	if err := f.err(); err != nil {
		return Account{}, err
	}
	a, err := s.store.Account(ctx, who.User)
	switch {
	case errors.Is(err, ErrNoAccount):
		return Account{}, auth.ErrUserNotFound
	case err != nil:
		return Account{}, away("confirm password", err)
	}
	right, err := s.failures.try(ctx, ofSession(who), errSessionLocked, func() (right bool, err error) {
		right, _, err = s.check(ctx, a, password)
		return right, err
	})
	if err != nil {
		return Account{}, fmt.Errorf("confirm password: %w", err)
	}
	if !right {
		return Account{}, ErrWrongPassword
	}
	return a, nil
}

// ofSession counts what a session guesses, whatever address it has.
func ofSession(who auth.Identity) login { return login{who.User.String(), "session " + who.Session} }

// Deactivate takes the account of the caller out of use until they log in again, and ends
// every session.
func (s *Service) Deactivate(ctx context.Context, who auth.Identity) (wire.Done, error) {
	// Also when it fails: the change may be stored all the same.
	defer s.bus.Invalidate(who.User)
	over, err := s.store.Deactivate(ctx, who.User, s.instant())
	s.sessions.Distrust(who.User)
	if err != nil {
		return wire.Done{}, away("deactivate account", err)
	}
	s.closeSockets(over, reasonDeactivated, true)
	return done("Account deactivated successfully"), nil
}

// DeleteAccount deletes the account of the caller for good, and ends every session. What they
// wrote to others stays with those. The e-mail address can be used again, the username cannot:
// nobody shall pass for somebody whose messages others have.
func (s *Service) DeleteAccount(ctx context.Context, who auth.Identity, in wire.Proof) (wire.Done, error) {
	if _, err := s.confirm(ctx, who, in.Password); err != nil {
		return wire.Done{}, err
	}
	if err := s.remove(ctx, who.User); err != nil {
		return wire.Done{}, err
	}
	return done("Account deleted successfully"), nil
}

// Remove deletes an account as DeleteAccount does, without its owner. It does nothing where there
// is none or it is deleted.
func (s *Service) Remove(ctx context.Context, u id.User) error {
	err := s.remove(ctx, u)
	if errors.Is(err, ErrNoAccount) {
		return nil
	}
	return err
}

func (s *Service) remove(ctx context.Context, u id.User) error {
	// Also when it fails: the change may be stored all the same.
	defer s.bus.Invalidate(u)
	over, err := s.store.DeleteAccount(ctx, u, s.instant())
	s.sessions.Distrust(u)
	if err != nil {
		return away("delete account", err)
	}
	s.closeSockets(over, reasonDeleted, true)
	return nil
}

// instant is the time as stores keep it.
func (s *Service) instant() time.Time { return s.now().UTC().Truncate(time.Millisecond) }
