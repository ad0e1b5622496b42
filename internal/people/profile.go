package people

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

const (
	maxURL          = 2048 // bytes
	maxSearch       = MaxDisplayName
	maxFound        = 20
	maxEditAttempts = 4 // how often a change of a profile starts again because another came between

	// longestTimer is the longest time of a session that is told, in milliseconds: a browser's
	// timer that is set for more than 2^31-1 goes off at once.
	longestTimer = int64(24 * 24 * time.Hour / time.Millisecond)
)

var errEditConflict = fault.Conflict("PROFILE_CONFLICT", "The profile was changed at the same time, please try again").After(time.Second)

// Me returns the account of the caller with everything that is set on it.
func (s *Service) Me(ctx context.Context, who auth.Identity) (wire.Account, error) {
	a, err := s.store.Account(ctx, who.User)
	switch {
	case errors.Is(err, ErrNoAccount):
		return wire.Account{}, auth.ErrUserNotFound
	case err != nil:
		return wire.Account{}, away("load account", err)
	}
	n, err := s.sessions.Find(ctx, who.Session)
	switch {
	case errors.Is(err, auth.ErrNoSession):
		return wire.Account{}, auth.ErrSessionEnded
	case err != nil:
		return wire.Account{}, err
	}
	f, err := s.factor(ctx, who.User)
	if err != nil {
		return wire.Account{}, err
	}
	t, err := s.tiesOf(ctx, who.User)
	if err != nil {
		return wire.Account{}, err
	}
	return wire.Account{
		User: own(a), Badges: []string{}, PrivacySettings: wire.AccountPrivacy{WhoCanMessage: string(t.audience)},
		TwoFactorEnabled: f.InForce, Session: s.life(n),
	}, nil
}

func (s *Service) life(n auth.Session) wire.SessionLife {
	end, timeout := n.ExpiresAt, n.ExpiresAt.Sub(n.RotatedAt)
	if idle := s.sessions.IdleTimeout(); idle > 0 {
		end, timeout = n.LastActive.Add(idle), idle
	}
	return wire.SessionLife{
		TimeoutMs:        min(timeout.Milliseconds(), longestTimer),
		TimeUntilTimeout: min(max(end.Sub(s.now()).Milliseconds(), 0), longestTimer),
		LastActivity:     n.LastActive,
	}
}

// Status says who the caller is; a zero identity is nobody.
func (s *Service) Status(ctx context.Context, who auth.Identity) (wire.AuthStatus, error) {
	if who.User.IsZero() {
		return wire.AuthStatus{}, nil
	}
	p, err := s.Person(ctx, who.User)
	if err != nil {
		return wire.AuthStatus{}, err
	}
	return wire.AuthStatus{Authenticated: true, User: &wire.StatusUser{
		ID: p.ID, UnderscoreID: p.ID, Username: p.Username, DisplayName: p.DisplayName, ProfilePhoto: p.ProfilePhoto,
	}}, nil
}

// CheckUsername says whether a username can be had.
func (s *Service) CheckUsername(ctx context.Context, name string) (wire.UsernameCheck, error) {
	if !isUsername(name) {
		return wire.UsernameCheck{Message: usernameRule}, nil
	}
	_, err := s.store.AccountByLogin(ctx, name)
	switch {
	case errors.Is(err, ErrNoAccount):
		return wire.UsernameCheck{Available: true, Message: "Username is available"}, nil
	case err != nil:
		return wire.UsernameCheck{}, away("check username", err)
	}
	return wire.UsernameCheck{Message: ErrUsernameTaken.Text}, nil
}

