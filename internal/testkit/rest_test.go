package testkit

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"pryde/internal/id"
	"pryde/internal/wire"
)

func TestThreadFollowsTheCursorAndStandsInOrder(t *testing.T) {
	peer, err := id.Parse[id.User]("0123456789abcdef01234567")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]struct{ body, next string }{
		"":   {`[{"content":"e"},{"content":"f"}]`, "m5"},
		"m5": {`[{"content":"c"},{"content":"d"}]`, "m3"},
		"m3": {`[{"content":"a"},{"content":"b"}]`, ""},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/messages/"+peer.String() || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("asked %s as %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		page := pages[r.URL.Query().Get("before")]
		if page.next != "" {
			w.Header().Set("X-Next-Cursor", page.next)
		}
		fmt.Fprint(w, page.body)
	}))
	defer server.Close()

	thread, err := (&REST{BaseURL: server.URL}).As("secret").Thread(t.Context(), peer)

	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range thread {
		got = append(got, m.Content)
	}
	if want := []string{"a", "b", "c", "d", "e", "f"}; !slices.Equal(got, want) {
		t.Errorf("thread %q, want %q", got, want)
	}
}

func TestListEndsWhereTheCursorStandsStill(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Next-Cursor", "same")
		fmt.Fprint(w, "[]")
	}))
	defer server.Close()

	if _, err := (&REST{BaseURL: server.URL}).Conversations(t.Context()); err == nil {
		t.Error("a cursor without end was followed without an error")
	}
}

func TestARefusalKeepsStatusCodeAndBody(t *testing.T) {
	const body = `{"message":"Too much","code":"RATE_LIMITED"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, body)
	}))
	defer server.Close()
	var seen []string
	r := &REST{BaseURL: server.URL, OnResponse: func(method, path string, status int, body []byte) {
		seen = append(seen, fmt.Sprint(method, " ", path, " ", status, " ", string(body)))
	}}

	_, again, err := r.PostMessage(t.Context(), wire.PostedMessage{Content: "x"})

	got, ok := errors.AsType[*StatusError](err)
	if !ok || again || got.Status != 429 || got.Code != "RATE_LIMITED" || got.Message != "Too much" || string(got.Body) != body {
		t.Errorf("error %v (again %v), want the refusal", err, again)
	}
	if want := []string{"POST /api/messages 429 " + body}; !slices.Equal(seen, want) {
		t.Errorf("the hook saw %q, want %q", seen, want)
	}
}

func TestPostMessageTellsARepeat(t *testing.T) {
	status := http.StatusCreated
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, `{"content":"x"}`)
	}))
	defer server.Close()
	r := &REST{BaseURL: server.URL}
	for _, c := range []struct {
		status int
		again  bool
	}{{http.StatusCreated, false}, {http.StatusOK, true}} {
		status = c.status

		m, again, err := r.PostMessage(t.Context(), wire.PostedMessage{Content: "x"})

		if err != nil || m.Content != "x" || again != c.again {
			t.Errorf("status %d: %q, again %v (%v), want again %v", c.status, m.Content, again, err, c.again)
		}
	}
}
