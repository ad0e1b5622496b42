package engineio

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// suite is how the public test suite of the protocol wants its server.
func suite() Config {
	return Config{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, Polling: true}
}

func TestOpenPacketTellsTheTerms(t *testing.T) {
	e := serve(t, suite(), &stub{})

	polled := poll(t, e).open
	direct := connect(t, e).open

	want := opening{Upgrades: []string{"websocket"}, PingInterval: 300, PingTimeout: 200, MaxPayload: 1_000_000}
	if len(polled.SID) != 22 || len(direct.SID) != 22 || polled.SID == direct.SID {
		t.Errorf("ids are %q and %q, want two of 22 characters", polled.SID, direct.SID)
	}
	polled.SID, direct.SID = "", ""
	if d := cmp.Diff(want, polled); d != "" {
		t.Errorf("open packet on polling (-want +got):\n%s", d)
	}
	want.Upgrades = []string{}
	if d := cmp.Diff(want, direct); d != "" {
		t.Errorf("open packet on WebSocket (-want +got):\n%s", d)
	}
}

func TestPollingEchoes(t *testing.T) {
	for name, payload := range map[string]string{
		"one packet":      "4hello",
		"several packets": "4test1\x1e4test2\x1e4test3",
		"with binary":     "4hello\x1ebAQIDBA==",
		"empty packets":   "4\x1eb",
		"not ASCII":       "4äö€😀",
	} {
		t.Run(name, func(t *testing.T) {
			p := poll(t, serve(t, Config{Polling: true}, &stub{message: echo}))

			if got := p.post(payload); got.status != http.StatusOK || got.body != "ok" || got.kind != "text/html" {
				t.Fatalf("post answered %d %s %q, want ok", got.status, got.kind, got.body)
			}

			p.expect(payload)
		})
	}
}

func TestWebSocketEchoes(t *testing.T) {
	c := connect(t, serve(t, suite(), &stub{message: echo}))

	c.send("4hello")
	c.expect("4hello")
	c.raw(frame(opBinary, true, []byte{1, 2, 3, 4})...)
	if got := c.must(opBinary); string(got) != "\x01\x02\x03\x04" {
		t.Errorf("binary message came back as %x", got)
	}
	c.raw(frame(opBinary, true, nil)...)
	if got := c.must(opBinary); len(got) != 0 {
		t.Errorf("empty binary message came back as %x", got)
	}
}

func TestPollingInvalidPacketClosesTheSession(t *testing.T) {
	for name, payload := range map[string]string{
		"unknown type":     "abc",
		"empty":            "",
		"empty record":     "4a\x1e",
		"bad base64":       "bA!==",
		"not UTF-8":        "4\xff",
		"ping of a client": "2",
	} {
		t.Run(name, func(t *testing.T) {
			closed, left := reasons()
			p := poll(t, serve(t, Config{Polling: true}, &stub{closed: closed}))
			waiting := p.begin()

			if got := p.post(payload); got.status != http.StatusBadRequest {
				t.Errorf("post answered %d %q, want 400", got.status, got.body)
			}

			if got := waiting.answer(); got.status != http.StatusOK || got.body != "1" {
				t.Errorf("waiting poll answered %d %q, want a close packet", got.status, got.body)
			}
			if got := p.get(); got.status != http.StatusBadRequest || got.body != `{"code":1,"message":"Session ID unknown"}` {
				t.Errorf("next poll answered %d %q, want an unknown session", got.status, got.body)
			}
			want := ReasonParseError
			if payload == "2" {
				want = ReasonTransportError
			}
			if got := receive(t, left); got != want {
				t.Errorf("session left with %q, want %q", got, want)
			}
		})
	}
}

func TestSecondPollClosesTheSession(t *testing.T) {
	closed, left := reasons()
	p := poll(t, serve(t, Config{Polling: true}, &stub{closed: closed}))
	first := p.begin()

	second := p.get()

	if second.status != http.StatusBadRequest {
		t.Errorf("second poll answered %d, want 400", second.status)
	}
	if got := first.answer(); got.status != http.StatusOK || got.body != "1" {
		t.Errorf("first poll answered %d %q, want a close packet", got.status, got.body)
	}
	if got := p.get(); got.status != http.StatusBadRequest {
		t.Errorf("third poll answered %d, want 400", got.status)
	}
	if got := receive(t, left); got != ReasonTransportError {
		t.Errorf("session left with %q", got)
	}
}

func TestSecondPostClosesTheSession(t *testing.T) {
	closed, left := reasons()
	entered, let := make(chan struct{}, 2), make(chan struct{})
	p := poll(t, serve(t, Config{Polling: true}, &stub{closed: closed, message: func(*Session, []byte, bool) {
		entered <- struct{}{}
		<-let
	}}))
	first := make(chan answer, 1)
	go func() { first <- p.post("4a\x1e4b") }()
	receive(t, entered)

	second := p.post("4c")
	close(let)

	if second.status != http.StatusBadRequest {
		t.Errorf("second post answered %d, want 400", second.status)
	}
	if got := receive(t, first); got.status != http.StatusBadRequest {
		t.Errorf("first post answered %d, want 400", got.status)
	}
	if got := receive(t, left); got != ReasonTransportError {
		t.Errorf("session left with %q", got)
	}
	if len(entered) != 0 {
		t.Error("a message was handed over after the end")
	}
}

