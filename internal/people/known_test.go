package people_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/wire"
)

var bob, carol, nobody = id.User{1}, id.User{2}, id.User{9}

// neighbours are two accounts that nobody logs in to.
func neighbours(t *testing.T) *house {
	t.Helper()
	h := open(t)
	for _, a := range []people.Account{
		{ID: bob, Username: "bob", Email: "b@example.org", DisplayName: "Bob", ProfilePhoto: "/b.jpg", Active: true},
		{ID: carol, Username: "carol", Email: "c@example.org", Active: true},
	} {
		if err := h.store.CreateAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestPeopleAreThoseWhoExist(t *testing.T) {
	h := neighbours(t)
	if err := h.store.change(carol, func(a *people.Account) { a.Deleted = true }); err != nil {
		t.Fatal(err)
	}

	got, err := h.People(t.Context(), []id.User{bob, carol, nobody})

	want := map[id.User]wire.Person{bob: {ID: bob, Username: "bob", DisplayName: "Bob", ProfilePhoto: "/b.jpg"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	_, err = h.Person(t.Context(), carol)
	sameFault(t, err, people.ErrNoAccount)
}

func TestPeopleAreRememberedForFiveMinutes(t *testing.T) {
	h := neighbours(t)
	name := func() string {
		t.Helper()
		p, err := h.Person(t.Context(), bob)
		if err != nil {
			t.Fatal(err)
		}
		return p.DisplayName
	}
	rename := func(to string) {
		t.Helper()
		if err := h.store.change(bob, func(a *people.Account) { a.DisplayName = to }); err != nil {
			t.Fatal(err)
		}
	}

	name()
	rename("Robert")
	h.advance(5*time.Minute - time.Second)
	if got := name(); got != "Bob" || h.store.reads != 1 {
		t.Errorf("got %q after %d reads, want Bob after 1", got, h.store.reads)
	}
	h.advance(time.Second)
	if got := name(); got != "Robert" {
		t.Errorf("after five minutes: got %q", got)
	}
	rename("Rob")
	h.Forget(bob)
	if got := name(); got != "Rob" {
		t.Errorf("after a change that was told: got %q", got)
	}
}

func TestWhoMayBeWrittenTo(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to id.User
		change   func(*people.Account)
		want     *fault.Fault
	}{
		{"somebody", bob, carol, nil, nil},
		{"oneself", carol, carol, nil, nil},
		{"nobody", bob, nobody, nil, people.ErrNoAccount},
		{"deleted", bob, carol, func(a *people.Account) { a.Deleted = true }, people.ErrNoAccount},
		{"deactivated", bob, carol, func(a *people.Account) { a.Active = false }, people.ErrUnavailable},
		{"banned", bob, carol, func(a *people.Account) { a.Banned = true }, people.ErrUnavailable},
		{"suspended", bob, carol, func(a *people.Account) { a.SuspendedUntil = noon.Add(time.Hour) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := neighbours(t)
			if c.change != nil {
				if err := h.store.change(carol, c.change); err != nil {
					t.Fatal(err)
				}
			}
			err := h.MayWrite(t.Context(), c.from, c.to)
			if c.want == nil {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			sameFault(t, err, c.want)
		})
	}
}

func TestStandings(t *testing.T) {
	for _, c := range []struct {
		name   string
		who    id.User
		change func(*people.Account)
		want   *fault.Fault
	}{
		{"nobody", nobody, nil, auth.ErrUserNotFound},
		{"deleted", bob, func(a *people.Account) { a.Deleted, a.Banned, a.Active = true, true, false }, auth.ErrAccountDeleted},
		{"of the server's own", bob, func(a *people.Account) { a.System, a.Banned = true, true }, auth.ErrSystemAccount},
		{"banned", bob, func(a *people.Account) { a.Banned, a.Active = true, false }, auth.ErrAccountBanned},
		{"suspended", bob, func(a *people.Account) { a.SuspendedUntil, a.Active = noon.Add(time.Millisecond), false }, auth.ErrAccountSuspended},
		{"deactivated", bob, func(a *people.Account) { a.Active = false }, auth.ErrAccountDeactivated},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := neighbours(t)
			if c.change != nil {
				if err := h.store.change(bob, c.change); err != nil {
					t.Fatal(err)
				}
			}
			sameFault(t, h.Standing(t.Context(), c.who), c.want)
		})
	}
	h := neighbours(t)
	if err := h.store.change(bob, func(a *people.Account) { a.SuspendedUntil = noon }); err != nil {
		t.Fatal(err)
	}
	for who, u := range map[string]id.User{"an account in use": carol, "one whose suspension is over": bob} {
		if err := h.Standing(t.Context(), u); err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
}

func TestWhileTheStoreIsAwayPeopleAreBelievedForFiveMinutes(t *testing.T) {
	h := neighbours(t)
	ask := func() map[string]error {
		_, named := h.People(t.Context(), []id.User{bob, carol})
		_, blocks := h.BlockedWith(t.Context(), bob)
		return map[string]error{"people": named, "blocks": blocks, "may write": h.MayWrite(t.Context(), bob, carol)}
	}
	for what, err := range ask() {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	h.store.setDown(true)

	h.advance(5*time.Minute - time.Second)
	for what, err := range ask() {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	h.advance(time.Second)
	for what, err := range ask() {
		if !errors.Is(err, auth.ErrStoreAway) {
			t.Errorf("%s after five minutes: %v", what, err)
		}
	}
}
