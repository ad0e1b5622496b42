package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func opens(t *testing.T, v *Vault, p Place, sealed []byte, want string) {
	t.Helper()
	got, err := v.Open(t.Context(), p, sealed)
	if err != nil || string(got) != want {
		t.Errorf("Open gave %q and %v, want %q", got, err, want)
	}
}

func TestRewrappingChangesTheMasterAndNothingElse(t *testing.T) {
	store := newMemoryKeys()
	old, fresh := testKey(1), testKey(2)
	before := New(ringOf(t, old), store, rand.Reader)
	sealed := sealFor(t, before, alice, here, "secret")
	server, err := before.ServerKey(t.Context())
	if err != nil {
		t.Fatalf("ServerKey: %v", err)
	}
	for i := range 3 * rewrapBatch / 2 {
		sealFor(t, before, Owner{1, byte(i >> 8), byte(i)}, here, "x")
	}
	if err := before.Replace(t.Context(), alice, noon); err != nil {
		t.Fatalf("Replace: %v", err)
	}

	n, err := New(ringOf(t, fresh, old), store, rand.Reader).Rewrap(t.Context())

	if want := len(store.keys); err != nil || n != want {
		t.Errorf("Rewrap changed %d keys (error %v), want all %d", n, err, want)
	}
	after := New(ringOf(t, fresh), store, rand.Reader)
	opens(t, after, here, sealed, "secret")
	if again, err := after.ServerKey(t.Context()); err != nil || again != server {
		t.Errorf("the server key is another one after it was re-wrapped (error %v)", err)
	}
	if m, err := after.Masters(t.Context()); err != nil || len(m) != 1 || m[fresh.ID()] != len(store.keys) {
		t.Errorf("the master keys wrap %v (error %v), want all by %v", m, err, fresh.ID())
	}
	if n, err := after.Rewrap(t.Context()); err != nil || n != 0 {
		t.Errorf("a second Rewrap changed %d keys (error %v), want none", n, err)
	}
}

func TestRewrappingWithoutTheFormerKeyChangesNothing(t *testing.T) {
	store := newMemoryKeys()
	old := testKey(1)
	sealed := sealFor(t, New(ringOf(t, old), store, rand.Reader), alice, here, "secret")

	if n, err := New(ringOf(t, testKey(2)), store, rand.Reader).Rewrap(t.Context()); !errors.Is(err, ErrWrongKey) || n != 0 {
		t.Errorf("Rewrap changed %d keys with error %v, want none and ErrWrongKey", n, err)
	}
	opens(t, New(ringOf(t, old), store, rand.Reader), here, sealed, "secret")
}

func TestCheckNamesTheMasterKeysThatAreMissing(t *testing.T) {
	store := newMemoryKeys()
	a, b := testKey(1), testKey(2)
	sealFor(t, New(ringOf(t, a), store, rand.Reader), alice, here, "x")
	sealFor(t, New(ringOf(t, b, a), store, rand.Reader), bob, here, "x")

	if err := New(ringOf(t, b, a), store, rand.Reader).Check(t.Context()); err != nil {
		t.Errorf("Check with all keys: %v", err)
	}
	err := New(ringOf(t, b), store, rand.Reader).Check(t.Context())
	if !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), a.ID().String()) || strings.Contains(err.Error(), b.ID().String()) {
		t.Errorf("Check without one key gave %v, want ErrWrongKey that names %v alone", err, a.ID())
	}
}

func TestReplacedKeyOpensAndSealsNoMore(t *testing.T) {
	store := newMemoryKeys()
	v := New(ringOf(t, testKey(1)), store, rand.Reader)
	old := sealFor(t, v, alice, here, "old")

	if err := v.Replace(t.Context(), alice, noon); err != nil {
		t.Fatalf("Replace: %v", err)
	}
	opens(t, v, here, old, "old")
	fresh := sealFor(t, v, alice, here, "new")

	if bytes.Equal(old[:headerSize], fresh[:headerSize]) {
		t.Error("what is sealed after the replacement names the same key")
	}
	again, err := v.Reseal(t.Context(), alice, here, old)
	if err != nil || again == nil {
		t.Fatalf("Reseal gave %d bytes and %v", len(again), err)
	}
	if unchanged, err := v.Reseal(t.Context(), alice, here, again); err != nil || unchanged != nil {
		t.Errorf("Reseal of what is sealed with the new key gave %d bytes and %v, want nothing", len(unchanged), err)
	}
	retired, err := v.Retired(t.Context())
	if err != nil || len(retired) != 1 || retired[0].Owner != alice || !retired[0].RetiredAt.Equal(noon) || retired[0].Sealed != nil {
		t.Fatalf("Retired gave %v and %v, want the one key without its wrapping", retired, err)
	}
	if err := v.Drop(t.Context(), retired[0]); err != nil {
		t.Fatalf("Drop: %v", err)
	}
	if _, err := v.Open(t.Context(), here, old); !errors.Is(err, ErrKeyGone) {
		t.Errorf("what the dropped key sealed: Open gave %v, want ErrKeyGone", err)
	}
	opens(t, v, here, again, "old")
	opens(t, v, here, fresh, "new")
}

