package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/httpapi"
	"pryde/internal/id"
	"pryde/internal/wire"
)

func nothing(context.Context, httpapi.Call, wire.None) (httpapi.Answer, error) {
	return httpapi.Answer{}, nil
}

func TestALimitedRequestSaysWhenToComeBack(t *testing.T) {
	d := newDoor(t)
	d.limited["global"] = "192.0.2.1"
	httpapi.BindHealth(d.API)

	w := d.do(httptest.NewRequest("GET", "/api/version", nil))

	p, err := wire.Decode[wire.Problem](w.Body.Bytes())
	if err != nil || w.Code != http.StatusTooManyRequests || p.Error != "Too Many Requests" || p.Code != "RATE_LIMITED" || p.Message == "" || p.RetryAfter != 15 {
		t.Errorf("answered %d %s, %v", w.Code, w.Body, err)
	}
	for name, want := range map[string]string{
		"Retry-After": "90", "RateLimit-Limit": "10", "RateLimit-Remaining": "0", "RateLimit-Reset": "900", "RateLimit-Policy": "10;w=900",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if w := d.do(httptest.NewRequest("GET", "/api/health", nil)); w.Code != http.StatusOK {
		t.Errorf("the health check was answered %d", w.Code)
	}
}

func TestAnAllowedRequestIsToldWhatIsLeftOfTheBudgetThatEndsFirst(t *testing.T) {
	d := newDoor(t)
	d.left = map[string]int{"send_message": 3, "send_message_address": 900}
	httpapi.Bind(d.API, wire.PostMessage, func(context.Context, httpapi.Call, wire.PostedMessage) (httpapi.Answer, error) {
		return httpapi.Answer{}, nil
	})

	w := d.do(httptest.NewRequest("POST", "/api/messages", strings.NewReader("{}")))

	for name, want := range map[string]string{"RateLimit-Remaining": "3", "RateLimit-Reset": "1", "Retry-After": ""} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestRequestsAreCountedAsTheCatalogueSays(t *testing.T) {
	session := strings.Repeat("a", 64)
	ann := auth.Identity{User: id.User{11: 0xa}, Session: session}
	const address = "2001:db8:1:2::/64"
	for _, tt := range []struct {
		method, path, cookie string
		want                 []string
	}{
		{"GET", "/api/health", "", nil},
		{"GET", "/api/auth/me", "", []string{"global " + address}},
		{"POST", "/api/messages", "", []string{"send_message_address " + address, "send_message " + ann.User.String()}},
		{"POST", "/api/refresh", aRefreshToken, []string{"refresh " + session, "refresh_address " + address}},
		{"POST", "/api/refresh", "rubbish", []string{"refresh " + address, "refresh_address " + address}},
		{"POST", "/api/refresh", "", []string{"refresh " + address, "refresh_address " + address}},
	} {
		d := newDoor(t)
		d.verify = func(string) (auth.Identity, error) { return ann, nil }
		httpapi.BindHealth(d.API)
		httpapi.Bind(d.API, wire.GetMe, nothing)
		httpapi.Bind(d.API, wire.PostRefresh, nothing)
		httpapi.Bind(d.API, wire.PostMessage, func(context.Context, httpapi.Call, wire.PostedMessage) (httpapi.Answer, error) {
			return httpapi.Answer{}, nil
		})
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader("{}"))
		r.RemoteAddr = "[2001:db8:1:2:3:4:5:6]:7"
		if tt.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "refreshToken", Value: tt.cookie})
		}

		d.do(r)

		if !slices.Equal(d.asked, tt.want) {
			t.Errorf("%s %s with the cookie %q asked %q, want %q", tt.method, tt.path, tt.cookie, d.asked, tt.want)
		}
	}
}

func TestWhoIsNotAdmittedCostsNobodyElseABudget(t *testing.T) {
	d := newDoor(t)
	d.verify = func(string) (auth.Identity, error) { return auth.Identity{}, fault.Unauthenticated("A", "a") }
	httpapi.Bind(d.API, wire.PostMessage, func(context.Context, httpapi.Call, wire.PostedMessage) (httpapi.Answer, error) {
		return httpapi.Answer{}, nil
	})

	d.do(httptest.NewRequest("POST", "/api/messages", strings.NewReader("{}")))

	if want := []string{"send_message_address 192.0.2.1"}; !slices.Equal(d.asked, want) {
		t.Errorf("asked %q, want %q", d.asked, want)
	}
}
