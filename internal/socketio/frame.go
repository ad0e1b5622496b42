package socketio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/engineio"
)

// A Frame is an encoded event that any number of sockets may share. The zero Frame is sent
// to nobody.
type Frame struct {
	// Seq is the place of the event in a sequence that the program keeps, for events that are
	// stored; 0 for those that are not. Socket.CatchUp says what it is for.
	Seq uint64

	body        []byte // the array of name and arguments
	attachments [][]byte
}

// NewFrame encodes an event. Each argument is raw JSON that must be valid; an empty one is
// written as null. It panics on a reserved name, which is a mistake in the program: clients
// would take such a packet for a broken connection.
func NewFrame(name string, args ...[]byte) Frame {
	if reserved(name) {
		panic("socketio: event name " + strconv.Quote(name) + " is reserved")
	}
	size := len(name) + 4
	for _, arg := range args {
		size += max(len(arg), len("null")) + 1
	}
	return Frame{body: appendEvent(make([]byte, 0, size), name, args)}
}

// NewBinaryFrame encodes an event with attachments, at most ten, which must not change any
// more. The arguments hold one Placeholder for each of them; anything else is an error.
func NewBinaryFrame(name string, attachments [][]byte, args ...[]byte) (Frame, error) {
	if err := checkAttachments(attachments, args); err != nil {
		return Frame{}, fmt.Errorf("encode event: %w", err)
	}
	f := NewFrame(name, args...)
	f.attachments = attachments
	return f, nil
}

// AppendBinary implements encoding.BinaryAppender, for an Adapter that hands frames to other
// nodes. The error is always nil.
func (f Frame) AppendBinary(b []byte) ([]byte, error) {
	b = binary.AppendUvarint(b, f.Seq)
	b = binary.AppendUvarint(b, uint64(len(f.attachments)))
	for _, part := range append([][]byte{f.body}, f.attachments...) {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b, nil
}

// ParseFrame returns the frame that AppendBinary has made b of. It keeps b, which must not
// change any more. The error says that b is no frame that could be sent, and holds nothing of
// b. Frames are as large as they are: who receives b bounds it.
func ParseFrame(b []byte) (Frame, error) {
	r := frameReader{rest: b}
	f := Frame{Seq: r.number(math.MaxUint64)}
	attachments := int(r.number(maxAttachments))
	f.body = r.part()
	for range attachments {
		f.attachments = append(f.attachments, r.part())
	}
	if r.failed || len(r.rest) > 0 {
		return Frame{}, errFrame
	}
	if len(f.body) == 0 {
		f.body = nil // the zero Frame
		if attachments > 0 {
			return Frame{}, errFrame
		}
		return f, nil
	}
	if !utf8.Valid(f.body) || !jsontext.Value(f.body).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) ||
		!bytes.HasPrefix(f.body, []byte(`["`)) || checkPlaceholders([][]byte{f.body}, attachments) != nil {
		return Frame{}, errFrame
	}
	return f, nil
}

var errFrame = errors.New("bytes are no frame")

// A frameReader takes apart what AppendBinary has put together.
type frameReader struct {
	rest   []byte
	failed bool
}

func (r *frameReader) number(most uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > most {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *frameReader) part() []byte {
	n := r.number(uint64(len(r.rest)))
	if n > uint64(len(r.rest)) {
		r.failed = true
		return nil
	}
	part := r.rest[:n:n]
	r.rest = r.rest[n:]
	return part
}

func checkAttachments(attachments, args [][]byte) error {
	if len(attachments) > maxAttachments {
		return errAttachments
	}
	return checkPlaceholders(args, len(attachments))
}

// messages appends the event as it is sent to sockets of a namespace: the packet, and its
// attachments behind it. ask is the ack id by which an answer is asked for, if asked is set.
func (f Frame) messages(to []engineio.Message, space string, ask uint64, asked bool) []engineio.Message {
	if f.body == nil {
		return to
	}
	kind := PacketEvent
	if len(f.attachments) > 0 {
		kind = PacketBinaryEvent
	}
	var room [maxStart]byte
	start := appendStart(room[:0], kind, len(f.attachments), space, ask, asked)
	return appendAttachments(append(to, engineio.Text(start, f.body)), f.attachments)
}

func appendAttachments(to []engineio.Message, attachments [][]byte) []engineio.Message {
	for _, a := range attachments {
		to = append(to, engineio.Binary(a))
	}
	return to
}

// A parcel is what one broadcast hands to each of its sockets. It is shared and does not
// change.
type parcel struct {
	volatile bool
	messages []engineio.Message
	ends     []int    // of each frame in messages
	seqs     []uint64 // of each frame
	lowest   uint64   // of the seqs that are not 0; 0 when all are
	size     int      // bytes of the messages
}

func newParcel(frames []Frame, space string, volatile bool) *parcel {
	p := &parcel{volatile: volatile, messages: make([]engineio.Message, 0, len(frames))}
	for _, f := range frames {
		if f.body != nil {
			p.add(f, f.messages(p.messages, space, 0, false))
		}
	}
	return p
}

func newQuestion(f Frame, space string, ask uint64) *parcel {
	p := &parcel{}
	p.add(f, f.messages(nil, space, ask, true))
	return p
}

func (p *parcel) add(f Frame, messages []engineio.Message) {
	for _, m := range messages[len(p.messages):] {
		p.size += m.Size()
	}
	p.messages = messages
	p.ends = append(p.ends, len(messages))
	p.seqs = append(p.seqs, f.Seq)
	if f.Seq > 0 && (p.lowest == 0 || f.Seq < p.lowest) {
		p.lowest = f.Seq
	}
}

// after returns the messages without those of frames that are counted and not beyond seq.
func (p *parcel) after(seq uint64) []engineio.Message {
	if p.lowest == 0 || seq < p.lowest {
		return p.messages
	}
	var left []engineio.Message
	start := 0
	for i, end := range p.ends {
		if p.seqs[i] == 0 || p.seqs[i] > seq {
			left = append(left, p.messages[start:end]...)
		}
		start = end
	}
	return left
}
