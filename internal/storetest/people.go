package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/people"
)

func account(u id.User, username, email string) people.Account {
	return people.Account{
		ID: u, Username: username, Email: email, EmailVerified: true, DisplayName: "Alice of Wonderland", ProfilePhoto: "/files/alice.png",
		PasswordHash: "$argon2id$first", Role: "user", Active: true, CreatedAt: start.Add(1234 * time.Microsecond).Truncate(time.Millisecond),
		Details: people.Details{
			FullName: "Alice Liddell", Birthday: "1990-05-04", Nickname: "Al", Pronouns: "she/her", CustomPronouns: "c", Gender: "g", CustomGender: "cg",
			CoverPhoto: "/files/cover.png", Bio: "Curiouser ☃", Location: "Oxford", Website: "https://alice.example.com", Identity: "ally",
		},
	}
}

// People tests accounts.
func People(t *testing.T, open func(*testing.T) Stores) {
	tests := map[string]func(*testing.T, people.Store){
		"AccountComesBackAsItWasStored": testAccount,
		"LoginIgnoresCase":              testLogin,
		"NamesAndAddressesAreUnique":    testUnique,
		"PasswordHashIsUpgraded":        testPasswordHash,
		"ProfileIsReplacedOnce":         testProfile,
		"SearchFindsWhoIsInUse":         testSearch,
		"AccountIsDeactivated":          testActive,
		"UnknownAccountsAreNotFound":    testNoAccount,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t).People) })
	}
}

func create(t *testing.T, s people.Store, a people.Account) {
	t.Helper()
	if err := s.CreateAccount(t.Context(), a); err != nil {
		t.Fatalf("CreateAccount of %s: %v", a.Username, err)
	}
}

func findAccount(t *testing.T, s people.Store, u id.User) people.Account {
	t.Helper()
	a, err := s.Account(t.Context(), u)
	if err != nil {
		t.Fatalf("Account: %v", err)
	}
	return a
}

func testAccount(t *testing.T, s people.Store) {
	want := account(alice, "Alice", "alice@example.com")
	banned := people.Account{ID: bob, Username: "bob", Email: "bob@example.com", Role: "admin", Deleted: true, Banned: true}

	create(t, s, want)
	create(t, s, banned)

	same(t, "account", findAccount(t, s, alice), want)
	same(t, "account with nothing told", findAccount(t, s, bob), banned)
}

func testLogin(t *testing.T, s people.Store) {
	create(t, s, account(alice, "Alice", "alice@example.com"))
	create(t, s, account(bob, "Bob", "bob@example.com"))

	for login, want := range map[string]id.User{
		"Alice": alice, "aLICE": alice, "ALICE@Example.COM": alice, "bob": bob, "bob@example.com": bob,
	} {
		got, err := s.AccountByLogin(t.Context(), login)
		if err != nil || got.ID != want {
			t.Errorf("AccountByLogin(%q) gave %v and error %v, want %v", login, got.ID, err, want)
		}
	}
	for _, login := range []string{"", "alic", "alice@example.co", "%", "Alice "} {
		if _, err := s.AccountByLogin(t.Context(), login); !errors.Is(err, people.ErrNoAccount) {
			t.Errorf("AccountByLogin(%q) gave %v, want ErrNoAccount", login, err)
		}
	}
}

func testUnique(t *testing.T, s people.Store) {
	create(t, s, account(alice, "Alice", "alice@example.com"))

	for name, c := range map[string]struct {
		account people.Account
		want    error
	}{
		"address":                  {account(bob, "bob", "Alice@Example.com"), people.ErrEmailTaken},
		"username":                 {account(bob, "ALICE", "bob@example.com"), people.ErrUsernameTaken},
		"both, the address counts": {account(bob, "alice", "alice@example.com"), people.ErrEmailTaken},
	} {
		if err := s.CreateAccount(t.Context(), c.account); !errors.Is(err, c.want) {
			t.Errorf("%s taken: CreateAccount gave %v, want %v", name, err, c.want)
		}
	}
	clash := s.CreateAccount(t.Context(), account(alice, "other", "other@example.com"))
	if clash == nil || errors.Is(clash, people.ErrEmailTaken) || errors.Is(clash, people.ErrUsernameTaken) {
		t.Errorf("id taken: CreateAccount gave %v, want an error of its own", clash)
	}
	same(t, "first account", findAccount(t, s, alice), account(alice, "Alice", "alice@example.com"))
	if _, err := s.Account(t.Context(), bob); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("a refused account is stored: %v", err)
	}
}

