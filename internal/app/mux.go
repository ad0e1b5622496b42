package app

import (
	"context"
	"crypto/subtle"
	"io"
	"net/http"
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
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", s.gate.Server())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { s.showMetrics(w, r, api) })
	mux.Handle("/", page)
	return mux, nil
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
