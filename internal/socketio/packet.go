package socketio

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// PacketType is the kind of a Socket.IO packet. Its values are those of the protocol.
type PacketType byte

// The kinds of packets. The two binary ones (5 and 6) are refused.
const (
	PacketConnect PacketType = iota
	PacketDisconnect
	PacketEvent
	PacketAck
	PacketConnectError
)

// Bounds on one packet, beside its bytes. Official clients stay far below them.
const (
	maxNamespace = 512       // bytes
	maxArgs      = 64        // arguments of one event or acknowledgement
	maxDepth     = 100       // nested arrays and objects, the outermost included
	maxAckDigits = 16        // digits of an ack id
	maxAckID     = 1<<53 - 1 // what a JavaScript number holds exactly
)

// rootSpace is the namespace that a packet need not name.
const rootSpace = "/"

// messageType is the Engine.IO packet that carries a Socket.IO packet.
const messageType = byte('4')

// Why a packet is refused. The texts hold nothing of what was received.
var (
	errPacketType = errors.New("packet type is unknown or binary")
	errNamespace  = errors.New("namespace is too long or not UTF-8")
	errAckID      = errors.New("ack id is too large")
	errPayload    = errors.New("payload does not fit the packet type")
	errJSON       = errors.New("payload is not JSON")
	errDepth      = errors.New("payload is nested too deeply")
	errArgs       = errors.New("too many arguments")
	errEventName  = errors.New("event name is reserved or not a name")
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
}

// DecodePacket decodes a text packet as it stands after the Engine.IO type. It takes time
// and memory linear in len(b). Args and Payload share the bytes of b. The error says what is
// wrong and holds nothing of b.
//
// A number as the name of an event is taken for its decimal text, as the reference does.
// Strings may hold escaped halves of surrogate pairs, which is for the reader of the
// argument to judge, and so are objects that name something twice; bytes that are not UTF-8
// are refused.
func DecodePacket(b []byte) (Packet, error) {
	if len(b) == 0 || b[0] < '0' || b[0] > '4' {
		return Packet{}, errPacketType
	}
	p := Packet{Type: PacketType(b[0] - '0'), Namespace: rootSpace}
	b = b[1:]
	if len(b) > 0 && b[0] == '/' {
		space, rest, _ := bytes.Cut(b, []byte{','})
		if len(space) > maxNamespace || !utf8.Valid(space) {
			return Packet{}, errNamespace
		}
		p.Namespace, b = string(space), rest
	}
	b, err := p.takeID(b)
	if err != nil {
		return Packet{}, err
	}
	if err := p.takePayload(b); err != nil {
		return Packet{}, err
	}
	return p, nil
}

// takeID reads the ack id that b may begin with and returns what follows.
func (p *Packet) takeID(b []byte) ([]byte, error) {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		if n == maxAckDigits {
			return nil, errAckID
		}
		p.ID = p.ID*10 + uint64(b[n]-'0')
		n++
	}
	if p.ID > maxAckID {
		return nil, errAckID
	}
	p.HasID = n > 0
	return b[n:], nil
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
	if tooDeep(b) {
		return errDepth
	}
	if !utf8.Valid(b) {
		return errJSON
	}
	if p.Type == PacketEvent || p.Type == PacketAck {
		return p.takeArgs(b)
	}
	d := newDecoder(b)
	v, err := d.ReadValue()
	if err != nil || !atEnd(d) {
		return errJSON
	}
	p.Payload = b[:len(v):len(v)]
	return nil
}

// takes reports whether a payload of this type may begin with the byte.
func (p *Packet) takes(first byte) bool {
	switch p.Type {
	case PacketConnect:
		return first == '{'
	case PacketEvent, PacketAck:
		return first == '['
	case PacketConnectError:
		return first == '{' || first == '"'
	default:
		return false
	}
}

// takeArgs reads the array of an event or an acknowledgement.
func (p *Packet) takeArgs(b []byte) error {
	d := newDecoder(b)
	if _, err := d.ReadToken(); err != nil {
		return errJSON
	}
	if p.Type == PacketEvent {
		if err := p.takeName(d); err != nil {
			return err
		}
	}
	for d.PeekKind() != ']' {
		if len(p.Args) == maxArgs {
			return errArgs
		}
		v, err := d.ReadValue()
		if err != nil {
			return errJSON
		}
		end := int(d.InputOffset())
		p.Args = append(p.Args, b[end-len(v):end:end])
	}
	if _, err := d.ReadToken(); err != nil || !atEnd(d) {
		return errJSON
	}
	return nil
}

func (p *Packet) takeName(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '"':
		t, err := d.ReadToken()
		if err != nil {
			return errJSON
		}
		p.Name = t.String()
	case '0':
		v, err := d.ReadValue()
		if err != nil {
			return errJSON
		}
		if p.Name, err = numberText(v); err != nil {
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

func newDecoder(b []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

func atEnd(d *jsontext.Decoder) bool {
	_, err := d.ReadToken()
	return errors.Is(err, io.EOF)
}

// tooDeep reports whether arrays and objects are nested deeper than maxDepth. It runs before
// the JSON is parsed, because the parser's stack grows with the depth.
func tooDeep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// AppendPacket appends the encoded packet to b and returns the result. Args and Payload must
// be valid JSON; an empty argument is written as null.
func AppendPacket(b []byte, p Packet) []byte {
	b = append(b, '0'+byte(p.Type))
	if p.Namespace != rootSpace && p.Namespace != "" {
		b = append(b, p.Namespace...)
		b = append(b, ',')
	}
	if p.HasID {
		b = strconv.AppendUint(b, p.ID, 10)
	}
	switch p.Type {
	case PacketEvent:
		b = appendText(append(b, '['), p.Name)
		for _, arg := range p.Args {
			b = appendArg(append(b, ','), arg)
		}
		return append(b, ']')
	case PacketAck:
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

// A Frame is an encoded event that any number of sockets may share. The zero Frame is sent
// to nobody.
type Frame struct {
	message []byte
}

// NewFrame encodes an event. Each argument is raw JSON that must be valid; an empty one is
// written as null. It panics on a reserved name, which is a mistake in the program: clients
// would take such a packet for a broken connection.
func NewFrame(name string, args ...[]byte) Frame {
	if reserved(name) {
		panic("socketio: event name " + strconv.Quote(name) + " is reserved")
	}
	size := len(name) + 8
	for _, arg := range args {
		size += len(arg) + 1
	}
	b := append(make([]byte, 0, size), messageType)
	return Frame{message: AppendPacket(b, Packet{Type: PacketEvent, Name: name, Args: args})}
}
