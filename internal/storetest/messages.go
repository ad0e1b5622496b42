package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

// Messages tests messages.
func Messages(t *testing.T, open func(*testing.T) Stores) {
	tests := map[string]func(*testing.T, *desk){
		"MessageComesBackAsItWasStored":          testMessage,
		"SameClientIDIsTheSameAttempt":           testClientID,
		"ClientIDBelongsToItsSender":             testClientIDOfOther,
		"AttemptStaysTakenAfterDeletion":         testAttemptStays,
		"RepeatWindowCountsFromTheFirst":         testRepeatWindow,
		"RepeatNeedsTheSameEverything":           testRepeatDiffers,
		"TakenIDIsAnError":                       testIDClash,
		"ConcurrentAttemptsStoreOne":             testConcurrentAttempts,
		"CreatedAtNeverRunsBackwards":            testCreatedAt,
		"NumbersAreAnnouncedInOrder":             testNumbers,
		"WhatChangesNothingTakesNoNumber":        testNoNumber,
		"QueuedOperationIsFinished":              testCancelled,
		"EndedContextIsNoLoss":                   testEndedContext,
		"NotesToOneselfAreNeverUnread":           testNotes,
		"PagesMeetWithoutGapOrOverlap":           testPages,
		"PageShowsWhatTheViewerMaySee":           testPageView,
		"PageBeforeAStrangerIsNoMessage":         testPageStranger,
		"RowsComeNewestFirst":                    testRows,
		"RowFollowsWhatTheViewerCanSee":          testRowView,
		"EditReplacesTheContent":                 testEdit,
		"DeletionForAllLeavesATombstone":         testDeleteForAll,
		"DeletionForSelfHidesFromOne":            testDeleteForSelf,
		"ReadMarkOnlyMovesForward":               testMarkRead,
		"ReadMarkCountsWhatIsUnreadAfterIt":      testMarkReadCounts,
		"StrangersAndUnknownMessagesAreNotFound": testNotFound,
		"ChangesAreTooMany":                      testTooMany,
		"ChangesAreTooLarge":                     testTooLarge,
		"ChangesFromTheNewestNumberAreNone":      testNoChanges,
		"ChangesAreOfOneMoment":                  testOneMoment,
		"ReadMarkTellsTheSender":                 testPeerRead,
		"CountsAndChangesEqualTheOracle":         testHistory,
		"ConcurrentHistoryEqualsARecount":        testConcurrentHistory,
		"ChangesTellOfEveryConversationOrReload": testChangedRows,
		"DeliveryMarkOnlyMovesForward":           testMarkDelivered,
		"ConversationIsArranged":                 testArrange,
		"ConversationIsMadeByArranging":          testArrangeNew,
		"ReadingTakesTheMarkUnreadAway":          testMarkedUnread,
		"ClearingHidesAllThatIsThere":            testClear,
		"AttachmentsComeNewestFirst":             testMedia,
		"ExtraAndReplyComeBackAsTheyWereStored":  testExtra,
		"SomeAreThoseThatTheViewerSees":          testSome,
		"ReactionsAreMadeOnce":                   testReactions,
		"ReactionsAreBounded":                    testMaxReactions,
		"ReactionToWhatIsNotSeenIsRefused":       testReactRefused,
		"EarlierTextsAreKept":                    testVersions,
		"DraftsAreKept":                          testDrafts,
		"DraftsAreBounded":                       testMaxDrafts,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, newDesk(t, open)) })
	}
}

func testMessage(t *testing.T, d *desk) {
	draft := d.draft(bob, alice, "Grüße ☃ \x00 <b>")
	draft.Attachment = "/files/picture.png"
	draft.ClientID = "temp-1"
	draft.At = start.Add(1234567 * time.Nanosecond)

	got := d.append(draft)

	want := message.Message{
		ID: draft.ID, Seq: got.Seq, Changed: got.Seq, Sender: bob, Recipient: alice, Content: draft.Content,
		Attachment: draft.Attachment, Fingerprint: draft.Fingerprint, CreatedAt: start.Add(time.Millisecond),
	}
	if got.Seq <= 0 {
		t.Errorf("Seq is %d, want a positive number", got.Seq)
	}
	same(t, "appended message", got, want)
	same(t, "message", d.find(draft.ID), want)
	same(t, "page", d.page(alice, bob, alice), []message.Message{want})
	same(t, "recipient's row", d.row(alice), message.Row{Peer: bob, Last: &want, Unread: 1, Changed: want.Seq})
	same(t, "sender's row", d.row(bob), message.Row{Peer: alice, Last: &want, Changed: want.Seq})
	same(t, "recipient's unread", d.unread(alice), map[id.User]int{bob: 1})
	same(t, "sender's unread", d.unread(bob), map[id.User]int{})

	bare := d.send(alice, bob, "")
	same(t, "message without content", d.find(bare.ID), bare)
}

