package app_test

import (
	"net/http"
	"strings"
	"testing"

	"pryde/internal/wire"
)

// TestAReusedRefreshTokenEndsTheSocketsOfItsSession shows the token before the last one: the
// family ends, and its sockets with it.
func TestAReusedRefreshTokenEndsTheSocketsOfItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rest := w.rest()
	answer, err := rest.Do(w.ctx(), "POST", "/api/auth/signup", form("reused_person"))
	if err != nil || answer.Status != http.StatusCreated {
		t.Fatalf("sign up: %d %s, %v", answer.Status, answer.Body, err)
	}
	ann := &person{w: w, token: decode[wire.SignedUp](t, answer.Body).AccessToken, name: "reused_person"}
	c := ann.connect()
	first := cookie(answer.Header)
	newest := first
	refresh := func(with string) (int, string) {
		rest.Header = http.Header{"Cookie": {with}}
		got, err := rest.Do(w.ctx(), "POST", "/api/refresh", nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Status, cookie(got.Header)
	}
	for range 2 {
		status, next := refresh(newest)
		if status != http.StatusOK {
			t.Fatalf("refresh answered %d", status)
		}
		newest = next
	}

	if status, _ := refresh(first); status != http.StatusUnauthorized {
		t.Errorf("reuse answered %d", status)
	}

	ann.await(c, "force_logout")
	select {
	case <-c.Done():
	case <-w.ctx().Done():
		t.Error("the socket was not closed")
	}
	if status, _ := refresh(newest); status != http.StatusUnauthorized {
		t.Errorf("the newest token of the family answered %d", status)
	}
}

func cookie(h http.Header) string {
	c, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	return c
}

func TestRefreshesAreLimitedBySessionAndNotByAddress(t *testing.T) {
	t.Parallel()
	w := start(t, t.TempDir(), map[string]string{"RATE_LIMIT_FACTOR": "1"})
	rest := w.rest()
	answer, err := rest.Do(w.ctx(), "POST", "/api/auth/signup", form("eager_person"))
	if err != nil || answer.Status != http.StatusCreated {
		t.Fatalf("sign up: %d %s, %v", answer.Status, answer.Body, err)
	}
	rest.Header = http.Header{"Cookie": {cookie(answer.Header)}}
	statuses := map[int]int{}
	for range 70 { // the same token gets the same answer again
		got, err := rest.Do(w.ctx(), "POST", "/api/refresh", nil)
		if err != nil {
			t.Fatal(err)
		}
		statuses[got.Status]++
	}
	if statuses[http.StatusOK] < 60 || statuses[http.StatusTooManyRequests] == 0 {
		t.Errorf("answered %v", statuses)
	}
}
