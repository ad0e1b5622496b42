package oracle

import (
	"encoding/json"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
)

// goCodec is the parser of github.com/zishang520/socket.io.
var goCodec = codec{"zishang520", readGo, goDifferences}

func readGo(_ testing.TB, in packet) (meaning, bool) {
	d := parser.NewDecoder()
	defer d.Destroy()
	var p *parser.Packet
	if err := d.On("decoded", func(args ...any) { p = args[0].(*parser.Packet) }); err != nil {
		return meaning{}, false
	}
	if err := d.Add(in.text); err != nil {
		return meaning{}, false
	}
	for _, a := range in.attachments {
		if err := d.Add(a); err != nil {
			return meaning{}, false
		}
	}
	if p == nil {
		return meaning{}, false
	}
	m := meaning{Type: int(p.Type), Namespace: p.Nsp, ID: p.Id, Data: readable(p.Data)}
	switch p.Type {
	case parser.BINARY_EVENT:
		m.Type = int(parser.EVENT)
	case parser.BINARY_ACK:
		m.Type = int(parser.ACK)
	}
	if m.Type == int(parser.EVENT) {
		list := m.Data.([]any)
		m.Name = name(list[0])
		m.Data = append([]any{}, list[1:]...)
	}
	return m, true
}

// readable shows attachments as the other readers do.
func readable(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = readable(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = readable(v[name])
		}
	case io.Reader:
		b, _ := io.ReadAll(v) // it is memory
		return attachment(b)
	}
	return v
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

var goDifferences = []difference{
	{"no attachments", text(`50-["x"]`), false, true,
		"a binary packet has attachments; the reference refuses one that has none",
		func(p packet) bool {
			count, _, _, _ := cutHead(p.text)
			return isBinary(p.text) && strings.Trim(count, "0") == ""
		}},
	{"attachment that is not named once", packet{`51-["x"]`, [][]byte{{1}}}, false, true,
		"an attachment that nobody reads, or that two places share, is not what an encoder writes",
		namesOddly},
	{"listener that crashes", text(`2["error"]`), false, true,
		"an event named error crashes a server that has no listener for it",
		func(p packet) bool { return eventName(p) == "error" }},
	{"null for nothing", text(`0null`), false, true,
		"a payload that is not there is not written; the JavaScript reference refuses null",
		func(p packet) bool { return payload(p) == "null" }},
	{"white space", text(`2 ["x"]`), false, true,
		"the JavaScript reference reads white space before the payload as a part of the ack id",
		func(p packet) bool { return payload(p) != strings.TrimLeft(payload(p), " \t\r\n") }},
	{"something behind", text(`2["x"]["y"]`), false, true,
		"the oracle stops after the first value; the JavaScript reference refuses what follows",
		func(p packet) bool { return !json.Valid([]byte(payload(p))) }},
	{"not UTF-8", text("2[\"x\",\"\xff\"]"), false, true,
		"the oracle replaces bytes that are not UTF-8; WebSocket text has none",
		func(p packet) bool { return !isUTF8(p) }},
	{"ack id", text(`29007199254740992["x"]`), false, true,
		"a JavaScript client cannot hold a larger id exactly, so it cannot have sent it", longID},
	{"arguments", text(`3[` + strings.Repeat("1,", 64) + `1]`), false, true,
		"the number of arguments is bounded", manyArguments},
	{"depth", text(`2["x",` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `]`), false, true,
		"nesting is bounded, because a parser's stack grows with it", deep},
	{"large numbers", text(`2["x",1e400]`), true, false,
		"the oracle holds numbers as float64; here they pass through as they are", overflows},
}
