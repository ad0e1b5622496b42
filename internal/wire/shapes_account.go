package wire

import (
	"time"

	"pryde/internal/id"
)

// SignUp is what a new person fills in.
type SignUp struct {
	FullName     string `json:"fullName"` // 2 to 100 characters
	Username     string `json:"username"` // 3 to 30 letters, digits and underscores
	Email        string `json:"email"`
	Password     string `json:"password"` // 12 to 128 characters: lower and upper case, digit, special character
	Birthday     string `json:"birthday"` // a date; at least 18 years ago
	DisplayName  string `json:"displayName"`
	Pronouns     string `json:"pronouns"`
	Bio          string `json:"bio"`
	Identity     string `json:"identity"`
	CaptchaToken string `json:"captchaToken"` // accepted, not checked
	InviteCode   string `json:"inviteCode"`   // accepted, not checked
}

// LogIn names an account and proves that it is one's own.
type LogIn struct {
	Email    string `json:"email"` // or the username
	Password string `json:"password"`
}

// SignedUp answers a sign-up.
type SignedUp struct {
	Success             bool    `json:"success"`
	Message             string  `json:"message"`
	AccessToken         string  `json:"accessToken"`
	User                User    `json:"user"`
	CountryCode         *string `json:"countryCode"`
	RequiresSafetyCheck bool    `json:"requiresSafetyCheck"`
}

// LoggedIn answers a login. Where the account has a second factor the password alone gets no
// access: success is false, requires2FA is true, and tempToken is what the second step shows.
type LoggedIn struct {
	Success                bool    `json:"success"`
	Message                string  `json:"message"`
	AccessToken            string  `json:"accessToken,omitzero"`
	Requires2FA            bool    `json:"requires2FA,omitzero"`
	TempToken              string  `json:"tempToken,omitzero"` // good for ten minutes, for the second step alone
	Suspicious             bool    `json:"suspicious"`         // always false
	AdminTwoFactorRequired bool    `json:"adminTwoFactorRequired"`
	CountryCode            *string `json:"countryCode"`
	RequiresSafetyCheck    bool    `json:"requiresSafetyCheck"`
	User                   *User   `json:"user,omitzero"`
}

// SecondStep completes a login with a second factor.
type SecondStep struct {
	TempToken string `json:"tempToken"`
	Token     string `json:"token"` // six digits of the authenticator, or a backup code
}

// Refreshed carries a new access token.
type Refreshed struct {
	Success     bool   `json:"success"`
	AccessToken string `json:"accessToken"`
	User        User   `json:"user"`
}

// Done says that what was asked for is done.
type Done struct {
	Message string `json:"message"`
	Success bool   `json:"success"` // always true
}

// PasswordChange replaces one's password.
type PasswordChange struct {
	CurrentPassword string `json:"currentPassword"`
	NewPassword     string `json:"newPassword"` // as in a sign-up
}

// Proof shows that whoever has the token knows the password too.
type Proof struct {
	Password string `json:"password"`
}

// AuthStatus says whether the token that was shown, if any, counts.
type AuthStatus struct {
	Authenticated   bool        `json:"authenticated"`
	User            *StatusUser `json:"user"` // null where nobody is
	SafeModeEnabled bool        `json:"safeModeEnabled"`
}

// StatusUser is the little of one's own account that a status shows.
type StatusUser struct {
	ID           id.User `json:"id"`
	UnderscoreID id.User `json:"_id"` // the same as id
	Username     string  `json:"username"`
	DisplayName  string  `json:"displayName"`
	ProfilePhoto string  `json:"profilePhoto"`
}

// UsernameCheck says whether a username can be had.
type UsernameCheck struct {
	Available bool   `json:"available"`
	Message   string `json:"message"`
}

