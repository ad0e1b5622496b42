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
		ID: u, Username: username, Email: email, DisplayName: "Alice of Wonderland", ProfilePhoto: "/files/alice.png",
		PasswordHash: "$argon2id$first", Role: "user", Active: true, CreatedAt: start.Add(1234 * time.Microsecond).Truncate(time.Millisecond),
		Details: people.Details{FullName: "Alice Liddell", Birthday: "1990-05-04", Pronouns: "she/her", Bio: "Curiouser ☃", Identity: "ally"},
	}
}

// People tests accounts.
func People(t *testing.T, open func(*testing.T) Stores) {
	tests := map[string]func(*testing.T, people.Store){
		"AccountComesBackAsItWasStored": testAccount,
		"LoginIgnoresCase":              testLogin,
		"NamesAndAddressesAreUnique":    testUnique,
		"PasswordHashIsReplaced":        testPasswordHash,
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

	want.PasswordHash = "$argon2id$" + strings.Repeat("x", 100)
	if err := s.SetPasswordHash(t.Context(), alice, want.PasswordHash); err != nil {
		t.Fatalf("SetPasswordHash: %v", err)
	}

	same(t, "account", findAccount(t, s, alice), want)
	same(t, "other account", findAccount(t, s, bob), account(bob, "Bob", "bob@example.com"))
}

func testActive(t *testing.T, s people.Store) {
	want := account(alice, "Alice", "alice@example.com")
	create(t, s, want)

	for _, active := range []bool{false, false, true} {
		want.Active = active
		if err := s.SetActive(t.Context(), alice, active); err != nil {
			t.Fatalf("SetActive: %v", err)
		}
		same(t, "account", findAccount(t, s, alice), want)
	}
}

func testNoAccount(t *testing.T, s people.Store) {
	if _, err := s.Account(t.Context(), alice); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("Account gave %v, want ErrNoAccount", err)
	}
	if err := s.SetPasswordHash(t.Context(), alice, "x"); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("SetPasswordHash gave %v, want ErrNoAccount", err)
	}
	if err := s.SetActive(t.Context(), alice, true); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("SetActive gave %v, want ErrNoAccount", err)
	}
}
