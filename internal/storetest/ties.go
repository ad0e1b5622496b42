package storetest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/people"
	"pryde/internal/wire"
)

// Ties tests who blocks and who follows whom.
func Ties(t *testing.T, open func(*testing.T) Stores) {
	tests := map[string]func(*testing.T, Stores){
		"BlockComesBackAsItWasStored":  testBlock,
		"BlockIsSeenFromBothSides":     testBonds,
		"BlocksChangeTheConversation":  testBlockChanges,
		"BlocksStopWhatIsUnderWay":     testBlockStops,
		"EndOfABlockAsksForAReload":    testUnblockReloads,
		"BlocksKeepPeopleOutOfGroups":  testBlockedGroups,
		"AudienceIsEveryoneAtFirst":    testAudience,
		"FollowingHasADirection":       testFollows,
		"ContactsAreThreadsAndFollows": testContacts,
		"ContactsAreBounded":           testMaxContacts,
		"BlocksOfOnePersonAreBounded":  testMaxBlocks,
		"BlockThatIsNotThereCannotEnd": testNoBlock,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func aBlock(n int, blocker, blocked id.User, reason string) people.Block {
	return people.Block{
		ID: wire.BlockID(messageID(n)), Blocker: blocker, Blocked: blocked, Reason: reason,
		CreatedAt: start.Add(time.Duration(n) * time.Second),
	}
}

func block(t *testing.T, s people.Ties, b people.Block) {
	t.Helper()
	if _, again, err := s.AddBlock(t.Context(), b); err != nil || again {
		t.Fatalf("AddBlock: again %v, error %v; want a new block", again, err)
	}
}

// Whoever asked may write was told so before the block; the store has the last word.
func testBlockStops(t *testing.T, s Stores) {
	d := deskOf(t, s)
	m := d.send(alice, bob, "before")
	block(t, s.Ties, aBlock(1, alice, bob, ""))

	for _, from := range []id.User{alice, bob} {
		_, _, err := s.Messages.Append(t.Context(), d.draft(from, message.Between(alice, bob).Other(from), "after"))
		if fault.Of(err).Kind != fault.KindForbidden {
			t.Errorf("Append of %s: %v, want it forbidden", from, err)
		}
	}
	if _, err := s.Messages.Edit(t.Context(), m.ID, "changed", start); !errors.Is(err, message.ErrBlocked) {
		t.Errorf("Edit: %v, want ErrBlocked", err)
	}
	if _, err := s.Messages.MarkRead(t.Context(), bob, m.ID, start); !errors.Is(err, message.ErrBlocked) {
		t.Errorf("MarkRead: %v, want ErrBlocked", err)
	}
	if _, err := s.Messages.MarkDelivered(t.Context(), bob, m.ID, start); !errors.Is(err, message.ErrBlocked) {
		t.Errorf("MarkDelivered: %v, want ErrBlocked", err)
	}
	for _, remove := range []bool{false, true} {
		_, _, err := s.Messages.React(t.Context(), m.ID, message.Reaction{User: bob, Emoji: "👍", At: start}, remove)
		if !errors.Is(err, message.ErrBlocked) {
			t.Errorf("React, remove %v: %v, want ErrBlocked", remove, err)
		}
	}
	d.send(alice, alice, "a note")
	d.send(alice, carol, "to somebody else")
}

// Nobody is put into a group across a block, whoever set it; who is in it already stays.
func testBlockedGroups(t *testing.T, s Stores) {
	d := deskOf(t, s)
	both := d.newGroup(carol, alice, bob)
	said := d.toGroup(both, alice, "before")
	mine, his := d.newGroup(alice), d.newGroup(bob)
	block(t, s.Ties, aBlock(1, alice, bob, ""))
	before := d.since(carol, 0).Seq

	for creator, other := range map[id.User]id.User{alice: bob, bob: alice} {
		if _, err := s.Groups.CreateGroup(t.Context(), d.groupOf(creator, carol, other)); !errors.Is(err, message.ErrBlocked) {
			t.Errorf("CreateGroup: %v, want ErrBlocked", err)
		}
	}
	for g, other := range map[id.Group]id.User{mine.ID: bob, his.ID: alice} {
		by := message.Between(alice, bob).Other(other)
		_, _, err := s.Groups.ChangeGroup(t.Context(), g, by, start, func(g *message.Group) error {
			g.Name = "changed"
			g.Members = append(g.Members, message.Member{User: other, JoinedAt: start})
			return nil
		})
		if !errors.Is(err, message.ErrBlocked) {
			t.Errorf("ChangeGroup: %v, want ErrBlocked", err)
		}
	}
	same(t, "the groups", []message.Group{d.findGroup(mine.ID), d.findGroup(his.ID)}, []message.Group{mine, his})
	same(t, "the number", d.since(carol, 0).Seq, before)

	d.toGroup(both, alice, "to all")
	d.markRead(bob, said.ID)
	d.react(said.ID, message.Reaction{User: bob, Emoji: "👍", At: start})
	d.change(both, alice, func(g *message.Group) { g.Name = "named" })
	d.change(mine, alice, func(g *message.Group) { enter(g, message.Member{User: carol, JoinedAt: start}) })
	d.change(mine, carol, func(g *message.Group) { enter(g, message.Member{User: bob, JoinedAt: start}) })
}

func testBlock(t *testing.T, s Stores) {
	first, second := aBlock(1, alice, bob, "Grüße ☃"), aBlock(2, alice, carol, "")
	block(t, s.Ties, first)
	block(t, s.Ties, second)
	block(t, s.Ties, aBlock(3, bob, alice, "mutual"))

	repeat, again, err := s.Ties.AddBlock(t.Context(), aBlock(4, alice, bob, "another reason"))

	if err != nil || !again {
		t.Errorf("a repeat reported %v and error %v, want the first block", again, err)
	}
	same(t, "repeat", repeat, first)
	got, err := s.Ties.Blocks(t.Context(), alice)
	if err != nil {
		t.Fatalf("Blocks: %v", err)
	}
	same(t, "blocks", got, []people.Block{second, first})
}

func bonds(t *testing.T, s people.Ties, u id.User) people.Bonds {
	t.Helper()
	b, err := s.Bonds(t.Context(), u)
	if err != nil {
		t.Fatalf("Bonds: %v", err)
	}
	slices.SortFunc(b.Blocks, func(a, b id.User) int { return a.Compare(b) })
	slices.SortFunc(b.BlockedBy, func(a, b id.User) int { return a.Compare(b) })
	return b
}

func testBonds(t *testing.T, s Stores) {
	block(t, s.Ties, aBlock(1, alice, bob, ""))
	block(t, s.Ties, aBlock(2, carol, alice, ""))

	same(t, "blocker's", bonds(t, s.Ties, alice), people.Bonds{Blocks: []id.User{bob}, BlockedBy: []id.User{carol}, Audience: people.Everyone})
	same(t, "blocked person's", bonds(t, s.Ties, bob), people.Bonds{BlockedBy: []id.User{alice}, Audience: people.Everyone})
	if err := s.Ties.RemoveBlock(t.Context(), alice, bob); err != nil {
		t.Fatalf("RemoveBlock: %v", err)
	}
	same(t, "blocker's afterwards", bonds(t, s.Ties, alice), people.Bonds{BlockedBy: []id.User{carol}, Audience: people.Everyone})
	same(t, "stranger's", bonds(t, s.Ties, user(99)), people.Bonds{Audience: people.Everyone})
}

func testBlockChanges(t *testing.T, s Stores) {
	d := deskOf(t, s)
	d.send(alice, bob, "hello")
	elsewhere := d.send(alice, carol, "elsewhere")

	block(t, s.Ties, aBlock(1, alice, bob, ""))

	for _, u := range []id.User{alice, bob} {
		c := d.since(u, elsewhere.Seq)
		if !c.Reload || len(c.Rows) != 1 || c.Rows[0].Changed != elsewhere.Seq+1 || c.Seq != elsewhere.Seq+1 {
			t.Errorf("changes by a block: %+v, want a reload, the one conversation at %d", c, elsewhere.Seq+1)
		}
	}
	same(t, "changes of somebody else", d.since(carol, elsewhere.Seq), message.Changes{Seq: elsewhere.Seq + 1})
	if _, _, err := s.Ties.AddBlock(t.Context(), aBlock(2, alice, bob, "")); err != nil {
		t.Fatalf("AddBlock: %v", err)
	}
	same(t, "changes by a repeat", d.since(alice, elsewhere.Seq+1), message.Changes{Seq: elsewhere.Seq + 1})
}

func testUnblockReloads(t *testing.T, s Stores) {
	d := deskOf(t, s)
	d.send(alice, bob, "hello")
	block(t, s.Ties, aBlock(1, alice, bob, ""))
	before := d.since(bob, 0).Seq

	if err := s.Ties.RemoveBlock(t.Context(), alice, bob); err != nil {
		t.Fatalf("RemoveBlock: %v", err)
	}

	for _, u := range []id.User{alice, bob} {
		if c := d.since(u, before); !c.Reload || len(c.Rows) != 1 || len(c.New)+len(c.Changed)+len(c.Deleted) != 0 {
			t.Errorf("changes by the end of a block: %+v, want a reload", c)
		}
		if c := d.since(u, before+1); c.Reload || len(c.Rows) != 0 {
			t.Errorf("changes after the end of a block: %+v, want none", c)
		}
		if c := d.since(u, 0); c.Reload || len(c.New) != 1 {
			t.Errorf("changes from nothing: %+v, want the message", c)
		}
	}
}

func testAudience(t *testing.T, s Stores) {
	create(t, s.People, account(alice, "Alice", "alice@example.com"))
	create(t, s.People, account(bob, "Bob", "bob@example.com"))
	for _, a := range []people.Audience{people.Followers, people.NoOne, people.NoOne, people.Everyone} {
		if err := s.Ties.SetAudience(t.Context(), alice, a); err != nil {
			t.Fatalf("SetAudience: %v", err)
		}
		same(t, "audience", bonds(t, s.Ties, alice).Audience, a)
		same(t, "somebody else's", bonds(t, s.Ties, bob).Audience, people.Everyone)
	}
}

func testFollows(t *testing.T, s Stores) {
	follows := func(a, b id.User) bool {
		t.Helper()
		yes, err := s.Ties.Follows(t.Context(), a, b)
		if err != nil {
			t.Fatalf("Follows: %v", err)
		}
		return yes
	}
	for i, want := range []bool{true, false} {
		if fresh, err := s.Ties.Follow(t.Context(), alice, bob, start); err != nil || fresh != want {
			t.Errorf("Follow %d reported %v and error %v, want %v", i, fresh, err, want)
		}
	}
	if !follows(alice, bob) || follows(bob, alice) || follows(alice, carol) {
		t.Error("alice follows bob, and nobody follows anybody else")
	}
	for i, want := range []bool{true, false} {
		if ended, err := s.Ties.Unfollow(t.Context(), alice, bob); err != nil || ended != want {
			t.Errorf("Unfollow %d reported %v and error %v, want %v", i, ended, err, want)
		}
	}
	if follows(alice, bob) {
		t.Error("alice follows bob after the end of it")
	}
}

func contacts(t *testing.T, s people.Ties, u id.User, limit int) []id.User {
	t.Helper()
	got, err := s.Contacts(t.Context(), u, limit)
	if err != nil {
		t.Fatalf("Contacts: %v", err)
	}
	slices.SortFunc(got, id.User.Compare)
	return got
}

func follow(t *testing.T, s people.Ties, follower, following id.User) {
	t.Helper()
	if _, err := s.Follow(t.Context(), follower, following, start); err != nil {
		t.Fatalf("Follow: %v", err)
	}
}

func testContacts(t *testing.T, s Stores) {
	d := deskOf(t, s)
	dave, eve := user(4), user(5)
	d.send(alice, alice, "a note")
	d.send(alice, bob, "hello")
	d.send(carol, alice, "hello")
	d.send(bob, carol, "of others")
	follow(t, s.Ties, alice, bob)
	follow(t, s.Ties, bob, alice)
	follow(t, s.Ties, alice, dave)
	follow(t, s.Ties, eve, alice)
	follow(t, s.Ties, dave, eve)

	for u, want := range map[id.User][]id.User{
		alice: {bob, carol, dave, eve}, bob: {alice, carol}, dave: {alice, eve}, user(99): nil,
	} {
		same(t, "contacts", contacts(t, s.Ties, u, 10), want)
	}
	if _, err := s.Ties.Unfollow(t.Context(), alice, dave); err != nil {
		t.Fatalf("Unfollow: %v", err)
	}
	same(t, "contacts after a follow has ended", contacts(t, s.Ties, alice, 10), []id.User{bob, carol, eve})
}

func testMaxContacts(t *testing.T, s Stores) {
	d := deskOf(t, s)
	for i := range 3 {
		d.send(alice, user(10+i), "hello")
		follow(t, s.Ties, alice, user(20+i))
		follow(t, s.Ties, user(30+i), alice)
	}

	for _, limit := range []int{1, 4, 9, 10} {
		got := contacts(t, s.Ties, alice, limit)
		if want := min(limit, 9); len(got) != want || len(slices.Compact(got)) != want {
			t.Errorf("of 9 contacts and at most %d there are %v", limit, got)
		}
	}
}

func testMaxBlocks(t *testing.T, s Stores) {
	const together = 250 // no more than what a store takes at once
	var all sync.WaitGroup
	for first := range together {
		all.Go(func() {
			for i := first; i < people.MaxBlocks; i += together {
				if _, _, err := s.Ties.AddBlock(t.Context(), aBlock(i, alice, user(1000+i), "")); err != nil {
					t.Errorf("AddBlock: %v", err)
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}

	_, _, err := s.Ties.AddBlock(t.Context(), aBlock(0, alice, bob, ""))

	if !errors.Is(err, people.ErrTooManyBlocks) {
		t.Errorf("one more gave %v, want ErrTooManyBlocks", err)
	}
	if _, again, err := s.Ties.AddBlock(t.Context(), aBlock(0, alice, user(1000), "")); err != nil || !again {
		t.Errorf("a repeat gave %v and error %v, want the first block", again, err)
	}
	block(t, s.Ties, aBlock(people.MaxBlocks, bob, alice, ""))
}

func testNoBlock(t *testing.T, s Stores) {
	block(t, s.Ties, aBlock(1, alice, bob, ""))

	for what, pair := range map[string][2]id.User{"unknown": {alice, carol}, "of the other": {bob, alice}} {
		if err := s.Ties.RemoveBlock(t.Context(), pair[0], pair[1]); !errors.Is(err, people.ErrNoBlock) {
			t.Errorf("RemoveBlock of a block that is %s gave %v, want ErrNoBlock", what, err)
		}
	}
	if got := bonds(t, s.Ties, alice).Blocks; len(got) != 1 {
		t.Errorf("blocks %v, want the one that was there", got)
	}
}
