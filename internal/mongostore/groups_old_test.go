package mongostore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
)

// The groups of the old data, and people who are only in them.
var (
	choir      = id.Group(oldUser("6a4f8d40c4ca4238a00856ad"))
	emptyGroup = id.Group(oldUser("6a786bc0c4ca4238a00856ae"))
	leftBehind = id.Group(oldUser("69df7dc0c4ca4238a00856af"))

	ivan = oldUser("6aa7e1c0c4ca4238a00856a0")
)

func oldMessageID(hex string) id.Message { return id.Message(oldUser(hex)) }

func seatsOf(t *testing.T, s *Store, u id.User) []message.Seat {
	t.Helper()
	page, err := s.Seats(t.Context(), u, id.Group{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func talkOf(t *testing.T, s *Store, g id.Group, u id.User) []message.Message {
	t.Helper()
	page, err := s.PageBefore(t.Context(), message.InGroup(g), u, id.Message{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func TestOldGroupsAreAsTheyWereLeft(t *testing.T) {
	s := oldMessages(t)
	backfilled(t, s.Store)

	seats := seatsOf(t, s.Store, bob)
	if len(seats) != 2 || seats[0].Group.ID != leftBehind || seats[1].Group.ID != choir {
		t.Fatalf("bob has the groups %+v", seats)
	}
	// The newest message of all is nobody's.
	if got := seats[0].Last; got == nil || got.ID != oldMessageID("6ae77e20c4ca4238a00858b7") {
		t.Errorf("the newest message of %q is %+v", seats[0].Group.Name, got)
	}
	g := seats[1].Group
	if g.Name != "Choir & friends" || g.Description != "Tuesday <evening>" || g.Avatar != "/upload/image/choir.jpg" || g.Creator != bob {
		t.Errorf("the group is %+v", g)
	}
	var in, admins []id.User
	for _, m := range g.Members {
		in = append(in, m.User)
		if m.Admin {
			admins = append(admins, m.User)
		}
	}
	if !slices.Equal(in, []id.User{bob, carol, alice, oldtimer, ivan}) || !slices.Equal(admins, []id.User{bob, carol}) {
		t.Errorf("its members are %v, its admins %v", in, admins)
	}
	if got := talkOf(t, s.Store, choir, bob); len(got) != 40 {
		t.Errorf("bob sees %d messages, want 40", len(got))
	}
	if got := talkOf(t, s.Store, choir, ivan); len(got) != 39 {
		t.Errorf("ivan sees %d messages, want 39: he deleted one for himself", len(got))
	}
	if got := talkOf(t, s.Store, leftBehind, bob); len(got) != 8 {
		t.Errorf("bob sees %d messages of those who are left, want 8", len(got))
	}
	if seat, err := s.Seat(t.Context(), emptyGroup, judy); err != nil || seat.Last != nil || seat.Unread != 0 {
		t.Errorf("the empty group is %+v, %v", seat, err)
	}
}

func TestWhatPeopleHadInOldGroupsIsTheirs(t *testing.T) {
	s := oldMessages(t)

	seat, err := s.Seat(t.Context(), choir, alice)
	if err != nil {
		t.Fatal(err)
	}
	if until := time.UnixMilli(4083955200000).UTC(); !seat.Settings.Archived || !seat.Settings.Muted || !seat.Settings.MutedUntil.Equal(until) {
		t.Errorf("alice's settings are %+v", seat.Settings)
	}
	if seat.Unread != 39 || !seat.ReadUpTo.IsZero() { // one is deleted for all, and she has read none
		t.Errorf("alice has %d unread from %s", seat.Unread, seat.ReadUpTo)
	}
	cursors, err := s.Cursors(t.Context(), choir)
	if err != nil || len(cursors) != 5 {
		t.Fatalf("%d cursors, %v", len(cursors), err)
	}
	for _, c := range cursors {
		if c.User != bob {
			continue
		}
		// readBy and deliveredTo of the newest messages that name him.
		if c.ReadID != oldMessageID("6aee6a00c4ca4238a00858ed") || c.DeliveredID != oldMessageID("6af0b8a0c4ca4238a0085902") || c.ReadAt.IsZero() {
			t.Errorf("bob's cursor is %+v", c)
		}
	}
	sung, err := s.Message(t.Context(), oldMessageID("6ab26dc0c4ca4238a008573c"))
	if err != nil || len(sung.Reactions) != 1 || sung.Reactions[0].User != bob || sung.Reactions[0].Emoji != "🎉" {
		t.Errorf("the reactions are %+v, %v", sung.Reactions, err)
	}
	taken, changed, err := s.React(t.Context(), sung.ID, sung.Reactions[0], true)
	if err != nil || !changed || len(taken.Reactions) != 0 {
		t.Errorf("taking the reaction away: %+v, %v, %v", taken.Reactions, changed, err)
	}
}

func TestAnOldVoiceNoteIsHeard(t *testing.T) {
	s := oldMessages(t)
	var heard []message.Extra
	for _, m := range sightOf(t, s.Store, alice).Threads[bob] {
		if m.Extra != (message.Extra{}) {
			heard = append(heard, m.Extra)
		}
	}
	if want := (message.Extra{VoiceURL: "/upload/file/v.webm", VoiceSeconds: 12}); len(heard) != 1 || heard[0] != want {
		t.Errorf("the extras are %+v, want one, %+v", heard, want)
	}
}

// TestOldTextsOfGroupsAreVersions edits what the former system encrypted.
func TestOldTextsOfGroupsAreVersions(t *testing.T) {
	s := oldMessages(t)
	talk := talkOf(t, s.Store, choir, bob)
	last := talk[len(talk)-1]
	if _, err := s.Edit(t.Context(), last.ID, "changed", start); err != nil {
		t.Fatal(err)
	}

	got, err := s.Versions(t.Context(), last.ID)

	if err != nil || len(got) != 1 || got[0].Content != last.Content || !got[0].At.Equal(last.CreatedAt) || !strings.Contains(last.Content, "coffee") {
		t.Errorf("the versions are %+v, %v; want %q", got, err, last.Content)
	}
}

// TestAMessageOfAGroupThatIsGoneStaysAlone looks at such a message, before and after the pass.
func TestAMessageOfAGroupThatIsGoneStaysAlone(t *testing.T) {
	d := database(t)
	gone := groupID(9)
	insertOld(t, d,
		bson.D{is("_id", bson.ObjectID(messageID(1))), is("sender", bson.ObjectID(alice)), is("groupChat", bson.ObjectID(gone)),
			is("content", oldKey.Seal("hello")), is("createdAt", start)},
		bson.D{is("_id", bson.ObjectID(messageID(2))), is("sender", bson.ObjectID(alice)), is("recipient", bson.ObjectID(bob)),
			is("groupChat", nil), is("content", oldKey.Seal("hello")), is("createdAt", start)})
	s := openWith(t, d, Options{FormerKey: oldKey})
	backfilled(t, s.Store)

	if _, err := s.Message(t.Context(), messageID(1)); err == nil {
		t.Error("the message is there")
	}
	s.close(t)
	again := openWith(t, d, Options{FormerKey: oldKey})
	if !again.adoption.done.Load() {
		t.Error("it is looked at again at the next start")
	}
}

// TestWhatTheFormerSystemWroteToAGroupMeanwhileIsAppended goes back to the former system for a
// while.
func TestWhatTheFormerSystemWroteToAGroupMeanwhileIsAppended(t *testing.T) {
	d := database(t)
	loadOld(t, d, "messages", "conversations", "groupchats")
	first := openWith(t, d, Options{FormerKey: oldKey})
	backfilled(t, first.Store)
	sent := sendTo(t, first.Store, 1, carol, choir, "hello")
	first.close(t)
	now := time.Now()
	for i, text := range []string{"one", "two"} {
		insertOld(t, d, bson.D{is("sender", bson.ObjectID(carol)), is("groupChat", bson.ObjectID(choir)), is("content", oldKey.Seal(text)),
			is("read", false), is("createdAt", now.Add(time.Duration(i)*time.Millisecond)),
			is("readBy", bson.A{bson.D{is("user", bson.ObjectID([]id.User{bob, alice}[i])), is("readAt", now)}})})
	}
	s := openWith(t, d, Options{FormerKey: oldKey})
	backfilled(t, s.Store)

	c, err := s.Since(t.Context(), bob, sent.Seq, 100)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, m := range c.New {
		texts = append(texts, m.Content)
	}
	if !slices.Equal(texts, []string{"one", "two"}) || len(c.Groups) != 1 || c.Groups[0].Unread != 1 || c.Groups[0].Last.Content != "two" {
		t.Errorf("bob hears %q and has the groups %+v", texts, c.Groups)
	}
	if n, err := s.UnreadInGroups(t.Context(), alice); err != nil || n[choir] != 0 {
		t.Errorf("alice has %d unread, %v", n[choir], err)
	}
}

// TestALargeOldGroupIsAdopted has more messages than one statement takes, with receipts.
func TestALargeOldGroupIsAdopted(t *testing.T) {
	d := database(t)
	const n = 2*maxPlaced - 10
	var docs []any
	for i := range n {
		docs = append(docs, bson.D{is("_id", bson.ObjectID(messageID(i))), is("sender", bson.ObjectID(user(i%3))), is("groupChat", bson.ObjectID(choir)),
			is("content", "hello"), is("readBy", bson.A{bson.D{is("user", bson.ObjectID(user(i%2)))}}), is("createdAt", start.Add(time.Duration(i/700)*time.Millisecond))})
	}
	insertOld(t, d, docs...)
	group := bson.D{is("_id", bson.ObjectID(choir)), is("name", "choir"), is("members", bson.A{bson.ObjectID(user(0)), bson.ObjectID(user(1)), bson.ObjectID(user(2))})}
	if _, err := d.data.Collection(groupsName).InsertOne(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	s := openWith(t, d, Options{FormerKey: oldKey, NoBackfill: true})

	counts, err := s.UnreadInGroups(t.Context(), user(2))
	talk := talkOf(t, s.Store, choir, user(0))

	if want := n - n/3; err != nil || counts[choir] != want {
		t.Errorf("%d unread, %v; want %d", counts[choir], err, want)
	}
	for i, m := range talk {
		if m.ID != messageID(i) || i > 0 && m.Seq <= talk[i-1].Seq {
			t.Fatalf("message %d is %s at %d", i, m.ID, m.Seq)
		}
	}
	if seat, err := s.Seat(t.Context(), choir, user(0)); err != nil || seat.ReadUpTo != messageID(n-2) {
		t.Errorf("the seat is %+v, %v", seat, err)
	}
}
