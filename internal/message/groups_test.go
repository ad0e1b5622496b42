package message_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/wire"
)

func TestANewGroupIsToldToAllItsMembers(t *testing.T) {
	w := newWorld(t)

	g, err := w.create(ann, wire.NewGroup{
		Name: " <b>walkers</b> & co ", Description: "on Sundays", Avatar: "/upload/image/a.png",
		MemberIDs: []id.User{bob.User, eve.User, bob.User, ann.User},
	})
	if err != nil {
		t.Fatal(err)
	}

	if g.Name != "walkers & co" || g.Description != "on Sundays" || g.Avatar != "/upload/image/a.png" || g.Creator.ID != ann.User {
		t.Errorf("created %+v", g)
	}
	if got, want := memberIDs(g.Members), []id.User{ann.User, bob.User, eve.User}; !slices.Equal(got, want) || g.MemberCount != 3 {
		t.Errorf("members %v of %d, want %v", got, g.MemberCount, want)
	}
	if got, want := memberIDs(g.Admins), []id.User{ann.User}; !slices.Equal(got, want) || !g.Members[0].IsAdmin {
		t.Errorf("admins %v, want %v", got, want)
	}
	for _, who := range []auth.Identity{ann, bob, eve} {
		if got, want := w.take(who.User), []string{"group:updated"}; !slices.Equal(got, want) {
			t.Errorf("%s heard %q, want %q", who.User, got, want)
		}
	}
	if len(w.heard) != 1 || w.heard[0].Seq == 0 || w.heard[0].Seq != g.Seq {
		t.Errorf("told in %d events at %d, want one at %d", len(w.heard), w.heard[0].Seq, g.Seq)
	}
	if got, err := w.Members(t.Context(), bob.User, g.ID); err != nil || !slices.Equal(got, []id.User{ann.User, bob.User, eve.User}) {
		t.Errorf("members %v, %v", got, err)
	}
	card := w.heard[0].Payload.(wire.GroupCard)
	if card.GroupChatID != g.ID || card.Name != g.Name || card.MemberCount != 3 {
		t.Errorf("told %+v", card)
	}
}

func memberIDs(ms []wire.GroupMember) []id.User {
	var out []id.User
	for _, m := range ms {
		out = append(out, m.ID)
	}
	return out
}

func TestWhatAGroupMayBeCalledAndSay(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	for name, c := range map[string]struct {
		change wire.GroupChange
		code   string // empty: it is taken
	}{
		"no name":                  {wire.GroupChange{Name: new("")}, "INVALID_GROUP_NAME"},
		"white space":              {wire.GroupChange{Name: new(" \n ")}, "INVALID_GROUP_NAME"},
		"nothing but markup":       {wire.GroupChange{Name: new("<b></b>")}, "INVALID_GROUP_NAME"},
		"101 characters":           {wire.GroupChange{Name: new(strings.Repeat("é", 101))}, "INVALID_GROUP_NAME"},
		"a megabyte":               {wire.GroupChange{Name: new(strings.Repeat("a", 1<<20))}, "INVALID_GROUP_NAME"},
		"100 characters":           {wire.GroupChange{Name: new(strings.Repeat("é", 100))}, ""},
		"501 of a description":     {wire.GroupChange{Description: new(strings.Repeat("é", 501))}, "INVALID_DESCRIPTION"},
		"500 of a description":     {wire.GroupChange{Description: new(strings.Repeat("é", 500))}, ""},
		"no description":           {wire.GroupChange{Description: new("")}, ""},
		"no picture":               {wire.GroupChange{Avatar: new("")}, ""},
		"a picture somewhere":      {wire.GroupChange{Avatar: new("https://example.com/a.png")}, ""},
		"a picture that is code":   {wire.GroupChange{Avatar: new("javascript:alert(1)")}, "INVALID_AVATAR"},
		"a picture that is data":   {wire.GroupChange{Avatar: new("data:text/html,x")}, "INVALID_AVATAR"},
		"a picture of some host":   {wire.GroupChange{Avatar: new("//example.com/a.png")}, "INVALID_AVATAR"},
		"2,049 bytes of a picture": {wire.GroupChange{Avatar: new("/" + strings.Repeat("a", 2_048))}, "INVALID_AVATAR"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := do(w, func(ctx context.Context) (wire.Outcome[wire.Group], error) {
				return w.ChangeGroup(ctx, ann, g, c.change)
			})
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFault(t, err, c.code)
			in := wire.NewGroup{Name: "new"}
			for _, set := range []struct{ to, from *string }{{&in.Name, c.change.Name}, {&in.Description, c.change.Description}, {&in.Avatar, c.change.Avatar}} {
				if set.from != nil {
					*set.to = *set.from
				}
			}
			_, err = w.create(ann, in)
			wantFault(t, err, c.code)
		})
	}
}

