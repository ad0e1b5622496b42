package app_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestThePageAndTheDoorsShareOnePort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	browser := w.rest()
	browser.Header = http.Header{"Accept": {"text/html"}}
	for path, want := range map[string]struct {
		status int
		kind   string
	}{
		"/": {200, "text/html"}, "/login": {200, "text/html"}, "/messages?chat=x": {200, "text/html"},
		"/api/nothing": {404, "application/json"}, "/API/Auth/Me": {401, "application/json"},
		"/livez": {200, "text/plain"}, "/metrics": {404, "application/json"}, "/assets/nothing.js": {404, "application/json"},
	} {
		got, err := browser.Do(w.ctx(), "GET", path, nil)
		if err != nil || got.Status != want.status || !strings.HasPrefix(got.Header.Get("Content-Type"), want.kind) {
			t.Errorf("%s answered %d %s, %v; want %d %s", path, got.Status, got.Header.Get("Content-Type"), err, want.status, want.kind)
		}
	}
	index, err := browser.Do(w.ctx(), "GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	policy := index.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "connect-src 'self' ws://" + strings.TrimPrefix(w.url, "http://")} {
		if !strings.Contains(policy, want) {
			t.Errorf("no %q in the policy %q", want, policy)
		}
	}
}
