package socketio

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestABroadcastReachesEachSocketOnce(t *testing.T) {
	e := serve(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) { s.Emit(NewFrame("ready")) }})
	clients := make(map[string]*peer)
	byName := make(map[string]*Socket)
	for name, rooms := range map[string][]string{"a": {"r1"}, "b": {"r1", "r2", "r3"}, "c": {"r2"}, "d": {"r4"}, "e": {"r2", "muted"}} {
		c := join(t, e)
		c.want(`42["ready"]`)
		s := e.Sockets(c.sid)[0]
		s.Join(rooms...)
		s.Join(rooms...)
		clients[name], byName[name] = c, s
	}
	byName["c"].Join("r1")
	byName["c"].Leave("r1", "r9")

	e.Emit(In("r1", "r2", "r2", "r3", "none").But("muted", "nobody"), NewFrame("hi"))
	e.Emit(In(clients["c"].sid, "r2").But(clients["a"].sid, clients["b"].sid, "muted"), NewFrame("by id"))
	e.Emit(Target{}, NewFrame("nobody hears this"))
	e.Emit(In(), NewFrame("nor this"))
	e.Emit(In("r1", "r4"), Frame{})
	e.Emit(In("r1", "r4"))
	e.Emit(Target{All: true, Rooms: []string{"r1"}}.But("r3", clients["d"].sid), NewFrame("to all"))
	e.Emit(In("r1", "r2", "r4"), NewFrame("end"))

	for name, c := range clients {
		if name != "d" && name != "e" {
			c.want(`42["hi"]`)
		}
		if name == "c" {
			c.want(`42["by id"]`)
		}
		if name != "b" && name != "d" {
			c.want(`42["to all"]`)
		}
		c.want(`42["end"]`)
	}
	if got := len(e.Sockets("r2")); got != 3 {
		t.Errorf("%d sockets are in r2, want 3", got)
	}
	if byName["c"].In("r1") || !byName["c"].In("r2") {
		t.Errorf("c is in %q", byName["c"].Rooms())
	}
}

func TestASlowReaderIsClosedAndOthersGetEverything(t *testing.T) {
	reasons := make(chan Reason, 1)
	e := serve(t, Config{QueueBytes: 256 << 10, QueuePackets: 1 << 20}, &stub{
		connected:    func(_ context.Context, s *Socket) { s.Join("all"); s.Emit(NewFrame("ready")) },
		disconnected: func(_ *Socket, r Reason) { reasons <- r },
	})
	slow, quick := join(t, e), join(t, e)
	slow.want(`42["ready"]`)
	quick.want(`42["ready"]`)
	frame := NewFrame("x", []byte(`"`+strings.Repeat("a", 64<<10)+`"`))

	const most = 4000 // 256 MB, more than any socket buffer
	sent := 0
	for ; sent < most && e.Count() == 2; sent++ {
		e.Emit(In("all"), frame)
		quick.want("42" + string(frame.body))
	}

	if got := receive(t, reasons); got != ReasonQueueFull {
		t.Errorf("left because of %q, want %q", got, ReasonQueueFull)
	}
	if sent == most {
		t.Error("the slow reader was never closed")
	}
	if e.Count() != 1 {
		t.Errorf("%d sockets are left, want 1", e.Count())
	}
}

// A pipe hands over one write at a time.
func TestEventsOfOneEmitLeaveInOneWrite(t *testing.T) {
	e := servePipes(t, Config{}, &stub{})
	c := join(t, e)
	var want []byte
	var frames []Frame
	for _, name := range []string{"one", "two", strings.Repeat("long", 2_000)} {
		frames = append(frames, NewFrame(name))
		text := `42["` + name + `"]`
		want = append(want, unmasked(text)...)
	}

	for name, emit := range map[string]func(){
		"a room":   func() { e.Emit(In(c.sid), frames...) },
		"a socket": func() { e.Sockets(c.sid)[0].Emit(frames...) },
	} {
		emit()

		got := make([]byte, 2*len(want))
		n, err := c.conn.Read(got)
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("%s: read %d bytes, %v; want the %d of all three", name, n, err, len(want))
		}
	}
}

// unmasked encodes a message as a server does.
func unmasked(text string) []byte {
	if len(text) < 126 {
		return append([]byte{0x80 | opText, byte(len(text))}, text...)
	}
	return append([]byte{0x80 | opText, 126, byte(len(text) >> 8), byte(len(text))}, text...)
}

func TestVolatileEventsPassOverAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reasons := make(chan Reason, 1)
		e := servePipes(t, Config{QueuePackets: 4}, &stub{disconnected: func(_ *Socket, r Reason) { reasons <- r }})
		c := join(t, e)
		two := []Frame{NewFrame("a"), NewFrame("b")}
		synctest.Wait()

		// Nobody reads yet: the first write hangs, and what comes later waits in the queue.
		e.Emit(In(c.sid), two...)
		synctest.Wait()
		for range 5 {
			e.EmitVolatile(In(c.sid), two...)
		}
		e.Sockets(c.sid)[0].EmitVolatile(NewFrame("c"))
		e.EmitVolatile(In(c.sid))

		for range 3 {
			c.want(`42["a"]`)
			c.want(`42["b"]`)
		}
		synctest.Wait()
		e.Sockets(c.sid)[0].EmitVolatile(NewFrame("end"))
		c.want(`42["end"]`)
		synctest.Wait()
		for range 4 {
			e.Emit(In(c.sid), two...)
			synctest.Wait()
		}
		if got := receive(t, reasons); got != ReasonQueueFull {
			t.Errorf("left because of %q, want %q", got, ReasonQueueFull)
		}
	})
}

func TestRoomsAreChangedForAllOfATarget(t *testing.T) {
	e := serve(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) { s.Join("all"); s.Emit(NewFrame("ready")) }})
	var clients []*peer
	for range 3 {
		c := join(t, e)
		c.want(`42["ready"]`)
		clients = append(clients, c)
	}
	goodbye := e.Sockets("all")

	e.Join(In("all").But(clients[0].sid), "some", "more")
	e.Leave(In("some").But(clients[1].sid), "more")

	want := slices.Sorted(slices.Values([]string{clients[1].sid, clients[2].sid}))
	ids, err := e.IDs(t.Context(), In("some"))
	if slices.Sort(ids); err != nil || !slices.Equal(ids, want) {
		t.Errorf("in some are %q, %v, want %q", ids, err, want)
	}
	if got := e.Select(In("more")); len(got) != 1 || got[0].ID() != clients[1].sid {
		t.Errorf("%d sockets are in more, want 1", len(got))
	}
	e.Disconnect(In("more"), true)
	if texts, code := clients[1].end(); !slices.Equal(texts, []string{"41"}) || code != 1000 {
		t.Errorf("closed with %d after %q", code, texts)
	}
	e.Disconnect(Target{All: true}.But(clients[0].sid), false)
	clients[2].want("41")
	clients[2].connect()
	clients[2].want(`42["ready"]`)
	for _, s := range goodbye {
		if s.ID() != clients[0].sid {
			s.Join("late")
		}
	}
	if got := e.Sockets("late"); len(got) != 0 {
		t.Errorf("%d sockets that had left joined a room", len(got))
	}
}

// The membership of rooms is compared with a plain one after every step.
func TestRoomsKnowTheirMembersAfterAnyChange(t *testing.T) {
	l := newLocal(&Namespace{name: "/"})
	random := rand.New(rand.NewPCG(1, 2))
	var sockets []*Socket
	want := make(map[string]map[*Socket]bool)
	for i := range 200 {
		s := &Socket{id: strconv.Itoa(i)}
		l.enter(s)
		sockets = append(sockets, s)
	}
	for range 5_000 {
		s, room := sockets[random.IntN(len(sockets))], string(rune('a'+random.IntN(8)))
		switch n := random.IntN(20); {
		case n == 0:
			l.exit(s)
			for _, members := range want {
				delete(members, s)
			}
			l.enter(s)
		case n < 11:
			l.Join(s, []string{room, room})
			if want[room] == nil {
				want[room] = make(map[*Socket]bool)
			}
			want[room][s] = true
		default:
			l.Leave(s, []string{room, "none"})
			delete(want[room], s)
		}
		got := l.Sockets(In(room))
		for _, s := range got {
			if !want[room][s] || !l.In(s, room) {
				t.Fatalf("%s is in %s", s.id, room)
			}
		}
		if len(got) != len(want[room]) {
			t.Fatalf("%d are in %s, want %d", len(got), room, len(want[room]))
		}
	}
	for _, s := range sockets {
		l.exit(s)
	}
	if len(l.rooms) != 0 || l.Count() != 0 {
		t.Errorf("%d rooms and %d sockets are left", len(l.rooms), l.Count())
	}
}

// elsewhere is an Adapter that counts what it is told besides.
type elsewhere struct {
	Adapter
	namespace string
	told      atomic.Int32
}

func (a *elsewhere) Broadcast(to Target, frames []Frame, volatile bool) {
	a.told.Add(1)
	a.Adapter.Broadcast(to, frames, volatile)
}

func TestAnotherAdapterStandsAroundTheOneOfThisProcess(t *testing.T) {
	var around *elsewhere
	e := serve(t, Config{Adapter: func(namespace string, local Adapter) Adapter {
		around = &elsewhere{Adapter: local, namespace: namespace}
		return around
	}}, &stub{})
	c := join(t, e)

	e.Emit(In(c.sid), NewFrame("x"))

	c.want(`42["x"]`)
	if around.namespace != "/" || around.told.Load() != 1 {
		t.Errorf("the adapter of %q was told %d times, want 1", around.namespace, around.told.Load())
	}
}