// User is a person's own account.
type User struct {
	ID               id.User   `json:"id"`
	UnderscoreID     id.User   `json:"_id"` // the same as id
	Username         string    `json:"username"`
	Email            string    `json:"email"`
	EmailVerified    bool      `json:"emailVerified"`
	FullName         string    `json:"fullName"`
	DisplayName      string    `json:"displayName"`
	Nickname         string    `json:"nickname"`
	Pronouns         string    `json:"pronouns"`
	CustomPronouns   string    `json:"customPronouns"`
	Gender           string    `json:"gender"`
	CustomGender     string    `json:"customGender"`
	ProfilePhoto     string    `json:"profilePhoto"`
	CoverPhoto       string    `json:"coverPhoto"`
	Bio              string    `json:"bio"`
	Location         string    `json:"location"`
	Website          string    `json:"website"`
	SocialLinks      []string  `json:"socialLinks"`
	Role             string    `json:"role"`
	Permissions      []string  `json:"permissions"`
	HasCompletedTour bool      `json:"hasCompletedTour"` // always true
	HasSkippedTour   bool      `json:"hasSkippedTour"`
	ShowTour         bool      `json:"showTour"` // always false
	Identity         string    `json:"identity"`
	CreatedAt        time.Time `json:"createdAt"`
}

// Account is a person's own account with everything that is set on it.
type Account struct {
	User
	Badges               []string       `json:"badges"`
	PrivacySettings      AccountPrivacy `json:"privacySettings"`
	LoginAlerts          LoginAlerts    `json:"loginAlerts"`
	TwoFactorEnabled     bool           `json:"twoFactorEnabled"`
	PushTwoFactorEnabled bool           `json:"pushTwoFactorEnabled"` // always false
	PreferPushTwoFactor  bool           `json:"preferPushTwoFactor"`  // always false
	HasPushSubscription  bool           `json:"hasPushSubscription"`
	Session              SessionLife    `json:"session"`
}

// AccountPrivacy is the part of one's privacy settings that comes with the account.
type AccountPrivacy struct {
	WhoCanMessage    string `json:"whoCanMessage"` // everyone, followers or no-one
	IsPrivateAccount bool   `json:"isPrivateAccount"`
}

// LoginAlerts say of which logins a person is told by e-mail; none are sent.
type LoginAlerts struct {
	Enabled                bool `json:"enabled"`
	EmailOnNewDevice       bool `json:"emailOnNewDevice"`
	EmailOnSuspiciousLogin bool `json:"emailOnSuspiciousLogin"`
}

// SessionLife says how long a session lasts without a refresh.
type SessionLife struct {
	TimeoutMs        int64     `json:"timeoutMs"`        // milliseconds
	TimeUntilTimeout int64     `json:"timeUntilTimeout"` // milliseconds
	LastActivity     time.Time `json:"lastActivity"`
}

// ProfileChange changes what a person tells of themselves. What is absent or null stays.
type ProfileChange struct {
	FullName       *string `json:"fullName"`    // 2 to 100 characters
	DisplayName    *string `json:"displayName"` // at most 50 characters; empty: the username
	Nickname       *string `json:"nickname"`
	Pronouns       *string `json:"pronouns"`
	CustomPronouns *string `json:"customPronouns"`
	Gender         *string `json:"gender"`
	CustomGender   *string `json:"customGender"`
	ProfilePhoto   *string `json:"profilePhoto"` // an https or http URL, or a path on this server
	CoverPhoto     *string `json:"coverPhoto"`   // likewise
	Bio            *string `json:"bio"`          // at most 500 characters
	Location       *string `json:"location"`
	Website        *string `json:"website"` // an https or http URL
	Identity       *string `json:"identity"`
}

// ProfileChanged answers a change of one's profile.
type ProfileChanged struct {
	Message string `json:"message"`
	User    User   `json:"user"`
}

// Problem is the body of a refused request.
type Problem struct {
	Message    string         `json:"message"`
	Code       string         `json:"code"`
	Error      string         `json:"error,omitzero"`
	Success    *bool          `json:"success,omitzero"`    // false where the former client reads it
	Errors     []FieldProblem `json:"errors,omitzero"`     // what is wrong with which field
	RetryAfter int            `json:"retryAfter,omitzero"` // minutes, the window of the limit; when to come back is in the header

	LockoutUntil time.Time `json:"lockoutUntil,omitzero"` // with status 423

	Email  string `json:"email,omitzero"`  // your own, with EMAIL_NOT_VERIFIED
	Action string `json:"action,omitzero"` // resend_verification with it
}

// FieldProblem says what is wrong with one field of a form.
type FieldProblem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}
