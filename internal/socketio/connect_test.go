package socketio

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestASocketKnowsWhoItIs(t *testing.T) {
	sockets := make(chan *Socket, 1)
	e := serve(t, Config{}, &stub{
		admit: func(_ context.Context, h Handshake) (Admission, error) {
			if h.Header.Get("Authorization") != "Bearer x" || h.URL.Query().Get("EIO") != "4" || h.Address != "127.0.0.1" {
				t.Errorf("handshake %+v", h)
			}
			return Admission{Data: "who:" + string(h.Auth)}, nil
		},
		connected: func(_ context.Context, s *Socket) { sockets <- s },
	})

	c := open(t, e, "Authorization: Bearer x")
	c.send(`40{"token":"t"}`)
	answer := c.recv()
	s := receive(t, sockets)

	if want := `40{"sid":"` + s.ID() + `"}`; answer != want || len(s.ID()) != 22 {
		t.Errorf("connect answered %s, want %s", answer, want)
	}
	if s.Data() != `who:{"token":"t"}` || s.Address() != "127.0.0.1" || s.Transport() != "websocket" || s.Recovered() || s.Namespace().Name() != "/" {
		t.Errorf("data %v of %q by %q, recovered: %v, in %q", s.Data(), s.Address(), s.Transport(), s.Recovered(), s.Namespace().Name())
	}
	if got := s.Rooms(); !slices.Equal(got, []string{s.ID()}) {
		t.Errorf("rooms are %q, want the socket's own", got)
	}
	if s.Connected().IsZero() || s.LastPong().After(s.Connected()) || e.Count() != 1 {
		t.Errorf("connected %v, last pong %v, %d sockets", s.Connected(), s.LastPong(), e.Count())
	}
}

func TestAClientIsToldTheNameOfItsState(t *testing.T) {
	sockets := make(chan *Socket, 1)
	e := serve(t, Config{Node: "n1"}, &stub{
		admit: func(context.Context, Handshake) (Admission, error) {
			return Admission{PID: `a"b`, Recovered: true}, nil
		},
		connected: func(_ context.Context, s *Socket) { sockets <- s },
	})
	c := open(t, e)

	c.send("40")

	answer, s := c.recv(), receive(t, sockets)
	if want := `40{"sid":"` + s.ID() + `","pid":"a\"b"}`; answer != want || !strings.HasPrefix(s.ID(), "n1.") || !s.Recovered() {
		t.Errorf("connect answered %s, want %s; recovered: %v", answer, want, s.Recovered())
	}
}

func TestOfTheRequestOnlyNamedHeadersAreKept(t *testing.T) {
	seen := make(chan Handshake, 2)
	e := serve(t, Config{KeepHeaders: []string{"authorization"}}, &stub{admit: func(_ context.Context, h Handshake) (Admission, error) {
		seen <- h
		return Admission{}, nil
	}})
	c := open(t, e, "Authorization: Bearer x", "User-Agent: test")
	c.connect()
	c.send("41")
	c.connect()

	first, second := receive(t, seen), receive(t, seen)

	if first.Header.Get("User-Agent") != "test" || first.URL.RawQuery != goodQuery {
		t.Errorf("the first admission saw %v of %v", first.Header, first.URL)
	}
	if want := (http.Header{"Authorization": {"Bearer x"}}); !cmp.Equal(want, second.Header) || second.URL.RawQuery != "" || second.Address != "127.0.0.1" {
		t.Errorf("the second admission saw %v of %v from %q", second.Header, second.URL, second.Address)
	}
}

func TestConnectedComesBeforeTheFirstEvent(t *testing.T) {
	proceed := make(chan struct{})
	var connected atomic.Bool
	e := serve(t, Config{}, &stub{
		connected: func(context.Context, *Socket) { <-proceed; connected.Store(true) },
		event: func(_ context.Context, _ *Socket, e *Event) {
			e.Reply([]byte(strconv.FormatBool(connected.Load())))
		},
	})
	c := join(t, e)

	c.send(`421["x"]`)
	close(proceed)

	c.want(`431[true]`)
}

func TestARefusedClientIsToldAndMayTryAgain(t *testing.T) {
	e := serve(t, Config{}, &stub{admit: func(_ context.Context, h Handshake) (Admission, error) {
		if h.Auth == nil {
			return Admission{}, &Refusal{Message: `no "token"`, Data: []byte(`{"code":1}`)}
		}
		return Admission{}, nil
	}})
	c := open(t, e)

	c.send("40")
	c.want(`44{"message":"no \"token\"","data":{"code":1}}`)
	c.send(`40{"token":"t"}`)

	if got := c.recv(); !strings.HasPrefix(got, `40{"sid":"`) {
		t.Errorf("second attempt answered %q", got)
	}
}

func TestUnknownNamespacesAreRefused(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	c := open(t, e)

	c.send(`40/admin,{"a":1}`)

	c.want(`44/admin,{"message":"Invalid namespace"}`)
	c.connect()
}

func TestTransientTroubleClosesTheTransport(t *testing.T) {
	e := serve(t, Config{}, &stub{admit: func(context.Context, Handshake) (Admission, error) { return Admission{}, errors.New("store away") }})
	c := open(t, e)

	c.send("40")

	c.ended(1013)
}