func testPages(t *testing.T, d *desk) {
	var want []id.Message
	for i := range 7 {
		from, to := alice, bob
		if i%2 == 1 {
			from, to = bob, alice
		}
		want = append(want, d.send(from, to, fmt.Sprint(i)).ID)
		d.send(alice, carol, "elsewhere")
	}

	for limit := 1; limit <= 8; limit++ {
		var got []id.Message
		before := id.Message{}
		for more := true; more; {
			p, err := d.store.PageBefore(t.Context(), message.Between(alice, bob), bob, before, limit)
			if err != nil || len(p.Items) == 0 || len(p.Items) > limit {
				t.Fatalf("limit %d: PageBefore gave %d messages and error %v", limit, len(p.Items), err)
			}
			got = append(ids(p.Items), got...)
			before, more = p.Items[0].ID, p.More
		}
		same(t, fmt.Sprintf("pages of %d", limit), got, want)
	}
	p, err := d.store.PageBefore(t.Context(), message.Between(alice, bob), bob, want[0], 5)
	if err != nil || len(p.Items) != 0 || p.More {
		t.Errorf("before the first message: %d messages, more %v, error %v; want none", len(p.Items), p.More, err)
	}
	same(t, "unknown conversation", d.page(bob, carol, bob), []message.Message(nil))
}

func testPageView(t *testing.T, d *desk) {
	first, second, third, fourth := d.send(alice, bob, "1"), d.send(bob, alice, "2"), d.send(alice, bob, "3"), d.send(bob, alice, "4")

	d.deleteForSelf(second.ID, alice)
	tomb := d.deleteForAll(third.ID)

	same(t, "alice's page", ids(d.page(alice, bob, alice)), []id.Message{first.ID, third.ID, fourth.ID})
	same(t, "bob's page", ids(d.page(alice, bob, bob)), []id.Message{first.ID, second.ID, third.ID, fourth.ID})
	same(t, "tombstone", d.page(alice, bob, bob)[2], tomb)
	p, err := d.store.PageBefore(t.Context(), message.Between(alice, bob), alice, id.Message{}, 3)
	if err != nil || len(p.Items) != 3 || p.More {
		t.Errorf("a page as long as what is visible: %d messages, more %v, error %v", len(p.Items), p.More, err)
	}
	p, err = d.store.PageBefore(t.Context(), message.Between(alice, bob), alice, second.ID, 3)
	if err != nil {
		t.Errorf("before a hidden message: %v", err)
	}
	same(t, "before a hidden message", ids(p.Items), []id.Message{first.ID})
}

func testPageStranger(t *testing.T, d *desk) {
	d.send(alice, bob, "here")
	other := d.send(alice, carol, "elsewhere")

	for name, before := range map[string]id.Message{"of another conversation": other.ID, "unknown": messageID(999)} {
		if _, err := d.store.PageBefore(t.Context(), message.Between(alice, bob), alice, before, 5); !errors.Is(err, message.ErrNoMessage) {
			t.Errorf("before a message %s: %v, want ErrNoMessage", name, err)
		}
	}
}

