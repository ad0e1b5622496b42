package testkit

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json/jsontext"
)

// scripted is a server that says and hears what a test tells it to, one connection long.
type scripted struct {
	t  *testing.T
	ws *websocket.Conn
}

// hello is an Engine.IO handshake as servers send it.
const hello = `0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":30000,"maxPayload":1000000}`

// scriptedServer runs script for each connection, with the open packet sent, and returns its URL.
func scriptedServer(t *testing.T, script func(s *scripted)) string {
	t.Helper()
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		if r.URL.Path != "/socket.io/" || r.URL.Query().Get("EIO") != "4" || r.URL.Query().Get("transport") != "websocket" {
			t.Errorf("dialled %s", r.URL)
		}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = ws.CloseNow() }()
		s := &scripted{t, ws}
		s.say(hello)
		script(s)
	}))
	t.Cleanup(func() { <-done; server.Close() })
	return server.URL
}

func (s *scripted) say(packets ...string) {
	for _, p := range packets {
		if err := s.ws.Write(s.t.Context(), websocket.MessageText, []byte(p)); err != nil {
			s.t.Errorf("say %q: %v", p, err)
		}
	}
}

func (s *scripted) hear(want string) {
	_, b, err := s.ws.Read(s.t.Context())
	if err != nil || string(b) != want {
		s.t.Errorf("heard %q (%v), want %q", b, err, want)
	}
}

func (s *scripted) welcome() {
	s.hear(`40{"token":"secret"}`)
	s.say(`40{"sid":"s1"}`)
}

// gone waits until the client has hung up.
func (s *scripted) gone() {
	for {
		if _, _, err := s.ws.Read(context.Background()); err != nil {
			return
		}
	}
}

func dial(t *testing.T, url string) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), url, "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestConnHearsEventsInOrderAndAnswersPings(t *testing.T) {
	url := scriptedServer(t, func(s *scripted) {
		s.welcome()
		s.say(`42["room:joined",{"room":"r"}]`, "2")
		s.hear("3")
		s.say(`42["message:new",{"n":1},"00000001.7"]`, `42["notification:read_all"]`)
		s.gone()
	})
	c := dial(t, url)

	var got []string
	for range 3 {
		e, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Name+" "+string(e.Payload())+" "+e.Offset())
	}

	if want := []string{`room:joined {"room":"r"} `, `message:new {"n":1} 00000001.7`, "notification:read_all  "}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
	if c.ID() != "s1" {
		t.Errorf("socket id %q, want s1", c.ID())
	}
}

func TestConnGetsTheAckOfItsOwnEvent(t *testing.T) {
	url := scriptedServer(t, func(s *scripted) {
		s.welcome()
		s.hear(`420["ask",{"n":0}]`)
		s.hear(`421["ask",{"n":1}]`)
		s.hear(`42["tell"]`)
		s.say(`431["second"]`, `430["first"]`)
		s.gone()
	})
	c := dial(t, url)

	first, err := c.Ask("ask", map[string]int{"n": 0})
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Ask("ask", map[string]int{"n": 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Emit("tell", nil); err != nil {
		t.Fatal(err)
	}

	for p, want := range map[*Pending]string{first: `"first"`, second: `"second"`} {
		if got, err := p.Wait(t.Context()); string(got) != want || err != nil {
			t.Errorf("ack %s (%v), want %s", got, err, want)
		}
	}
}

func TestDialTellsARefusal(t *testing.T) {
	url := scriptedServer(t, func(s *scripted) {
		s.hear("40")
		s.say("2")
		s.hear("3")
		s.say(`44{"message":"Authentication required","data":{"code":"X"}}`)
	})

	_, err := Dial(t.Context(), url, "")

	refused, ok := errors.AsType[*RefusedError](err)
	if !ok || refused.Message != "Authentication required" || string(refused.Data) != `{"code":"X"}` {
		t.Errorf("error %v, want the refusal with its data", err)
	}
}

func TestConnSaysWhyItEnded(t *testing.T) {
	for want, last := range map[string]string{
		"io server disconnect": "41",
		"transport close":      "1",
		"parse error":          `42{"not":"a list"}`,
		"of nothing":           `437[1]`,
	} {
		t.Run(want, func(t *testing.T) {
			url := scriptedServer(t, func(s *scripted) {
				s.welcome()
				s.hear(`420["ask"]`)
				s.say(`42["first"]`, last)
				s.gone()
			})
			c := dial(t, url)

			_, err := c.EmitWithAck(t.Context(), "ask", nil)

			if !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), want) {
				t.Errorf("the event that waits gets %v, want %q", err, want)
			}
			if e, err := c.Next(t.Context()); e.Name != "first" || err != nil {
				t.Errorf("next is %q (%v), want what arrived before the end", e.Name, err)
			}
			if _, err := c.Next(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("then %v, want ErrClosed", err)
			}
			if _, err := c.Ask("ask", nil); !errors.Is(err, ErrClosed) {
				t.Errorf("a later event gets %v, want ErrClosed", err)
			}
		})
	}
}

func TestHooksSeeEveryFrame(t *testing.T) {
	url := scriptedServer(t, func(s *scripted) {
		s.welcome()
		s.hear(`420["ask",{}]`)
		s.say(`42["news",1]`, `430[{"success":true}]`)
		s.gone()
	})
	frames := make(chan string, 3)
	events := make(chan Event, 1)
	d := Dialer{
		OnEvent: func(e Event) { events <- e },
		OnFrame: func(d Direction, event string, raw jsontext.Value) {
			frames <- string(d) + " " + event + " " + string(raw)
		},
	}
	c, err := d.Dial(t.Context(), url, "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	if _, err := c.EmitWithAck(t.Context(), "ask", struct{}{}); err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{`out ask ["ask",{}]`, `in news ["news",1]`, `in ask [{"success":true}]`} {
		if got := <-frames; got != want {
			t.Errorf("frame %s, want %s", got, want)
		}
	}
	if e := <-events; e.Name != "news" {
		t.Errorf("event %q, want news", e.Name)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	url := scriptedServer(t, func(s *scripted) {
		s.welcome()
		s.gone()
	})
	c := dial(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()

	_, err := c.EmitWithAck(ctx, "ask", nil)

	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline's", err)
	}
}
