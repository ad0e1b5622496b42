package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/former"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/people"
)

// A sight is all that somebody sees of their messages.
type sight struct {
	Rows    []message.Row
	Unread  map[id.User]int
	Threads map[id.User][]message.Message

	Seats         []message.Seat
	UnreadInGroup map[id.Group]int
	Talks         map[id.Group][]message.Message
	Cursors       map[id.Group][]message.Cursor
}

// sightOf reads lists first, so that nothing is adopted for them.
func sightOf(t *testing.T, s *Store, u id.User) sight {
	t.Helper()
	page, err := s.Rows(t.Context(), u, id.Message{}, 100)
	if err != nil || page.More {
		t.Fatalf("Rows: %v, more %t", err, page.More)
	}
	all := sight{Rows: page.Items, Threads: map[id.User][]message.Message{}}
	if all.Unread, err = s.Unread(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	for _, row := range page.Items {
		thread, err := s.PageBefore(t.Context(), message.Between(u, row.Peer), u, id.Message{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all.Threads[row.Peer] = thread.Items
	}
	seeGroups(t, s, u, &all)
	return all
}

func seeGroups(t *testing.T, s *Store, u id.User, all *sight) {
	t.Helper()
	page, err := s.Seats(t.Context(), u, id.Group{}, 100)
	if err != nil || page.More {
		t.Fatalf("Seats: %v, more %t", err, page.More)
	}
	all.Seats, all.Talks, all.Cursors = page.Items, map[id.Group][]message.Message{}, map[id.Group][]message.Cursor{}
	if all.UnreadInGroup, err = s.UnreadInGroups(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	for _, seat := range page.Items {
		g := seat.Group.ID
		talk, err := s.PageBefore(t.Context(), message.InGroup(g), u, id.Message{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all.Talks[g] = talk.Items
		if all.Cursors[g], err = s.Cursors(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOldMessagesLookTheSameBeforeAndAfterTheBackfill compares what people see while nothing is
// adopted, with what they see once they have looked, and once everything has its place.
func TestOldMessagesLookTheSameBeforeAndAfterTheBackfill(t *testing.T) {
	d := database(t)
	loadOld(t, d, "messages", "conversations", "groupchats")
	held := openWith(t, d, Options{FormerKey: oldKey, NoBackfill: true})
	people := []id.User{alice, bob, carol, judy, oldtimer}
	before := map[id.User]sight{}
	for _, u := range people {
		before[u] = sightOf(t, held.Store, u)
		if len(before[u].Rows) < 3 {
			t.Errorf("%s has %d conversations", u, len(before[u].Rows))
		}
	}
	for _, u := range people {
		if diff := cmp.Diff(before[u], sightOf(t, held.Store, u)); diff != "" {
			t.Errorf("%s sees something else after the first look (-before +after):\n%s", u, diff)
		}
	}
	held.close(t)

	s := openWith(t, d, Options{FormerKey: oldKey})
	backfilled(t, s.Store)
	for _, u := range people {
		if diff := cmp.Diff(before[u], sightOf(t, s.Store, u)); diff != "" {
			t.Errorf("%s sees something else after the backfill (-before +after):\n%s", u, diff)
		}
	}
	if n := count(t, d, messagesName, betweenPeople()); n != 0 {
		t.Errorf("%d direct messages have no place", n)
	}
	deleted := bson.D{is("conv", bson.D{is("$type", "binData")}), is("isDeletedForAll", true)}
	if n := count(t, d, messagesName, deleted); n == 0 {
		t.Error("no message is deleted for all")
	}
	if n := count(t, d, messagesName, append(deleted, is("content", bson.D{is("$exists", true)}))); n != 0 {
		t.Errorf("%d messages that were deleted for all have their text", n)
	}
	if n := count(t, d, messagesName, bson.D{is("conv", nil)}); n != 4 {
		t.Errorf("%d messages were left alone, want the 4 of nobody and to nobody", n)
	}
	if n := count(t, d, stateName, bson.D{is("adopting", bson.D{is("$exists", true)})}); n != 0 {
		t.Errorf("%d notes of adoptions are left", n)
	}
}

// TestPlacesDependOnNothingElse adopts the conversations of copies of one database in different
// orders.
func TestPlacesDependOnNothingElse(t *testing.T) {
	var first map[string]order.Seq
	for _, people := range [][]id.User{nil, {bob, alice}, {oldtimer, judy}} {
		d := database(t)
		loadOld(t, d, "messages", "conversations", "groupchats")
		held := openWith(t, d, Options{FormerKey: oldKey, NoBackfill: true})
		for _, u := range people {
			sightOf(t, held.Store, u)
		}
		held.close(t)
		backfilled(t, openWith(t, d, Options{FormerKey: oldKey}).Store)

		places := map[string]order.Seq{}
		for _, m := range documents[messageDoc](t, d, messagesName, bson.D{is("conv", bson.D{is("$exists", true)})}) {
			places[m.ID.Hex()] = m.Seq
		}
		if first == nil {
			first = places
		}
		if diff := cmp.Diff(first, places); diff != "" || len(places) != 496 {
			t.Errorf("%d places (-before +after):\n%s", len(places), diff)
		}
	}
}

// TestAnAdoptionThatDiedIsFinished leaves a conversation with its rows and without the places of
// its messages, as a server that is killed in between does.
func TestAnAdoptionThatDiedIsFinished(t *testing.T) {
	d := database(t)
	loadOld(t, d, "messages", "conversations", "groupchats")
	whole := openWith(t, d, Options{FormerKey: oldKey})
	backfilled(t, whole.Store)
	want := sightOf(t, whole.Store, alice)
	whole.close(t)

	conv := keyOf(message.Between(alice, bob))
	change(t, d, messagesName, bson.D{is("conv", conv), is("_id", bson.D{is("$gt", want.Threads[bob][40].ID)})},
		bson.D{is("$unset", bson.D{is("conv", ""), is("seq", ""), is("changed", "")})})
	if _, err := d.data.Collection(stateName).InsertOne(t.Context(), bson.D{is("adopting", []convKey{conv})}); err != nil {
		t.Fatal(err)
	}

	s := openWith(t, d, Options{FormerKey: oldKey})
	if diff := cmp.Diff(want, sightOf(t, s.Store, alice)); diff != "" {
		t.Errorf("alice sees something else (-before +after):\n%s", diff)
	}
}

// TestSettingsWithoutMessagesAreAdopted has a conversation that somebody muted before a word was
// said, in a database with nothing else in it, and in one whose server was killed when every
// message had its place and the settings were still to come.
func TestSettingsWithoutMessagesAreAdopted(t *testing.T) {
	muted := bson.D{is("participants", bson.A{bson.ObjectID(alice), bson.ObjectID(user(77))}), is("groupChat", nil),
		is("mutedBy", bson.A{bson.D{is("user", bson.ObjectID(alice)), is("mutedUntil", nil), is("mutedAt", time.Now())}})}
	isMuted := func(t *testing.T, s *Store) {
		t.Helper()
		backfilled(t, s)
		rows := documents[threadDoc](t, s.db, threadsName, bson.D{is("user", bson.ObjectID(alice)), is("peer", bson.ObjectID(user(77)))})
		if len(rows) != 1 || !rows[0].Muted {
			t.Errorf("the rows are %+v, want one that is muted", rows)
		}
	}

	t.Run("nothing else", func(t *testing.T) {
		d := database(t)
		if _, err := d.data.Collection(formerSettings).InsertOne(t.Context(), muted); err != nil {
			t.Fatal(err)
		}
		isMuted(t, openWith(t, d, Options{FormerKey: oldKey}).Store)
	})
	t.Run("killed before the settings", func(t *testing.T) {
		d := database(t)
		loadOld(t, d, "messages")
		first := openWith(t, d, Options{FormerKey: oldKey})
		backfilled(t, first.Store)
		first.close(t)
		if _, err := d.data.Collection(formerSettings).InsertOne(t.Context(), muted); err != nil {
			t.Fatal(err)
		}
		change(t, d, stateName, bson.D{is("_id", metaID)}, bson.D{is("$set", bson.D{is("backfill.done", false)})})
		isMuted(t, openWith(t, d, Options{FormerKey: oldKey}).Store)
	})
}

// TestWhatTheFormerSystemWroteMeanwhileIsAppended goes back to the former system for a while.
func TestWhatTheFormerSystemWroteMeanwhileIsAppended(t *testing.T) {
	d := database(t)
	loadOld(t, d, "messages", "conversations", "groupchats")
	first := openWith(t, d, Options{FormerKey: oldKey})
	backfilled(t, first.Store)
	sent := send(t, first.Store, 1, alice, bob, "hello")
	first.close(t)

	now := time.Now()
	for i, text := range []string{"one", "two"} {
		insertOld(t, d, bson.D{is("sender", bson.ObjectID(bob)), is("recipient", bson.ObjectID(alice)), is("groupChat", nil),
			is("content", oldKey.Seal(text)), is("read", false), is("createdAt", now.Add(time.Duration(i)*time.Millisecond))})
	}
	s := openWith(t, d, Options{FormerKey: oldKey})
	backfilled(t, s.Store)
	c, err := s.Since(t.Context(), alice, sent.Seq, 100)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, m := range c.New {
		texts = append(texts, m.Content)
	}
	if !slices.Equal(texts, []string{"one", "two"}) {
		t.Errorf("new since then are %q", texts)
	}
	if row := c.Rows[0]; row.Peer != bob || row.Unread != 4 || row.Last.Content != "two" {
		t.Errorf("the row is %+v", row)
	}
}

func TestConversationsAreAdoptedOnceWhoeverAsks(t *testing.T) {
	s := oldMessages(t)
	var looks sync.WaitGroup
	for _, u := range []id.User{alice, bob, carol, judy, oldtimer} {
		for range 4 {
			looks.Go(func() { sightOf(t, s.Store, u) })
		}
	}
	looks.Wait()
	backfilled(t, s.Store)

	rows := documents[threadDoc](t, s.db, threadsName, bson.D{})
	for _, d := range rows {
		visible := bson.D{is("conv", d.Conv), notDeletedBy(id.User(d.User))}
		unread := append(slices.Clone(visible), is("sender", d.Peer), is("read", false), is("isDeletedForAll", bson.D{is("$ne", true)}))
		want := count(t, s.db, messagesName, unread)
		if d.User == d.Peer {
			want = 0
		}
		if d.Unread != want {
			t.Errorf("%s has %d unread of %s, want %d", d.User.Hex(), d.Unread, d.Peer.Hex(), want)
		}
	}
	if len(rows) < 40 {
		t.Errorf("%d rows", len(rows))
	}
}

// TestOldMessagesAreReadOneByOne reads messages that are unread although they lie before the
// read mark.
func TestOldMessagesAreReadOneByOne(t *testing.T) {
	s := oldMessages(t)
	thread := sightOf(t, s.Store, alice).Threads[bob]
	var unread []message.Message
	for _, m := range thread {
		if m.Sender == bob && !m.Read && m.DeletedAt.IsZero() {
			unread = append(unread, m)
		}
	}
	if len(unread) != 2 {
		t.Fatalf("%d of bob's messages are unread", len(unread))
	}
	for i, m := range unread {
		r, err := s.MarkRead(t.Context(), alice, m.ID, time.Now())
		if err != nil || !r.Read || !r.Message.Read {
			t.Errorf("reading message %d: %+v, %v", i, r, err)
		}
		if got, err := s.Unread(t.Context(), alice); err != nil || got[bob] != 1-i {
			t.Errorf("%d unread after message %d, want %d (%v)", got[bob], i, 1-i, err)
		}
		if again, err := s.MarkRead(t.Context(), alice, m.ID, time.Now()); err != nil || again.Read {
			t.Errorf("reading message %d again: %+v, %v", i, again, err)
		}
	}
	if got := listedRow(t, s.Store, alice, bob); got.ReadUpTo.String() != "6aefd188c4ca4238a00858fc" {
		t.Errorf("the read mark moved to %s", got.ReadUpTo)
	}
	last := send(t, s.Store, 1, bob, alice, "new")
	if got := listedRow(t, s.Store, alice, bob); got.Unread != 1 {
		t.Errorf("%d unread after a new message", got.Unread)
	}
	if _, err := s.MarkRead(t.Context(), alice, last.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := listedRow(t, s.Store, alice, bob); got.Unread != 0 || got.ReadUpTo != last.ID {
		t.Errorf("the row is %+v after everything is read", got)
	}
}

func listedRow(t *testing.T, s *Store, u, peer id.User) message.Row {
	t.Helper()
	page, err := s.Rows(t.Context(), u, id.Message{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(page.Items, func(r message.Row) bool { return r.Peer == peer })
	if i < 0 {
		t.Fatalf("%s has no conversation with %s", u, peer)
	}
	return page.Items[i]
}

// TestOldFormatsEndWithTheCutOver puts texts of the old formats into a database that never was
// the former system's, as somebody would who can write documents and not seal texts.
func TestOldFormatsEndWithTheCutOver(t *testing.T) {
	s := openWith(t, database(t), Options{FormerKey: oldKey})
	m := send(t, s.Store, 1, alice, bob, "sealed")
	later := is("createdAt", time.Now().Add(time.Hour))
	change(t, s.db, messagesName, bson.D{}, bson.D{is("$set", bson.D{is("content", oldKey.Seal("forged")), is("attachment", "forged"), later})})
	if _, _, err := s.AddBlock(t.Context(), people.Block{Blocker: alice, Blocked: bob, Reason: "sealed", CreatedAt: start}); err != nil {
		t.Fatal(err)
	}
	change(t, s.db, blocksName, bson.D{}, bson.D{is("$set", bson.D{is("reason", "forged"), later})})

	if got, err := s.Message(t.Context(), m.ID); err != nil || got.Content != former.Unreadable || got.Attachment != "" {
		t.Errorf("it says %q and shows %q, %v", got.Content, got.Attachment, err)
	}
	if got, err := s.Blocks(t.Context(), alice); err != nil || len(got) != 1 || got[0].Reason != "" {
		t.Errorf("the blocks are %+v, %v", got, err)
	}
}

// TestATrialLeavesTheWayBackOpen writes as the former system does, and reads that again.
func TestATrialLeavesTheWayBackOpen(t *testing.T) {
	d := database(t)
	s := openWith(t, d, Options{FormerKey: oldKey, Legacy: true})
	pasted := oldKey.Seal("stolen")
	for i, text := range []string{"hello", pasted} {
		m := send(t, s.Store, i, alice, bob, text)
		if got, err := s.Message(t.Context(), m.ID); err != nil || got.Content != text {
			t.Errorf("it says %q, %v; want %q", got.Content, err, text)
		}
	}
	for i, doc := range documents[bson.M](t, d, messagesName, bson.D{}) {
		stored, ok := doc["content"].(string)
		text, sealed := oldKey.Unseal(stored)
		if !ok || !sealed || text != []string{"hello", pasted}[i] || doc["read"] != false {
			t.Errorf("stored as %v", doc)
		}
	}
	if n, err := s.Unread(t.Context(), bob); err != nil || n[alice] != 2 {
		t.Errorf("bob has %d unread, %v", n[alice], err)
	}
	if _, err := s.MarkRead(t.Context(), bob, messageID(0), time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Unread(t.Context(), bob); err != nil || n[alice] != 1 {
		t.Errorf("bob has %d unread after the first, %v", n[alice], err)
	}
	s.close(t)

	after := openWith(t, d, Options{FormerKey: oldKey})
	if got, err := after.Message(t.Context(), messageID(0)); err != nil || got.Content != "hello" {
		t.Errorf("after the trial it says %q, %v", got.Content, err)
	}
}

// TestALargeConversationIsAdopted has more messages than one statement takes, many of them of one
// millisecond.
func TestALargeConversationIsAdopted(t *testing.T) {
	d := database(t)
	const n = 3 * maxPlaced
	var docs []any
	for i := range n {
		from, to := bson.ObjectID(user(i%2)), bson.ObjectID(user((i+1)%2))
		docs = append(docs, bson.D{is("_id", bson.ObjectID(messageID(i))), is("sender", from), is("recipient", to),
			is("content", fmt.Sprint(i)), is("read", i%3 == 0), is("createdAt", start.Add(time.Duration(i/1200)*time.Millisecond))})
	}
	insertOld(t, d, docs...)
	s := openWith(t, d, Options{FormerKey: oldKey, NoBackfill: true})

	page, err := s.PageBefore(t.Context(), message.Between(user(0), user(1)), user(0), id.Message{}, n)
	if err != nil || len(page.Items) != n {
		t.Fatalf("%d messages, %v; want %d", len(page.Items), err, n)
	}
	for i, m := range page.Items {
		if m.ID != messageID(i) || i > 0 && m.Seq <= page.Items[i-1].Seq {
			t.Fatalf("message %d is %s at %d", i, m.ID, m.Seq)
		}
	}
}

func insertOld(t *testing.T, d *Database, docs ...any) {
	t.Helper()
	if _, err := d.data.Collection(messagesName).InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, d *Database, collection string, filter, update bson.D) {
	t.Helper()
	if _, err := d.data.Collection(collection).UpdateMany(t.Context(), filter, update); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, d *Database, collection string, filter bson.D) int {
	t.Helper()
	n, err := d.data.Collection(collection).CountDocuments(t.Context(), filter)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func documents[D any](t *testing.T, d *Database, collection string, filter bson.D) (docs []D) {
	t.Helper()
	c, err := d.data.Collection(collection).Find(t.Context(), filter)
	if err == nil {
		err = c.All(t.Context(), &docs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func TestClosingEndsTheBackfill(t *testing.T) {
	s := oldMessages(t)
	s.close(t)
	if err := s.adoption.ensure(context.Background(), keyOf(message.Between(user(7), user(8)))); !errors.Is(err, errClosed) && err != nil {
		t.Errorf("adopting after the end: %v", err)
	}
}

// TestANoteThatIsLeftUndoesNoChange has the note of an adoption that a server could not remove.
func TestANoteThatIsLeftUndoesNoChange(t *testing.T) {
	s := oldMessages(t)
	page, err := s.PageBefore(t.Context(), message.Between(alice, bob), alice, id.Message{}, 50)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(page.Items, func(m message.Message) bool { return m.Sender == alice && m.DeletedAt.IsZero() })
	edited, err := s.Edit(t.Context(), page.Items[i].ID, "changed", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	note := bson.D{is("_id", bson.NewObjectID()), is("adopting", []convKey{keyOf(edited.Conversation())})}
	if _, err := s.coll(stateName).InsertOne(t.Context(), note); err != nil {
		t.Fatal(err)
	}
	s.close(t)

	after := openWith(t, s.db, Options{FormerKey: oldKey})

	if got, err := after.Message(t.Context(), edited.ID); err != nil || got.Changed != edited.Changed || got.Content != "changed" {
		t.Errorf("the message is %+v, %v; want that of the edit, %d", got, err, edited.Changed)
	}
	if n := count(t, s.db, stateName, bson.D{is("adopting", bson.D{is("$exists", true)})}); n != 0 {
		t.Errorf("%d notes are left", n)
	}
}
