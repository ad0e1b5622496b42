package app_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// device is one login of a person.
type device struct {
	*person
	cookie  string // the refresh cookie as a browser sends it
	session string
}

// device logs somebody in.
func (p *person) device() device {
	p.w.t.Helper()
	got := p.w.do(p.w.rest(), "POST", "/api/auth/login", wire.LogIn{Email: p.name, Password: password}, http.StatusOK)
	return p.entered(got)
}

// entered is the device that a login answered.
func (p *person) entered(got testkit.Answer) device {
	p.w.t.Helper()
	in := decode[wire.LoggedIn](p.w.t, got.Body)
	cookie := refreshCookie(got)
	if !in.Success || cookie == "" {
		p.w.t.Fatalf("the login answered %s and the cookie %q", got.Body, cookie)
	}
	d := device{person: &person{w: p.w, id: p.id, token: in.AccessToken, rest: p.w.rest().As(in.AccessToken), name: p.name}, cookie: cookie}
	d.session, _ = claimsOf(p.w.t, in.AccessToken)["sessionId"].(string)
	return d
}

func refreshCookie(got testkit.Answer) string {
	for _, c := range (&http.Response{Header: got.Header}).Cookies() {
		if c.Name == "refreshToken" {
			return c.Name + "=" + c.Value
		}
	}
	return ""
}

// do sends a request that is to be answered with a status.
func (w *world) do(rest *testkit.REST, method, path string, body any, status int) testkit.Answer {
	w.t.Helper()
	got, err := rest.Do(w.ctx(), method, path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if got.Status != status {
		w.t.Errorf("%s %s answered %d %s, want %d", method, path, got.Status, got.Body, status)
	}
	return got
}

func (d device) refresh() testkit.Answer {
	d.w.t.Helper()
	rest := d.w.rest()
	rest.Header = http.Header{"Cookie": {d.cookie}}
	got, err := rest.Do(d.w.ctx(), "POST", "/api/refresh", nil)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return got
}

// endsWithin checks that a socket hears why it ends, and then is closed.
func (d device) endsWithin(limit time.Duration, c *testkit.Conn, want wire.ForceLogout) {
	d.w.t.Helper()
	deadline := time.After(limit)
	if got := decode[wire.ForceLogout](d.w.t, d.await(c, "force_logout").Payload()); got != want {
		d.w.t.Errorf("force_logout %+v, want %+v", got, want)
	}
	select {
	case <-c.Done():
	case <-deadline:
		d.w.t.Errorf("the socket was still open after %v", limit)
	}
}

// over checks that nothing of a device counts any more.
func (d device) over() {
	d.w.t.Helper()
	if c, err := d.w.dial(d.token); err == nil {
		c.Close()
		d.w.t.Error("the token opened a socket")
	}
	if got, err := d.rest.Do(d.w.ctx(), "GET", "/api/auth/me", nil); err != nil || got.Status != http.StatusUnauthorized {
		d.w.t.Errorf("the token was answered %d over REST, %v", got.Status, err)
	}
	if got := d.refresh(); got.Status != http.StatusUnauthorized && got.Status != http.StatusForbidden {
		d.w.t.Errorf("the refresh cookie was answered %d %s", got.Status, got.Body)
	}
}

func TestWhateverEndsASessionEndsItsSockets(t *testing.T) {
	t.Parallel()
	change := wire.PasswordChange{CurrentPassword: password, NewPassword: "Better-Battery-8"}
	for name, tt := range map[string]struct {
		method, path string
		body         any
		heard        wire.ForceLogout
		asker, other bool // which of the two devices end
	}{
		"own logout":        {"POST", "/api/auth/logout", nil, wire.ForceLogout{Reason: "Logged out", Final: true}, true, false},
		"logout of all":     {"POST", "/api/auth/logout-all", nil, wire.ForceLogout{Reason: "All sessions logged out", Final: true}, true, true},
		"all sessions":      {"POST", "/api/sessions/logout-all", nil, wire.ForceLogout{Reason: "All sessions logged out"}, true, true},
		"other sessions":    {"POST", "/api/sessions/logout-others", nil, wire.ForceLogout{Reason: "Logged out from another device"}, false, true},
		"one session":       {"DELETE", "/api/sessions/<other>", nil, wire.ForceLogout{Reason: "Session logged out from another device"}, false, true},
		"a new password":    {"POST", "/api/auth/change-password", change, wire.ForceLogout{Reason: "Password changed"}, false, true},
		"deactivation":      {"POST", "/api/auth/deactivate", nil, wire.ForceLogout{Reason: "Account deactivated", Final: true}, true, true},
		"a deleted account": {"DELETE", "/api/users/me", wire.Proof{Password: password}, wire.ForceLogout{Reason: "Account deleted", Final: true}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ann, bob := w.signUp(), w.signUp()
			asker, other, stranger := ann.device(), ann.device(), bob.device()
			a, o, s := asker.connect(), other.connect(), stranger.connect()

			got := w.do(asker.rest, tt.method, strings.Replace(tt.path, "<other>", other.session, 1), tt.body, http.StatusOK)

			if cleared := refreshCookie(got) == "refreshToken="; cleared != tt.asker {
				t.Errorf("the cookie was removed: %t, want %t", cleared, tt.asker)
			}
			for _, one := range []struct {
				device
				socket *testkit.Conn
				ends   bool
			}{{asker, a, tt.asker}, {other, o, tt.other}, {stranger, s, false}} {
				if one.ends {
					one.endsWithin(time.Second, one.socket, tt.heard)
				} else if pong := ask[wire.Pong](one.person, one.socket, "ping", map[string]any{}); pong.Status != "ok" {
					t.Errorf("a socket that stays answered %+v", pong)
				}
			}
			for _, one := range []struct {
				device
				ends bool
			}{{asker, tt.asker}, {other, tt.other}, {stranger, false}} {
				if one.ends {
					one.over()
				} else {
					w.do(one.rest, "GET", "/api/auth/me", nil, http.StatusOK)
				}
			}
		})
	}
}