func TestAChangeOfAGroupIsToldToItsMembersOnce(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)

	for range 2 {
		if got, err := w.rename(ann, g, "climbers"); err != nil || got.Name != "climbers" {
			t.Fatalf("renamed to %q, %v", got.Name, err)
		}
	}

	for _, u := range []id.User{ann.User, bob.User} {
		if got := payloads(w, u, wire.GroupUpdated); len(got) != 1 || got[0].Name != "climbers" {
			t.Errorf("%s heard %+v, want the new name once", u, got)
		}
	}
	if got := w.take(eve.User); got != nil {
		t.Errorf("a stranger heard %q", got)
	}
	if got := w.seat(t, bob, g); got.Name != "climbers" {
		t.Errorf("the group is called %q", got.Name)
	}
}

func TestWhoMayBePutIntoAGroup(t *testing.T) {
	apart := everybody{gone: map[id.User]bool{{11: 0x99}: true}, apart: map[id.User]map[id.User]bool{}}
	w := open(t, t.TempDir(), apart)
	g := w.group(t, ann, bob)
	apart.part(ann.User, eve.User, true)
	many := make([]id.User, 101)
	for i := range many {
		many[i] = id.User{0: 7, 11: byte(i)}
	}

	for name, c := range map[string]struct {
		us   []id.User
		code string
	}{
		"nobody":           {nil, "MISSING_MEMBER_IDS"},
		"no account":       {[]id.User{dan.User, {11: 0x99}}, "USER_NOT_FOUND"},
		"an empty id":      {[]id.User{{}}, "USER_NOT_FOUND"},
		"across a block":   {[]id.User{dan.User, eve.User}, "CANNOT_INTERACT"},
		"too many at once": {many, "TOO_MANY_MEMBERS"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.add(ann, g, c.us...)
			wantFault(t, err, c.code)
			if c.us != nil {
				_, err = w.create(ann, wire.NewGroup{Name: "new", MemberIDs: c.us})
				wantFault(t, err, c.code)
			}
		})
	}
	if got := w.seat(t, ann, g); got.MemberCount != 2 {
		t.Errorf("%d members, want the two of before", got.MemberCount)
	}
	if len(w.heard) > 0 {
		t.Errorf("%s was told of what was refused", w.heard[0].Name)
	}
}

// A block that stands by the time of the commit counts, whatever was known before.
func TestABlockOfTheLastMomentKeepsOneOutOfAGroup(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	block(t, w, eve.User, ann.User)

	_, err := w.add(ann, g, eve.User)
	wantFault(t, err, "CANNOT_INTERACT")
	_, err = w.create(ann, wire.NewGroup{Name: "new", MemberIDs: []id.User{eve.User}})
	wantFault(t, err, "CANNOT_INTERACT")

	if got := w.groups(t, eve); len(got) != 0 {
		t.Errorf("eve is in %d groups", len(got))
	}
}

