package app_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pryde/internal/app"
	"pryde/internal/mongostore"
	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
	"pryde/internal/wire"
)

// instance runs a server in this process that may stand by. Its stop returns how it ended.
func instance(t *testing.T, uri string, more map[string]string) *world {
	t.Helper()
	onMongoDBAnyway(t)
	vars := map[string]string{"DATA_DIR": t.TempDir(), "MONGODB_URI": uri, "RATE_LIMIT_FACTOR": "1000", "LOG_LEVEL": "debug"}
	for k, v := range more {
		vars[k] = v
	}
	c, err := app.LoadConfig(vars)
	if err != nil {
		t.Fatal(err)
	}
	c.Port = 0 // any that is free
	w := &world{t: t, log: &logBook{}, http: &http.Client{Transport: &http.Transport{}}}
	ctx, cancel := context.WithCancel(context.Background())
	addr, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, c, slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), func(a net.Addr) { addr <- a })
	}()
	w.stop = sync.OnceValue(func() error {
		cancel()
		w.http.CloseIdleConnections()
		return <-ended
	})
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Logf("the server ended with %v", err)
		}
	})
	select {
	case a := <-addr:
		w.url = "http://" + a.String()
	case err := <-ended:
		ended <- err
		t.Fatalf("the server did not start: %v", err)
	}
	return w
}

// says waits until /readyz answers so.
func (w *world) says(status int, text string) {
	w.t.Helper()
	w.eventually("/readyz", func(a testkit.Answer) bool { return a.Status == status && strings.Contains(string(a.Body), text) })
}

func (w *world) eventually(path string, met func(testkit.Answer) bool) {
	w.t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	client := &testkit.REST{BaseURL: w.url, HTTP: w.http}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		got, err := client.Do(ctx, "GET", path, nil)
		if err == nil && met(got) {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			w.t.Fatalf("%s answers %d %s, %v; the log:\n%s", path, got.Status, got.Body, err, w.log)
		}
	}
}

