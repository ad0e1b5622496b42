// Package people keeps accounts: who signs up, who logs in, and how others see them. It
// knows no message, no socket and no HTTP.
package people

import (
	"context"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
)

// An Account is one person.
type Account struct {
	ID           id.User
	Username     string // unique without regard to case
	Email        string // lower case, unique; empty once deleted
	DisplayName  string
	ProfilePhoto string
	// EmailVerified says that somebody has confirmed that the e-mail address is the owner's.
	EmailVerified bool
	PasswordHash  string // PHC string of argon2id, or one of bcrypt; empty: nobody can log in
	PasswordEra   int64  // counts how often the owner has replaced the password
	Revision      int64  // counts the changes of what the owner tells of themselves
	Role          string // user, moderator, admin, super_admin
	Details       Details
	Active        bool // false: deactivated by its owner
	Deleted       bool
	Banned        bool
	// SuspendedUntil is when a suspension is over. It is zero where there never was one.
	SuspendedUntil time.Time
	// System marks an account of the server's own, which nobody can log in to.
	System bool
	// ProfileAudience is who may look at the profile. Where it is empty everyone may.
	ProfileAudience Audience
	CreatedAt       time.Time
}

// Details are what a person tells of themselves. They are sealed at rest with their key.
type Details struct {
	FullName       string `json:"fullName"`
	Birthday       string `json:"birthday"` // YYYY-MM-DD
	Nickname       string `json:"nickname"`
	Pronouns       string `json:"pronouns"`
	CustomPronouns string `json:"customPronouns"`
	Gender         string `json:"gender"`
	CustomGender   string `json:"customGender"`
	CoverPhoto     string `json:"coverPhoto"`
	Bio            string `json:"bio"`
	Location       string `json:"location"`
	Website        string `json:"website"`
	Identity       string `json:"identity"`
}

// What a store answers about accounts.
var (
	ErrNoAccount     = fault.NotFound("USER_NOT_FOUND", "User not found")
	ErrEmailTaken    = fault.Conflict("EMAIL_TAKEN", "Email already registered")
	ErrUsernameTaken = fault.Conflict("USERNAME_TAKEN", "Username already taken")
)

// A Store keeps accounts.
type Store interface {
	// CreateAccount stores a new account, or answers ErrEmailTaken or ErrUsernameTaken.
	CreateAccount(ctx context.Context, a Account) error
	// Account returns an account, or ErrNoAccount.
	Account(ctx context.Context, u id.User) (Account, error)
	// AccountByLogin returns the account with this e-mail address or username, without regard
	// to case, or ErrNoAccount.
	AccountByLogin(ctx context.Context, login string) (Account, error)
	// SearchAccounts returns the accounts in use whose username or display name contains part,
	// without regard to case: who has exactly this username first, then those whose username
	// begins with it, then the others by username. Those in except are left out; at most limit
	// come back. part is lower case and not empty.
	SearchAccounts(ctx context.Context, part string, except []id.User, limit int) ([]Account, error)
	// UpgradePasswordHash puts another hash of the same password in the place of from. Where the
	// hash is another one meanwhile, it changes nothing.
	UpgradePasswordHash(ctx context.Context, u id.User, from, to string) error
	// ReplacePassword gives an account the hash of a new password and the next era, and ends all
	// sessions of the person but keep, all at once; ended are those that had not ended before.
	// It changes nothing and reports false where the era is not the present one or keep is no
	// living session of the person.
	ReplacePassword(ctx context.Context, u id.User, era int64, hash, keep string, at time.Time) (done bool, ended []string, err error)
	// SetProfile replaces the display name, the photo and the details of an account and raises
	// its revision. It changes nothing and reports false where the revision of a is not the
	// present one, or the account is deleted.
	SetProfile(ctx context.Context, a Account) (bool, error)
	// Reactivate puts an account into use again. It is ErrNoAccount where there is none.
	Reactivate(ctx context.Context, u id.User) error
	// Deactivate takes an account out of use and ends all sessions of the person at once. It
	// returns those that had not ended before. It is ErrNoAccount where there is none.
	Deactivate(ctx context.Context, u id.User, at time.Time) (ended []string, err error)
	// DeleteAccount marks an account as deleted and ends all sessions of the person at once. It
	// returns those that had not ended before. What the person told of themselves goes: details,
	// display name, photo, password, second factor and sessions. The e-mail address is free again; the
	// username stays taken, so that nobody can pass for somebody who wrote under it. It is
	// ErrNoAccount where there is none or it is deleted.
	DeleteAccount(ctx context.Context, u id.User, at time.Time) (ended []string, err error)
}
