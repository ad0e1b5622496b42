package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/custody"
	"pryde/internal/files"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/people"
	"pryde/internal/seal"
)

func anErasedPersonIsGone(t *testing.T, k *keeper) {
	k.furnish()
	ctx := t.Context()
	before := k.since(bob, 0)
	replied := k.send(bob, alice, "still there")

	if o := k.carryOut(custody.Order{Kind: custody.Erase, Username: "ALICE"}); o.Failed {
		t.Fatalf("the order failed: %s", o.Says)
	}

	a, err := k.People.Account(ctx, alice)
	if err != nil || !a.Deleted || a.Details != (people.Details{}) || a.Email != "" || a.DisplayName != "" {
		t.Errorf("the account is %+v (error %v), want one that is deleted and says nothing", a, err)
	}
	if _, err := k.Sessions.Session(ctx, sessionID); !errors.Is(err, auth.ErrNoSession) {
		t.Errorf("a session of hers is still there: %v", err)
	}
	tombstones := 0
	for _, c := range []message.Conversation{message.Between(alice, bob), message.InGroup(groupID(1))} {
		for _, m := range k.thread(c, bob) {
			if m.Sender != alice {
				continue
			}
			tombstones++
			if m.DeletedAt.IsZero() || m.Content != "" || m.Attachment != "" || m.Extra != (message.Extra{}) {
				t.Errorf("a message of hers reads %+v, want a tombstone", m)
			}
			if v, err := k.Messages.Versions(ctx, m.ID); err != nil || len(v) > 0 {
				t.Errorf("earlier texts of hers: %v, error %v", v, err)
			}
		}
	}
	if tombstones < 100 {
		t.Errorf("%d tombstones: the test is blind", tombstones)
	}
	if m := k.find(replied.ID); m.Content != "still there" {
		t.Errorf("what others wrote to her reads %q", m.Content)
	}
	if last := k.row(bob).Last; last == nil || last.ID != replied.ID {
		t.Errorf("the newest message of the conversation is %v", last)
	}
	if seat, err := k.Groups.Seat(ctx, groupID(1), bob); err != nil || seat.Last == nil || seat.Last.Content != "" || seat.Unread != 0 {
		t.Errorf("the group reads %+v, error %v; want a tombstone as its newest message and nothing unread", seat, err)
	}
	if n := k.unread(bob); len(n) > 0 {
		t.Errorf("what she wrote is counted as unread: %v", n)
	}
	if c := k.since(bob, before.Seq); !c.Reload {
		t.Error("who was away is not told to read everything again")
	}
	if _, found, err := k.Keys.KeyByOwner(ctx, seal.PurposePerson, alice); err != nil || found {
		t.Errorf("a key of hers is there: %v, error %v", found, err)
	}
	if u, err := k.Uploads.Upload(ctx, files.Name{5}); err != nil || !u.Doomed {
		t.Errorf("her file is %+v (error %v), want it about to be removed", u, err)
	}
	if err := k.Vault.Ensure(ctx, alice); !errors.Is(err, seal.ErrKeyGone) {
		t.Errorf("she got a new key: %v", err)
	}
	if o := k.carryOut(custody.Order{Kind: custody.Erase, Username: "alice"}); o.Failed {
		t.Errorf("erasing her a second time failed: %s", o.Says)
	}
}

func anErasedPersonStaysErased(t *testing.T, k *keeper) {
	k.furnish()
	ctx := t.Context()
	// The data is as before her erasing, the keys are as after it.
	if err := k.Keys.EraseOwner(ctx, alice, start); err != nil {
		t.Fatalf("EraseOwner: %v", err)
	}
	v := k.Vault
	if err := v.Refresh(ctx); err != nil {
		t.Fatalf("Refresh: %v", err)
	}

	if err := k.service(custody.Options{}).Restore(ctx); err != nil {
		t.Fatalf("Restore: %v", err)
	}

	if a, err := k.People.Account(ctx, alice); err != nil || !a.Deleted {
		t.Errorf("her account is %+v (error %v), want a deleted one", a, err)
	}
	if a, err := k.People.Account(ctx, bob); err != nil || a.Deleted {
		t.Errorf("another account is %+v (error %v), want it as it was", a, err)
	}
	for _, m := range k.page(alice, bob, bob) {
		if m.Sender == alice && (m.Content != "" || m.DeletedAt.IsZero()) {
			t.Errorf("a message of hers reads %q", m.Content)
		}
	}
}

func ordersAreAnswered(t *testing.T, k *keeper) {
	k.account(alice, "alice")
	ctx := t.Context()

	for _, o := range []custody.Order{
		{Kind: custody.Erase, Username: "nobody"},
		{Kind: custody.Replace, Username: "nobody"},
		{Kind: custody.Rewrap, Master: k.Vault.Primary() + 1},
		{Kind: "unheard-of"},
	} {
		if got := k.carryOut(o); !got.Failed || got.Says == "" || got.DoneAt.IsZero() || got.Username != "" {
			t.Errorf("%s: %+v, want it refused with a reason, and the name forgotten", o.Kind, got)
		}
	}
	if got := k.carryOut(custody.Order{Kind: custody.Rewrap, Master: k.Vault.Primary()}); got.Failed {
		t.Errorf("re-wrapping failed: %s", got.Says)
	}
	first, second := k.order(custody.Order{Kind: "a"}), k.order(custody.Order{Kind: "b"})
	pending, err := k.Keys.Pending(ctx)
	if err != nil || len(pending) != 2 || pending[0].ID != first || pending[1].ID != second {
		t.Fatalf("Pending gave %+v and %v, want both in their order", pending, err)
	}
	done := pending[0]
	done.DoneAt, done.Says = start, "done"
	if err := k.Keys.Finish(ctx, done); err != nil {
		t.Fatalf("Finish: %v", err)
	}
	done.Says = "done again"
	if err := k.Keys.Finish(ctx, done); err != nil {
		t.Fatalf("Finish: %v", err)
	}
	if got, found, err := k.Keys.Order(ctx, first); err != nil || !found || got.Says != "done" {
		t.Errorf("Order gave %+v, %v, %v; want the first answer", got, found, err)
	}
	k.wait(48 * time.Hour)
	k.order(custody.Order{Kind: "c"})
	if _, found, err := k.Keys.Order(ctx, first); err != nil || found {
		t.Errorf("an answer of two days ago is still there: %v, error %v", found, err)
	}
	if _, found, err := k.Keys.Order(ctx, second); err != nil || !found {
		t.Errorf("an order that was not carried out is gone: %v, error %v", found, err)
	}
}

