package people_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSignUpMakesAnAccountAndASession(t *testing.T) {
	h := open(t)

	e := h.join(t, "Alice_1")

	u := e.Body.User
	want := wire.SignedUp{
		Success: true, Message: "User registered successfully", AccessToken: e.Body.AccessToken,
		User: wire.User{
			ID: u.ID, UnderscoreID: u.ID, Username: "Alice_1", Email: "alice_1@example.org", EmailVerified: true, FullName: "Alice Liddell",
			DisplayName: "Alice & co", Pronouns: "she/her", Bio: "I <3 tea\nand cake", Identity: "LGBTQ+", Role: "user",
			SocialLinks: []string{}, Permissions: []string{}, HasCompletedTour: true, CreatedAt: h.now(),
		},
	}
	if diff := cmp.Diff(want, e.Body); diff != "" {
		t.Errorf("answer differs (-want +got):\n%s", diff)
	}
	who, err := h.sessions.Verify(t.Context(), e.Body.AccessToken)
	if err != nil || who.User != u.ID || h.store.sessions[who.Session].Device != home {
		t.Errorf("the token speaks for %+v, %v", who, err)
	}
	if e.RefreshToken == "" || !e.Expires.Equal(h.now().Add(30*24*time.Hour)) {
		t.Errorf("the refresh token %q is good until %v", e.RefreshToken, e.Expires)
	}
	a := h.store.accounts[u.ID]
	if !strings.HasPrefix(a.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") || !a.Active || a.Details.Birthday != "1990-05-04" {
		t.Errorf("stored %+v", a)
	}
	body, err := wire.Encode(e)
	if err != nil || strings.Contains(string(body), e.RefreshToken) {
		t.Errorf("the refresh token shows in %s, %v", body, err)
	}
}

func TestDisplayNameIsTheUsernameWhereThereIsNone(t *testing.T) {
	h := open(t)
	in := form("alice")
	in.DisplayName = "<i> </i>"
	e, err := h.SignUp(t.Context(), in, home)
	if err != nil || e.Body.User.DisplayName != "alice" {
		t.Errorf("got %q, %v", e.Body.User.DisplayName, err)
	}
}

func TestNamesAreUniqueWithoutRegardToCase(t *testing.T) {
	h := open(t)
	h.join(t, "alice")

	email, username := form("bob"), form("ALICE")
	email.Email = "ALICE@example.ORG"
	username.Email = "other@example.org"
	_, emailErr := h.SignUp(t.Context(), email, home)
	_, usernameErr := h.SignUp(t.Context(), username, home)

	sameFault(t, emailErr, fault.Invalid("EMAIL_TAKEN", "Email already registered"))
	sameFault(t, usernameErr, fault.Invalid("USERNAME_TAKEN", "Username already taken"))
}

func TestOneOfTwoSignUpsAtTheSameTimeGetsTheName(t *testing.T) {
	h := open(t)
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() { _, errs[i] = h.SignUp(t.Context(), form("alice"), home) })
	}
	all.Wait()

	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		sameFault(t, err, fault.Invalid("EMAIL_TAKEN", "Email already registered"))
	}
	if made != 1 || len(h.store.accounts) != 1 {
		t.Errorf("%d sign-ups succeeded, %d accounts were made; want 1 and 1", made, len(h.store.accounts))
	}
}

func TestLogInByAddressOrUsername(t *testing.T) {
	h := open(t)
	want := h.join(t, "alice").Body.User
	for _, name := range []string{"alice@example.org", " ALICE@Example.Org ", "Alice"} {
		e, err := h.LogIn(t.Context(), wire.LogIn{Email: name, Password: password}, home)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if diff := cmp.Diff(wire.LoggedIn{Success: true, Message: "Login successful", AccessToken: e.Body.AccessToken, User: &want}, e.Body); diff != "" {
			t.Errorf("%q: answer differs (-want +got):\n%s", name, diff)
		}
		if _, err := h.sessions.Verify(t.Context(), e.Body.AccessToken); err != nil {
			t.Errorf("%q: the token: %v", name, err)
		}
	}
}

