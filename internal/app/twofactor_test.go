package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// protected is somebody with a second factor, and a code that has not been used.
func (w *world) protected() (p *person, set wire.TwoFactorSetup, next string) {
	w.t.Helper()
	p = w.signUp()
	set = decode[wire.TwoFactorSetup](w.t, w.do(p.rest, "POST", "/api/2fa/setup", nil, http.StatusOK).Body)
	now := time.Now()
	w.do(p.rest, "POST", "/api/2fa/verify", wire.OneTimeCode{Token: code(w.t, set, now)}, http.StatusOK)
	return p, set, code(w.t, set, now.Add(30*time.Second))
}

func code(t *testing.T, set wire.TwoFactorSetup, at time.Time) string {
	t.Helper()
	c, err := totp.GenerateCode(set.Secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// firstStep logs in with the password.
func (p *person) firstStep() (testkit.Answer, wire.LoggedIn) {
	p.w.t.Helper()
	got := p.w.do(p.w.rest(), "POST", "/api/auth/login", wire.LogIn{Email: p.name, Password: password}, http.StatusOK)
	return got, decode[wire.LoggedIn](p.w.t, got.Body)
}

func TestLoggingInWithASecondFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, set, next := w.protected()

	got, first := p.firstStep()
	if first.Success || !first.Requires2FA || first.TempToken == "" || first.AccessToken != "" || first.User != nil || got.Header.Get("Set-Cookie") != "" {
		t.Fatalf("the first step answered %s", got.Body)
	}
	step := func(code string, status int) testkit.Answer {
		t.Helper()
		return w.do(w.rest(), "POST", "/api/auth/verify-2fa-login", wire.SecondStep{TempToken: first.TempToken, Token: code}, status)
	}
	if bad := decode[wire.Problem](t, step("not it", http.StatusBadRequest).Body); bad.Message != "Invalid 2FA code" {
		t.Errorf("a wrong code: %+v", bad)
	}
	d := p.entered(step(next, http.StatusOK))
	d.connect()
	if got := d.refresh(); got.Status != http.StatusOK {
		t.Errorf("the cookie of the second step was answered %d", got.Status)
	}
	step(next, http.StatusBadRequest)
	p.entered(step(strings.ToLower(set.BackupCodes[0]), http.StatusOK))
	step(set.BackupCodes[0], http.StatusBadRequest)
	if s := decode[wire.TwoFactorStatus](t, w.do(d.rest, "GET", "/api/2fa/status", nil, http.StatusOK).Body); !s.Enabled || s.BackupCodesRemaining != 9 {
		t.Errorf("the status %+v", s)
	}
	if me := decode[wire.Account](t, w.do(d.rest, "GET", "/api/auth/me", nil, http.StatusOK).Body); !me.TwoFactorEnabled {
		t.Error("me shows no second factor")
	}

	w.do(d.rest, "POST", "/api/2fa/disable", wire.Proof{Password: "wrong"}, http.StatusUnauthorized)
	w.do(d.rest, "POST", "/api/2fa/disable", wire.Proof{Password: password}, http.StatusOK)
	p.device()
}

// TestATemporaryTokenOpensNothingElse shows the token between the two steps to every door.
func TestATemporaryTokenOpensNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _, _ := w.protected()
	_, first := p.firstStep()

	if c, err := w.dial(first.TempToken); err == nil {
		c.Close()
		t.Error("it opened a socket")
	}
	for _, r := range wire.Routes() {
		if r.Access != wire.Bearer {
			continue
		}
		path := strings.NewReplacer("{", "", "}", "").Replace(r.Path)
		if got, err := w.rest().As(first.TempToken).Do(w.ctx(), r.Method, path, nil); err != nil || got.Status != http.StatusUnauthorized {
			t.Errorf("%s %s answered it with %d, %v", r.Method, path, got.Status, err)
		}
	}
	if got := (device{person: p, cookie: "refreshToken=" + first.TempToken}).refresh(); got.Status != http.StatusUnauthorized {
		t.Errorf("the refresh answered it with %d", got.Status)
	}
	w.do(w.rest().As(first.TempToken), "POST", "/api/auth/logout", nil, http.StatusUnauthorized)
	for what, token := range map[string]string{"an access token": p.token, "nothing": "", "rubbish": "x"} {
		got := w.do(w.rest(), "POST", "/api/auth/verify-2fa-login", wire.SecondStep{TempToken: token, Token: "123456"}, http.StatusUnauthorized)
		if t.Log(what); decode[wire.Problem](t, got.Body).Code != "INVALID_TEMP_TOKEN" {
			t.Errorf("%s was answered %s", what, got.Body)
		}
	}
}

func TestGuessesOfCodesAreLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, set, _ := w.protected()
	_, first := p.firstStep()
	for range 5 {
		w.do(w.rest(), "POST", "/api/auth/verify-2fa-login", wire.SecondStep{TempToken: first.TempToken, Token: "AAAAA-AAAAA"}, http.StatusBadRequest)
	}

	got := w.do(w.rest(), "POST", "/api/auth/verify-2fa-login", wire.SecondStep{TempToken: first.TempToken, Token: set.BackupCodes[0]}, http.StatusLocked)

	if p := decode[wire.Problem](t, got.Body); p.LockoutUntil.IsZero() {
		t.Errorf("answered %s", got.Body)
	}
	if strings.Contains(w.log.String(), set.Secret) || strings.Contains(w.log.String(), set.BackupCodes[0]) || strings.Contains(w.log.String(), first.TempToken) {
		t.Error("the log shows a secret")
	}
}
