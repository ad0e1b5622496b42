package people_test

import (
	"errors"
	"sync"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/people"
	"pryde/internal/wire"
)

const better = "Better battery 8!"

func TestANewPasswordReplacesTheOld(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0)

	if _, err := h.ChangePassword(t.Context(), alice.in[0], wire.PasswordChange{CurrentPassword: password, NewPassword: better}); err != nil {
		t.Fatal(err)
	}

	_, old := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)
	sameFault(t, old, people.ErrCredentials)
	if _, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: better}, home); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestPasswordChangesThatAreRefused(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 1)
	invalid := fault.Invalid("VALIDATION_FAILED", "Validation failed")
	for name, tt := range map[string]struct {
		in   wire.PasswordChange
		want *fault.Fault
	}{
		"wrong":    {wire.PasswordChange{CurrentPassword: "wrong", NewPassword: better}, people.ErrWrongPassword},
		"nothing":  {wire.PasswordChange{}, invalid},
		"weak":     {wire.PasswordChange{CurrentPassword: password, NewPassword: "weak"}, invalid},
		"the same": {wire.PasswordChange{CurrentPassword: password, NewPassword: password}, invalid},
	} {
		_, err := h.ChangePassword(t.Context(), alice.in[0], tt.in)
		if t.Log(name); err == nil || fault.Of(err).Code != tt.want.Code || fault.Of(err).Kind != tt.want.Kind {
			t.Errorf("%s: got %v, want %s", name, err, tt.want.Code)
		}
	}
	h.alive(t, true, alice.in...)
	h.heard(t, "", false)
}

// TestOneOfTwoPasswordChangesWins lets the other session change the password between the look
// at the account and the change.
func TestOneOfTwoPasswordChangesWins(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 1)
	h.store.changing = func() {
		h.store.changing = nil
		if _, err := h.ChangePassword(t.Context(), alice.in[1], wire.PasswordChange{CurrentPassword: password, NewPassword: better}); err != nil {
			t.Errorf("the one that wins: %v", err)
		}
	}

	_, err := h.ChangePassword(t.Context(), alice.in[0], wire.PasswordChange{CurrentPassword: password, NewPassword: "Third try 99!"})

	if !errors.Is(err, auth.ErrSessionEnded) {
		t.Errorf("the one that loses: %v, want its session ended", err)
	}
	h.alive(t, false, alice.in[0])
	h.alive(t, true, alice.in[1])
	if _, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: better}, home); err != nil {
		t.Errorf("the password of the one that won: %v", err)
	}
}

// TestAPasswordChangeThatComesLateIsAConflict lets the same session change the password between
// the look at the account and the change.
func TestAPasswordChangeThatComesLateIsAConflict(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0)
	h.store.changing = func() {
		h.store.changing = nil
		if _, err := h.ChangePassword(t.Context(), alice.in[0], wire.PasswordChange{CurrentPassword: password, NewPassword: better}); err != nil {
			t.Errorf("the one that wins: %v", err)
		}
	}

	_, err := h.ChangePassword(t.Context(), alice.in[0], wire.PasswordChange{CurrentPassword: password, NewPassword: "Third try 99!"})

	sameFault(t, err, fault.Conflict("PASSWORD_CHANGED", "The password was changed at the same time"))
	h.alive(t, true, alice.in[0])
	if _, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: better}, home); err != nil {
		t.Errorf("the password of the one that won: %v", err)
	}
}

// TestPasswordChangesAtTheSameTimeLeaveOnePassword does the same from one session, whose
// session therefore lives.
func TestPasswordChangesAtTheSameTimeLeaveOnePassword(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0)
	news := []string{"Number one 11!", "Number two 22!"}
	errs := make([]error, len(news))
	var all sync.WaitGroup
	for i, p := range news {
		all.Go(func() {
			_, errs[i] = h.ChangePassword(t.Context(), alice.in[0], wire.PasswordChange{CurrentPassword: password, NewPassword: p})
		})
	}
	all.Wait()

	for i, p := range news {
		_, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: p}, home)
		if (err == nil) != (errs[i] == nil) {
			t.Errorf("change %d ended with %v, but its password with %v", i, errs[i], err)
		}
	}
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("got %v and %v, want one to win", errs[0], errs[1])
	}
}

// TestALoginWithTheOldPasswordDuringItsChangeOpensNothing lets the password change between its
// check and the session.
func TestALoginWithTheOldPasswordDuringItsChangeOpensNothing(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0)
	h.store.creating = func() {
		if _, err := h.ChangePassword(t.Context(), alice.in[0], wire.PasswordChange{CurrentPassword: password, NewPassword: better}); err != nil {
			t.Error(err)
		}
	}

	_, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)

	sameFault(t, err, people.ErrCredentials)
	if live, err := h.MySessions(t.Context(), alice.in[0]); err != nil || len(live) != 1 {
		t.Errorf("%d sessions live, %v; want the one that changed the password", len(live), err)
	}
}

