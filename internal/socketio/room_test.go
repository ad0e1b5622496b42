package socketio

import (
	"context"
	"slices"
	"strings"
	"testing"
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
	packets := outbox{maxBytes: 100, maxPackets: 2}
	large := outbox{maxBytes: 100, maxPackets: 2}

	got := []bool{
		packets.push([]byte("a")), packets.push([]byte("b")), packets.push([]byte("c")),
		large.push(make([]byte, 101)), large.push([]byte("a")),
	}
	large.pop()
	got = append(got, large.push(make([]byte, 60)), large.push(make([]byte, 41)), large.bytes == 60)

	if want := []bool{true, true, false, true, false, true, false, true}; !slices.Equal(got, want) {
		t.Errorf("pushes were taken as %v, want %v", got, want)
	}
}
