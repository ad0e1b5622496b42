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