func TestAnUpgradeOfAHashDoesNotBringBackAnOldPassword(t *testing.T) {
	h := open(t)
	u := h.join(t, "alice").Body.User.ID
	old := h.store.accounts[u].PasswordHash
	if err := h.store.setHash(u, "another"); err != nil {
		t.Fatal(err)
	}

	if err := h.store.UpgradePasswordHash(t.Context(), u, old, "better"); err != nil || h.store.accounts[u].PasswordHash != "another" {
		t.Errorf("the hash is %q, %v", h.store.accounts[u].PasswordHash, err)
	}
}

func TestGuessesInASessionAreCountedAndLockNobodyElse(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 1)
	for range 5 {
		_, err := h.DeleteAccount(t.Context(), alice.in[0], wire.Proof{Password: "wrong"})
		sameFault(t, err, people.ErrWrongPassword)
	}

	_, err := h.DeleteAccount(t.Context(), alice.in[0], wire.Proof{Password: password})

	if f := fault.Of(err); f.Kind != fault.KindLocked || f.RetryAfter <= 0 {
		t.Errorf("the sixth attempt: %v", err)
	}
	if _, err := h.DisableTwoFactor(t.Context(), alice.in[1], wire.Proof{Password: password}); err != nil {
		t.Errorf("another session: %v", err)
	}
	if _, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home); err != nil {
		t.Errorf("a login: %v", err)
	}
}

func TestADeactivatedAccountComesBackWithTheNextLogin(t *testing.T) {
	h := open(t)
	alice, bob := h.member(t, "alice", 0), h.member(t, "bob", 0)
	if err := h.MayWrite(t.Context(), bob.in[0].User, alice.in[0].User); err != nil {
		t.Fatal(err)
	}

	if _, err := h.Deactivate(t.Context(), alice.in[0]); err != nil {
		t.Fatal(err)
	}

	sameFault(t, h.MayWrite(t.Context(), bob.in[0].User, alice.in[0].User), people.ErrUnavailable)
	e, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)
	if err != nil {
		t.Fatal(err)
	}
	h.alive(t, true, h.who(t, e.Body.AccessToken))
	h.alive(t, false, alice.in[0])
}

func TestADeletedAccountIsGoneAndItsNameStaysTaken(t *testing.T) {
	h := open(t)
	alice, bob := h.member(t, "alice", 0), h.member(t, "bob", 0)
	if _, err := h.Person(t.Context(), alice.in[0].User); err != nil {
		t.Fatal(err)
	}

	if _, err := h.DeleteAccount(t.Context(), alice.in[0], wire.Proof{Password: password}); err != nil {
		t.Fatal(err)
	}

	_, login := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)
	sameFault(t, login, people.ErrCredentials)
	_, person := h.Person(t.Context(), alice.in[0].User)
	sameFault(t, person, people.ErrNoAccount)
	_, profile := h.Profile(t.Context(), bob.in[0], "alice")
	sameFault(t, profile, people.ErrNoAccount)
	sameFault(t, h.sessions.Check(t.Context(), alice.in[0]), auth.ErrAccountDeleted)
	again := form("alice")
	_, taken := h.SignUp(t.Context(), again, home)
	sameFault(t, taken, fault.Invalid("USERNAME_TAKEN", "Username already taken"))
	again.Username = "alice_2"
	if _, err := h.SignUp(t.Context(), again, home); err != nil {
		t.Errorf("the address again: %v", err)
	}
}

func TestAnOperatorRemovesAnAccountWithoutItsPassword(t *testing.T) {
	h := open(t)
	alice, bob := h.member(t, "alice", 1), h.member(t, "bob", 0)
	if _, err := h.Person(t.Context(), alice.in[0].User); err != nil {
		t.Fatal(err)
	}

	for range 2 { // the second time there is nothing left to do
		if err := h.Remove(t.Context(), alice.in[0].User); err != nil {
			t.Fatal(err)
		}
	}

	if _, err := h.Person(t.Context(), alice.in[0].User); !errors.Is(err, people.ErrNoAccount) {
		t.Errorf("others see %v, want that there is nobody", err)
	}
	h.alive(t, false, alice.in...)
	h.alive(t, true, bob.in...)
	_, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)
	if err == nil {
		t.Error("a login works")
	}
}
