package socketio

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/engineio"
)

func raw(args ...string) [][]byte {
	var list [][]byte
	for _, arg := range args {
		list = append(list, []byte(arg))
	}
	return list
}

// golden holds every form of packet as it stands on the wire. canonical is how this side
// writes it, where that differs. Binary packets have their attachments in packet only.
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
	{wire: `51-["x",{"_placeholder":true,"num":0}]`, packet: Packet{
		Type: PacketBinaryEvent, Namespace: "/", Name: "x", Args: raw(`{"_placeholder":true,"num":0}`), Attachments: raw("\x00a")}},
	{wire: `52-/chat,12["x",{"a":[{"num":1,"_placeholder":true}]},"s",{"_placeholder":true,"num":0}]`, packet: Packet{
		Type: PacketBinaryEvent, Namespace: "/chat", Name: "x", HasID: true, ID: 12, Attachments: raw("a", ""),
		Args: raw(`{"a":[{"num":1,"_placeholder":true}]}`, `"s"`, `{"_placeholder":true,"num":0}`)}},
	{wire: `501-["x",{"_placeholder":true,"num":0.0}]`, packet: Packet{
		Type: PacketBinaryEvent, Namespace: "/", Name: "x", Args: raw(`{"_placeholder":true,"num":0.0}`), Attachments: raw("a")},
		canonical: `51-["x",{"_placeholder":true,"num":0.0}]`},
	{wire: `51-["x",{"_placeholder":false,"num":0},{"_placeholder":true,"num":0}]`, packet: Packet{
		Type: PacketBinaryEvent, Namespace: "/", Name: "x", Args: raw(`{"_placeholder":false,"num":0}`, `{"_placeholder":true,"num":0}`), Attachments: raw("a")}},
	{wire: `61-7[{"_placeholder":true,"num":0}]`, packet: Packet{
		Type: PacketBinaryAck, Namespace: "/", HasID: true, ID: 7, Args: raw(`{"_placeholder":true,"num":0}`), Attachments: raw("a")}},
	{wire: `61-/chat,7[1,{"_placeholder":true,"num":0}]`, packet: Packet{
		Type: PacketBinaryAck, Namespace: "/chat", HasID: true, ID: 7, Args: raw(`1`, `{"_placeholder":true,"num":0}`), Attachments: raw("a")}},
}

func TestPacketsAreReadAndWrittenAsTheProtocolSays(t *testing.T) {
	for _, test := range golden {
		got, err := DecodePacket([]byte(test.wire), test.packet.Attachments...)
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
		checkSent(t, test.packet, want)
	}
}

