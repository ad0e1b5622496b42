package people

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image/png"
	"time"

	"github.com/pquerna/otp/totp"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// A SecondFactor is what an account is logged in with besides the password.
type SecondFactor struct {
	Secret   string   // base32; sealed at rest
	Offered  []string // the backup codes, while it is not in force; sealed at rest
	Mark     [32]byte // recognises the secret without showing it
	InForce  bool
	LastStep int64 // the time step whose code was used last
	Left     int   // backup codes that have not been used
}

// ErrNoSecondFactor is what a store answers about an account that has none.
var ErrNoSecondFactor = errors.New("no second factor")

// SecondFactors keep second factors. A backup code is known by its keyed hash alone once the
// factor is in force.
type SecondFactors interface {
	// SecondFactor returns the second factor of an account, or ErrNoSecondFactor.
	SecondFactor(ctx context.Context, u id.User) (SecondFactor, error)
	// OfferSecondFactor stores a factor that is not in force yet, with the hashes of its backup
	// codes, in the place of another such. Where one is in force it changes nothing and reports
	// false.
	OfferSecondFactor(ctx context.Context, u id.User, f SecondFactor, codes [][32]byte) (bool, error)
	// EnforceSecondFactor puts the factor with the mark of f in force, with f.LastStep as the step
	// used last, and forgets its backup codes in the clear. It reports false and changes nothing
	// where another one was offered meanwhile or one is in force.
	EnforceSecondFactor(ctx context.Context, u id.User, f SecondFactor) (bool, error)
	// SpendStep remembers that the code of a time step was used. It reports false where that of
	// this or a later one was, or where no factor is in force.
	SpendStep(ctx context.Context, u id.User, step int64) (bool, error)
	// SpendBackupCode takes a backup code away by its hash. It reports false where there is none
	// such, or where no factor is in force.
	SpendBackupCode(ctx context.Context, u id.User, code [32]byte) (bool, error)
	// RemoveSecondFactor removes the factor and its backup codes.
	RemoveSecondFactor(ctx context.Context, u id.User) error
}

var (
	errFactorInForce = fault.Invalid("TWO_FACTOR_ENABLED", "Two-factor authentication is already enabled")
	errNoOffer       = fault.Invalid("TWO_FACTOR_NOT_SET_UP", "Two-factor authentication has not been set up")
	// ErrWrongCode refuses a code that is wrong, out of date or used.
	ErrWrongCode   = fault.Invalid("INVALID_2FA_CODE", "Invalid 2FA code")
	errCodesLocked = fault.Locked("ACCOUNT_LOCKED", "Too many failed attempts. Please try again later.", lockout)
)

const (
	issuer = "Pryde"
	qrSize = 240 // pixels
)

// factor returns the second factor of an account, or a zero one where it has none.
func (s *Service) factor(ctx context.Context, u id.User) (SecondFactor, error) {
	f, err := s.factors.SecondFactor(ctx, u)
	if err != nil && !errors.Is(err, ErrNoSecondFactor) {
		return SecondFactor{}, away("look up second factor", err)
	}
	return f, nil
}

// SetUpTwoFactor makes a secret for an authenticator app and backup codes. They are in force
// once VerifyTwoFactor has seen a code. An earlier set-up that was not verified is void.
func (s *Service) SetUpTwoFactor(ctx context.Context, who auth.Identity) (wire.TwoFactorSetup, error) {
	a, err := s.store.Account(ctx, who.User)
	if err != nil {
		return wire.TwoFactorSetup{}, away("set up second factor", err)
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: a.Username, Rand: s.rand})
	if err != nil {
		return wire.TwoFactorSetup{}, fmt.Errorf("make a secret: %w", err)
	}
	codes, err := s.backupCodes()
	if err != nil {
		return wire.TwoFactorSetup{}, err
	}
	hashes := make([][32]byte, len(codes))
	for i, c := range codes {
		hashes[i] = s.hashCode(a.ID, c)
	}
	f := SecondFactor{Secret: key.Secret(), Offered: codes, Mark: keyed(s.key, "secret", a.ID, key.Secret())}
	switch offered, err := s.factors.OfferSecondFactor(ctx, a.ID, f, hashes); {
	case err != nil:
		return wire.TwoFactorSetup{}, away("set up second factor", err)
	case !offered:
		return wire.TwoFactorSetup{}, errFactorInForce
	}

	img, err := key.Image(qrSize, qrSize)
	if err != nil {
		return wire.TwoFactorSetup{}, fmt.Errorf("draw the code: %w", err)
	}
	var pixels bytes.Buffer
	if err := png.Encode(&pixels, img); err != nil {
		return wire.TwoFactorSetup{}, fmt.Errorf("draw the code: %w", err)
	}
	return wire.TwoFactorSetup{
		Secret: key.Secret(), QRCode: "data:image/png;base64," + base64.StdEncoding.EncodeToString(pixels.Bytes()),
		BackupCodes: codes, Message: "Scan the code with your authenticator app, then enter the code that it shows",
	}, nil
}

// VerifyTwoFactor puts the second factor that was set up last in force.
func (s *Service) VerifyTwoFactor(ctx context.Context, who auth.Identity, in wire.OneTimeCode) (wire.TwoFactorOn, error) {
	f, err := s.factor(ctx, who.User)
	switch {
	case err != nil:
		return wire.TwoFactorOn{}, err
	case f.InForce:
		return wire.TwoFactorOn{}, errFactorInForce
	case f.Secret == "":
		return wire.TwoFactorOn{}, errNoOffer
	}
	enforced, err := s.guesses.here.try(ctx, ofSession(who), errCodesLocked, func() (right bool, err error) {
		if f.LastStep, right = matchingStep(f.Secret, normalCode(in.Token), s.now()); !right {
			return false, nil
		}
		return s.factors.EnforceSecondFactor(ctx, who.User, f)
	})
	if err != nil {
		return wire.TwoFactorOn{}, away("enforce second factor", err)
	}
	if !enforced {
		return wire.TwoFactorOn{}, ErrWrongCode // or another set-up came between
	}
	return wire.TwoFactorOn{Message: "Two-factor authentication enabled successfully", BackupCodes: f.Offered}, nil
}

