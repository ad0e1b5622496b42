package socketio

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// PacketType is the kind of a Socket.IO packet. Its values are those of the protocol.
type PacketType byte

// The kinds of packets. The binary ones are followed by their attachments, a message each.
const (
	PacketConnect PacketType = iota
	PacketDisconnect
	PacketEvent
	PacketAck
	PacketConnectError
	PacketBinaryEvent
	PacketBinaryAck
)

// Bounds on one packet, beside its bytes. Official clients stay far below them.
const (
	maxNamespace        = 512       // bytes
	maxArgs             = 64        // arguments of one event or acknowledgement
	maxDepth            = 100       // nested arrays and objects, the outermost included
	maxDigits           = 16        // of an ack id and of a count of attachments
	maxAckID     uint64 = 1<<53 - 1 // what a JavaScript number holds exactly
)

// maxAttachments is the number of attachments of one packet, in both directions. It is what
// official clients take.
const maxAttachments = 10

// rootSpace is the namespace that a packet need not name.
const rootSpace = "/"

// Why a packet is refused. The texts hold nothing of what was received.
var (
	errPacketType  = errors.New("packet type is unknown")
	errAttachments = errors.New("attachments do not fit their packet")
	errNamespace   = errors.New("namespace is too long or not UTF-8")
	errAckID       = errors.New("ack id is too large")
	errPayload     = errors.New("payload does not fit the packet type")
	errJSON        = errors.New("payload is not JSON")
	errDepth       = errors.New("payload is nested too deeply")
	errArgs        = errors.New("too many arguments")
	errEventName   = errors.New("event name is reserved or not a name")
)

// A Packet is a decoded Socket.IO packet. Which fields are set depends on its type.
type Packet struct {
	Type      PacketType
	Namespace string // "/" when the packet names none

	// ID is the ack id, from 0 to 2^53-1, when HasID is set.
	ID    uint64
	HasID bool

	Name    string   // of an event
	Args    [][]byte // of an event (without its name) or an acknowledgement: raw JSON each
	Payload []byte   // of a connect: an object, or nil; of a connect error: an object or a string

	// Attachments are those of a binary packet. Args name each of them once, by an object
	// with the member _placeholder, which is true, and its index as num.
	Attachments [][]byte
}

// DecodePacket decodes a text packet and the attachments that followed it. It takes time and
// memory linear in their size. Args and Payload share the bytes of b. The error says what is
// wrong and holds nothing of b.
//
// A number as the name of an event is taken for its decimal text, as the reference does.
// Strings may hold escaped halves of surrogate pairs, which is for the reader of the
// argument to judge, and so are objects that name something twice; bytes that are not UTF-8
// are refused.
func DecodePacket(b []byte, attachments ...[]byte) (Packet, error) {
	h, err := readHead(b)
	if err != nil {
		return Packet{}, err
	}
	if h.attachments != len(attachments) {
		return Packet{}, errAttachments
	}
	p := Packet{Type: h.kind, Namespace: rootSpace, Attachments: attachments}
	if h.space != nil {
		if !utf8.Valid(h.space) {
			return Packet{}, errNamespace
		}
		p.Namespace = string(h.space)
	}
	if p.ID, b, err = takeNumber(h.rest, maxAckID); err != nil {
		return Packet{}, errAckID
	}
	p.HasID = len(b) < len(h.rest)
	if err := p.takePayload(b); err != nil {
		return Packet{}, err
	}
	if err := checkPlaceholders(p.Args, len(attachments)); err != nil {
		return Packet{}, err
	}
	return p, nil
}

// A head is what can be told of a packet at its first bytes.
type head struct {
	kind        PacketType
	attachments int
	space       []byte // nil when the packet names none
	rest        []byte // from the ack id on
}

// readHead reads the beginning of a packet, without judging what comes behind it.
func readHead(b []byte) (head, error) {
	if len(b) == 0 || b[0] < '0' || b[0] > '0'+byte(PacketBinaryAck) {
		return head{}, errPacketType
	}
	h := head{kind: PacketType(b[0] - '0')}
	b = b[1:]
	if h.kind == PacketBinaryEvent || h.kind == PacketBinaryAck {
		n, rest, err := takeNumber(b, maxAttachments)
		if err != nil || n == 0 || len(rest) == 0 || rest[0] != '-' {
			return head{}, errAttachments
		}
		h.attachments, b = int(n), rest[1:]
	}
	if len(b) > 0 && b[0] == '/' {
		h.space, b, _ = bytes.Cut(b, []byte{','})
		if len(h.space) > maxNamespace {
			return head{}, errNamespace
		}
	}
	h.rest = b
	return h, nil
}

// takeNumber reads the digits that b may begin with and returns what follows.
func takeNumber(b []byte, most uint64) (n uint64, rest []byte, err error) {
	i := 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		if i == maxDigits {
			return 0, nil, strconv.ErrRange
		}
		n = n*10 + uint64(b[i]-'0')
		i++
	}
	if n > most {
		return 0, nil, strconv.ErrRange
	}
	return n, b[i:], nil
}

