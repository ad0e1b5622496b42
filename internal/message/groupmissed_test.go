package message_test

import (
	"slices"
	"testing"

	"pryde/internal/id"
	"pryde/internal/wire"
)

func TestWhatWasMissedInAGroupIsToldInTheOrderOfTheCommits(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	old := w.say(t, ann, g, "old")
	gone := w.say(t, bob, g, "gone")
	mine := w.say(t, bob, g, "mine")
	after := w.sync(t, "0").Seq

	w.say(t, ann, g, "one")
	w.mustEdit(t, ann, old.ID, "edited")
	w.say(t, bob, g, "two")
	w.mustDelete(t, bob, gone.ID, true)
	if _, err := w.rename(ann, g, "climbers"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.read(ann, mine.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.delivered(eve, mine.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.read(bob, old.ID); err != nil {
		t.Fatal(err)
	}

	told, upTo, ok := w.missed(t, after, false)
	want := []string{
		"1 group:message_new one", "2 group:message_edited edited", "3 group:message_new two", "4 group:message_deleted", "5 group:updated",
		"6 group:message_read", "7 message:delivered", "8 group:message_read", "8 message:read",
	}
	if !ok || !slices.Equal(told, want) || upTo.Seq != after.Seq+8 {
		t.Errorf("missed %q up to %d, want %q", told, upTo.Seq-after.Seq, want)
	}
	told, _, ok = w.missed(t, wire.Offset{Database: after.Database, Seq: after.Seq + 5}, true)
	if want := []string{"0 group:updated", "1 group:message_read", "2 message:delivered", "3 group:message_read", "3 message:read"}; !ok || !slices.Equal(told, want) {
		t.Errorf("from the middle of a commit on %q, want %q", told, want)
	}
}

func TestADeliveryThatWasMissedIsToldToTheAuthorAlone(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	anns := w.say(t, ann, g, "hi")
	after := w.sync(t, "0").Seq
	if _, err := w.delivered(eve, anns.ID); err != nil {
		t.Fatal(err)
	}

	if told, _, ok := w.missed(t, after, false); !ok || len(told) != 0 {
		t.Errorf("bob missed %q", told)
	}
	events, _, ok, err := w.Missed(t.Context(), ann, after, false)
	if err != nil || !ok || len(events) != 1 {
		t.Fatalf("ann missed %+v, %v", events, err)
	}
	if got, want := events[0].Payload, (wire.MessageDelivered{MessageID: anns.ID, UserID: eve.User, GroupChatID: g}); got != want {
		t.Errorf("ann missed %+v, want %+v", got, want)
	}
}

func TestWhoWasPutOutMeanwhileHearsThatAlone(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	w.say(t, ann, g, "before")
	after := w.sync(t, "0").Seq

	hidden := w.say(t, ann, g, "secret")
	w.mustEdit(t, ann, hidden.ID, "more secret")
	if _, err := w.remove(ann, g, bob.User); err != nil {
		t.Fatal(err)
	}
	w.say(t, ann, g, "after")
	if _, err := w.rename(ann, g, "secrets"); err != nil {
		t.Fatal(err)
	}
	w.mustDelete(t, ann, hidden.ID, true)

	told, _, ok := w.missed(t, after, false)
	if want := []string{"3 group:removed"}; !ok || !slices.Equal(told, want) {
		t.Errorf("missed %q, want %q", told, want)
	}
	s := w.sync(t, after.String())
	if !slices.Equal(s.GroupsLeft, []id.Group{g}) || len(s.Messages)+len(s.Changed)+len(s.Deleted)+len(s.Groups)+len(s.GroupReads) > 0 || s.Counts.Messages != 0 {
		t.Errorf("sync brings %+v", s)
	}
	if s := w.sync(t, "0"); len(s.Messages)+len(s.Groups) > 0 {
		t.Errorf("from nothing sync brings %+v", s)
	}
}

func TestWhoCameInHasReadNothing(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	m := w.say(t, bob, g, "hi")
	after := w.sync(t, "0").Seq
	if _, err := w.add(ann, g, eve.User); err != nil {
		t.Fatal(err)
	}

	told, _, ok := w.missed(t, after, false)
	if want := []string{"1 group:updated", "1 message:read"}; !ok || !slices.Equal(told, want) {
		t.Errorf("missed %q, want %q", told, want)
	}
	if got := w.groupThread(t, bob, g)[0]; got.ID != m.ID || got.ReadCount != 0 || got.DeliveredCount != 0 || got.Read {
		t.Errorf("bob's message is read by %+v", got.ReadBy)
	}
}

// Whoever comes in begins behind what was written before, which their devices hear as message:read.
func TestWhoCameInMeanwhileHearsOfTheGroup(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, eve)
	w.say(t, ann, g, "before")
	after := w.sync(t, "0").Seq
	if _, err := w.add(ann, g, bob.User); err != nil {
		t.Fatal(err)
	}
	w.say(t, ann, g, "news")

	told, _, ok := w.missed(t, after, false)
	if want := []string{"1 group:updated", "2 group:message_new news", "2 message:read"}; !ok || !slices.Equal(told, want) {
		t.Errorf("missed %q, want %q", told, want)
	}
	s := w.sync(t, after.String())
	if len(s.Groups) != 1 || s.Groups[0].ID != g || s.Groups[0].UnreadCount != 1 || !slices.Equal(contents(s.Messages), []string{"news"}) {
		t.Errorf("sync brings %+v", s)
	}
	if got, want := contents(w.groupThread(t, bob, g)), []string{"before", "news"}; !slices.Equal(got, want) {
		t.Errorf("bob sees %q, want %q", got, want)
	}
}

func TestSyncTellsOfGroupsInTheirPlaces(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	old, gone := w.say(t, ann, g, "old"), w.say(t, ann, g, "gone")
	hidden := w.say(t, ann, g, "hidden")
	after := w.sync(t, "0").Seq
	m := w.say(t, bob, g, "new")
	w.mustEdit(t, ann, old.ID, "edited")
	w.mustDelete(t, ann, gone.ID, true)
	w.mustDelete(t, bob, hidden.ID, false)
	if _, err := w.read(ann, m.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.add(ann, g, dan.User); err != nil { // who has read nothing
		t.Fatal(err)
	}

	s := w.sync(t, after.String())

	if got := s.Messages; len(got) != 1 || *got[0].GroupChat != g || got[0].Content != "new" || got[0].ReadCount != 1 {
		t.Errorf("new %+v", got)
	}
	if got := s.Changed; len(got) != 1 || got[0].Content != "edited" {
		t.Errorf("changed %+v", got)
	}
	if got, want := s.Deleted, []wire.DeletedMessage{
		{MessageID: gone.ID, DeleteForAll: true, GroupChatID: g}, {MessageID: hidden.ID, GroupChatID: g},
	}; !slices.Equal(got, want) {
		t.Errorf("deleted %+v, want %+v", got, want)
	}
	if got, want := s.GroupReads, []wire.GroupMessageRead{{GroupChatID: g, MessageID: m.ID, UserID: ann.User}}; !slices.Equal(got, want) {
		t.Errorf("reads %+v, want %+v", got, want)
	}
	if len(s.Groups) != 1 || s.Groups[0].LastMessage.ID != m.ID || len(s.Conversations) != 0 {
		t.Errorf("groups %+v", s.Groups)
	}
}

// A mark "unread" that was set on another device would be taken away by what tells how far the
// person has read.
func TestAMarkOnAGroupIsNotTakenAwayByWhatWasMissed(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	m := w.say(t, ann, g, "hi")
	if _, err := w.read(bob, m.ID); err != nil {
		t.Fatal(err)
	}
	after := w.sync(t, "0").Seq
	if _, err := w.MarkGroupUnread(t.Context(), bob, g); err != nil {
		t.Fatal(err)
	}

	if told, _, ok := w.missed(t, after, false); ok {
		t.Errorf("missed %q; want a reload", told)
	}
}
