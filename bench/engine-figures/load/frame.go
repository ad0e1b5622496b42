package load

import (
	"encoding/binary"
	"fmt"
)

// The first bytes of frames that stand for themselves.
const (
	opText   = 0x81
	opBinary = 0x82
	opClose  = 0x88
	opPing   = 0x89
	opPong   = 0x8a
)

// Engine.IO packet types.
const (
	engineOpen    = '0'
	engineClose   = '1'
	enginePing    = '2'
	enginePong    = '3'
	engineMessage = '4'
	engineNoop    = '6'
)

const (
	maxFrame     = 16 << 20 // bytes of one frame from a server
	maskedLength = 0x80
)

// appendFrame appends a frame of a client, masked with zeros. kind is put in front of the
// payload where it is not 0.
func appendFrame(b []byte, op, kind byte, payload []byte) []byte {
	n := len(payload)
	if kind != 0 {
		n++
	}
	b = append(b, op)
	switch {
	case n < 126:
		b = append(b, maskedLength|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, maskedLength|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, maskedLength|127), uint64(n))
	}
	b = append(b, 0, 0, 0, 0)
	if kind != 0 {
		b = append(b, kind)
	}
	return append(b, payload...)
}

// cutFrame cuts the first frame of a server off b. op is 0 where it has not come in full.
func cutFrame(b []byte) (op byte, payload, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, b, nil
	}
	head, n := 2, uint64(b[1])
	switch {
	case n&maskedLength != 0:
		return 0, nil, nil, fmt.Errorf("a masked frame from the server")
	case n == 126:
		if head = 4; len(b) >= head {
			n = uint64(binary.BigEndian.Uint16(b[2:]))
		}
	case n == 127:
		if head = 10; len(b) >= head {
			n = binary.BigEndian.Uint64(b[2:])
		}
	}
	if len(b) < head {
		return 0, nil, b, nil
	}
	if n > maxFrame {
		return 0, nil, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	if uint64(len(b)-head) < n {
		return 0, nil, b, nil
	}
	end := head + int(n)
	return b[0], b[head:end], b[end:], nil
}