func block(t *testing.T, w *world, blocker, blocked id.User) {
	t.Helper()
	b := people.Block{ID: wire.BlockID{1}, Blocker: blocker, Blocked: blocked, CreatedAt: time.Now()}
	if _, _, err := w.store.AddBlock(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// Who may not write to somebody cannot reach them by a group either.
func TestAGroupIsNoWayAroundWhoMayWrite(t *testing.T) {
	closed := unreachable{everybody{}, eve.User}
	w := open(t, t.TempDir(), closed)
	g := w.group(t, ann, bob)

	_, err := w.add(ann, g, eve.User)
	wantFault(t, err, "NOT_ACCEPTING")
	_, err = w.create(ann, wire.NewGroup{Name: "new", MemberIDs: []id.User{eve.User}})
	wantFault(t, err, "NOT_ACCEPTING")
}

func TestOnlyAdminsChangeAGroup(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	name := "new"
	for what, op := range map[string]func(auth.Identity, id.Group) error{
		"add":    func(who auth.Identity, g id.Group) error { _, err := w.add(who, g, id.User{11: 0x77}); return err },
		"remove": func(who auth.Identity, g id.Group) error { _, err := w.remove(who, g, ann.User); return err },
		"rename": func(who auth.Identity, g id.Group) error { _, err := w.rename(who, g, name); return err },
		"make":   func(who auth.Identity, g id.Group) error { _, err := w.role(who, g, bob.User, true); return err },
		"unmake": func(who auth.Identity, g id.Group) error { _, err := w.role(who, g, ann.User, false); return err },
	} {
		t.Run(what, func(t *testing.T) {
			wantFault(t, op(bob, g), "ADMINS_ONLY")
			wantFault(t, op(dan, g), "NOT_A_MEMBER")
			wantFault(t, op(ann, id.Group{1}), "GROUP_NOT_FOUND")
		})
	}
	if len(w.heard) > 0 {
		t.Errorf("%s was told of what was refused", w.heard[0].Name)
	}
	if got := w.seat(t, ann, g); got.Name != "walkers" || got.MemberCount != 3 || len(got.Admins) != 1 {
		t.Errorf("the group is %+v", got)
	}
}

func TestWhoIsAddedHearsOfTheGroup(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)

	after, err := w.add(ann, g, eve.User, bob.User)
	if err != nil {
		t.Fatal(err)
	}

	if got, want := memberIDs(after.Members), []id.User{ann.User, bob.User, eve.User}; !slices.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	for _, who := range []auth.Identity{ann, bob, eve} {
		if got, want := w.take(who.User), []string{"group:updated"}; !slices.Equal(got, want) {
			t.Errorf("%s heard %q, want %q", who.User, got, want)
		}
	}
	w.forget()
	if _, err := w.add(ann, g, eve.User); err != nil || len(w.heard) > 0 {
		t.Errorf("who is in already: %v, told in %d events", err, len(w.heard))
	}
}

func TestWhoIsPutOutHearsThatAlone(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)

	after, err := w.remove(ann, g, bob.User)
	if err != nil {
		t.Fatal(err)
	}

	if got, want := memberIDs(after.Members), []id.User{ann.User, eve.User}; !slices.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	if got, want := w.take(bob.User), []string{"group:removed"}; !slices.Equal(got, want) {
		t.Errorf("who is out heard %q, want %q", got, want)
	}
	if got := payloads(w, bob.User, wire.GroupLeftBehind); got[0].GroupChatID != g {
		t.Errorf("told %+v", got)
	}
	for _, u := range []id.User{ann.User, eve.User} {
		if got, want := w.take(u), []string{"group:updated"}; !slices.Equal(got, want) {
			t.Errorf("%s heard %q, want %q", u, got, want)
		}
	}
	_, err = w.remove(ann, g, bob.User)
	wantFault(t, err, "MEMBER_NOT_FOUND")
	_, err = w.remove(ann, g, id.User{})
	wantFault(t, err, "MISSING_MEMBER_ID")
}

func TestRemovingOneselfIsLeaving(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)

	if _, err := w.remove(bob, g, bob.User); err != nil {
		t.Fatal(err)
	}

	if got, want := w.take(bob.User), []string{"group:removed"}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
	if got := w.seat(t, ann, g); got.MemberCount != 1 {
		t.Errorf("%d members, want 1", got.MemberCount)
	}
	_, err := w.leave(bob, g)
	wantFault(t, err, "NOT_A_MEMBER")
}

