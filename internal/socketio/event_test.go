package socketio

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestEventsOfASocketRunInOrder(t *testing.T) {
	var running, most atomic.Int32
	e := serve(t, Config{}, &stub{event: func(_ context.Context, _ *Socket, e *Event) {
		most.Store(max(most.Load(), running.Add(1)))
		e.Reply(e.Args...)
		running.Add(-1)
	}})
	c := join(t, e)
	const count = 200

	go func() {
		for i := range count {
			_, _ = c.conn.Write(frame(opText, []byte("42"+strconv.Itoa(i)+`["x",`+strconv.Itoa(i)+`]`)))
		}
	}()

	for i := range count {
		c.want("43" + strconv.Itoa(i) + "[" + strconv.Itoa(i) + "]")
	}
	if most.Load() != 1 {
		t.Errorf("%d handlers of one socket ran at once", most.Load())
	}
}

func TestAdvanceLetsTheNextEventBegin(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	var order []string
	e := serve(t, Config{}, &stub{event: func(_ context.Context, _ *Socket, e *Event) {
		mu.Lock()
		order = append(order, e.Name)
		mu.Unlock()
		switch e.Name {
		case "slow":
			e.Advance()
			e.Advance()
			<-release
		case "last":
			close(release)
		}
		e.Reply()
	}})
	c := join(t, e)

	for i, name := range []string{"slow", "quick", "last"} {
		c.send("42" + strconv.Itoa(i) + `["` + name + `"]`)
	}

	c.want("431[]")
	rest := []string{c.recv(), c.recv()}
	slices.Sort(rest)
	if !slices.Equal(rest, []string{"430[]", "432[]"}) {
		t.Errorf("received %q at the end", rest)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"slow", "quick", "last"}; !slices.Equal(order, want) {
		t.Errorf("events began in the order %q, want %q", order, want)
	}
}

func TestAdvanceAfterItsHandlerLetsNothingPass(t *testing.T) {
	kept := make(chan *Event, 1)
	inside, release := make(chan struct{}), make(chan struct{})
	var running atomic.Int32
	e := serve(t, Config{}, &stub{event: func(_ context.Context, _ *Socket, e *Event) {
		if running.Add(1) > 1 {
			t.Error("two handlers of one socket ran at once")
		}
		defer running.Add(-1)
		switch e.Name {
		case "first":
			kept <- e
		case "second":
			close(inside)
			<-release
		}
		e.Reply()
	}})
	c := join(t, e)
	c.send(`421["first"]`)
	c.want("431[]")
	c.send(`422["second"]`)
	c.send(`423["third"]`)
	<-inside

	receive(t, kept).Advance()
	close(release)

	c.want("432[]")
	c.want("433[]")
}

func TestOneSlowSocketDoesNotHoldUpOthers(t *testing.T) {
	release := make(chan struct{})
	e := serve(t, Config{Workers: 2}, &stub{event: func(_ context.Context, _ *Socket, e *Event) {
		if e.Name == "slow" {
			<-release
		}
		e.Reply()
	}})
	slow, other := join(t, e), join(t, e)
	for range 10 {
		slow.send(`421["slow"]`)
	}

	for range 10 {
		other.send(`422["x"]`)
		other.want("432[]")
	}
	close(release)
	for range 10 {
		slow.want("431[]")
	}
}

func TestNoMoreHandlersRunThanThereAreWorkers(t *testing.T) {
	var running, most atomic.Int32
	e := serve(t, Config{Workers: 3}, &stub{event: func(_ context.Context, _ *Socket, e *Event) {
		now := running.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		e.Advance()
		running.Add(-1)
		e.Reply()
	}})
	var clients []*peer
	for range 8 {
		clients = append(clients, join(t, e))
	}

	for range 20 {
		for _, c := range clients {
			c.send(`421["x"]`)
		}
	}
	for _, c := range clients {
		for range 20 {
			c.want("431[]")
		}
	}

	if most.Load() > 3 {
		t.Errorf("%d handlers ran at once, want at most 3", most.Load())
	}
}

