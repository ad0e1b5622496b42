package people

import (
	"errors"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pryde/internal/fault"
	"pryde/internal/plaintext"
	"pryde/internal/wire"
)

// Limits of what people tell of themselves, in characters where nothing else is said.
const (
	MinFullName    = 2
	MaxFullName    = 100
	MinUsername    = 3
	MaxUsername    = 30
	MaxEmail       = 254 // bytes
	MinPassword    = 12
	MaxPassword    = 128
	MaxDisplayName = 50
	MaxPronouns    = 50
	MaxIdentity    = 100
	MaxBio         = 500
	MaxLocation    = 100
	MinAge         = 18 // years
	maxAge         = 150
)

// maxField bounds what is looked at of one field, in bytes.
const maxField = 64 << 10

// maxUnread bounds a field that is taken and not looked at, in bytes.
const maxUnread = 8 << 10

// What a username and a new password have to be.
const (
	usernameRule = "Username must be 3 to 30 letters, digits and underscores"
	passwordRule = "Password must be 12 to 128 characters with a lower case letter, an upper case letter, a digit and a special character"
)

var (
	errRejected = fault.Invalid("VALIDATION_FAILED", "Validation failed")
	// ErrUnderage refuses a sign-up before the eighteenth birthday.
	ErrUnderage = fault.Forbidden("UNDERAGE", "You must be at least 18 years old to use this platform")
)

// Rejected is the error of a form with mistakes. Its fault is VALIDATION_FAILED; the mistakes
// are for the door to show beside it.
type Rejected struct{ Fields []wire.FieldProblem }

func (r *Rejected) Error() string { return errRejected.Error() }

// Unwrap returns the fault.
func (r *Rejected) Unwrap() error { return errRejected }

// Problems returns what is wrong with which field, in the order of the form.
func (r *Rejected) Problems() []wire.FieldProblem { return r.Fields }

// A form collects what is wrong with its fields.
type form struct{ problems []wire.FieldProblem }

func (f *form) check(ok bool, field, message string) {
	if !ok {
		f.problems = append(f.problems, wire.FieldProblem{Field: field, Message: message})
	}
}

func (f *form) err() error {
	if len(f.problems) == 0 {
		return nil
	}
	return &Rejected{f.problems}
}

// line checks a field of one line whose text has been cleaned.
func (f *form) line(text string, least, most int, field, message string) {
	n := utf8.RuneCountInString(text)
	if n < least || n > most {
		f.check(false, field, message)
		return
	}
	f.check(text == "" || legible(text), field, "Please use visible characters only")
}

// readSignUp checks a sign-up and returns the account that it asks for, without id, hash and
// time. today is a day in UTC.
func readSignUp(in wire.SignUp, today time.Time) (Account, error) {
	birthday, err := ofAge(in.Birthday, today)
	if errors.Is(err, ErrUnderage) {
		return Account{}, err
	}
	a := Account{
		Username: strings.TrimSpace(in.Username), Email: normalEmail(in.Email), DisplayName: clean(in.DisplayName),
		Role: "user", Active: true,
		Details: Details{
			FullName: clean(in.FullName), Birthday: birthday.Format(time.DateOnly), Pronouns: clean(in.Pronouns),
			Bio: clean(in.Bio), Identity: clean(in.Identity),
		},
	}
	var f form
	f.line(a.Details.FullName, MinFullName, MaxFullName, "fullName", "Full name must be between 2 and 100 characters")
	f.check(isUsername(a.Username), "username", usernameRule)
	f.check(isEmail(a.Email), "email", "Please enter a valid email address")
	f.check(isPassword(in.Password), "password", passwordRule)
	f.check(err == nil && today.Year()-birthday.Year() <= maxAge, "birthday", "Please enter a valid date of birth")
	f.line(a.DisplayName, 0, MaxDisplayName, "displayName", "Display name must be at most 50 characters")
	f.line(a.Details.Pronouns, 0, MaxPronouns, "pronouns", "Pronouns must be at most 50 characters")
	f.check(utf8.RuneCountInString(a.Details.Bio) <= MaxBio, "bio", "Bio must be at most 500 characters")
	f.line(a.Details.Identity, 0, MaxIdentity, "identity", "Identity must be at most 100 characters")
	f.check(len(in.CaptchaToken) <= maxUnread, "captchaToken", "The captcha token is too long")
	f.check(len(in.InviteCode) <= maxUnread, "inviteCode", "The invite code is too long")
	if a.DisplayName == "" {
		a.DisplayName = a.Username
	}
	return a, f.err()
}

// readLogIn checks a login and returns the name of the account as it is looked up.
func readLogIn(in wire.LogIn) (string, error) {
	name := normalEmail(in.Email)
	var f form
	f.check(name != "" && len(name) <= MaxEmail, "email", "Please enter your email address")
	f.checkPassword(in.Password, "password")
	return name, f.err()
}

// clean makes plain text of a field. What is far too long is not looked at: it is refused for
// its length as it is.
func clean(s string) string {
	if len(s) > maxField {
		return s
	}
	return plaintext.Clean(s)
}

func normalEmail(s string) string {
	if len(s) > maxField {
		return s
	}
	return strings.ToLower(strings.TrimSpace(s))
}

func isUsername(s string) bool {
	return len(s) >= MinUsername && len(s) <= MaxUsername && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
}

// isEmail takes an address of the common form: a bare local part and a domain with a full
// stop.
func isEmail(s string) bool {
	if len(s) > MaxEmail || strings.ContainsAny(s, " \"<>()[]\\,;:") {
		return false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return false
	}
	_, domain, _ := strings.Cut(s, "@")
	return strings.Contains(domain, ".") && !strings.HasSuffix(domain, ".") && !strings.HasPrefix(domain, "-")
}

func isPassword(s string) bool {
	if n := utf8.RuneCountInString(s); n < MinPassword || n > MaxPassword || !utf8.ValidString(s) {
		return false
	}
	special := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsSpace(r) }
	for _, kind := range []func(rune) bool{unicode.IsLower, unicode.IsUpper, unicode.IsDigit, special} {
		if !strings.ContainsFunc(s, kind) {
			return false
		}
	}
	return true
}

var errNoBirthday = errors.New("no day of the past")

// ofAge reads a birthday. The error is errNoBirthday or ErrUnderage.
func ofAge(s string, today time.Time) (time.Time, error) {
	birthday, ok := parseBirthday(s)
	switch {
	case !ok || birthday.After(today):
		return time.Time{}, errNoBirthday
	case underage(birthday, today):
		return time.Time{}, ErrUnderage
	}
	return birthday, nil
}

// parseBirthday reads a date, alone or with a time behind it, as a day in UTC.
func parseBirthday(s string) (time.Time, bool) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return dayOf(t), true
		}
	}
	return time.Time{}, false
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// underage reports whether today is before the eighteenth birthday. Who was born on 29
// February has it on 1 March.
func underage(birthday, today time.Time) bool {
	return today.Before(birthday.AddDate(MinAge, 0, 0))
}
