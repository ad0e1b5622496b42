package people_test

import (
	"errors"
	"testing"

	"pryde/internal/fault"
	"pryde/internal/people"
	"pryde/internal/wire"
)

func TestNobodyWritesWhoseAddressIsNotVerified(t *testing.T) {
	h := openWith(t, func(o *people.Options) { o.VerifyEmail = true })
	alice, bob := h.join(t, "alice").Body.User, h.join(t, "bob").Body.User
	if alice.EmailVerified {
		t.Error("a sign-up is verified")
	}
	if err := h.store.change(bob.ID, func(a *people.Account) { a.EmailVerified = true }); err != nil {
		t.Fatal(err)
	}

	toBob, toHerself := h.MayWrite(t.Context(), alice.ID, bob.ID), h.MayWrite(t.Context(), alice.ID, alice.ID)

	for _, err := range []error{toBob, toHerself} {
		sameFault(t, err, fault.Forbidden("EMAIL_NOT_VERIFIED", "Please verify your email address to access this feature"))
		if u, ok := errors.AsType[*people.Unverified](err); !ok || u.Address() != alice.Email {
			t.Errorf("got %v, want the address beside it", err)
		}
	}
	if err := h.MayWrite(t.Context(), bob.ID, alice.ID); err != nil {
		t.Errorf("to somebody who is not verified: %v", err)
	}
	if err := h.store.change(alice.ID, func(a *people.Account) { a.EmailVerified = true }); err != nil {
		t.Fatal(err)
	}
	if err := h.MayWrite(t.Context(), alice.ID, bob.ID); err != nil {
		t.Errorf("once another process has verified it: %v", err)
	}
	e, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)
	if err != nil || !e.Body.User.EmailVerified {
		t.Errorf("a login says %+v, %v", e.Body.User, err)
	}
}

func TestAddressesNeedNoVerificationByDefault(t *testing.T) {
	h := open(t)
	alice, bob := h.join(t, "alice").Body.User, h.join(t, "bob").Body.User
	if err := h.store.change(bob.ID, func(a *people.Account) { a.EmailVerified = false }); err != nil {
		t.Fatal(err)
	}
	if err := h.MayWrite(t.Context(), bob.ID, alice.ID); err != nil || !alice.EmailVerified {
		t.Errorf("verified: %t; %v", alice.EmailVerified, err)
	}
}
