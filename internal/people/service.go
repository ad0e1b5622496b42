package people

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"pryde/internal/auth"
	"pryde/internal/dedup"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

const (
	// patience is how long a refresh waits for a store that is away: a page that is refused
	// logs its person out.
	patience = 8 * time.Second
	// retryEvery is how long it waits between attempts.
	retryEvery = 250 * time.Millisecond
	// knownFor is how long it is remembered how people look to others.
	knownFor = 5 * time.Minute
	// maxKnown bounds of how many people it is remembered.
	maxKnown = 100_000
)

// Bus tells every node of the server. Its methods must not block.
type Bus interface {
	// Revoke closes the sockets of a session that is over. final says that there is nothing to
	// tell the person about.
	Revoke(session, reason string, final bool)
	// Invalidate leads to Service.Forget, here before it returns.
	Invalidate(us ...id.User)
}

// Options are what a service is made of. All but the last two are required.
type Options struct {
	Store    Store
	Factors  SecondFactors
	Ties     Ties
	Sessions *auth.Sessions
	Bus      Bus
	// OnBlock is told of two people when the first block between them has come, or the last
	// has gone; rarely also when neither is so. It must not block.
	OnBlock func(a, b id.User)
	IDs     *id.Source
	Key     [32]byte // recognises backup codes
	Now     func() time.Time
	Rand    io.Reader // salts passwords and makes secrets; safe for concurrent use
	Log     *slog.Logger
	// VerifyEmail makes sign-ups unverified, and lets nobody write who is.
	VerifyEmail bool
	// FormerHashes makes hashes of passwords that the former system can check too.
	FormerHashes bool
}

// Service is the one place where accounts are made, entered and looked at. Its methods are
// safe for concurrent use. Where the store does not answer, the error is auth.ErrStoreAway.
type Service struct {
	*Standings
	factors   SecondFactors
	ties      Ties
	tied      *dedup.Cache[ties]
	sessions  *auth.Sessions
	bus       Bus
	onBlock   func(a, b id.User)
	ids       *id.Source
	key       [32]byte
	now       func() time.Time
	rand      io.Reader
	log       *slog.Logger
	passwords *passwords
	failures  *failures // of passwords
	guesses   guesses
	known     *dedup.Cache[card]
	verifying bool
}

// New returns a service.
func New(o Options) *Service {
	return &Service{
		Standings: NewStandings(o.Store, o.Now), factors: o.Factors, ties: o.Ties, sessions: o.Sessions, bus: o.Bus,
		onBlock: o.OnBlock, ids: o.IDs, key: o.Key, now: o.Now, rand: o.Rand, log: o.Log, verifying: o.VerifyEmail,
		passwords: newPasswords(o.Rand, o.FormerHashes),
		failures:  newFailures(o.Now, maxFailures, maxRemembered, true),
		guesses:   newGuesses(o.Now),
		tied:      dedup.New(dedup.Options[ties]{TTL: knownFor, MaxWeight: maxTies, Weigh: weighTies, Now: o.Now}),
		known:     dedup.New(dedup.Options[card]{TTL: knownFor, MaxWeight: maxKnown, Now: o.Now}),
	}
}

// ErrCredentials refuses a login. It does not say what is wrong.
var ErrCredentials = fault.Unauthenticated("INVALID_CREDENTIALS", "Invalid email or password")

// errLocked refuses every login by a name from an address with too many failures.
var errLocked = fault.Locked("ACCOUNT_LOCKED", "Too many failed login attempts. Please try again later.", lockout)

// MayJoin returns ErrUnderage for a form of somebody who is too young, and nil for every other.
func (s *Service) MayJoin(in wire.SignUp) error {
	if _, err := ofAge(in.Birthday, dayOf(s.now())); errors.Is(err, ErrUnderage) {
		return err
	}
	return nil
}

