package engineio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
)

// A heard is what a reader gave to its sink.
type heard struct {
	Op      byte
	Payload string
}

// ears is a sink that remembers.
type ears struct {
	most  int
	heard []heard
}

func (e *ears) limit() int { return e.most }

func (e *ears) take(op byte, payload []byte, _ bool) error {
	e.heard = append(e.heard, heard{op, string(payload)})
	return nil
}

// feedIn feeds b in pieces of a size.
func feedIn(b []byte, size, limit int) ([]heard, *reader, error) {
	var r reader
	e := &ears{most: limit}
	for piece := range slices.Chunk(bytes.Clone(b), size) {
		if err := r.feed(piece, e); err != nil {
			return e.heard, &r, err
		}
	}
	return e.heard, &r, nil
}

func join2(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 300)
	longer := strings.Repeat("y", 70_000)
	for name, c := range map[string]struct {
		in   []byte
		want []heard
	}{
		"text":          {frame(opText, true, []byte("4a")), []heard{{opText, "4a"}}},
		"binary":        {frame(opBinary, true, []byte{0, 1}), []heard{{opBinary, "\x00\x01"}}},
		"empty":         {join2(frame(opText, true, nil), frame(opBinary, true, nil)), []heard{{opText, ""}, {opBinary, ""}}},
		"16-bit length": {frame(opText, true, []byte(long)), []heard{{opText, long}}},
		"64-bit length": {frame(opText, true, []byte(longer)), []heard{{opText, longer}}},
		"several":       {join2(frame(opText, true, []byte("a")), frame(opText, true, []byte("b"))), []heard{{opText, "a"}, {opText, "b"}}},
		"fragments": {
			join2(frame(opText, false, []byte("ab")), frame(opContinuation, false, nil), frame(opContinuation, true, []byte("c"))),
			[]heard{{opText, "abc"}},
		},
		"empty fragments": {
			join2(frame(opText, false, nil), frame(opContinuation, true, nil), frame(opText, true, []byte("a"))),
			[]heard{{opText, ""}, {opText, "a"}},
		},
		"control between fragments": {
			join2(frame(opBinary, false, []byte("ab")), frame(opPing, true, []byte("p")), frame(opContinuation, true, []byte("c"))),
			[]heard{{opPing, "p"}, {opBinary, "abc"}},
		},
		"longest control":      {frame(opPing, true, []byte(long[:125])), []heard{{opPing, long[:125]}}},
		"length not minimal":   {[]byte{0x81, 0xfe, 0, 1, 0, 0, 0, 0, 'a'}, []heard{{opText, "a"}}},
		"length far too large": {[]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'a'}, []heard{{opText, "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 7, 1000, len(c.in)} {
				got, r, err := feedIn(c.in, size, 100_000)
				if err != nil {
					t.Fatalf("in pieces of %d: %v", size, err)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", size, d)
				}
				if r.part != nil {
					t.Errorf("in pieces of %d: something is held between messages", size)
				}
			}
		})
	}
}

func TestBreaches(t *testing.T) {
	masked := func(first, second byte) []byte {
		return []byte{first, second | maskBit, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	}
	huge := []byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"not masked":            {[]byte{0x81, 1, 'a'}, errUnmasked},
		"first reserved bit":    {masked(0xc1, 0), errReserved},
		"second reserved bit":   {masked(0xa1, 0), errReserved},
		"third reserved bit":    {masked(0x91, 0), errReserved},
		"opcode 3":              {masked(0x83, 0), errOpcode},
		"opcode 7":              {masked(0x87, 0), errOpcode},
		"opcode 11":             {masked(0x8b, 0), errOpcode},
		"opcode 15":             {masked(0x8f, 0), errOpcode},
		"fragmented ping":       {frame(opPing, false, nil), errControl},
		"control of 126 bytes":  {frame(opPing, true, make([]byte, 126)), errControl},
		"close of 65,536 bytes": {frame(opClose, true, make([]byte, 1<<16)), errControl},
		"nothing to continue":   {frame(opContinuation, true, nil), errContinuation},
		"interrupted":           {join2(frame(opText, false, nil), frame(opText, true, nil)), errInterrupted},
		"one byte too many":     {frame(opText, true, make([]byte, 1001)), errTooBig},
		"fragments too big":     {join2(frame(opText, false, make([]byte, 600)), frame(opContinuation, true, make([]byte, 401))), errTooBig},
		"2^63-1 bytes":          {huge, errTooBig},
		"2^64-1 bytes":          {append([]byte{0x82, 0xff}, bytes.Repeat([]byte{0xff}, 12)...), errTooBig},
		"sums overflow": {
			join2(frame(opText, false, []byte("a")), append([]byte{0x80, 0xff}, bytes.Repeat([]byte{0xff}, 12)...)), errTooBig,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, len(c.in)} {
				if _, _, err := feedIn(c.in, size, 1000); !errors.Is(err, c.want) {
					t.Errorf("in pieces of %d: error is %v, want %v", size, err, c.want)
				}
			}
		})
	}
}

