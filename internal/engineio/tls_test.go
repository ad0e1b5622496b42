package engineio

import (
	"crypto/tls"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
)

// serveTLS starts a server whose connections have no descriptor to read and write by.
func serveTLS(t *testing.T, c Config, h Handler) *engine {
	t.Helper()
	e := &engine{Server: New(c, h)}
	server := httptest.NewTLSServer(e.Server)
	pool := server.Client().Transport.(interface{ CloseIdleConnections() })
	roots := server.Certificate()
	e.dial = func() (net.Conn, error) {
		config := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
			if !s.PeerCertificates[0].Equal(roots) {
				t.Error("the server shows another certificate")
			}
			return nil
		}}
		return tls.Dial("tcp", server.Listener.Addr().String(), config)
	}
	t.Cleanup(func() {
		e.Close()
		if err := e.Wait(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		pool.CloseIdleConnections()
		server.Close()
	})
	return e
}

func TestTLS(t *testing.T) {
	opened, sessions := opens()
	closed, left := reasons()
	e := serveTLS(t, Config{Polling: true}, &stub{opened: opened, closed: closed, message: echo})
	large := "4" + strings.Repeat("x", 20_000)

	c := connect(t, e)
	receive(t, sessions).Close("because", StatusGoingAway)
	if got := c.closing(); got != int(StatusGoingAway) {
		t.Errorf("close code is %d, want 1001", got)
	}
	receive(t, left)

	p := poll(t, e)
	s := receive(t, sessions)
	u := p.upgrade()
	u.send("2probe")
	u.expect("3probe")
	u.send("5")
	for range 3 {
		u.send(large)
	}
	for range 3 {
		u.expect(large)
	}
	s.Abort("gone")
	if got := u.closing(); got != -1 {
		t.Errorf("close code is %d, want no close frame", got)
	}
	if got := receive(t, left); got != "gone" {
		t.Errorf("session left with %q", got)
	}
}

func TestSlowReaderOverTLSHoldsNobodyUp(t *testing.T) {
	opened, sessions := opens()
	closed, left := reasons()
	connect(t, serveTLS(t, Config{QueueBytes: 100_000}, &stub{opened: opened, closed: closed}))
	s := receive(t, sessions)
	message := Text(make([]byte, 50_000))
	for n := 0; s.Post(false, message); n++ {
		if n > 10_000 {
			t.Fatal("the queue never becomes full")
		}
	}
	if got := receive(t, left); got != ReasonQueueFull {
		t.Errorf("session left with %q", got)
	}
}
