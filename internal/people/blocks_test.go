package people_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/wire"
)

var asBob, asCarol = auth.Identity{User: bob}, auth.Identity{User: carol}

func (h *house) block(t *testing.T, who auth.Identity, blocked id.User) wire.Blocked {
	t.Helper()
	b, err := h.Block(t.Context(), who, wire.Blocking{BlockedUserID: blocked, Reason: " spam <b>!</b> "})
	if err != nil {
		t.Fatalf("block: %v", err)
	}
	return b
}

func TestABlockWorksBothWaysAtOnce(t *testing.T) {
	h := neighbours(t)
	apart := func() bool {
		t.Helper()
		var errs []error
		for _, p := range [][2]id.User{{bob, carol}, {carol, bob}} {
			errs = append(errs, h.MayWrite(t.Context(), p[0], p[1]))
			with, err := h.BlockedWith(t.Context(), p[0])
			if err != nil || with[p[1]] != (errs[0] != nil) {
				t.Errorf("blocked with %v, %v", with, err)
			}
		}
		if (errs[0] == nil) != (errs[1] == nil) {
			t.Errorf("one direction %v, the other %v", errs[0], errs[1])
		}
		if errs[0] != nil {
			sameFault(t, errs[0], people.ErrBlocked)
		}
		return errs[0] != nil
	}

	if apart() {
		t.Error("a block where there is none")
	}
	first := h.block(t, asBob, carol)
	if !apart() {
		t.Error("no block where there is one")
	}
	if first.Existed || first.Block.Reason != "spam !" || first.Block.Blocker != bob || first.Block.Blocked != carol || first.Block.ID.IsZero() {
		t.Errorf("answered %+v", first)
	}
	if again := h.block(t, asBob, carol); !again.Existed || again.Block != first.Block {
		t.Errorf("the repeat answered %+v", again)
	}
	h.block(t, asCarol, bob)
	for i, who := range []auth.Identity{asBob, asCarol} {
		other := []id.User{carol, bob}[i]
		if _, err := h.Unblock(t.Context(), who, other); err != nil {
			t.Fatal(err)
		}
		if last := i == 1; apart() == last {
			t.Errorf("after %d of 2 blocks have ended: apart %v", i+1, !last)
		}
	}
	_, err := h.Unblock(t.Context(), asBob, carol)
	sameFault(t, err, people.ErrNoBlock)
}

func TestTheFirstBlockAndTheEndOfTheLastAreTold(t *testing.T) {
	h := neighbours(t)
	unblock := func(who auth.Identity, other id.User) {
		t.Helper()
		if _, err := h.Unblock(t.Context(), who, other); err != nil {
			t.Fatal(err)
		}
	}

	h.block(t, asBob, carol)
	h.block(t, asBob, carol)
	h.block(t, asCarol, bob)
	if want := []bool{true}; !slices.Equal(h.apart, want) {
		t.Errorf("after three blocks told %v, want %v", h.apart, want)
	}
	unblock(asBob, carol)
	unblock(asCarol, bob)
	if _, err := h.Unblock(t.Context(), asCarol, bob); err == nil {
		t.Error("the end of no block was no mistake")
	}
	if want := []bool{true, false}; !slices.Equal(h.apart, want) {
		t.Errorf("told %v, want %v", h.apart, want)
	}
}

