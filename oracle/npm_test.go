package oracle

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// npmCodec returns the codec of socket.io-parser.
func npmCodec(t testing.TB) codec {
	t.Helper()
	node := startNode(t)
	return codec{"socket.io-parser", node.read, npmDifferences}
}

func (n *nodeParser) read(t testing.TB, p packet) (meaning, bool) {
	t.Helper()
	frames := []string{textFrame(p.text)}
	for _, a := range p.attachments {
		frames = append(frames, binaryFrame(a))
	}
	var is struct {
		Type    int
		Nsp     string
		ID      json.RawMessage
		Data    any
		HasData bool
		Name    string
	}
	accepted, err := n.ask("socket", frames, &is)
	if err != nil {
		t.Fatalf("%q: %v", p.text, err)
	}
	if !accepted {
		return meaning{}, false
	}
	m := meaning{Type: is.Type, Namespace: is.Nsp, Name: is.Name}
	// An id that is no number, or not a whole one, stays nil; it is refused here.
	var id uint64
	if json.Unmarshal(is.ID, &id) == nil {
		m.ID = &id
	}
	if is.HasData {
		m.Data = is.Data
	}
	if list, ok := is.Data.([]any); ok && is.Type == 2 {
		m.Data = list[1:]
	}
	return m, true
}

var npmDifferences = []difference{
	{"nothing for a type", text(``), false, true,
		"the reference takes an empty text, and a blank, for the type 0",
		func(p packet) bool { return strings.TrimLeftFunc(p.text, isBlank) != p.text || p.text == "" }},
	{"no payload", text(`2`), false, true,
		"an event has to have a name and an acknowledgement arguments; the reference looks only at a payload that is there",
		func(p packet) bool { return payload(p) == "" && strings.ContainsAny(p.text[:1], "23456") }},
	{"blank in the ack id", text(`2 ["x"]`), false, true,
		"the reference takes blanks for digits, and what it makes of them depends on where they are",
		func(p packet) bool {
			return strings.TrimLeftFunc(payload(p), isBlank) != payload(p)
		}},
	{"count that is not digits", packet{`5 1-["x",{"_placeholder":true,"num":0}]`, [][]byte{{1}}}, false, true,
		"the reference takes everything that JavaScript can make a number of",
		func(p packet) bool {
			count, _, _, _ := cutHead(p.text)
			return isBinary(p.text) && (strings.Trim(count, "0123456789") != "" || len(count) > 16)
		}},
	{"attachment that is not named once", packet{`51-["x"]`, [][]byte{{1}}}, false, true,
		"an attachment that nobody reads, or that two places share, is not what an encoder writes",
		namesOddly},
	{"listener that crashes", text(`2["error"]`), false, true,
		"an event named error crashes a server that has no listener for it",
		func(p packet) bool { return eventName(p) == "error" }},
	{"ack id", text(`29007199254740992["x"]`), false, true,
		"a JavaScript client cannot hold a larger id exactly, so it cannot have sent it", longID},
	{"long namespace", text(`2/` + strings.Repeat("a", 512) + `,["x"]`), false, true,
		"the length of a namespace is bounded", longNamespace},
	{"arguments", text(`3[` + strings.Repeat("1,", 64) + `1]`), false, true,
		"the number of arguments is bounded", manyArguments},
	{"depth", text(`2["x",` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `]`), false, true,
		"nesting is bounded, because a parser's stack grows with it", deep},
	{"large numbers", text(`2["x",1e400]`), true, true,
		"JavaScript reads infinity; here numbers pass through as they are", overflows},
	{"large number for a name", text(`2[1e400]`), false, true,
		"infinity is no name", overflows},
}

// isBlank reports what JavaScript reads as the number 0.
func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }
