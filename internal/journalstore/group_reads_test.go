package journalstore_test

import (
	"errors"
	"fmt"
	"testing"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/testkit/mongod"
)

// groupsOf is the list of somebody's groups, read in pages.
func (h *house) groupsOf(u id.User, limit int) []string {
	h.t.Helper()
	var names []string
	var before id.Group
	for {
		p, err := h.Seats(h.t.Context(), u, before, limit)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, s := range p.Items {
			names = append(names, s.Group.Name)
			before = s.Group.ID
		}
		if !p.More || len(p.Items) == 0 || len(names) > 20 {
			return names
		}
	}
}

// A group stays where its newest message put it, also for who has cleared it.
func TestPagesOfGroupsLoseNothingBehindAClearedOne(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	var groups []message.Group
	for i := range 5 {
		groups = append(groups, h.newGroup(1+i, alice, bob))
	}
	for i, g := range groups {
		h.send(toGroup(1+i, alice, g, "stored"))
	}
	if err := h.ClearGroup(t.Context(), groups[3].ID, bob); err != nil {
		t.Fatal(err)
	}
	h.inner.away(true)
	h.send(toGroup(10, alice, groups[1], "waits"))

	for limit := 1; limit <= 6; limit++ {
		same(t, fmt.Sprintf("the list in pages of %d", limit), h.groupsOf(bob, limit), []string{"group 2", "group 5", "group 4", "group 3", "group 1"})
	}
	if _, err := h.Seats(t.Context(), bob, groupID(9), 5); !errors.Is(err, message.ErrNoGroup) {
		t.Errorf("Seats before a group that is not there: %v, want ErrNoGroup", err)
	}
}

// What is put aside may be older than what is stored.
func TestPagesOfGroupsLoseNothingBehindWhatIsPutAside(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		aside, cleared []int // the groups
		want           []string
	}{
		"and a cleared one": {[]int{2}, []int{4}, []string{"group 2", "group 4", "group 3", "group 1"}},
		"at two places":     {[]int{1, 3}, nil, []string{"group 6", "group 5", "group 4", "group 3", "group 2", "group 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := calmHouse(t, mongod.Emptied(t))
			var groups []message.Group
			for i := range c.want {
				groups = append(groups, h.newGroup(1+i, alice, bob))
			}
			h.inner.away(true)
			for i, g := range groups {
				h.send(toGroup(1+i, alice, g, "x"))
			}
			h.inner.refuse = func(w message.Waiting) error {
				for _, n := range c.aside {
					if w.ID == messageID(n) {
						return errors.New("it does not fit")
					}
				}
				return nil
			}
			h.inner.away(false)
			if err := h.Drained(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, n := range c.cleared {
				if err := h.ClearGroup(t.Context(), groupID(n), bob); err != nil {
					t.Fatal(err)
				}
			}

			for limit := 1; limit <= len(groups)+1; limit++ {
				same(t, fmt.Sprintf("the list in pages of %d", limit), h.groupsOf(bob, limit), c.want)
			}
		})
	}
}

// A group that changes at every read is told as of the number up to which everything is.
func TestChangesTellOfNoYoungerChangeOfAGroup(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	var groups []message.Group
	for i := range 6 {
		groups = append(groups, h.newGroup(1+i, alice, bob))
	}
	after := groups[len(groups)-1].Changed
	h.inner.away(true)
	for i, g := range groups {
		h.send(toGroup(1+i, alice, g, "waits"))
	}
	reads := 0
	h.inner.told = func() {
		_, _, err := h.inner.Store.ChangeGroup(t.Context(), groups[reads].ID, alice, start, func(g *message.Group) error {
			g.Name += " renamed"
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		reads++
	}

	c, err := h.Since(t.Context(), bob, after, 100)

	if err != nil || len(c.Groups) != len(groups) || reads != 4 {
		t.Fatalf("after %d reads: %d groups, error %v", reads, len(c.Groups), err)
	}
	for _, s := range c.Groups {
		if s.Changed > c.Seq || s.Group.Changed > c.Seq {
			t.Errorf("up to %d it tells of %s, that changed at %d, itself at %d", c.Seq, s.Group.Name, s.Changed, s.Group.Changed)
		}
	}
}

// Some is asked for a part of what waits, and for what is stored while something waits.
func TestSomeOfWhatWaits(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	g := h.newGroup(1, alice, bob)
	stored := []message.Message{h.send(draft(1, alice, bob, "stored")), h.send(toGroup(2, alice, g, "stored"))}
	h.inner.away(true)
	h.send(draft(3, alice, bob, "waits"))
	waits := []message.Message{h.send(draft(4, alice, bob, "asked")), h.send(toGroup(5, alice, g, "asked"))}
	h.send(toGroup(6, alice, g, "waits"))

	for i, c := range []message.Conversation{message.Between(alice, bob), message.InGroup(g.ID)} {
		for _, of := range [][]message.Message{{waits[i]}, {stored[i]}, {stored[i], waits[i]}} {
			var asked []id.Message
			for _, m := range of {
				asked = append(asked, m.ID)
			}
			found, err := h.Some(t.Context(), c, bob, asked)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "what is found", found, of)
		}
	}
}
