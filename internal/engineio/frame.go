package engineio

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// Parts of a frame, RFC 6455, section 5.2.
const (
	finBit     = 0x80
	rsvBits    = 0x70
	opBits     = 0x0f
	maskBit    = 0x80
	lengthBits = 0x7f

	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa

	maxControl      = 125 // bytes of a control frame's payload
	maxClientHeader = 14  // bytes of a frame's header with its mask
)

// A breach is a use of WebSocket that the protocol forbids, with the code to close with.
type breach struct {
	code StatusCode
	text string
}

func (b *breach) Error() string { return b.text }

var (
	errReserved     = &breach{StatusProtocolError, "reserved bits are set"}
	errUnmasked     = &breach{StatusProtocolError, "frame is not masked"}
	errOpcode       = &breach{StatusProtocolError, "opcode is unknown"}
	errControl      = &breach{StatusProtocolError, "control frame is fragmented or too long"}
	errContinuation = &breach{StatusProtocolError, "nothing to continue"}
	errInterrupted  = &breach{StatusProtocolError, "message begins within another"}
	errCloseFrame   = &breach{StatusProtocolError, "close frame is malformed"}
	errTooBig       = &breach{StatusMessageTooBig, "message is too big"}
	errNotUTF8      = &breach{StatusInvalidPayload, "text is not UTF-8"}
)

// A header is that of one frame.
type header struct {
	fin    bool
	op     byte
	mask   [4]byte
	length uint64 // bytes of the payload
}

func (h header) control() bool { return h.op >= opClose }

// parseHeader returns the header at the beginning of b and its length, which is 0 when b does
// not hold all of it.
func parseHeader(b []byte) (h header, n int, err error) {
	if len(b) < 2 {
		return header{}, 0, nil
	}
	h = header{fin: b[0]&finBit != 0, op: b[0] & opBits, length: uint64(b[1] & lengthBits)}
	switch {
	case b[0]&rsvBits != 0:
		return header{}, 0, errReserved
	case b[1]&maskBit == 0:
		return header{}, 0, errUnmasked
	case h.op > opBinary && h.op < opClose || h.op > opPong:
		return header{}, 0, errOpcode
	case h.control() && (!h.fin || h.length > maxControl):
		return header{}, 0, errControl
	}
	n = 2
	switch {
	case h.length == 126 && len(b) >= 4:
		h.length, n = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case h.length == 127 && len(b) >= 10:
		h.length, n = binary.BigEndian.Uint64(b[2:]), 10
	case h.length > maxControl:
		return header{}, 0, nil
	}
	if len(b) < n+len(h.mask) {
		return header{}, 0, nil
	}
	copy(h.mask[:], b[n:])
	return h, n + len(h.mask), nil
}

// A reader puts the messages of a connection together. Between messages it holds nothing.
type reader struct {
	part *part
}

// A part is what is there of a frame or a message.
type part struct {
	head    [maxClientHeader]byte // of a frame whose header is not complete
	held    int                   // bytes of head
	frame   header                // whose payload is being read
	left    int                   // bytes of that payload that are missing
	within  bool                  // a payload is being read
	op      byte                  // of the message being read; 0 for none
	message []byte
	control []byte
}

// A sink takes what a reader has put together. The payload is the sink's to keep when owned
// is set, and else until take returns. An error ends the reading.
type sink interface {
	take(op byte, payload []byte, owned bool) error
	limit() int // bytes of a message
}

// feed takes bytes as they arrive, and unmasks them in place.
func (r *reader) feed(b []byte, to sink) error {
	for len(b) > 0 {
		var err error
		if b, err = r.step(b, to); err != nil {
			return err
		}
	}
	return nil
}

