package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

// Groups tests groups and the messages in them.
func Groups(t *testing.T, open func(*testing.T) Stores) {
	tests := map[string]func(*testing.T, *desk){
		"GroupComesBackAsItWasStored":             testGroup,
		"GroupIDIsTakenOnce":                      testGroupClash,
		"GroupIsChangedBySet":                     testChangeGroup,
		"ChangeThatIsRefusedChangesNothing":       testChangeRefused,
		"WhoComesInHasReadEverything":             testEnter,
		"WhoIsOutHasNothingLeft":                  testLeave,
		"WhoComesBackBeginsAnew":                  testReenter,
		"GroupWithoutMembersIsDeleted":            testDeletedGroup,
		"ChangesOfAGroupAtOnceAreAllMade":         testConcurrentMembers,
		"SeatsComeNewestFirst":                    testSeats,
		"SeatFollowsWhatTheMemberCanSee":          testSeatView,
		"SeatIsArranged":                          testArrangeGroup,
		"ReadingAGroupTakesTheMarkUnreadAway":     testGroupMark,
		"ClearingAGroupHidesAllThatIsThere":       testClearGroup,
		"CursorsOnlyMoveForward":                  testCursors,
		"WhatChangesNothingOfAGroupTakesNoNumber": testNoGroupNumber,
		"NumbersOfGroupsAreAnnouncedInOrder":      testGroupNumbers,
		"QueuedGroupOperationIsFinished":          testGroupCancelled,
		"UnknownGroupsAreNotFound":                testNoGroup,
		"GroupMessageComesBackAsItWasStored":      testGroupMessage,
		"GroupAttemptIsKnownAgain":                testGroupAttempt,
		"GroupPagesMeetWithoutGapOrOverlap":       testGroupPages,
		"GroupMediaComesNewestFirst":              testGroupMedia,
		"GroupMessageIsDeletedForOneAndForAll":    testGroupDeletions,
		"WhoIsNotInTheGroupIsRefused":             testOutsider,
		"GroupMessagesAreNobodysRows":             testGroupApart,
		"ChangesTellOfGroups":                     testGroupChanges,
		"ChangesTellWhoLeft":                      testLeftChanges,
		"ChangesTellOfCursors":                    testCursorChanges,
		"ChangesOfGroupsAreTooMany":               testGroupTooMany,
		"ChangesTellOfEveryGroupOrReload":         testChangedSeats,
		"ChangesOfGroupsAreOfOneMoment":           testGroupMoment,
		"WhoCameLaterSeesTheSame":                 testLateComer,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, newDesk(t, open)) })
	}
}

func testGroup(t *testing.T, d *desk) {
	want := d.groupOf(bob, carol, alice)
	want.Name, want.Description, want.Avatar = "Grüße ☃", "<b>\x00", "/upload/image/a.png"
	want.CreatedAt, want.UpdatedAt = start.Add(1234567*time.Nanosecond), start.Add(1234567*time.Nanosecond)
	want.Members[2].Admin = true

	got, err := d.groups.CreateGroup(t.Context(), want)
	if err != nil {
		t.Fatalf("CreateGroup: %v", err)
	}

	want.CreatedAt, want.UpdatedAt, want.Changed = start.Add(time.Millisecond), start.Add(time.Millisecond), got.Changed
	if got.Changed <= 0 {
		t.Errorf("Changed is %d, want a positive number", got.Changed)
	}
	same(t, "created group", got, want)
	same(t, "group", d.findGroup(want.ID), want)
	for _, m := range want.Members {
		seat := message.Seat{Group: want, Changed: want.Changed}
		same(t, "seat", d.seat(want.ID, m.User), seat)
		same(t, "seats", d.seats(m.User), []message.Seat{seat})
		same(t, "unread", d.unreadInGroups(m.User), map[id.Group]int{})
	}
	same(t, "seats of a stranger", d.seats(user(99)), []message.Seat(nil))
	for _, c := range d.cursors(want.ID) {
		same(t, "cursor at the start", c, message.Cursor{Group: want.ID, User: c.User, Changed: want.Changed})
	}
	if next := d.toGroup(want, alice, "x"); next.Seq <= got.Changed {
		t.Errorf("the number after %d is %d", got.Changed, next.Seq)
	}
}

func testGroupClash(t *testing.T, d *desk) {
	first := d.newGroup(alice, bob)
	second := d.groupOf(carol)
	second.ID = first.ID

	if _, err := d.groups.CreateGroup(t.Context(), second); err == nil {
		t.Error("an id was given to two groups")
	}
	same(t, "group", d.findGroup(first.ID), first)
	same(t, "seats of who came second", d.seats(carol), []message.Seat(nil))
}

func testChangeGroup(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob, carol)
	said := d.toGroup(g, bob, "hello")
	d.sent++

	before, after, err := d.groups.ChangeGroup(t.Context(), g.ID, alice, d.now(), func(g *message.Group) error {
		g.Name, g.Description, g.Avatar = "Neu ☃", "about", "/upload/image/b.png"
		g.Members[1].Admin = true
		return nil
	})
	if err != nil {
		t.Fatalf("ChangeGroup: %v", err)
	}

	want := g
	want.Members = slices.Clone(g.Members)
	want.Name, want.Description, want.Avatar = "Neu ☃", "about", "/upload/image/b.png"
	want.Members[1].Admin, want.UpdatedAt, want.Changed = true, d.now(), after.Changed
	if after.Changed <= said.Seq {
		t.Errorf("Changed is %d, want more than %d", after.Changed, said.Seq)
	}
	same(t, "group as it was", before, g)
	same(t, "group as it is", after, want)
	same(t, "group", d.findGroup(g.ID), want)
	same(t, "seat", d.seat(g.ID, carol), message.Seat{Group: want, Last: &said, Unread: 1, Changed: after.Changed})
}

func testChangeRefused(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	no := errors.New("only admins may")

	_, _, err := d.groups.ChangeGroup(t.Context(), g.ID, bob, d.now(), func(g *message.Group) error {
		g.Name, g.Members = "taken over", g.Members[1:]
		return no
	})

	if !errors.Is(err, no) {
		t.Errorf("ChangeGroup: %v, want what set said", err)
	}
	same(t, "group", d.findGroup(g.ID), g)
	same(t, "seat", d.seat(g.ID, alice), message.Seat{Group: g, Changed: g.Changed})
}
