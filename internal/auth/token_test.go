package auth_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"pryde/internal/auth"
	"pryde/internal/fault"
)

const accessKey, refreshKey = "an access key of some length....", "a refresh key of some length....."

func signed(t testing.TB, method jwt.SigningMethod, key any, header map[string]any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	for k, v := range header {
		token.Header[k] = v
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// forged returns an access token of a session of alice, mended by what change does to it.
func forged(t testing.TB, h *house, s auth.Session, change func(jwt.MapClaims)) string {
	t.Helper()
	c := jwt.MapClaims{"userId": s.User.String(), "sessionId": s.ID, "type": "access", "iat": h.clock().Unix(), "exp": h.clock().Add(time.Minute).Unix()}
	if change != nil {
		change(c)
	}
	return signed(t, jwt.SigningMethodHS256, []byte(accessKey), nil, c)
}

func TestTokensOfTheFormerSystemAreGood(t *testing.T) {
	h := open(t)
	_, s := h.start(t)

	got, err := h.Verify(t.Context(), forged(t, h, s, nil))

	if want := (auth.Identity{User: alice, Session: s.ID}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestTokensThatDoNotCount(t *testing.T) {
	h := open(t)
	tokens, s := h.start(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{"userId": alice.String(), "sessionId": s.ID, "type": "access", "exp": h.clock().Add(time.Hour).Unix()}
	without := func(name string) string { return forged(t, h, s, func(c jwt.MapClaims) { delete(c, name) }) }
	with := func(name string, v any) string { return forged(t, h, s, func(c jwt.MapClaims) { c[name] = v }) }
	head, _, _ := strings.Cut(tokens.Access, ".")
	malformed, invalid := auth.ErrTokenMalformed, auth.ErrTokenInvalid

	for _, c := range []struct {
		name, token  string
		want         *fault.Fault
		onSocketText string
	}{
		{"none", "", auth.ErrNoToken, "Authentication required"},
		{"no token", "hello", malformed, "Authentication error"},
		{"two parts", "a.b", malformed, "Authentication error"},
		{"full stops", strings.Repeat(".", 1<<20), malformed, "Authentication error"},
		{"too long", head + "." + strings.Repeat("A", 1<<20) + ".AA", malformed, "Authentication error"},
		{"no JSON", head + ".AAAA.AAAA", malformed, "Authentication error"},
		{"changed", tokens.Access[:len(tokens.Access)-4] + "AAAA", malformed, "Authentication error"},
		{"another key", signed(t, jwt.SigningMethodHS256, []byte("guess"), nil, claims), malformed, "Authentication error"},
		{"no signature", signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, claims), malformed, "Authentication error"},
		{"HS384", signed(t, jwt.SigningMethodHS384, []byte(accessKey), nil, claims), malformed, "Authentication error"},
		{"RS256", signed(t, jwt.SigningMethodRS256, rsaKey, nil, claims), malformed, "Authentication error"},
		{"key by address", signed(t, jwt.SigningMethodHS256, []byte(accessKey), map[string]any{"jku": "https://evil"}, claims), malformed, "Authentication error"},
		{"key in the header", signed(t, jwt.SigningMethodHS256, []byte(accessKey), map[string]any{"jwk": map[string]string{"kty": "oct"}}, claims), malformed, "Authentication error"},
		{"certificate by address", signed(t, jwt.SigningMethodHS256, []byte(accessKey), map[string]any{"x5u": "https://evil"}, claims), malformed, "Authentication error"},
		{"good but too long", with("pad", strings.Repeat("a", 8<<10)), malformed, "Authentication error"},
		{"extension", signed(t, jwt.SigningMethodHS256, []byte(accessKey), map[string]any{"crit": []string{"x"}}, claims), malformed, "Authentication error"},
		{"expired", with("exp", h.clock().Unix()), auth.ErrTokenExpired, "Authentication error"},
		{"not yet", with("nbf", h.clock().Add(time.Minute).Unix()), auth.ErrTokenNotActive, "Authentication error"},
		{"for ever", without("exp"), invalid, "Authentication error"},
		{"refresh token", tokens.Refresh, malformed, "Authentication error"},
		{"refresh type", with("type", "refresh"), invalid, "Authentication error"},
		{"no type", without("type"), invalid, "Authentication error"},
		{"between two factors", forged(t, h, s, func(c jwt.MapClaims) { delete(c, "type"); delete(c, "sessionId"); c["requires2FA"] = true }), invalid, "Authentication error"},
		{"no session", without("sessionId"), invalid, "Authentication error"},
		{"session of another form", with("sessionId", strings.ToUpper(s.ID)), invalid, "Authentication error"},
		{"no user", without("userId"), invalid, "Authentication error"},
		{"user of another form", with("userId", "alice"), invalid, "Authentication error"},
		{"nobody", with("userId", strings.Repeat("0", 24)), invalid, "Authentication error"},
		{"user as a number", with("userId", 7), malformed, "Authentication error"},
		{"user as an operator", with("userId", map[string]string{"$ne": ""}), malformed, "Authentication error"},
		{"session of somebody else", with("userId", bob.String()), invalid, "Authentication error"},
		{"session that never was", with("sessionId", strings.Repeat("0", 64)), auth.ErrSessionEnded, "Session has been logged out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			who, err := h.Verify(t.Context(), c.token)
			if who != (auth.Identity{}) {
				t.Errorf("lets in %+v", who)
			}
			sameFault(t, err, c.want)
			if got := auth.SocketRefusal(fault.Of(err)); got != c.onSocketText {
				t.Errorf("a socket hears %q, want %q", got, c.onSocketText)
			}
		})
	}
}

// sameFault compares what a client sees of two faults.
func sameFault(t testing.TB, got error, want *fault.Fault) {
	t.Helper()
	if got == nil {
		t.Errorf("got no error, want %s", want.Code)
		return
	}
	if g := fault.Of(got); g.Kind != want.Kind || g.Code != want.Code || g.Text != want.Text {
		t.Errorf("got %s %s %q, want %s %s %q", g.Kind, g.Code, g.Text, want.Kind, want.Code, want.Text)
	}
}

func TestFaultsOfTokensAreThoseOfTheContract(t *testing.T) {
	for _, c := range []struct {
		f          *fault.Fault
		code, text string
	}{
		{auth.ErrNoToken, "UNAUTHORIZED", "No authentication token, access denied"},
		{auth.ErrTokenExpired, "TOKEN_EXPIRED", "Token has expired"},
		{auth.ErrTokenMalformed, "MALFORMED_TOKEN", "Invalid token format"},
		{auth.ErrTokenNotActive, "TOKEN_NOT_ACTIVE", "Token not yet valid"},
		{auth.ErrTokenInvalid, "INVALID_TOKEN", "Token is not valid"},
		{auth.ErrUserNotFound, "UNAUTHORIZED", "User not found"},
		{auth.ErrAccountDeleted, "ACCOUNT_DELETED", "Account deleted"},
		{auth.ErrSessionEnded, "UNAUTHORIZED", "Session has been logged out. Please log in again."},
	} {
		if c.f.Kind != fault.KindUnauthenticated || c.f.Code != c.code || c.f.Text != c.text {
			t.Errorf("got %s %s %q, want %s %q", c.f.Kind, c.f.Code, c.f.Text, c.code, c.text)
		}
	}
	for _, c := range []struct {
		f    *fault.Fault
		text string
	}{
		{auth.ErrAccountBanned, "Your account has been banned"}, {auth.ErrAccountDeactivated, "Account is deactivated"},
		{auth.ErrAccountSuspended, "Your account is suspended"}, {auth.ErrSystemAccount, "System accounts cannot authenticate"},
	} {
		if c.f.Kind != fault.KindForbidden || c.f.Text != c.text {
			t.Errorf("got %s %q, want %q", c.f.Kind, c.f.Text, c.text)
		}
	}
}

func TestClientsReadThePayloadAsPlainBase64(t *testing.T) {
	tokens, s := open(t).start(t)
	for kind, token := range map[string]string{"access": tokens.Access, "refresh": tokens.Refresh} {
		parts := strings.Split(token, ".")
		payload, err := base64.RawStdEncoding.DecodeString(parts[1])
		if err != nil {
			t.Errorf("%s: the payload is no plain base64: %v", kind, err)
		}
		var got map[string]any
		if err := json.Unmarshal(payload, &got); err != nil {
			t.Fatal(err)
		}
		if got["userId"] != alice.String() || got["sessionId"] != s.ID || got["type"] != kind || got["iat"] == nil || got["exp"] == nil {
			t.Errorf("%s: claims are %s", kind, payload)
		}
		if _, has := got["gen"]; has != (kind == "refresh") {
			t.Errorf("%s: claims are %s", kind, payload)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	type holder struct {
		Open   auth.Secret
		closed auth.Secret
	}
	const key = "canary"
	h := holder{auth.NewSecret([]byte(key)), auth.NewSecret([]byte(key))}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", h.Open, "holder", h, "closed", h.closed)
	encoded, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	out := log.String() + string(encoded) + fmt.Sprintf("%v %+v %#v %s %q %x %d %v", h, h, h, h, h, h, h, &h)
	if strings.Contains(out, key) || strings.Contains(out, fmt.Sprintf("%x", key)) || strings.Contains(out, "99 97 110") {
		t.Errorf("a secret shows in %s", out)
	}
	if !strings.Contains(out, "[secret]") {
		t.Errorf("nothing says that there is a secret: %s", out)
	}
}

func FuzzTokens(f *testing.F) {
	h := open(f)
	tokens, s := h.start(f)
	f.Add(tokens.Access)
	f.Add(tokens.Refresh)
	f.Add(signed(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, jwt.MapClaims{"userId": alice.String()}))
	f.Add(signed(f, jwt.SigningMethodHS256, []byte(refreshKey), nil, jwt.MapClaims{"exp": 1e300, "nbf": -1}))
	f.Add("...")
	f.Fuzz(func(t *testing.T, token string) {
		if who, err := h.Verify(t.Context(), token); err == nil && who.Session != s.ID {
			t.Errorf("%q lets in %+v", token, who)
		} else if err != nil && fault.Of(err).Kind != fault.KindUnauthenticated {
			t.Errorf("%q is answered with %v", token, err)
		}
		if token == tokens.Refresh {
			return
		}
		if _, _, err := h.Refresh(t.Context(), token); err == nil || fault.Of(err).Kind != fault.KindUnauthenticated {
			t.Errorf("%q is refreshed: %v", token, err)
		}
	})
}
