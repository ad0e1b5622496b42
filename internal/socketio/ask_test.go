package socketio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// asks is an event handler that asks its own socket and replies with the outcome.
func asks(f Frame, wait time.Duration) func(context.Context, *Socket, *Event) {
	return func(ctx context.Context, s *Socket, e *Event) {
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		a, err := s.Ask(ctx, f)
		if err != nil {
			e.Reply(appendText(nil, err.Error()))
			return
		}
		if err := e.ReplyBinary(a.Attachments, a.Args...); err != nil {
			e.Reply(appendText(nil, err.Error()))
		}
	}
}

func TestAHandlerMayAskItsOwnSocket(t *testing.T) {
	e := serve(t, Config{}, &stub{event: asks(NewFrame("question", []byte("42")), patience)})
	c := join(t, e)

	c.send(`427["x"]`)
	c.want(`421["question",42]`)
	c.send(`435["of another question"]`)
	c.send(`431["yes",{"a":1}]`)
	c.send(`431["again"]`)

	c.want(`437["yes",{"a":1}]`)
	c.send(`428["x"]`)
	c.want(`422["question",42]`)
	c.send(`432[]`)
	c.want(`438[]`)
}

func TestQuestionsAndAnswersMayBeBinary(t *testing.T) {
	f, err := NewBinaryFrame("question", raw("\x00\x01"), Placeholder(0))
	if err != nil {
		t.Fatal(err)
	}
	e := serve(t, Config{}, &stub{}, space{"/chat", &stub{event: asks(f, patience)}})
	c := join(t, e)
	c.connectTo("/chat,")

	c.send(`42/chat,7["x"]`)
	c.want(`451-/chat,1["question",{"_placeholder":true,"num":0}]`, "binary:\x00\x01")
	c.send(`462-/chat,1[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`)
	c.sendBinary("one", "")

	c.want(`462-/chat,7[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "binary:one", "binary:")
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := servePipes(t, Config{PingInterval: time.Hour}, &stub{event: asks(NewFrame("question"), 3*time.Second)})
		c := join(t, e)
		asked := time.Now()

		c.send(`427["x"]`)
		c.want(`421["question"]`)

		c.want(`437["ask: context deadline exceeded"]`)
		if waited := time.Since(asked); waited != 3*time.Second {
			t.Errorf("waited %v, want 3s", waited)
		}
		if s := e.Sockets(c.sid)[0]; s.asked != nil {
			t.Errorf("%d questions are remembered", len(s.asked))
		}
		c.send(`431["late"]`)
		c.send(`428["x"]`)
		c.want(`422["question"]`)
	})
}

func TestAQuestionEndsWithItsSocket(t *testing.T) {
	outcome := make(chan error, 2)
	e := serve(t, Config{}, &stub{event: func(ctx context.Context, s *Socket, _ *Event) {
		_, err := s.Ask(ctx, NewFrame("question"))
		outcome <- err
		_, err = s.Ask(ctx, NewFrame("question"))
		outcome <- err
	}})
	c := join(t, e)
	c.send(`42["x"]`)
	c.want(`421["question"]`)

	_ = c.conn.Close()

	for range 2 {
		if err := receive(t, outcome); !errors.Is(err, ErrGone) {
			t.Errorf("got %v, want %v", err, ErrGone)
		}
	}
}

func TestAnAnswerThatIsNoneClosesTheConnection(t *testing.T) {
	for _, packet := range []string{`431{}`, `431`, `431["x"`, `43/a,1[]`, `461-1[]`} {
		outcome, reasons := make(chan error, 1), make(chan Reason, 1)
		e := serve(t, Config{}, &stub{
			event: func(ctx context.Context, s *Socket, _ *Event) {
				_, err := s.Ask(ctx, NewFrame("question"))
				outcome <- err
			},
			disconnected: func(_ *Socket, r Reason) { reasons <- r },
		})
		c := join(t, e)
		c.send(`42["x"]`)
		c.want(`421["question"]`)

		c.send(packet)
		if strings.HasPrefix(packet, "46") {
			c.sendBinary("x")
		}

		c.ended(1008)
		if err := receive(t, outcome); err == nil {
			t.Errorf("%s was an answer", packet)
		}
		if got := receive(t, reasons); got != ReasonParseError {
			t.Errorf("%s: left because of %q", packet, got)
		}
	}
}

// A handler that asks would wait in vain if its answer stood behind what it does not take.
func TestAnswersAreHeardWhileTheServerDrains(t *testing.T) {
	e := serve(t, Config{}, &stub{event: asks(NewFrame("question"), patience)})
	c := join(t, e)
	c.send(`427["x"]`)
	c.want(`421["question"]`)
	drained := make(chan error, 1)
	go func() { drained <- e.Drain(t.Context()) }()
	if got, other := request(t, e, goodQuery); got.status == 101 {
		_, _ = other.end() // the drain has begun with it at the latest
	}

	c.send(`431["yes"]`)

	if texts, code := c.end(); !slices.Equal(texts, []string{`437["yes"]`}) || code != 1001 {
		t.Errorf("closed with %d after %q", code, texts)
	}
	if err := receive(t, drained); err != nil {
		t.Error(err)
	}
}

func TestAnswersAreHeardBehindEventsWhileTheServerDrains(t *testing.T) {
	e := serve(t, Config{QueueEvents: 1}, &stub{event: asks(NewFrame("question"), patience)})
	c := join(t, e)
	c.send(`427["x"]`)
	c.want(`421["question"]`)
	c.send(`428["behind"]`)
	l := &e.Sockets(c.sid)[0].seat.line
	eventually(t, "the client is held back", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.room != nil
	})

	drained := make(chan error, 1)
	go func() { drained <- e.Drain(t.Context()) }()
	c.send(`431["yes"]`)

	if texts, code := c.end(); !slices.Equal(texts, []string{`437["yes"]`}) || code != 1001 {
		t.Errorf("closed with %d after %q", code, texts)
	}
	if err := receive(t, drained); err != nil {
		t.Error(err)
	}
}

// lateContext ends as soon as somebody asks whether it has, but not before something else has
// happened.
type lateContext struct {
	context.Context
	happened chan struct{}
}

func (c lateContext) Err() error {
	<-c.happened
	return context.DeadlineExceeded
}

func (c lateContext) Done() <-chan struct{} {
	<-c.happened
	return c.happened
}

func TestAnAnswerThatIsHereAtTheEndIsNotLost(t *testing.T) {
	type asking func(context.Context, *engine, *Socket) (Answer, bool)
	for name, ask := range map[string]asking{
		"room": func(ctx context.Context, e *engine, s *Socket) (Answer, bool) {
			answers, missing := e.Ask(ctx, In(s.ID()), NewFrame("question"))
			return answers[s.ID()], len(missing) == 0
		},
		"socket": func(ctx context.Context, _ *engine, s *Socket) (Answer, bool) {
			a, err := s.Ask(ctx, NewFrame("question"))
			return a, err == nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) { s.Emit(NewFrame("ready")) }})
			c := join(t, e)
			c.want(`42["ready"]`)
			s := e.Sockets(c.sid)[0]
			// A select takes one of two that are ready, by chance.
			for i := range 20 {
				late := lateContext{t.Context(), make(chan struct{})}
				done := make(chan bool, 1)
				go func() {
					a, ok := ask(late, e, s)
					done <- ok && fmt.Sprintf("%s", a.Args) == `["yes"]`
				}()
				c.want(fmt.Sprintf(`42%d["question"]`, i+1))
				c.send(fmt.Sprintf(`43%d["yes"]`, i+1))
				eventually(t, "the answer is here", func() bool {
					s.mu.Lock()
					defer s.mu.Unlock()
					return s.asked == nil
				})

				close(late.happened)

				if !receive(t, done) {
					t.Fatalf("answer %d was lost", i+1)
				}
			}
		})
	}
}

func TestARoomIsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := servePipes(t, Config{PingInterval: time.Hour}, &stub{connected: func(_ context.Context, s *Socket) { s.Join("room") }})
		var clients []*peer
		for range 4 {
			clients = append(clients, join(t, e))
		}
		excepted := join(t, e)
		synctest.Wait()
		type outcome struct {
			answers map[string]Answer
			missing []string
		}
		done := make(chan outcome, 1)
		began := time.Now()
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			answers, missing := e.Ask(ctx, In("room").But(excepted.sid), NewFrame("question", []byte("1")))
			done <- outcome{answers, missing}
		}()

		for i, c := range clients {
			c.want(`421["question",1]`)
			switch i {
			case 0, 1:
				c.send(`431[` + strconv.Itoa(i) + `]`)
			case 2:
				c.send("41")
			}
		}

		got := <-done
		var given []string
		for id, a := range got.answers {
			given = append(given, fmt.Sprintf("%s%s", id, a.Args))
		}
		slices.Sort(given)
		slices.Sort(got.missing)
		if want := slices.Sorted(slices.Values([]string{clients[0].sid + "[0]", clients[1].sid + "[1]"})); !slices.Equal(given, want) {
			t.Errorf("answers are %q, want %q", given, want)
		}
		if want := slices.Sorted(slices.Values([]string{clients[2].sid, clients[3].sid})); !slices.Equal(got.missing, want) {
			t.Errorf("missing are %q, want %q", got.missing, want)
		}
		if waited := time.Since(began); waited != 500*time.Millisecond {
			t.Errorf("waited %v, want 500ms", waited)
		}
		excepted.send(`40`)
		if texts, _ := excepted.end(); len(texts) != 0 {
			t.Errorf("the excepted one received %q", texts)
		}
	})
}

func TestWhenAllHaveAnsweredNobodyWaits(t *testing.T) {
	e := serve(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) { s.Join("room"); s.Emit(NewFrame("ready")) }})
	c := join(t, e)
	c.want(`42["ready"]`)
	done := make(chan string, 1)
	go func() {
		answers, missing := e.Ask(t.Context(), In("room"), NewFrame("question"))
		none, nobody := e.Ask(t.Context(), In("empty"), NewFrame("question"))
		nothing, _ := e.Ask(t.Context(), In("room"), Frame{})
		done <- fmt.Sprintf("%s %d %d %d %d", answers[c.sid].Args, len(missing), len(none), len(nobody), len(nothing))
	}()

	c.want(`421["question"]`)
	c.send(`431["yes"]`)

	if got, want := receive(t, done), `["yes"] 0 0 0 0`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
