package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pryde/internal/testkit"
	"pryde/internal/wire"
)

func TestSomebodyElsesSessionsAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, eve := w.signUp().device(), w.signUp().device()
	unknown := w.do(eve.rest, "DELETE", "/api/sessions/"+strings.Repeat("0", 64), nil, http.StatusNotFound)
	foreign := w.do(eve.rest, "DELETE", "/api/sessions/"+ann.session, nil, http.StatusNotFound)
	a, b := decode[wire.Problem](t, unknown.Body), decode[wire.Problem](t, foreign.Body)
	if a.Message != b.Message || a.Code != b.Code {
		t.Errorf("a session of somebody else is told from none: %s and %s", foreign.Body, unknown.Body)
	}
	w.do(eve.rest, "POST", "/api/sessions/logout-all", nil, http.StatusOK)
	w.do(ann.rest, "GET", "/api/auth/me", nil, http.StatusOK)
}

func TestSessionsOverREST(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.signUp()
	phone := p.w.rest()
	phone.Header = http.Header{"User-Agent": {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1"}}
	in := w.do(phone, "POST", "/api/auth/login", wire.LogIn{Email: p.name, Password: password}, http.StatusOK)
	ann := p.entered(in)
	w.signUp()

	list := decode[[]wire.Session](t, w.do(ann.rest, "GET", "/api/sessions", nil, http.StatusOK).Body)

	if len(list) != 2 {
		t.Fatalf("%d sessions, want 2: %+v", len(list), list)
	}
	for _, s := range list {
		if s.IsCurrent != (s.SessionID == ann.session) || s.IPAddress != "127.0.0.1" {
			t.Errorf("listed %+v", s)
		}
		if s.IsCurrent && (s.Device != "Mobile" || s.Browser != "Safari" || s.OS != "iOS") {
			t.Errorf("the phone is listed as %+v", s)
		}
	}
	w.do(ann.rest, "PUT", "/api/sessions/activity", nil, http.StatusOK)
	w.do(ann.rest, "DELETE", "/api/sessions/"+strings.ToUpper(ann.session), nil, http.StatusOK)
	ann.over()
}

func TestProfilesOverREST(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	set := func(who *person, body string, status int) testkit.Answer {
		t.Helper()
		return w.do(who.rest, "PATCH", "/api/users/me", wire.Raw(body), status)
	}
	set(bob, `{"displayName":"Bob <i>the</i> Builder","bio":"a & b","profilePhoto":"/upload/image/b.png","website":null}`, http.StatusOK)

	p := w.do(ann.rest, "GET", "/api/users/"+bob.id.String(), nil, http.StatusOK)
	got := decode[wire.Profile](t, p.Body)
	if got.DisplayName != "Bob the Builder" || got.Bio != "a & b" || !got.IsActive || got.UnderscoreID != bob.id {
		t.Errorf("the profile %s", p.Body)
	}
	for _, secret := range []string{"email", "@example.com", "password", "birthday", "session", "fullName", "Person Example"} {
		if strings.Contains(string(p.Body), secret) {
			t.Errorf("the profile shows %s: %s", secret, p.Body)
		}
	}
	w.do(ann.rest, "GET", "/API/Users/"+strings.ToUpper(bob.name)+"/", nil, http.StatusOK)
	w.do(ann.rest, "GET", "/api/users/"+bob.name+"@example.com", nil, http.StatusNotFound)

	found := w.do(ann.rest, "GET", "/api/users/search?q=THE%20BUILD", nil, http.StatusOK)
	list := decode[[]wire.FoundPerson](t, found.Body)
	if len(list) != 1 || list[0].ID != bob.id || list[0].Bio != "a & b" {
		t.Errorf("found %s", found.Body)
	}
	if cached := found.Header.Get("Cache-Control"); cached != "private, max-age=30" || found.Header.Get("Pragma") != "" || found.Header.Get("Expires") != "" {
		t.Errorf("the search is cached by %q, %q, %q", cached, found.Header.Get("Pragma"), found.Header.Get("Expires"))
	}
	for _, q := range []string{"", "?q=", "?q=%25", "?q=nobody_at_all", "?q=" + ann.name} {
		if got := w.do(ann.rest, "GET", "/api/users/search"+q, nil, http.StatusOK); string(got.Body) != "[]" {
			t.Errorf("%q finds %s", q, got.Body)
		}
	}

	m, _, err := bob.rest.PostMessage(w.ctx(), wire.PostedMessage{Recipient: ann.id, Content: "hi"})
	if err != nil || m.Sender.DisplayName != "Bob the Builder" {
		t.Errorf("the next message is from %+v, %v", m.Sender, err)
	}
	refused := decode[wire.Problem](t, set(bob, `{"profilePhoto":"javascript:alert(1)","bio":"x"}`, http.StatusBadRequest).Body)
	if refused.Code != "VALIDATION_FAILED" || len(refused.Errors) != 1 || refused.Errors[0].Field != "profilePhoto" {
		t.Errorf("refused with %+v", refused)
	}
}

func TestBlockedPeopleDoNotFindEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	w.do(ann.rest, "POST", "/api/blocks", wire.Blocking{BlockedUserID: bob.id}, http.StatusCreated)

	for who, other := range map[*person]*person{ann: bob, bob: ann} {
		if got := w.do(who.rest, "GET", "/api/users/search?q="+other.name, nil, http.StatusOK); string(got.Body) != "[]" {
			t.Errorf("%s finds %s", who.name, got.Body)
		}
	}
	w.do(ann.rest, "GET", "/api/users/"+bob.id.String(), nil, http.StatusOK)
	for _, identifier := range []string{ann.id.String(), ann.name} {
		got := w.do(bob.rest, "GET", "/api/users/"+identifier, nil, http.StatusForbidden)
		if p := decode[wire.Problem](t, got.Body); p.Message != "Profile not accessible" || strings.Contains(string(got.Body), ann.name) {
			t.Errorf("bob sees %s", got.Body)
		}
	}
}

func TestMeIsAllThatTheFormerPageReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp().device()
	w.do(ann.rest, "PATCH", "/api/privacy/settings", wire.Raw(`{"whoCanMessage":"no-one"}`), http.StatusOK)

	me := decode[wire.Account](t, w.do(ann.rest, "GET", "/api/auth/me", nil, http.StatusOK).Body)

	if me.ID != ann.id || me.UnderscoreID != ann.id || me.ShowTour || me.PrivacySettings.WhoCanMessage != "no-one" || me.Session.TimeoutMs <= 0 || me.Session.TimeoutMs >= 1<<31 {
		t.Errorf("me is %+v", me)
	}
}

