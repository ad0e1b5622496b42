package httpapi_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const script = "/assets/index-Bx1.js"

// servePage returns what a GET of a path with a browser's headers is answered. Headers come in pairs.
func servePage(t *testing.T, files fstest.MapFS, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	page, err := newDoor(t).Page(files)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w
}

func builtPage() fstest.MapFS {
	return fstest.MapFS{
		".gitkeep":   {},
		"index.html": {Data: []byte("<!doctype html><title>the page</title>")},
		script[1:]:   {Data: []byte(strings.Repeat("console.log('the script');", 100))},
		"icon.svg":   {Data: []byte("<svg/>")},
	}
}

const asPage = "text/html,application/xhtml+xml,*/*;q=0.8"

func TestThePageAnswersWhatAPersonOpens(t *testing.T) {
	for _, tt := range []struct {
		method, path, accept string
		status               int
		kind                 string
	}{
		{"GET", "/", asPage, 200, "text/html; charset=utf-8"},
		{"GET", "/", "", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", asPage, 200, "text/html; charset=utf-8"},
		{"GET", "/messages?chat=x", asPage, 200, "text/html; charset=utf-8"},
		{"GET", "/index.html", asPage, 200, "text/html; charset=utf-8"},
		{"GET", script, "*/*", 200, "text/javascript; charset=utf-8"},
		{"GET", "/icon.svg", "image/*", 200, "image/svg+xml"},
		{"GET", "/messages", "application/json", 404, "application/json"},
		{"GET", "/api", asPage, 404, "application/json"},
		{"GET", "/api/nothing", asPage, 404, "application/json"},
		{"GET", "/API/Nothing", asPage, 404, "application/json"},
		{"GET", "/assets/index-old.js", asPage, 404, "application/json"},
		{"GET", "/assets/index-old", asPage, 404, "application/json"},
		{"GET", "/missing.png", asPage, 404, "application/json"},
		{"GET", "/.gitkeep", "*/*", 404, "application/json"},
		{"GET", "/../page.go", "*/*", 404, "application/json"},
		{"POST", "/", asPage, 404, "application/json"},
		{"DELETE", "/messages", asPage, 404, "application/json"},
	} {
		w := servePage(t, builtPage(), tt.method, tt.path, "Accept", tt.accept)
		if got := w.Header().Get("Content-Type"); w.Code != tt.status || !strings.HasPrefix(got, tt.kind) {
			t.Errorf("%s %s as %q answered %d %s, want %d %s", tt.method, tt.path, tt.accept, w.Code, got, tt.status, tt.kind)
		}
	}
}

func TestThePageHasAStrictPolicy(t *testing.T) {
	w := servePage(t, builtPage(), "GET", "/", "Accept", asPage)
	want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws://example.com wss://example.com; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := w.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("the policy is\n%s, want\n%s", got, want)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestAHostCannotWriteIntoThePolicy(t *testing.T) {
	page, err := newDoor(t).Page(builtPage())
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "a;script-src-elem*"
	w := httptest.NewRecorder()

	page.ServeHTTP(w, r)

	if got := w.Header().Get("Content-Security-Policy"); strings.Contains(got, "script-src-elem") {
		t.Errorf("the policy is %s", got)
	}
}

func TestHashedFilesAreKeptAndTheIndexIsAskedFor(t *testing.T) {
	for path, want := range map[string]string{
		script: "public, max-age=31536000, immutable", "/": "no-cache", "/icon.svg": "no-cache", "/assets/none.js": "no-store, no-cache, must-revalidate, proxy-revalidate",
	} {
		w := servePage(t, builtPage(), "GET", path)
		if got := w.Header().Get("Cache-Control"); got != want {
			t.Errorf("%s may be kept as %q, want %q", path, got, want)
		}
	}
	first := servePage(t, builtPage(), "GET", "/")
	again := servePage(t, builtPage(), "GET", "/", "If-None-Match", first.Header().Get("Etag"))
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("an unchanged index answered %d with %d bytes", again.Code, again.Body.Len())
	}
}

func TestFilesAreCompressedForThoseWhoAccept(t *testing.T) {
	for accept, compressed := range map[string]bool{
		"gzip, deflate, br": true, "br;q=1.0, gzip;q=0.5": true, "gzip;q=0": false, "br": false, "": false,
	} {
		w := servePage(t, builtPage(), "GET", script, "Accept-Encoding", accept)
		var body io.Reader = w.Body
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != compressed {
			t.Errorf("Accept-Encoding %q: compressed %v", accept, got)
			continue
		}
		if compressed {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != string(builtPage()[script[1:]].Data) {
			t.Errorf("Accept-Encoding %q: the file came as %.50q, %v", accept, got, err)
		}
		if got := w.Header().Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("Vary is %q", got)
		}
	}
}

func TestWithoutABuildThePageSaysHowToMakeOne(t *testing.T) {
	w := servePage(t, fstest.MapFS{".gitkeep": {}}, "GET", "/", "Accept", asPage)
	if !strings.Contains(w.Body.String(), "make build") || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}
