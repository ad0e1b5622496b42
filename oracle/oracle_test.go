package oracle

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zishang520/socket.io/parsers/socket/v3/parser"

	"pryde/internal/socketio"
)

// A meaning is what a packet says, whoever has read it.
type meaning struct {
	Type      int
	Namespace string
	ID        *uint64
	Name      string
	Data      any // arguments, or the payload
}

// difference is a packet on which the two codecs disagree, and why that is meant.
type difference struct {
	name string
	wire string
	// ours and theirs say who accepts the packet.
	ours, theirs bool
	why          string
	// covers recognises other packets of this kind.
	covers func(wire string) bool
}

var differences = []difference{
	{"binary", `51-["x",{"_placeholder":true,"num":0}]`, false, true,
		"binary packets are not served, and nothing is kept for their attachments",
		func(w string) bool { return strings.HasPrefix(w, "5") || strings.HasPrefix(w, "6") }},
	{"listener that crashes", `2["error"]`, false, true,
		"an event named error crashes a server that has no listener for it",
		func(w string) bool { return eventName(w) == "error" }},
	{"null for nothing", `0null`, false, true,
		"a payload that is not there is not written; the JavaScript reference refuses null",
		func(w string) bool { return payload(w) == "null" }},
	{"white space", `2 ["x"]`, false, true,
		"the JavaScript reference reads white space before the payload as a part of the ack id",
		func(w string) bool { p := payload(w); return p != strings.TrimLeft(p, " \t\r\n") }},
	{"something behind", `2["x"]["y"]`, false, true,
		"the oracle stops after the first value; the JavaScript reference refuses what follows",
		func(w string) bool { return !json.Valid([]byte(payload(w))) }},
	{"not UTF-8", "2[\"x\",\"\xff\"]", false, true,
		"the oracle replaces bytes that are not UTF-8; WebSocket text has none",
		func(w string) bool { return !validText(w) }},
	{"ack id", `29007199254740992["x"]`, false, true,
		"a JavaScript client cannot hold a larger id exactly, so it cannot have sent it",
		func(w string) bool { return len(digits(w)) >= 16 }},
	{"arguments", `3[` + strings.Repeat("1,", 64) + `1]`, false, true,
		"the number of arguments is bounded",
		func(w string) bool { return strings.Count(w, ",") >= 64 }},
	{"depth", `2["x",` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `]`, false, true,
		"nesting is bounded, because a parser's stack grows with it",
		func(w string) bool { return strings.Count(w, "[")+strings.Count(w, "{") > 100 }},
	{"large numbers", `2["x",1e400]`, true, false,
		"the oracle holds numbers as float64; here they pass through as they are",
		func(w string) bool { return strings.ContainsAny(w, "eE0123456789") && overflows(payload(w)) }},
}

// table holds packets of every form, right and wrong, on which both must agree.
var table = []string{
	`0`, `0{}`, `0{"token":"t"}`, `0/admin`, `0/admin,`, `0/admin,{"a":1}`, `0/a?b=c,{}`, `0/,{}`, `05{}`,
	`1`, `1/admin,`, `13`,
	`2["x"]`, `2["x",1,-2.5,true,null,"é",{"a":[1,{"b":{}}]}]`, `20["x"]`, `2007["x"]`, `2123["x",{}]`,
	`2/chat,12["x"]`, `2[1]`, `2[1e3,"a"]`, `2[-0]`, `2[0.1]`, `2[""]`, `2["\u0061\n\"\\"]`, `2["x"] `, `2[ "x" , 1 ]`,
	`2["x","\ud83d\ude00"]`, `2["x","\ud83d"]`,
	`3[]`, `312["ok"]`, `3/chat,7[1,2]`, `39007199254740991[]`,
	`4{"message":"no"}`, `4{"message":"no","data":{"a":1}}`, `4"no"`, `4/x,"no"`,
	``, `7`, `x`, `-`, `2`, `21`, `2{}`, `2"x"`, `2null`, `2[]`, `2[null]`, `2[true]`, `2[["x"]]`, `2[{"toString":1}]`,
	`2["x"`, `2["x",]`, `2["x",NaN]`, `2["x",01]`, `2["connect"]`, `2["connect_error"]`, `2["disconnect"]`,
	`2["disconnecting"]`, `2["newListener"]`, `2["removeListener"]`, `3`, `3{}`, `3null`, `4`, `4[]`, `41`,
	`0[]`, `0"x"`, `01`, `1{}`, `1[]`, `2/x`, `2/x,`, `50-["x"`, `5-["x"]`, `5999999-["x"]`, `6x`,
}

func TestBothReadTheTableAlike(t *testing.T) {
	for _, wire := range table {
		if why := disagree(wire); why != "" {
			t.Errorf("%q: %s", wire, why)
		}
	}
}

