package testkit

import (
	"cmp"
	"fmt"
	"slices"

	"pryde/internal/order"
)

// A Rule names a promise of the server.
type Rule string

// The promises that Check knows.
const (
	RuleLost      Rule = "lost"       // what is acknowledged is stored
	RuleTwice     Rule = "twice"      // one attempt is stored once
	RuleAnswers   Rule = "answers"    // every acknowledgement of an attempt names the same message, and calls only a repeat a repeat
	RuleMixed     Rule = "mixed"      // a message has the people, text and number everywhere that it has in its thread, and somebody sent it
	RuleSentOrder Rule = "sent-order" // what one socket sends is stored in the order in which it was sent
	RuleSeqGrows  Rule = "seq-grows"  // the offsets that one socket sees grow
	RuleLiveOrder Rule = "live-order" // a socket sees the messages of a conversation in the order in which they are stored
	RuleGhost     Rule = "ghost"      // what is seen is stored
	RuleSync      Rule = "sync"       // a sync brings each missed message once, in order, and no other
	RuleGap       Rule = "gap"        // once in step, a socket misses nothing as long as it lives
	RuleThread    Rule = "thread"     // a thread is in the order of seq, its clock never runs backwards, everybody in it reads the same
	RuleNumbers   Rule = "numbers"    // no two messages have one number
	RuleUnread    Rule = "unread"     // a list shows the newest message of each conversation, and counts what is not read; what was read stays read
	RuleLockedOut Rule = "locked-out" // an account that was acknowledged stays
)

// A Violation is a promise that a history shows broken.
type Violation struct {
	Rule Rule
	Text string
}

func (v Violation) String() string { return string(v.Rule) + ": " + v.Text }

// Check judges a history that ends with every thread read (Stored): a message that was
// acknowledged in a conversation that nobody read counts as lost. It returns the broken
// promises in a fixed order, nil where all are kept.
func Check(h *History) []Violation {
	r := reading(h.Entries())
	r.accounts()
	r.threads()
	r.numbers()
	r.lists()
	r.lost()
	r.twice()
	r.answers()
	r.mixed()
	r.ghosts()
	r.sentOrder()
	r.live()
	r.syncs()
	r.gaps()
	return r.found
}

// A talk names a conversation: of two people, the lower id first, or that of a group.
type talk struct{ low, high, group string }

func between(a, b string) talk { return talk{low: min(a, b), high: max(a, b)} }

func (t talk) String() string {
	if t.group != "" {
		return "those in " + t.group
	}
	return t.low + " and " + t.high
}

// talk is the conversation that an entry is about.
func (e *Entry) talk() talk {
	if e.Group != "" {
		return talk{group: e.Group}
	}
	return between(e.User, e.Peer)
}

// people are those who take part in a conversation.
func (r *reader) people(t talk) []string {
	switch {
	case t.group != "":
		return r.members[t.group]
	case t.low == t.high:
		return []string{t.low}
	}
	return []string{t.low, t.high}
}

// A socket is one connection of one client.
type socket struct {
	client     string
	connection int
}

func (s socket) String() string { return fmt.Sprintf("socket %d of %s", s.connection, s.client) }

func (e *Entry) socket() socket { return socket{e.Client, e.Connection} }

// A place is where a message stands.
type place struct {
	talk  talk
	index int
	item  Item
}

// A reader is a history as the rules read it, and what they found.
type reader struct {
	entries []Entry
	stored  map[talk][]Item
	talks   []talk           // of stored, sorted
	places  map[string]place // by message
	byTag   map[string]place // the first one with each text
	ofUser  map[string][]Item
	tries   map[string][]int // entries by attempt
	acks    map[string][]int
	refused map[string][]int
	members map[string][]string // of each group
	found   []Violation
}

func (r *reader) report(rule Rule, format string, args ...any) {
	r.found = append(r.found, Violation{rule, fmt.Sprintf(format, args...)})
}

