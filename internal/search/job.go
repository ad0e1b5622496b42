package search

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"pryde/internal/id"
)

// A job is one step of the indexer for one person.
type job struct {
	*indexer
	ctx   context.Context
	owner id.User
	head  Head
	cover cover

	put  []Segment
	drop []int64
}

// begin makes an index that knows of nothing.
func (j *job) begin() (err error) {
	// Where an index was dropped, what is left of it has lower numbers.
	j.head.Next = j.now().UnixMicro()
	// What changed so far is read in its newest state when its segment is made.
	if _, j.cover.seen, err = j.store.SearchChanged(j.ctx, j.owner, maxNumber, 1); err != nil {
		return err
	}
	j.pool.note(j.owner, true)
	return j.save()
}

// run brings one part of the index up to date.
func (j *job) run() (more bool, err error) {
	talks, cropped, err := j.store.SearchTalks(j.ctx, j.owner, maxTalks)
	if err != nil {
		return false, err
	}
	if !cropped && j.forget(talks) {
		return true, j.save()
	}
	if changed, err := j.mend(); err != nil || changed {
		return changed, err
	}
	return j.extend(talks)
}

// save stores what the job has made, with the state that goes with it.
func (j *job) save() error {
	j.head.Version++
	j.head.State = j.cover.encode()
	if err := j.store.SaveSearch(j.ctx, j.owner, j.head, j.put, j.drop); err != nil {
		return fmt.Errorf("save an index: %w", err)
	}
	return nil
}

// forget drops the groups in which the person is no longer: what happens there now is not theirs
// to see. If they come back, all of it is read again. It reports whether there were any.
func (j *job) forget(talks []State) bool {
	there := map[Talk]bool{}
	for _, t := range talks {
		there[t.Talk] = true
	}
	before := len(j.cover.upTo)
	for t := range j.cover.upTo {
		if _, group := t.Group(); group && !there[t] {
			delete(j.cover.upTo, t)
		}
	}
	return len(j.cover.upTo) < before
}

// extend makes segments of the oldest messages that none covers, if they are enough for one. It
// reports whether they were.
func (j *job) extend(talks []State) (bool, error) {
	texts, err := j.store.SearchMessages(j.ctx, j.owner, j.cover.rest(talks, Ref{Seq: maxNumber}), false, j.size)
	if err != nil {
		return false, err
	}
	if len(texts) < j.size && written(texts) < maxListed {
		return false, nil
	}
	made := false
	b, from := newBuilder(j.hash, j.size), 0
	for i, t := range texts {
		b.add(t)
		if !b.full() {
			continue
		}
		for _, t := range texts[from : i+1] {
			j.cover.upTo[t.Talk] = t.Seq
		}
		j.add(b)
		b, from, made = newBuilder(j.hash, j.size), i+1, true
	}
	if !made {
		return false, nil
	}
	return true, j.save()
}

// written is how long some texts are together, in bytes.
func written(texts []Text) int {
	n := 0
	for _, t := range texts {
		n += len(t.Content)
	}
	return n
}

// add stores a new segment, unless there is nothing in it.
func (j *job) add(b *builder) {
	if len(b.entries) > 0 {
		j.put = append(j.put, b.segment(j.head.Next))
		j.head.Next++
	}
}

// mend brings the segments of messages up to date that were edited or deleted. It reports whether
// there were any.
func (j *job) mend() (bool, error) {
	texts, upTo, err := j.store.SearchChanged(j.ctx, j.owner, j.cover.seen, textsAtOnce)
	if err != nil {
		return false, err
	}
	j.cover.seen = max(j.cover.seen, upTo)
	lists := map[int64]*parts{}
	stray := newBuilder(j.hash, j.size)
	for _, t := range texts {
		if t.Seq > j.cover.upTo[t.Talk] {
			continue // its segment is still to be made
		}
		found, err := j.spoil(t, lists)
		if err != nil {
			return false, err
		}
		if !found {
			stray.add(t)
		}
	}
	for _, number := range spoilt(lists) {
		if err := j.remake(number, lists[number].refs); err != nil {
			return false, err
		}
	}
	j.add(stray)
	if len(texts) == 0 {
		return false, nil
	}
	return true, j.save()
}

