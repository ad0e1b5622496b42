package socketio

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// echo replies with the arguments of an event and the namespace that handled it.
func echo(_ context.Context, s *Socket, e *Event) {
	e.Reply(append([][]byte{appendText(nil, s.Namespace().Name())}, e.Args...)...)
}

func TestASessionHasASocketInEachNamespace(t *testing.T) {
	e := serve(t, Config{}, &stub{event: echo}, space{"/chat", &stub{event: echo}}, space{"/chat/é", &stub{event: echo}})
	c := join(t, e)
	chat, third := c.connectTo("/chat,"), c.connectTo("/chat/é,")

	c.send(`42/chat,7["x",1]`)
	c.want(`43/chat,7["/chat",1]`)
	c.send(`42/chat/é,8["x",2]`)
	c.want(`43/chat/é,8["/chat/é",2]`)
	c.send(`429["x",3]`)
	c.want(`439["/",3]`)
	c.send(`42/,10["x",4]`)
	c.want(`4310["/",4]`)

	if ids := []string{c.sid, chat, third}; len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 3 {
		t.Errorf("ids are %q", ids)
	}
	if e.Count() != 1 || e.spaces["/chat"].Count() != 1 {
		t.Errorf("%d sockets in / and %d in /chat", e.Count(), e.spaces["/chat"].Count())
	}
}

func TestNamespacesHaveTheirOwnRoomsAndVerdicts(t *testing.T) {
	refuse := func(context.Context, Handshake) (Admission, error) { return Admission{}, &Refusal{Message: "no"} }
	joins := func(_ context.Context, s *Socket) { s.Join("room") }
	e := serve(t, Config{}, &stub{connected: joins, event: echo}, space{"/chat", &stub{connected: joins, event: echo}}, space{"/closed", &stub{admit: refuse}})
	c := join(t, e)
	c.connectTo("/chat,")
	c.send("40/closed,")
	c.want(`44/closed,{"message":"no"}`)
	c.send("40/unknown,{}")
	c.want(`44/unknown,{"message":"Invalid namespace"}`)
	for _, ask := range []string{`421["x"]`, `42/chat,1["x"]`} { // both have joined their rooms by the answer
		c.send(ask)
		c.recv()
	}

	e.Emit(In("room"), NewFrame("root"))
	c.want(`42["root"]`)
	e.spaces["/chat"].Emit(In("room"), NewFrame("chat"))
	c.want(`42/chat,["chat"]`)
}

func TestLeavingOneNamespaceLeavesTheOthers(t *testing.T) {
	left := make(chan string, 4)
	tell := func(s *Socket, r Reason) { left <- s.Namespace().Name() + " " + string(r) }
	dismiss := func(ctx context.Context, s *Socket, e *Event) {
		if e.Name == "dismiss" {
			s.Emit(NewFrame("bye"))
			s.DisconnectNamespace()
			s.DisconnectNamespace()
		}
		echo(ctx, s, e)
	}
	e := serve(t, Config{}, &stub{event: echo, disconnected: tell}, space{"/a", &stub{event: echo, disconnected: tell}}, space{"/b", &stub{event: dismiss, disconnected: tell}})
	c := join(t, e)
	c.connectTo("/a,")
	c.connectTo("/b,")

	c.send("41/a,")
	if got := receive(t, left); got != "/a client namespace disconnect" {
		t.Errorf("left: %s", got)
	}
	c.send(`42/b,1["dismiss"]`)
	c.send(`42/b,2["on its way meanwhile"]`)
	c.want(`42/b,["bye"]`, "41/b,")
	if got := receive(t, left); got != "/b server namespace disconnect" {
		t.Errorf("left: %s", got)
	}
	c.send(`42/b,3["too late"]`)
	c.send(`451-/b,3["too late",{"_placeholder":true,"num":0}]`)
	c.sendBinary("late")
	c.send("41/b,")
	c.send(`421["x"]`)
	c.want(`431["/"]`)
	c.connectTo("/a,")
	c.connectTo("/b,")
	c.send(`42/b,4["x"]`)
	c.want(`43/b,4["/b"]`)

	c.send(`42["x"]`)
	_ = c.conn.Close()
	got := []string{receive(t, left), receive(t, left), receive(t, left)}
	slices.Sort(got)
	if want := []string{"/ transport close", "/a transport close", "/b transport close"}; !slices.Equal(got, want) {
		t.Errorf("left: %q, want %q", got, want)
	}
}

