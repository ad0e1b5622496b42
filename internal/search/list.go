package search

import (
	"encoding/binary"
	"errors"

	"pryde/internal/id"
	"pryde/internal/order"
)

// A list says which messages a segment is of, and which words are in each: 16 bits of each token,
// so that about one message in a thousand is looked at for nothing. Its format:
//
//	1 byte version, then numbers as unsigned varints: of conversations, of messages
//	each conversation: 24 bytes
//	each message, by its place: number of its conversation, 12 bytes id, distance of its place
//	  from the one before, number of tokens, 2 bytes each
//	zeros up to a multiple of 1 KiB
//
// The zeros let the size of what is sealed tell less of how much was written.
const (
	listVersion = 1
	listGrain   = 1 << 10
)

var errList = errors.New("a list of a segment is malformed")

// An entry is a message of a segment.
type entry struct {
	Ref
	marks []uint16 // of its tokens
}

func markOf(t token) uint16 { return uint16(t >> 48) }

// encodeList writes entries, which are in the order of their places.
func encodeList(entries []entry) []byte {
	talks := map[Talk]uint64{}
	var names []byte
	for _, e := range entries {
		if _, known := talks[e.Talk]; !known {
			talks[e.Talk] = uint64(len(talks))
			names = append(names, e.Talk[:]...)
		}
	}
	b := []byte{listVersion}
	b = binary.AppendUvarint(b, uint64(len(talks)))
	b = binary.AppendUvarint(b, uint64(len(entries)))
	b = append(b, names...)
	last := order.Seq(0)
	for _, e := range entries {
		b = binary.AppendUvarint(b, talks[e.Talk])
		b = append(b, e.ID[:]...)
		b = binary.AppendUvarint(b, uint64(e.Seq-last))
		last = e.Seq
		b = binary.AppendUvarint(b, uint64(len(e.marks)))
		for _, m := range e.marks {
			b = binary.LittleEndian.AppendUint16(b, m)
		}
	}
	return append(b, make([]byte, (listGrain-len(b)%listGrain)%listGrain)...)
}

// An item is a message of a list while it is read: the marks are as they are stored.
type item struct {
	Ref
	marks []byte
}

// hasAll reports whether the message may hold every one of some marks.
func (i item) hasAll(marks []uint16) bool {
	for _, m := range marks {
		if !i.has(m) {
			return false
		}
	}
	return true
}

func (i item) has(mark uint16) bool {
	for at := 0; at < len(i.marks); at += 2 {
		if binary.LittleEndian.Uint16(i.marks[at:]) == mark {
			return true
		}
	}
	return false
}

// equal reports whether the message was stored with these marks.
func (i item) equal(marks []uint16) bool {
	if len(i.marks) != 2*len(marks) {
		return false
	}
	for at, m := range marks {
		if binary.LittleEndian.Uint16(i.marks[2*at:]) != m {
			return false
		}
	}
	return true
}

// readList calls each for every message of a list, oldest first.
func readList(list []byte, each func(item)) error {
	r := reader{rest: list}
	if v := r.take(1); r.bad || v[0] != listVersion {
		return errList
	}
	talks, n := r.number(), r.number()
	names := r.take(talks * uint64(len(Talk{})))
	if r.bad {
		return errList
	}
	seq := order.Seq(0)
	for range n {
		var i item
		which := r.number()
		copy(i.ID[:], r.take(id.Size))
		seq += order.Seq(r.number())
		i.Seq = seq
		i.marks = r.take(2 * r.number())
		if r.bad || which >= talks {
			return errList
		}
		copy(i.Talk[:], names[which*uint64(len(Talk{})):])
		each(i)
	}
	return nil
}

// maxNumber is above every number that is encoded.
const maxNumber = 1 << 53

// A reader takes apart what was encoded. Once something is missing it is bad, and gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad || n <= 0 || v > maxNumber {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}
