package socketio

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"
)

func raw(args ...string) [][]byte {
	var list [][]byte
	for _, arg := range args {
		list = append(list, []byte(arg))
	}
	return list
}

// golden holds every form of packet as it stands on the wire. canonical is how this side
// writes it, where that differs.
var golden = []struct {
	wire      string
	packet    Packet
	canonical string
}{
	{wire: `0`, packet: Packet{Type: PacketConnect, Namespace: "/"}},
	{wire: `0{"token":"t"}`, packet: Packet{Type: PacketConnect, Namespace: "/", Payload: []byte(`{"token":"t"}`)}},
	{wire: `0/admin,`, packet: Packet{Type: PacketConnect, Namespace: "/admin"}},
	{wire: `0/admin`, packet: Packet{Type: PacketConnect, Namespace: "/admin"}, canonical: `0/admin,`},
	{wire: `0/,{}`, packet: Packet{Type: PacketConnect, Namespace: "/", Payload: []byte(`{}`)}, canonical: `0{}`},
	{wire: `0/a?b=c,{}`, packet: Packet{Type: PacketConnect, Namespace: "/a?b=c", Payload: []byte(`{}`)}},
	{wire: `0{"a":1} `, packet: Packet{Type: PacketConnect, Namespace: "/", Payload: []byte(`{"a":1}`)}, canonical: `0{"a":1}`},
	{wire: `1`, packet: Packet{Type: PacketDisconnect, Namespace: "/"}},
	{wire: `1/admin,`, packet: Packet{Type: PacketDisconnect, Namespace: "/admin"}},
	{wire: `2["x"]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "x"}},
	{wire: `2["x",1,{"a":[null]},"é"]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "x", Args: raw(`1`, `{"a":[null]}`, `"é"`)}},
	{wire: `2[ "x" , 1 ]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "x", Args: raw(`1`)}, canonical: `2["x",1]`},
	{wire: `20["x"]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "x", HasID: true}},
	{wire: `2007["x"]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "x", HasID: true, ID: 7}, canonical: `27["x"]`},
	{wire: `29007199254740991["x"]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "x", HasID: true, ID: maxAckID}},
	{wire: `2/chat,12["x"]`, packet: Packet{Type: PacketEvent, Namespace: "/chat", Name: "x", HasID: true, ID: 12}},
	{wire: `2["\ud800",1]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "�", Args: raw(`1`)}, canonical: `2["�",1]`},
	{wire: `2["x","\ud83d"]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "x", Args: raw(`"\ud83d"`)}},
	{wire: `2[1e3,0]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "1000", Args: raw(`0`)}, canonical: `2["1000",0]`},
	{wire: `2[-0]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: "0"}, canonical: `2["0"]`},
	{wire: `2[""]`, packet: Packet{Type: PacketEvent, Namespace: "/", Name: ""}},
	{wire: `3[]`, packet: Packet{Type: PacketAck, Namespace: "/"}},
	{wire: `312["ok",{"a":1}]`, packet: Packet{Type: PacketAck, Namespace: "/", HasID: true, ID: 12, Args: raw(`"ok"`, `{"a":1}`)}},
	{wire: `4{"message":"no","data":{"a":1}}`, packet: Packet{Type: PacketConnectError, Namespace: "/", Payload: []byte(`{"message":"no","data":{"a":1}}`)}},
	{wire: `4/x,"no"`, packet: Packet{Type: PacketConnectError, Namespace: "/x", Payload: []byte(`"no"`)}},
}

func TestPacketsAreReadAndWrittenAsTheProtocolSays(t *testing.T) {
	for _, test := range golden {
		got, err := DecodePacket([]byte(test.wire))
		if err != nil {
			t.Errorf("%s: %v", test.wire, err)
			continue
		}
		if diff := cmp.Diff(test.packet, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.wire, diff)
		}
		want := test.canonical
		if want == "" {
			want = test.wire
		}
		if got := string(AppendPacket(nil, test.packet)); got != want {
			t.Errorf("%s is written %s, want %s", test.wire, got, want)
		}
	}
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestPacketsThatAreNoneAreRefused(t *testing.T) {
	tests := map[string]error{
		``:                                       errPacketType,
		`7`:                                      errPacketType,
		`x`:                                      errPacketType,
		`-1["x"]`:                                errPacketType,
		`50-["x"]`:                               errPacketType,
		`60-1[]`:                                 errPacketType,
		`5999999-["x"]`:                          errPacketType,
		`51-["x",{"_placeholder":true,"num":0}]`: errPacketType,
		`2/` + strings.Repeat("n", maxNamespace) + `,["x"]`: errNamespace,
		"2/\xff,[\"x\"]":                  errNamespace,
		`29007199254740992["x"]`:          errAckID,
		`200000000000000001["x"]`:         errAckID,
		`2`:                               errPayload,
		`2 ["x"]`:                         errPayload,
		`2{}`:                             errPayload,
		`2"x"`:                            errPayload,
		`2null`:                           errPayload,
		`21`:                              errPayload,
		`3`:                               errPayload,
		`3{}`:                             errPayload,
		`4`:                               errPayload,
		`4[]`:                             errPayload,
		`0null`:                           errPayload,
		`0[]`:                             errPayload,
		`0"token"`:                        errPayload,
		`1{}`:                             errPayload,
		`1null`:                           errPayload,
		`2["x"`:                           errJSON,
		`2["x",]`:                         errJSON,
		`2["x"]]`:                         errJSON,
		`2["x"] ["y"]`:                    errJSON,
		`2["x",{a:1}]`:                    errJSON,
		`2["x",NaN]`:                      errJSON,
		`2["x",01]`:                       errJSON,
		"2[\"x\",\"\xff\"]":               errJSON,
		"2[\"x\",\"\n\"]":                 errJSON,
		`0{"a":1}x`:                       errJSON,
		`2["x",` + nested(maxDepth) + `]`: errDepth,
		`0{"a":` + nested(maxDepth) + `}`: errDepth,
		`2["x"` + strings.Repeat(",1", maxArgs+1) + `]`: errArgs,
		`3[1` + strings.Repeat(",1", maxArgs) + `]`:     errArgs,
		`2[]`:                 errEventName,
		`2[null]`:             errEventName,
		`2[true]`:             errEventName,
		`2[["x"]]`:            errEventName,
		`2[{"toString":1}]`:   errEventName,
		`2[1e400]`:            errEventName,
		`2["connect"]`:        errEventName,
		`2["connect_error"]`:  errEventName,
		`2["disconnect"]`:     errEventName,
		`2["disconnecting"]`:  errEventName,
		`2["newListener"]`:    errEventName,
		`2["removeListener"]`: errEventName,
		`2["error"]`:          errEventName,
		`2["\u0065rror"]`:     errEventName,
	}
	for wire, want := range tests {
		if _, err := DecodePacket([]byte(wire)); !errors.Is(err, want) {
			t.Errorf("%.60s: got %v, want %v", wire, err, want)
		}
	}
}

