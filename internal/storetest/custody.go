package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/custody"
	"pryde/internal/files"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/people"
	"pryde/internal/retention"
	"pryde/internal/seal"
	"pryde/internal/wire"
)

// Keep is what the care of keys and of age needs of a store.
type Keep interface {
	custody.Data
	retention.Store
	Standing(ctx context.Context, us []id.User) ([]id.User, error)
}

// KeyKeeper keeps wrapped keys and what is ordered about them.
type KeyKeeper interface {
	seal.KeyStore
	custody.Desk
}

// CareStores are an empty database with its keys.
type CareStores struct {
	Stores
	Keep  Keep
	Keys  KeyKeeper
	Vault *seal.Vault // over Keys

	Uploads files.Store
}

// Custody runs the tests of the care of keys.
func Custody(t *testing.T, open func(*testing.T) CareStores) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *keeper)
	}{
		{"everything that a replaced key sealed is sealed again", everythingIsSealedAgain},
		{"the sealing again goes on in another process", theSealingAgainGoesOn},
		{"what people do while it is sealed again stays", peopleGoOnWhileItIsSealedAgain},
		{"a key stays while something sealed waits outside", aKeyStaysWhileSomethingWaits},
		{"an erased person is gone and the others read on", anErasedPersonIsGone},
		{"who comes back with an older copy is erased again", anErasedPersonStaysErased},
		{"orders are carried out once and answered", ordersAreAnswered},
		{"keys are kept as the vault needs it", keysAreKept},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newKeeper(t, open(t))) })
	}
}

// A keeper is a test of the care of keys.
type keeper struct {
	CareStores
	*desk
	t   *testing.T
	now time.Time // of the care
	mu  sync.Mutex
}

func newKeeper(t *testing.T, s CareStores) *keeper {
	return &keeper{CareStores: s, desk: deskOf(t, s.Stores), t: t, now: start}
}

func (k *keeper) clock() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

func (k *keeper) wait(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = k.now.Add(d)
}

// Find implements custody.People.
func (k *keeper) Find(ctx context.Context, username string) (id.User, error) {
	a, err := k.People.AccountByLogin(ctx, username)
	return a.ID, err
}

// Remove implements custody.People.
func (k *keeper) Remove(ctx context.Context, u id.User) error {
	_, err := k.People.DeleteAccount(ctx, u, start)
	if errors.Is(err, people.ErrNoAccount) {
		return nil
	}
	return err
}

// Standing implements custody.People.
func (k *keeper) Standing(ctx context.Context, us []id.User) ([]id.User, error) {
	return k.Keep.Standing(ctx, us)
}

const grace = time.Hour

func (k *keeper) service(o custody.Options) *custody.Service {
	o.Desk, o.People, o.Data = k.Keys, k, k.Keep
	o.Log, o.Now, o.Grace, o.Poll = slog.New(slog.DiscardHandler), k.clock, grace, time.Millisecond
	if o.Vault == nil {
		o.Vault = k.Vault
	}
	return custody.New(o)
}

