package message_test

import (
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// A pane is a device that shows the groups of its owner: it loaded them once, and was told since
// by sync or, where it recovers, by what it missed.
type pane struct {
	owner  id.User
	syncs  bool
	since  string // of sync
	at     wire.Offset
	partly bool // at is the offset of an event
	view   map[id.Group]map[id.Message]string
	told   map[id.Message]bool                 // as new
	reads  map[id.Group]map[id.User]id.Message // how far others have read, and the owner
}

// shown loads what somebody sees of a group, as text by message, and holds the receipts to the
// model.
func (r *crowd) shown(c *circle, u id.User) map[id.Message]string {
	r.Helper()
	page, err := r.w.GroupThread(r.ctx, auth.Identity{User: u}, c.id, wire.ListQuery{Limit: 100})
	if err != nil {
		r.Fatal(err)
	}
	d := &pane{view: map[id.Group]map[id.Message]string{c.id: {}}}
	for _, m := range page.Items {
		d.put(m)
		place := 1 + slices.IndexFunc(c.messages, func(w *utterance) bool { return w.id == m.ID })
		if read, got := c.readers(place); m.ReadCount != read || m.DeliveredCount != got || len(m.ReadBy) != read || len(m.DeliveredTo) != got {
			r.Fatalf("message %d is read by %d and has reached %d, want %d and %d", place, m.ReadCount, m.DeliveredCount, read, got)
		}
	}
	return d.view[c.id]
}

// load is what a client does that begins anew.
func (r *crowd) load(d *pane) {
	r.Helper()
	s, err := r.w.Sync(r.ctx, auth.Identity{User: d.owner}, "0")
	if err != nil {
		r.Fatal(err)
	}
	d.since, d.at, d.partly = s.Seq.String(), s.Seq, false
	d.view, d.told, d.reads = map[id.Group]map[id.Message]string{}, map[id.Message]bool{}, map[id.Group]map[id.User]id.Message{}
	for _, c := range r.circles {
		if c.member(d.owner) != nil {
			r.enter(d, c)
		}
	}
}

// enter loads one group.
func (r *crowd) enter(d *pane, c *circle) {
	r.Helper()
	d.view[c.id], d.reads[c.id] = r.shown(c, d.owner), map[id.User]id.Message{}
	for _, m := range c.members {
		d.reads[c.id][m.user] = c.at(m.read)
	}
}

// update brings a device up to date. Where it is cut, it hears only the beginning.
func (r *crowd) update(d *pane, cut bool) {
	r.Helper()
	if d.syncs {
		r.sync(d)
	} else if !r.recover(d, cut) {
		return
	}
	r.compare(d)
}

func (r *crowd) sync(d *pane) {
	r.Helper()
	s, err := r.w.Sync(r.ctx, auth.Identity{User: d.owner}, d.since)
	if err != nil {
		r.Fatal(err)
	}
	if s.Reload {
		r.Fatalf("a reload is due after so little")
	}
	d.since = s.Seq.String()
	for _, g := range s.GroupsLeft {
		delete(d.view, g)
	}
	for _, m := range slices.Concat(s.Messages, s.Changed) {
		d.put(m)
	}
	for _, g := range s.Deleted {
		d.forget(g.GroupChatID, g.MessageID, g.DeleteForAll)
	}
	for _, p := range s.GroupReads {
		r.moved(d, p)
	}
	for _, row := range s.Groups {
		if d.view[row.ID] == nil {
			r.enter(d, r.circle(row.ID))
		} else if row.LastReadMessageID != nil {
			d.reads[row.ID][d.owner] = *row.LastReadMessageID
		}
	}
}

func (r *crowd) circle(g id.Group) *circle {
	return r.circles[slices.IndexFunc(r.circles, func(c *circle) bool { return c.id == g })]
}

// recover tells a device what it missed, and reports whether it has heard everything.
func (r *crowd) recover(d *pane, cut bool) bool {
	r.Helper()
	events, upTo, ok, err := r.w.Missed(r.ctx, auth.Identity{User: d.owner}, d.at, d.partly)
	if err != nil {
		r.Fatal(err)
	}
	if !ok {
		r.load(d)
		return true
	}
	if cut {
		events = events[:rapid.IntRange(0, len(events)).Draw(r.T, "events that come through")]
	}
	for _, o := range events {
		if o.Seq > upTo.Seq || o.Seq < d.at.Seq || o.Seq == d.at.Seq && !d.partly {
			r.Fatalf("%s at %d, between %v and %v", o.Name, o.Seq, d.at, upTo)
		}
		if anew := r.hear(d, o); anew {
			return true
		}
		d.at.Seq, d.partly = o.Seq, true
	}
	return !cut
}

// hear does what a client does with an event, and reports whether that was to begin anew.
func (r *crowd) hear(d *pane, o wire.Outgoing) (anew bool) {
	r.Helper()
	switch p := o.Payload.(type) {
	case wire.Message:
		if o.Name == wire.GroupMessageNew.Name() {
			if _, shown := d.view[*p.GroupChat][p.ID]; shown || d.told[p.ID] {
				r.Fatalf("%s of %s came twice", o.Name, p.ID)
			}
			d.told[p.ID] = true
		}
		d.put(p)
	case wire.GroupMessageDeleted:
		d.forget(p.GroupChatID, p.MessageID, p.DeleteForAll)
	case wire.GroupMessageRead:
		r.moved(d, p)
	case wire.MessageRead:
		if !p.MessageID.IsZero() && d.view[p.GroupChatID] != nil {
			d.reads[p.GroupChatID][d.owner] = p.MessageID
		}
	case wire.MessageDelivered:
		if w := r.utterance(p.MessageID); w.from != d.owner || p.UserID == d.owner {
			r.Fatalf("%s was told that a message of %s has reached %s", d.owner, w.from, p.UserID)
		}
	case wire.GroupCard:
		if d.view[p.GroupChatID] == nil {
			r.load(d)
			return true
		}
	case wire.GroupRemoved:
		delete(d.view, p.GroupChatID)
	default:
		r.Fatalf("%s carries a %T", o.Name, p)
	}
	return false
}

func (r *crowd) utterance(of id.Message) *utterance {
	for _, c := range r.circles {
		for _, w := range c.messages {
			if w.id == of {
				return w
			}
		}
	}
	return &utterance{}
}

func (d *pane) put(m wire.Message) {
	if thread := d.view[*m.GroupChat]; thread != nil {
		thread[m.ID] = likedText(shownText(m.Content, m.IsDeleted), len(m.Reactions))
	}
}

func (d *pane) forget(g id.Group, m id.Message, forAll bool) {
	thread := d.view[g]
	if _, shown := thread[m]; shown && forAll {
		thread[m] = likedText(shownText("", true), 0)
	} else {
		delete(thread, m)
	}
}

// moved notes how far somebody has read, who has read something.
func (r *crowd) moved(d *pane, p wire.GroupMessageRead) {
	r.Helper()
	if m := r.circle(p.GroupChatID).member(p.UserID); m != nil && !m.hasRead {
		r.Fatalf("%s was told that %s has read up to %s, who came later", d.owner, p.UserID, p.MessageID)
	}
	if d.view[p.GroupChatID] != nil {
		d.reads[p.GroupChatID][p.UserID] = p.MessageID
	}
}

// compare holds what a device shows against the model, except for what was deleted for all
// before the device heard of it: a load shows that something was there.
func (r *crowd) compare(d *pane) {
	r.Helper()
	for _, c := range r.circles {
		if c.member(d.owner) == nil {
			if d.view[c.id] != nil {
				r.Fatalf("a device of %s shows group %s, which they are not in", d.owner, c.id)
			}
			_, err := r.w.GroupThread(r.ctx, auth.Identity{User: d.owner}, c.id, wire.ListQuery{Limit: 1})
			r.expect("thread", err, c.outside(d.owner))
			continue
		}
		want := c.thread(d.owner)
		if diff := cmp.Diff(want, r.shown(c, d.owner), cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("the thread of %s (-want +got):\n%s", d.owner, diff)
		}
		for m, text := range want {
			if _, shown := d.view[c.id][m]; !shown && text == likedText(shownText("", true), 0) {
				delete(want, m)
			}
		}
		if diff := cmp.Diff(want, d.view[c.id], cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("a device of %s, by sync %v, shows (-want +got):\n%s", d.owner, d.syncs, diff)
		}
		for _, m := range c.members {
			if got, want := d.reads[c.id][m.user], c.at(m.read); (m.hasRead || m.user == d.owner) && got != want {
				r.Fatalf("a device of %s, by sync %v, says that %s has read up to %s, want %s", d.owner, d.syncs, m.user, got, want)
			}
		}
	}
}