func TestHeartbeat(t *testing.T) {
	t.Run("polling", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := poll(t, servePipes(t, suite(), &stub{}))
			for range 3 {
				p.expect("2")
				if got := p.post("3"); got.status != http.StatusOK {
					t.Fatalf("post answered %d", got.status)
				}
			}
		})
	})
	t.Run("WebSocket", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := servePipes(t, suite(), &stub{})
			c := connect(t, e)
			s := e.find(c.open.SID)
			for range 3 {
				c.expect("2")
				c.send("3")
			}
			c.expect("2")
			if got := s.LastPong().Sub(s.OpenedAt()); got < 900*time.Millisecond || got > 950*time.Millisecond {
				t.Errorf("last pong came %v after the opening, want 900 ms", got)
			}
		})
	})
}

func TestPingTimeout(t *testing.T) {
	t.Run("polling", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			closed, left := reasons()
			p := poll(t, servePipes(t, suite(), &stub{closed: closed}))

			<-time.After(500 * time.Millisecond)

			if got := p.get(); got.status != http.StatusBadRequest {
				t.Errorf("poll after the time-out answered %d %q, want 400", got.status, got.body)
			}
			if got := receive(t, left); got != ReasonPingTimeout {
				t.Errorf("session left with %q", got)
			}
		})
	})
	t.Run("WebSocket", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			closed, left := reasons()
			c := connect(t, servePipes(t, suite(), &stub{closed: closed}))
			opened := time.Now()

			c.closing()

			if got := time.Since(opened); got < 500*time.Millisecond || got > 550*time.Millisecond {
				t.Errorf("closed after %v, want 500 ms", got)
			}
			if got := receive(t, left); got != ReasonPingTimeout {
				t.Errorf("session left with %q", got)
			}
		})
	})
}

func TestClosePacket(t *testing.T) {
	t.Run("polling", func(t *testing.T) {
		closed, left := reasons()
		p := poll(t, serve(t, Config{Polling: true}, &stub{closed: closed}))
		waiting := p.begin()

		if got := p.post("1"); got.status != http.StatusOK || got.body != "ok" {
			t.Errorf("post answered %d %q", got.status, got.body)
		}

		if got := waiting.answer(); got.body != "6" {
			t.Errorf("waiting poll answered %q, want a noop", got.body)
		}
		if got := p.get(); got.status != http.StatusBadRequest {
			t.Errorf("poll after the end answered %d, want 400", got.status)
		}
		if got := receive(t, left); got != ReasonTransportClose {
			t.Errorf("session left with %q", got)
		}
	})
	t.Run("polling, overtaken by the next poll", func(t *testing.T) {
		p := poll(t, serve(t, Config{Polling: true}, &stub{}))
		p.post("1")
		p.expect("6")
		if got := p.get(); got.status != http.StatusBadRequest {
			t.Errorf("poll after the end answered %d, want 400", got.status)
		}
	})
	t.Run("polling, and no poll follows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := servePipes(t, Config{Polling: true}, &stub{})
			p := poll(t, e)
			began := time.Now()
			p.post("1")
			if err := e.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got > 2*crossWait {
				t.Errorf("the session was kept for %v, want %v", got, crossWait)
			}
		})
	})
	t.Run("WebSocket", func(t *testing.T) {
		closed, left := reasons()
		c := connect(t, serve(t, Config{}, &stub{closed: closed}))
		c.send("1")
		if got := c.closing(); got != int(StatusNormalClosure) {
			t.Errorf("close code is %d, want 1000", got)
		}
		if got := receive(t, left); got != ReasonTransportClose {
			t.Errorf("session left with %q", got)
		}
	})
}

func TestWebSocketInvalidPacketClosesTheSession(t *testing.T) {
	closed, left := reasons()
	c := connect(t, serve(t, Config{}, &stub{closed: closed}))
	c.send("abc")
	if got := c.closing(); got != int(StatusPolicyViolation) {
		t.Errorf("close code is %d, want 1008", got)
	}
	if got := receive(t, left); got != ReasonParseError {
		t.Errorf("session left with %q", got)
	}
}

func TestUpgrade(t *testing.T) {
	e := serve(t, suite(), &stub{message: echo})
	p := poll(t, e)
	c := p.upgrade()

	c.send("2probe")
	c.expect("3probe")
	p.expect("6")
	c.send("5")
	c.send("4hello")
	c.expect("4hello")

	if got := e.find(p.open.SID).Transport(); got != "websocket" {
		t.Errorf("transport is %q", got)
	}
	if got := p.get(); got.status != http.StatusBadRequest || !strings.Contains(got.body, `"code":3`) {
		t.Errorf("poll after the upgrade answered %d %q, want 400", got.status, got.body)
	}
	if got := p.post("4lost"); got.status != http.StatusBadRequest {
		t.Errorf("post after the upgrade answered %d, want 400", got.status)
	}
	p.upgrade().closing()
	c.send("4still")
	c.expect("4still")
}

func TestPollDuringTheUpgradeIsRefusedByIt(t *testing.T) {
	p := poll(t, serve(t, Config{Polling: true}, &stub{message: echo}))
	waiting := p.begin()
	c := p.upgrade()

	c.raw(append(frame(opText, true, []byte("2probe")), frame(opText, true, []byte("5"))...)...)
	c.expect("3probe")

	if got := waiting.answer(); got.status != http.StatusBadRequest {
		t.Errorf("poll answered %d %q, want 400", got.status, got.body)
	}
	c.send("4hello")
	c.expect("4hello")
}
