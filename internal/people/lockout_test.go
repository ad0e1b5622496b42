package people_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/people"
	"pryde/internal/wire"
)

// work returns how many MiB a login with a wrong password takes.
func (h *house) work(t testing.TB, name string) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := h.LogIn(t.Context(), wire.LogIn{Email: name, Password: "wrong"}, home)
	runtime.ReadMemStats(&after)
	sameFault(t, err, people.ErrCredentials)
	return (after.TotalAlloc - before.TotalAlloc) >> 20
}

func TestUnknownAccountTakesTheSameWork(t *testing.T) {
	h := open(t)
	h.join(t, "alice")

	known, unknown := h.work(t, "alice"), h.work(t, "nobody")

	if known < 19 || unknown < 19 || known > 25 || unknown > 25 {
		t.Errorf("a wrong password took %d MiB of work, an unknown account %d; want 19 each", known, unknown)
	}
}

func TestFiveFailuresLockANameForAnAddress(t *testing.T) {
	h := open(t)
	h.join(t, "alice")
	try := func(name, password, address string) error {
		_, err := h.LogIn(t.Context(), wire.LogIn{Email: name, Password: password}, auth.Device{Address: address})
		return err
	}
	for _, name := range []string{"alice", "Alice", " ALICE ", "alice", "aLiCe"} {
		sameFault(t, try(name, "wrong", "192.0.2.66"), people.ErrCredentials)
	}

	err := try("alice", password, "192.0.2.66")
	if f := fault.Of(err); f.Kind != fault.KindLocked || f.Code != "ACCOUNT_LOCKED" || f.RetryAfter != 15*time.Minute {
		t.Errorf("got %s %s, retry after %v; want it locked for 15 minutes", f.Kind, f.Code, f.RetryAfter)
	}
	if err := try("alice", password, "192.0.2.1"); err != nil {
		t.Errorf("the owner at another address: %v", err)
	}
	h.advance(15*time.Minute - time.Second)
	if f := fault.Of(try("alice", password, "192.0.2.66")); f.Code != "ACCOUNT_LOCKED" || f.RetryAfter != time.Second {
		t.Errorf("a second early: got %s, retry after %v", f.Code, f.RetryAfter)
	}
	h.advance(time.Second)
	if err := try("alice", password, "192.0.2.66"); err != nil {
		t.Errorf("after the lock: %v", err)
	}
	for range 5 {
		sameFault(t, try("nobody", "wrong", "192.0.2.66"), people.ErrCredentials)
	}
	if f := fault.Of(try("nobody", "wrong", "192.0.2.66")); f.Code != "ACCOUNT_LOCKED" {
		t.Errorf("an unknown account is not locked, which tells it from a known one: %s", f.Code)
	}
}

// TestFailuresDoNotTellWhoseAnAddressIs makes the failures of a username, then those of its
// address, while those of the username go out of date: the address is answered as one of nobody.
func TestFailuresDoNotTellWhoseAnAddressIs(t *testing.T) {
	h := open(t)
	h.join(t, "alice")
	for _, email := range []string{"alice@example.org", "nobody@example.org"} {
		var codes []string
		try := func(name string, times int) {
			for range times {
				_, err := h.LogIn(t.Context(), wire.LogIn{Email: name, Password: "wrong"}, home)
				codes = append(codes, fault.Of(err).Code)
			}
		}
		try("alice", 6)
		h.advance(14 * time.Minute)
		try(email, 5)
		h.advance(time.Minute)
		try("alice", 6)
		try(email, 1)
		h.advance(15 * time.Minute)

		want := strings.Repeat("INVALID_CREDENTIALS ", 5) + "ACCOUNT_LOCKED " + strings.Repeat("INVALID_CREDENTIALS ", 10) + "ACCOUNT_LOCKED ACCOUNT_LOCKED"
		if got := strings.Join(codes, " "); got != want {
			t.Errorf("%s: answered %s", email, got)
		}
	}
}

// TestAHouseholdIsLockedTogether takes a /64 network of IPv6 as one address, and no more.
func TestAHouseholdIsLockedTogether(t *testing.T) {
	h := open(t)
	h.join(t, "alice")
	try := func(address string) error {
		_, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: "wrong"}, auth.Device{Address: address})
		return err
	}
	for i := range 5 {
		sameFault(t, try(fmt.Sprintf("2001:db8:0:1:%d::1", i)), people.ErrCredentials)
	}

	if f := fault.Of(try("2001:db8:0:1:ffff:ffff:ffff:ffff")); f.Kind != fault.KindLocked {
		t.Errorf("another address of the network: %s", f.Code)
	}
	sameFault(t, try("2001:db8:0:2::1"), people.ErrCredentials)
}

func TestRightPasswordForgetsFailures(t *testing.T) {
	h := open(t)
	h.join(t, "alice")
	for range 2 {
		for range 4 {
			_, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: "wrong"}, home)
			sameFault(t, err, people.ErrCredentials)
		}
		if _, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home); err != nil {
			t.Fatalf("after four failures: %v", err)
		}
	}
}

// silent makes no random bytes.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

func TestLoginsThatCannotBeCheckedAreNoFailures(t *testing.T) {
	h := open(t)
	u := h.join(t, "alice").Body.User.ID
	former, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.store.setHash(u, string(former)); err != nil {
		t.Fatal(err)
	}
	still := openWith(t, func(o *people.Options) { o.Store, o.Rand = h.store, silent{} })
	for range 6 {
		// The new hash that the former one is to be replaced with cannot be made.
		if _, err := still.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home); fault.Of(err).Kind != fault.KindInternal {
			t.Errorf("got %v, want an internal error", err)
		}
	}

	_, err = still.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: "wrong"}, home)

	sameFault(t, err, people.ErrCredentials)
}

func TestADamagedHashIsNobodysPassword(t *testing.T) {
	var log bytes.Buffer
	h := openWith(t, func(o *people.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	alice := h.member(t, "alice", 0).in[0]
	for _, hash := range []string{"scrambled", "$2a$10$scrambled", "$argon2id$v=19$m=19456,t=2,p=1$damaged$hash", "$argon2id$v=19$m=4294967295,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"} {
		if err := h.store.setHash(alice.User, hash); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		if mib := h.work(t, "alice"); mib < 19 || mib > 25 {
			t.Errorf("%s: a wrong password took %d MiB of work, want 19", hash, mib)
		}
		if s := log.String(); !strings.Contains(s, "level=ERROR") || !strings.Contains(s, alice.User.String()) || strings.Contains(s, hash) {
			t.Errorf("%s: the log says %q, want the account without its hash", hash, s)
		}
	}
	_, err := h.DeleteAccount(t.Context(), alice, wire.Proof{Password: password})
	sameFault(t, err, people.ErrWrongPassword)
}

func TestGuessesAtTheSameTimeAreCounted(t *testing.T) {
	h := open(t)
	h.join(t, "alice")
	var mu sync.Mutex
	checked := 0
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: "wrong"}, home)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, people.ErrCredentials) {
				checked++
			}
		})
	}
	all.Wait()
	if checked != 5 {
		t.Errorf("%d of 20 guesses were checked, want 5", checked)
	}
}

func TestRightLoginsAtTheSameTimeAllGetIn(t *testing.T) {
	h := open(t)
	h.join(t, "alice")
	errs := make([]error, 12)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("refused: %v", err)
	}
}
