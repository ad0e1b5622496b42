package search

import (
	"context"
	"slices"

	"pryde/internal/id"
	"pryde/internal/order"
)

// How much a search reads at a time. What it holds in memory is of that size.
const (
	textsAtOnce   = 256
	checkedAtOnce = 64 // texts that a segment points to
	firstFilters  = 32 // what is written often is found in the newest segments
	filtersAtOnce = 256
	listsAtOnce   = 16
)

// A look is one search.
type look struct {
	ctx   context.Context
	store Store
	owner id.User
	want  wanted
	end   Ref // what is asked for comes before it
	limit int
	over  func() bool // it has taken too long

	hits   []Ref // newest first
	looked map[id.Message]bool
	missed order.Seq // before this place not everything was looked at
	behind bool      // the index should be brought up to date
}

// run finds at least one message more than the limit, if there are so many.
func (l *look) run() error {
	// The head is read first: what is put into a segment meanwhile is found twice, not missed.
	head, err := l.store.SearchHead(l.ctx, l.owner)
	if err != nil {
		return err
	}
	c, err := decodeCover(head)
	if err != nil {
		return ErrUnreadable
	}
	talks, more, err := l.store.SearchTalks(l.ctx, l.owner, maxTalks)
	if err != nil {
		return err
	}
	if more {
		l.miss(maxNumber)
	}
	l.behind = !c.known
	if err := l.readRest(c.rest(talks, l.end)); err != nil || !c.known {
		return err
	}
	if err := l.readChanged(c); err != nil {
		return err
	}
	return l.readSegments()
}

// found is the answer.
func (l *look) found() Found {
	f := Found{Complete: l.missed == 0 || l.enough(l.missed-1)}
	for _, h := range l.hits[:min(len(l.hits), l.limit)] {
		f.IDs = append(f.IDs, h.ID)
	}
	if len(l.hits) > l.limit {
		f.Next = f.IDs[l.limit-1]
	}
	return f
}

// miss notes that not everything was looked at before a place.
func (l *look) miss(before order.Seq) { l.missed = max(l.missed, before) }

// enough reports whether there are more hits than were asked for behind a place.
func (l *look) enough(behind order.Seq) bool {
	return len(l.hits) > l.limit && l.hits[l.limit].Seq > behind
}

// take looks at texts, at each message once.
func (l *look) take(texts []Text) {
	for _, t := range texts {
		if l.looked[t.ID] {
			continue
		}
		l.looked[t.ID] = true
		if !t.Gone && t.Compare(l.end) < 0 && l.want.in(t.Content) {
			l.hits = append(l.hits, t.Ref)
		}
	}
	slices.SortFunc(l.hits, newestFirst)
}

func newestFirst(a, b Ref) int { return b.Compare(a) }

// readRest looks at what no segment covers, newest first.
func (l *look) readRest(rest []Stretch) error {
	for n := 0; len(rest) > 0; {
		texts, err := l.store.SearchMessages(l.ctx, l.owner, rest, true, textsAtOnce)
		if err != nil {
			return err
		}
		l.take(texts)
		if n += len(texts); n >= segmentSize {
			l.behind = true
		}
		if len(texts) < textsAtOnce {
			return nil
		}
		at := texts[len(texts)-1].Ref
		if l.enough(at.Seq) {
			return nil
		}
		if l.over() {
			l.miss(at.Seq + 1)
			return nil
		}
		rest = cut(rest, at)
	}
	return nil
}

// cut leaves of stretches what comes before a message.
func cut(rest []Stretch, at Ref) []Stretch {
	left := rest[:0]
	for _, s := range rest {
		if s.Before = min(s.Before, at.end(s.Talk)); s.After < s.Before-1 {
			left = append(left, s)
		}
	}
	return left
}

// readChanged looks at what was changed since the segments were made.
func (l *look) readChanged(c cover) error {
	texts, _, err := l.store.SearchChanged(l.ctx, l.owner, c.seen, maxChanged+1)
	if err != nil {
		return err
	}
	if len(texts) > maxChanged {
		l.miss(maxNumber)
	}
	l.behind = l.behind || len(texts) > maxChanged/8
	l.take(texts)
	return nil
}

// readSegments looks where the segments say, until there are hits enough or no more segments.
func (l *look) readSegments() error {
	var waiting []Ref // messages that may hold what is wanted
	for last, more, n := (Segment{}), true, firstFilters; more; n = filtersAtOnce {
		filters, err := l.store.SegmentFilters(l.ctx, l.owner, last, n)
		if err != nil {
			return err
		}
		if more = len(filters) == n; more {
			last = filters[n-1]
		}
		for some := range slices.Chunk(l.mayHold(filters), listsAtOnce) {
			refs, err := l.readLists(some)
			if err != nil {
				return err
			}
			waiting = append(waiting, refs...)
			slices.SortFunc(waiting, newestFirst)
			// The segments that follow have nothing behind the end of the last of these.
			if waiting, err = l.check(waiting, some[len(some)-1].Last); err != nil {
				return err
			}
			if l.enough(some[len(some)-1].Last) {
				return nil
			}
		}
		if more && l.over() {
			l.miss(last.Last + 1)
			break
		}
	}
	_, err := l.check(waiting, 0)
	return err
}

// mayHold leaves out the segments in which there is nothing to be found.
func (l *look) mayHold(filters []Segment) []Segment {
	return slices.DeleteFunc(filters, func(s Segment) bool {
		return s.First > l.end.Seq || !filter(s.Filter).hasAll(l.want.tokens)
	})
}

// readLists returns which messages of some segments may hold what is wanted.
func (l *look) readLists(of []Segment) ([]Ref, error) {
	marks := make([]uint16, len(l.want.tokens))
	for i, t := range l.want.tokens {
		marks[i] = markOf(t)
	}
	numbers := make([]int64, len(of))
	for i, s := range of {
		numbers[i] = s.Number
	}
	lists, err := l.store.SegmentLists(l.ctx, l.owner, numbers)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for _, s := range lists {
		err := readList(s.List, func(i item) {
			if i.Compare(l.end) < 0 && !l.looked[i.ID] && i.hasAll(marks) {
				refs = append(refs, i.Ref)
			}
		})
		if err != nil {
			return nil, ErrUnreadable
		}
	}
	return refs, nil
}

// check looks at the texts of messages behind a place, newest first, until there are hits enough,
// and returns the messages that it did not come to.
func (l *look) check(waiting []Ref, behind order.Seq) ([]Ref, error) {
	for len(waiting) > 0 && waiting[0].Seq > behind && !l.enough(max(behind, waiting[0].Seq)) {
		if l.over() {
			l.miss(waiting[0].Seq + 1)
			return nil, nil
		}
		n := 1
		for n < min(len(waiting), checkedAtOnce) && waiting[n].Seq > behind {
			n++
		}
		texts, err := l.store.SearchTexts(l.ctx, l.owner, waiting[:n])
		if err != nil {
			return nil, err
		}
		l.take(texts)
		waiting = waiting[n:]
	}
	return waiting, nil
}