func TestOnlyTheFirstReplyCounts(t *testing.T) {
	e := serve(t, Config{}, &stub{event: func(_ context.Context, s *Socket, e *Event) {
		wants := []byte(strconv.FormatBool(e.WantsReply()))
		e.Reply(wants, []byte(strconv.Itoa(e.Size)))
		e.Reply([]byte("2"))
		s.Emit(NewFrame("heard", wants))
	}})
	c := join(t, e)

	c.send(`42["x"]`)
	c.send(`427["x"]`)

	c.want(`42["heard",false]`)
	c.want(`437[true,7]`)
	c.want(`42["heard",true]`)
}

func TestAnEventMadeByItsFieldsIsHarmless(t *testing.T) {
	e := &Event{Name: "x"}

	e.Reply([]byte("1"))
	e.Advance()

	if e.WantsReply() {
		t.Error("nobody can have asked for a reply")
	}
}

func TestAcknowledgementsThatNobodyWaitsForAreTaken(t *testing.T) {
	e := serve(t, Config{}, &stub{event: func(_ context.Context, _ *Socket, e *Event) { e.Reply() }})
	c := join(t, e)

	c.send(`435["late"]`)
	c.send(`43["for nothing"]`)
	c.send(`461-5[{"_placeholder":true,"num":0}]`)
	c.sendBinary("late")
	c.send(`421["x"]`)

	c.want("431[]")
}

func TestAFullEventQueueStopsTheReader(t *testing.T) {
	const count = 12
	var running, most atomic.Int32
	begun, release := make(chan struct{}, count), make(chan struct{})
	e := serve(t, Config{QueueEvents: 4, Workers: 16}, &stub{event: func(_ context.Context, _ *Socket, e *Event) {
		most.Store(max(most.Load(), running.Add(1)))
		begun <- struct{}{}
		e.Advance()
		<-release
		running.Add(-1)
		e.Reply()
	}})
	c := join(t, e)
	for range count {
		c.send(`421["x"]`)
	}

	for range 4 {
		receive(t, begun)
	}
	close(release)

	for range count {
		c.want("431[]")
	}
	if most.Load() > 4 {
		t.Errorf("%d events of one socket ran at once, want at most 4", most.Load())
	}
}

func TestWaitingEventsHoldNoMoreThanOnePayload(t *testing.T) {
	p := newPool(0, 64, 1000)
	one, none := &line{pool: p}, &line{pool: p}
	one.add(&job{event: true, size: 600})

	got := []bool{one.full(400), one.full(401), none.full(2000)}

	if want := []bool{false, true, false}; !slices.Equal(got, want) {
		t.Errorf("full is %v, want %v", got, want)
	}
}

func TestAnEventThatLetTheNextBeginLetsNoThirdBeginWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := map[string]chan struct{}{"first": make(chan struct{}), "second": make(chan struct{}), "third": make(chan struct{})}
		begun := make(chan string, 3)
		e := servePipes(t, Config{}, &stub{event: func(_ context.Context, _ *Socket, e *Event) {
			begun <- e.Name
			if e.Name == "first" {
				e.Advance()
			}
			<-release[e.Name]
		}})
		c := join(t, e)
		for _, name := range []string{"first", "second", "third"} {
			c.send(`42["` + name + `"]`)
		}
		synctest.Wait()

		close(release["first"])
		synctest.Wait()

		if len(begun) != 2 {
			t.Errorf("%d events have begun, want 2", len(begun))
		}
		close(release["second"])
		close(release["third"])
	})
}

func TestAnEventOfASocketThatLeftAnswersNobody(t *testing.T) {
	type received struct {
		s *Socket
		e *Event
	}
	events := make(chan received, 2)
	e := serve(t, Config{}, &stub{event: func(_ context.Context, s *Socket, e *Event) { events <- received{s, e} }})
	c := join(t, e)
	c.send(`421["x"]`)
	old := receive(t, events)
	c.send("41")
	c.connect()

	old.e.Reply()
	old.s.Emit(NewFrame("x"))
	old.s.Disconnect()

	c.send(`422["x"]`)
	receive(t, events).e.Reply()
	c.want("432[]")
}
