package engineio

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// The types of Engine.IO packets.
const (
	openType    = byte('0')
	closeType   = byte('1')
	pingType    = byte('2')
	pongType    = byte('3')
	messageType = byte('4')
	upgradeType = byte('5')
	noopType    = byte('6')
	binaryType  = byte('b') // of a binary message in base64, on polling
)

// separator stands between the packets of a polling payload.
const separator = 0x1e

// A Message is an encoded packet that may be sent to any number of sessions. It is made by
// Text or Binary and never changes.
type Message struct {
	frame  []byte // a whole WebSocket frame
	start  uint8  // of the payload within the frame
	binary bool
}

// Text returns a text message of the joined parts, which must be UTF-8 and hold no byte 0x1e.
func Text(parts ...[]byte) Message { return textPacket(messageType, parts...) }

// Binary returns a binary message. The data is copied.
func Binary(data []byte) Message {
	m := newMessage(opBinary, len(data), true)
	m.frame = append(m.frame, data...)
	return m
}

// Size returns the bytes of the message on a WebSocket.
func (m Message) Size() int { return len(m.frame) }

func textPacket(kind byte, parts ...[]byte) Message {
	size := 1
	for _, p := range parts {
		size += len(p)
	}
	m := newMessage(opText, size, false)
	m.frame = append(m.frame, kind)
	for _, p := range parts {
		m.frame = append(m.frame, p...)
	}
	return m
}

// newMessage returns a message that has its header and room for size bytes of payload.
func newMessage(op byte, size int, binary bool) Message {
	frame := appendHeader(make([]byte, 0, maxServerHeader+size), op, size)
	return Message{frame: frame, start: uint8(len(frame)), binary: binary}
}

// maxServerHeader is the length of the longest header without a mask, in bytes.
const maxServerHeader = 10

// appendHeader appends the header of a final frame without a mask.
func appendHeader(b []byte, op byte, size int) []byte {
	b = append(b, finBit|op)
	switch {
	case size <= maxControl:
		return append(b, byte(size))
	case size <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(b, 127), uint64(size))
	}
}

// appendPayload appends what the message is on polling.
func (m Message) appendPayload(b []byte) []byte {
	body := m.frame[m.start:]
	if !m.binary {
		return append(b, body...)
	}
	b = slices.Grow(append(b, binaryType), base64.StdEncoding.EncodedLen(len(body)))
	return base64.StdEncoding.AppendEncode(b, body)
}

// appendMessages appends the payload of a polling response.
func appendMessages(b []byte, items []item) []byte {
	for i, it := range items {
		if i > 0 {
			b = append(b, separator)
		}
		b = it.appendPayload(b)
	}
	return b
}
