package socketio

import (
	"strconv"
	"testing"

	"pryde/internal/engineio"
)

func BenchmarkDecodeEvent(b *testing.B) {
	wire := []byte(`27["send_message",{"recipientId":"00000000000000000000000b","content":"hello there","_tempId":"temp_1"}]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodePacket(wire); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodeBroadcast encodes an event once, as it is done for any number of sockets.
func BenchmarkEncodeBroadcast(b *testing.B) {
	payload := []byte(`{"_id":"00000000000000000000000b","content":"hello there"}`)
	b.ReportAllocs()
	for b.Loop() {
		newParcel([]Frame{NewFrame("message:new", payload)}, "/", false)
	}
}

// BenchmarkAudience finds the sockets of a room of a thousand.
func BenchmarkAudience(b *testing.B) {
	l := newLocal(&Namespace{name: "/"})
	for i := range 1000 {
		s := &Socket{id: strconv.Itoa(i), session: new(engineio.Session)}
		l.enter(s)
		l.Join(s, []string{"room"})
	}
	var found []*Socket
	b.ReportAllocs()
	for b.Loop() {
		found = l.appendSockets(found[:0], In("room").But("none"))
	}
	if len(found) != 1000 {
		b.Fatalf("found %d", len(found))
	}
}