func TestDisconnectClosesTheConnectionOfAllNamespaces(t *testing.T) {
	var left atomic.Int32
	gone := func(_ *Socket, r Reason) {
		if r != ReasonServerDisconnect {
			t.Errorf("left because of %q", r)
		}
		left.Add(1)
	}
	e := serve(t, Config{}, &stub{disconnected: gone}, space{"/chat", &stub{
		event:        func(_ context.Context, s *Socket, _ *Event) { s.Disconnect() },
		disconnected: gone,
	}})
	c := join(t, e)
	c.connectTo("/chat,")

	c.send(`42/chat,["x"]`)

	if texts, code := c.end(); !slices.Equal(texts, []string{"41", "41/chat,"}) || code != 1000 {
		t.Errorf("closed with %d after %q", code, texts)
	}
	if err := e.Drain(t.Context()); err != nil || left.Load() != 2 {
		t.Errorf("drain: %v, %d left", err, left.Load())
	}
}

func TestAbortDropsTheConnectionWithoutAWord(t *testing.T) {
	reasons := make(chan Reason, 1)
	e := serve(t, Config{}, &stub{
		event:        func(_ context.Context, s *Socket, _ *Event) { s.Abort(); s.Abort() },
		disconnected: func(_ *Socket, r Reason) { reasons <- r },
	})
	c := join(t, e)

	c.send(`42["x"]`)

	c.ended(0)
	if got := receive(t, reasons); got != ReasonTransportClose {
		t.Errorf("left because of %q", got)
	}
}

func TestOneSlowNamespaceDoesNotHoldUpAnother(t *testing.T) {
	release := make(chan struct{})
	e := serve(t, Config{}, &stub{event: func(_ context.Context, _ *Socket, e *Event) { <-release; e.Reply() }}, space{"/chat", &stub{event: echo}})
	c := join(t, e)
	c.connectTo("/chat,")

	c.send(`421["slow"]`)
	c.send(`42/chat,2["x"]`)

	c.want(`43/chat,2["/chat"]`)
	close(release)
	c.want("431[]")
}

func TestAVerdictOnASecondNamespaceHasToComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := servePipes(t, Config{PingInterval: time.Hour}, &stub{}, space{"/chat", &stub{
			admit: func(ctx context.Context, _ Handshake) (Admission, error) {
				<-ctx.Done()
				return Admission{}, &Refusal{Message: "late"}
			},
		}})
		c := join(t, e)
		time.Sleep(time.Minute) // an admitted socket waits for nothing
		asked := time.Now()
		c.send("40/chat,")

		c.ended(1013)

		if waited := time.Since(asked); waited != 10*time.Second {
			t.Errorf("closed after %v, want 10s", waited)
		}
	})
}

func TestADismissedClientHasToConnectInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := servePipes(t, Config{PingInterval: time.Hour}, &stub{event: func(_ context.Context, s *Socket, _ *Event) { s.DisconnectNamespace() }})
		c := join(t, e)
		time.Sleep(time.Minute)
		dismissed := time.Now()
		c.send(`42["x"]`)
		c.want("41")

		c.ended(1013)

		if waited := time.Since(dismissed); waited != 20*time.Second {
			t.Errorf("closed after %v, want 20s", waited)
		}
	})
}

func TestNamespacesAreNamedOnceAndPlainly(t *testing.T) {
	s := New(Config{}, &stub{})
	s.Of("/chat", &stub{})
	for _, name := range []string{"", "chat", "/", "/chat", "/a,b", "/a\x1e", "/\xff", "/" + strings.Repeat("n", maxNamespace)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("the namespace %q was added", name)
				}
			}()
			s.Of(name, &stub{})
		}()
	}
}