// DisableTwoFactor removes the second factor of somebody who knows their password.
func (s *Service) DisableTwoFactor(ctx context.Context, who auth.Identity, in wire.Proof) (wire.Done, error) {
	if _, err := s.confirm(ctx, who, in.Password); err != nil {
		return wire.Done{}, err
	}
	if err := s.factors.RemoveSecondFactor(ctx, who.User); err != nil {
		return wire.Done{}, away("remove second factor", err)
	}
	return done("Two-factor authentication disabled successfully"), nil
}

// TwoFactorStatus says whether the caller has a second factor in force.
func (s *Service) TwoFactorStatus(ctx context.Context, who auth.Identity) (wire.TwoFactorStatus, error) {
	f, err := s.factor(ctx, who.User)
	if err != nil || !f.InForce {
		return wire.TwoFactorStatus{}, err
	}
	return wire.TwoFactorStatus{Enabled: true, BackupCodesRemaining: f.Left}, nil
}

// challenge answers a login whose password is right and whose second factor is missing.
func (s *Service) challenge(a Account) (auth.Entered[wire.LoggedIn], error) {
	token, err := s.sessions.Challenge(a.ID, bond(a))
	if err != nil {
		return auth.Entered[wire.LoggedIn]{}, err
	}
	return auth.Entered[wire.LoggedIn]{Body: wire.LoggedIn{
		Message: "Two-factor authentication required", Requires2FA: true, TempToken: token,
	}}, nil
}

// bond is what a temporary token of an account holds for: the password that was proven.
func bond(a Account) string { return fmt.Sprint("password ", a.PasswordEra) }

// SecondStep completes a login with a code of the authenticator or a backup code, each of which
// works once. The error is auth.ErrChallengeInvalid, ErrWrongCode, a fault of KindLocked or
// KindUnavailable, auth.ErrAccountDeleted, auth.ErrAccountBanned, auth.ErrAccountSuspended, or
// that of a session that does not count where the account was deactivated just now.
func (s *Service) SecondStep(ctx context.Context, in wire.SecondStep, from auth.Device) (auth.Entered[wire.LoggedIn], error) {
	c, err := s.sessions.Challenged(in.TempToken)
	if err != nil {
		return auth.Entered[wire.LoggedIn]{}, err
	}
	a, err := s.store.Account(ctx, c.User)
	switch {
	case errors.Is(err, ErrNoAccount), err == nil && !s.sessions.Holds(c, bond(a)):
		return auth.Entered[wire.LoggedIn]{}, auth.ErrChallengeInvalid
	case err != nil:
		return auth.Entered[wire.LoggedIn]{}, away("log in", err)
	}
	if err := s.mayEnter(a); err != nil {
		return auth.Entered[wire.LoggedIn]{}, err
	}
	if err := s.spend(ctx, a.ID, in.Token, from.Address); err != nil {
		return auth.Entered[wire.LoggedIn]{}, err
	}
	return s.enter(ctx, a, from)
}

// spend uses up a code of an account.
func (s *Service) spend(ctx context.Context, u id.User, code, address string) error {
	f, err := s.factor(ctx, u)
	switch {
	case err != nil:
		return err
	case !f.InForce:
		return auth.ErrChallengeInvalid // removed meanwhile: the password alone is enough now
	}
	spent, err := s.guesses.here.try(ctx, login{u.String(), network(address)}, errCodesLocked, func() (bool, error) {
		switch code := normalCode(code); len(code) {
		case backupCodeSize:
			return s.factors.SpendBackupCode(ctx, u, s.hashCode(u, code))
		case formerCodeSize, codeDigits:
			return s.guesses.everywhere.try(ctx, login{name: u.String()}, errCodesLocked, func() (bool, error) {
				if len(code) == formerCodeSize {
					return s.factors.SpendBackupCode(ctx, u, s.hashCode(u, code))
				}
				return s.spendDigits(ctx, u, f, code)
			})
		}
		return false, nil
	})
	if err != nil {
		return away("spend code", err)
	}
	if !spent {
		return ErrWrongCode
	}
	return nil
}

func (s *Service) spendDigits(ctx context.Context, u id.User, f SecondFactor, code string) (bool, error) {
	step, right := matchingStep(f.Secret, code, s.now())
	if !right || step <= f.LastStep {
		return false, nil
	}
	return s.factors.SpendStep(ctx, u, step)
}

// guesses counts wrong codes of second steps, by account: five from one address lock the second
// step for it. Forty wrong codes of the authenticator or of the former system from all addresses
// together lock such codes for everybody, since they are short enough to be guessed from many
// addresses. Whoever knows the password can bring that about, so backup codes of our own, which
// are too long to be guessed, neither count there nor are refused: with one the owner always gets in.
type guesses struct{ here, everywhere *failures }

const maxGuesses = 40

func newGuesses(now func() time.Time) guesses {
	return guesses{
		here: newFailures(now, maxFailures, maxRemembered, true),
		// Not forgiving: when the owner gets in, somebody else goes on guessing.
		everywhere: newFailures(now, maxGuesses, maxRemembered, false),
	}
}
