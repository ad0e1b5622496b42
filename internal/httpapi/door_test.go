package httpapi_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/httpapi"
	"pryde/internal/limit"
	"pryde/internal/metric"
	"pryde/internal/order"
	"pryde/internal/wire"
)

// door is a REST door whose parts the test decides.
type door struct {
	*httpapi.API
	log     strings.Builder
	verify  func(token string) (auth.Identity, error)
	limited map[string]string // operation -> key that is refused
	left    map[string]int    // operation -> what is left of its budget
	asked   []string          // operation and key of every question to the limiter
}

func (d *door) Verify(_ context.Context, token string) (auth.Identity, error) { return d.verify(token) }

// aRefreshToken is the one that the door knows.
const aRefreshToken = "refresh"

func (d *door) Holder(token string) (auth.Identity, error) {
	if token != aRefreshToken {
		return auth.Identity{}, auth.ErrRefreshInvalid
	}
	return d.verify(token)
}

func (d *door) Take(operation, key string) limit.Verdict {
	d.asked = append(d.asked, operation+" "+key)
	if d.limited[operation] == key {
		return limit.Verdict{RetryAfter: 90 * time.Second, Limit: 10, Reset: 900 * time.Second, Window: 900 * time.Second, Policy: "10;w=900"}
	}
	return limit.Verdict{Allowed: true, Limit: 800, Remaining: d.left[operation], Reset: time.Millisecond, Policy: "800;w=900"}
}

func (d *door) Publish(...wire.Outgoing) {}

func newDoor(t *testing.T) *door {
	d := &door{verify: func(string) (auth.Identity, error) { return auth.Identity{}, nil }, limited: map[string]string{}, left: map[string]int{}}
	line := order.NewLine(0)
	t.Cleanup(line.Close)
	d.API = httpapi.New(httpapi.Options{
		Verifier: d, Limiter: d, Line: line, Publish: d,
		Origins: func(r *http.Request) bool { return r.Header.Get("Origin") != "https://evil.example" },
		Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Metrics: metric.New(), Log: slog.New(slog.NewTextHandler(&d.log, nil)), Now: time.Now,
	})
	return d
}

