package engineio

import (
	"bytes"
	"encoding/base64"
)

// nextPacket cuts the first packet off a payload of polling. more tells whether another one
// follows, which may be empty.
func nextPacket(payload []byte) (packet, rest []byte, more bool) {
	return bytes.Cut(payload, []byte{separator})
}

// decodeBinary returns the data of a binary packet, which is base64 of either alphabet, with
// or without padding.
func decodeBinary(text []byte) ([]byte, bool) {
	text = bytes.TrimRight(text, "=")
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	data, err := encoding.AppendDecode(nil, text)
	return data, err == nil
}
