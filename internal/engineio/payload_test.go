package engineio

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestDecodeBinary(t *testing.T) {
	for text, want := range map[string]string{
		"":         "",
		"AQIDBA==": "\x01\x02\x03\x04",
		"AQIDBA":   "\x01\x02\x03\x04",
		"+/+/":     "\xfb\xff\xbf",
		"-_-_":     "\xfb\xff\xbf",
	} {
		if got, ok := decodeBinary([]byte(text)); !ok || string(got) != want {
			t.Errorf("%q is %x, %v; want %x", text, got, ok, want)
		}
	}
	for _, text := range []string{"A", "A!==", "+-+-", "AQ==AQ==", "é"} {
		if got, ok := decodeBinary([]byte(text)); ok {
			t.Errorf("%q is %x, want an error", text, got)
		}
	}
}

func FuzzPayload(f *testing.F) {
	f.Add("4test1\x1e4test2\x1ebAQIDBA==")
	f.Add("\x1e\x1e")
	f.Add("b=")
	f.Fuzz(func(t *testing.T, payload string) {
		var packets []string
		rest, more := []byte(payload), true
		for more {
			var packet []byte
			packet, rest, more = nextPacket(rest)
			packets = append(packets, string(packet))
			if len(packet) == 0 || packet[0] != binaryType {
				continue
			}
			data, ok := decodeBinary(packet[1:])
			again, err := base64.StdEncoding.DecodeString(base64.StdEncoding.EncodeToString(data))
			if ok && (err != nil || string(again) != string(data)) {
				t.Errorf("%q does not survive", packet)
			}
			if _, err := base64.StdEncoding.Strict().DecodeString(string(packet[1:])); err == nil && !ok {
				t.Errorf("%q is refused", packet)
			}
		}
		if got := strings.Join(packets, "\x1e"); got != payload {
			t.Errorf("packets are of %q, want %q", got, payload)
		}
	})
}
