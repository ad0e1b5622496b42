package people_test

import (
	"encoding/base64"
	"fmt"
	"image/png"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/people"
	"pryde/internal/wire"
)

// code is what the authenticator app shows.
func (h *house) code(t testing.TB, secret string) string {
	t.Helper()
	c, err := totp.GenerateCode(secret, h.now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// protect puts a second factor in force; its next code is a new one.
func (h *house) protect(t testing.TB, who auth.Identity) wire.TwoFactorSetup {
	t.Helper()
	set, err := h.SetUpTwoFactor(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.VerifyTwoFactor(t.Context(), who, wire.OneTimeCode{Token: h.code(t, set.Secret)}); err != nil {
		t.Fatal(err)
	}
	h.advance(time.Minute)
	return set
}

// firstStep logs in with the password and returns the temporary token.
func (h *house) firstStep(t testing.TB, name string) string {
	t.Helper()
	e, err := h.LogIn(t.Context(), wire.LogIn{Email: name, Password: password}, home)
	if err != nil {
		t.Fatal(err)
	}
	b := e.Body
	if b.Success || !b.Requires2FA || b.TempToken == "" || b.AccessToken != "" || b.User != nil || e.RefreshToken != "" {
		t.Fatalf("the password alone got %+v and the refresh token %q", b, e.RefreshToken)
	}
	return b.TempToken
}

func (h *house) secondStep(t testing.TB, temp, code string) error {
	t.Helper()
	e, err := h.SecondStep(t.Context(), wire.SecondStep{TempToken: temp, Token: code}, home)
	if err == nil {
		h.who(t, e.Body.AccessToken)
		if e.RefreshToken == "" || !e.Body.Success {
			t.Errorf("answered %+v", e.Body)
		}
	}
	return err
}

func TestSettingUpASecondFactor(t *testing.T) {
	h := open(t)
	who := h.member(t, "alice", 0).in[0]

	set, err := h.SetUpTwoFactor(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	picture, isPNG := strings.CutPrefix(set.QRCode, "data:image/png;base64,")
	if _, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(picture))); !isPNG || err != nil {
		t.Errorf("the code is no picture: %v", err)
	}
	codes := slices.Compact(slices.Sorted(slices.Values(set.BackupCodes)))
	if len(codes) != 10 || len(codes[0]) != 11 {
		t.Errorf("backup codes %v", set.BackupCodes)
	}
	if s, err := h.TwoFactorStatus(t.Context(), who); err != nil || s.Enabled {
		t.Errorf("before it is verified: %+v, %v", s, err)
	}
	if e, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home); err != nil || !e.Body.Success {
		t.Errorf("a login before it is verified: %+v, %v", e.Body, err)
	}
	_, wrong := h.VerifyTwoFactor(t.Context(), who, wire.OneTimeCode{Token: "000000"})
	sameFault(t, wrong, people.ErrWrongCode)
	_, backup := h.VerifyTwoFactor(t.Context(), who, wire.OneTimeCode{Token: set.BackupCodes[0]})
	sameFault(t, backup, people.ErrWrongCode)

	on, err := h.VerifyTwoFactor(t.Context(), who, wire.OneTimeCode{Token: h.code(t, set.Secret)})

	if err != nil || !slices.Equal(on.BackupCodes, set.BackupCodes) {
		t.Errorf("verified: %+v, %v", on, err)
	}
	if s, err := h.TwoFactorStatus(t.Context(), who); err != nil || s != (wire.TwoFactorStatus{Enabled: true, BackupCodesRemaining: 10}) {
		t.Errorf("afterwards: %+v, %v", s, err)
	}
	_, setUp := h.SetUpTwoFactor(t.Context(), who)
	_, verify := h.VerifyTwoFactor(t.Context(), who, wire.OneTimeCode{Token: h.code(t, set.Secret)})
	for _, err := range []error{setUp, verify} {
		if fault.Of(err).Code != "TWO_FACTOR_ENABLED" {
			t.Errorf("a second set-up: %v", err)
		}
	}
}

func TestOnlyTheLastSetUpCounts(t *testing.T) {
	h := open(t)
	who := h.member(t, "alice", 0).in[0]
	_, none := h.VerifyTwoFactor(t.Context(), who, wire.OneTimeCode{Token: "123456"})
	if fault.Of(none).Code != "TWO_FACTOR_NOT_SET_UP" {
		t.Errorf("without a set-up: %v", none)
	}
	first, err := h.SetUpTwoFactor(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.SetUpTwoFactor(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}

	_, err = h.VerifyTwoFactor(t.Context(), who, wire.OneTimeCode{Token: h.code(t, first.Secret)})
	sameFault(t, err, people.ErrWrongCode)
	if _, err = h.VerifyTwoFactor(t.Context(), who, wire.OneTimeCode{Token: h.code(t, second.Secret)}); err != nil {
		t.Error(err)
	}
	h.advance(time.Minute)
	temp := h.firstStep(t, "alice")
	sameFault(t, h.secondStep(t, temp, first.BackupCodes[0]), people.ErrWrongCode)
	if err := h.secondStep(t, temp, second.BackupCodes[0]); err != nil {
		t.Error(err)
	}
}

func TestACodeWorksOnce(t *testing.T) {
	h := open(t)
	set := h.protect(t, h.member(t, "alice", 0).in[0])
	temp := h.firstStep(t, "alice")
	code := h.code(t, set.Secret)

	if err := h.secondStep(t, temp, code[:3]+" "+code[3:]); err != nil {
		t.Fatal(err)
	}
	sameFault(t, h.secondStep(t, temp, code), people.ErrWrongCode)
	h.advance(30 * time.Second)
	earlier := code
	if err := h.secondStep(t, temp, h.code(t, set.Secret)); err != nil {
		t.Errorf("the next code: %v", err)
	}
	sameFault(t, h.secondStep(t, temp, earlier), people.ErrWrongCode)
	h.advance(2 * time.Minute)
	late := h.code(t, set.Secret)
	h.advance(time.Minute + time.Second)
	sameFault(t, h.secondStep(t, temp, late), people.ErrWrongCode)
}

func TestABackupCodeWorksOnce(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	eve := h.member(t, "eve", 0).in[0]
	set := h.protect(t, alice)
	foreign := h.protect(t, eve)
	temp := h.firstStep(t, "alice")

	if err := h.secondStep(t, temp, " "+strings.ToLower(set.BackupCodes[3])); err != nil {
		t.Fatal(err)
	}
	sameFault(t, h.secondStep(t, temp, set.BackupCodes[3]), people.ErrWrongCode)
	sameFault(t, h.secondStep(t, temp, foreign.BackupCodes[0]), people.ErrWrongCode)
	if s, err := h.TwoFactorStatus(t.Context(), alice); err != nil || s.BackupCodesRemaining != 9 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestABackupCodeOfTheFormerSystem gives an account a code as the former system made them.
func TestABackupCodeOfTheFormerSystem(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	h.protect(t, alice)
	f := h.store.factors[alice.User]
	f.codes = append(f.codes, people.HashBackupCode([32]byte{1}, alice.User, "ed8565a1"))
	h.store.factors[alice.User] = f
	temp := h.firstStep(t, "alice")

	sameFault(t, h.secondStep(t, temp, "ED8565A2"), people.ErrWrongCode)
	if err := h.secondStep(t, temp, "ED85 65A1"); err != nil {
		t.Fatal(err)
	}
	sameFault(t, h.secondStep(t, temp, "ED8565A1"), people.ErrWrongCode)
}

func TestOneOfManyAtTheSameTimeSpendsACode(t *testing.T) {
	h := open(t)
	set := h.protect(t, h.member(t, "alice", 0).in[0])
	temp := h.firstStep(t, "alice")
	for _, code := range []string{h.code(t, set.Secret), set.BackupCodes[0]} {
		var all sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			all.Go(func() {
				_, errs[i] = h.SecondStep(t.Context(), wire.SecondStep{TempToken: temp, Token: code}, home)
			})
		}
		all.Wait()
		entered := 0
		for _, err := range errs {
			if err == nil {
				entered++
			}
		}
		if entered != 1 {
			t.Errorf("%d of 4 came in with one code", entered)
		}
	}
}

func TestFirstStepsThatDoNotCount(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	set := h.protect(t, alice)
	for what, temp := range map[string]string{"nothing": "", "rubbish": "x"} {
		err := h.secondStep(t, temp, set.BackupCodes[0])
		if t.Log(what); err == nil {
			t.Errorf("%s counts", what)
		}
		sameFault(t, err, auth.ErrChallengeInvalid)
	}

	late := h.firstStep(t, "alice")
	h.advance(10 * time.Minute)
	sameFault(t, h.secondStep(t, late, set.BackupCodes[0]), auth.ErrChallengeInvalid)

	before := h.firstStep(t, "alice")
	if _, err := h.ChangePassword(t.Context(), alice, wire.PasswordChange{CurrentPassword: password, NewPassword: better}); err != nil {
		t.Fatal(err)
	}
	sameFault(t, h.secondStep(t, before, set.BackupCodes[0]), auth.ErrChallengeInvalid)
}

func TestASecondStepReactivatesAndAFirstDoesNot(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	set := h.protect(t, alice)
	if _, err := h.Deactivate(t.Context(), alice); err != nil {
		t.Fatal(err)
	}

	temp := h.firstStep(t, "alice")
	sameFault(t, h.Standing(t.Context(), alice.User), auth.ErrAccountDeactivated)
	if err := h.secondStep(t, temp, set.BackupCodes[0]); err != nil {
		t.Fatal(err)
	}
	if err := h.Standing(t.Context(), alice.User); err != nil {
		t.Error(err)
	}
	if err := h.store.change(alice.User, func(a *people.Account) { a.Banned = true }); err != nil {
		t.Fatal(err)
	}
	sameFault(t, h.secondStep(t, temp, set.BackupCodes[1]), auth.ErrAccountBanned)
}

func TestGuessesOfCodesAreLocked(t *testing.T) {
	h := open(t)
	set := h.protect(t, h.member(t, "alice", 0).in[0])
	temp := h.firstStep(t, "alice")
	guess := func(code, address string) error {
		_, err := h.SecondStep(t.Context(), wire.SecondStep{TempToken: temp, Token: code}, auth.Device{Address: address})
		return err
	}
	for range 5 {
		sameFault(t, guess("AAAAA-AAAAA", "192.0.2.66"), people.ErrWrongCode)
	}
	if f := fault.Of(guess(set.BackupCodes[0], "192.0.2.66")); f.Kind != fault.KindLocked {
		t.Errorf("the sixth from one address: %s", f.Code)
	}
	if err := guess(set.BackupCodes[0], "192.0.2.1"); err != nil {
		t.Errorf("another address: %v", err)
	}
	for i := range 7 {
		f := fault.Of(guess("000000", fmt.Sprintf("2001:db8::%d", i)))
		if locked := f.Kind == fault.KindLocked; locked != (i >= 5) {
			t.Errorf("guess %d from one network: %s", i, f.Code)
		}
	}
}

func TestGuessesFromEverywhereDoNotLockTheOwnerOut(t *testing.T) {
	h := open(t)
	set := h.protect(t, h.member(t, "alice", 0).in[0])
	temp := h.firstStep(t, "alice")
	guess := func(code, address string) error {
		_, err := h.SecondStep(t.Context(), wire.SecondStep{TempToken: temp, Token: code}, auth.Device{Address: address})
		return err
	}
	for i := range 100 {
		sameFault(t, guess("AAAAA-AAAAA", fmt.Sprintf("198.51.100.%d", i)), people.ErrWrongCode)
	}
	for i := range 40 {
		sameFault(t, guess("000000", fmt.Sprintf("203.0.113.%d", i)), people.ErrWrongCode)
		if i == 20 {
			if err := guess(h.code(t, set.Secret), "192.0.2.1"); err != nil {
				t.Errorf("the owner meanwhile: %v", err)
			}
		}
	}
	h.advance(time.Minute)

	if f := fault.Of(guess(h.code(t, set.Secret), "192.0.2.1")); f.Kind != fault.KindLocked {
		t.Errorf("a code of the app after many guesses: %s", f.Code)
	}
	if err := guess(set.BackupCodes[1], "192.0.2.1"); err != nil {
		t.Errorf("a backup code: %v", err)
	}
	h.advance(15 * time.Minute)
	temp = h.firstStep(t, "alice")
	if err := guess(h.code(t, set.Secret), "192.0.2.1"); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

func TestDisablingTheSecondFactorNeedsThePassword(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	set := h.protect(t, alice)
	temp := h.firstStep(t, "alice")
	_, err := h.DisableTwoFactor(t.Context(), alice, wire.Proof{Password: "wrong"})
	sameFault(t, err, people.ErrWrongPassword)
	h.firstStep(t, "alice")

	if _, err := h.DisableTwoFactor(t.Context(), alice, wire.Proof{Password: password}); err != nil {
		t.Fatal(err)
	}

	if e, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home); err != nil || !e.Body.Success {
		t.Errorf("a login afterwards: %+v, %v", e.Body, err)
	}
	sameFault(t, h.secondStep(t, temp, set.BackupCodes[0]), auth.ErrChallengeInvalid)
}
