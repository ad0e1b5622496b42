package socketio

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"unsafe"
)

func TestDisconnectReachesTheClientAfterWhatWasSent(t *testing.T) {
	reasons := make(chan Reason, 1)
	e := serve(t, Config{}, &stub{
		event: func(_ context.Context, s *Socket, e *Event) {
			s.Emit(NewFrame("bye"))
			s.Disconnect()
			s.Disconnect()
			s.Emit(NewFrame("too late"))
			e.Reply()
		},
		disconnected: func(s *Socket, r Reason) {
			if rooms := s.Rooms(); len(rooms) != 0 || len(known(s)) != 0 {
				t.Errorf("still in %q", rooms)
			}
			reasons <- r
		},
	})
	c := join(t, e)

	c.send(`421["x"]`)
	c.send(`42["never handled"]`)

	texts, code := c.end()
	if !slices.Equal(texts, []string{`42["bye"]`, "41"}) || code != 1000 {
		t.Errorf("closed with %d after %q", code, texts)
	}
	if got := receive(t, reasons); got != ReasonServerDisconnect {
		t.Errorf("left because of %q", got)
	}
}

func TestWaitingEventsOfADismissedSocketAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, left := make(chan struct{}), make(chan struct{})
		e := servePipes(t, Config{}, &stub{
			event: func(_ context.Context, s *Socket, e *Event) {
				<-release
				if e.Name != "first" {
					t.Errorf("event %q was handled", e.Name)
				}
				s.Disconnect()
			},
			disconnected: func(*Socket, Reason) { close(left) },
		})
		c := join(t, e)
		c.send(`42["first"]`)
		c.send(`42["second"]`)
		synctest.Wait()

		close(release)

		if texts, code := c.end(); !slices.Equal(texts, []string{"41"}) || code != 1000 {
			t.Errorf("closed with %d after %q", code, texts)
		}
		<-left
	})
}

func TestDisconnectedWaitsForHandlersThatLetTheNextBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, left := make(chan struct{}), make(chan struct{})
		admitted := 0
		e := servePipes(t, Config{}, &stub{
			admit: func(context.Context, Handshake) (Admission, error) { admitted++; return Admission{}, nil },
			event: func(_ context.Context, _ *Socket, e *Event) {
				e.Advance()
				<-release
			},
			disconnected: func(*Socket, Reason) { left <- struct{}{} },
		})
		c := join(t, e)
		c.send(`42["x"]`)
		c.send("41")
		c.send("40")
		synctest.Wait()

		select {
		case <-left:
			t.Error("disconnected while a handler ran")
		default:
		}
		if admitted != 1 {
			t.Errorf("%d admissions began, want 1", admitted)
		}
		close(release)
		<-left
		c.recv()
		_ = c.conn.Close()
		<-left
	})
}

// known returns the sockets that the server knows under the id of s.
func known(s *Socket) []*Socket { return s.Namespace().Sockets(s.ID()) }

func TestAClientMayLeaveAndComeBackOnItsTransport(t *testing.T) {
	type departure struct {
		id     string
		reason Reason
	}
	left := make(chan departure, 2)
	var handled atomic.Int32
	e := serve(t, Config{}, &stub{
		event:        func(context.Context, *Socket, *Event) { handled.Add(1) },
		disconnected: func(s *Socket, r Reason) { left <- departure{s.ID(), r} },
	})
	c := join(t, e)
	first := c.sid

	c.send(`42["x"]`)
	c.send("41")
	got := receive(t, left)
	c.connect()

	if want := (departure{first, ReasonClientDisconnect}); got != want || handled.Load() != 1 {
		t.Errorf("left as %v after %d events, want %v after 1", got, handled.Load(), want)
	}
	if c.sid == first || e.Count() != 1 {
		t.Errorf("came back as %q among %d sockets", c.sid, e.Count())
	}
	_ = c.conn.Close()
	if got := receive(t, left); got.id != c.sid || got.reason != ReasonTransportClose {
		t.Errorf("left as %v the second time", got)
	}
}