// other is another instance, of which there is nothing but its lease.
func other(t *testing.T, uri string) (*mongostore.Lease, *mongostore.Term) {
	t.Helper()
	onMongoDBAnyway(t)
	db, err := mongostore.Connect(t.Context(), uri, mongostore.ConnectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lease := db.Lease("other", false)
	if err := lease.Ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	term := takes(t, lease)
	t.Cleanup(func() {
		_ = term.Release(context.Background(), true)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return lease, term
}

// takes waits until a lease can be taken.
func takes(t *testing.T, lease *mongostore.Lease) *mongostore.Term {
	t.Helper()
	for range 1000 {
		term, err := lease.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if term != nil {
			return term
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the lease did not become free")
	return nil
}

func TestAStandbyIsReadyAndServesNobody(t *testing.T) {
	t.Parallel()
	uri := mongod.Database(t)
	_, term := other(t, uri)
	w := instance(t, uri, map[string]string{"CORS_ORIGINS": "https://app.example.com"})
	w.says(http.StatusOK, "standing by")

	if got, err := w.rest().Do(w.ctx(), "GET", "/livez", nil); err != nil || got.Status != http.StatusOK {
		t.Errorf("/livez answered %d, %v", got.Status, err)
	}
	for _, request := range []string{
		"POST /api/auth/login", "GET /api/messages/conversations", "POST /api/messages", "GET /", "GET /api/nothing",
		"GET /socket.io/?EIO=4&transport=polling", "GET /socket.io/?EIO=4&transport=polling&sid=aaaa", "POST /socket.io/?EIO=4&transport=polling&sid=aaaa",
	} {
		method, path, _ := strings.Cut(request, " ")
		client := w.rest()
		client.OnResponse = nil
		client.Header = http.Header{"Origin": {"https://app.example.com"}}
		got, err := client.Do(w.ctx(), method, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" ||
			got.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
			t.Errorf("%s answered %d with %v", request, got.Status, got.Header)
		}
		problem := decode[struct {
			wire.Problem
			RequestID string `json:"requestId"`
		}](t, got.Body)
		if problem.Code != "STANDBY" || problem.Message == "" || problem.RequestID == "" {
			t.Errorf("%s answered %s", request, got.Body)
		}
	}
	if c, err := w.dial("token"); err == nil {
		c.Close()
		t.Error("a socket was let in")
	}

	// A refresh waits, since a page that is refused logs its person out.
	refreshed := make(chan testkit.Answer, 1)
	go func() {
		got, err := (&testkit.REST{BaseURL: w.url, HTTP: w.http}).Do(w.ctx(), "POST", "/api/refresh", nil)
		if err != nil {
			t.Error(err)
		}
		refreshed <- got
	}()

	// Its readiness was asked for: it asks for the hand-over, and takes over once there is one.
	select {
	case <-term.Wanted():
	case <-w.ctx().Done():
		t.Fatal("it did not ask for the hand-over")
	}
	if err := term.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	w.says(http.StatusOK, "ok")
	if got := <-refreshed; got.Status != http.StatusUnauthorized {
		t.Errorf("the refresh without a token was answered %d %s", got.Status, got.Body)
	}
	ann, bob := w.signUp(), w.signUp()
	ann.post(bob, "hello")
	if err := w.stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestAnInstanceAsksForTheHandOverByItself(t *testing.T) {
	t.Parallel()
	uri := mongod.Database(t)
	_, term := other(t, uri)
	instance(t, uri, nil)

	select {
	case <-term.Wanted():
	case <-time.After(30 * time.Second):
		t.Fatal("it did not ask for the hand-over")
	}
}

func TestWhoIsAskedHandsOverAndStaysBehind(t *testing.T) {
	t.Parallel()
	uri := mongod.Database(t)
	w := instance(t, uri, nil)
	w.says(http.StatusOK, "ok")
	ann, bob := w.signUp(), w.signUp()
	socket := ann.connect()
	sent := ask[wire.Sent](ann, socket, "send_message", wire.NewMessage{RecipientID: bob.id, Content: "before", TempID: "t1"})
	db, err := mongostore.Connect(t.Context(), uri, mongostore.ConnectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	lease := db.Lease("other", false)
	if err := lease.Ask(t.Context()); err != nil {
		t.Fatal(err)
	}

	term := takes(t, lease)

	w.says(http.StatusServiceUnavailable, "another instance has taken over")
	select {
	case <-socket.Done():
	case <-w.ctx().Done():
		t.Error("the socket lives on")
	}
	if err := term.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	// Nobody has the lease by an accident: it is active again, in new rooms over what is stored.
	w.says(http.StatusOK, "ok")
	again := ask[wire.Sent](ann, ann.connect(), "send_message", wire.NewMessage{RecipientID: bob.id, Content: "before", TempID: "t1"})
	if again.MessageID != sent.MessageID || !again.Duplicate {
		t.Errorf("the retry led to %+v, the first to %+v", again, sent)
	}
}

func TestAHandOverDoesNotWaitForSlowUploads(t *testing.T) {
	t.Parallel()
	uri := mongod.Database(t)
	w := instance(t, uri, map[string]string{"SHUTDOWN_TIMEOUT": "1h"})
	w.says(http.StatusOK, "ok")
	ann := w.signUp()
	body, rest := io.Pipe()
	defer rest.Close()
	req, err := http.NewRequestWithContext(w.ctx(), "POST", w.url+"/api/messages", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+ann.token)
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := w.http.Do(req)
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	if _, err := rest.Write([]byte(`{"recipient":`)); err != nil { // the server is about to read it
		t.Fatal(err)
	}

	other(t, uri)

	resp := <-answered
	if resp == nil {
		return
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(said), `"STANDBY"`) {
		t.Errorf("the slow one was answered %d %s, %v", resp.StatusCode, said, err)
	}
}

func TestADatabaseThatIsAwayAtTheStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := mongod.ForTest(t, mongod.Options{})
	proxy, err := testkit.StartProxy(t.Context(), server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	proxy.Cut()
	w := instance(t, mongod.DirectURI(proxy.Addr(), "pryde"), map[string]string{"MONGODB_TIMEOUT": "1s"})

	w.says(http.StatusServiceUnavailable, "the database cannot be reached")
	w.eventually("/livez", func(a testkit.Answer) bool { return a.Status == http.StatusOK })
	w.eventually("/api/health", func(a testkit.Answer) bool {
		return a.Status == http.StatusServiceUnavailable && strings.Contains(string(a.Body), "STORE_UNAVAILABLE")
	})
	if err := proxy.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.says(http.StatusOK, "ok")
	if err := w.stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestWithoutItsDatabaseItRefusesAndForgetsNobody(t *testing.T) {
	t.Parallel()
	server := mongod.ForTest(t, mongod.Options{})
	proxy, err := testkit.StartProxy(t.Context(), server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	w := instance(t, mongod.DirectURI(proxy.Addr(), "pryde"), map[string]string{"MONGODB_TIMEOUT": "5s"})
	w.says(http.StatusOK, "ok")
	ann, bob := w.signUp(), w.signUp()
	ann.post(bob, "before")
	socket := ann.connect()
	proxy.Cut()

	ack, err := socket.EmitWithAck(w.ctx(), "send_message", wire.NewMessage{RecipientID: bob.id, Content: "meanwhile", TempID: "t2"})
	if err == nil {
		problem := decode[struct {
			Code string `json:"code"`
		}](t, ack)
		if problem.Code != "STORE_UNAVAILABLE" && problem.Code != "STANDBY" {
			t.Errorf("the send was answered %s", ack)
		}
	}
	for _, path := range []string{"/api/messages/conversations", "/api/messages/" + bob.id.String(), "/api/messages/unread/counts", "/api/sessions", "/api/auth/me"} {
		got, err := ann.rest.Do(w.ctx(), "GET", path, nil)
		if err != nil || got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s answered %d %s, %v", path, got.Status, got.Body, err)
		}
	}
	// By the end of the lease another instance may be active: the sockets go, the process stays.
	select {
	case <-socket.Done():
	case <-w.ctx().Done():
		t.Fatal("the socket lives on")
	}
	w.says(http.StatusServiceUnavailable, "the database cannot be reached")
	if err := proxy.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.says(http.StatusOK, "ok")
	if rows, err := ann.rest.Conversations(w.ctx()); err != nil || len(rows) != 1 {
		t.Errorf("afterwards there are %d conversations, %v", len(rows), err)
	}
	ann.post(bob, "after")
}

func TestWhatWillNotPassEndsTheProcessWithASentence(t *testing.T) {
	t.Parallel()
	uri := mongod.Database(t)
	w := instance(t, uri, map[string]string{"MESSAGE_ENCRYPTION_KEY": strings.Repeat("ab", 32)})
	w.says(http.StatusOK, "ok")
	for name, tt := range map[string]struct {
		vars map[string]string
		want string
	}{
		"another key": {map[string]string{"MONGODB_URI": uri, "MESSAGE_ENCRYPTION_KEY": strings.Repeat("cd", 32)}, "MESSAGE_ENCRYPTION_KEY"},
		"no address":  {map[string]string{"MONGODB_URI": "mongodb://user:hunter2@:x/%%"}, "MONGODB_URI"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.vars["DATA_DIR"] = t.TempDir()
			c, err := app.LoadConfig(tt.vars)
			if err != nil {
				t.Fatal(err)
			}
			c.Port = 0
			err = app.Run(t.Context(), c, slog.New(slog.DiscardHandler), func(net.Addr) {})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("it ended with %v", err)
			}
		})
	}
	w.says(http.StatusOK, "ok") // nobody was asked for a hand-over
}
