package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/google/uuid"

	"pryde/internal/fault"
	"pryde/internal/limit"
)

type requestIDKey struct{}

var requestIDForm = regexp.MustCompile(`^[a-zA-Z0-9-]{1,50}$`)

func requestID(r *http.Request) string {
	s, _ := r.Context().Value(requestIDKey{}).(string)
	return s
}

// wrap does for every request what no route may forget.
func (a *API) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rid := r.Header.Get("X-Request-Id")
		if !requestIDForm.MatchString(rid) {
			rid = uuid.NewString()
		}
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, rid))
		rec := &recorder{ResponseWriter: w}
		started := a.o.Now()
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the value is compared by identity, as net/http does
				a.o.Log.ErrorContext(r.Context(), "request panicked", "method", r.Method, "path", r.URL.Path, "request", rid, "panic", p, "stack", string(debug.Stack()))
				if rec.status == 0 {
					a.refuse(rec, r, fmt.Errorf("panic: %v", p))
				}
			}
			a.o.Log.DebugContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path, "status", rec.status,
				"request", rid, "took", a.o.Now().Sub(started))
		}()
		a.headers(rec, r, rid)
		if !a.cross(rec, r) {
			return
		}
		if err := plainQuery(r); err != nil {
			a.refuse(rec, r, err)
			return
		}
		next.ServeHTTP(rec, r)
	})
}

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (a *API) headers(w http.ResponseWriter, r *http.Request, rid string) {
	h := w.Header()
	h.Set("X-Request-Id", rid)
	h.Set("Cache-Control", "no-store, no-cache, must-revalidate, proxy-revalidate")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "0")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	a.secure(h, r)
}

// secure sets what every response tells the browser.
func (a *API) secure(h http.Header, r *http.Request) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	if a.proxies().Trust(r.RemoteAddr) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
}

const (
	allowMethods  = "GET,POST,PUT,DELETE,PATCH,OPTIONS"
	allowHeaders  = "Content-Type, Authorization, X-Requested-With, X-XSRF-TOKEN, x-auth-token, X-CSRF-Token, X-Frontend-Version, X-Session-Id, X-Mutation-Id, X-Request-Id, Cache-Control, Idempotency-Key"
	exposeHeaders = "Authorization, X-CSRF-Token, X-Mutation-Id, X-Request-Id, Retry-After, X-Next-Cursor, X-Search-Complete, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy"
)

// cross answers for other origins, and preflights. It reports whether the request goes on.
func (a *API) cross(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !a.o.Origins(r) {
		a.refuse(w, r, errOrigin)
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", exposeHeaders)
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", allowMethods)
		h.Set("Access-Control-Allow-Headers", allowHeaders)
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusOK)
		return false
	}
	return true
}

var errQuery = fault.Invalid("INVALID_QUERY", "Invalid query parameter")

// plainQuery refuses parameters that former systems would read as objects or lists.
func plainQuery(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	for name, values := range r.URL.Query() {
		if strings.ContainsAny(name, "[$") || len(values) > 1 {
			return errQuery
		}
	}
	return nil
}

// Address returns the IP address of the client: the peer's, or, where the peer is a trusted
// proxy, the last address in X-Forwarded-For that is none.
func (a *API) Address(r *http.Request) string { return a.client(r).String() }

func (a *API) client(r *http.Request) netip.Addr {
	return a.proxies().Client(r.RemoteAddr, r.Header.Values("X-Forwarded-For"))
}

func (a *API) proxies() limit.Proxies { return a.o.Trusted }
