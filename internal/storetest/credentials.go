package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/people"
)

// Credentials tests what changes an account and ends its sessions at once.
func Credentials(t *testing.T, open func(*testing.T) Stores) {
	tests := map[string]func(*testing.T, Stores){
		"NewPasswordEndsTheOtherSessions": testReplacePassword,
		"PasswordIsReplacedOnce":          testReplacePasswordOnce,
		"DeactivationEndsEverySession":    testDeactivate,
		"DeletionLeavesTheUsername":       testDeleteAccount,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// settle stores alice with sessions 1 and 2, and bob with session 3.
func settle(t *testing.T, s Stores) {
	t.Helper()
	create(t, s.People, account(alice, "Alice", "alice@example.com"))
	create(t, s.People, account(bob, "Bob", "bob@example.com"))
	for i, u := range []id.User{alice, alice, bob} {
		n := session(i + 1)
		n.User = u
		createSession(t, s.Sessions, n)
	}
}

// live checks which of the sessions 1, 2, ... have not ended.
func live(t *testing.T, s Stores, want ...bool) {
	t.Helper()
	for i, want := range want {
		if got := findSession(t, s.Sessions, session(i+1).ID).RevokedAt.IsZero(); got != want {
			t.Errorf("session %d lives: %v, want %v", i+1, got, want)
		}
	}
}

func testReplacePassword(t *testing.T, s Stores) {
	settle(t, s)
	want := account(alice, "Alice", "alice@example.com")
	replace := func(era int64, hash, keep string) (bool, []string) {
		t.Helper()
		done, ended, err := s.People.ReplacePassword(t.Context(), alice, era, hash, keep, start.Add(time.Hour))
		if err != nil {
			t.Fatalf("ReplacePassword: %v", err)
		}
		return done, ended
	}

	for what, keep := range map[string]string{"none": "", "nobody's": session(7).ID, "somebody else's": session(3).ID} {
		if done, _ := replace(0, "x", keep); done {
			t.Errorf("a session that is %s replaced the password", what)
		}
	}
	if done, _ := replace(1, "x", session(1).ID); done {
		t.Error("a wrong era replaced the password")
	}
	same(t, "account after refusals", findAccount(t, s.People, alice), want)
	live(t, s, true, true, true)

	done, ended := replace(0, "new", session(1).ID)

	if !done {
		t.Error("the password was not replaced")
	}
	same(t, "sessions that ended", ended, []string{session(2).ID})
	live(t, s, true, false, true)
	want.PasswordHash, want.PasswordEra = "new", 1
	same(t, "account", findAccount(t, s.People, alice), want)
	if done, _ := replace(1, "x", session(2).ID); done {
		t.Error("a session that had ended replaced the password")
	}
}

func testReplacePasswordOnce(t *testing.T, s Stores) {
	settle(t, s)
	var done atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			ok, _, err := s.People.ReplacePassword(t.Context(), alice, 0, "new", session(1).ID, start)
			if err != nil {
				t.Errorf("ReplacePassword: %v", err)
			}
			if ok {
				done.Add(1)
			}
		})
	}
	all.Wait()

	if got := done.Load(); got != 1 {
		t.Errorf("%d of 8 replaced the password of one era, want 1", got)
	}
}

func testDeactivate(t *testing.T, s Stores) {
	settle(t, s)
	want := account(alice, "Alice", "alice@example.com")
	want.Active = false

	ended, err := s.People.Deactivate(t.Context(), alice, start)
	if err != nil {
		t.Fatalf("Deactivate: %v", err)
	}

	same(t, "sessions that ended", ended, []string{session(1).ID, session(2).ID})
	live(t, s, false, false, true)
	same(t, "account", findAccount(t, s.People, alice), want)
	same(t, "other account", findAccount(t, s.People, bob), account(bob, "Bob", "bob@example.com"))
}

func testDeleteAccount(t *testing.T, s Stores) {
	settle(t, s)
	if _, err := s.Factors.OfferSecondFactor(t.Context(), alice, people.SecondFactor{Secret: "S"}, nil); err != nil {
		t.Fatalf("OfferSecondFactor: %v", err)
	}

	ended, err := s.People.DeleteAccount(t.Context(), alice, start)
	if err != nil {
		t.Fatalf("DeleteAccount: %v", err)
	}

	same(t, "sessions that ended", ended, []string{session(1).ID, session(2).ID})
	for _, n := range []int{1, 2} {
		if _, err := s.Sessions.Session(t.Context(), session(n).ID); !errors.Is(err, auth.ErrNoSession) {
			t.Errorf("session %d: %v, want it gone", n, err)
		}
	}
	was := account(alice, "Alice", "")
	want := people.Account{
		ID: alice, Username: was.Username, Role: was.Role, Active: true, Deleted: true, CreatedAt: was.CreatedAt,
		PasswordEra: 1, Revision: 1,
	}
	same(t, "account", findAccount(t, s.People, alice), want)
	if _, err := s.Factors.SecondFactor(t.Context(), alice); !errors.Is(err, people.ErrNoSecondFactor) {
		t.Errorf("SecondFactor gave %v, want ErrNoSecondFactor", err)
	}
	if _, err := s.People.DeleteAccount(t.Context(), alice, start); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("a second DeleteAccount gave %v, want ErrNoAccount", err)
	}
	if done, err := s.People.SetProfile(t.Context(), want); err != nil || done {
		t.Errorf("SetProfile of a deleted account gave %v and error %v, want it refused", done, err)
	}
	if err := s.People.CreateAccount(t.Context(), account(carol, "alice", "carol@example.com")); !errors.Is(err, people.ErrUsernameTaken) {
		t.Errorf("the username again: CreateAccount gave %v, want ErrUsernameTaken", err)
	}
	create(t, s.People, account(carol, "carol", "alice@example.com"))
	if _, err := s.People.DeleteAccount(t.Context(), carol, start); err != nil {
		t.Errorf("DeleteAccount of a second person: %v", err)
	}
}