func TestLoginsThatAreRefused(t *testing.T) {
	h := open(t)
	u := h.join(t, "alice").Body.User.ID
	for _, c := range []struct {
		name   string
		in     wire.LogIn
		change func(*people.Account)
		want   *fault.Fault
	}{
		{"wrong password", wire.LogIn{Email: "alice", Password: password + "x"}, nil, people.ErrCredentials},
		{"nobody", wire.LogIn{Email: "nobody@example.org", Password: password}, nil, people.ErrCredentials},
		{"deleted", wire.LogIn{Email: "alice", Password: password}, func(a *people.Account) { a.Deleted = true }, auth.ErrAccountDeleted},
		{"banned", wire.LogIn{Email: "alice", Password: password}, func(a *people.Account) { a.Banned = true }, auth.ErrAccountBanned},
		{"of the server's own", wire.LogIn{Email: "alice", Password: password}, func(a *people.Account) { a.System = true }, auth.ErrSystemAccount},
		{"suspended", wire.LogIn{Email: "alice", Password: password}, func(a *people.Account) { a.SuspendedUntil = noon.Add(time.Hour) }, auth.ErrAccountSuspended},
		{"suspended, wrong password", wire.LogIn{Email: "alice", Password: "x"}, func(a *people.Account) { a.SuspendedUntil = noon.Add(time.Hour) }, people.ErrCredentials},
		{"banned, wrong password", wire.LogIn{Email: "alice", Password: "x"}, func(a *people.Account) { a.Banned = true }, people.ErrCredentials},
		{"nothing", wire.LogIn{}, nil, fault.Invalid("VALIDATION_FAILED", "Validation failed")},
		{"endless password", wire.LogIn{Email: "alice", Password: strings.Repeat("x", 129)}, nil, fault.Invalid("VALIDATION_FAILED", "Validation failed")},
		{"endless name", wire.LogIn{Email: strings.Repeat("x", 255), Password: password}, nil, fault.Invalid("VALIDATION_FAILED", "Validation failed")},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := h.store.accounts[u]
			if c.change != nil {
				if err := h.store.change(u, c.change); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { h.store.accounts[u] = before })
			}
			_, err := h.LogIn(t.Context(), c.in, home)
			sameFault(t, err, c.want)
		})
	}
	if fault.Of(people.ErrCredentials).Text != "Invalid email or password" || fault.Of(people.ErrCredentials).Kind != fault.KindUnauthenticated {
		t.Errorf("wrong credentials are answered %v", people.ErrCredentials)
	}
}

// TestALoginDuringADeactivation lets the account be deactivated once the password was proven.
func TestALoginDuringADeactivation(t *testing.T) {
	for _, c := range []struct {
		when  string
		hooks func(h *house, deactivate func())
		in    bool
	}{
		{"before the session is made ready", func(h *house, deactivate func()) { h.store.changing = deactivate }, true},
		{"just before the session", func(h *house, deactivate func()) { h.store.creating = deactivate }, false},
		{"just after the session", func(h *house, deactivate func()) { h.store.created = deactivate }, false},
	} {
		t.Run(c.when, func(t *testing.T) {
			h := open(t)
			alice := h.member(t, "alice", 0).in[0]
			former, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.store.setHash(alice.User, string(former)); err != nil {
				t.Fatal(err)
			}
			c.hooks(h, func() {
				h.store.changing, h.store.creating, h.store.created = nil, nil, nil
				if _, err := h.Deactivate(t.Context(), alice); err != nil {
					t.Error(err)
				}
			})

			e, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)

			if c.in {
				if err != nil {
					t.Fatal(err)
				}
				h.who(t, e.Body.AccessToken)
				return
			}
			if k := fault.Of(err).Kind; k != fault.KindForbidden && k != fault.KindUnauthenticated {
				t.Errorf("got %v, want it refused", err)
			}
			if live, err := h.store.SessionsOf(t.Context(), alice.User, 9); err != nil || len(live) != 0 || h.store.accounts[alice.User].Active {
				t.Errorf("%d sessions live and the account is active: %t, %v", len(live), h.store.accounts[alice.User].Active, err)
			}
		})
	}
}

func TestLogInReactivates(t *testing.T) {
	h := open(t)
	u := h.join(t, "alice").Body.User.ID
	if _, err := h.store.Deactivate(t.Context(), u, h.now()); err != nil {
		t.Fatal(err)
	}
	bob := id.User{9}
	sameFault(t, h.MayWrite(t.Context(), bob, u), people.ErrUnavailable)
	sameFault(t, h.Standing(t.Context(), u), auth.ErrAccountDeactivated)

	e, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)

	if err != nil || !h.store.accounts[u].Active {
		t.Fatalf("got %v; active: %t", err, h.store.accounts[u].Active)
	}
	if _, err := h.sessions.Verify(t.Context(), e.Body.AccessToken); err != nil {
		t.Errorf("the token: %v", err)
	}
	if err := h.MayWrite(t.Context(), bob, u); err != nil {
		t.Errorf("others still think that the account is away: %v", err)
	}
}

