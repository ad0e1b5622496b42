package journalstore

import (
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

func groupOf(n byte, members int) message.Group {
	g := message.Group{ID: id.Group{n}}
	for i := range members {
		g.Members = append(g.Members, message.Member{User: id.User{byte(i), byte(i >> 8), byte(i >> 16)}})
	}
	return g
}

func TestAGroupIsKnownForAWhile(t *testing.T) {
	d := newDirectory()
	g := groupOf(1, 2)
	in, out := g.Members[0].User, id.User{9}
	d.remember(g, 0)

	if got, found := d.group(g.ID); !found || len(got.Members) != 2 || d.excludes(g.ID, in) || !d.excludes(g.ID, out) {
		t.Errorf("the group is known: %v, %+v", found, got)
	}
	d.groups[g.ID].asked = time.Now().Add(-knownFor - time.Second)
	if _, found := d.group(g.ID); found || d.excludes(g.ID, out) {
		t.Error("the group is believed for longer than it may be")
	}
	d.confirm(g.ID)
	if _, found := d.group(g.ID); !found {
		t.Error("the group is not known although the database was just asked")
	}
}

func TestAGroupThatChangesIsNotKnown(t *testing.T) {
	d := newDirectory()
	g := groupOf(1, 2)
	d.remember(g, 0)

	began := d.begin(g.ID)
	if _, found := d.group(g.ID); found {
		t.Error("the group is known while it changes")
	}
	d.remember(g, began) // read by somebody else meanwhile
	d.end(g.ID)
	d.remember(g, began) // read before the change ended
	if _, found := d.group(g.ID); found {
		t.Error("what was read before the change ended is remembered")
	}
	after := groupOf(1, 1)
	d.remember(after, began+1)
	if got, found := d.group(g.ID); !found || len(got.Members) != 1 {
		t.Errorf("the group after the change is known: %v, %+v", found, got)
	}
}

func TestWhatIsKnownIsBounded(t *testing.T) {
	d := newDirectory()
	const members = maxKnown / 4
	for n := range byte(9) {
		d.remember(groupOf(n, members), 0)
		d.remember(groupOf(n, members), 0)
	}

	if len(d.groups) != 4 || d.members != 4*members {
		t.Errorf("%d groups with %d members are known, want 4 with %d", len(d.groups), d.members, 4*members)
	}
}