func TestTheMemberOfLongestStandingFollowsTheLastAdmin(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob, eve)
	if _, err := w.role(ann, g, eve.User, true); err != nil {
		t.Fatal(err)
	}

	w.mustLeave(t, ann, g)
	if got, want := memberIDs(w.seat(t, bob, g).Admins), []id.User{eve.User}; !slices.Equal(got, want) {
		t.Fatalf("with an admin left, admins %v, want %v", got, want)
	}
	w.mustLeave(t, eve, g)

	got := w.seat(t, bob, g)
	if want := []id.User{bob.User}; !slices.Equal(memberIDs(got.Admins), want) {
		t.Errorf("admins %v, want %v", memberIDs(got.Admins), want)
	}
	if got.Creator.ID != ann.User || !got.Creator.JoinedAt.IsZero() {
		t.Errorf("the creator is %+v, want ann, who has left", got.Creator)
	}
	if _, err := w.rename(bob, g, "bob's"); err != nil {
		t.Errorf("the new admin: %v", err)
	}
}

func TestAGroupEndsWithItsLastMember(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)

	first, err := w.leave(ann, g)
	if err != nil || first.Message != "Left group successfully" {
		t.Errorf("answered %+v, %v", first, err)
	}
	w.forget()
	last, err := w.leave(bob, g)
	if err != nil || last.Message != "Group deleted" {
		t.Errorf("answered %+v, %v", last, err)
	}

	if got, want := w.take(bob.User), []string{"group:removed"}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
	if len(w.heard) != 1 || w.heard[0].Seq == 0 {
		t.Errorf("told %+v", w.heard)
	}
	_, err = w.Group(t.Context(), bob, g)
	wantFault(t, err, "GROUP_NOT_FOUND")
	_, err = w.leave(bob, g)
	wantFault(t, err, "GROUP_NOT_FOUND")
	_, err = w.send(bob, wire.NewMessage{GroupChatID: g, Content: "anybody?"})
	wantFault(t, err, "GROUP_NOT_FOUND")
}

func TestAGroupKeepsAnAdmin(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)

	_, err := w.role(ann, g, ann.User, false)
	wantFault(t, err, "LAST_ADMIN")
	_, err = w.role(ann, g, eve.User, true)
	wantFault(t, err, "MEMBER_NOT_FOUND")
	if _, err := w.role(ann, g, bob.User, true); err != nil {
		t.Fatal(err)
	}
	after, err := w.role(bob, g, ann.User, false)

	if got, want := memberIDs(after.Admins), []id.User{bob.User}; err != nil || !slices.Equal(got, want) {
		t.Errorf("admins %v, %v; want %v", got, err, want)
	}
	if got, want := w.take(ann.User), []string{"group:updated", "group:updated"}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func TestALargeGroupIsListedWithItsFirstMembers(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann)
	for n := 1; n < 1_000; n += 100 {
		var us []id.User
		for i := n; i < min(n+100, 1_000); i++ {
			us = append(us, id.User{0: 7, 10: byte(i >> 8), 11: byte(i)})
		}
		if _, err := w.add(ann, g, us...); err != nil {
			t.Fatal(err)
		}
	}

	_, err := w.add(ann, g, eve.User)
	wantFault(t, err, "GROUP_FULL")

	if row := w.groups(t, ann)[0]; len(row.Members) != 100 || row.MemberCount != 1_000 || row.Members[0].ID != ann.User {
		t.Errorf("listed with %d of %d members", len(row.Members), row.MemberCount)
	}
	if seat := w.seat(t, ann, g); len(seat.Members) != 1_000 {
		t.Errorf("%d members shown, want 1,000", len(seat.Members))
	}
}

func TestGroupsAreListedNewestFirst(t *testing.T) {
	w := newWorld(t)
	first, second, third := w.group(t, ann, bob), w.group(t, ann, bob), w.group(t, bob)
	last := w.say(t, bob, first, "news")

	rows := w.groups(t, ann)

	if len(rows) != 2 || rows[0].ID != first || rows[1].ID != second {
		t.Fatalf("listed %d groups, want the one with the message, then the other; bob's own %s is not ann's", len(rows), third)
	}
	row := rows[0]
	if row.LastMessage == nil || row.LastMessage.ID != last.ID || row.LastMessage.Content != "news" || row.UnreadCount != 1 || row.UpdatedAt.Before(last.CreatedAt) {
		t.Errorf("row %+v", row)
	}
	page, err := w.Groups(t.Context(), ann, wire.GroupQuery{Limit: 1})
	if err != nil || len(page.Items) != 1 || page.Next != first.String() {
		t.Fatalf("first page %+v, %v", page, err)
	}
	rest, err := w.Groups(t.Context(), ann, wire.GroupQuery{Limit: 1, Before: first})
	if err != nil || len(rest.Items) != 1 || rest.Items[0].ID != second || rest.Next != "" {
		t.Errorf("second page %+v, %v", rest, err)
	}
}