func TestASuspensionEnds(t *testing.T) {
	h := open(t)
	in := h.join(t, "alice")
	if err := h.store.change(in.Body.User.ID, func(a *people.Account) { a.SuspendedUntil = noon.Add(time.Minute) }); err != nil {
		t.Fatal(err)
	}
	logIn := func() error {
		_, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)
		return err
	}
	sameFault(t, logIn(), auth.ErrAccountSuspended)
	_, refresh := h.Refresh(t.Context(), in.RefreshToken)
	sameFault(t, refresh, auth.ErrAccountSuspended)
	_, verify := h.sessions.Verify(t.Context(), in.Body.AccessToken)
	sameFault(t, verify, auth.ErrAccountSuspended)

	h.advance(time.Minute)

	_, refresh = h.Refresh(t.Context(), in.RefreshToken)
	_, verify = h.sessions.Verify(t.Context(), in.Body.AccessToken)
	for what, err := range map[string]error{"log in": logIn(), "refresh": refresh, "the token": verify} {
		if err != nil {
			t.Errorf("%s after the suspension: %v", what, err)
		}
	}
}

func TestHashesOfTheFormerSystemAreReplaced(t *testing.T) {
	h := open(t)
	u := h.join(t, "alice").Body.User.ID
	former, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.store.setHash(u, string(former)); err != nil {
		t.Fatal(err)
	}

	_, err = h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: "wrong"}, home)
	sameFault(t, err, people.ErrCredentials)
	if h.store.accounts[u].PasswordHash != string(former) {
		t.Error("a wrong password replaced the hash")
	}
	for range 2 {
		if _, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home); err != nil {
			t.Fatal(err)
		}
		if got := h.store.accounts[u].PasswordHash; !strings.HasPrefix(got, "$argon2id$") {
			t.Errorf("the hash is %s", got)
		}
	}
}

func TestRefreshAnswersWithTheAccount(t *testing.T) {
	h := open(t)
	in := h.join(t, "alice")
	h.advance(time.Hour)

	e, err := h.Refresh(t.Context(), in.RefreshToken)

	if err != nil || !e.Body.Success || e.RefreshToken == in.RefreshToken {
		t.Fatalf("got %+v, %v", e.Body, err)
	}
	if diff := cmp.Diff(in.Body.User, e.Body.User); diff != "" {
		t.Errorf("the account differs (-want +got):\n%s", diff)
	}
	_, err = h.Refresh(t.Context(), "")
	sameFault(t, err, auth.ErrNoRefreshToken)
}

func TestRefreshWaitsForTheStore(t *testing.T) {
	h := open(t)
	in := h.join(t, "alice")
	h.store.setDown(true)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := h.Refresh(t.Context(), in.RefreshToken)
		sameFault(t, err, auth.ErrStoreAway)
		if waited := time.Since(began); waited != 8*time.Second {
			t.Errorf("it waited %v, want 8s", waited)
		}

		time.AfterFunc(5*time.Second, func() { h.store.setDown(false) })
		if _, err := h.Refresh(t.Context(), in.RefreshToken); err != nil {
			t.Errorf("the store came back after 5 s: %v", err)
		}

		h.store.setDown(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if _, err := h.Refresh(ctx, in.RefreshToken); err == nil || time.Since(began) != time.Second {
			t.Errorf("the caller left after a second: %v after %v", err, time.Since(began))
		}
	})
}

func TestLogOutEndsTheSessionThenItsSockets(t *testing.T) {
	h := open(t)
	in := h.join(t, "alice")
	who, err := h.sessions.Verify(t.Context(), in.Body.AccessToken)
	if err != nil {
		t.Fatal(err)
	}

	h.store.setDown(true)
	_, err = h.LogOut(t.Context(), who)
	sameFault(t, err, auth.ErrStoreAway)
	if len(h.ended) != 0 {
		t.Errorf("sockets were closed although the session lives: %+v", h.ended)
	}
	h.store.setDown(false)
	got, err := h.LogOut(t.Context(), who)

	if want := (wire.Done{Message: "Logged out successfully", Success: true}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if want := (ended{who.Session, "Logged out", true, true}); len(h.ended) != 1 || h.ended[0] != want {
		t.Errorf("sockets heard %+v, want %+v", h.ended, want)
	}
	_, err = h.sessions.Verify(t.Context(), in.Body.AccessToken)
	sameFault(t, err, auth.ErrSessionEnded)
}

func TestStoreTroubleIsNobodysFault(t *testing.T) {
	h := open(t)
	u := h.join(t, "alice").Body.User.ID
	h.store.setDown(true)

	_, signUp := h.SignUp(t.Context(), form("bob"), home)
	_, logIn := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)
	_, me := h.Me(t.Context(), auth.Identity{User: u})
	_, known := h.People(t.Context(), []id.User{u})
	mayWrite := h.MayWrite(t.Context(), id.User{9}, u)

	for what, err := range map[string]error{"sign up": signUp, "log in": logIn, "me": me, "people": known, "may write": mayWrite, "standing": h.Standing(t.Context(), u)} {
		if f := fault.Of(err); f.Kind != fault.KindUnavailable || strings.Contains(f.Text, "disk") || !errors.Is(err, errDown) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