func TestABlockOfWhichNothingIsKnownIsTold(t *testing.T) {
	h := neighbours(t)
	if _, err := h.BlockedWith(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	h.store.setDown(true)

	if _, err := h.Unblock(t.Context(), asBob, carol); err == nil {
		t.Error("the store that is away removed a block")
	}

	if want := []bool{false}; !slices.Equal(h.apart, want) {
		t.Errorf("told %v, want %v", h.apart, want)
	}
}

func TestContactsOfAPerson(t *testing.T) {
	h := neighbours(t)
	if _, err := h.store.Follow(t.Context(), bob, carol, time.Time{}); err != nil {
		t.Fatal(err)
	}

	got, err := h.Contacts(t.Context(), bob)
	if err != nil || !slices.Equal(got, []id.User{carol}) {
		t.Errorf("contacts %v, %v; want carol", got, err)
	}
	h.store.setDown(true)
	_, err = h.Contacts(t.Context(), bob)
	sameFault(t, err, auth.ErrStoreAway)
}

func TestABlockIsListedForWhoBlocks(t *testing.T) {
	h := neighbours(t)
	b := h.block(t, asBob, carol)

	got, err := h.Blocked(t.Context(), asBob)
	want := []wire.BlockedPerson{{
		ID: b.Block.ID, Blocker: bob, Blocked: wire.Person{ID: carol, Username: "carol"}, Reason: "spam !", CreatedAt: b.Block.CreatedAt,
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := h.Blocked(t.Context(), asCarol); err != nil || len(got) != 0 {
		t.Errorf("who is blocked sees %+v, %v", got, err)
	}
	if err := h.store.change(carol, func(a *people.Account) { a.Deleted = true }); err != nil {
		t.Fatal(err)
	}
	h.Forget(carol)
	if got, err := h.Blocked(t.Context(), asBob); err != nil || len(got) != 1 || got[0].Blocked != (wire.Person{ID: carol}) {
		t.Errorf("of a deleted account: %+v, %v", got, err)
	}
}

func TestABlockIsCheckedInItsDirection(t *testing.T) {
	h := neighbours(t)
	h.block(t, asBob, carol)

	for _, tt := range []struct {
		who  auth.Identity
		name string
		want bool
	}{
		{asBob, carol.String(), true}, {asBob, "carol", true}, {asBob, "CAROL", true},
		{asBob, "c@example.org", false}, {asBob, nobody.String(), false}, {asBob, "nobody", false}, {asBob, "", false},
		{asCarol, bob.String(), false}, {asCarol, "bob", false},
	} {
		if got, err := h.Blocks(t.Context(), tt.who, tt.name); err != nil || got.IsBlocked != tt.want {
			t.Errorf("%q: got %+v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestWhatIsNoBlockIsRefused(t *testing.T) {
	h := neighbours(t)
	for name, tt := range map[string]struct {
		in   wire.Blocking
		want *fault.Fault
	}{
		"nobody named": {wire.Blocking{}, fault.Invalid("MISSING_USER_ID", "User ID is required")},
		"oneself":      {wire.Blocking{BlockedUserID: bob}, fault.Invalid("CANNOT_BLOCK_SELF", "You cannot block yourself")},
		"unknown":      {wire.Blocking{BlockedUserID: nobody}, people.ErrNoAccount},
		"long reason": {
			wire.Blocking{BlockedUserID: carol, Reason: strings.Repeat("ä", people.MaxReason+1)},
			fault.Invalid("REASON_TOO_LONG", "The reason is too long (max 500 characters)"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Block(t.Context(), asBob, tt.in)
			sameFault(t, err, tt.want)
		})
	}
	if with, err := h.BlockedWith(t.Context(), bob); err != nil || len(with) != 0 {
		t.Errorf("refused blocks left %v, %v", with, err)
	}
}

func TestWhoMayWriteIsWhatAPersonSays(t *testing.T) {
	h := neighbours(t)
	say := func(who string) {
		t.Helper()
		got, err := h.SetPrivacy(t.Context(), asCarol, wire.PrivacyChange{WhoCanMessage: &who})
		if err != nil || got.Settings.WhoCanMessage != who {
			t.Fatalf("answered %+v, %v", got, err)
		}
	}
	write := func(want *fault.Fault) {
		t.Helper()
		err := h.MayWrite(t.Context(), bob, carol)
		if want != nil {
			sameFault(t, err, want)
		} else if err != nil {
			t.Errorf("refused: %v", err)
		}
		if err := h.MayWrite(t.Context(), carol, carol); err != nil {
			t.Errorf("notes to oneself: %v", err)
		}
		if err := h.MayWrite(t.Context(), carol, bob); err != nil {
			t.Errorf("the other direction: %v", err)
		}
	}

	if got, err := h.Privacy(t.Context(), asCarol); err != nil || got.WhoCanMessage != "everyone" {
		t.Errorf("at first %+v, %v", got, err)
	}
	write(nil)
	say("no-one")
	write(people.ErrNotAccepting)
	say("followers")
	write(people.ErrFollowersOnly)
	if _, err := h.store.Follow(t.Context(), carol, bob, h.now()); err != nil {
		t.Fatal(err)
	}
	write(people.ErrFollowersOnly)
	if _, err := h.store.Follow(t.Context(), bob, carol, h.now()); err != nil {
		t.Fatal(err)
	}
	write(nil)
	if got, err := h.SetPrivacy(t.Context(), asCarol, wire.PrivacyChange{}); err != nil || got.Settings.WhoCanMessage != "followers" {
		t.Errorf("naming nothing answered %+v, %v", got, err)
	}
	for _, bad := range []string{"", "friends", "Everyone", "nobody"} {
		_, err := h.SetPrivacy(t.Context(), asCarol, wire.PrivacyChange{WhoCanMessage: &bad})
		sameFault(t, err, fault.Invalid("INVALID_WHO_CAN_MESSAGE", "Invalid whoCanMessage value"))
	}
	say("everyone")
	write(nil)
}

func TestAStoreThatIsAwayLetsNobodyThrough(t *testing.T) {
	h := neighbours(t)
	if _, err := h.Person(t.Context(), carol); err != nil {
		t.Fatal(err)
	}
	h.store.setDown(true)

	sameFault(t, h.MayWrite(t.Context(), bob, carol), auth.ErrStoreAway)
	_, err := h.BlockedWith(t.Context(), bob)
	sameFault(t, err, auth.ErrStoreAway)
}
