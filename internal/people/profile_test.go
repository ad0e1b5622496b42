package people_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/wire"
)

func TestMeIsTheWholeAccount(t *testing.T) {
	h := open(t)
	in := h.join(t, "alice")
	who := h.who(t, in.Body.AccessToken)
	if err := h.store.SetAudience(t.Context(), who.User, people.Followers); err != nil {
		t.Fatal(err)
	}
	h.advance(6 * 24 * time.Hour)

	got, err := h.Me(t.Context(), who)

	days := (24 * 24 * time.Hour).Milliseconds()
	want := wire.Account{
		User: in.Body.User, Badges: []string{}, PrivacySettings: wire.AccountPrivacy{WhoCanMessage: "followers"},
		Session: wire.SessionLife{TimeoutMs: days, TimeUntilTimeout: days, LastActivity: h.now().Add(-6 * 24 * time.Hour)},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	h.advance(24*24*time.Hour - time.Minute)
	if got, err = h.Me(t.Context(), who); err != nil || got.Session.TimeUntilTimeout != time.Minute.Milliseconds() {
		t.Errorf("a minute before the end: %+v, %v", got.Session, err)
	}
	_, err = h.Me(t.Context(), auth.Identity{User: id.User{9}})
	sameFault(t, err, auth.ErrUserNotFound)
	_, err = h.Me(t.Context(), auth.Identity{User: who.User, Session: "x"})
	sameFault(t, err, auth.ErrSessionEnded)
}

func TestStatusSaysWhoIsThere(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	if got, err := h.Status(t.Context(), auth.Identity{}); err != nil || got != (wire.AuthStatus{}) {
		t.Errorf("nobody: %+v, %v", got, err)
	}
	want := wire.AuthStatus{Authenticated: true, User: &wire.StatusUser{ID: alice.User, UnderscoreID: alice.User, Username: "alice", DisplayName: "Alice & co"}}
	got, err := h.Status(t.Context(), alice)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestUsernamesThatCanBeHad(t *testing.T) {
	h := open(t)
	h.join(t, "Alice")
	for name, want := range map[string]string{
		"bob": "Username is available", "alice": "Username already taken", "ALICE": "Username already taken",
		"": "Username must be", "ab": "Username must be", "a b c": "Username must be", "alice@example.org": "Username must be",
		strings.Repeat("a", 31): "Username must be", "%": "Username must be",
	} {
		got, err := h.CheckUsername(t.Context(), name)
		if err != nil || !strings.HasPrefix(got.Message, want) || got.Available != (name == "bob") {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
}

func TestSearchFindsPeopleWhoAreThere(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	all := map[string]id.User{}
	for _, name := range []string{"ann_1", "annika", "banned_ann", "deleted_ann", "away_ann", "i_block_ann", "ann_blocks_me"} {
		all[name] = h.member(t, name, 0).in[0].User
	}
	for name, change := range map[string]func(*people.Account){
		"banned_ann":  func(a *people.Account) { a.Banned = true },
		"deleted_ann": func(a *people.Account) { a.Deleted = true },
		"away_ann":    func(a *people.Account) { a.Active = false },
	} {
		if err := h.store.change(all[name], change); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Block(t.Context(), alice, wire.Blocking{BlockedUserID: all["i_block_ann"]}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Block(t.Context(), auth.Identity{User: all["ann_blocks_me"]}, wire.Blocking{BlockedUserID: alice.User}); err != nil {
		t.Fatal(err)
	}

	for q, want := range map[string][]string{
		"ann": {"ann_1", "annika"}, " ANN ": {"ann_1", "annika"}, "nik": {"annika"}, "ALICE & C": {"ann_1", "annika"},
		"": {}, "  ": {}, "%": {}, "ann.": {}, "alice_": {}, "\xff": {}, strings.Repeat("a", 100_000): {},
	} {
		got, err := h.Search(t.Context(), alice, q)
		names := []string{}
		for _, p := range got {
			names = append(names, p.Username)
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%.20q finds %v, %v; want %v", q, names, err, want)
		}
	}
}

func TestProfilesShowNoMoreThanTheyMay(t *testing.T) {
	h := open(t)
	alice, bob := h.member(t, "alice", 0).in[0], h.member(t, "bob", 0).in[0]
	if _, err := h.store.Follow(t.Context(), bob.User, alice.User, h.now()); err != nil {
		t.Fatal(err)
	}
	whole := wire.Profile{
		ID: alice.User, UnderscoreID: alice.User, Username: "alice", DisplayName: "Alice & co", Pronouns: "she/her", Bio: "I <3 tea\nand cake",
		IsActive: true, IsFollowing: true, CreatedAt: h.now(), Badges: []string{},
	}
	little := whole
	little.Pronouns, little.Bio, little.IsFollowing = "", "", false
	look := func(identifier string, want wire.Profile) {
		t.Helper()
		got, err := h.Profile(t.Context(), bob, identifier)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", identifier, err, diff)
		}
	}
	look("alice", whole)
	look("ALICE", whole)
	look(alice.User.String(), whole)
	for _, identifier := range []string{"", "nobody", "alice@example.org", strings.Repeat("f", 24), "al%", `{"$ne":""}`} {
		_, err := h.Profile(t.Context(), bob, identifier)
		sameFault(t, err, people.ErrNoAccount)
	}

	away := little
	away.IsActive = false
	if _, err := h.store.Deactivate(t.Context(), alice.User, h.now()); err != nil {
		t.Fatal(err)
	}
	look("alice", away)
	if err := h.store.Reactivate(t.Context(), alice.User); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Block(t.Context(), alice, wire.Blocking{BlockedUserID: bob.User}); err != nil {
		t.Fatal(err)
	}
	_, blocked := h.Profile(t.Context(), bob, "alice")
	sameFault(t, blocked, fault.Forbidden("PROFILE_NOT_ACCESSIBLE", "Profile not accessible"))
	if _, err := h.Profile(t.Context(), alice, "bob"); err != nil {
		t.Errorf("who blocks looks at whom they block: %v", err)
	}
}

func TestAProfileIsForItsAudience(t *testing.T) {
	h := open(t)
	alice, bob, carol := h.member(t, "alice", 0).in[0], h.member(t, "bob", 0).in[0], h.member(t, "carol", 0).in[0]
	if _, err := h.store.Follow(t.Context(), bob.User, alice.User, h.now()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		audience          people.Audience
		follower, another *fault.Fault
		bio               string // as the search shows it
	}{
		{people.Everyone, nil, nil, "I <3 tea\nand cake"},
		{people.Followers, nil, people.ErrProfileFollowers, ""},
		{people.NoOne, people.ErrProfilePrivate, people.ErrProfilePrivate, ""},
	} {
		if err := h.store.change(alice.User, func(a *people.Account) { a.ProfileAudience = c.audience }); err != nil {
			t.Fatal(err)
		}
		for who, want := range map[auth.Identity]*fault.Fault{alice: nil, bob: c.follower, carol: c.another} {
			_, err := h.Profile(t.Context(), who, "alice")
			if want != nil {
				sameFault(t, err, want)
			} else if err != nil {
				t.Errorf("for %s, %s: %v", c.audience, who.User, err)
			}
		}
		found, err := h.Search(t.Context(), carol, "alice")
		if err != nil || len(found) == 0 || found[0].ID != alice.User || found[0].Bio != c.bio {
			t.Errorf("for %s the search shows %+v, %v", c.audience, found, err)
		}
	}
}

func TestAChangeOfTheProfileIsSeenAtOnce(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	if _, err := h.Person(t.Context(), alice.User); err != nil {
		t.Fatal(err)
	}

	got, err := h.ChangeProfile(t.Context(), alice, wire.ProfileChange{
		DisplayName: new(" <b>Al</b> "), Bio: new("a & b"), ProfilePhoto: new("/upload/image/a.png"), Website: new("https://example.org/~alice"),
	})

	if err != nil || got.User.DisplayName != "Al" || got.User.Bio != "a & b" || got.User.ProfilePhoto != "/upload/image/a.png" || got.User.Website != "https://example.org/~alice" {
		t.Errorf("answered %+v, %v", got, err)
	}
	if got.User.Pronouns != "she/her" || got.User.FullName != "Alice Liddell" {
		t.Errorf("what was not named changed: %+v", got.User)
	}
	if p, err := h.Person(t.Context(), alice.User); err != nil || p.DisplayName != "Al" || p.ProfilePhoto != "/upload/image/a.png" {
		t.Errorf("others see %+v, %v", p, err)
	}
	got, err = h.ChangeProfile(t.Context(), alice, wire.ProfileChange{DisplayName: new(""), ProfilePhoto: new("")})
	if err != nil || got.User.DisplayName != "alice" || got.User.ProfilePhoto != "" || got.User.Bio != "a & b" {
		t.Errorf("emptied: %+v, %v", got.User, err)
	}
}

func TestProfilesThatAreRefused(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	before := h.store.accounts[alice.User]
	for field, in := range map[string]wire.ProfileChange{
		"displayName":  {DisplayName: new(strings.Repeat("ä", 51))},
		"fullName":     {FullName: new("A")},
		"pronouns":     {Pronouns: new("she\nher")},
		"bio":          {Bio: new(strings.Repeat("b", 501))},
		"profilePhoto": {ProfilePhoto: new("javascript:alert(1)")},
		"coverPhoto":   {CoverPhoto: new("//evil.example/x.png")},
		"website":      {Website: new("/only/a/path")},
	} {
		_, err := h.ChangeProfile(t.Context(), alice, in)
		var rejected *people.Rejected
		if !errors.As(err, &rejected) || len(rejected.Fields) != 1 || rejected.Fields[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, link := range []string{
		"data:text/html,x", "https://", "http:evil", "https://a b", "https://user:pw@example.org/", `/a"onerror="x`, `/\evil.example`, "ftp://example.org", "a.png",
		"https://example.org/" + strings.Repeat("a", 2048),
	} {
		if _, err := h.ChangeProfile(t.Context(), alice, wire.ProfileChange{ProfilePhoto: &link}); err == nil {
			t.Errorf("%.40q was taken", link)
		}
	}
	if diff := cmp.Diff(before, h.store.accounts[alice.User]); diff != "" {
		t.Errorf("a refused change was stored (-before +after):\n%s", diff)
	}
}

func TestChangesOfAProfileAtTheSameTimeAllCount(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	var all sync.WaitGroup
	for _, in := range []wire.ProfileChange{{Bio: new("bio")}, {Pronouns: new("they/them")}, {Location: new("Ghent")}} {
		all.Go(func() {
			if _, err := h.ChangeProfile(t.Context(), alice, in); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	if d := h.store.accounts[alice.User].Details; d.Bio != "bio" || d.Pronouns != "they/them" || d.Location != "Ghent" {
		t.Errorf("stored %+v", d)
	}
}

func TestAProfileThatKeepsChangingIsAConflict(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0).in[0]
	h.store.changing = func() {
		if err := h.store.change(alice.User, func(a *people.Account) { a.Revision++ }); err != nil {
			t.Error(err)
		}
	}
	_, err := h.ChangeProfile(t.Context(), alice, wire.ProfileChange{Bio: new("x")})
	if f := fault.Of(err); f.Kind != fault.KindConflict || f.RetryAfter == 0 {
		t.Errorf("got %v", err)
	}
	h.store.changing = nil
	if err := h.store.change(alice.User, func(a *people.Account) { a.Deleted = true }); err != nil {
		t.Fatal(err)
	}
	_, err = h.ChangeProfile(t.Context(), alice, wire.ProfileChange{Bio: new("x")})
	sameFault(t, err, auth.ErrUserNotFound)
}