// TestTheReuseOfARefreshTokenEndsItsSockets presents a token that is two rotations old.
func TestTheReuseOfARefreshTokenEndsItsSockets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp().device()
	c := ann.connect()
	first := ann.refresh()
	second := ann
	second.cookie = refreshCookie(first)
	if got := second.refresh(); first.Status != http.StatusOK || got.Status != http.StatusOK {
		t.Fatalf("refreshes answered %d and %d", first.Status, got.Status)
	}

	got := ann.refresh()

	if p := decode[wire.Problem](t, got.Body); got.Status != http.StatusUnauthorized || p.Code != "REFRESH_TOKEN_REUSE" {
		t.Errorf("the old token was answered %d %s", got.Status, got.Body)
	}
	ann.endsWithin(time.Second, c, wire.ForceLogout{Reason: "Logged out from another device"})
	second.over()
}

func TestASocketThatComesDuringALogoutDoesNotStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp().device()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c, err := w.dial(ann.token)
			if err != nil {
				return // it came too late
			}
			defer c.Close()
			select {
			case <-c.Done():
			case <-w.ctx().Done():
				t.Error("a socket of a session that ended stays open")
			}
		})
	}
	w.do(ann.rest, "POST", "/api/auth/logout-all", nil, http.StatusOK)
	all.Wait()
}

func TestRefreshesDuringALogoutOfAllOpenNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	asker, other := ann.device(), ann.device()
	var all sync.WaitGroup
	got := make([]testkit.Answer, 2)
	for i := range got {
		all.Go(func() { got[i] = other.refresh() })
	}
	w.do(asker.rest, "POST", "/api/auth/logout-all", nil, http.StatusOK)
	all.Wait()

	other.over()
	for _, g := range got {
		if g.Status != http.StatusOK {
			continue
		}
		late := other
		late.cookie = refreshCookie(g)
		late.token = decode[wire.Refreshed](t, g.Body).AccessToken
		late.person = &person{w: w, id: ann.id, token: late.token, rest: w.rest().As(late.token), name: ann.name}
		late.over()
	}
}

func TestLoggingOutWithTheCookieAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp().device()
	c := ann.connect()
	w.do(w.rest(), "POST", "/api/auth/logout", nil, http.StatusUnauthorized)
	rest := w.rest().As("an.old.token")
	rest.Header = http.Header{"Cookie": {ann.cookie}, "Origin": {"https://evil.example"}}
	w.do(rest, "POST", "/api/auth/logout", nil, http.StatusForbidden)
	rest.Header.Del("Origin")

	w.do(rest, "POST", "/api/auth/logout", nil, http.StatusOK)

	ann.endsWithin(time.Second, c, wire.ForceLogout{Reason: "Logged out", Final: true})
	ann.over()
}