func keysAreKept(t *testing.T, k *keeper) {
	ctx := t.Context()
	key := func(i uint64, o id.User, m seal.KeyID) seal.WrappedKey {
		return seal.WrappedKey{ID: seal.DataKeyID(i), Purpose: seal.PurposePerson, Owner: seal.Owner(o), Master: m, Sealed: []byte{byte(i), byte(m)}}
	}
	add := func(w seal.WrappedKey) {
		t.Helper()
		if got, err := k.Keys.AddKey(ctx, w); err != nil || got.ID != w.ID {
			t.Fatalf("AddKey gave %v and %v", got.ID, err)
		}
	}
	one, two, three := key(11, alice, 1), key(12, bob, 1), key(13, carol, 2)
	add(one)
	add(two)
	add(three)

	if done, err := k.Keys.ReplaceKey(ctx, 11, key(14, alice, 2), start); err != nil || !done {
		t.Fatalf("ReplaceKey gave %v and %v", done, err)
	}
	if done, err := k.Keys.ReplaceKey(ctx, 11, key(15, alice, 2), start); err != nil || done {
		t.Errorf("replacing a retired key gave %v and %v, want nothing changed", done, err)
	}
	if w, found, err := k.Keys.KeyByOwner(ctx, seal.PurposePerson, seal.Owner(alice)); err != nil || !found || w.ID != 14 || !w.RetiredAt.IsZero() {
		t.Errorf("the key in use is %v, %v, %v; want the new one", w, found, err)
	}
	if w, found, err := k.Keys.KeyByID(ctx, 11); err != nil || !found || !w.RetiredAt.Equal(start) || w.Owner != seal.Owner(alice) {
		t.Errorf("the old key is %v, %v, %v; want it retired", w, found, err)
	}
	if _, found, err := k.Keys.KeyByID(ctx, 15); err != nil || found {
		t.Errorf("a key that replaced nothing is there: %v, error %v", found, err)
	}
	besides, err := k.Keys.KeysBesides(ctx, 2, 10)
	besides = slices.DeleteFunc(besides, func(w seal.WrappedKey) bool { return w.Purpose == seal.PurposeServer })
	slices.SortFunc(besides, func(a, b seal.WrappedKey) int { return int(a.ID) - int(b.ID) })
	if err != nil || len(besides) != 2 || besides[0].ID != 11 || besides[1].ID != 12 {
		t.Errorf("KeysBesides gave %v and %v, want the two of the other master key", besides, err)
	}
	if few, err := k.Keys.KeysBesides(ctx, 3, 3); err != nil || len(few) != 3 {
		t.Errorf("KeysBesides gave %d keys and %v, want 3 of 4", len(few), err)
	}
	again := besides[0]
	again.Master, again.Sealed = 2, []byte{99}
	stale := besides[1]
	stale.Sealed = []byte("another")
	if n, err := k.Keys.Rewrap(ctx, []seal.Rewrapping{{From: besides[0], To: again}, {From: stale, To: again}}); err != nil || n != 1 {
		t.Errorf("Rewrap changed %d keys (error %v), want the one that was as it said", n, err)
	}
	if m, err := k.Keys.Masters(ctx); err != nil || m[1] != 1 || m[2] != 3 {
		t.Errorf("Masters gave %v and %v", m, err)
	}
	if err := k.Keys.NoteProgress(ctx, 11, "so far"); err != nil {
		t.Errorf("NoteProgress: %v", err)
	}
	if note, err := k.Keys.Progress(ctx, 11); err != nil || note != "so far" {
		t.Errorf("Progress gave %q and %v", note, err)
	}
	if err := k.Keys.DropKey(ctx, 12); err != nil {
		t.Errorf("DropKey: %v", err)
	}
	if _, found, err := k.Keys.KeyByID(ctx, 12); err != nil || !found {
		t.Errorf("a key in use was dropped (error %v)", err)
	}
	for range 2 {
		if err := k.Keys.EraseOwner(ctx, seal.Owner(alice), start); err != nil {
			t.Fatalf("EraseOwner: %v", err)
		}
	}
	for _, i := range []seal.DataKeyID{11, 14} {
		if _, found, err := k.Keys.KeyByID(ctx, i); err != nil || found {
			t.Errorf("key %d of an erased person is there (error %v)", i, err)
		}
	}
	if _, err := k.Keys.AddKey(ctx, key(16, alice, 1)); !errors.Is(err, seal.ErrKeyGone) {
		t.Errorf("adding a key for an erased person gave %v, want ErrKeyGone", err)
	}
	if gone, err := k.Keys.ErasedOwners(ctx); err != nil || len(gone) != 1 || !gone[seal.Owner(alice)].Equal(start) {
		t.Errorf("ErasedOwners gave %v and %v", gone, err)
	}
}