func TestCloseFrames(t *testing.T) {
	code := func(n uint16, reason string) []byte { return append(binary.BigEndian.AppendUint16(nil, n), reason...) }
	for name, c := range map[string]struct {
		payload []byte
		want    StatusCode
		err     error
	}{
		"none":              {nil, NoStatus, nil},
		"normal":            {code(1000, ""), 1000, nil},
		"with a reason":     {code(1001, "bye"), 1001, nil},
		"private":           {code(4999, ""), 4999, nil},
		"library":           {code(3000, ""), 3000, nil},
		"half a code":       {[]byte{3}, 0, errCloseFrame},
		"below the codes":   {code(999, ""), 0, errCloseFrame},
		"never on the wire": {code(1005, ""), 0, errCloseFrame},
		"abnormal":          {code(1006, ""), 0, errCloseFrame},
		"reserved":          {code(2000, ""), 0, errCloseFrame},
		"above the codes":   {code(5000, ""), 0, errCloseFrame},
		"reason not UTF-8":  {code(1000, "\xff"), 0, errNotUTF8},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseClose(c.payload)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("parsed as %d, %v; want %d, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestMessagesAreWholeFrames(t *testing.T) {
	for name, c := range map[string]struct {
		m    Message
		want string // beginning
		size int
		poll string // beginning
	}{
		"text":         {Text([]byte("he"), nil, []byte("llo")), "\x81\x064hello", 8, "4hello"},
		"empty":        {Text(), "\x81\x014", 3, "4"},
		"125 bytes":    {Text(make([]byte, 124)), "\x81\x7d4", 127, "4"},
		"126 bytes":    {Text(make([]byte, 125)), "\x81\x7e\x00\x7e4", 130, "4"},
		"65,536 bytes": {Text(make([]byte, 65535)), "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x004", 65546, "4"},
		"binary":       {Binary([]byte{1, 2, 3, 4}), "\x82\x04\x01\x02\x03\x04", 6, "bAQIDBA=="},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(c.m.frame); !strings.HasPrefix(got, c.want) || c.m.Size() != c.size || len(got) != c.size {
				t.Errorf("frame of %d bytes begins with %q, want %d and %q", c.m.Size(), got[:min(len(got), 12)], c.size, c.want)
			}
			if got := string(c.m.appendPayload(nil)); !strings.HasPrefix(got, c.poll) {
				t.Errorf("payload is %q, want %q", got[:min(len(got), 12)], c.poll)
			}
		})
	}
}

// naive reads frames one by one from a stream that has all of them.
func naive(b []byte, limit int) (all []heard, err error) {
	in := bytes.NewReader(b)
	var message heard
	for {
		var first [2]byte
		if _, err := io.ReadFull(in, first[:]); err != nil {
			return all, nil
		}
		_, _ = in.Seek(-2, io.SeekCurrent)
		h, err := ws.ReadHeader(in)
		switch {
		case h.Rsv != 0 || first[0]&rsvBits != 0 || first[1]&maskBit == 0 || h.OpCode > 2 && h.OpCode < 8 || h.OpCode > 10,
			h.OpCode >= 8 && (!h.Fin || first[1]&lengthBits > maxControl):
			return all, errReserved
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return all, errTooBig
		case err != nil:
			return all, nil
		}
		if control := h.OpCode >= 8; !control {
			switch {
			case (h.OpCode == opContinuation) != (message.Op != 0):
				return all, errContinuation
			case h.Length > int64(limit)-int64(len(message.Payload)):
				return all, errTooBig
			}
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(in, payload); err != nil {
			return all, nil
		}
		for i := range payload {
			payload[i] ^= h.Mask[i%4]
		}
		if h.OpCode >= 8 {
			all = append(all, heard{byte(h.OpCode), string(payload)})
			continue
		}
		if h.OpCode != opContinuation {
			message.Op = byte(h.OpCode)
		}
		message.Payload += string(payload)
		if h.Fin {
			all = append(all, message)
			message = heard{}
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(frame(opText, true, []byte("4hello")), uint8(1))
	f.Add(join2(frame(opText, false, []byte("4he")), frame(opPing, true, []byte("p")), frame(opContinuation, true, []byte("llo"))), uint8(3))
	f.Add(frame(opBinary, true, make([]byte, 300)), uint8(200))
	f.Add([]byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, uint8(4))
	f.Add(frame(opClose, true, []byte{3, 232}), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		const limit = 500
		want, wantErr := naive(b, limit)

		got, r, err := feedIn(b, int(size)+1, limit)

		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error is %v, want %v", err, wantErr)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("messages (-want +got):\n%s", d)
		}
		if r.part != nil && len(r.part.message) > limit {
			t.Errorf("%d bytes are held", len(r.part.message))
		}
	})
}