// step reads one frame, or what there is of it, and returns the rest.
func (r *reader) step(b []byte, to sink) ([]byte, error) {
	if r.part == nil || !r.part.within {
		h, rest, err := r.header(b)
		if err != nil || rest == nil {
			return nil, err
		}
		if err := r.admit(h, to.limit()); err != nil {
			return nil, err
		}
		b = rest
		// admit has seen to it that the length of a frame is an int.
		if n := int(h.length); len(b) >= n && h.fin && (r.part == nil || h.control()) {
			ws.Cipher(b[:n], h.mask, 0)
			return b[n:], to.take(h.op, b[:n], false)
		}
		r.begin(h)
	}
	p := r.part
	n := min(p.left, len(b))
	ws.Cipher(b[:n], p.frame.mask, int(p.frame.length)-p.left)
	if p.frame.control() {
		p.control = append(p.control, b[:n]...)
	} else {
		p.message = append(p.message, b[:n]...)
	}
	p.left -= n
	if p.left > 0 {
		return nil, nil
	}
	return b[n:], r.complete(to)
}

// header takes a header from b, and what there was of it before. The rest is nil, and all of
// b is kept, when it is still not complete.
func (r *reader) header(b []byte) (h header, rest []byte, err error) {
	before := 0
	head := b
	if r.part != nil && r.part.held > 0 {
		before = r.part.held
		r.part.held += copy(r.part.head[before:], b)
		head = r.part.head[:r.part.held]
	}
	h, n, err := parseHeader(head)
	switch {
	case err != nil:
		return header{}, nil, err
	case n == 0 && before == 0:
		p := r.hold()
		p.held = copy(p.head[:], b)
		return header{}, nil, nil
	case n == 0:
		return header{}, nil, nil
	}
	if before > 0 {
		r.part.held = 0
		r.release()
	}
	return h, b[n-before:], nil
}

// admit says whether a frame may come now.
func (r *reader) admit(h header, limit int) error {
	if h.control() {
		return nil
	}
	var op byte
	size := uint64(0)
	if r.part != nil {
		op, size = r.part.op, uint64(len(r.part.message))
	}
	switch {
	case h.op == opContinuation && op == 0:
		return errContinuation
	case h.op != opContinuation && op != 0:
		return errInterrupted
	case h.length > uint64(limit) || size+h.length > uint64(limit):
		return errTooBig
	}
	return nil
}

// begin notes that the payload of a frame follows.
func (r *reader) begin(h header) {
	p := r.hold()
	p.frame, p.left, p.within = h, int(h.length), true
	if h.op == opText || h.op == opBinary {
		p.op = h.op
	}
}

// complete gives away what the payload that has been read completes.
func (r *reader) complete(to sink) error {
	p := r.part
	p.within = false
	op, payload := p.frame.op, p.control
	switch {
	case p.frame.control():
		p.control = nil
	case !p.frame.fin:
		return nil
	default:
		op, payload = p.op, p.message
		p.op, p.message = 0, nil
	}
	r.release()
	return to.take(op, payload, true)
}

func (r *reader) hold() *part {
	if r.part == nil {
		r.part = new(part)
	}
	return r.part
}

// release forgets the part if it has nothing in it.
func (r *reader) release() {
	if p := r.part; p.op == 0 && p.held == 0 && !p.within {
		r.part = nil
	}
}

// controlFrame returns a control frame of the server; the payload has 125 bytes at most.
func controlFrame(op byte, payload []byte) []byte {
	return append(appendHeader(make([]byte, 0, 2+len(payload)), op, len(payload)), payload...)
}

func closeFrame(code StatusCode) []byte {
	if code == NoStatus {
		return controlFrame(opClose, nil)
	}
	return controlFrame(opClose, binary.BigEndian.AppendUint16(nil, uint16(code)))
}

// parseClose returns the code of a close frame's payload.
func parseClose(payload []byte) (StatusCode, error) {
	if len(payload) == 0 {
		return NoStatus, nil
	}
	if len(payload) == 1 {
		return 0, errCloseFrame
	}
	code := StatusCode(binary.BigEndian.Uint16(payload))
	registered := code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)
	private := code >= 3000 && code <= 4999
	switch {
	case !registered && !private:
		return 0, errCloseFrame
	case !isText(payload[2:]):
		return 0, errNotUTF8
	}
	return code, nil
}