// SignUp makes an account and opens its first session. What is wrong with the form is a
// *Rejected, ErrUnderage, or a fault with the code of ErrEmailTaken or ErrUsernameTaken.
func (s *Service) SignUp(ctx context.Context, in wire.SignUp, from auth.Device) (auth.Entered[wire.SignedUp], error) {
	a, err := readSignUp(in, dayOf(s.now()))
	if err != nil {
		return auth.Entered[wire.SignedUp]{}, err
	}
	// The store decides in the end; asking first saves the hash of a name that is taken.
	if err := s.free(ctx, a); err != nil {
		return auth.Entered[wire.SignedUp]{}, err
	}
	if a.PasswordHash, err = s.passwords.hash(ctx, in.Password); err != nil {
		return auth.Entered[wire.SignedUp]{}, fmt.Errorf("sign up: %w", err)
	}
	a.ID = id.New[id.User](s.ids)
	a.EmailVerified = !s.verifying
	a.CreatedAt = s.now().UTC().Truncate(time.Millisecond)
	if err := s.store.CreateAccount(ctx, a); err != nil {
		return auth.Entered[wire.SignedUp]{}, taken(err)
	}

	tokens, _, err := s.sessions.Start(ctx, a.ID, from)
	if err != nil {
		return auth.Entered[wire.SignedUp]{}, fmt.Errorf("sign up: %w", err)
	}
	return entered(tokens, wire.SignedUp{
		Success: true, Message: "User registered successfully", AccessToken: tokens.Access, User: own(a),
	}), nil
}

func (s *Service) free(ctx context.Context, a Account) error {
	for _, ask := range []struct {
		name  string
		taken error
	}{{a.Email, ErrEmailTaken}, {a.Username, ErrUsernameTaken}} {
		_, err := s.store.AccountByLogin(ctx, ask.name)
		if err == nil {
			return taken(ask.taken)
		}
		if !errors.Is(err, ErrNoAccount) {
			return away("sign up", err)
		}
	}
	return nil
}

// taken answers what a store says about a name as a mistake in the form, as clients know it.
func taken(err error) error {
	for _, is := range []*fault.Fault{ErrEmailTaken, ErrUsernameTaken} {
		if errors.Is(err, is) {
			return fault.Invalid(is.Code, is.Text)
		}
	}
	return away("sign up", err)
}

// LogIn opens a session for somebody who knows the password of an account; where the account
// has a second factor, the answer carries a temporary token for SecondStep instead. It says the
// same where there is no such account, and takes as long as for one whose hash was made here. An account that its owner
// deactivated is active again afterwards. The error is ErrCredentials, a *Rejected, a fault of
// KindLocked with the code ACCOUNT_LOCKED, auth.ErrAccountDeleted, auth.ErrSystemAccount,
// auth.ErrAccountBanned, auth.ErrAccountSuspended, one of KindUnavailable with the code BUSY, or
// that of a session that does not count where the account was deactivated just now.
func (s *Service) LogIn(ctx context.Context, in wire.LogIn, from auth.Device) (auth.Entered[wire.LoggedIn], error) {
	name, err := readLogIn(in)
	if err != nil {
		return auth.Entered[wire.LoggedIn]{}, err
	}
	a, err := s.prove(ctx, name, in.Password, from.Address)
	if err != nil {
		return auth.Entered[wire.LoggedIn]{}, err
	}
	if err := s.mayEnter(a); err != nil {
		return auth.Entered[wire.LoggedIn]{}, err
	}
	f, err := s.factor(ctx, a.ID)
	if err != nil {
		return auth.Entered[wire.LoggedIn]{}, err
	}
	if f.InForce {
		return s.challenge(a)
	}
	return s.enter(ctx, a, from)
}

// enter opens a session for somebody who has proven everything that is asked of them. a is the
// account as it was then: it may have changed in the queue for the password.
func (s *Service) enter(ctx context.Context, a Account, from auth.Device) (auth.Entered[wire.LoggedIn], error) {
	now, err := s.stillProven(ctx, a)
	if err == nil && !now.Active {
		err = s.reactivate(ctx, a.ID)
	}
	if err != nil {
		return auth.Entered[wire.LoggedIn]{}, err
	}
	tokens, n, err := s.sessions.Start(ctx, a.ID, from)
	if err != nil {
		return auth.Entered[wire.LoggedIn]{}, fmt.Errorf("log in: %w", err)
	}
	// What ended all sessions between the look at the account and now did not end this one.
	_, err = s.stillProven(ctx, a)
	if err == nil {
		err = s.sessions.Check(ctx, auth.Identity{User: a.ID, Session: n.ID})
	}
	if err != nil {
		_, revoking := s.sessions.Revoke(ctx, n.ID)
		return auth.Entered[wire.LoggedIn]{}, errors.Join(err, revoking)
	}
	over, err := s.sessions.Trim(ctx, a.ID)
	if err != nil {
		return auth.Entered[wire.LoggedIn]{}, fmt.Errorf("log in: %w", err)
	}
	s.closeSockets(over, reasonElsewhere, false)
	u := own(now)
	return entered(tokens, wire.LoggedIn{Success: true, Message: "Login successful", AccessToken: tokens.Access, User: &u}), nil
}

