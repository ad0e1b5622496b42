package engineio

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// write begins a request that is not finished, or whose answer is not read.
func write(t *testing.T, e *engine, request string) net.Conn {
	t.Helper()
	conn, err := e.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

func slowBody(query string) string {
	return "POST /engine.io/?" + query + " HTTP/1.1\r\nHost: chat.test\r\nContent-Length: 10\r\n\r\n4a"
}

// However a client hangs, an end of its session that is announced is over within the time of
// the goodbye, and an abrupt one at once.
func TestNoClientHoldsUpTheEndOfItsSession(t *testing.T) {
	for name, hang := range map[string]func(*testing.T, *engine){
		"WebSocket that is not read": func(t *testing.T, e *engine) {
			c := connect(t, e)
			e.find(c.open.SID).Send(Text([]byte("hello")))
		},
		"WebSocket with half a header":  func(t *testing.T, e *engine) { connect(t, e).raw(0x81) },
		"WebSocket with half a message": func(t *testing.T, e *engine) { connect(t, e).raw(frame(opText, true, []byte("4hello"))[:9]...) },
		"WebSocket with one fragment":   func(t *testing.T, e *engine) { connect(t, e).raw(frame(opText, false, []byte("4hello"))...) },
		"no poll":                       func(t *testing.T, e *engine) { poll(t, e) },
		"poll that waits":               func(t *testing.T, e *engine) { poll(t, e).begin() },
		"poll that is not read": func(t *testing.T, e *engine) {
			p := poll(t, e)
			p.begin()
			e.find(p.open.SID).Send(Text([]byte("hello")))
		},
		"body that does not come": func(t *testing.T, e *engine) { write(t, e, slowBody(poll(t, e).query())) },
		"probe that says nothing": func(t *testing.T, e *engine) { poll(t, e).upgrade() },
		"probe that was answered": func(t *testing.T, e *engine) {
			c := poll(t, e).upgrade()
			c.send("2probe")
			c.expect("3probe")
		},
		"probe that does not read": func(t *testing.T, e *engine) { poll(t, e).upgrade().send("2probe") },
		"upgraded with an answer that is not read": func(t *testing.T, e *engine) {
			p := poll(t, e)
			c := p.upgrade()
			c.send("2probe")
			c.expect("3probe")
			p.begin()
			e.find(p.open.SID).Send(Text([]byte("hello")))
			synctest.Wait()
			c.send("5")
		},
		"second probe": func(t *testing.T, e *engine) { p := poll(t, e); p.upgrade(); p.upgrade() },
	} {
		for abrupt, most := range map[bool]time.Duration{false: closeWait + time.Second, true: closeWait} {
			t.Run(fmt.Sprintf("%s, abruptly %v", name, abrupt), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := servePipes(t, Config{Polling: true}, &stub{})
					hang(t, e)
					synctest.Wait()
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()

					e.Refuse()
					for _, s := range e.Sessions() {
						if abrupt {
							s.Abort(ReasonForcedClose)
						} else {
							s.Close(ReasonForcedClose, StatusGoingAway)
						}
					}

					if err := e.Wait(ctx); err != nil {
						t.Fatal(err)
					}
					if got := time.Since(began); got > most {
						t.Errorf("it took %v, want %v at most", got, most)
					}
				})
			})
		}
	}
}

func TestAnswerThatIsNotReadEndsWithTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed, left := reasons()
		e := servePipes(t, suite(), &stub{closed: closed})
		p := poll(t, e)
		write(t, e, get(p.query()))
		began := time.Now()

		if got := receive(t, left); got != ReasonPingTimeout {
			t.Errorf("session left with %q", got)
		}
		if err := e.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(began); got > closeWait+time.Second {
			t.Errorf("something was left for %v", got)
		}
	})
}

func TestPollsWhoseAnswersAreNotReadAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed, left := reasons()
		e := servePipes(t, Config{Polling: true}, &stub{closed: closed})
		p := poll(t, e)
		s := e.find(p.open.SID)
		for range maxWriting {
			write(t, e, get(p.query()))
			synctest.Wait()
			s.Send(Text([]byte("hello")))
			synctest.Wait()
		}

		if got := p.get(); got.status != http.StatusBadRequest {
			t.Errorf("one more poll answered %d", got.status)
		}
		if got := receive(t, left); got != ReasonTransportError {
			t.Errorf("session left with %q", got)
		}
	})
}

func TestConnectionOutlivesTheBoundsOfAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := servePipes(t, Config{Polling: true}, &stub{message: echo})
		p := poll(t, e)
		waiting := p.begin()
		e.find(p.open.SID).Send(Text([]byte("one")))
		if got := waiting.answer(); got.body != "4one" {
			t.Fatalf("poll answered %q", got.body)
		}

		<-time.After(10 * time.Minute)

		_ = waiting.conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(waiting.conn, get(pollQuery)); err != nil {
			t.Fatal(err)
		}
		if got := waiting.answer(); got.status != http.StatusOK {
			t.Errorf("the next request of the connection answered %d %s", got.status, got.body)
		}
	})
}

func TestCVE2020_36048HugeBodiesCostNoMemory(t *testing.T) {
	const huge = 100 << 20
	e := serve(t, Config{Polling: true}, &stub{message: func(*Session, []byte, bool) { t.Error("something was handed over") }})
	p := poll(t, e)
	e.find(p.open.SID).Settle()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	got, _ := rawRequest(t, e, fmt.Sprintf("POST /engine.io/?%s HTTP/1.1\r\nHost: chat.test\r\nContent-Length: %d\r\n\r\n", p.query(), huge))
	conn := write(t, e, "POST /engine.io/?"+p.query()+" HTTP/1.1\r\nHost: chat.test\r\nTransfer-Encoding: chunked\r\n\r\n")
	_ = conn.SetDeadline(time.Now().Add(patience))
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 32<<10, strings.Repeat("4", 32<<10))
	sent := 0
	for sent < huge {
		n, err := io.WriteString(conn, chunk)
		if sent += n; err != nil {
			break
		}
	}

	runtime.ReadMemStats(&after)
	if want := `{"message":"Payload too large"}`; got.status != http.StatusRequestEntityTooLarge || got.body != want {
		t.Errorf("answered %d %s, want 413 %s", got.status, got.body, want)
	}
	if sent >= huge {
		t.Error("all of the chunks were read")
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
	if e.find(p.open.SID) == nil {
		t.Error("the session is gone")
	}
}

func TestBodyIsNotReadWherePollingIsOff(t *testing.T) {
	s := New(Config{}, &stub{})
	body := strings.NewReader(strings.Repeat("a", 10<<20))
	w := httptest.NewRecorder()

	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/engine.io/?"+pollQuery, body))

	if w.Code != http.StatusBadRequest || body.Len() != 10<<20 {
		t.Errorf("answered %d and left %d bytes of the body", w.Code, body.Len())
	}
}