// run lets a service work until something is so.
func (k *keeper) run(s *custody.Service, until func() bool) {
	k.t.Helper()
	ctx, stop := context.WithCancel(k.t.Context())
	var done sync.WaitGroup
	done.Go(func() { s.Run(ctx) })
	defer done.Wait()
	defer stop()
	deadline := time.Now().Add(30 * time.Second)
	for !until() {
		if time.Now().After(deadline) {
			k.t.Fatal("the service did not come to it in time")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (k *keeper) order(o custody.Order) int64 {
	k.t.Helper()
	o.PostedAt = k.clock()
	i, err := k.Keys.Post(k.t.Context(), o)
	if err != nil {
		k.t.Fatalf("Post: %v", err)
	}
	return i
}

// carryOut posts an order and has it carried out.
func (k *keeper) carryOut(o custody.Order) custody.Order {
	k.t.Helper()
	i := k.order(o)
	if _, err := k.service(custody.Options{}).CarryOut(k.t.Context()); err != nil {
		k.t.Fatalf("CarryOut: %v", err)
	}
	done, found, err := k.Keys.Order(k.t.Context(), i)
	if err != nil || !found {
		k.t.Fatalf("Order: found %v, error %v", found, err)
	}
	return done
}

func (k *keeper) retired() []seal.WrappedKey {
	k.t.Helper()
	keys, err := k.Keys.RetiredKeys(k.t.Context())
	if err != nil {
		k.t.Fatalf("RetiredKeys: %v", err)
	}
	return keys
}

// passed reports whether everything was looked at once.
func (k *keeper) passed() bool {
	for _, r := range k.retired() {
		note, err := k.Keys.Progress(k.t.Context(), r.ID)
		if err != nil || !strings.Contains(note, `"waits":true`) {
			return false
		}
	}
	return true
}

// account makes an account that tells something of itself.
func (k *keeper) account(u id.User, name string) {
	k.t.Helper()
	if err := k.People.CreateAccount(k.t.Context(), people.Account{
		ID: u, Username: name, Email: name + "@example.com", DisplayName: name, PasswordHash: "x", Role: "user", Active: true,
		CreatedAt: start, Details: people.Details{Bio: "the bio of " + name},
	}); err != nil {
		k.t.Fatalf("CreateAccount: %v", err)
	}
}

var sessionID = strings.Repeat("5a", 32)

// furnish lets alice seal something of every kind, and returns what reads all of it back.
func (k *keeper) furnish() (readAll func() string) {
	k.t.Helper()
	ctx := k.t.Context()
	must := func(err error) {
		k.t.Helper()
		if err != nil {
			k.t.Fatal(err)
		}
	}
	k.account(alice, "alice")
	k.account(bob, "bob")
	must(k.Sessions.CreateSession(ctx, auth.Session{
		ID: sessionID, User: alice, CreatedAt: start, LastActive: start, ExpiresAt: start.Add(time.Hour),
		Device: auth.Device{UserAgent: "the agent", Address: "192.0.2.1"},
	}))
	_, err := k.Factors.OfferSecondFactor(ctx, alice, people.SecondFactor{Secret: "the factor", Offered: []string{"code"}}, nil)
	must(err)
	_, _, err = k.Ties.AddBlock(ctx, people.Block{ID: wire.BlockID{7}, Blocker: alice, Blocked: carol, Reason: "the reason", CreatedAt: start})
	must(err)
	group := message.Group{ID: groupID(1), Name: "g", Creator: bob, CreatedAt: start, Members: []message.Member{{User: bob, Admin: true}, {User: alice}}}
	_, err = k.Groups.CreateGroup(ctx, group)
	must(err)
	for i := range 150 {
		draft := k.draft(alice, bob, fmt.Sprint("text ", i))
		if i%3 == 0 {
			draft = k.draft(alice, id.User{}, fmt.Sprint("to the group ", i))
			draft.Group = group.ID
		}
		if i%2 == 0 {
			draft.ClientID = fmt.Sprint("c", i)
		}
		if i%5 == 0 {
			draft.Attachment = fmt.Sprint("https://example.com/", i)
			draft.Extra = message.Extra{Warning: fmt.Sprint("warning ", i), VoiceSeconds: float64(i)}
		}
		m := k.append(draft)
		if i%7 == 0 {
			for n := range 3 {
				_, err := k.Messages.Edit(ctx, m.ID, fmt.Sprint("edited ", i, " ", n), k.desk.now())
				must(err)
			}
		}
	}
	fileKey, err := k.Vault.Seal(ctx, seal.Owner(alice), files.KeyPlace(files.Name{5}), []byte("the key of a file"))
	must(err)
	must(k.Uploads.AddUpload(ctx, files.Upload{
		Name: files.Name{5}, Owner: alice, Kind: files.KindAttachment, Type: "image/png", Size: 1, Key: fileKey, CreatedAt: start, Due: start.Add(time.Hour),
	}, 10))
	k.deleteForAll(k.send(alice, bob, "to be deleted").ID)
	k.send(bob, alice, "an answer")
	must(k.Messages.SaveDraft(ctx, alice, message.SavedDraft{Conversation: message.Between(alice, bob), Text: "the draft", At: start}))
	must(k.Messages.SaveDraft(ctx, alice, message.SavedDraft{Conversation: message.InGroup(group.ID), Text: "the other draft", At: start}))
	return func() string {
		k.t.Helper()
		var all strings.Builder
		a, err := k.People.Account(ctx, alice)
		must(err)
		n, err := k.Sessions.Session(ctx, sessionID)
		must(err)
		f, err := k.Factors.SecondFactor(ctx, alice)
		must(err)
		blocks, err := k.Ties.Blocks(ctx, alice)
		must(err)
		drafts, err := k.Messages.Drafts(ctx, alice)
		must(err)
		slices.SortFunc(drafts, func(a, b message.SavedDraft) int { return strings.Compare(a.Text, b.Text) })
		u, err := k.Uploads.Upload(ctx, files.Name{5})
		must(err)
		opened, err := k.Vault.Open(ctx, files.KeyPlace(u.Name), u.Key)
		must(err)
		fmt.Fprintln(&all, string(opened), a.Details, n.Device, f.Secret, f.Offered, blocks[0].Reason, drafts[0].Text, drafts[1].Text)
		for _, c := range []message.Conversation{message.Between(alice, bob), message.InGroup(group.ID)} {
			for _, m := range k.thread(c, bob) {
				earlier, err := k.Messages.Versions(ctx, m.ID)
				must(err)
				fmt.Fprintln(&all, m.ID, m.Content, m.Attachment, m.Extra, m.DeletedAt.IsZero(), m.Changed, earlier)
			}
		}
		return all.String()
	}
}

func everythingIsSealedAgain(t *testing.T, k *keeper) {
	readAll := k.furnish()
	want := readAll()
	replaced := k.carryOut(custody.Order{Kind: custody.Replace, Username: "alice"})
	if replaced.Failed {
		t.Fatalf("the order failed: %s", replaced.Says)
	}
	s := k.service(custody.Options{})

	k.run(s, k.passed)
	if got := readAll(); got != want {
		t.Error("after the first pass something reads differently")
	}
	late := k.send(alice, bob, "sealed with the new key") // and never looked at again
	want = readAll()
	if len(k.retired()) != 1 {
		t.Fatalf("%d retired keys, want 1 until the grace is over", len(k.retired()))
	}
	k.wait(grace)
	k.run(s, func() bool { return len(k.retired()) == 0 })

	// Another process has nothing in memory, so that it reads with what is in the store alone.
	if got := readAll(); got != want {
		t.Error("after the old key went something reads differently")
	}
	if m := k.find(late.ID); m.Content != "sealed with the new key" {
		t.Errorf("a later message reads %q", m.Content)
	}
	b, err := k.Keep.Reseal(t.Context(), alice, "", 10_000)
	for err == nil && b.Next != "" {
		if b.Lost > 0 || b.Sealed > 0 {
			t.Fatalf("after all was sealed again %d values open with no key and %d were sealed with another", b.Lost, b.Sealed)
		}
		b, err = k.Keep.Reseal(t.Context(), alice, b.Next, 10_000)
	}
	if err != nil {
		t.Errorf("Reseal: %v", err)
	}
}

func theSealingAgainGoesOn(t *testing.T, k *keeper) {
	readAll := k.furnish()
	want := readAll()
	k.carryOut(custody.Order{Kind: custody.Replace, Username: "alice"})
	first, err := k.Keep.Reseal(t.Context(), alice, "", 20)
	if err != nil || first.Next == "" || first.Sealed == 0 {
		t.Fatalf("Reseal gave %+v and %v, want a part", first, err)
	}
	if err := k.Keys.NoteProgress(t.Context(), k.retired()[0].ID, fmt.Sprintf(`{"mark":%q,"sealed":%d}`, first.Next, first.Sealed)); err != nil {
		t.Fatalf("NoteProgress: %v", err)
	}

	k.run(k.service(custody.Options{}), k.passed)
	// Each process waits from when it has heard of it, since it may have sealed something until then.
	k.wait(grace)
	k.run(k.service(custody.Options{}), func() bool {
		k.wait(grace)
		return len(k.retired()) == 0
	})

	if got := readAll(); got != want {
		t.Error("something reads differently after a part was sealed again by another process")
	}
}

func peopleGoOnWhileItIsSealedAgain(t *testing.T, k *keeper) {
	readAll := k.furnish()
	readAll()
	ctx := t.Context()
	mine := k.thread(message.Between(alice, bob), alice)
	k.order(custody.Order{Kind: custody.Replace, Username: "alice"})
	s := k.service(custody.Options{})
	var work sync.WaitGroup
	stop := make(chan struct{})
	edits := make(map[id.Message]string)
	work.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			m := mine[i%len(mine)]
			if m.Sender != alice || !m.DeletedAt.IsZero() {
				continue
			}
			text := fmt.Sprint("while it is sealed again ", i)
			if _, err := k.Messages.Edit(ctx, m.ID, text, k.desk.now()); err != nil {
				t.Errorf("Edit: %v", err)
				return
			}
			edits[m.ID] = text
		}
	})
	work.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := k.Messages.PageBefore(ctx, message.Between(alice, bob), bob, id.Message{}, 100); err != nil {
				t.Errorf("a read failed: %v", err)
				return
			}
		}
	})

	k.run(s, func() bool { return len(k.retired()) == 1 && k.passed() })
	k.wait(grace)
	k.run(s, func() bool { return len(k.retired()) == 0 })
	close(stop)
	work.Wait()

	readAll()
	for m, want := range edits {
		if got := k.find(m).Content; got != want {
			t.Errorf("a message that was edited meanwhile reads %q, want %q", got, want)
		}
	}
	if len(edits) == 0 {
		t.Error("nothing was edited meanwhile: the test is blind")
	}
}

func aKeyStaysWhileSomethingWaits(t *testing.T, k *keeper) {
	k.furnish()
	k.carryOut(custody.Order{Kind: custody.Replace, Username: "alice"})
	waiting := 1
	s := k.service(custody.Options{Outside: func() int { return waiting }})
	k.run(s, k.passed)
	k.wait(grace)

	looks := 0
	k.run(s, func() bool { looks++; return looks > 20 })

	if n := len(k.retired()); n != 1 {
		t.Fatalf("%d retired keys while something that may be sealed with it waits outside, want 1", n)
	}
	waiting = 0
	k.run(s, func() bool { return len(k.retired()) == 0 })
}

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