func testPasswordHash(t *testing.T, s people.Store) {
	want := account(alice, "Alice", "alice@example.com")
	create(t, s, want)
	create(t, s, account(bob, "Bob", "bob@example.com"))

	better := "$argon2id$" + strings.Repeat("x", 100)
	for _, step := range []struct{ from, to string }{{"another", "worse"}, {want.PasswordHash, better}, {want.PasswordHash, "worse"}} {
		if err := s.UpgradePasswordHash(t.Context(), alice, step.from, step.to); err != nil {
			t.Fatalf("UpgradePasswordHash: %v", err)
		}
	}
	want.PasswordHash = better

	same(t, "account", findAccount(t, s, alice), want)
	same(t, "other account", findAccount(t, s, bob), account(bob, "Bob", "bob@example.com"))
}

func testProfile(t *testing.T, s people.Store) {
	was := account(alice, "Alice", "alice@example.com")
	create(t, s, was)
	create(t, s, account(bob, "Bob", "bob@example.com"))
	next := account(alice, "changed", "changed@example.com")
	next.DisplayName, next.ProfilePhoto, next.Details = "Ä", "/b.png", people.Details{Bio: "new"}
	next.PasswordHash, next.Role, next.Banned = "changed", "admin", true

	if done, err := s.SetProfile(t.Context(), next); err != nil || !done {
		t.Fatalf("SetProfile gave %v and error %v, want it done", done, err)
	}

	want := was
	want.DisplayName, want.ProfilePhoto, want.Details, want.Revision = next.DisplayName, next.ProfilePhoto, next.Details, 1
	same(t, "account", findAccount(t, s, alice), want)
	same(t, "other account", findAccount(t, s, bob), account(bob, "Bob", "bob@example.com"))
	next.DisplayName = "late"
	if done, err := s.SetProfile(t.Context(), next); err != nil || done {
		t.Errorf("SetProfile of an old revision gave %v and error %v, want it refused", done, err)
	}
	next.ID = carol
	if done, err := s.SetProfile(t.Context(), next); err != nil || done {
		t.Errorf("SetProfile of nobody gave %v and error %v, want it refused", done, err)
	}
	same(t, "account after refusals", findAccount(t, s, alice), want)
}

func testSearch(t *testing.T, s people.Store) {
	for i, a := range []people.Account{
		{Username: "zoe", DisplayName: "Ärzte & Co"},
		{Username: "MaryAnn", DisplayName: "100%_sure"},
		{Username: "annika", DisplayName: "x"},
		{Username: "Ann", DisplayName: "y"},
		{Username: "bob", DisplayName: "Joanna"},
		{Username: "banned", DisplayName: "ann", Banned: true},
		{Username: "deleted", DisplayName: "ann", Deleted: true},
		{Username: "away", DisplayName: "ann"},
	} {
		a.ID, a.Email, a.Active = user(10+i), a.Username+"@example.com", a.Username != "away"
		create(t, s, a)
	}
	for part, want := range map[string][]string{
		"ann": {"Ann", "annika", "bob", "MaryAnn"}, "ärzte": {"zoe"}, "% ": nil, "%": {"MaryAnn"}, "_": {"MaryAnn"}, "\\": nil, "'": nil, "example": nil,
	} {
		found, err := s.SearchAccounts(t.Context(), part, nil, 10)
		if err != nil {
			t.Fatalf("SearchAccounts(%q): %v", part, err)
		}
		same(t, "accounts found by "+part, usernames(found), want)
	}
	found, err := s.SearchAccounts(t.Context(), "ann", []id.User{user(13), user(14), user(99)}, 1)
	if err != nil || len(found) != 1 || found[0].ID != user(12) {
		t.Errorf("SearchAccounts of one without two gave %v and error %v, want annika", usernames(found), err)
	}
	same(t, "found account", found[0], findAccount(t, s, user(12)))
}

func usernames(accounts []people.Account) (names []string) {
	for _, a := range accounts {
		names = append(names, a.Username)
	}
	return names
}

func testActive(t *testing.T, s people.Store) {
	want := account(alice, "Alice", "alice@example.com")
	create(t, s, want)

	for range 2 {
		if _, err := s.Deactivate(t.Context(), alice, start); err != nil {
			t.Fatalf("Deactivate: %v", err)
		}
		if err := s.Reactivate(t.Context(), alice); err != nil {
			t.Fatalf("Reactivate: %v", err)
		}
		same(t, "account", findAccount(t, s, alice), want)
	}
}

func testNoAccount(t *testing.T, s people.Store) {
	if _, err := s.Account(t.Context(), alice); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("Account gave %v, want ErrNoAccount", err)
	}
	if err := s.UpgradePasswordHash(t.Context(), alice, "", "x"); err != nil {
		t.Errorf("UpgradePasswordHash of nobody gave %v, want that nothing happens", err)
	}
	if _, err := s.Deactivate(t.Context(), alice, start); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("Deactivate gave %v, want ErrNoAccount", err)
	}
	if _, err := s.DeleteAccount(t.Context(), alice, start); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("DeleteAccount gave %v, want ErrNoAccount", err)
	}
	if err := s.Reactivate(t.Context(), alice); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("Reactivate gave %v, want ErrNoAccount", err)
	}
}
