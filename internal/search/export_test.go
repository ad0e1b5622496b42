package search

import (
	"context"
	"strconv"

	"pryde/internal/id"
)

// AtOnce is how many searches run at once.
const AtOnce = atOnce

// Settled makes all segments that are due of a person, of so many messages each, without a rest.
func Settled(ctx context.Context, o Options, owner id.User, size int) error {
	x := &indexer{store: o.Store, hash: newHasher(o.Key), log: o.Log, pool: newPool(), now: o.Now, size: size, ctx: ctx}
	return x.bring(owner, true)
}

// Holds reports whether a text holds a query. It is an error where there is nothing to look for.
func Holds(text, query string) (bool, error) {
	w, err := parse(newHasher([32]byte{1}), query)
	return err == nil && w.in(text), err
}

// Indexed reports whether an index of a text points to it for a query.
func Indexed(text, query string) (bool, error) {
	h := newHasher([32]byte{1})
	w, err := parse(h, query)
	if err != nil {
		return false, err
	}
	b := newBuilder(h, 1)
	b.add(Text{Content: text})
	g := b.segment(0)
	marks := marksOf(w.tokens)
	found := false
	err = readList(g.List, func(i item) { found = i.hasAll(marks) })
	return found && filter(g.Filter).hasAll(w.tokens), err
}

// ListRoundTrip returns the refs of a list after it was written and read.
func ListRoundTrip(refs []Ref, marks []uint16) (read []Ref, list []byte, err error) {
	var entries []entry
	for _, r := range refs {
		entries = append(entries, entry{r, marks})
	}
	list = encodeList(entries)
	err = readList(list, func(i item) {
		if i.equal(marks) {
			read = append(read, i.Ref)
		}
	})
	return read, list, err
}

// ReadList reads a list that may be malformed.
func ReadList(list []byte) error { return readList(list, func(item) {}) }

// FilterFigures returns how many different tokens fill a filter, and of how many others it takes
// one in so many for its own.
func FilterFigures() (tokens int, oneIn float64) {
	h := newHasher([32]byte{2})
	f := newFilter()
	for !f.full() {
		f.add(h.token(strconv.Itoa(tokens)))
		tokens++
	}
	const others = 100_000
	wrong := 0
	for n := range others {
		if f.has(h.token(strconv.Itoa(tokens + n))) {
			wrong++
		}
	}
	return tokens, others / float64(max(wrong, 1))
}

// Flood hands a pool so many notices of other people and groups each, and returns what it holds then.
func Flood(n int) (tasks, counts, absent int) {
	p := newPool()
	for i := range n {
		u := id.User{1, byte(i), byte(i >> 8), byte(i >> 16)}
		p.changed(Notice{Sender: u, Recipient: id.User{2, byte(i), byte(i >> 8), byte(i >> 16)}, Late: i%2 == 0})
		p.changed(Notice{Sender: u, Group: id.Group{3, byte(i), byte(i >> 8), byte(i >> 16)}})
		p.searched(u)
		p.note(id.User{4, byte(i), byte(i >> 8), byte(i >> 16)}, false)
	}
	return p.left(), len(p.counts), len(p.absent)
}
