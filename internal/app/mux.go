package app

import (
	"context"
	"crypto/subtle"
	"io"
	"net/http"
	"strings"
	"time"

	"pryde/internal/httpapi"
	"pryde/web"
)

// mux puts the doors behind one port.
func (s *server) mux(api *httpapi.API) (http.Handler, error) {
	page, err := api.Page(web.Page())
	if err != nil {
		return nil, err
	}
	// No ServeMux: it redirects what it takes for an untidy path, and clients of an API do not
	// expect that.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		get := r.Method == http.MethodGet
		switch path := r.URL.Path; {
		case path == "/socket.io" || strings.HasPrefix(path, "/socket.io/"):
			s.gate.Server().ServeHTTP(w, r)
		case get && path == "/livez":
			_, _ = io.WriteString(w, "ok\n")
		case get && path == "/readyz":
			s.readyz(w, r)
		case get && path == "/metrics":
			s.showMetrics(w, r, api)
		default:
			page.ServeHTTP(w, r)
		}
	}), nil
}

// readyTimeout bounds the question to the store.
const readyTimeout = 2 * time.Second

// readyz says whether the server takes requests and its store answers.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if !s.ready.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	if err := s.store.Ping(ctx); err != nil {
		s.log.WarnContext(ctx, "the store does not answer", "err", err)
		http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// showMetrics answers services that show one of the configured tokens. To everybody else the
// page does not exist.
func (s *server) showMetrics(w http.ResponseWriter, r *http.Request, missing http.Handler) {
	shown := []byte(r.Header.Get("X-Service-Token"))
	for _, token := range s.config.ServiceTokens {
		if subtle.ConstantTimeCompare(shown, []byte(token)) == 1 {
			s.metrics.Handler().ServeHTTP(w, r)
			return
		}
	}
	missing.ServeHTTP(w, r)
}
