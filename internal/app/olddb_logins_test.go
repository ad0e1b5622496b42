package app_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// An oldLogin is what the former system answered to a login, and to GET /api/auth/me with tokens
// that it had given out.
type oldLogin struct {
	Username       string
	Status         int
	Message        string
	Code           string
	Requires2FA    bool `json:"requires2FA"`
	HasAccessToken bool
	MeWithOldToken map[string]oldStatus
	Second         *oldLogin // after the code of a second factor
}

type oldStatus struct {
	Status  int
	Message string
}

// rightLogins are answers that are not those of the former system.
var rightLogins = map[string]struct {
	login  oldLogin
	reason string
}{
	"mallory": {oldLogin{Status: 200, Message: "Login successful", HasAccessToken: true}, "a setting that is no longer known is no error"},
	"frank":   {oldLogin{Status: 401, Code: "ACCOUNT_DELETED", Message: "This account has been deleted."}, "a deleted account stays deleted"},
}

// rightTokens are tokens that the former system took although their session is not there, or is
// revoked, or the account is not active.
var rightTokens = map[string]int{
	"alice/cacheOnlyAccessToken": http.StatusUnauthorized,
	"bob/staleCacheAccessToken":  http.StatusUnauthorized,
	"erin/accessToken":           http.StatusForbidden,
}

func TestOldPasswordsAndTokensAreGood(t *testing.T) {
	t.Parallel()
	w := startOld(t, "true")
	for line := range jsonLines(t, filepath.Join(oldAnswers, "logins.jsonl")) {
		var former oldLogin
		if err := json.Unmarshal(line, &former); err != nil {
			t.Fatal(err)
		}
		t.Run(former.Username, func(t *testing.T) {
			w.checkTokens(t, former)
			w.checkLogin(t, former)
		})
	}
}

func (w *oldWorld) checkTokens(t *testing.T, former oldLogin) {
	a := w.accounts[former.Username]
	for name, want := range former.MeWithOldToken {
		token := map[string]string{
			"accessToken": a.AccessToken, "revokedAccessToken": a.RevokedAccessToken,
			"cacheOnlyAccessToken": a.CacheOnlyAccessToken, "staleCacheAccessToken": a.StaleCacheAccessToken,
		}[name]
		if token == "" {
			t.Fatalf("%s has no %s", former.Username, name)
		}
		if status, wrong := rightTokens[former.Username+"/"+name]; wrong {
			want = oldStatus{Status: status}
		}
		if status, body := w.get(t, token, "/api/auth/me"); status != want.Status {
			t.Errorf("GET /api/auth/me with the %s: %d %v, want %d %s", name, status, body, want.Status, want.Message)
		}
	}
}

func (w *oldWorld) checkLogin(t *testing.T, former oldLogin) {
	a := w.accounts[former.Username]
	want := former
	if right, ok := rightLogins[former.Username]; ok {
		want = right.login
	}
	if former.Username == "alice" {
		_, refused := w.call(t, "", http.MethodPost, "/api/auth/login", map[string]string{"email": a.Email, "password": "!" + a.Password})
		if refused.(map[string]any)["accessToken"] != nil {
			t.Errorf("a wrong password is good: %v", refused)
		}
	}
	status, body := w.call(t, "", http.MethodPost, "/api/auth/login", map[string]string{"email": a.Email, "password": a.Password})
	in := w.sameLogin(t, "login", status, body, want)
	if !want.Requires2FA {
		return
	}
	code, err := totp.GenerateCode(a.TOTPSecret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	status, body = w.call(t, "", http.MethodPost, "/api/auth/verify-2fa-login", map[string]any{"tempToken": in["tempToken"], "token": code})
	w.sameLogin(t, "second step", status, body, *want.Second)
	w.checkBackupCodes(t, a)
}

func (w *oldWorld) sameLogin(t *testing.T, step string, status int, body any, want oldLogin) map[string]any {
	t.Helper()
	got := body.(map[string]any)
	text, _ := got["accessToken"].(string)
	if status != want.Status || (text != "") != want.HasAccessToken || (got["requires2FA"] == true) != want.Requires2FA {
		t.Errorf("%s: %d %v, want %d %s", step, status, got, want.Status, want.Message)
	}
	if want.Code != "" && got["code"] != want.Code {
		t.Errorf("%s: code %v, want %s", step, got["code"], want.Code)
	}
	return got
}

// checkBackupCodes uses backup codes of an old account: one that was used is no good.
func (w *oldWorld) checkBackupCodes(t *testing.T, a oldAccount) {
	tried := map[bool]bool{}
	for _, code := range a.BackupCodes {
		if tried[code.Used] {
			continue
		}
		tried[code.Used] = true
		_, body := w.call(t, "", http.MethodPost, "/api/auth/login", map[string]string{"email": a.Email, "password": a.Password})
		status, got := w.call(t, "", http.MethodPost, "/api/auth/verify-2fa-login",
			map[string]any{"tempToken": body.(map[string]any)["tempToken"], "token": code.Code})
		if (status == http.StatusOK) == code.Used {
			t.Errorf("backup code, used before: %t: %d %v", code.Used, status, got)
		}
	}
}