func TestWhatAMemberSetsForAGroupIsTheirs(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	w.say(t, ann, g, "hi")
	for said, op := range map[string]func(context.Context, auth.Identity, id.Group) (wire.Outcome[wire.ConversationChanged], error){
		"Group chat archived":         w.ArchiveGroup,
		"Group chat marked as unread": w.MarkGroupUnread,
	} {
		got, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationChanged], error) { return op(ctx, bob, g) })
		if err != nil || got.Message != said || got.Conversation == nil || *got.Conversation.GroupChat != g {
			t.Errorf("answered %+v, %v; want %q", got, err, said)
		}
	}
	hours := 1.5
	muted, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationMuted], error) {
		return w.MuteGroup(ctx, bob, g, wire.Muting{Duration: &hours})
	})
	if err != nil || muted.Message != "Group chat muted" || muted.MutedUntil == nil || len(muted.Conversation.MutedBy) != 1 {
		t.Errorf("answered %+v, %v", muted, err)
	}

	if row := w.groups(t, bob)[0]; !row.Archived || !row.Muted || row.MutedUntil == nil || !row.ManuallyUnread {
		t.Errorf("bob's row %+v", row)
	}
	if row := w.groups(t, ann)[0]; row.Archived || row.Muted || row.ManuallyUnread {
		t.Errorf("ann's row %+v", row)
	}

	w.forget()
	unmarked, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationMarkedRead], error) {
		return w.UnmarkGroupUnread(ctx, bob, g)
	})
	if err != nil || len(unmarked.Conversation.UnreadFor) != 0 {
		t.Errorf("answered %+v, %v", unmarked, err)
	}
	if got := payloads(w, bob.User, wire.MessageWasRead); len(got) != 1 || got[0] != (wire.MessageRead{GroupChatID: g}) || len(w.take(ann.User)) > 0 {
		t.Errorf("bob heard %+v, ann %q", got, w.take(ann.User))
	}
	for _, op := range []func(context.Context, auth.Identity, id.Group) (wire.Outcome[wire.ConversationChanged], error){w.UnarchiveGroup, w.UnmuteGroup} {
		if _, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationChanged], error) { return op(ctx, bob, g) }); err != nil {
			t.Error(err)
		}
		_, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationChanged], error) { return op(ctx, eve, g) })
		wantFault(t, err, "NOT_A_MEMBER")
	}
	if row := w.groups(t, bob)[0]; row.Archived || row.Muted || row.ManuallyUnread {
		t.Errorf("bob's row %+v", row)
	}
	for _, hours := range []float64{0, -1, 1e9} {
		_, err := w.MuteGroup(t.Context(), bob, g, wire.Muting{Duration: &hours})
		wantFault(t, err, "INVALID_DURATION")
	}
}

func TestClearingAGroupHidesItFromOneselfAlone(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	w.say(t, ann, g, "old")

	if err := w.clearGroup(bob, g); err != nil {
		t.Fatal(err)
	}
	w.say(t, ann, g, "new")

	if got, want := contents(w.groupThread(t, bob, g)), []string{"new"}; !slices.Equal(got, want) {
		t.Errorf("bob sees %q, want %q", got, want)
	}
	if got, want := contents(w.groupThread(t, ann, g)), []string{"old", "new"}; !slices.Equal(got, want) {
		t.Errorf("ann sees %q, want %q", got, want)
	}
	if row := w.groups(t, bob)[0]; row.UnreadCount != 1 {
		t.Errorf("%d unread, want the new one", row.UnreadCount)
	}
	wantFault(t, w.clearGroup(eve, g), "NOT_A_MEMBER")
	wantFault(t, w.clearGroup(ann, id.Group{1}), "GROUP_NOT_FOUND")
}