func TestWhatAClientSentBeforeItLeftIsHandled(t *testing.T) {
	release, done := make(chan struct{}), make(chan Reason, 1)
	var handled atomic.Int32
	e := serve(t, Config{}, &stub{
		event: func(ctx context.Context, s *Socket, e *Event) {
			<-release
			if ctx.Err() != nil {
				t.Error("the context ended with the socket")
			}
			s.Emit(NewFrame("x"))
			s.Join("late")
			e.Reply()
			handled.Add(1)
		},
		disconnected: func(_ *Socket, r Reason) { done <- r },
	})
	c := join(t, e)

	for range 3 {
		c.send(`421["x"]`)
	}
	c.write(frame(opClose, []byte{0x03, 0xe8}))
	_, _ = c.end()
	close(release)

	if got := receive(t, done); got != ReasonTransportClose || handled.Load() != 3 {
		t.Errorf("left because of %q after %d events, want 3", got, handled.Load())
	}
	if got := e.Sockets("late"); len(got) != 0 {
		t.Error("a dead socket joined a room")
	}
}

func TestEverySocketIsDisconnectedExactlyOnce(t *testing.T) {
	var connected, disconnected atomic.Int32
	seen := make(map[*Socket]bool)
	var mu sync.Mutex
	e := serve(t, Config{}, &stub{
		connected: func(_ context.Context, s *Socket) { connected.Add(1); s.Join("all") },
		event: func(_ context.Context, s *Socket, e *Event) {
			e.Advance()
			if e.Name == "kick" {
				s.Disconnect()
			}
		},
		disconnected: func(s *Socket, _ Reason) {
			disconnected.Add(1)
			mu.Lock()
			defer mu.Unlock()
			if seen[s] {
				t.Error("disconnected twice")
			}
			seen[s] = true
		},
	})
	var clients sync.WaitGroup
	for i := range 60 {
		c := join(t, e)
		clients.Go(func() {
			end := []string{"41", `42["kick"]`, "junk", `42["x"]`, "1"}[i%5]
			for _, text := range []string{`42["x"]`, `42["x"]`, end, "41"} {
				_, _ = c.conn.Write(frame(opText, []byte(text)))
			}
			_ = c.conn.Close()
		})
	}
	for range 100 {
		e.Emit(In("all"), NewFrame("x"))
	}
	clients.Wait()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if connected.Load() != 60 || disconnected.Load() != 60 || e.Count() != 0 {
		t.Errorf("%d connected, %d disconnected, %d left", connected.Load(), disconnected.Load(), e.Count())
	}
}

// lines collects log records.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), part)
}

func TestAPanicClosesItsSocketOnly(t *testing.T) {
	var log lines
	reasons := make(chan Reason, 4)
	e := serve(t, Config{Workers: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}, &stub{
		admit: func(_ context.Context, h Handshake) (Admission, error) {
			if string(h.Auth) == `{"a":1}` {
				panic("in admit")
			}
			return Admission{Data: string(h.Auth)}, nil
		},
		connected: func(_ context.Context, s *Socket) {
			if s.Data() != "" {
				panic("in connected")
			}
		},
		event: func(_ context.Context, _ *Socket, e *Event) {
			switch e.Name {
			case "panic":
				panic("in event")
			case "exit":
				endGoroutine()
			}
			e.Reply()
		},
		disconnected: func(_ *Socket, r Reason) {
			reasons <- r
			panic("in disconnected")
		},
	})
	other := join(t, e)

	for _, name := range []string{"panic", "exit"} {
		c := join(t, e)
		c.send(`42["` + name + `"]`)
		c.send(`421["never handled"]`)
		c.ended(1011)
		if got := receive(t, reasons); got != ReasonTransportError {
			t.Errorf("%s: left because of %q", name, got)
		}
	}
	c := open(t, e)
	c.send(`40{"a":1}`)
	c.ended(1011)
	c = open(t, e)
	c.send(`40{"b":1}`)
	if texts, code := c.end(); len(texts) != 1 || code != 1011 {
		t.Errorf("closed with %d after %q", code, texts)
	}
	if got := receive(t, reasons); got != ReasonTransportError {
		t.Errorf("left because of %q", got)
	}

	other.send(`421["x"]`)
	other.want("431[]")
	for _, part := range []string{"in admit", "in connected", "in event", "in disconnected", "endGoroutine"} {
		if !log.has(part) {
			t.Errorf("the log does not mention %q", part)
		}
	}
}