func (p *Packet) takePayload(b []byte) error {
	if len(b) == 0 {
		if p.Type == PacketConnect || p.Type == PacketDisconnect {
			return nil
		}
		return errPayload
	}
	// White space here is part of the ack id for the reference and of the payload for
	// others; whoever sends it cannot mean both.
	if first := b[0]; !p.takes(first) {
		return errPayload
	}
	if !utf8.Valid(b) {
		return errJSON
	}
	if b[0] == '[' {
		return p.takeArgs(b)
	}
	in := scanner{b: b}
	v, err := in.value(0)
	if err != nil {
		return err
	}
	if !in.atEnd() {
		return errJSON
	}
	p.Payload = v
	return nil
}

// takes reports whether a payload of this type may begin with the byte.
func (p *Packet) takes(first byte) bool {
	switch p.Type {
	case PacketConnect:
		return first == '{'
	case PacketEvent, PacketAck, PacketBinaryEvent, PacketBinaryAck:
		return first == '['
	case PacketConnectError:
		return first == '{' || first == '"'
	default:
		return false
	}
}

// takeArgs reads the array of an event or an acknowledgement.
func (p *Packet) takeArgs(b []byte) error {
	in := scanner{b: b, i: 1}
	more := p.Type == PacketEvent || p.Type == PacketBinaryEvent
	if more {
		if err := p.takeName(&in); err != nil {
			return err
		}
	}
	for ; !in.take(']'); more = true {
		if more && !in.take(',') {
			return errJSON
		}
		if len(p.Args) == maxArgs {
			return errArgs
		}
		v, err := in.value(1)
		if err != nil {
			return err
		}
		p.Args = append(p.Args, v)
	}
	if !in.atEnd() {
		return errJSON
	}
	return nil
}

func (p *Packet) takeName(in *scanner) error {
	kind := in.next()
	start := in.i
	switch {
	case kind == '"':
		if !in.text() {
			return errJSON
		}
		p.Name = unquote(in.b[start:in.i])
	case kind == '-' || kind >= '0' && kind <= '9':
		if !in.number() {
			return errJSON
		}
		var err error
		if p.Name, err = numberText(in.b[start:in.i]); err != nil {
			return errEventName
		}
	default:
		return errEventName
	}
	// Where listeners are called by name, error is the one that crashes without a listener.
	if reserved(p.Name) || p.Name == "error" {
		return errEventName
	}
	return nil
}

// unquote returns the text of a JSON string. Halves of surrogate pairs are replaced.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // the error says that something was replaced
	return string(text)
}

// numberText writes a JSON number as JavaScript does when it is used as a name.
func numberText(v jsontext.Value) (string, error) {
	if _, err := strconv.ParseFloat(string(v), 64); err != nil {
		return "", err
	}
	text := v.Clone()
	if err := text.Canonicalize(); err != nil {
		return "", err
	}
	return string(text), nil
}

// reserved reports whether an event may not have this name in either direction.
func reserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// AppendPacket appends the encoded text of the packet to b and returns the result; the
// attachments follow it as messages of their own. Args and Payload must be valid JSON; an
// empty argument is written as null.
func AppendPacket(b []byte, p Packet) []byte {
	b = appendStart(b, p.Type, len(p.Attachments), p.Namespace, p.ID, p.HasID)
	switch p.Type {
	case PacketEvent, PacketBinaryEvent:
		return appendEvent(b, p.Name, p.Args)
	case PacketAck, PacketBinaryAck:
		b = append(b, '[')
		for i, arg := range p.Args {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendArg(b, arg)
		}
		return append(b, ']')
	default:
		return append(b, p.Payload...)
	}
}

// maxStart is how long the start of a packet is at most, without the namespace.
const maxStart = 64

// appendStart appends what stands before the payload.
func appendStart(b []byte, kind PacketType, attachments int, space string, id uint64, hasID bool) []byte {
	b = append(b, '0'+byte(kind))
	if kind == PacketBinaryEvent || kind == PacketBinaryAck {
		b = append(strconv.AppendInt(b, int64(attachments), 10), '-')
	}
	if space != rootSpace && space != "" {
		b = append(append(b, space...), ',')
	}
	if hasID {
		b = strconv.AppendUint(b, id, 10)
	}
	return b
}

func appendEvent(b []byte, name string, args [][]byte) []byte {
	b = appendText(append(b, '['), name)
	for _, arg := range args {
		b = appendArg(append(b, ','), arg)
	}
	return append(b, ']')
}

func appendArg(b, arg []byte) []byte {
	if len(arg) == 0 {
		return append(b, "null"...)
	}
	return append(b, arg...)
}

// appendText appends a JSON string. What is not UTF-8 is replaced, which is all that the
// error would say.
func appendText(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text)
	return b
}