// checkSent checks that a packet leaves the server as it is written, where it is one that a
// program has sent: an event, or the reply to one.
func checkSent(t *testing.T, p Packet, wire string) {
	t.Helper()
	want := appendAttachments([]engineio.Message{engineio.Text([]byte(wire))}, p.Attachments)
	var got []engineio.Message
	switch {
	case p.Type == PacketEvent:
		got = NewFrame(p.Name, p.Args...).messages(nil, p.Namespace, p.ID, p.HasID)
	case p.Type == PacketBinaryEvent:
		f, err := NewBinaryFrame(p.Name, p.Attachments, p.Args...)
		if err != nil {
			t.Errorf("%s: %v", wire, err)
		}
		got = f.messages(nil, p.Namespace, p.ID, p.HasID)
	case (p.Type == PacketAck || p.Type == PacketBinaryAck) && p.HasID:
		got = replyMessages(p.Namespace, p.ID, p.Attachments, p.Args)
	default:
		return
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%s is sent otherwise (-want +got):\n%s", wire, cmp.Diff(want, got, cmp.AllowUnexported(engineio.Message{})))
	}
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestPacketsThatAreNoneAreRefused(t *testing.T) {
	tests := map[string]error{
		``:                                       errPacketType,
		`7`:                                      errPacketType,
		`x`:                                      errPacketType,
		`-1["x"]`:                                errPacketType,
		`50-["x"]`:                               errAttachments,
		`60-1[]`:                                 errAttachments,
		`5999999-["x"]`:                          errAttachments,
		`511-["x"]`:                              errAttachments,
		`5-["x"]`:                                errAttachments,
		`5["x"]`:                                 errAttachments,
		`51["x"]`:                                errAttachments,
		`51`:                                     errAttachments,
		`5-1-["x"]`:                              errAttachments,
		`51-["x",{"_placeholder":true,"num":0}]`: errAttachments,
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

// Each of the packets announces one attachment, and gets it.
func TestPlaceholdersNameEachAttachmentOnce(t *testing.T) {
	tests := map[string]error{
		`51-["x"]`:                                                                           errAttachments,
		`51-["x",{"_placeholder":true}]`:                                                     errAttachments,
		`51-["x",{"_placeholder":true,"num":1}]`:                                             errAttachments,
		`51-["x",{"_placeholder":true,"num":-1}]`:                                            errAttachments,
		`51-["x",{"_placeholder":true,"num":0.5}]`:                                           errAttachments,
		`51-["x",{"_placeholder":true,"num":1e9}]`:                                           errAttachments,
		`51-["x",{"_placeholder":true,"num":1e999}]`:                                         errAttachments,
		`51-["x",{"_placeholder":true,"num":"0"}]`:                                           errAttachments,
		`51-["x",{"_placeholder":true,"num":"splice"}]`:                                      errAttachments,
		`51-["x",{"_placeholder":true,"num":null}]`:                                          errAttachments,
		`51-["x",{"_placeholder":true,"num":[0]}]`:                                           errAttachments,
		`51-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`:               errAttachments,
		`51-["x",{"_placeholder":true,"num":0,"num":0}]`:                                     errAttachments,
		`51-["x",{"_placeholder":true,"_placeholder":true,"num":0}]`:                         errAttachments,
		`51-["x",{"_placeholder":true,"_placeholder":false,"num":0}]`:                        errAttachments,
		`51-["x",{"_placeholder":"true","num":0}]`:                                           errAttachments,
		`51-[{"_placeholder":true,"num":0}]`:                                                 errEventName,
		`61-1[]`:                                                                             errAttachments,
		`61-1[` + strings.Repeat(`[`, maxDepth) + strings.Repeat(`]`, maxDepth) + `]`:        errDepth,
		`51-{"_placeholder":true,"num":0}`:                                                   errPayload,
		`51-["error",{"_placeholder":true,"num":0}]`:                                         errEventName,
		`51-["x",{"_placeholder":true,"num":0}`:                                              errJSON,
		`2["x",{"_placeholder":true,"num":0}]`:                                               errAttachments,
		`52-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`:               errAttachments,
		`51-["x",{"_placeholder":true,"num":0}]`:                                             nil,
		`51-["x",{"num":{"_placeholder":true,"num":0}}]`:                                     nil,
		`51-["x",{"_placeholder":{"a":[1]},"num":7},[[{"\u005fplaceholder":true,"num":0}]]]`: nil,
	}
	for wire, want := range tests {
		if _, err := DecodePacket([]byte(wire), []byte("a")); !errors.Is(err, want) {
			t.Errorf("%.80s: got %v, want %v", wire, err, want)
		}
	}
	if _, err := DecodePacket([]byte(`2["x",{"_placeholder":true,"num":0}]`)); err != nil {
		t.Errorf("an object of an event without attachments: %v", err)
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

func TestFramesAreEventsOfTheNamespaceThatTheyAreSentIn(t *testing.T) {
	f := NewFrame(`say "hi"`, []byte(`{"a":1}`), nil)
	b, err := NewBinaryFrame("x", raw("one", "two"), Placeholder(1), Placeholder(0))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		got  []engineio.Message
		want []engineio.Message
	}{
		{"root", f.messages(nil, "/", 0, false), []engineio.Message{engineio.Text([]byte(`2["say \"hi\"",{"a":1},null]`))}},
		{"named", f.messages(nil, "/chat", 0, false), []engineio.Message{engineio.Text([]byte(`2/chat,["say \"hi\"",{"a":1},null]`))}},
		{"asking", f.messages(nil, "/chat", 12, true), []engineio.Message{engineio.Text([]byte(`2/chat,12["say \"hi\"",{"a":1},null]`))}},
		{"nobody", Frame{}.messages(nil, "/", 0, false), nil},
		{"binary", b.messages(nil, "/chat", 0, true), []engineio.Message{
			engineio.Text([]byte(`52-/chat,0["x",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`)),
			engineio.Binary([]byte("one")), engineio.Binary([]byte("two")),
		}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, test.got, cmp.AllowUnexported(engineio.Message{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestFramesWithoutTheirPlaceholdersAreRefused(t *testing.T) {
	eleven := make([][]byte, maxAttachments+1)
	for name, err := range map[string]error{
		"too few":  second(NewBinaryFrame("x", raw("a"))),
		"too many": second(NewBinaryFrame("x", raw("a"), Placeholder(0), Placeholder(1))),
		"eleven":   second(NewBinaryFrame("x", eleven)),
		"a reply":  new(Event).ReplyBinary(raw("a"), []byte("1")),
	} {
		if !errors.Is(err, errAttachments) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestFramesAreTheSameOnAnotherNode(t *testing.T) {
	b, err := NewBinaryFrame("x", raw("one", ""), Placeholder(1), Placeholder(0))
	if err != nil {
		t.Fatal(err)
	}
	b.Seq = math.MaxUint64
	deep := "[" + strings.Repeat("[", 2*maxDepth) + strings.Repeat("]", 2*maxDepth) + strings.Repeat(",1", 2*maxArgs) + "]"
	for name, want := range map[string]Frame{
		"none": {}, "small": NewFrame(""), "counted": at(7, `say "hi"`), "binary": b, "beyond what clients may send": NewFrame("error", []byte(deep)),
		"odd": NewFrame("x", []byte(`{"a":1,"a":"\ud800"}`)),
	} {
		encoded, err := want.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseFrame(encoded[len("before"):])
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Frame{})); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestBytesThatAreNoFrameAreRefused(t *testing.T) {
	for name, b := range map[string]string{
		"nothing":                    "",
		"a number without an end":    "\xff",
		"a number that is too large": "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"no body":                    "\x00\x00",
		"a body that is cut":         "\x00\x00\x06[\"x\"",
		"something behind":           "\x00\x00\x05[\"x\"]y",
		"a body beyond memory":       "\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"no JSON":                    "\x00\x00\x05[\"x\",",
		"no name":                    "\x00\x00\x02[]",
		"a name that is no text":     "\x00\x00\x03[1]",
		"no array":                   "\x00\x00\x03\"x\"",
		"two packets":                "\x00\x00\x0a[\"x\"][\"y\"]",
		"not UTF-8":                  "\x00\x00\x05[\"\xff\"]",
		"attachments of nothing":     "\x00\x01\x00\x00",
		"attachment without a name":  "\x00\x01\x05[\"x\"]\x01a",
		"attachment that is cut":     "\x00\x01\x23[\"x\",{\"_placeholder\":true,\"num\":0}]\x02a",
		"attachments without end":    "\x00\x0b\x05[\"x\"]" + strings.Repeat("\x00", 11),
	} {
		if _, err := ParseFrame([]byte(b)); !errors.Is(err, errFrame) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	b, err := NewBinaryFrame("x", raw("one"), Placeholder(0))
	if err != nil {
		f.Fatal(err)
	}
	for _, frame := range []Frame{{}, at(1, "x"), b} {
		encoded, _ := frame.AppendBinary(nil) // it never fails
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		first, err := ParseFrame(encoded)
		if err != nil {
			return
		}
		again, _ := first.AppendBinary(nil) // it never fails
		second, err := ParseFrame(again)
		if diff := cmp.Diff(first, second, cmp.AllowUnexported(Frame{})); err != nil || diff != "" {
			t.Errorf("%v (-first +second):\n%s", err, diff)
		}
	})
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
		"one array":       func(n int) string { return `51-["x",[{}` + strings.Repeat(`,{"num":{}}`, n/11) + `]]` },
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
	var attachments [][]byte
	if b[0] == '5' {
		attachments = raw("a")
	}
	for range 3 {
		start := time.Now()
		_, _ = DecodePacket(b, attachments...)
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
		if len(test.packet.Attachments) == 0 {
			f.Add([]byte(test.wire))
		}
	}
	for _, wire := range []string{`5999999-["x"]`, `2[{"toString":1}]`, `2["x",{"a":1,"a":2}]`, `2[1e400]`, "2[\"\xff\"]", `2/x`} {
		f.Add([]byte(wire))
	}
	f.Fuzz(func(t *testing.T, wire []byte) { roundTrip(t, wire) })
}

func FuzzDecodeBinaryPacket(f *testing.F) {
	for _, test := range golden {
		f.Add([]byte(test.wire), len(test.packet.Attachments))
	}
	f.Add([]byte(`51-["x",{"_placeholder":true,"_placeholder":false,"num":0}]`), 1)
	f.Add([]byte(`53-["x",[{"_placeholder":true,"num":2},{"_placeholder":true,"num":1}],{"_placeholder":true,"num":0}]`), 3)
	f.Fuzz(func(t *testing.T, wire []byte, count int) {
		attachments := make([][]byte, max(0, count%(maxAttachments+2)))
		if p := roundTrip(t, wire, attachments...); len(p.Attachments) > 0 && checkPlaceholders(p.Args, len(attachments)) != nil {
			t.Fatal("placeholders of what was accepted do not fit")
		}
	})
}

// roundTrip decodes a packet and checks that it means the same when it is written again.
func roundTrip(t *testing.T, wire []byte, attachments ...[]byte) Packet {
	before := bytes.Clone(wire)
	first, err := DecodePacket(wire, attachments...)
	if !bytes.Equal(before, wire) {
		t.Fatal("decoding changed its input")
	}
	if err != nil {
		return Packet{}
	}
	written := AppendPacket(nil, first)
	checkSent(t, first, string(written))
	again, err := DecodePacket(written, attachments...)
	if err != nil {
		t.Fatalf("what was accepted is refused when written again: %v", err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Fatalf("written again it means something else:\n%s", diff)
	}
	return first
}
