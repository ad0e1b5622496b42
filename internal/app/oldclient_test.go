package app_test

import (
	"net/http"
	"strings"
	"testing"

	"pryde/internal/wire"
)

func TestTheFormerPageGetsWhatItCannotDoWithout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	for _, path := range []string{"/api/groupChats", "/api/groupchats", "/API/GroupChats/"} {
		got, err := ann.rest.Do(w.ctx(), "GET", path, nil)
		if err != nil || got.Status != http.StatusOK || strings.TrimSpace(string(got.Body)) != "[]" {
			t.Errorf("%s answered %d %s, %v; want an empty array", path, got.Status, got.Body, err)
		}
	}
	for _, path := range []string{"/api/auth/tour/skip", "/api/auth/tour/complete", "/api/auth/onboarding/remind-later", "/api/Auth/Tour/Skip/"} {
		got, err := ann.rest.Do(w.ctx(), "POST", path, map[string]any{})
		if err != nil || got.Status != http.StatusOK || !decode[wire.Succeeded](t, got.Body).Success {
			t.Errorf("%s answered %d %s, %v", path, got.Status, got.Body, err)
		}
	}
	for _, path := range []string{"/api/version/status", "/API/Version/Status/"} {
		got, err := w.rest().Do(w.ctx(), "GET", path, nil)
		if err != nil || got.Status != http.StatusOK {
			t.Fatalf("%s answered %d %s, %v", path, got.Status, got.Body, err)
		}
		if s := decode[wire.VersionStatus](t, got.Body); !s.PWAEnabled || s.ForceReload || s.MaintenanceMode || s.MinFrontendVersion != "1.0.0" || s.BackendVersion == "" {
			t.Errorf("%s answered %s", path, got.Body)
		}
	}
	got, err := w.rest().Do(w.ctx(), "GET", "/api/health", nil)
	if h := decode[wire.Health](t, got.Body); err != nil || h.Status != "ok" || h.Message == "" || h.Timestamp.IsZero() {
		t.Errorf("/api/health answered %s, %v", got.Body, err)
	}
}

func TestUnknownEndpointsAre404AndNever401(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	for _, request := range []string{
		"GET /api/posts?filter=followers&page=1&limit=20", "GET /api/passkey/list",
		"GET /api/auth/onboarding/quiet-return", "POST /api/auth/verify-push-login", "POST /api/login-approval/request",
		"GET /api/login-approval/status/1", "DELETE /api/version", "PATCH /api/groupChats", "GET /api", "GET /api/", "GET /api/nothing/at/all",
	} {
		method, path, _ := strings.Cut(request, " ")
		for _, token := range []string{ann.token, "", "rubbish"} {
			got, err := w.rest().As(token).Do(w.ctx(), method, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			p := decode[wire.Problem](t, got.Body)
			if got.Status != http.StatusNotFound || p.Code != "ENDPOINT_NOT_FOUND" || !strings.HasPrefix(p.Message, "API endpoint not found: "+method+" /api") {
				t.Errorf("%s with the token %.7q answered %d %s, want 404", request, token, got.Status, got.Body)
			}
		}
	}
}
