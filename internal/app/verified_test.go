package app_test

import (
	"net/http"
	"strings"
	"testing"

	"pryde/internal/app"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

func TestNobodyWritesOnEitherDoorWhoseAddressIsNotVerified(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := start(t, dir, nil)
	ann := before.signUp()
	if err := before.stop(); err != nil {
		t.Fatal(err)
	}
	w := start(t, dir, map[string]string{"EMAIL_VERIFICATION": "required"})
	bob := w.signUp()
	old := decode[wire.LoggedIn](t, w.do(w.rest(), "POST", "/api/auth/login", wire.LogIn{Email: ann.name, Password: password}, http.StatusOK).Body)
	ann = &person{w: w, id: ann.id, token: old.AccessToken, rest: w.rest().As(old.AccessToken), name: ann.name}

	const want = "Please verify your email address to access this feature"
	if rest, socket := bob.refusals(ann); rest != want || socket != want {
		t.Errorf("refused with %q and %q", rest, socket)
	}
	p := read[wire.Problem](t, bob.do(http.StatusForbidden, "POST", "/api/messages", wire.PostedMessage{Recipient: ann.id, Content: "hello"}))
	if p.Code != "EMAIL_NOT_VERIFIED" || p.Email != bob.name+"@example.com" || p.Action != "resend_verification" {
		t.Errorf("answered %+v", p)
	}
	if me := read[wire.Account](t, bob.do(http.StatusOK, "GET", "/api/auth/me", nil)); me.EmailVerified {
		t.Error("bob counts as verified")
	}
	ann.post(bob, "an account of before counts as verified")

	c, err := app.LoadConfig(storeIn(t, dir, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := app.VerifyEmail(t.Context(), c, "nobody"); err == nil || !strings.Contains(err.Error(), `no account with the username "nobody"`) {
		t.Errorf("of nobody: %v", err)
	}
	if err := app.VerifyEmail(t.Context(), c, strings.ToUpper(bob.name)); err != nil {
		t.Fatal(err)
	}

	bob.post(ann, "and so does one that was verified")
	if me := read[wire.Account](t, bob.do(http.StatusOK, "GET", "/api/auth/me", nil)); !me.EmailVerified {
		t.Error("bob does not count as verified")
	}
}

// setCookie returns the refresh cookie of an answer with its attributes.
func setCookie(t *testing.T, got testkit.Answer) *http.Cookie {
	t.Helper()
	for _, c := range (&http.Response{Header: got.Header}).Cookies() {
		if c.Name == "refreshToken" {
			return c
		}
	}
	t.Fatalf("no refresh cookie in %v", got.Header)
	return nil
}

func TestTheRefreshCookieIsForOtherSitesInProductionOnly(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{
		"APP_ENV": "production", "HOST": "127.0.0.1", "ROOT_DOMAIN": "example.com", "JWT_SECRET": strings.Repeat("a", 32),
		"JWT_REFRESH_SECRET": strings.Repeat("b", 32), "MESSAGE_ENCRYPTION_KEY": strings.Repeat("c", 64),
	}
	for _, c := range []struct {
		vars map[string]string
		want http.Cookie
	}{
		{secrets, http.Cookie{Secure: true, SameSite: http.SameSiteNoneMode, Domain: "example.com"}},
		{nil, http.Cookie{SameSite: http.SameSiteLaxMode}},
	} {
		w := start(t, t.TempDir(), c.vars)
		got := setCookie(t, w.do(w.rest(), "POST", "/api/auth/signup", form("ann"), http.StatusCreated))
		if got.Secure != c.want.Secure || got.SameSite != c.want.SameSite || got.Domain != c.want.Domain {
			t.Errorf("got %s, want Secure %t, SameSite %v, Domain %q", got, c.want.Secure, c.want.SameSite, c.want.Domain)
		}
		if !got.HttpOnly || got.Path != "/" || got.MaxAge < 29*24*3600 {
			t.Errorf("got %s, want it for a month, for every path and no script", got)
		}
		rest := w.rest()
		rest.Header = http.Header{"Cookie": {got.Name + "=" + got.Value}}
		gone := setCookie(t, w.do(rest, "POST", "/api/auth/logout", nil, http.StatusOK))
		if gone.MaxAge >= 0 || gone.Value != "" || gone.Domain != c.want.Domain || gone.Secure != c.want.Secure {
			t.Errorf("a logout sets %s, want the same cookie removed", gone)
		}
	}
}
