package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A testServer answers as a test says: what a real store rarely says cannot be had from one.
type testServer struct {
	mu     sync.Mutex
	answer func(http.ResponseWriter) // nil: everything is well
}

func (s *testServer) set(answer func(http.ResponseWriter)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *testServer) start(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		if answer != nil {
			answer(w)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// forbidden says that the key is not good any more.
func forbidden(w http.ResponseWriter) {
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write([]byte(`<Error><Code>AccessDenied</Code><Message>no</Message></Error>`))
}
