package search

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"pryde/internal/order"
)

// A cover says what the segments of a person know: of each conversation the messages up to a
// place, and of those every change up to a commit.
type cover struct {
	seen  order.Seq
	upTo  map[Talk]order.Seq
	known bool // there is an index
}

const coverVersion = 1

var errCover = errors.New("the state of an index is malformed")

func decodeCover(h Head) (cover, error) {
	c := cover{upTo: map[Talk]order.Seq{}, known: h.Version > 0}
	if !c.known {
		return c, nil
	}
	r := reader{rest: h.State}
	if v := r.take(1); r.bad || v[0] != coverVersion {
		return c, errCover
	}
	c.seen = order.Seq(r.number())
	for n := r.number(); n > 0 && !r.bad; n-- {
		var t Talk
		copy(t[:], r.take(uint64(len(t))))
		c.upTo[t] = order.Seq(r.number())
	}
	if r.bad {
		return c, errCover
	}
	return c, nil
}

func (c cover) encode() []byte {
	b := []byte{coverVersion}
	b = binary.AppendUvarint(b, uint64(c.seen))
	b = binary.AppendUvarint(b, uint64(len(c.upTo)))
	byName := func(a, b Talk) int { return bytes.Compare(a[:], b[:]) }
	for _, t := range slices.SortedFunc(maps.Keys(c.upTo), byName) {
		b = append(b, t[:]...)
		b = binary.AppendUvarint(b, uint64(c.upTo[t]))
	}
	return b
}

// rest returns what no segment covers of some conversations and comes before a message.
func (c cover) rest(talks []State, end Ref) []Stretch {
	var rest []Stretch
	for _, t := range talks {
		s := Stretch{Talk: t.Talk, After: c.upTo[t.Talk], Before: end.end(t.Talk), Last: t.Last}
		if t.Last > s.After && s.After < s.Before-1 {
			rest = append(rest, s)
		}
	}
	return rest
}
