package engineio

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBreachesCloseWithTheirCode(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		code StatusCode
	}{
		"not masked":            {[]byte{0x81, 1, '4'}, StatusProtocolError},
		"compressed":            {[]byte{0xc1, 0x81, 0, 0, 0, 0, '4'}, StatusProtocolError},
		"too large":             {frame(opText, true, make([]byte, 101)), StatusMessageTooBig},
		"2^63-1 bytes":          {[]byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, StatusMessageTooBig},
		"not UTF-8":             {frame(opText, true, []byte("4\xff")), StatusInvalidPayload},
		"not UTF-8 in pieces":   {join2(frame(opText, false, []byte("4\xe2\x82")), frame(opContinuation, true, []byte("x"))), StatusInvalidPayload},
		"malformed close frame": {frame(opClose, true, []byte{3}), StatusProtocolError},
		"data behind a breach":  {join2([]byte{0x81, 1, '4'}, make([]byte, 100_000)), StatusProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			closed, left := reasons()
			c2 := connect(t, serve(t, Config{MaxPayload: 100}, &stub{closed: closed}))
			c2.raw(c.in...)
			if got := c2.closing(); got != int(c.code) {
				t.Errorf("close code is %d, want %d", got, c.code)
			}
			if got := receive(t, left); got != ReasonTransportError {
				t.Errorf("session left with %q", got)
			}
		})
	}
}

func TestTextInPiecesIsWhole(t *testing.T) {
	c := connect(t, serve(t, Config{}, &stub{message: echo}))
	c.raw(frame(opText, false, []byte("4\xe2\x82"))...)
	c.raw(frame(opPing, true, []byte("between"))...)
	if got := string(c.must(opPong)); got != "between" {
		t.Errorf("pong holds %q", got)
	}
	c.raw(frame(opContinuation, true, []byte("\xac"))...)
	c.expect("4€")
}

func TestCloseFrameIsAnswered(t *testing.T) {
	closed, left := reasons()
	c := connect(t, serve(t, Config{}, &stub{closed: closed}))
	c.raw(frame(opClose, true, []byte{0x0b, 0xb8, 'b', 'y', 'e'})...)
	if got := c.closing(); got != 3000 {
		t.Errorf("close code is %d, want that of the client", got)
	}
	if got := receive(t, left); got != ReasonTransportClose {
		t.Errorf("session left with %q", got)
	}
}

// While something else counts, which the test prevents, nobody may see the end: Wait would
// return before the handler is told of it.
func TestWhatFollowsAChangeIsCountedBeforeOthersSeeTheChange(t *testing.T) {
	changes := map[string]struct {
		make func(*Session)
		seen func(*Session) bool
	}{
		"the end":   {func(s *Session) { s.Abort("because") }, func(s *Session) bool { return s.ended.Load() }},
		"a flusher": {func(s *Session) { s.Post(false, Text([]byte("a"))) }, func(s *Session) bool { return len(s.queue.items) > 0 }},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			opened, sessions := opens()
			e := serve(t, Config{}, &stub{opened: opened})
			connect(t, e)
			s := receive(t, sessions)
			eventually(t, "the session is open", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return !s.opening && !s.writing
			})

			e.mu.Lock()
			done := make(chan struct{})
			go func() {
				defer close(done)
				change.make(s)
			}()
			uncounted := false
			// Who holds the mutex for so many turns waits for the count.
			for held := 0; held < 1_000 && !uncounted; runtime.Gosched() {
				if held++; s.mu.TryLock() {
					held, uncounted = 0, change.seen(s)
					s.mu.Unlock()
				}
			}
			e.mu.Unlock()
			<-done

			if uncounted {
				t.Error("it was seen and not counted")
			}
		})
	}
}

func TestConnectionLostEndsTheSession(t *testing.T) {
	closed, left := reasons()
	e := serve(t, Config{}, &stub{closed: closed})
	c := connect(t, e)
	c.raw(frame(opText, true, []byte("4half a frame"))[:9]...)
	_ = c.conn.Close()
	if got := receive(t, left); got != ReasonTransportClose {
		t.Errorf("session left with %q", got)
	}
}

func TestIgnoredPackets(t *testing.T) {
	c := connect(t, serve(t, Config{}, &stub{message: echo}))
	for _, packet := range []string{"0", "5", "6", "3", "3probe"} {
		c.send(packet)
	}
	c.raw(frame(opPong, true, []byte("x"))...)
	c.send("4a")
	c.expect("4a")
}