func TestTheDifferencesAreThoseThatAreMeant(t *testing.T) {
	for _, d := range differences {
		_, ours := readOurs(d.wire)
		_, theirs := readTheirs(d.wire)
		if ours != d.ours || theirs != d.theirs {
			t.Errorf("%s: accepted by us %v and by the oracle %v, listed as %v and %v", d.name, ours, theirs, d.ours, d.theirs)
		}
		if !d.covers(d.wire) {
			t.Errorf("%s does not cover its own example", d.name)
		}
	}
}

// corpusSize is the number of packets that are compared, beside the table.
const corpusSize = 60_000

func TestBothReadRandomPacketsAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range corpusSize {
		wire := randomPacket(r)
		if r.IntN(3) > 0 {
			wire = mutate(r, wire)
		}
		if why := disagree(wire); why != "" {
			t.Fatalf("%q: %s", wire, why)
		}
		if _, ok := readOurs(wire); ok {
			accepted++
		}
	}
	if accepted < corpusSize/4 || accepted > corpusSize*9/10 {
		t.Errorf("%d of %d packets were accepted; the corpus says little", accepted, corpusSize)
	}
}

func TestTheOracleReadsWhatWeWrite(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range corpusSize / 3 {
		p, err := socketio.DecodePacket([]byte(randomPacket(r)))
		if err != nil {
			continue
		}
		wire := string(socketio.AppendPacket(nil, p))
		if _, accepted := readOurs(wire); !accepted {
			t.Fatalf("we wrote %q and refuse it", wire)
		}
		if why := disagree(wire); why != "" {
			t.Fatalf("we wrote %q: %s", wire, why)
		}
	}
}

// disagree says how the codecs differ on a packet, unless that is meant.
func disagree(wire string) string {
	ours, accepted := readOurs(wire)
	theirs, also := readTheirs(wire)
	if accepted && also {
		if diff := cmp.Diff(theirs, ours); diff != "" {
			return "read differently (-oracle +ours):\n" + diff
		}
		return ""
	}
	if accepted == also {
		return ""
	}
	for _, d := range differences {
		if d.ours == accepted && d.theirs == also && d.covers(wire) {
			return ""
		}
	}
	return "accepted by us " + strconv.FormatBool(accepted) + ", by the oracle " + strconv.FormatBool(also)
}

func readOurs(wire string) (meaning, bool) {
	p, err := socketio.DecodePacket([]byte(wire))
	if err != nil {
		return meaning{}, false
	}
	m := meaning{Type: int(p.Type), Namespace: p.Namespace, Name: p.Name}
	if p.HasID {
		m.ID = &p.ID
	}
	switch p.Type {
	case socketio.PacketEvent, socketio.PacketAck:
		args := []any{}
		for _, arg := range p.Args {
			args = append(args, value(arg))
		}
		m.Data = args
	default:
		m.Data = value(p.Payload)
	}
	return m, true
}

// value reads JSON as the oracle does.
func value(raw []byte) any {
	var v any
	_ = json.Unmarshal(raw, &v) // nothing stays nil, and what overflows is compared by nobody
	return v
}

func readTheirs(wire string) (meaning, bool) {
	d := parser.NewDecoder()
	defer d.Destroy()
	var p *parser.Packet
	if err := d.On("decoded", func(args ...any) { p = args[0].(*parser.Packet) }); err != nil {
		return meaning{}, false
	}
	if err := d.Add(wire); err != nil {
		return meaning{}, false
	}
	if p == nil {
		// A binary packet that waits for its attachments has been accepted.
		return meaning{}, true
	}
	m := meaning{Type: int(p.Type), Namespace: p.Nsp, ID: p.Id, Data: p.Data}
	if p.Type == parser.EVENT {
		list := p.Data.([]any)
		m.Name = name(list[0])
		m.Data = append([]any{}, list[1:]...)
	}
	return m, true
}

// name writes the first argument of an event as JavaScript does.
func name(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	number := reflect.ValueOf(v).Float()
	if number == 0 {
		return "0"
	}
	if abs := max(number, -number); abs >= 1e21 || abs < 1e-6 {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(number, 'e', -1, 64), "e")
		return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
	}
	return strconv.FormatFloat(number, 'f', -1, 64)
}

func cutHead(wire string) (digitsPart, rest string) {
	if wire == "" {
		return "", ""
	}
	rest = wire[1:]
	if strings.HasPrefix(rest, "/") {
		_, rest, _ = strings.Cut(rest, ",")
	}
	trimmed := strings.TrimLeft(rest, "0123456789")
	return rest[:len(rest)-len(trimmed)], trimmed
}

func digits(wire string) string  { d, _ := cutHead(wire); return d }
func payload(wire string) string { _, p := cutHead(wire); return p }

func eventName(wire string) string {
	var list []any
	if json.Unmarshal([]byte(payload(wire)), &list) != nil || len(list) == 0 {
		return ""
	}
	text, _ := list[0].(string)
	return text
}

func validText(wire string) bool { return strings.ToValidUTF8(wire, "") == wire }

func overflows(text string) bool {
	var v any
	return json.Valid([]byte(text)) && json.Unmarshal([]byte(text), &v) != nil
}