func TestAPanicWhileAPacketIsDecodedClosesItsConnectionOnly(t *testing.T) {
	// A slice of nothing: to read it is a fault.
	broken := *(*[]byte)(unsafe.Pointer(&[3]uintptr{0, 2, 2}))
	var log lines
	gone := make(chan Reason, 3)
	e := serve(t, Config{Workers: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}, &stub{disconnected: func(_ *Socket, r Reason) { gone <- r }})

	c := join(t, e)
	s := e.Sockets(c.sid)[0]
	event := &Event{socket: s, raw: broken}
	event.job = job{task: event, event: true}
	s.seat.line.add(&event.job)
	c.ended(1011)
	receive(t, gone)

	c = join(t, e)
	at := e.Sockets(c.sid)[0].seat
	c.send("41")
	receive(t, gone)
	at.client.begin(at, e.Namespace, broken)
	c.ended(1011)

	lives(t, e)
	for _, part := range []string{"handler=Event", "handler=Admit"} {
		if !log.has(part) {
			t.Errorf("the log does not mention %q", part)
		}
	}
}

func TestDrainFinishesWhatWasTaken(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	reasons := make(chan Reason, 2)
	var handled atomic.Int32
	e := serve(t, Config{}, &stub{
		event: func(ctx context.Context, s *Socket, e *Event) {
			if handled.Add(1) == 1 {
				close(inside)
			}
			<-release
			s.Emit(NewFrame("done"))
			e.Reply([]byte(strconv.FormatBool(ctx.Err() == nil)))
		},
		disconnected: func(_ *Socket, r Reason) { reasons <- r },
	})
	busy, quiet, waiting := join(t, e), join(t, e), open(t, e)
	busy.send(`421["x"]`)
	<-inside

	drained := make(chan error, 1)
	go func() { drained <- e.Drain(t.Context()) }()
	quiet.ended(1001)
	waiting.ended(1001)
	late, _ := request(t, e, goodQuery)
	busy.send(`422["after the drain began"]`)
	close(release)
	texts, code := busy.end()

	if err := receive(t, drained); err != nil {
		t.Errorf("drain: %v", err)
	}
	if late.status != 503 {
		t.Errorf("a new client was answered %d, want 503", late.status)
	}
	if want := []string{`42["done"]`, "431[true]"}; !slices.Equal(texts, want) || code != 1001 {
		t.Errorf("closed with %d after %q, want %q", code, texts, want)
	}
	if got := []Reason{receive(t, reasons), receive(t, reasons)}; got[0] != ReasonShuttingDown || got[1] != ReasonShuttingDown {
		t.Errorf("left because of %q", got)
	}
	if handled.Load() != 1 {
		t.Errorf("%d events were handled, want 1", handled.Load())
	}
}

func TestDrainEndsAtItsDeadline(t *testing.T) {
	const count = 20
	inside, ended := make(chan struct{}, count), make(chan Reason, count)
	e := serve(t, Config{}, &stub{
		event: func(ctx context.Context, _ *Socket, e *Event) {
			if e.Name != "first" {
				t.Errorf("event %q was handled", e.Name)
			}
			inside <- struct{}{}
			<-ctx.Done()
		},
		disconnected: func(_ *Socket, r Reason) { ended <- r },
	})
	var clients []*peer
	for range count {
		c := join(t, e)
		c.send(`42["first"]`)
		c.send(`42["second"]`)
		receive(t, inside)
		clients = append(clients, c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	err := e.Drain(ctx)

	if !errors.Is(err, context.Canceled) {
		t.Errorf("drain returned %v", err)
	}
	for _, c := range clients {
		if got := receive(t, ended); got != ReasonShuttingDown {
			t.Errorf("left because of %q", got)
		}
		if texts, _ := c.end(); len(texts) != 0 {
			t.Errorf("the client received %q", texts)
		}
	}
	if e.Count() != 0 {
		t.Errorf("%d sockets are left", e.Count())
	}
}
