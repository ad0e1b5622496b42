package mongostore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pquerna/otp/totp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/wire"
)

// oldNow is when the old data is looked at.
var oldNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// An oldAccount is what somebody knew who used the former system.
type oldAccount struct {
	Username, ID, Email, Password string
	TOTPSecret                    string
	BackupCodes                   []struct {
		Code string
		Used bool
	}
	AccessToken, RefreshToken                                       string
	RevokedAccessToken, CacheOnlyAccessToken, StaleCacheAccessToken string
}

func oldAccounts(t testing.TB) map[string]oldAccount {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(oldData, "accounts.json"))
	var list []oldAccount
	if err == nil {
		err = json.Unmarshal(raw, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	accounts := make(map[string]oldAccount, len(list))
	for _, a := range list {
		accounts[a.Username] = a
	}
	return accounts
}

// oldPeople returns a store over the people of the former system.
func oldPeople(t testing.TB, o Options) *opened {
	t.Helper()
	d := database(t)
	loadOld(t, d, usersName, sessionsName, blocksName, followsName)
	o.FormerKey = oldKey
	return openWith(t, d, o)
}

// A reception lets the people of the former system in.
type reception struct {
	*people.Service
	sessions *auth.Sessions
}

// Revoke and Invalidate tell nobody: there is one node, without sockets.
func (reception) Revoke(string, string, bool) {}
func (reception) Invalidate(...id.User)       {}

func receive(t testing.TB, s *Store) reception {
	t.Helper()
	now := func() time.Time { return oldNow }
	sessions, err := auth.New(auth.Options{
		Store: s, Accounts: people.NewStandings(s, now), Now: now, Rand: rand.Reader,
		Keys: auth.Keys{
			Access: auth.NewSecret([]byte("old-jwt-secret-for-tests")), Refresh: auth.NewSecret([]byte("old-refresh-secret-for-tests")),
		},
		AccessExpiry: 15 * time.Minute, RefreshExpiry: 30 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.vault.ServerKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return reception{sessions: sessions, Service: people.New(people.Options{
		Store: s, Factors: s, Ties: s, Sessions: sessions, Bus: reception{}, OnBlock: func(a, b id.User) {},
		IDs: id.NewSource(now, rand.Reader), Key: key, Now: now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})}
}

func (r reception) logIn(ctx context.Context, a oldAccount) (wire.LoggedIn, error) {
	e, err := r.LogIn(ctx, wire.LogIn{Email: a.Email, Password: a.Password}, auth.Device{UserAgent: "new", Address: "192.0.2.1"})
	return e.Body, err
}

func differs(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// refusedAs reports whether an error is what a client sees of a fault; nil is no error.
func refusedAs(err error, want *fault.Fault) bool {
	if want == nil || err == nil {
		return err == nil && want == nil
	}
	got := fault.Of(err)
	return got.Kind == want.Kind && got.Code == want.Code && got.Text == want.Text
}

func TestOldAccountsAreReadAsTheyAre(t *testing.T) {
	s := oldPeople(t, Options{})
	known := oldAccounts(t)
	for name, check := range map[string]func(a people.Account, to people.Audience) bool{
		"alice": func(a people.Account, to people.Audience) bool {
			return a.DisplayName == "Alice" && a.ProfilePhoto == "/upload/image/alice-1.jpg" && a.EmailVerified && a.Role == "user" &&
				a.Details == people.Details{FullName: "Full alice", Birthday: "1982-10-18", Pronouns: "they/them", Gender: "woman", Bio: "a bio"} && to == people.Everyone
		},
		"bob":   func(_ people.Account, to people.Audience) bool { return to == people.Followers },
		"carol": func(_ people.Account, to people.Audience) bool { return to == people.Followers },
		"dave": func(a people.Account, to people.Audience) bool {
			return a.ProfileAudience == people.Followers && to == people.NoOne
		},
		"erin":  func(a people.Account, _ people.Audience) bool { return !a.Active },
		"frank": func(a people.Account, _ people.Audience) bool { return a.Deleted && a.Email == "" },
		"grace": func(a people.Account, _ people.Audience) bool { return a.Banned },
		"heidi": func(a people.Account, _ people.Audience) bool { return a.SuspendedUntil.Year() == 2099 },
		"ivan": func(a people.Account, _ people.Audience) bool {
			return !a.SuspendedUntil.IsZero() && a.SuspendedUntil.Before(oldNow)
		},
		"judy": func(a people.Account, _ people.Audience) bool {
			return a.Role == "admin" && a.DisplayName == "judy" && a.Details.Gender == "non-binary"
		},
		"mallory": func(a people.Account, to people.Audience) bool {
			return to == people.Followers && a.ProfileAudience == people.Followers
		},
		"oldtimer": func(a people.Account, to people.Audience) bool {
			return a.Active && a.Role == "user" && a.DisplayName == "oldtimer" && !a.EmailVerified && a.ProfilePhoto == "uploads/old.jpg" &&
				a.Details == people.Details{FullName: "Old Timer", Birthday: "1961-05-04"} && to == people.Followers
		},
		"nour":  func(a people.Account, _ people.Audience) bool { return a.DisplayName == "نور" && !a.EmailVerified },
		"guide": func(a people.Account, _ people.Audience) bool { return a.System && a.Active },
	} {
		a, err := s.Account(t.Context(), oldUser(known[name].ID))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bonds, err := s.Bonds(t.Context(), a.ID)
		if err != nil || !check(a, bonds.Audience) || a.Username != name || a.PasswordEra != 0 || a.Revision != 0 {
			t.Errorf("%s is %+v for %q, %v", name, a, bonds.Audience, err)
		}
		for _, login := range []string{strings.ToUpper(name), strings.ToUpper(known[name].Email)} {
			if found, err := s.AccountByLogin(t.Context(), login); err != nil || found.ID != a.ID {
				t.Errorf("%s is %s, %v", login, found.Username, err)
			}
		}
	}
}

// TestOldAccountsLogIn holds what the former system answered, except where it was wrong: mallory
// could not log in, and a deleted account came back.
func TestOldAccountsLogIn(t *testing.T) {
	s := oldPeople(t, Options{})
	r := receive(t, s.Store)
	refused := map[string]*fault.Fault{
		"frank": auth.ErrAccountDeleted, "grace": auth.ErrAccountBanned, "heidi": auth.ErrAccountSuspended, "guide": auth.ErrSystemAccount,
	}
	for name, a := range oldAccounts(t) {
		in, err := r.logIn(t.Context(), a)
		if !refusedAs(err, refused[name]) {
			t.Errorf("%s: %v, want %v", name, err, refused[name])
			continue
		}
		if err != nil {
			continue
		}
		if in.Requires2FA != (a.TOTPSecret != "") {
			t.Errorf("%s: a second factor is asked for: %t", name, in.Requires2FA)
		}
		stored, err := s.Account(t.Context(), oldUser(a.ID))
		if err != nil || !stored.Active {
			t.Errorf("%s is active: %t, %v", name, stored.Active, err)
		}
		// Of a password that is longer than 72 bytes the end was never proven.
		if replaced := strings.HasPrefix(stored.PasswordHash, "$argon2id$"); replaced != (len(a.Password) <= 72) {
			t.Errorf("%s: the hash is %s", name, stored.PasswordHash)
		}
		if in.User != nil && (in.User.Email != a.Email || in.User.ID != oldUser(a.ID)) {
			t.Errorf("%s logged in as %+v", name, in.User)
		}
	}
}

func TestOldSecondFactorsOpenTheAccount(t *testing.T) {
	s := oldPeople(t, Options{})
	r := receive(t, s.Store)
	for _, name := range []string{"carol", "peggy"} {
		a := oldAccounts(t)[name]
		u := oldUser(a.ID)
		in, err := r.logIn(t.Context(), a)
		if err != nil || in.TempToken == "" {
			t.Fatalf("%s: %+v, %v", name, in, err)
		}
		second := func(code string) error {
			e, err := r.SecondStep(t.Context(), wire.SecondStep{TempToken: in.TempToken, Token: code}, auth.Device{Address: "192.0.2.1"})
			if err == nil && e.Body.AccessToken == "" {
				t.Errorf("%s: no token", name)
			}
			return err
		}
		code, err := totp.GenerateCode(a.TOTPSecret, oldNow)
		if err != nil {
			t.Fatal(err)
		}
		unused, spent := 0, ""
		for _, c := range a.BackupCodes {
			if c.Used {
				spent = c.Code
			} else {
				unused++
			}
		}
		f, err := s.SecondFactor(t.Context(), u)
		if err != nil || !f.InForce || f.Secret != a.TOTPSecret || f.Left != unused {
			t.Fatalf("%s has %+v, %v; want %d codes", name, f, err, unused)
		}

		if err := second(code); err != nil {
			t.Errorf("%s: the code: %v", name, err)
		}
		if err := second(code); !refusedAs(err, people.ErrWrongCode) {
			t.Errorf("%s: the code again: %v", name, err)
		}
		for _, c := range a.BackupCodes {
			if c.Used {
				continue
			}
			if err := second(strings.ToLower(c.Code)); err != nil {
				t.Errorf("%s: a backup code: %v", name, err)
			}
			if err := second(c.Code); !refusedAs(err, people.ErrWrongCode) {
				t.Errorf("%s: the backup code again: %v", name, err)
			}
			unused--
			break
		}
		if spent != "" {
			if err := second(spent); !refusedAs(err, people.ErrWrongCode) {
				t.Errorf("%s: a backup code that was used: %v", name, err)
			}
		}
		if f, err := s.SecondFactor(t.Context(), u); err != nil || f.Left != unused || f.LastStep == 0 {
			t.Errorf("%s has %+v left, %v; want %d codes", name, f, err, unused)
		}
		offered, err := s.OfferSecondFactor(t.Context(), u, people.SecondFactor{Secret: "X"}, nil)
		if err != nil || offered {
			t.Errorf("%s: another beside it: %t, %v", name, offered, err)
		}
		if err := s.RemoveSecondFactor(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		if in, err := r.logIn(t.Context(), a); err != nil || in.Requires2FA {
			t.Errorf("%s without the factor: %+v, %v", name, in, err)
		}
	}
}

// TestAFactorOfPushAloneStaysClosed makes alice one whose logins were approved on her phone.
func TestAFactorOfPushAloneStaysClosed(t *testing.T) {
	s := oldPeople(t, Options{})
	if _, err := s.coll(usersName).UpdateOne(t.Context(), byID(alice), set(is("pushTwoFactorEnabled", true))); err != nil {
		t.Fatal(err)
	}
	r := receive(t, s.Store)
	in, err := r.logIn(t.Context(), oldAccounts(t)["alice"])
	if err != nil || !in.Requires2FA || in.AccessToken != "" {
		t.Fatalf("the password alone got %+v, %v", in, err)
	}
	code, err := totp.GenerateCode("", oldNow)
	if err != nil {
		t.Fatal(err)
	}

	_, err = r.SecondStep(t.Context(), wire.SecondStep{TempToken: in.TempToken, Token: code}, auth.Device{})

	if !refusedAs(err, people.ErrWrongCode) {
		t.Errorf("the code of no secret: %v", err)
	}
}

func TestOldTokensGoOn(t *testing.T) {
	s := oldPeople(t, Options{})
	r := receive(t, s.Store)
	refused := map[string]*fault.Fault{
		"erin": auth.ErrAccountDeactivated, "frank": auth.ErrAccountDeleted, "grace": auth.ErrAccountBanned, "heidi": auth.ErrAccountSuspended,
	}
	accounts := oldAccounts(t)
	for name, a := range accounts {
		if a.AccessToken == "" {
			continue
		}
		who, err := r.sessions.Verify(t.Context(), a.AccessToken)
		if !refusedAs(err, refused[name]) || err == nil && who.User != oldUser(a.ID) {
			t.Errorf("%s: the access token speaks for %v, %v; want %v", name, who.User, err, refused[name])
		}
		in, err := r.Refresh(t.Context(), a.RefreshToken)
		if !refusedAs(err, refused[name]) {
			t.Errorf("%s: the refresh token: %v, want %v", name, err, refused[name])
		}
		if err != nil {
			continue
		}
		if _, err := r.sessions.Verify(t.Context(), in.Body.AccessToken); err != nil {
			t.Errorf("%s: the new access token: %v", name, err)
		}
		for i, token := range []string{a.RefreshToken, in.RefreshToken} { // a second tab has the one before
			if _, err := r.Refresh(t.Context(), token); err != nil {
				t.Errorf("%s: refresh token %d afterwards: %v", name, i, err)
			}
		}
	}
	for what, token := range map[string]string{
		"of a session that ended":              accounts["alice"].RevokedAccessToken,
		"of a session in the list alone":       accounts["alice"].CacheOnlyAccessToken,
		"of one that ended, still in the list": accounts["bob"].StaleCacheAccessToken,
	} {
		if _, err := r.sessions.Verify(t.Context(), token); !refusedAs(err, auth.ErrSessionEnded) {
			t.Errorf("a token %s: %v", what, err)
		}
	}
}

func TestOldSessionsAreListed(t *testing.T) {
	s := oldPeople(t, Options{})
	r := receive(t, s.Store)
	who, err := r.sessions.Verify(t.Context(), oldAccounts(t)["alice"].AccessToken)
	if err != nil {
		t.Fatal(err)
	}

	got, err := r.MySessions(t.Context(), who)

	if err != nil {
		t.Fatal(err)
	}
	differs(t, "sessions", got, []wire.Session{{
		SessionID: who.Session, Device: "Mobile", Browser: "Firefox", OS: "Android", IPAddress: "203.0.113.47", IsCurrent: true,
		CreatedAt: time.UnixMilli(1793793600000).UTC(), LastActive: time.UnixMilli(1793854800000).UTC(),
	}})
	if err := s.TouchSession(t.Context(), who.Session, oldNow); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Session(t.Context(), who.Session); err != nil || !n.LastActive.Equal(oldNow) {
		t.Errorf("it was last active at %v, %v", n.LastActive, err)
	}
	if ended, err := s.RevokeSessions(t.Context(), alice, "", oldNow); err != nil || !slices.Equal(ended, []string{who.Session}) {
		t.Errorf("ended %v, %v", ended, err)
	}
	if _, err := r.sessions.Verify(t.Context(), oldAccounts(t)["alice"].AccessToken); !refusedAs(err, auth.ErrSessionEnded) {
		t.Errorf("its token afterwards: %v", err)
	}
}

func TestOldBlocksAndFollowsCount(t *testing.T) {
	s := oldPeople(t, Options{})
	known := oldAccounts(t)
	mallory, frank, dave := oldUser(known["mallory"].ID), oldUser(known["frank"].ID), oldUser(known["dave"].ID)

	bonds, err := s.Bonds(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	differs(t, "bonds of bob", bonds, people.Bonds{Blocks: []id.User{oldUser("686a6540c4ca4238a00856ab")}, BlockedBy: []id.User{dave}, Audience: people.Followers})
	blocks, err := s.Blocks(t.Context(), alice)
	if err != nil || len(blocks) != 2 || blocks[0].Blocked != frank || blocks[0].Reason != "" || blocks[1].Blocked != mallory || blocks[1].Reason != "unkind" {
		t.Errorf("alice blocks %+v, %v", blocks, err)
	}
	if _, _, err := s.Append(t.Context(), draft(1, mallory, alice, "hello")); fault.Of(err).Kind != fault.KindForbidden {
		t.Errorf("a message across an old block: %v", err)
	}
	if err := s.RemoveBlock(t.Context(), alice, mallory); err != nil {
		t.Errorf("RemoveBlock: %v", err)
	}
	send(t, s.Store, 2, mallory, alice, "hello")

	for pair, want := range map[[2]id.User]bool{{alice, bob}: true, {carol, alice}: true, {alice, dave}: false} {
		if got, err := s.Follows(t.Context(), pair[0], pair[1]); err != nil || got != want {
			t.Errorf("%v follows %v: %t, %v", pair[0], pair[1], got, err)
		}
	}
	if fresh, err := s.Follow(t.Context(), alice, bob, start); err != nil || fresh {
		t.Errorf("an old follow again is new: %t, %v", fresh, err)
	}
}

// TestOldConversationsMakeContacts looks before and after they have got their rows.
func TestOldConversationsMakeContacts(t *testing.T) {
	d := database(t)
	loadOld(t, d, "messages", "conversations", usersName, followsName)
	s := openWith(t, d, Options{FormerKey: oldKey})
	contacts := func() []id.User {
		t.Helper()
		list, err := s.Contacts(t.Context(), oldtimer, 100)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(list, id.User.Compare)
		return list
	}
	want := []id.User{oldUser("6953bec0c4ca4238a00856a5"), alice, judy, bob}

	early := contacts()
	backfilled(t, s.Store)

	differs(t, "contacts while there are no rows yet", early, want)
	differs(t, "contacts", contacts(), want)
}

func TestOldPeopleAreFound(t *testing.T) {
	s := oldPeople(t, Options{})
	for part, want := range map[string][]string{
		"al": {"alice", "mallory"}, "نور": {"nour"}, "display": {"newbie", "peggy"}, "oldtimer": {"oldtimer"}, "🦁": {"bob"}, "frank": nil, "erin": nil, "grace": nil,
	} {
		found, err := s.SearchAccounts(t.Context(), part, nil, 10)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, a := range found {
			names = append(names, a.Username)
		}
		differs(t, fmt.Sprintf("who is found by %q", part), names, want)
	}
}

// TestDamagedOldAccountsAreRead has fields of types that no release of the former system wrote.
func TestDamagedOldAccountsAreRead(t *testing.T) {
	d := database(t)
	_, err := d.data.Collection(usersName).InsertMany(t.Context(), []any{
		bson.D{
			is("_id", bson.ObjectID(user(1))), is("username", "ada"), is("email", "ada@example.com"), is("displayName", bson.A{"x"}), is("bio", 7),
			is("birthday", "07/05/1990"), is("pronouns", true), is("role", nil), is("isActive", nil), is("profilePhoto", bson.D{}),
		},
		bson.D{is("_id", "text"), is("username", 7)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.data.Collection(blocksName).InsertOne(t.Context(), bson.D{is("blocker", bson.ObjectID(user(1))), is("blocked", nil), is("reason", 7)}); err != nil {
		t.Fatal(err)
	}

	s := openWith(t, d, Options{FormerKey: oldKey})

	got, err := s.Account(t.Context(), user(1))
	if err != nil {
		t.Fatal(err)
	}
	differs(t, "account", got, people.Account{ID: user(1), Username: "ada", Email: "ada@example.com", Role: "user", Active: true})
	if b, err := s.Bonds(t.Context(), user(1)); err != nil || len(b.Blocks) != 1 || b.Audience != people.Followers {
		t.Errorf("bonds are %+v, %v", b, err)
	}
	if b, err := s.Blocks(t.Context(), user(1)); err != nil || len(b) != 1 || b[0].Reason != "" {
		t.Errorf("blocks are %+v, %v", b, err)
	}
}