func testRows(t *testing.T, d *desk) {
	const peers = 7
	for i := range peers {
		d.send(user(10+i), alice, "hello")
	}
	d.send(alice, user(12), "back to the top")
	want := []id.User{user(12), user(16), user(15), user(14), user(13), user(11), user(10)}

	for limit := 1; limit <= peers+1; limit++ {
		var got []id.User
		before := id.Message{}
		for more := true; more; {
			p, err := d.store.Rows(t.Context(), alice, before, limit)
			if err != nil || len(p.Items) == 0 || len(p.Items) > limit {
				t.Fatalf("limit %d: Rows gave %d rows and error %v", limit, len(p.Items), err)
			}
			for _, r := range p.Items {
				got = append(got, r.Peer)
			}
			before, more = p.Items[len(p.Items)-1].Last.ID, p.More
		}
		same(t, fmt.Sprintf("rows by %d", limit), got, want)
	}
	if _, err := d.store.Rows(t.Context(), alice, d.send(bob, carol, "none of hers").ID, 5); !errors.Is(err, message.ErrNoMessage) {
		t.Errorf("Rows before a message of others gave %v, want ErrNoMessage", err)
	}
	if _, err := d.store.Rows(t.Context(), alice, messageID(999), 5); !errors.Is(err, message.ErrNoMessage) {
		t.Errorf("before an unknown message: %v, want ErrNoMessage", err)
	}
	same(t, "rows of a stranger", d.rows(user(99)), []message.Row(nil))
}

func testRowView(t *testing.T, d *desk) {
	first, second := d.send(alice, bob, "1"), d.send(alice, bob, "2")

	hidden := d.deleteForSelf(second.ID, bob)
	row := d.row(bob)
	same(t, "last after hiding the newest", row.Last, &first)
	if row.Unread != 1 || row.Changed != hidden.Changed {
		t.Errorf("after hiding the newest: unread %d, changed %d; want 1 and %d", row.Unread, row.Changed, hidden.Changed)
	}
	same(t, "other person's row", d.row(alice), message.Row{Peer: bob, Last: &second, Changed: second.Seq})

	gone := d.deleteForSelf(first.ID, bob)
	same(t, "rows with nothing to see", d.rows(bob), []message.Row(nil))
	same(t, "row with nothing to see, as a change", d.since(bob, second.Seq).Rows,
		[]message.Row{{Peer: alice, Changed: gone.Changed}})

	third := d.send(alice, bob, "3")
	same(t, "row that is back", d.row(bob), message.Row{Peer: alice, Last: &third, Unread: 1, Changed: third.Seq})

	tomb := d.deleteForAll(third.ID)
	same(t, "row of a tombstone", d.row(bob), message.Row{Peer: alice, Last: &tomb, Changed: tomb.Changed})
}

func testEdit(t *testing.T, d *desk) {
	draft := d.draft(alice, bob, "frist")
	draft.Attachment = "picture"
	m := d.append(draft)

	got, err := d.store.Edit(t.Context(), m.ID, "first", start.Add(time.Hour+time.Microsecond))
	if err != nil {
		t.Fatalf("Edit: %v", err)
	}

	want := m
	want.Content, want.EditedAt, want.Changed = "first", start.Add(time.Hour), got.Changed
	if got.Changed <= m.Seq {
		t.Errorf("Changed is %d, want more than %d", got.Changed, m.Seq)
	}
	same(t, "edited message", got, want)
	same(t, "message", d.find(m.ID), want)
	same(t, "recipient's row", d.row(bob), message.Row{Peer: alice, Last: &want, Unread: 1, Changed: got.Changed})
	same(t, "sender's row", d.row(alice), message.Row{Peer: bob, Last: &want, Changed: got.Changed})

	d.deleteForAll(m.ID)
	if _, err := d.store.Edit(t.Context(), m.ID, "zombie", start); !errors.Is(err, message.ErrGone) {
		t.Errorf("Edit of a deleted message gave %v, want ErrGone", err)
	}
	if got := d.find(m.ID).Content; got != "" {
		t.Errorf("a deleted message has content %q", got)
	}
}

func testDeleteForAll(t *testing.T, d *desk) {
	draft := d.draft(alice, bob, "secret")
	draft.Attachment = "picture"
	m := d.append(draft)
	kept := d.send(alice, bob, "kept")

	at := start.Add(time.Hour)
	got, changed, err := d.store.DeleteForAll(t.Context(), m.ID, at)
	if err != nil || !changed {
		t.Fatalf("DeleteForAll gave %v and error %v", changed, err)
	}

	want := message.Message{
		ID: m.ID, Seq: m.Seq, Changed: got.Changed, Sender: alice, Recipient: bob, CreatedAt: m.CreatedAt, DeletedAt: at,
	}
	if got.Changed <= kept.Seq {
		t.Errorf("Changed is %d, want more than %d", got.Changed, kept.Seq)
	}
	same(t, "deleted message", got, want)
	same(t, "tombstone", d.find(m.ID), want)
	same(t, "unread", d.unread(bob), map[id.User]int{alice: 1})
	again, changed, err := d.store.DeleteForAll(t.Context(), m.ID, at.Add(time.Hour))
	if err != nil || changed {
		t.Errorf("a second DeleteForAll gave %v and error %v, want false", changed, err)
	}
	same(t, "message after the second deletion", again, want)
	same(t, "unread after the second deletion", d.unread(bob), map[id.User]int{alice: 1})
}