// A key that is read from the store while it is replaced must not stay in use.
func TestKeyThatIsReadDuringAReplacementIsReadAgain(t *testing.T) {
	store := newMemoryKeys()
	ring := ringOf(t, testKey(1))
	sealFor(t, New(ring, store, rand.Reader), alice, here, "x")
	v := New(ring, store, rand.Reader) // nothing is in its memory
	store.waiting = func() {
		store.waiting = nil
		if err := v.Replace(t.Context(), alice, noon); err != nil {
			t.Errorf("Replace: %v", err)
		}
	}

	sealed, err := v.Seal(t.Context(), alice, here, []byte("new"))
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}

	now, _ := store.find(PurposePerson, alice)
	if i, err := keyIn(sealed); err != nil || i != now.ID {
		t.Errorf("Seal used key %d, want %d which has replaced it", i, now.ID)
	}
	if k, ok := v.people.byOwner(alice); !ok || k.id != now.ID {
		t.Error("the key that was replaced is still in memory as the one in use")
	}
}

func TestErasedPersonIsForgottenAtOnceAndForGood(t *testing.T) {
	store := newMemoryKeys()
	ring := ringOf(t, testKey(1))
	v := New(ring, store, rand.Reader)
	old := sealFor(t, v, alice, here, "old")
	if err := v.Replace(t.Context(), alice, noon); err != nil {
		t.Fatalf("Replace: %v", err)
	}
	now := sealFor(t, v, alice, here, "now")
	other := sealFor(t, v, bob, here, "bob's")

	if err := v.Erase(t.Context(), alice, noon); err != nil {
		t.Fatalf("Erase: %v", err)
	}

	second := New(ring, store, rand.Reader)
	if err := second.Check(t.Context()); err != nil {
		t.Fatalf("Check: %v", err)
	}
	for name, v := range map[string]*Vault{"this vault": v, "another one": second} {
		for _, sealed := range [][]byte{old, now} {
			if _, err := v.Open(t.Context(), here, sealed); !errors.Is(err, ErrKeyGone) {
				t.Errorf("%s: Open gave %v, want ErrKeyGone", name, err)
			}
		}
		if err := v.Ensure(t.Context(), alice); !errors.Is(err, ErrKeyGone) {
			t.Errorf("%s: Ensure gave %v, want ErrKeyGone: nobody erased gets a new key", name, err)
		}
		if at, gone := v.Erased(alice); !gone || !at.Equal(noon) {
			t.Errorf("%s: Erased gave %v, %v", name, at, gone)
		}
		if _, gone := v.Erased(bob); gone {
			t.Errorf("%s: bob counts as erased", name)
		}
		opens(t, v, here, other, "bob's")
	}
}

func TestRefreshForgetsWhoWasErasedElsewhere(t *testing.T) {
	store := newMemoryKeys()
	ring := ringOf(t, testKey(1))
	here1, elsewhere := New(ring, store, rand.Reader), New(ring, store, rand.Reader)
	sealed := sealFor(t, here1, alice, here, "secret")
	if err := elsewhere.Erase(t.Context(), alice, noon); err != nil {
		t.Fatalf("Erase: %v", err)
	}

	if err := here1.Refresh(t.Context()); err != nil {
		t.Fatalf("Refresh: %v", err)
	}

	if _, err := here1.Open(t.Context(), here, sealed); !errors.Is(err, ErrKeyGone) {
		t.Errorf("Open gave %v, want ErrKeyGone", err)
	}
}

func TestExpectFindsKeysThatAreOlderThanTheData(t *testing.T) {
	store := newMemoryKeys()
	v := New(ringOf(t, testKey(1)), store, rand.Reader)
	sealFor(t, v, alice, here, "x")
	sealFor(t, v, bob, here, "x")
	if err := v.Erase(t.Context(), bob, noon); err != nil {
		t.Fatalf("Erase: %v", err)
	}

	if err := v.Expect(t.Context(), []Owner{alice, bob}); err != nil {
		t.Errorf("Expect of one with a key and one who was erased: %v", err)
	}
	if err := v.Expect(t.Context(), []Owner{alice, {9}}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("Expect of somebody without a key gave %v, want ErrWrongKey", err)
	}
}

func TestKeysAreReadByComma(t *testing.T) {
	a, b := strings.Repeat("6b", KeySize), strings.Repeat("6C", KeySize)
	var keys Keys
	if err := keys.UnmarshalText([]byte(a + ", " + b + ",")); err != nil || len(keys) != 2 || keys[0] != testKey('k') || keys[1] != testKey('l') {
		t.Errorf("UnmarshalText gave %d keys and %v", len(keys), err)
	}
	for _, bad := range []string{a[:10], a + b, a + "," + strings.Repeat("00", KeySize), a + ";" + b} {
		var keys Keys
		if err := keys.UnmarshalText([]byte(bad)); err == nil || strings.Contains(err.Error(), "6b6b") {
			t.Errorf("%.8q... gave error %v, want one without the text", bad, err)
		}
	}
	for _, got := range []string{keys.String(), fmt.Sprint(keys), fmt.Sprintf("%+v %#v", keys, keys)} {
		if strings.Contains(got, "6b6b") || strings.Contains(got, "107") || strings.Contains(got, hex.EncodeToString(keys[0][:4])) {
			t.Errorf("keys printed as %q", got)
		}
	}
}