func TestADeactivatedAccountComesBackAndADeletedOneDoesNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	w.do(ann.device().rest, "POST", "/api/auth/deactivate", nil, http.StatusOK)

	back := ann.device()
	w.do(back.rest, "GET", "/api/auth/me", nil, http.StatusOK)
	if p := decode[wire.Problem](t, w.do(back.rest, "DELETE", "/api/users/me", wire.Proof{Password: "wrong"}, http.StatusUnauthorized).Body); p.Code != "INVALID_PASSWORD" {
		t.Errorf("a wrong password: %+v", p)
	}
	w.do(back.rest, "DELETE", "/api/users/me", wire.Proof{Password: password}, http.StatusOK)

	w.do(w.rest(), "POST", "/api/auth/login", wire.LogIn{Email: ann.name, Password: password}, http.StatusUnauthorized)
	if p := decode[wire.Problem](t, w.do(back.rest, "GET", "/api/auth/me", nil, http.StatusUnauthorized).Body); p.Code != "ACCOUNT_DELETED" {
		t.Errorf("the token of a deleted account: %+v", p)
	}
	bob := w.signUp()
	w.do(bob.rest, "GET", "/api/users/"+ann.name, nil, http.StatusNotFound)
	w.do(w.rest(), "POST", "/api/auth/signup", form(ann.name), http.StatusBadRequest)
	again := form(ann.name)
	again.Username += "_2"
	w.do(w.rest(), "POST", "/api/auth/signup", again, http.StatusCreated)
}

func TestFiveWrongPasswordsAreLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	wrong := wire.LogIn{Email: ann.name, Password: "wrong"}
	for range 5 {
		w.do(w.rest(), "POST", "/api/auth/login", wrong, http.StatusUnauthorized)
	}
	before := time.Now()

	got := w.do(w.rest(), "POST", "/api/auth/login", wire.LogIn{Email: ann.name, Password: password}, http.StatusLocked)

	p := decode[wire.Problem](t, got.Body)
	if left := p.LockoutUntil.Sub(before); left < 14*time.Minute || left > 15*time.Minute+time.Second || got.Header.Get("Retry-After") == "" {
		t.Errorf("answered %s", got.Body)
	}
	w.do(ann.rest, "GET", "/api/auth/me", nil, http.StatusOK)
}

func TestTheStatusTellsWhetherATokenCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp().device()
	for _, tt := range []struct {
		token string
		want  bool
	}{{ann.token, true}, {"", false}, {"rubbish", false}} {
		got := decode[wire.AuthStatus](t, w.do(w.rest().As(tt.token), "GET", "/api/auth/status", nil, http.StatusOK).Body)
		if got.Authenticated != tt.want || (got.User != nil) != tt.want {
			t.Errorf("%.10q: %+v", tt.token, got)
		}
	}
	w.do(ann.rest, "POST", "/api/auth/logout", nil, http.StatusOK)
	if got := decode[wire.AuthStatus](t, w.do(ann.rest, "GET", "/api/auth/status", nil, http.StatusOK).Body); got.Authenticated {
		t.Error("the token of a session that ended counts")
	}
}

func TestLookingForPeopleIsLimited(t *testing.T) {
	t.Parallel()
	w := start(t, t.TempDir(), map[string]string{
		"RATE_LIMIT_FACTOR": "1", "RATE_LIMITS": "signup=100/1h,check_username=2/1h,search=2/1h,second_step=2/1h",
	})
	ann, bob := w.signUp(), w.signUp()
	for _, limited := range []bool{false, false, true} {
		ok, wrong := http.StatusOK, http.StatusUnauthorized
		if limited {
			ok, wrong = http.StatusTooManyRequests, http.StatusTooManyRequests
		}
		w.do(w.rest(), "GET", "/api/auth/check-username/somebody", nil, ok)
		w.do(ann.rest, "GET", "/api/users/search?q=person", nil, ok)
		w.do(w.rest(), "POST", "/api/auth/verify-2fa-login", wire.SecondStep{TempToken: "x", Token: "123456"}, wrong)
	}
	w.do(bob.rest, "GET", "/api/users/search?q=person", nil, http.StatusOK)
}