func (d *door) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func TestHSTSIsSentWhereTheTrustedProxySaysHTTPS(t *testing.T) {
	d := newDoor(t)
	httpapi.BindHealth(d.API)
	for peer, want := range map[string]bool{"10.0.0.1:5": true, "192.0.2.1:5": false} {
		r := httptest.NewRequest("GET", "/api/health", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-Proto", "https")
		if got := d.do(r).Header().Get("Strict-Transport-Security") != ""; got != want {
			t.Errorf("peer %s: got %v, want %v", peer, got, want)
		}
	}
}

func TestAPanicIsAnsweredAndLoggedAndTheServerLives(t *testing.T) {
	d := newDoor(t)
	httpapi.Bind(d.API, wire.GetMe, func(context.Context, httpapi.Call, wire.None) (httpapi.Answer, error) { panic("boom") })

	w := d.do(httptest.NewRequest("GET", "/api/auth/me", nil))

	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if !strings.Contains(d.log.String(), "boom") || !strings.Contains(d.log.String(), "door_test.go") {
		t.Errorf("logged %s", d.log.String())
	}
}

func TestInternalErrorsAreLoggedAndNotShown(t *testing.T) {
	d := newDoor(t)
	httpapi.Bind(d.API, wire.GetMe, func(context.Context, httpapi.Call, wire.None) (httpapi.Answer, error) {
		return httpapi.Answer{}, errors.New("table users is locked")
	})

	w := d.do(httptest.NewRequest("GET", "/api/auth/me", nil))

	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "users") {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if !strings.Contains(d.log.String(), "table users is locked") {
		t.Errorf("logged %s", d.log.String())
	}
}

func TestKindsHaveTheirStatus(t *testing.T) {
	for status, f := range map[int]*fault.Fault{
		400: fault.Invalid("A", "a"), 401: fault.Unauthenticated("A", "a"), 403: fault.Forbidden("A", "a"), 404: fault.NotFound("A", "a"),
		409: fault.Conflict("A", "a"), 413: fault.TooLarge("A", "a"), 429: fault.RateLimited("A", "a", time.Second), 503: fault.Unavailable("A", "a", time.Second),
	} {
		d := newDoor(t)
		httpapi.Bind(d.API, wire.GetMe, func(context.Context, httpapi.Call, wire.None) (httpapi.Answer, error) { return httpapi.Answer{}, f })
		w := d.do(httptest.NewRequest("GET", "/api/auth/me", nil))
		if w.Code != status {
			t.Errorf("%s answered %d, want %d", f.Kind, w.Code, status)
		}
		if after := w.Header().Get("Retry-After"); (after == "1") != (status == 429 || status == 503) {
			t.Errorf("%s answered with Retry-After %q", f.Kind, after)
		}
		if err := wire.ValidateAnswer("GET", "/api/auth/me", w.Code, w.Body.Bytes()); err != nil {
			t.Error(err)
		}
	}
}

func TestTroubleOfTheStoreIsNever401(t *testing.T) {
	d := newDoor(t)
	d.verify = func(string) (auth.Identity, error) { return auth.Identity{}, auth.ErrStoreAway }
	httpapi.Bind(d.API, wire.GetMe, func(context.Context, httpapi.Call, wire.None) (httpapi.Answer, error) {
		t.Error("the operation ran")
		return httpapi.Answer{}, nil
	})

	if w := d.do(httptest.NewRequest("GET", "/api/auth/me", nil)); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("answered %d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
}

// leaving are accounts of which somebody logs out.
type leaving struct {
	httpapi.Accounts
	left auth.Identity
}

func (l *leaving) LogOut(_ context.Context, who auth.Identity) (wire.Done, error) {
	l.left = who
	return wire.Done{Success: true}, nil
}

func TestWhoMayNotUseTheirAccountMayLogOut(t *testing.T) {
	for _, refused := range []*fault.Fault{auth.ErrAccountBanned, auth.ErrAccountDeactivated} {
		d, ops := newDoor(t), &leaving{}
		who := auth.Identity{Session: "theirs"}
		d.verify = func(string) (auth.Identity, error) { return who, refused }
		httpapi.BindAccounts(d.API, ops)

		w := d.do(httptest.NewRequest("POST", "/api/auth/logout", nil))
		if w.Code != http.StatusOK || ops.left != who || !strings.Contains(w.Header().Get("Set-Cookie"), "refreshToken=; Path=/; Max-Age=0") {
			t.Errorf("%s: answered %d %s with the cookie %q; the session %q ended", refused.Code, w.Code, w.Body, w.Header().Get("Set-Cookie"), ops.left.Session)
		}
		if w := d.do(httptest.NewRequest("GET", "/api/auth/me", nil)); w.Code != http.StatusForbidden {
			t.Errorf("%s: everything else is answered %d", refused.Code, w.Code)
		}
	}
}

func TestPagesOfOtherOriginsReadTheHeadersTheyNeed(t *testing.T) {
	d := newDoor(t)
	httpapi.BindHealth(d.API)
	r := httptest.NewRequest("GET", "/api/health", nil)
	r.Header.Set("Origin", "https://app.example.com")

	shown := strings.Split(d.do(r).Header().Get("Access-Control-Expose-Headers"), ", ")

	for _, name := range []string{
		"Authorization", "X-CSRF-Token", "X-Mutation-Id", "X-Request-Id", "Retry-After", "X-Next-Cursor",
		"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy",
	} {
		if !slices.Contains(shown, name) {
			t.Errorf("%s is not exposed", name)
		}
	}
}

func TestTheTokenIsTakenFromEitherHeader(t *testing.T) {
	d := newDoor(t)
	var got string
	d.verify = func(token string) (auth.Identity, error) {
		got = token
		return auth.Identity{}, nil
	}
	httpapi.Bind(d.API, wire.GetMe, func(context.Context, httpapi.Call, wire.None) (httpapi.Answer, error) { return httpapi.Answer{}, nil })
	for header, value := range map[string]string{"Authorization": "Bearer the-token", "X-Auth-Token": "the-token"} {
		r := httptest.NewRequest("GET", "/api/auth/me", nil)
		r.Header.Set(header, value)
		d.do(r)
		if got != "the-token" {
			t.Errorf("%s: got %q", header, got)
		}
		got = ""
	}
}

// endless is a body that never ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '{'
	}
	e.read += len(p)
	return len(p), nil
}

func TestABodyIsReadToItsBoundOnly(t *testing.T) {
	d := newDoor(t)
	httpapi.Bind(d.API, wire.PostLogIn, func(context.Context, httpapi.Call, wire.LogIn) (httpapi.Answer, error) {
		t.Error("the operation ran")
		return httpapi.Answer{}, nil
	})
	body := &endless{}

	w := d.do(httptest.NewRequest("POST", "/api/auth/login", io.NopCloser(body)))

	if w.Code != http.StatusRequestEntityTooLarge || body.read > 2<<20 {
		t.Errorf("answered %d after %d bytes", w.Code, body.read)
	}
}

func TestPreflightsNameWhatIsAllowed(t *testing.T) {
	d := newDoor(t)
	r := httptest.NewRequest("OPTIONS", "/api/messages", nil)
	r.Header.Set("Origin", "https://app.example.com")
	r.Header.Set("Access-Control-Request-Method", "POST")

	w := d.do(r)

	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://app.example.com", "Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods": "GET,POST,PUT,DELETE,PATCH,OPTIONS", "Vary": "Origin",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"Authorization", "x-auth-token", "X-Frontend-Version", "X-Session-Id", "X-Mutation-Id", "Cache-Control"} {
		if !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), name) {
			t.Errorf("%s is not allowed", name)
		}
	}
	if w.Code != http.StatusOK {
		t.Errorf("answered %d", w.Code)
	}
}
