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

// LoggedIn answers a login.
type LoggedIn struct {
	Success                bool    `json:"success"`
	Message                string  `json:"message"`
	AccessToken            string  `json:"accessToken"`
	Suspicious             bool    `json:"suspicious"`
	AdminTwoFactorRequired bool    `json:"adminTwoFactorRequired"`
	CountryCode            *string `json:"countryCode"`
	RequiresSafetyCheck    bool    `json:"requiresSafetyCheck"`
	User                   User    `json:"user"`
}

// Refreshed carries a new access token.
type Refreshed struct {
	Success     bool   `json:"success"`
	AccessToken string `json:"accessToken"`
	User        User   `json:"user"`
}

// LoggedOut answers a logout.
type LoggedOut struct {
	Message string `json:"message"`
	Success bool   `json:"success"`
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

// Problem is the body of a refused request.
type Problem struct {
	Message    string         `json:"message"`
	Code       string         `json:"code"`
	Error      string         `json:"error,omitzero"`
	Success    *bool          `json:"success,omitzero"`    // false where the former client reads it
	Errors     []FieldProblem `json:"errors,omitzero"`     // what is wrong with which field
	RetryAfter int            `json:"retryAfter,omitzero"` // seconds
}

// FieldProblem says what is wrong with one field of a form.
type FieldProblem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Health answers a health check.
type Health struct {
	Status    string    `json:"status"`
	Message   string    `json:"message"`
	Timestamp time.Time `json:"timestamp"`
}
