package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/wire"
)

// listener counts what it hears.
type listener struct{ heard int }

func (l *listener) Publish(out ...wire.Outgoing)    { l.heard += len(out) }
func (l *listener) EndSession(string, string, bool) {}

func TestWhereAnotherInstanceMayBeActiveNothingIsSaid(t *testing.T) {
	t.Parallel()
	for name, valid := range map[string]bool{"in charge": true, "out of date": false} {
		t.Run(name, func(t *testing.T) {
			r := &rooms{valid: func() bool { return valid }}
			ran := false
			_, err := inCharge(r, func(context.Context, auth.Identity, wire.None) (wire.Outcome[wire.None], error) {
				ran = true
				return wire.Outcome[wire.None]{}, nil
			})(t.Context(), auth.Identity{}, wire.None{})
			if ran != valid || errors.Is(err, errStandby) == valid {
				t.Errorf("the operation ran: %t, %v", ran, err)
			}

			sockets := &listener{}
			audible{sockets, r.valid}.Publish(wire.Outgoing{})
			if (sockets.heard == 1) != valid {
				t.Errorf("the sockets heard %d events", sockets.heard)
			}
		})
	}

	r := &rooms{valid: func() bool { return false }}
	door := checked{nil, r.valid} // it asks no session
	if _, err := door.Verify(t.Context(), "token"); !errors.Is(err, errStandby) {
		t.Errorf("Verify: %v", err)
	}
	if err := door.Attend(t.Context(), auth.Identity{}); !errors.Is(err, errStandby) {
		t.Errorf("Attend: %v", err)
	}
	f := newFront(Config{Env: Development}, slog.New(slog.DiscardHandler))
	f.become(state{says: "ok", ready: true, rooms: r})
	for path, want := range map[string]string{"/readyz": "the lease has run out", "/api/health": `"STANDBY"`, "/socket.io/?sid=a": `"STANDBY"`} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s was answered %d %s", path, w.Code, w.Body)
		}
	}
}

func TestNoRequestBeginsBehindTheLast(t *testing.T) {
	t.Parallel()
	q := newRequests(t.Context())
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("body"))
	running, done := q.begin(httptest.NewRecorder(), request)
	if body, err := io.ReadAll(running.Body); err != nil || string(body) != "body" {
		t.Errorf("the body is %q, %v", body, err)
	}
	finished := make(chan error, 1)
	go func() { finished <- q.finish(t.Context()) }()
	for again, end := q.begin(httptest.NewRecorder(), request); again != nil; again, end = q.begin(httptest.NewRecorder(), request) {
		end() // finish has not begun yet
	}
	select {
	case err := <-finished:
		t.Errorf("finished with %v while a request runs", err)
	default:
	}

	done()

	if err := <-finished; err != nil {
		t.Error(err)
	}
	if running.Context().Err() == nil {
		t.Error("the context of the request lives on")
	}
}
