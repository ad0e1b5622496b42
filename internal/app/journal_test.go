package app_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"pryde/internal/app"
	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
	"pryde/internal/wire"
)

// journaling runs an instance with a journal behind a proxy in front of a MongoDB, with two
// people, of whom the first is connected.
func journaling(t *testing.T) (w *world, proxy *testkit.Proxy, direct string, ann, bob *person, socket *testkit.Conn) {
	t.Helper()
	server := mongod.ForTest(t, mongod.Options{})
	proxy, err := testkit.StartProxy(t.Context(), server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	w = instance(t, mongod.DirectURI(proxy.Addr(), "pryde"), map[string]string{"MONGODB_TIMEOUT": "5s", "JOURNAL_DIR": t.TempDir()})
	w.says(http.StatusOK, "ok")
	ann, bob = w.signUp(), w.signUp()
	ann.post(bob, "before")
	w.stores()
	return w, proxy, server.URI("pryde"), ann, bob, ann.connect()
}

// journals sends a message that the database does not take.
func (p *person) journals(socket *testkit.Conn, to *person, text string) wire.Sent {
	p.w.t.Helper()
	sent := ask[wire.Sent](p, socket, "send_message", wire.NewMessage{RecipientID: to.id, Content: text, TempID: text})
	if !sent.Success {
		p.w.t.Fatalf("%q is not acknowledged: %+v", text, sent)
	}
	p.w.says(http.StatusOK, "messages that wait in the journal: ")
	return sent
}

// stores waits until nothing is in the journal.
func (w *world) stores() {
	w.t.Helper()
	w.eventually("/readyz", func(a testkit.Answer) bool { return a.Status == http.StatusOK && string(a.Body) == "ok\n" })
}

// reads waits until the thread of two people is so.
func (p *person) reads(peer *person, want ...string) {
	p.w.t.Helper()
	var got []string
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		thread, err := p.rest.Thread(ctx, peer.id)
		got = got[:0]
		for _, m := range thread {
			got = append(got, m.Content)
		}
		if err == nil && slices.Equal(got, want) {
			return
		}
		select {
		case <-ctx.Done():
			p.w.t.Fatalf("the thread is %q, %v; want %q; the log:\n%s", got, err, want, p.w.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestWithAJournalAnOutageIsOutlived(t *testing.T) {
	t.Parallel()
	w, proxy, _, ann, bob, socket := journaling(t)
	proxy.Cut()
	ann.journals(socket, bob, "meanwhile")
	ann.post(bob, "over REST")

	// For longer than a lease lasts: the socket stays, and nobody else has taken over.
	select {
	case <-socket.Done():
		t.Fatalf("the socket was closed: %v", socket.Err())
	case <-time.After(8 * time.Second):
	}
	if err := proxy.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}

	w.stores()
	bob.reads(ann, "before", "meanwhile", "over REST")
	if err := socket.Err(); err != nil {
		t.Errorf("the socket was closed: %v", err)
	}
	if err := w.stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestAStopLeavesTheJournalToTheNextStart(t *testing.T) {
	t.Parallel()
	server := mongod.ForTest(t, mongod.Options{})
	proxy, err := testkit.StartProxy(t.Context(), server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	uri, folders := mongod.DirectURI(proxy.Addr(), "pryde"), map[string]string{
		"MONGODB_TIMEOUT": "5s", "JOURNAL_DIR": t.TempDir(), "DATA_DIR": t.TempDir(),
	}
	first := instance(t, uri, folders)
	first.says(http.StatusOK, "ok")
	ann, bob := first.signUp(), first.signUp()
	ann.post(bob, "before")
	first.stores()
	socket := ann.connect()
	proxy.Cut()
	ann.journals(socket, bob, "meanwhile")

	if err := first.stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if err := proxy.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := instance(t, uri, folders)

	second.stores()
	bob.w, bob.rest = second, second.rest().As(bob.token)
	bob.reads(ann, "before", "meanwhile")
}

func TestWhatIsInTheJournalWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	w, proxy, direct, ann, bob, socket := journaling(t)
	proxy.Cut()
	ann.journals(socket, bob, "meanwhile")
	_, term := other(t, direct) // takes the lease when it has run out
	if err := proxy.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}

	w.says(http.StatusServiceUnavailable, "messages that wait in the journal: ")
	select {
	case <-socket.Done():
	case <-w.ctx().Done():
		t.Error("the socket lives on")
	}
	select {
	case <-term.Wanted():
	case <-w.ctx().Done():
		t.Fatal("it did not ask for its turn")
	}
	if err := term.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	w.says(http.StatusOK, "ok")
	bob.reads(ann, "before", "meanwhile")
}

func TestAnInstanceWithAJournalListensOnceItHasTheLease(t *testing.T) {
	t.Parallel()
	uri := mongod.Database(t)
	_, term := other(t, uri)
	c, err := app.LoadConfig(map[string]string{"DATA_DIR": t.TempDir(), "MONGODB_URI": uri, "JOURNAL_DIR": t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	c.Port = 0
	ctx, cancel := context.WithCancel(t.Context())
	listens, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, c, slog.New(slog.DiscardHandler), func(net.Addr) { close(listens) })
	}()

	select {
	case <-term.Wanted():
	case <-listens:
		t.Error("it listens without the lease")
	case err := <-ended:
		t.Fatalf("it ended with %v", err)
	}
	if err := term.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	select {
	case <-listens:
	case <-time.After(time.Minute):
		t.Error("it does not listen with the lease")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}
