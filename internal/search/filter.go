package search

import "math/bits"

const (
	// filterSize is that of a filter before it is sealed, in bytes.
	filterSize = 4 << 10
	filterBits = 8 * filterSize
	// filterProbes is how many bits a token sets.
	filterProbes = 4
)

// A filter is a Bloom filter of the tokens in a segment. Of the tokens that are not in it, it
// takes the fourth power of its share of set bits for ones that are: at most 1 in 16, because a
// segment ends once half of the bits are set. That is so after about 5,700 different tokens, of
// which 256 messages as people chat have fewer; long ones share a segment with fewer others. Only
// the last message of a segment may go beyond: of 10,000 characters without a space, all
// different, nine tenths of the bits are set by that one alone, and it is looked at more often than it need be.
type filter []byte

func newFilter() filter { return make(filter, filterSize) }

func (f filter) add(t token) {
	at, step := uint32(t), uint32(t>>32)|1
	for range filterProbes {
		f[at%filterBits/8] |= 1 << (at % 8)
		at += step
	}
}

func (f filter) has(t token) bool {
	at, step := uint32(t), uint32(t>>32)|1
	for range filterProbes {
		if f[at%filterBits/8]&(1<<(at%8)) == 0 {
			return false
		}
		at += step
	}
	return true
}

// hasAll reports whether every one of some tokens may be in it.
func (f filter) hasAll(ts []token) bool {
	for _, t := range ts {
		if !f.has(t) {
			return false
		}
	}
	return true
}

// full reports whether half of the bits are set.
func (f filter) full() bool {
	n := 0
	for _, b := range f {
		n += bits.OnesCount8(b)
	}
	return n >= filterBits/2
}
