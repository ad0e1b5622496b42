package app_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

const accessSecret, refreshSecret = "access-secret-of-this-test-0123456789", "refresh-secret-of-this-test-0123456789"

func withSecrets(t *testing.T) *world {
	return start(t, t.TempDir(), map[string]string{"JWT_SECRET": accessSecret, "JWT_REFRESH_SECRET": refreshSecret})
}

func TestConnectingGreetsInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	c, err := w.dial(ann.token)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	first := decode[wire.RoomJoined](t, ann.await(c, "room:joined").Payload())
	if want := (wire.RoomJoined{Room: wire.UserRoom(ann.id), UserID: ann.id, SocketID: c.ID(), AutoJoined: true}); first != want {
		t.Errorf("room:joined %+v, want %+v", first, want)
	}
	online := decode[[]id.User](t, ann.await(c, "online_users").Payload())
	if len(online) != 1 || online[0] != ann.id {
		t.Errorf("online_users %v", online)
	}
	if got := decode[wire.PresenceUpdate](t, ann.await(c, "presence:update").Payload()); got != (wire.PresenceUpdate{UserID: ann.id, Online: true}) {
		t.Errorf("presence:update %+v", got)
	}
	if got := decode[wire.OnlineCount](t, ann.await(c, "global_chat:online_count").Payload()); got.Count != 1 {
		t.Errorf("online count %+v", got)
	}
}

func TestTheHeaderCarriesTheTokenToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	d := testkit.Dialer{Header: http.Header{"Authorization": {"Bearer " + ann.token}}}

	c, err := d.Dial(w.ctx(), w.url, "")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestTokensThatMustNotCount shows each bad token to both doors.
func TestTokensThatMustNotCount(t *testing.T) {
	t.Parallel()
	w := withSecrets(t)
	ann := w.signUp()
	good := claimsOf(t, ann.token)
	with := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range good {
			c[k] = v
		}
		change(c)
		return c
	}
	sign := func(m jwt.SigningMethod, key any, c jwt.MapClaims) string {
		s, err := jwt.NewWithClaims(m, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	hs := func(change func(jwt.MapClaims)) string {
		return sign(jwt.SigningMethodHS256, []byte(accessSecret), with(change))
	}
	same := func(jwt.MapClaims) {}
	for what, tt := range map[string]struct{ token, code, refusal string }{
		"nothing":              {"", "UNAUTHORIZED", "Authentication required"},
		"rubbish":              {"rubbish", "MALFORMED_TOKEN", "Authentication error"},
		"a flood of dots":      {strings.Repeat(".", 7_000), "MALFORMED_TOKEN", "Authentication error"},
		"alg none":             {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, with(same)), "MALFORMED_TOKEN", "Authentication error"},
		"another HMAC":         {sign(jwt.SigningMethodHS512, []byte(accessSecret), with(same)), "MALFORMED_TOKEN", "Authentication error"},
		"another key":          {sign(jwt.SigningMethodHS256, []byte("no"), with(same)), "MALFORMED_TOKEN", "Authentication error"},
		"RS256 by name":        {strings.Replace(hs(same), "eyJhbGciOiJIUzI1NiIs", "eyJhbGciOiJSUzI1NiIs", 1), "MALFORMED_TOKEN", "Authentication error"},
		"expired":              {hs(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() }), "TOKEN_EXPIRED", "Authentication error"},
		"without an end":       {hs(func(c jwt.MapClaims) { delete(c, "exp") }), "INVALID_TOKEN", "Authentication error"},
		"refresh for access":   {hs(func(c jwt.MapClaims) { c["type"] = "refresh" }), "INVALID_TOKEN", "Authentication error"},
		"without a type":       {hs(func(c jwt.MapClaims) { delete(c, "type") }), "INVALID_TOKEN", "Authentication error"},
		"of nobody":            {hs(func(c jwt.MapClaims) { c["userId"] = strings.Repeat("0", 23) + "1" }), "UNAUTHORIZED", "User not found"},
		"of no session":        {hs(func(c jwt.MapClaims) { c["sessionId"] = strings.Repeat("0", 64) }), "UNAUTHORIZED", "Session has been logged out"},
		"an object for a user": {hs(func(c jwt.MapClaims) { c["userId"] = map[string]any{"$ne": ""} }), "MALFORMED_TOKEN", "Authentication error"},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := w.rest().As(tt.token).Do(w.ctx(), "GET", "/api/messages/list", nil)
			if err != nil {
				t.Fatal(err)
			}
			if p := decode[wire.Problem](t, got.Body); got.Status != http.StatusUnauthorized || p.Code != tt.code {
				t.Errorf("REST answered %d %s, want 401 %s", got.Status, got.Body, tt.code)
			}
			_, err = w.dial(tt.token)
			var refused *testkit.RefusedError
			if !errors.As(err, &refused) || refused.Message != tt.refusal {
				t.Errorf("the socket answered %v, want %q", err, tt.refusal)
			}
		})
	}
}

