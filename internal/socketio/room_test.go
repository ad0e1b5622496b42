package socketio

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
)

func TestABroadcastReachesEachSocketOnce(t *testing.T) {
	e := serve(t, Config{}, &stub{connected: func(_ context.Context, s *Socket) { s.Emit(NewFrame("ready")) }})
	clients := make(map[string]*client)
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

	e.Emit(NewFrame("hi"), []string{"r1", "r2", "r2", "r3", "none"}, []string{"muted", "nobody"})
	e.Emit(NewFrame("nobody hears this"), nil, nil)
	e.Emit(Frame{}, []string{"r1", "r4"}, nil)
	e.Emit(NewFrame("end"), []string{"r1", "r2", "r4"}, nil)

	for name, c := range clients {
		if name != "d" && name != "e" {
			c.want(`42["hi"]`)
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
		e.Emit(frame, []string{"all"}, nil)
		quick.want(string(frame.message))
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

func TestAQueueIsBoundedInPacketsAndBytes(t *testing.T) {
	for name, o := range map[string]outbox{
		"packets": {maxBytes: 100, maxPackets: 2},
		"bytes":   {maxBytes: 3, maxPackets: 100},
	} {
		o.force([]byte("a"))
		if !o.fits([]byte("b")) {
			t.Errorf("%s: the second of two has no room", name)
		}
		if o.fits([]byte("b"), []byte("cd")) {
			t.Errorf("%s: there is room for what is too much together", name)
		}
		o.pop(1)
		if big := []byte("longer than the bound"); !o.fits(big, big, big) {
			t.Errorf("%s: an empty outbox has no room", name)
		}
	}
}

func TestTheFrontHoldsWhatOneWriteTakes(t *testing.T) {
	o := outbox{maxBytes: 100, maxPackets: 100}
	o.force([]byte("aaa"), []byte("bb"), []byte("cccccc"), []byte("d"))
	for _, want := range []string{"aaabb", "cccccc", "d", ""} {
		front := o.front(5)
		if got := string(bytes.Join(front, nil)); got != want {
			t.Errorf("the front is %q, want %q", got, want)
		}
		o.pop(len(front))
	}
	if o.bytes != 0 {
		t.Errorf("%d bytes are left", o.bytes)
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

	e.EmitAll(frames, []string{c.sid}, nil, false)

	got := make([]byte, 2*len(want))
	n, err := c.conn.Read(got)
	if err != nil || !bytes.Equal(got[:n], want) {
		t.Errorf("read %d bytes, %v; want the %d of all three", n, err, len(want))
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
		room, two := []string{c.sid}, []Frame{NewFrame("a"), NewFrame("b")}
		synctest.Wait()

		// Nobody reads yet: the first write hangs, and what it holds stays in the queue.
		e.EmitAll(two, room, nil, true)
		e.EmitAll(two, room, nil, true)
		e.EmitAll(two, room, nil, true)
		e.EmitAll(two, []string{"nobody"}, nil, false)
		e.EmitAll(nil, room, nil, false)

		for range 2 {
			c.want(`42["a"]`)
			c.want(`42["b"]`)
		}
		synctest.Wait()
		e.Emit(NewFrame("end"), room, nil)
		c.want(`42["end"]`)
		synctest.Wait()
		e.EmitAll(two, room, nil, false)
		e.EmitAll(two, room, nil, false)
		e.EmitAll(two, room, nil, false)
		if got := receive(t, reasons); got != ReasonQueueFull {
			t.Errorf("left because of %q, want %q", got, ReasonQueueFull)
		}
	})
}