// Search returns at most 20 people whose username or display name contains a text, without
// regard to case. The caller, people who are not in use, and people behind a block in either
// direction are not among them.
func (s *Service) Search(ctx context.Context, who auth.Identity, text string) ([]wire.FoundPerson, error) {
	if len(text) > maxField {
		return nil, nil
	}
	part := strings.ToLower(strings.TrimSpace(text))
	if part == "" || utf8.RuneCountInString(part) > maxSearch || !utf8.ValidString(part) {
		return nil, nil // no name is like that
	}
	blocked, err := s.BlockedWith(ctx, who.User)
	if err != nil {
		return nil, err
	}
	found, err := s.store.SearchAccounts(ctx, part, append(slices.Collect(maps.Keys(blocked)), who.User), maxFound)
	if err != nil {
		return nil, away("search people", err)
	}
	shown := make([]wire.FoundPerson, 0, len(found))
	for _, a := range found {
		p := wire.FoundPerson{ID: a.ID, Username: a.Username, DisplayName: a.DisplayName, ProfilePhoto: a.ProfilePhoto}
		if a.public() {
			p.Bio = a.Details.Bio
		}
		shown = append(shown, p)
	}
	return shown, nil
}

// Refusals of a profile.
var (
	// ErrInaccessible answers who asks for the profile of somebody who blocks them.
	ErrInaccessible = fault.Forbidden("PROFILE_NOT_ACCESSIBLE", "Profile not accessible")
	// ErrProfilePrivate answers who asks for the profile of somebody who shows it to nobody.
	ErrProfilePrivate = fault.Forbidden("PROFILE_PRIVATE", "This profile is private")
	// ErrProfileFollowers answers who does not follow somebody who shows it to followers.
	ErrProfileFollowers = fault.Forbidden("PROFILE_FOLLOWERS_ONLY", "This profile is only visible to followers")
)

// Profile returns what the caller may know of a person, by id or username, or ErrNoAccount
// where there is none or they are deleted, ErrInaccessible, ErrProfilePrivate or
// ErrProfileFollowers. Of somebody who is not in use, that is their name and little else.
func (s *Service) Profile(ctx context.Context, who auth.Identity, identifier string) (wire.Profile, error) {
	a, err := s.identified(ctx, identifier)
	if err != nil {
		return wire.Profile{}, err
	}
	theirs, err := s.tiesOf(ctx, a.ID)
	switch {
	case err != nil:
		return wire.Profile{}, err
	case theirs.mine[who.User]:
		return wire.Profile{}, ErrInaccessible
	}
	p := wire.Profile{
		ID: a.ID, UnderscoreID: a.ID, Username: a.Username, DisplayName: a.DisplayName, ProfilePhoto: a.ProfilePhoto,
		IsActive: a.Active && !a.Banned, CreatedAt: a.CreatedAt, Badges: []string{},
	}
	if !p.IsActive {
		return p, nil
	}
	d := a.Details
	p.Nickname, p.Pronouns, p.CoverPhoto, p.Bio = d.Nickname, d.Pronouns, d.CoverPhoto, d.Bio
	if p.IsFollowing, err = s.ties.Follows(ctx, who.User, a.ID); err != nil {
		return wire.Profile{}, away("look up follower", err)
	}
	if p.FollowsYou, err = s.ties.Follows(ctx, a.ID, who.User); err != nil {
		return wire.Profile{}, away("look up follower", err)
	}
	if err := mayLook(a, who.User, p.IsFollowing); err != nil {
		return wire.Profile{}, err
	}
	return p, nil
}

// mayLook returns nil for whoever may look at the profile of an account.
func mayLook(a Account, u id.User, follows bool) error {
	switch {
	case a.public() || a.ID == u:
		return nil
	case a.ProfileAudience == Followers && follows:
		return nil
	case a.ProfileAudience == Followers:
		return ErrProfileFollowers
	}
	return ErrProfilePrivate
}

// public reports whether everyone may look at the profile.
func (a Account) public() bool { return a.ProfileAudience == "" || a.ProfileAudience == Everyone }

// identified finds an account by its id, else by its username. Addresses are no identifiers:
// whether one has an account is nobody's business.
func (s *Service) identified(ctx context.Context, identifier string) (Account, error) {
	a, err := Account{}, error(ErrNoAccount)
	if u, parsing := id.Parse[id.User](identifier); parsing == nil {
		a, err = s.store.Account(ctx, u)
	}
	if errors.Is(err, ErrNoAccount) && isUsername(identifier) {
		a, err = s.store.AccountByLogin(ctx, identifier)
	}
	switch {
	case err != nil:
		return Account{}, away("look up person", err)
	case a.Deleted:
		return Account{}, ErrNoAccount
	}
	return a, nil
}

