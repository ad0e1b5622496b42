package socketio

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

// at returns an event of a place in the sequence.
func at(seq uint64, name string) Frame {
	f := NewFrame(name)
	f.Seq = seq
	return f
}

func TestBroadcastsWaitUntilTheClientHasCaughtUp(t *testing.T) {
	e := serve(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) {
		s.Join("room")
		n := s.Namespace()
		n.Emit(In("room"), at(4, "covered"), at(6, "held"), NewFrame("passing"))
		n.EmitVolatile(In("room"), NewFrame("volatile"))
		n.Emit(In("room"), at(5, "covered"))
		s.Emit(at(4, "missed"))
		s.Emit(at(5, "missed too"))
		s.CatchUp(5)
	}})
	c := join(t, e)
	c.want(`42["missed"]`, `42["missed too"]`, `42["held"]`, `42["passing"]`, `42["volatile"]`)

	// What is broadcast late may still be covered.
	s := e.Sockets("room")[0]
	e.Emit(In("room"), at(5, "covered"), at(7, "new"))
	e.Emit(In("room"), at(3, "covered"))
	s.CatchUp(100)
	e.Emit(In("room"), at(8, "newer"))

	c.want(`42["new"]`, `42["newer"]`)
}

func TestAttachmentsAreLeftOutWithTheirFrame(t *testing.T) {
	binary := func(seq uint64, data string) Frame {
		f, err := NewBinaryFrame("b", raw(data), Placeholder(0))
		if err != nil {
			t.Fatal(err)
		}
		f.Seq = seq
		return f
	}
	e := serve(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) {
		s.Namespace().Emit(In(s.ID()), binary(1, "one"), binary(2, "two"))
		s.CatchUp(1)
	}})
	c := join(t, e)

	c.want(`451-["b",{"_placeholder":true,"num":0}]`, "binary:two")
}

func TestWhatIsHeldForASocketGoesBeforeItsFarewell(t *testing.T) {
	for name, leave := range map[string]func(*Socket){"connection": (*Socket).Disconnect, "namespace": (*Socket).DisconnectNamespace} {
		e := serve(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) {
			s.Namespace().Emit(In(s.ID()), NewFrame("why"))
			leave(s)
			s.Namespace().Emit(In(s.ID()), NewFrame("too late"))
		}})
		c := join(t, e)

		c.want(`42["why"]`, "41")

		if name == "connection" {
			c.ended(1000)
		}
	}
}

// Its offset would be beyond what Connected has not sent yet, and lost that when it comes back.
func TestAFarewellLeavesOutWhatIsCounted(t *testing.T) {
	for name, leave := range map[string]func(*Socket){"connection": (*Socket).Disconnect, "namespace": (*Socket).DisconnectNamespace} {
		t.Run(name, func(t *testing.T) {
			returned := make(chan struct{})
			e := serve(t, Config{}, &stub{
				connected: func(_ context.Context, s *Socket) {
					s.Emit(at(4, "missed"))
					s.Namespace().Emit(In(s.ID()), at(6, "held"), NewFrame("why"))
					leave(s)
					s.Emit(at(5, "missed too"))
					s.CatchUp(5)
				},
				disconnected: func(*Socket, Reason) { close(returned) },
			})
			c := join(t, e)

			c.want(`42["missed"]`, `42["why"]`, "41")

			receive(t, returned)
			if name == "namespace" {
				c.send("1")
			}
			if texts, _ := c.end(); len(texts) > 0 {
				t.Errorf("after the farewell came %q", texts)
			}
		})
	}
}

func TestWhatIsCountedIsLeftOutAlsoWhenTheSocketLeftWithoutAFlush(t *testing.T) {
	s := &Socket{held: &held{parcels: []*parcel{newParcel([]Frame{at(6, "held")}, "/", false)}}}
	s.state.Store(left)

	// It would send to the session, which there is not.
	s.goLive()
}

func TestVolatileEventsThatAreHeldMakeRoom(t *testing.T) {
	large := []byte(`"` + strings.Repeat("a", 1000) + `"`)
	for name, c := range map[string]Config{"packets": {QueuePackets: 8}, "bytes": {QueueBytes: 8 * newParcel([]Frame{NewFrame("1", large)}, "/", false).size}} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, c, &stub{connected: func(_ context.Context, s *Socket) {
				for i := range 9 {
					s.Namespace().EmitVolatile(In(s.ID()), NewFrame(strconv.Itoa(i), large))
				}
				s.Namespace().Emit(In(s.ID()), NewFrame("d", large))
			}})
			c := join(t, e)

			for _, want := range []string{"1", "2", "3", "4", "5", "6", "7", "d"} {
				c.want(`42["` + want + `",` + string(large) + `]`)
			}
		})
	}
}

func TestWhatIsHeldIsBounded(t *testing.T) {
	for name, c := range map[string]Config{"packets": {QueuePackets: 8}, "bytes": {QueueBytes: 8 << 10}} {
		t.Run(name, func(t *testing.T) {
			reasons := make(chan Reason, 1)
			e := serve(t, c, &stub{
				connected: func(_ context.Context, s *Socket) {
					f := NewFrame("x", []byte(`"`+strings.Repeat("a", 1000)+`"`))
					for range 20 {
						s.Namespace().EmitVolatile(In(s.ID()), f)
					}
					if s.state.Load() != opening {
						t.Error("volatile events closed the socket")
					}
					for range 20 {
						s.Namespace().Emit(In(s.ID()), f)
					}
				},
				disconnected: func(_ *Socket, r Reason) { reasons <- r },
			})
			c := join(t, e)

			if got := receive(t, reasons); got != ReasonQueueFull {
				t.Errorf("left because of %q, want %q", got, ReasonQueueFull)
			}
			_, _ = c.end()
		})
	}
}

func TestARoomIsAskedWhenItsSocketsAreReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := servePipes(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) { <-release; s.Emit(NewFrame("ready")) }})
		c := join(t, e)
		synctest.Wait()
		answers := make(chan map[string]Answer, 1)
		go func() {
			given, _ := e.Ask(t.Context(), In(c.sid), NewFrame("question"))
			answers <- given
		}()
		synctest.Wait()

		close(release)

		c.want(`42["ready"]`, `421["question"]`)
		c.send("431[1]")
		if got := <-answers; !slices.Equal(got[c.sid].Args[0], []byte("1")) {
			t.Errorf("answers are %v", got)
		}
	})
}

func TestASocketThatLeavesWhileItOpensHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, sockets := make(chan struct{}), make(chan *Socket, 1)
		e := servePipes(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) { sockets <- s; <-release }})
		c := join(t, e)
		s := <-sockets
		e.Emit(In(c.sid), NewFrame("x"))
		_ = c.conn.Close()
		synctest.Wait()
		e.Emit(In(c.sid), NewFrame("x"))

		close(release)
		synctest.Wait()

		if s.held != nil || s.state.Load() != left {
			t.Errorf("it holds %v in state %d", s.held, s.state.Load())
		}
	})
}