func testDeleteForSelf(t *testing.T, d *desk) {
	m, kept := d.send(alice, bob, "mine"), d.send(alice, bob, "kept")

	got := d.deleteForSelf(m.ID, bob)

	want := m
	want.Changed = got.Changed
	if got.Changed <= kept.Seq {
		t.Errorf("Changed is %d, want the number of the deletion, more than %d", got.Changed, kept.Seq)
	}
	same(t, "hidden message", got, want)
	same(t, "who sees it", d.seenBy(m.ID), []id.User{alice})
	same(t, "who sees the other", d.seenBy(kept.ID), []id.User{alice, bob})
	same(t, "message itself", d.find(m.ID), m)
	same(t, "unread", d.unread(bob), map[id.User]int{alice: 1})
	if _, changed, err := d.store.DeleteForSelf(t.Context(), m.ID, bob, d.now()); err != nil || changed {
		t.Errorf("a second DeleteForSelf gave %v and error %v, want false", changed, err)
	}
	same(t, "changes of the other person", d.since(alice, kept.Seq).Deleted, []message.Gone(nil))
	same(t, "own changes", d.since(bob, kept.Seq).Deleted, []message.Gone{{ID: m.ID, Peer: alice, Seq: got.Changed}})
	d.deleteForSelf(m.ID, alice)
	same(t, "alice's page", ids(d.page(alice, bob, alice)), []id.Message{kept.ID})
}

func testNotFound(t *testing.T, d *desk) {
	m := d.send(alice, bob, "private")

	errs := map[string]error{}
	_, errs["Message, unknown"] = d.store.Message(t.Context(), messageID(999))
	_, errs["Edit, unknown"] = d.store.Edit(t.Context(), messageID(999), "x", start)
	_, _, errs["DeleteForAll, unknown"] = d.store.DeleteForAll(t.Context(), messageID(999), start)
	_, _, errs["DeleteForSelf, unknown"] = d.store.DeleteForSelf(t.Context(), messageID(999), alice, start)
	_, _, errs["DeleteForSelf, stranger"] = d.store.DeleteForSelf(t.Context(), m.ID, carol, start)
	_, errs["MarkRead, unknown"] = d.store.MarkRead(t.Context(), alice, messageID(999), start)
	_, errs["MarkRead, stranger"] = d.store.MarkRead(t.Context(), carol, m.ID, start)
	_, errs["MarkDelivered, unknown"] = d.store.MarkDelivered(t.Context(), alice, messageID(999), start)
	_, errs["MarkDelivered, stranger"] = d.store.MarkDelivered(t.Context(), carol, m.ID, start)
	for name, err := range errs {
		if !errors.Is(err, message.ErrNoMessage) {
			t.Errorf("%s: %v, want ErrNoMessage", name, err)
		}
	}
	same(t, "message", d.find(m.ID), m)
	same(t, "rows of the stranger", d.rows(carol), []message.Row(nil))
}

func testNotes(t *testing.T, d *desk) {
	first, second := d.send(alice, alice, "milk"), d.send(alice, alice, "bread")

	same(t, "page", d.page(alice, alice, alice), []message.Message{first, second})
	same(t, "row", d.row(alice), message.Row{Peer: alice, Last: &second, Changed: second.Seq})
	same(t, "unread", d.unread(alice), map[id.User]int{})
	if r, err := d.store.MarkRead(t.Context(), alice, second.ID, start); err != nil || r.Changed() {
		t.Errorf("MarkRead of a note moved %+v and gave error %v, want nothing changed", r, err)
	}
	tomb := d.deleteForAll(second.ID)
	same(t, "row of a deleted note", d.row(alice), message.Row{Peer: alice, Last: &tomb, Changed: tomb.Changed})
	same(t, "changes", ids(d.since(alice, 0).New), []id.Message{first.ID})
}
