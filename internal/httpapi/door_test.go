package httpapi_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/httpapi"
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
	asked   []string          // operation and key of every question to the limiter
}

func (d *door) Verify(_ context.Context, token string) (auth.Identity, error) { return d.verify(token) }

func (d *door) Allow(operation, key string) (bool, time.Duration) {
	d.asked = append(d.asked, operation+" "+key)
	return d.limited[operation] != key, 90 * time.Second
}

func (d *door) Publish(...wire.Outgoing) {}

func newDoor(t *testing.T) *door {
	d := &door{verify: func(string) (auth.Identity, error) { return auth.Identity{}, nil }, limited: map[string]string{}}
	line := order.NewLine()
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

func TestTheAddressIsBelievedFromTrustedProxiesOnly(t *testing.T) {
	d := newDoor(t)
	for _, tt := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1"},
		{"10.0.0.1:5", nil, "10.0.0.1"},
		{"10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9, 10.2.3.4"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"rubbish"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"rubbish, 203.0.113.9"}, "203.0.113.9"},
		{"[::ffff:10.0.0.1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
	} {
		r := httptest.NewRequest("GET", "/api/health", nil)
		r.RemoteAddr = tt.peer
		r.Header["X-Forwarded-For"] = tt.forwarded
		if got := d.Address(r).String(); got != tt.want {
			t.Errorf("peer %s, forwarded %q: got %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
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

func TestALimitedRequestSaysWhenToComeBack(t *testing.T) {
	d := newDoor(t)
	d.limited["global"] = "192.0.2.1"
	httpapi.BindHealth(d.API)

	w := d.do(httptest.NewRequest("GET", "/api/health", nil))

	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "90" || !strings.Contains(w.Body.String(), `"error":"Too Many Requests"`) {
		t.Errorf("answered %d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
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