// reading sorts the entries by what the rules ask for. Of a thread that was read more than
// once the first reading counts.
func reading(entries []Entry) *reader {
	r := &reader{
		entries: entries,
		stored:  map[talk][]Item{}, places: map[string]place{}, byTag: map[string]place{}, ofUser: map[string][]Item{},
		tries: map[string][]int{}, acks: map[string][]int{}, refused: map[string][]int{}, members: map[string][]string{},
	}
	for i := range entries {
		switch e := &entries[i]; e.Kind {
		case Tried:
			r.tries[e.Attempt] = append(r.tries[e.Attempt], i)
		case Acked:
			r.acks[e.Attempt] = append(r.acks[e.Attempt], i)
		case Refused:
			r.refused[e.Attempt] = append(r.refused[e.Attempt], i)
		case Stored:
			if t := e.talk(); r.stored[t] == nil {
				r.stored[t] = e.Items
			}
		case Formed:
			r.members[e.Group] = e.Members
		}
	}
	for t := range r.stored {
		r.talks = append(r.talks, t)
	}
	slices.SortFunc(r.talks, func(a, b talk) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.low, b.low), cmp.Compare(a.high, b.high))
	})
	for _, t := range r.talks {
		r.place(t)
	}
	for _, items := range r.ofUser {
		slices.SortStableFunc(items, func(a, b Item) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return r
}

func (r *reader) place(t talk) {
	for i, m := range r.stored[t] {
		if _, again := r.places[m.Message]; again {
			continue
		}
		r.places[m.Message] = place{t, i, m}
		if _, again := r.byTag[m.Tag]; !again {
			r.byTag[m.Tag] = r.places[m.Message]
		}
		for _, u := range r.people(t) {
			r.ofUser[u] = append(r.ofUser[u], m)
		}
	}
}

// sortedKeys makes the order of reports independent of a map's.
func sortedKeys(m map[string][]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (r *reader) accounts() {
	joined := map[string]bool{}
	for _, e := range r.entries {
		switch {
		case e.Kind == Joined:
			joined[e.User] = true
		case e.Kind == LockedOut && joined[e.User]:
			r.report(RuleLockedOut, "%s signed up and was refused later: %s", e.User, e.Note)
		}
	}
}

func (r *reader) threads() {
	for _, t := range r.talks {
		items := r.stored[t]
		for i := 1; i < len(items); i++ {
			if items[i].Seq <= items[i-1].Seq && items[i].Seq != 0 {
				r.report(RuleThread, "between %s, %s (seq %d) stands after %s (seq %d)", t, items[i].Message, items[i].Seq, items[i-1].Message, items[i-1].Seq)
			}
			if items[i].CreatedAt.Before(items[i-1].CreatedAt) {
				r.report(RuleThread, "between %s, %s was created before the message that precedes it", t, items[i].Message)
			}
		}
	}
	for _, e := range r.entries {
		if e.Kind != Stored {
			continue
		}
		t := e.talk()
		if !slices.EqualFunc(e.Items, r.stored[t], func(a, b Item) bool { return a.Message == b.Message }) {
			r.report(RuleThread, "%s reads another thread than the one that was read first between %s", e.User, t)
		}
	}
}

func (r *reader) lost() {
	for _, attempt := range sortedKeys(r.acks) {
		for _, i := range r.acks[attempt] {
			if _, ok := r.places[r.entries[i].Message]; !ok {
				r.report(RuleLost, "attempt %s was acknowledged as %s, which is not stored", attempt, r.entries[i].Message)
				break
			}
		}
	}
}

func (r *reader) twice() {
	byTag := map[string]string{}
	for _, t := range r.talks {
		for _, m := range r.stored[t] {
			if first, again := byTag[m.Tag]; again {
				r.report(RuleTwice, "%q is stored as %s and as %s", m.Tag, first, m.Message)
				continue
			}
			byTag[m.Tag] = m.Message
		}
	}
}

func (r *reader) answers() {
	for _, attempt := range sortedKeys(r.acks) {
		first := r.entries[r.acks[attempt][0]]
		for _, i := range r.acks[attempt][1:] {
			if m := r.entries[i].Message; m != first.Message {
				r.report(RuleAnswers, "attempt %s was acknowledged as %s and as %s", attempt, first.Message, m)
			}
		}
		if first.Duplicate && len(r.tries[attempt]) == 1 {
			r.report(RuleAnswers, "attempt %s was made once and called a repeat", attempt)
		}
	}
}

func (r *reader) mixed() {
	sent := map[string]*Entry{}
	for i := range r.entries {
		if e := &r.entries[i]; e.Kind == Tried {
			sent[e.Tag] = e
		}
	}
	for _, t := range r.talks {
		for _, m := range r.stored[t] {
			if try := sent[m.Tag]; try == nil || try.Sender != m.Sender || try.Recipient != m.Recipient || try.Group != m.Group {
				r.report(RuleMixed, "%s is stored, and nobody sent it so", m.Message)
			}
		}
	}
	for _, attempt := range sortedKeys(r.acks) {
		at, stored := r.places[r.entries[r.acks[attempt][0]].Message]
		if tries := r.tries[attempt]; stored && len(tries) > 0 && r.entries[tries[0]].Tag != at.item.Tag {
			r.report(RuleMixed, "attempt %s was acknowledged with the message of another", attempt)
		}
	}
	r.eachSeen(func(e *Entry, m Item) {
		at, stored := r.places[m.Message]
		if !stored {
			return
		}
		s := at.item
		if m.Tag != s.Tag || m.Sender != s.Sender || m.Recipient != s.Recipient || m.Group != s.Group || m.Seq != 0 && s.Seq != 0 && m.Seq != s.Seq {
			r.report(RuleMixed, "%s is not stored as %s saw it", m.Message, e.Client)
		}
	})
}

// eachSeen calls f with every message that a client was shown, live or by a sync.
func (r *reader) eachSeen(f func(e *Entry, m Item)) {
	for i := range r.entries {
		e := &r.entries[i]
		switch e.Kind {
		case Saw:
			f(e, e.Item)
		case Synced:
			for _, m := range e.Items {
				f(e, m)
			}
		}
	}
}

func (r *reader) ghosts() {
	told := map[string]bool{}
	r.eachSeen(func(e *Entry, m Item) {
		if _, stored := r.places[m.Message]; !stored && !told[m.Message] {
			told[m.Message] = true
			r.report(RuleGhost, "%s was shown %s (seq %d), which is not stored", e.Client, m.Message, m.Seq)
		}
	})
}

// sentOrder looks at what one socket sent within one conversation. Of two attempts A and B,
// sent in this order, B must not stand before A unless A was refused, or B may have come in
// another way: by an earlier try, or one elsewhere that left before B was acknowledged.
func (r *reader) sentOrder() {
	type line struct {
		socket socket
		talk   talk
	}
	furthest := map[line]place{}
	for i := range r.entries {
		e := &r.entries[i]
		at, stored := r.byTag[e.Tag]
		if e.Kind != Tried || e.Connection == 0 || !stored {
			continue
		}
		l := line{e.socket(), at.talk}
		before, some := furthest[l]
		if some && at.index < before.index && i == r.tries[e.Attempt][0] && r.onlyOn(e.Attempt, e.socket()) {
			r.report(RuleSentOrder, "%s sent %q before %q, and they are stored the other way round", e.socket(), before.item.Tag, at.item.Tag)
		}
		if (!some || at.index > before.index) && !r.refusedOn(e.Attempt, e.socket()) {
			furthest[l] = at
		}
	}
}

// onlyOn reports whether every try of an attempt that can have stored it left by this socket.
func (r *reader) onlyOn(attempt string, s socket) bool {
	tries := r.tries[attempt]
	for _, i := range tries {
		if acks := r.acks[attempt]; len(acks) > 0 && i > acks[0] {
			break
		}
		if r.entries[i].socket() != s {
			return false
		}
	}
	return true
}

func (r *reader) refusedOn(attempt string, s socket) bool {
	return slices.ContainsFunc(r.refused[attempt], func(i int) bool { return r.entries[i].socket() == s })
}

// live follows each socket: its offsets grow, and so do the places of what it sees. Events
// without an offset repeat what is known and count for neither.
func (r *reader) live() {
	type line struct {
		socket socket
		talk   talk
	}
	last := map[socket]order.Seq{}
	furthest := map[line]place{}
	for i := range r.entries {
		e := &r.entries[i]
		if e.Kind != Saw || e.Seq == 0 {
			continue
		}
		s := e.socket()
		if e.Seq <= last[s] {
			r.report(RuleSeqGrows, "%s saw seq %d (%s) after seq %d", s, e.Seq, e.Message, last[s])
		}
		last[s] = max(last[s], e.Seq)
		at, stored := r.places[e.Message]
		if !stored {
			continue
		}
		l := line{s, at.talk}
		if before, some := furthest[l]; some && at.index < before.index {
			r.report(RuleLiveOrder, "%s saw %s after %s, and they are stored the other way round", s, e.Message, before.item.Message)
			continue
		}
		furthest[l] = at
	}
}

func (r *reader) syncs() {
	for i := range r.entries {
		e := &r.entries[i]
		if e.Kind != Synced || e.Reload {
			continue
		}
		got := map[string]bool{}
		var last order.Seq
		for _, m := range e.Items {
			switch {
			case got[m.Message]:
				r.report(RuleSync, "%s got %s twice in one answer", e.Client, m.Message)
			case m.Seq <= e.Since || m.Seq > e.Seq:
				r.report(RuleSync, "%s asked for what is after %d up to %d and got %s (seq %d)", e.Client, e.Since, e.Seq, m.Message, m.Seq)
			case m.Seq <= last:
				r.report(RuleSync, "%s got %s (seq %d) after seq %d in one answer", e.Client, m.Message, m.Seq, last)
			}
			got[m.Message] = true
			last = max(last, m.Seq)
		}
		for _, m := range r.after(e.User, e.Since) {
			if m.Seq <= e.Seq && !got[m.Message] {
				r.report(RuleSync, "%s asked for what is after %d up to %d and did not get %s (seq %d)", e.Client, e.Since, e.Seq, m.Message, m.Seq)
			}
		}
	}
}

// after returns the stored messages of a person whose seq is greater, in order.
func (r *reader) after(user string, seq order.Seq) []Item {
	items := r.ofUser[user]
	i, _ := slices.BinarySearchFunc(items, seq+1, func(m Item, s order.Seq) int { return cmp.Compare(m.Seq, s) })
	return items[i:]
}

// A span is what one socket was shown while it lived.
type span struct {
	user        string
	synced      bool
	first, last order.Seq // nothing between them may be missing
	seen        map[string]bool
}

func (s *span) add(e *Entry) {
	switch {
	case e.Kind == Saw:
		if s.first == 0 && !s.synced {
			s.first = e.Seq
		}
		s.seen[e.Message] = true
		s.last = max(s.last, e.Seq)
	case s.synced:
	case e.Kind == Connected:
		s.synced, s.first = true, e.Since
	default:
		s.synced, s.first = true, e.Seq
	}
}

// gaps looks for stored messages that a living socket did not see: between the place from which
// it was told, else the first sync after it connected, else the first event, and the last event
// that it saw.
func (r *reader) gaps() {
	spans := map[socket]*span{}
	var sockets []socket
	for i := range r.entries {
		e := &r.entries[i]
		told := e.Kind == Connected && e.Since > 0
		if e.Kind != Saw && e.Kind != Synced && !told || e.Connection == 0 {
			continue
		}
		s := e.socket()
		if spans[s] == nil {
			spans[s] = &span{user: e.User, seen: map[string]bool{}}
			sockets = append(sockets, s)
		}
		spans[s].add(e)
	}
	for _, k := range sockets {
		s := spans[k]
		for _, m := range r.after(s.user, s.first) {
			if m.Seq < s.last && !s.seen[m.Message] {
				r.report(RuleGap, "%s saw events up to seq %d and not %s (seq %d)", k, s.last, m.Message, m.Seq)
			}
		}
	}
}
