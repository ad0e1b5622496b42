package mongostore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

func groupID(n int) (g id.Group) {
	g[0] = 0x67
	g[10], g[11] = byte(n>>8), byte(n)
	return g
}

// makeGroup makes a group of some people, the first of whom is its admin.
func makeGroup(t testing.TB, s *Store, n int, people ...id.User) message.Group {
	t.Helper()
	g := message.Group{ID: groupID(n), Name: fmt.Sprint("group ", n), Creator: people[0], CreatedAt: start}
	for i, u := range people {
		g.Members = append(g.Members, message.Member{User: u, Admin: i == 0})
	}
	made, err := s.CreateGroup(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func groupDraft(n int, from id.User, g id.Group, text string) message.Draft {
	d := draft(n, from, id.User{}, text)
	d.Group = g
	return d
}

func sendTo(t testing.TB, s *Store, n int, from id.User, g id.Group, text string) message.Message {
	t.Helper()
	m, again, err := s.Append(t.Context(), groupDraft(n, from, g, text))
	if err != nil || again {
		t.Fatalf("Append: again %v, error %v; want a new message", again, err)
	}
	return m
}

func crowdOf(n int) []id.User {
	all := make([]id.User, n)
	for i := range all {
		all[i] = user(i)
	}
	return all
}

func TestAMessageToAGroupWritesNothingPerMember(t *testing.T) {
	s := open(t)
	g := makeGroup(t, s.Store, 1, crowdOf(20)...)
	seats := documents[bson.D](t, s.db, seatsName, bson.D{})
	if len(seats) != 20 {
		t.Fatalf("%d seats, want 20", len(seats))
	}

	for n := range 5 {
		sendTo(t, s.Store, n, user(n), g.ID, "hello")
	}

	if diff := cmp.Diff(seats, documents[bson.D](t, s.db, seatsName, bson.D{})); diff != "" {
		t.Errorf("the seats changed (-before +after):\n%s", diff)
	}
	if n := count(t, s.db, threadsName, bson.D{}); n != 0 {
		t.Errorf("%d conversations of people", n)
	}
	if got, err := s.UnreadInGroups(t.Context(), user(0)); err != nil || got[g.ID] != 4 {
		t.Errorf("%d unread, %v; want 4", got[g.ID], err)
	}
}

// TestWhatAMessageHasIsSealed looks for texts in the documents.
func TestWhatAMessageHasIsSealed(t *testing.T) {
	s := open(t)
	d := draft(1, alice, bob, "the first text")
	d.Extra = message.Extra{VoiceURL: "/upload/voice", VoiceSeconds: 3, Warning: "the warning"}
	m, _, err := s.Append(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Edit(t.Context(), m.ID, "the second text", start); err != nil {
		t.Fatal(err)
	}
	saved := message.SavedDraft{Conversation: message.Between(alice, bob), Text: "the draft", At: start}
	if err := s.SaveDraft(t.Context(), alice, saved); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{messagesName, draftsName} {
		for _, doc := range documents[bson.Raw](t, s.db, name, bson.D{}) {
			for _, text := range []string{"first text", "second text", "/upload", "warning", "the draft"} {
				if bytes.Contains(doc, []byte(text)) {
					t.Errorf("%q is in the clear in %s", text, name)
				}
			}
		}
	}
	got, err := s.Message(t.Context(), m.ID)
	if err != nil || got.Extra != d.Extra || got.Content != "the second text" {
		t.Errorf("the message is %+v, %v", got, err)
	}
	if drafts, err := s.Drafts(t.Context(), alice); err != nil || len(drafts) != 1 || drafts[0] != saved {
		t.Errorf("the drafts are %+v, %v", drafts, err)
	}
}

// TestATrialKeepsGroupsForTheFormerSystem writes to a group as the former system does, which takes
// a member away then, and brings another one in.
func TestATrialKeepsGroupsForTheFormerSystem(t *testing.T) {
	d := database(t)
	s := openWith(t, d, Options{FormerKey: oldKey, Legacy: true})
	g := makeGroup(t, s.Store, 1, alice, bob, carol)
	one := groupDraft(1, alice, g.ID, "hello")
	one.Extra.Warning = "loud"
	m, _, err := s.Append(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Message(t.Context(), m.ID); err != nil || got.Content != "hello" || got.Extra.Warning != "loud" {
		t.Errorf("the message is %+v, %v", got, err)
	}
	doc := documents[bson.M](t, d, messagesName, bson.D{})[0]
	if text, ok := oldKey.Unseal(doc["content"].(string)); !ok || text != "hello" || doc["groupChat"] != bson.ObjectID(g.ID) {
		t.Errorf("stored as %v", doc)
	}
	stored := documents[groupDoc](t, d, groupsName, bson.D{})[0]
	if stored.LastID != bson.ObjectID(m.ID) || !stored.UpdatedAt.Equal(m.CreatedAt) {
		t.Errorf("the group is %+v", stored)
	}
	s.close(t)
	members := bson.A{bson.ObjectID(alice), bson.ObjectID(judy), bson.ObjectID(carol)}
	change(t, d, groupsName, bson.D{}, bson.D{is("$set", bson.D{is("members", members)})})

	after := openWith(t, d, Options{FormerKey: oldKey})

	if _, err := after.PageBefore(t.Context(), message.InGroup(g.ID), bob, id.Message{}, 10); !errors.Is(err, message.ErrNotMember) {
		t.Errorf("bob reads the group: %v", err)
	}
	if c, err := after.Since(t.Context(), bob, m.Seq, 100); err != nil || len(c.Left) != 1 || len(c.Groups)+len(c.New) > 0 {
		t.Errorf("bob hears %+v, %v", c, err)
	}
	if c, err := after.Since(t.Context(), judy, m.Seq, 100); err != nil || len(c.Groups) != 1 || c.Groups[0].Unread != 0 {
		t.Errorf("judy hears %+v, %v", c, err)
	}
	if page, err := after.PageBefore(t.Context(), message.InGroup(g.ID), judy, id.Message{}, 10); err != nil || len(page.Items) != 1 {
		t.Errorf("judy reads %+v, %v", page, err)
	}
}

// A meeting is a group in which much was written, straight into the collections.
func meeting(t *testing.T, s *Store, g id.Group, members []id.User, messages int, last order.Seq) order.Seq {
	t.Helper()
	doc := groupDoc{ID: bson.ObjectID(g), Members: []bson.ObjectID{}, Admins: []bson.ObjectID{}, CreatedAt: start, GroupChanged: last, Changed: last}
	var seats []seatDoc
	for _, u := range members {
		doc.Members, doc.JoinedAt = append(doc.Members, bson.ObjectID(u)), append(doc.JoinedAt, start)
		seats = append(seats, newSeat(&doc, bson.ObjectID(u), last+1))
	}
	var docs []*messageDoc
	for n := range messages {
		last++
		d := &messageDoc{
			ID: bson.NewObjectID(), Sender: bson.ObjectID(members[n%len(members)]), Group: doc.ID, Conv: doc.conv(),
			Seq: last, Changed: last, CreatedAt: start.Add(time.Duration(n) * time.Second),
		}
		if n%7 == 0 {
			d.DeletedFor = []ownDeletion{{User: bson.ObjectID(members[0]), DeletedAt: d.CreatedAt, Seq: last}}
		}
		if n%11 == 0 {
			d.IsDeleted = true
		}
		if n%3 == 0 {
			d.change(last)
		}
		docs = append(docs, d)
		doc.receive(d)
	}
	for i := range seats {
		seats[i].deliver(docs[messages/2], start)
		seats[i].Moved = last
	}
	insert(t, s, messagesName, docs)
	insert(t, s, groupsName, []groupDoc{doc})
	// By a majority, and so with what was stored before.
	if _, err := s.coll(seatsName).InsertMany(t.Context(), seats); err != nil {
		t.Fatal(err)
	}
	return last
}

func TestEveryQueryOfGroupsIsAnsweredByItsIndex(t *testing.T) {
	s := open(t).Store
	u, all := user(0), crowdOf(40)
	last := order.Seq(0)
	for n := range 30 {
		last = meeting(t, s, groupID(n), all[:2+n], 100, last)
	}
	for n := range 300 { // groups of others
		last = meeting(t, s, groupID(100+n), all[30:], 3, last)
	}
	own, err := find[seatDoc](t.Context(), s, memberQuery(u))
	if err != nil || len(own) != 30 {
		t.Fatalf("%d seats, %v", len(own), err)
	}
	for n := range 5 {
		saved := message.SavedDraft{Conversation: message.InGroup(groupID(n)), Text: "draft", At: start}
		if err := s.SaveDraft(t.Context(), u, saved); err != nil {
			t.Fatal(err)
		}
	}
	groups := make([]bson.ObjectID, len(own))
	var parts []groupPart
	for i, d := range own {
		groups[i] = d.Group
		parts = append(parts, groupPart{d.Group, order.Seq(100*i + 50)})
	}
	some, err := s.PageBefore(t.Context(), message.InGroup(groupID(3)), u, id.Message{}, 20)
	if err != nil {
		t.Fatal(err)
	}

	for name, tt := range map[string]struct {
		q       query
		covered bool
	}{
		"seats of a person":     {q: memberQuery(u)},
		"seats that there were": {q: wasMemberQuery(u)},
		"seats of a group":      {q: seatsQuery(groups[3])},
		"cleared in a group":    {q: clearedByMembersQuery(groups[3])},
		"cursors":               {q: movedQuery(u, groups, 1)},
		"places of groups":      {q: placesOfGroupsQuery(own)},
		"changed groups":        {q: changedGroupsQuery(groups, groups[:2], 1)},
		"page of a group":       {q: pageQuery(u, 0, keyOf(message.InGroup(groupID(3))), endOfTime, 51)},
		"some of a group":       {q: someQuery(u, 0, keyOf(message.InGroup(groupID(3))), ids(some.Items))},
		"unread in groups":      {q: unreadInGroupsQuery(u, parts), covered: true},
		"unread in one group":   {q: unreadInGroupsQuery(u, parts[:1]), covered: true},
		"hidden in groups":      {q: hiddenInGroupsQuery(u, parts)},
		"drafts":                {q: draftsQuery(u)},
		"deleted for oneself":   {q: hiddenQuery(u, 1, []convKey{keyOf(message.InGroup(groupID(3)))}, 1_000)},
	} {
		t.Run(name, func(t *testing.T) {
			got := explain(t, s, tt.q)
			if got.Returned == 0 {
				t.Fatal("it finds nothing")
			}
			if !slices.Contains(got.indexes, tt.q.index) || len(slices.Compact(slices.Sorted(slices.Values(got.indexes)))) != 1 {
				t.Errorf("it uses the indexes %q, want %s alone", got.indexes, tt.q.index)
			}
			for _, stage := range []string{"COLLSCAN", "SORT"} {
				if slices.Contains(got.stages, stage) {
					t.Errorf("its plan %q has a %s", got.stages, stage)
				}
			}
			if most := got.Returned + got.Returned/2 + 10; got.Docs > most {
				t.Errorf("it looks at %d documents to find %d", got.Docs, got.Returned)
			}
			if tt.covered && got.Docs > 0 {
				t.Errorf("it looks at %d documents besides the index", got.Docs)
			}
		})
	}
}

// TestUnreadInGroupsIsARecount counts again what the indexes count.
func TestUnreadInGroupsIsARecount(t *testing.T) {
	s := open(t).Store
	all, last := crowdOf(4), order.Seq(0)
	for n := range maxClauses + 20 {
		last = meeting(t, s, groupID(n), all, 12, last)
	}
	for _, u := range all {
		got, err := s.UnreadInGroups(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		want := map[id.Group]int{}
		for _, d := range documents[messageDoc](t, s.db, messagesName, bson.D{}) {
			if _, hidden := d.deletedBy(u); !hidden && !d.IsDeleted && id.User(d.Sender) != u {
				want[id.Group(d.Group)]++
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || len(want) != maxClauses+20 {
			t.Errorf("%s (-want +got):\n%s", u, diff)
		}
	}
}

// BenchmarkAppendToGroup is what a message costs between two people, and to groups of different
// sizes, for one caller that waits for each commit.
func BenchmarkAppendToGroup(b *testing.B) {
	s := open(b).Store
	for _, size := range []int{2, 50, 500, message.MaxMembers} {
		makeGroup(b, s, size, crowdOf(size)...)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			n := int64(0)
			for b.Loop() {
				n++
				d := randomDraft(user(1), id.User{}, n)
				d.Group, d.ClientID = groupID(size), fmt.Sprint(size, "-", b.N, "-", n, "-", d.ID)
				if _, _, err := s.Append(b.Context(), d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("direct", func(b *testing.B) {
		n := int64(0)
		for b.Loop() {
			n++
			d := randomDraft(user(1), user(2), n)
			d.ClientID = fmt.Sprint("direct-", b.N, "-", n, "-", d.ID)
			if _, _, err := s.Append(b.Context(), d); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestReadsOfGroupsTakeFewRoundTrips(t *testing.T) {
	s := open(t).Store
	u, all, last := user(0), crowdOf(10), order.Seq(0)
	for n := range 20 {
		last = meeting(t, s, groupID(n), all, 40, last)
	}
	talk := message.InGroup(groupID(3))

	for name, tt := range map[string]struct {
		most int
		read func() error
	}{
		"groups":  {6, func() error { _, err := s.Seats(t.Context(), u, id.Group{}, 100); return err }},
		"seat":    {5, func() error { _, err := s.Seat(t.Context(), talk.Group, u); return err }},
		"cursors": {2, func() error { _, err := s.Cursors(t.Context(), talk.Group); return err }},
		"unread":  {4, func() error { _, err := s.UnreadInGroups(t.Context(), u); return err }},
		"page":    {2, func() error { _, err := s.PageBefore(t.Context(), talk, u, id.Message{}, 50); return err }},
	} {
		if got := roundTrips(t, s, tt.read); got == 0 || got > tt.most {
			t.Errorf("%s: %d round trips, want at most %d", name, got, tt.most)
		}
	}
}