func TestTheBoundsOfAPacketAreAllowed(t *testing.T) {
	for _, wire := range []string{
		`2/` + strings.Repeat("n", maxNamespace-1) + `,["x"]`,
		`2["x",` + nested(maxDepth-1) + `]`,
		`2["x"` + strings.Repeat(",1", maxArgs) + `]`,
		`2["x","` + strings.Repeat("[", 10*maxDepth) + `","\"` + strings.Repeat("{", 10*maxDepth) + `"]`,
	} {
		if _, err := DecodePacket([]byte(wire)); err != nil {
			t.Errorf("%.60s: %v", wire, err)
		}
	}
}

func TestFramesAreEventsOfTheRootNamespace(t *testing.T) {
	got := string(NewFrame(`say "hi"`, []byte(`{"a":1}`), nil).message)

	if want := `42["say \"hi\"",{"a":1},null]`; got != want {
		t.Errorf("frame is %s, want %s", got, want)
	}
}

func TestFramesCannotHaveReservedNames(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a frame named disconnect was made")
		}
	}()
	NewFrame("disconnect")
}

func TestCVE2020_36049PacketsParseInLinearTime(t *testing.T) {
	shapes := map[string]func(n int) string{
		"one string":      func(n int) string { return `2["x","` + strings.Repeat("a", n) + `"]` },
		"escapes":         func(n int) string { return `2["x","` + strings.Repeat(`\u0061`, n/6) + `"]` },
		"many names":      func(n int) string { return `2["x",{` + manyNames(n/10) + `}]` },
		"many numbers":    func(n int) string { return `2["x",[1` + strings.Repeat(",1", n/2) + `]]` },
		"open brackets":   func(n int) string { return `2["x",` + strings.Repeat("[", n) },
		"one ack id":      func(n int) string { return `2` + strings.Repeat("1", n) },
		"long namespace":  func(n int) string { return `2/` + strings.Repeat("a", n) },
		"long event name": func(n int) string { return `2["` + strings.Repeat(`\"`, n/2) + `"]` },
		"long number":     func(n int) string { return `2[` + strings.Repeat(`1`, n) + `]` },
	}
	// Quadratic work on a packet of a megabyte takes minutes; linear work, milliseconds.
	const size, bound = 960_000, 10 * time.Second
	for name, shape := range shapes {
		if took := fastest([]byte(shape(size))); took > bound {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		for v := i + 1; v > 0; v /= 26 {
			b.WriteByte('a' + byte(v%26))
		}
		b.WriteString(`":1`)
	}
	return b.String()
}

func fastest(b []byte) time.Duration {
	best := time.Hour
	for range 3 {
		start := time.Now()
		_, _ = DecodePacket(b)
		best = min(best, time.Since(start))
	}
	return best
}

func TestAnyTextIsAnEventName(t *testing.T) {
	survives := func(name string, id uint64) bool {
		want := Packet{Type: PacketEvent, Namespace: "/", Name: strings.ToValidUTF8(name, "�"), HasID: true, ID: id & maxAckID}
		got, err := DecodePacket(AppendPacket(nil, want))
		return err == nil && cmp.Equal(want, got)
	}
	if err := quick.Check(survives, nil); err != nil {
		t.Error(err)
	}
}

func FuzzDecodePacket(f *testing.F) {
	for _, test := range golden {
		f.Add([]byte(test.wire))
	}
	for _, wire := range []string{`5999999-["x"]`, `2[{"toString":1}]`, `2["x",{"a":1,"a":2}]`, `2[1e400]`, "2[\"\xff\"]", `2/x`} {
		f.Add([]byte(wire))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		before := bytes.Clone(wire)
		first, err := DecodePacket(wire)
		if !bytes.Equal(before, wire) {
			t.Fatal("decoding changed its input")
		}
		if err != nil {
			return
		}
		again, err := DecodePacket(AppendPacket(nil, first))
		if err != nil {
			t.Fatalf("what was accepted is refused when written again: %v", err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("written again it means something else:\n%s", diff)
		}
	})
}
