package oracle

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"pryde/internal/socketio"
)

// A packet is what comes in for one packet: its text, and the binary messages behind it.
type packet struct {
	text        string
	attachments [][]byte
}

// text is a packet without attachments.
func text(wire string) packet { return packet{text: wire} }

// A meaning is what a packet says, whoever has read it.
type meaning struct {
	Type      int // an event, or an acknowledgement, with attachments is of the type without
	Namespace string
	ID        *uint64
	Name      string
	Data      any // arguments, or the payload; attachments are in their places
}

// attachment is how a reader shows one that stands in its place.
func attachment(b []byte) any {
	return map[string]any{"binary": base64.StdEncoding.EncodeToString(b)}
}

// A codec is another implementation.
type codec struct {
	name        string
	read        func(testing.TB, packet) (meaning, bool)
	differences []difference
}

// A difference is a packet on which a codec and ours disagree, and why that is meant.
type difference struct {
	name   string
	packet packet
	// ours and theirs say who accepts the packet. Where both do, they read it differently.
	ours, theirs bool
	why          string
	// covers recognises other packets of this kind.
	covers func(packet) bool
}

func readOurs(in packet) (meaning, bool) {
	p, err := socketio.DecodePacket([]byte(in.text), in.attachments...)
	if err != nil {
		return meaning{}, false
	}
	m := meaning{Type: int(p.Type), Namespace: p.Namespace, Name: p.Name}
	if p.HasID {
		m.ID = &p.ID
	}
	switch p.Type {
	case socketio.PacketBinaryEvent:
		m.Type = int(socketio.PacketEvent)
	case socketio.PacketBinaryAck:
		m.Type = int(socketio.PacketAck)
	}
	switch p.Type {
	case socketio.PacketEvent, socketio.PacketAck, socketio.PacketBinaryEvent, socketio.PacketBinaryAck:
		args := []any{}
		for _, arg := range p.Args {
			args = append(args, replaced(value(arg), p.Attachments))
		}
		m.Data = args
	default:
		m.Data = value(p.Payload)
	}
	return m, true
}

// value reads JSON as other implementations do.
func value(raw []byte) any {
	var v any
	_ = json.Unmarshal(raw, &v) // nothing stays nil, and what overflows is compared by nobody
	return v
}

// replaced puts attachments into the places that are named for them.
func replaced(v any, attachments [][]byte) any {
	if len(attachments) == 0 {
		return v
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = replaced(v[i], attachments)
		}
	case map[string]any:
		if v["_placeholder"] == true {
			return attachment(attachments[int(v["num"].(float64))])
		}
		for name := range v {
			v[name] = replaced(v[name], attachments)
		}
	}
	return v
}

// What differences are recognised by.

// cutHead cuts a packet into its parts, whether or not they are right.
func cutHead(wire string) (count, space, digits, payload string) {
	if wire == "" {
		return "", "", "", ""
	}
	rest := wire[1:]
	if isBinary(wire) {
		count, rest, _ = strings.Cut(rest, "-")
	}
	if strings.HasPrefix(rest, "/") {
		space, rest, _ = strings.Cut(rest, ",")
	}
	payload = strings.TrimLeft(rest, "0123456789")
	return count, space, rest[:len(rest)-len(payload)], payload
}

func isBinary(wire string) bool { return strings.HasPrefix(wire, "5") || strings.HasPrefix(wire, "6") }

func payload(p packet) string { _, _, _, rest := cutHead(p.text); return rest }

func longID(p packet) bool {
	_, _, digits, _ := cutHead(p.text)
	return len(digits) >= 16
}

func longNamespace(p packet) bool {
	_, space, _, _ := cutHead(p.text)
	return len(space) > 512
}

func eventName(p packet) string {
	var list []any
	if json.Unmarshal([]byte(payload(p)), &list) != nil || len(list) == 0 {
		return ""
	}
	name, _ := list[0].(string)
	return name
}

func isUTF8(p packet) bool { return strings.ToValidUTF8(p.text, "") == p.text }

// overflows reports whether a number does not fit into 64 bits of floating point.
func overflows(p packet) bool {
	var v any
	raw := []byte(payload(p))
	return json.Valid(raw) && json.Unmarshal(raw, &v) != nil
}

func manyArguments(p packet) bool { return strings.Count(p.text, ",") >= 64 }

func deep(p packet) bool { return strings.Count(p.text, "[")+strings.Count(p.text, "{") > 100 }

// namesOddly reports whether the attachments of a binary packet are not named once each, or
// are named in a way that can be read in two.
func namesOddly(p packet) bool {
	if !isBinary(p.text) {
		return false
	}
	var v any
	if json.Unmarshal([]byte(payload(p)), &v) != nil {
		return false
	}
	named := make(map[float64]int)
	countNames(v, named)
	for i := range p.attachments {
		if named[float64(i)] != 1 {
			return true
		}
	}
	n := len(p.attachments)
	return len(named) != n || strings.Count(p.text, `"_placeholder":true`) != n || strings.Count(p.text, `"num"`) != n
}

func countNames(v any, named map[float64]int) {
	switch v := v.(type) {
	case []any:
		for _, member := range v {
			countNames(member, named)
		}
	case map[string]any:
		if index, ok := v["num"].(float64); ok && v["_placeholder"] == true {
			named[index]++
			return
		}
		for _, member := range v {
			countNames(member, named)
		}
	}
}
