package socketio

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// openPoll opens a session on polling and connects a socket on it. ask makes another request
// of the session, on a connection of its own, and does not read the answer.
func openPoll(t *testing.T, e *engine) (query string, ask func(method, body string, length int) *peer) {
	t.Helper()
	query = "EIO=4&transport=polling"
	ask = func(method, body string, length int) *peer {
		conn, err := e.dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, "%s /socket.io/?%s HTTP/1.1\r\nHost: chat.test\r\nContent-Length: %d\r\n\r\n%s", method, query, length, body); err != nil {
			t.Fatal(err)
		}
		return &peer{t: t, conn: conn, in: bufio.NewReader(conn)}
	}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(ask(http.MethodGet, "", 0).body()[1:]), &open); err != nil {
		t.Fatal(err)
	}
	query += "&sid=" + open.SID
	ask(http.MethodPost, "40", 2).body()
	if got := ask(http.MethodGet, "", 0).body(); !strings.HasPrefix(got, "40") {
		t.Fatalf("connect answered %q", got)
	}
	return query, ask
}

// body reads the answer to a request.
func (c *peer) body() string {
	c.t.Helper()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		c.t.Fatalf("answered %d %s, %v", response.StatusCode, b, err)
	}
	return string(b)
}

// However a client hangs, a drain ends within the time that a farewell has.
func TestNoClientHoldsUpADrain(t *testing.T) {
	for name, hang := range map[string]func(*testing.T, *engine){
		"says nothing":        func(t *testing.T, e *engine) { open(t, e) },
		"waits for a verdict": func(t *testing.T, e *engine) { open(t, e).send(`40{"slow":1}`) },
		"owes an attachment":  func(t *testing.T, e *engine) { join(t, e).send(`451-["x",{"_placeholder":true,"num":0}]`) },
		"owes an answer": func(t *testing.T, e *engine) {
			join(t, e).send(`42["ask"]`)
		},
		"reads nothing": func(t *testing.T, e *engine) {
			c := join(t, e)
			e.Emit(In(c.sid), NewFrame("x"))
			e.Emit(In(c.sid), NewFrame("y"))
		},
		"is not read": func(t *testing.T, e *engine) {
			c := join(t, e)
			for range 3 {
				go func() { _, _ = c.conn.Write(frame(opText, []byte(`42["slow"]`))) }()
				synctest.Wait()
			}
		},
		"polls not": func(t *testing.T, e *engine) { openPoll(t, e) },
		"polls":     func(t *testing.T, e *engine) { _, ask := openPoll(t, e); ask(http.MethodGet, "", 0) },
		"polls and does not read": func(t *testing.T, e *engine) {
			_, ask := openPoll(t, e)
			ask(http.MethodGet, "", 0)
			e.Emit(Target{All: true}, NewFrame("x"))
		},
		"posts half": func(t *testing.T, e *engine) { _, ask := openPoll(t, e); ask(http.MethodPost, "42", 20) },
		"posts too much": func(t *testing.T, e *engine) {
			_, ask := openPoll(t, e)
			body := strings.Repeat(`42["slow"]`+"\x1e", 5) + "6"
			ask(http.MethodPost, body, len(body))
		},
		"upgrades": func(t *testing.T, e *engine) {
			query, _ := openPoll(t, e)
			_, probe := request(t, e, strings.Replace(query, "polling", "websocket", 1))
			probe.send("2probe")
			probe.want("3probe")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := servePipes(t, Config{Polling: true, QueueEvents: 1}, &stub{
					admit: func(ctx context.Context, h Handshake) (Admission, error) {
						if h.Auth != nil {
							<-ctx.Done()
						}
						return Admission{}, nil
					},
					event: func(ctx context.Context, s *Socket, e *Event) {
						ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
						defer cancel()
						if e.Name == "ask" {
							_, _ = s.Ask(ctx, NewFrame("question"))
							return
						}
						<-ctx.Done()
					},
				})
				hang(t, e)
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
				defer cancel()
				began := time.Now()

				err := e.Drain(ctx)

				if err != nil || e.engine.Count() != 0 || e.Count() != 0 {
					t.Errorf("after %v: %v, %d sessions and %d sockets are left", time.Since(began), err, e.engine.Count(), e.Count())
				}
			})
		})
	}
}

func TestAHandlerMayFillTheQueueOfItsSocket(t *testing.T) {
	large := NewFrame("x", []byte(`"`+strings.Repeat("a", 64<<10)+`"`))
	fill := func(s *Socket, broadcast bool) {
		for s.state.Load() != left {
			if broadcast {
				s.Namespace().Emit(In(s.ID()), large)
			} else {
				s.Emit(large)
			}
		}
	}
	for name, h := range map[string]*stub{
		"when it connects":          {connected: func(_ context.Context, s *Socket) { fill(s, false) }},
		"with broadcasts":           {connected: func(_ context.Context, s *Socket) { fill(s, true) }},
		"on an event":               {event: func(_ context.Context, s *Socket, _ *Event) { fill(s, false) }},
		"with the socket of a room": {event: func(_ context.Context, s *Socket, _ *Event) { fill(s, true) }},
	} {
		t.Run(name, func(t *testing.T) {
			reasons := make(chan Reason, 1)
			h.disconnected = func(_ *Socket, r Reason) { reasons <- r }
			e := serve(t, Config{}, h)
			c := open(t, e)
			c.send("40")
			_, _ = c.next()
			c.send(`42["x"]`)

			if got := receive(t, reasons); got != ReasonQueueFull {
				t.Errorf("left because of %q", got)
			}
		})
	}
}
