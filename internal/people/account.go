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
	Email        string // lower case, unique
	DisplayName  string
	ProfilePhoto string
	PasswordHash string // PHC string of argon2id
	Role         string // user, moderator, admin, super_admin
	Details      Details
	Active       bool // false: deactivated by its owner
	Deleted      bool
	Banned       bool
	CreatedAt    time.Time
}

// Details are what a person tells of themselves. They are sealed at rest with their key.
type Details struct {
	FullName string `json:"fullName"`
	Birthday string `json:"birthday"` // YYYY-MM-DD
	Pronouns string `json:"pronouns"`
	Bio      string `json:"bio"`
	Identity string `json:"identity"`
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
	// SetPasswordHash replaces the hash of an account's password.
	SetPasswordHash(ctx context.Context, u id.User, hash string) error
	// SetActive says whether an account is in use or deactivated by its owner. It is
	// ErrNoAccount where there is none.
	SetActive(ctx context.Context, u id.User, active bool) error
}