func claimsOf(t *testing.T, token string) jwt.MapClaims {
	t.Helper()
	c := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoggingOutEndsSocketAndToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	c := ann.connect()

	got, err := ann.rest.Do(w.ctx(), "POST", "/api/auth/logout", nil)
	if err != nil || got.Status != http.StatusOK {
		t.Fatalf("logout answered %d %s, %v", got.Status, got.Body, err)
	}

	if got := decode[wire.ForceLogout](t, ann.await(c, "force_logout").Payload()); got != (wire.ForceLogout{Reason: "Logged out", Final: true}) {
		t.Errorf("force_logout %+v", got)
	}
	select {
	case <-c.Done():
	case <-w.ctx().Done():
		t.Error("the socket was not closed")
	}
	if _, err := w.dial(ann.token); err == nil {
		t.Error("the token opened a socket after the logout")
	}
	if got, err := ann.rest.Do(w.ctx(), "GET", "/api/auth/me", nil); err != nil || got.Status != http.StatusUnauthorized {
		t.Errorf("the token counted over REST: %d, %v", got.Status, err)
	}
}

func TestTheOldestSocketMakesRoom(t *testing.T) {
	t.Parallel()
	w := start(t, t.TempDir(), map[string]string{"SOCKET_MAX_CONNECTIONS_PER_USER": "3"})
	ann := w.signUp()
	var open []*testkit.Conn
	for range 4 {
		open = append(open, ann.connect())
	}

	if got := decode[wire.ConnectionLimit](t, ann.await(open[0], "connection_limit").Payload()); !strings.Contains(got.Message, "Maximum is 3") {
		t.Errorf("connection_limit %+v", got)
	}
	select {
	case <-open[0].Done():
	case <-w.ctx().Done():
		t.Error("the oldest socket was not closed")
	}
	for i, c := range open[1:] {
		if pong := ask[wire.Pong](ann, c, "ping", map[string]any{}); pong.Status != "ok" {
			t.Errorf("socket %d answered %+v", i+1, pong)
		}
	}
}

func TestSmallEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	c := ann.connect()

	if err := c.Emit("ping", nil); err != nil {
		t.Fatal(err)
	}
	if got := decode[wire.Pong](t, ann.await(c, "pong").Payload()); got.UserID != ann.id {
		t.Errorf("pong %+v", got)
	}
	if got := ask[wire.Echo](ann, c, "echo", map[string]any{"a": []int{1}}); string(got.Echo) != `{"a":[1]}` {
		t.Errorf("echo %+v", got)
	}
	for _, payload := range []any{ann.id.String(), map[string]string{"room": "user_" + ann.id.String()}, map[string]string{"userId": ann.id.String()}} {
		if err := c.Emit("join", payload); err != nil {
			t.Fatal(err)
		}
		if got := decode[wire.RoomJoined](t, ann.await(c, "room:joined").Payload()); got.AutoJoined {
			t.Errorf("room:joined %+v", got)
		}
	}
	for _, payload := range []any{bob.id.String(), 7, map[string]any{"room": map[string]string{"$ne": ""}}} {
		if err := c.Emit("join", payload); err != nil {
			t.Fatal(err)
		}
		ann.await(c, "room:error")
	}
	if err := c.Emit("get_online_users", map[string]any{}); err != nil {
		t.Fatal(err)
	}
	ann.await(c, "online_users")
	ann.await(c, "room:joined")
}