// Parts are what a segment is of.
type parts struct {
	list   []byte
	refs   []Ref
	spoilt bool // it is out of date
}

// spoil marks the segments that say something else of a message than is true now. It reports
// whether any segment is of the message.
func (j *job) spoil(t Text, lists map[int64]*parts) (found bool, err error) {
	numbers, err := j.store.SegmentsAt(j.ctx, j.owner, t.Seq)
	if err != nil {
		return false, err
	}
	if err := j.load(numbers, lists); err != nil {
		return false, err
	}
	var marks []uint16
	if !t.Gone {
		marks = marksOf(j.hash.tokens(t.Content))
	}
	for _, n := range numbers {
		p := lists[n]
		if p == nil {
			continue
		}
		if err := readList(p.list, func(i item) {
			if i.ID == t.ID {
				found = true
				p.spoilt = p.spoilt || t.Gone || !i.equal(marks)
			}
		}); err != nil {
			return false, ErrUnreadable
		}
	}
	return found, nil
}

// load reads the lists of segments that were not read yet.
func (j *job) load(numbers []int64, lists map[int64]*parts) error {
	missing := slices.DeleteFunc(slices.Clone(numbers), func(n int64) bool { return lists[n] != nil })
	for some := range slices.Chunk(missing, listsAtOnce) {
		read, err := j.store.SegmentLists(j.ctx, j.owner, some)
		if err != nil {
			return err
		}
		for _, s := range read {
			p := &parts{list: s.List}
			if err := readList(s.List, func(i item) { p.refs = append(p.refs, i.Ref) }); err != nil {
				return ErrUnreadable
			}
			lists[s.Number] = p
		}
	}
	return nil
}

func spoilt(lists map[int64]*parts) []int64 {
	var numbers []int64
	for n, p := range lists {
		if p.spoilt {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// remake makes a segment anew of the messages that it is of, as they are now.
func (j *job) remake(number int64, refs []Ref) error {
	texts, err := j.store.SearchTexts(j.ctx, j.owner, refs)
	if err != nil {
		return err
	}
	b := newBuilder(j.hash, j.size)
	for _, t := range texts {
		b.add(t)
	}
	if len(b.entries) == 0 {
		j.drop = append(j.drop, number)
		return nil
	}
	j.put = append(j.put, b.segment(number))
	return nil
}

// A builder gathers what a segment says.
type builder struct {
	hash    *hasher
	size    int // in messages, where the segment ends
	filter  filter
	entries []entry
	taken   int // messages, also those of which nothing is said
	listed  int // about the size of the list, in bytes
}

func newBuilder(h *hasher, size int) *builder {
	return &builder{hash: h, size: size, filter: newFilter()}
}

func (b *builder) add(t Text) {
	b.taken++
	if t.Gone {
		return
	}
	tokens := b.hash.tokens(t.Content)
	for _, k := range tokens {
		b.filter.add(k)
	}
	b.entries = append(b.entries, entry{t.Ref, marksOf(tokens)})
	b.listed += id.Size + 8 + 2*len(tokens)
}

func marksOf(ts []token) []uint16 {
	marks := make([]uint16, len(ts))
	for i, t := range ts {
		marks[i] = markOf(t)
	}
	return marks
}

// full reports whether the segment ends here.
func (b *builder) full() bool {
	return b.taken >= b.size || b.listed >= maxListed || b.filter.full()
}

// segment is what was gathered; there must be something.
func (b *builder) segment(number int64) Segment {
	slices.SortFunc(b.entries, func(x, y entry) int { return cmp.Compare(x.Seq, y.Seq) })
	return Segment{
		Number: number, First: b.entries[0].Seq, Last: b.entries[len(b.entries)-1].Seq, Messages: len(b.entries),
		Filter: b.filter, List: encodeList(b.entries),
	}
}