// TestOperatorsInAccountsAreRefused puts what a query language would read in the place of
// every text.
func TestOperatorsInAccountsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	for _, bad := range operators {
		for path, fields := range map[string][]string{
			"POST /api/auth/verify-2fa-login": {"tempToken", "token"},
			"POST /api/auth/change-password":  {"currentPassword", "newPassword"},
			"POST /api/2fa/verify":            {"token"},
			"POST /api/2fa/disable":           {"password"},
			"DELETE /api/users/me":            {"password"},
			"PATCH /api/users/me":             {"displayName", "bio", "pronouns", "profilePhoto", "website", "fullName"},
		} {
			method, path, _ := strings.Cut(path, " ")
			for _, field := range fields {
				w.do(ann.rest, method, path, wire.Raw(fmt.Sprintf(`{%q:%s}`, field, bad)), http.StatusBadRequest)
			}
		}
	}
	for path, status := range map[string]int{
		"/api/users/search?q[$ne]=1": 400, "/api/users/search?$where=1": 400, "/api/users/%7B%22$ne%22:%22%22%7D": 404,
		"/api/users/search?q=%7B%22$ne%22:%22%22%7D": 200, "/api/auth/check-username/%7B%22$gt%22:%22%22%7D": 200,
	} {
		w.do(ann.rest, "GET", path, nil, status)
	}
	w.do(ann.rest, "DELETE", "/api/sessions/%7B%22$ne%22:%22%22%7D", nil, 404)
	w.do(ann.rest, "GET", "/api/auth/me", nil, http.StatusOK)
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("bad requests were logged as errors:\n%s", w.log)
	}
}
