package journalstore

import (
	"slices"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

const (
	// knownFor is how long a group counts as it was when the database was last asked about it.
	// What is known of people and blocks lasts as long.
	knownFor = 5 * time.Minute
	// maxKnown bounds how many members the groups have together that are known.
	maxKnown = 200_000
)

// A directory knows groups as they were read. Every change of a group goes through the store: it
// is forgotten when one begins, and what was read before one has ended is not remembered. The
// store's mutex guards it.
type directory struct {
	groups   map[id.Group]*acquaintance
	members  int // of the groups
	changing map[id.Group]int
	ended    int // how many changes have ended
}

// An acquaintance is a group and when the database was last asked about it.
type acquaintance struct {
	message.Group
	asked time.Time
}

func newDirectory() *directory {
	return &directory{groups: map[id.Group]*acquaintance{}, changing: map[id.Group]int{}}
}

// group returns a group that is known.
func (d *directory) group(g id.Group) (message.Group, bool) {
	a := d.groups[g]
	if a == nil || time.Since(a.asked) > knownFor {
		return message.Group{}, false
	}
	found := a.Group
	found.Members = slices.Clone(a.Members) // the caller may change them
	return found, true
}

// excludes reports whether somebody is known not to be in a group.
func (d *directory) excludes(g id.Group, u id.User) bool {
	a := d.groups[g]
	if a == nil || time.Since(a.asked) > knownFor {
		return false
	}
	_, in := a.Member(u)
	return !in
}

// admits returns why a draft to a group may not be journaled although its sender was in the group
// when so many changes had ended: they are not any more, or nobody can tell.
func (d *directory) admits(m message.Draft, ended int) error {
	switch {
	case m.Group.IsZero():
		return nil
	case d.changing[m.Group] > 0, d.groups[m.Group] == nil && d.ended != ended:
		return errAway
	case d.excludes(m.Group, m.Sender):
		return message.ErrNotMember
	}
	return nil
}

// remember takes over a group that was read when so many changes had ended.
func (d *directory) remember(g message.Group, ended int) {
	if d.changing[g.ID] > 0 || d.ended != ended {
		return
	}
	d.forget(g.ID)
	for other := range d.groups {
		if d.members+len(g.Members) <= maxKnown {
			break
		}
		d.forget(other)
	}
	g.Members = slices.Clone(g.Members)
	d.groups[g.ID] = &acquaintance{g, time.Now()}
	d.members += len(g.Members)
}

// confirm notes that the database has just taken a message to a group: as nobody else changes it,
// it is as it is known.
func (d *directory) confirm(g id.Group) {
	if a := d.groups[g]; a != nil {
		a.asked = time.Now()
	}
}

func (d *directory) forget(g id.Group) {
	if a := d.groups[g]; a != nil {
		d.members -= len(a.Members)
		delete(d.groups, g)
	}
}

// begin begins a change of a group, and end ends it. Where no other has ended between the two, the
// number that begin returns is one less than the number of those that have.
func (d *directory) begin(g id.Group) (ended int) {
	d.forget(g)
	d.changing[g]++
	return d.ended
}

func (d *directory) end(g id.Group) {
	d.ended++
	if d.changing[g]--; d.changing[g] == 0 {
		delete(d.changing, g)
	}
}