// stillProven returns an account as it is now, unless its password was replaced since it was
// proven or its owner may not enter.
func (s *Service) stillProven(ctx context.Context, a Account) (Account, error) {
	now, err := s.store.Account(ctx, a.ID)
	switch {
	case err != nil:
		return Account{}, away("log in", err)
	case now.PasswordEra != a.PasswordEra:
		return Account{}, ErrCredentials
	}
	return now, s.mayEnter(now)
}

// prove returns the account of a login whose password is right.
func (s *Service) prove(ctx context.Context, name, password, address string) (Account, error) {
	a, err := s.store.AccountByLogin(ctx, name)
	exists := err == nil
	if !exists && !errors.Is(err, ErrNoAccount) {
		return Account{}, away("log in", err)
	}
	// Failures are counted by the name that was typed. Counted by account, those of a username
	// would lock one e-mail address out of all, and so tell whose it is. An account has two names,
	// so ten guesses are what one address has.
	var better string
	right, err := s.failures.try(ctx, login{name, network(address)}, errLocked, func() (right bool, err error) {
		right, better, err = s.check(ctx, a, password)
		return right, err
	})
	if err != nil {
		return Account{}, fmt.Errorf("log in: %w", err)
	}
	if !right {
		return Account{}, ErrCredentials
	}
	if better != "" {
		if err := s.store.UpgradePasswordHash(ctx, a.ID, a.PasswordHash, better); err != nil {
			return Account{}, away("log in", err)
		}
	}
	return a, nil
}

// check is passwords.check for an account. A hash that is damaged is nobody's password.
func (s *Service) check(ctx context.Context, a Account, password string) (right bool, better string, err error) {
	right, better, err = s.passwords.check(ctx, a.PasswordHash, password)
	if errors.Is(err, errHashForm) {
		s.log.ErrorContext(ctx, "the password hash of an account is damaged", "user", a.ID)
		return false, "", nil
	}
	return right, better, err
}

func (s *Service) reactivate(ctx context.Context, u id.User) error {
	// Also when it fails: the change may be stored all the same.
	defer s.bus.Invalidate(u)
	if err := s.store.Reactivate(ctx, u); err != nil {
		return away("reactivate account", err)
	}
	return nil
}

// Refresh trades a refresh token for new tokens (auth.Sessions.Refresh says how). While the
// store is away it waits for it, up to eight seconds. The device of a session stays the one
// that it was opened on.
func (s *Service) Refresh(ctx context.Context, token string) (auth.Entered[wire.Refreshed], error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		e, err := s.refresh(ctx, token)
		if err == nil || fault.Of(err).Kind != fault.KindUnavailable {
			return e, err
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
			return e, err
		}
	}
}

func (s *Service) refresh(ctx context.Context, token string) (auth.Entered[wire.Refreshed], error) {
	tokens, n, err := s.sessions.Refresh(ctx, token)
	if errors.Is(err, auth.ErrRefreshReused) {
		s.bus.Revoke(n.ID, reasonElsewhere, false)
	}
	if err != nil {
		return auth.Entered[wire.Refreshed]{}, err
	}
	// A failure here costs nothing: the same token gets the same answer again.
	a, err := s.store.Account(ctx, n.User)
	if err != nil {
		return auth.Entered[wire.Refreshed]{}, away("refresh", err)
	}
	return entered(tokens, wire.Refreshed{Success: true, AccessToken: tokens.Access, User: own(a)}), nil
}

func entered[B any](t auth.Tokens, body B) auth.Entered[B] {
	return auth.Entered[B]{Body: body, RefreshToken: t.Refresh, Expires: t.Expires}
}

// own shows an account to its owner.
func own(a Account) wire.User {
	d := a.Details
	return wire.User{
		ID: a.ID, UnderscoreID: a.ID, Username: a.Username, Email: a.Email,
		EmailVerified: a.EmailVerified,
		FullName:      d.FullName, DisplayName: a.DisplayName, Nickname: d.Nickname,
		Pronouns: d.Pronouns, CustomPronouns: d.CustomPronouns, Gender: d.Gender, CustomGender: d.CustomGender,
		ProfilePhoto: a.ProfilePhoto, CoverPhoto: d.CoverPhoto, Bio: d.Bio, Location: d.Location, Website: d.Website,
		SocialLinks: []string{}, Role: a.Role, Permissions: []string{}, HasCompletedTour: true,
		Identity: d.Identity, CreatedAt: a.CreatedAt,
	}
}

// away answers that the store does not answer, and keeps faults as they are.
func away(doing string, err error) error {
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	return auth.ErrStoreAway.Because(fmt.Errorf("%s: %w", doing, err))
}
