package testkit

import (
	"cmp"
	"slices"

	"pryde/internal/order"
)

func (r *reader) numbers() {
	first := map[order.Seq]string{}
	for _, t := range r.talks {
		for _, m := range r.stored[t] {
			other, taken := first[m.Seq]
			if taken && other != m.Message && m.Seq != 0 {
				r.report(RuleNumbers, "%s and %s have the number %d", other, m.Message, m.Seq)
			}
			first[m.Seq] = m.Message
		}
	}
}

// lists compares every row of a list with the thread that it stands for. A message of which
// nobody has said that it was read counts as unread.
func (r *reader) lists() {
	marked := map[[2]string]place{}
	for i := range r.entries {
		switch e := &r.entries[i]; e.Kind {
		case Marked:
			k := [2]string{e.User, cmp.Or(e.Group, e.Peer)}
			if at, stored := r.places[e.Message]; stored && at.index >= marked[k].index {
				marked[k] = at
			}
		case Listed:
			r.list(e, marked)
		}
	}
}

func (r *reader) list(e *Entry, marked map[[2]string]place) {
	rows := map[string]Row{}
	for _, row := range e.Rows {
		rows[row.Peer] = row
	}
	for _, t := range r.talks {
		items := r.stored[t]
		if !slices.Contains(r.people(t), e.User) || len(items) == 0 {
			continue
		}
		peer := cmp.Or(t.group, t.low)
		if peer == e.User {
			peer = t.high
		}
		row := rows[peer]
		if last := items[len(items)-1].Message; row.Last != last {
			r.report(RuleUnread, "%s finds %q as the newest message with %s, which is %s", e.User, row.Last, peer, last)
		}
		read := -1
		if at, stored := r.places[row.Read]; stored && at.talk == t {
			read = at.index
		}
		if at, some := marked[[2]string{e.User, peer}]; some && at.index > read {
			r.report(RuleUnread, "%s has read up to %s of %s, and the list says up to %q", e.User, at.item.Message, peer, row.Read)
		}
		unread := 0
		for _, m := range items[read+1:] {
			if m.Sender != e.User {
				unread++
			}
		}
		if row.Unread != unread {
			r.report(RuleUnread, "%s finds %d messages of %s unread, and there are %d", e.User, row.Unread, peer, unread)
		}
	}
}