// ChangeProfile changes what the caller tells of themselves. What is not there stays as it
// is. A mistake is a *Rejected.
func (s *Service) ChangeProfile(ctx context.Context, who auth.Identity, in wire.ProfileChange) (wire.ProfileChanged, error) {
	// Also when it fails: the change may be stored all the same.
	defer s.bus.Invalidate(who.User)
	for range maxEditAttempts {
		a, err := s.store.Account(ctx, who.User)
		switch {
		case errors.Is(err, ErrNoAccount), err == nil && a.Deleted:
			return wire.ProfileChanged{}, auth.ErrUserNotFound
		case err != nil:
			return wire.ProfileChanged{}, away("change profile", err)
		}
		if err := edit(&a, in); err != nil {
			return wire.ProfileChanged{}, err
		}
		changed, err := s.store.SetProfile(ctx, a)
		if err != nil {
			return wire.ProfileChanged{}, away("change profile", err)
		}
		if changed {
			return wire.ProfileChanged{Message: "Profile updated successfully", User: own(a)}, nil
		}
	}
	return wire.ProfileChanged{}, errEditConflict
}

// edit makes the changes in an account, or returns what is wrong with them.
func edit(a *Account, in wire.ProfileChange) error {
	var f form
	d := &a.Details
	for _, field := range []struct {
		value       *string
		of          *string
		name, label string
		least, most int // characters
	}{
		{in.FullName, &d.FullName, "fullName", "Full name", MinFullName, MaxFullName},
		{in.DisplayName, &a.DisplayName, "displayName", "Display name", 0, MaxDisplayName},
		{in.Nickname, &d.Nickname, "nickname", "Nickname", 0, MaxDisplayName},
		{in.Pronouns, &d.Pronouns, "pronouns", "Pronouns", 0, MaxPronouns},
		{in.CustomPronouns, &d.CustomPronouns, "customPronouns", "Pronouns", 0, MaxPronouns},
		{in.Gender, &d.Gender, "gender", "Gender", 0, MaxIdentity},
		{in.CustomGender, &d.CustomGender, "customGender", "Gender", 0, MaxIdentity},
		{in.Location, &d.Location, "location", "Location", 0, MaxLocation},
		{in.Identity, &d.Identity, "identity", "Identity", 0, MaxIdentity},
	} {
		if field.value != nil {
			*field.of = clean(*field.value)
			f.line(*field.of, field.least, field.most, field.name, fmt.Sprintf("%s must be %d to %d characters", field.label, field.least, field.most))
		}
	}
	if a.DisplayName == "" {
		a.DisplayName = a.Username
	}
	if in.Bio != nil {
		d.Bio = clean(*in.Bio)
		f.check(utf8.RuneCountInString(d.Bio) <= MaxBio, "bio", "Bio must be at most 500 characters")
	}
	for _, field := range []struct {
		value *string
		of    *string
		name  string
		local bool // a path on this server is taken too
	}{
		{in.ProfilePhoto, &a.ProfilePhoto, "profilePhoto", true},
		{in.CoverPhoto, &d.CoverPhoto, "coverPhoto", true},
		{in.Website, &d.Website, "website", false},
	} {
		if field.value != nil {
			*field.of = strings.TrimSpace(*field.value)
			f.check(isLink(*field.of, field.local), field.name, "Please enter a valid address")
		}
	}
	return f.err()
}

// isLink takes nothing, an http or https URL, and where local is set a path on this server.
// What browsers would read in another way is none.
func isLink(s string, local bool) bool {
	if s == "" {
		return true
	}
	if len(s) > maxURL || strings.ContainsAny(s, "\\\"'<>") || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return false
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.User != nil:
		return false
	case u.Scheme == "" && u.Host == "":
		return local && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//")
	}
	return (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