func TestClientsDoNotPing(t *testing.T) {
	for _, packet := range []string{"2", "2probe"} {
		closed, left := reasons()
		c := connect(t, serve(t, Config{}, &stub{closed: closed}))
		c.send(packet)
		c.closing()
		if got := receive(t, left); got != ReasonTransportError {
			t.Errorf("session left with %q, want a transport error", got)
		}
	}
}

func TestPacketsAreSmallUntilSettled(t *testing.T) {
	e := serve(t, Config{MaxPayload: 1000, MaxUnsettled: 10}, &stub{message: func(s *Session, data []byte, binary bool) {
		s.Settle()
		echo(s, data, binary)
	}})
	c := connect(t, e)
	large := "4" + strings.Repeat("x", 999)
	c.send("4small")
	c.expect("4small")
	c.send(large)
	c.expect(large)
	other := connect(t, e)
	other.send(large)
	if got := other.closing(); got != int(StatusMessageTooBig) {
		t.Errorf("close code is %d, want 1009", got)
	}
}

// opens returns a stub's opened function and the channel it fills.
func opens() (func(*Session, *http.Request), chan *Session) {
	opened := make(chan *Session, 1024)
	return func(s *Session, _ *http.Request) { opened <- s }, opened
}

func TestCloseFlushesWhatIsQueued(t *testing.T) {
	t.Run("WebSocket", func(t *testing.T) {
		opened, sessions := opens()
		closed, left := reasons()
		c := connect(t, serve(t, Config{}, &stub{opened: opened, closed: closed}))
		s := receive(t, sessions)

		s.Post(false, Text([]byte("a")), Binary([]byte("b")))
		s.Close("because", StatusGoingAway)
		if s.Send(Text([]byte("c"))) || s.Post(false, Text([]byte("c"))) {
			t.Error("something was taken after the end")
		}

		c.expect("4a")
		if got := string(c.must(opBinary)); got != "b" {
			t.Errorf("binary message is %q", got)
		}
		if got := c.closing(); got != int(StatusGoingAway) {
			t.Errorf("close code is %d, want 1001", got)
		}
		if got := receive(t, left); got != "because" {
			t.Errorf("session left with %q", got)
		}
	})
	t.Run("polling", func(t *testing.T) {
		opened, sessions := opens()
		p := poll(t, serve(t, Config{Polling: true}, &stub{opened: opened}))
		s := receive(t, sessions)
		s.Post(false, Text([]byte("a")), Binary([]byte("b")))
		s.Close("because", StatusGoingAway)
		if got := p.post("4x"); got.status != http.StatusBadRequest {
			t.Errorf("post after the end answered %d", got.status)
		}
		p.expect("4a\x1ebYg==")
		p.expect("1")
		if got := p.get(); got.status != http.StatusBadRequest {
			t.Errorf("poll after the end answered %d", got.status)
		}
	})
}

func TestCloseWaitsNotForever(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *engine){
		"WebSocket": func(t *testing.T, e *engine) { connect(t, e) },
		"polling":   func(t *testing.T, e *engine) { poll(t, e) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opened, sessions := opens()
				e := servePipes(t, Config{Polling: true}, &stub{opened: opened})
				start(t, e)
				s := receive(t, sessions)
				s.Send(Text([]byte("nobody reads this")))
				began := time.Now()
				s.Close("because", StatusNormalClosure)
				if err := e.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(began); got < closeWait || got > closeWait+time.Second {
					t.Errorf("it took %v, want %v", got, closeWait)
				}
			})
		})
	}
}

func TestHandlerThatBlocksHoldsTheClientBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		var handled int
		e := servePipes(t, suite(), &stub{message: func(s *Session, data []byte, binary bool) {
			if handled++; handled == 1 {
				<-let
			}
			echo(s, data, binary)
		}})
		c := connect(t, e)
		c.send("4a")
		c.expect("2")
		<-time.After(5 * time.Second)
		if e.Count() != 1 {
			t.Fatal("the session ended although its pong was not looked for")
		}
		// The pong comes well within its time after the handler goes on, and not before.
		var late sync.WaitGroup
		late.Go(func() {
			<-time.After(150 * time.Millisecond)
			c.send("3")
			c.send("4b")
		})
		defer late.Wait()
		close(let)
		c.expect("4a")
		c.expect("4b")
	})
}

func TestTalkingIsNoPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed, left := reasons()
		e := servePipes(t, suite(), &stub{closed: closed})
		c := connect(t, e)
		var talk sync.WaitGroup
		talk.Go(func() {
			for e.Count() == 1 {
				c.send("4I am here")
				<-time.After(20 * time.Millisecond)
			}
		})
		defer talk.Wait()
		c.closing()
		if got := receive(t, left); got != ReasonPingTimeout {
			t.Errorf("session left with %q", got)
		}
	})
}

func TestPanicsEndTheSession(t *testing.T) {
	for name, h := range map[string]*stub{
		"Opened":  {opened: func(*Session, *http.Request) { panic("oops") }},
		"Message": {message: func(*Session, []byte, bool) { panic("oops") }},
		"Goexit":  {message: func(*Session, []byte, bool) { runtime.Goexit() }},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			closed, left := reasons()
			h.closed = closed
			e := serve(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, h)
			c := connect(t, e)
			c.send("4a")
			code := c.closing()
			if name != "Goexit" && code != int(StatusInternalError) {
				t.Errorf("close code is %d, want 1011", code)
			}
			if got := receive(t, left); got != ReasonTransportError {
				t.Errorf("session left with %q", got)
			}
			if err := e.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(log.String(), "handler panicked") || !strings.Contains(log.String(), "stack=") {
				t.Errorf("log is %q", log.String())
			}
		})
	}
}

func TestSessionEndedWhileItOpensIsToldInOrder(t *testing.T) {
	var story []string
	done := make(chan struct{})
	e := serve(t, Config{}, &stub{
		opened: func(s *Session, _ *http.Request) {
			s.SetData("mine")
			s.Send(Text([]byte("hello")))
			s.Close("at once", StatusTryAgainLater)
			story = append(story, "opened")
		},
		closed: func(s *Session, r Reason) {
			story = append(story, string(r), s.Data().(string))
			close(done)
		},
	})
	c := connect(t, e)
	c.expect("4hello")
	if got := c.closing(); got != int(StatusTryAgainLater) {
		t.Errorf("close code is %d, want 1013", got)
	}
	receive(t, done)
	if got := strings.Join(story, ", "); got != "opened, at once, mine" {
		t.Errorf("handler was told %q", got)
	}
}

func TestRefuseAndWait(t *testing.T) {
	opened, sessions := opens()
	e := serve(t, Config{Polling: true}, &stub{opened: opened, message: echo})
	c := connect(t, e)
	s := receive(t, sessions)

	e.Refuse()

	for _, query := range []string{goodQuery, pollQuery} {
		if got, _ := upgradeRequest(t, e, query); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "5" {
			t.Errorf("new session answered %d, want 503", got.status)
		}
	}
	c.send("4still here")
	c.expect("4still here")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting with a session left returned %v", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- e.Wait(context.WithoutCancel(ctx)) }()
	s.Close(ReasonForcedClose, StatusGoingAway)
	if got := c.closing(); got != int(StatusGoingAway) {
		t.Errorf("close code is %d", got)
	}
	if err := receive(t, waited); err != nil {
		t.Errorf("waiting returned %v", err)
	}
}

func TestAbortIsWithoutAWord(t *testing.T) {
	opened, sessions := opens()
	closed, left := reasons()
	c := connect(t, serve(t, Config{}, &stub{opened: opened, closed: closed}))
	receive(t, sessions).Abort("gone")
	if got := c.closing(); got != -1 {
		t.Errorf("close code is %d, want no close frame", got)
	}
	if got := receive(t, left); got != "gone" {
		t.Errorf("session left with %q", got)
	}
}

func TestAbortReachesAHandlerThatBlocks(t *testing.T) {
	opened, sessions := opens()
	entered, let := make(chan struct{}), make(chan struct{})
	e := serve(t, Config{}, &stub{opened: opened, message: func(*Session, []byte, bool) { close(entered); <-let }})
	c := connect(t, e)
	c.send("4a")
	receive(t, entered)
	receive(t, sessions).Abort("gone")
	c.closing()
	if e.Count() != 1 {
		t.Error("the session is gone although its handler runs")
	}
	close(let)
}