func TestAnAdmissionThatTakesTooLongIsNoRefusal(t *testing.T) {
	verdicts := map[string]func(ctx context.Context) (Admission, error){
		"heeds its context": func(ctx context.Context) (Admission, error) { <-ctx.Done(); return Admission{}, ctx.Err() },
		"refuses late": func(ctx context.Context) (Admission, error) {
			<-ctx.Done()
			return Admission{}, &Refusal{Message: "no"}
		},
		"admits late": func(ctx context.Context) (Admission, error) {
			<-ctx.Done()
			time.Sleep(2 * time.Second)
			return Admission{}, nil
		},
	}
	for name, verdict := range verdicts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := servePipes(t, Config{}, &stub{
					admit:     func(ctx context.Context, _ Handshake) (Admission, error) { return verdict(ctx) },
					connected: func(context.Context, *Socket) { t.Error("a late client was connected") },
				})
				c := open(t, e)
				time.Sleep(15 * time.Second)
				asked := time.Now()
				c.send("40")

				c.ended(1013)

				if waited := time.Since(asked); waited != 10*time.Second {
					t.Errorf("closed after %v, want 10s", waited)
				}
			})
		})
	}
}

func TestATransportWithoutASocketIsClosedInTime(t *testing.T) {
	stories := map[string]struct {
		until time.Duration
		tell  func(c *peer)
	}{
		"says nothing":    {20 * time.Second, func(*peer) {}},
		"was refused":     {20 * time.Second, func(c *peer) { c.send("40"); c.want(`44{"message":"no"}`) }},
		"wrong namespace": {20 * time.Second, func(c *peer) { c.send("40/a,"); c.want(`44/a,{"message":"Invalid namespace"}`) }},
		"left":            {27 * time.Second, func(c *peer) { c.send(`40{"ok":1}`); c.recv(); time.Sleep(7 * time.Second); c.send("41") }},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := servePipes(t, Config{}, &stub{admit: func(_ context.Context, h Handshake) (Admission, error) {
					if h.Auth == nil {
						return Admission{}, &Refusal{Message: "no"}
					}
					return Admission{}, nil
				}})
				opened := time.Now()
				c := open(t, e)
				story.tell(c)

				c.ended(1013)

				if waited := time.Since(opened); waited != story.until {
					t.Errorf("closed after %v, want %v", waited, story.until)
				}
			})
		})
	}
}

func TestAClientThatAnswersPingsStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sockets := make(chan *Socket, 1)
		e := servePipes(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) { sockets <- s }})
		c := join(t, e)
		s := <-sockets
		began := time.Now()

		for i := 1; i <= 5; i++ {
			_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
			if got, err := c.next(); err != nil || got != "2" {
				t.Fatalf("received %q, %v, want a ping", got, err)
			}
			c.send("3")
			synctest.Wait()
			if got, want := s.LastPong().Sub(began), time.Duration(i)*25*time.Second; got != want {
				t.Errorf("last pong after %v, want %v", got, want)
			}
		}
	})
}

func TestAClientThatMissesItsPingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reasons := make(chan Reason, 1)
		e := servePipes(t, Config{}, &stub{disconnected: func(_ *Socket, r Reason) { reasons <- r }})
		c := join(t, e)
		began := time.Now()

		c.ended(0)

		if got := <-reasons; got != ReasonPingTimeout {
			t.Errorf("left because of %q", got)
		}
		if waited := time.Since(began); waited != 55*time.Second {
			t.Errorf("closed after %v, want 55s", waited)
		}
	})
}

func TestAClientThatIsNotReadKeepsItsPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := servePipes(t, Config{QueueEvents: 1}, &stub{event: func(_ context.Context, _ *Socket, e *Event) {
			<-release
			e.Reply()
		}})
		c := join(t, e)
		c.send(`421["x"]`)
		c.send(`422["x"]`)
		synctest.Wait()

		// The pong stands behind the second event, which nobody takes for five minutes.
		pong := make(chan struct{})
		go func() { defer close(pong); _, _ = c.conn.Write(frame(opText, []byte("3"))) }()
		_ = c.conn.SetDeadline(time.Now().Add(time.Hour))
		if got, err := c.next(); err != nil || got != "2" {
			t.Fatalf("received %q, %v, want a ping", got, err)
		}
		time.Sleep(5 * time.Minute)
		close(release)

		c.want(`431[]`)
		c.want(`432[]`)
		<-pong
	})
}

func TestTooManyPendingTransportsAreTurnedAway(t *testing.T) {
	left := make(chan struct{}, 4)
	e := serve(t, Config{MaxPending: 2}, &stub{disconnected: func(*Socket, Reason) { left <- struct{}{} }})
	first, second := open(t, e), open(t, e)

	full, _ := request(t, e, goodQuery)
	first.connect()
	third := join(t, e)
	third.send("41")
	<-left
	again, _ := request(t, e, goodQuery)
	second.connect()
	lives(t, e)

	if full.status != 503 || again.status != 503 {
		t.Errorf("answered %d and %d, want 503", full.status, again.status)
	}
}

func TestNewNeedsAHandler(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a server without a handler was made")
		}
	}()
	New(Config{}, nil)
}
