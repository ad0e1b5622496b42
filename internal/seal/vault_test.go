package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

// counting is a reader of 0, 1, 2, ...: randomness that a golden vector can know.
type counting struct{ next byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = c.next
		c.next++
	}
	return len(b), nil
}

var (
	alice = Owner{'a', 'l', 'i', 'c', 'e'}
	bob   = Owner{'b', 'o', 'b'}
	here  = Place{Collection: "messages", Field: "content", Document: []byte("document"), Conversation: []byte("conversation")}
)

func ringOf(t testing.TB, keys ...Key) *Ring {
	t.Helper()
	m := map[KeyID]Key{}
	for _, k := range keys {
		m[k.ID()] = k
	}
	r, err := NewRing(keys[0].ID(), m)
	if err != nil {
		t.Fatalf("NewRing: %v", err)
	}
	return r
}

func testKey(b byte) Key {
	var k Key
	for i := range k {
		k[i] = b
	}
	return k
}

func sealFor(t testing.TB, v *Vault, o Owner, p Place, text string) []byte {
	t.Helper()
	if err := v.Ensure(t.Context(), o); err != nil {
		t.Fatalf("Ensure: %v", err)
	}
	sealed, err := v.Seal(t.Context(), o, p, []byte(text))
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return sealed
}

func TestWhatIsSealedOpensAtItsPlace(t *testing.T) {
	v := New(ringOf(t, testKey(1)), newMemoryKeys(), rand.Reader)

	for _, text := range []string{"", "x", strings.Repeat("long ", 20_000)} {
		sealed := sealFor(t, v, alice, here, text)

		if got, want := len(sealed), len(text)+Overhead; got != want {
			t.Errorf("a text of %d bytes is sealed in %d, want %d", len(text), got, want)
		}
		got, err := v.Open(t.Context(), here, sealed)
		if err != nil || string(got) != text {
			t.Errorf("Open gave %d bytes and error %v, want the %d bytes that were sealed", len(got), err, len(text))
		}
	}
}

func TestSealedValueIsBoundToEveryPartOfItsPlace(t *testing.T) {
	v := New(ringOf(t, testKey(1)), newMemoryKeys(), rand.Reader)
	sealed := sealFor(t, v, alice, here, "secret")

	elsewhere := map[string]Place{
		"collection":                    {"notices", "content", here.Document, here.Conversation},
		"field":                         {"messages", "attachment", here.Document, here.Conversation},
		"document":                      {"messages", "content", []byte("Document"), here.Conversation},
		"conversation":                  {"messages", "content", here.Document, []byte("other")},
		"no conversation":               {"messages", "content", here.Document, nil},
		"border of collection":          {"message", "scontent", here.Document, here.Conversation},
		"border of document":            {"messages", "content", []byte("documentc"), []byte("onversation")},
		"document and conversation one": {"messages", "content", []byte("documentconversation"), nil},
	}
	for name, place := range elsewhere {
		if _, err := v.Open(t.Context(), place, sealed); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: Open elsewhere gave %v, want ErrTampered", name, err)
		}
	}
}

func TestEveryByteOfASealedValueCounts(t *testing.T) {
	v := New(ringOf(t, testKey(1)), newMemoryKeys(), rand.Reader)
	sealed := sealFor(t, v, alice, here, "secret")

	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 0x40
		want := ErrTampered
		if i >= 1 && i < headerSize {
			want = ErrKeyGone
		}
		if _, err := v.Open(t.Context(), here, bad); !errors.Is(err, want) {
			t.Errorf("byte %d changed: Open gave %v, want %v", i, err, want)
		}
		if _, err := v.Open(t.Context(), here, sealed[:i]); !errors.Is(err, ErrTampered) {
			t.Errorf("cut to %d bytes: Open gave %v, want ErrTampered", i, err)
		}
	}
}

func TestHeaderIsBoundToTheText(t *testing.T) {
	v := New(ringOf(t, testKey(1)), newMemoryKeys(), rand.Reader)
	sealed := sealFor(t, v, alice, here, "secret")
	header := sealFor(t, v, bob, here, "secret")[:headerSize]

	spliced := append(bytes.Clone(header), sealed[headerSize:]...)
	if _, err := v.Open(t.Context(), here, spliced); !errors.Is(err, ErrTampered) {
		t.Errorf("Open with the header of another person gave %v, want ErrTampered", err)
	}
	if bytes.Equal(additional(here, header), additional(here, sealed[:headerSize])) {
		t.Error("the additional data does not depend on the header")
	}
}

// The vector holds the format in place: what is on disk must open for ever.
func TestFormatIsThatOfTheGoldenVector(t *testing.T) {
	const (
		wantKey    = "28292a2b2c2d2e2f30313233dc60138706bc386e2ac75cfbc50c37778fb490f1edfea31dbad4f38374ff634ffd642379def859a233d47f2676f64585"
		wantSealed = "0100008101820283033435363738393a3b3c3d3e3f39b4813c1d08d6c291ab15d982043879023b88e564fc"
	)
	store := newMemoryKeys()
	v := New(ringOf(t, testKey(7)), store, &counting{})

	sealed := sealFor(t, v, alice, here, "golden")
	wrapped, _ := store.find(PurposePerson, alice)

	if got := hex.EncodeToString(wrapped.Sealed); got != wantKey {
		t.Errorf("wrapped key is %s, want %s", got, wantKey)
	}
	if got := hex.EncodeToString(sealed); got != wantSealed {
		t.Errorf("sealed value is %s, want %s", got, wantSealed)
	}
	if got, want := testKey(7).ID().String(), "ca4e4612"; got != want {
		t.Errorf("master key id is %s, want %s", got, want)
	}
}

func TestErasedKeyMakesWhatWasWrittenUnreadable(t *testing.T) {
	store := newMemoryKeys()
	ring := ringOf(t, testKey(1))
	sealed := sealFor(t, New(ring, store, rand.Reader), alice, here, "secret")

	clear(store.keys)

	v := New(ring, store, rand.Reader)
	if _, err := v.Open(t.Context(), here, sealed); !errors.Is(err, ErrKeyGone) {
		t.Errorf("Open gave %v, want ErrKeyGone", err)
	}
	if _, err := v.Seal(t.Context(), alice, here, []byte("more")); !errors.Is(err, ErrKeyGone) {
		t.Errorf("Seal gave %v, want ErrKeyGone", err)
	}
}

func TestMissingAndWrongMasterKeysAreRecognised(t *testing.T) {
	store := newMemoryKeys()
	right, other := testKey(1), testKey(2)
	sealed := sealFor(t, New(ringOf(t, right), store, rand.Reader), alice, here, "secret")
	if _, err := New(ringOf(t, right), store, rand.Reader).ServerKey(t.Context()); err != nil {
		t.Fatalf("ServerKey: %v", err)
	}
	impostor, err := NewRing(right.ID(), map[KeyID]Key{right.ID(): other})
	if err != nil {
		t.Fatalf("NewRing: %v", err)
	}

	for name, ring := range map[string]*Ring{"missing": ringOf(t, other), "wrong": impostor} {
		v := New(ring, store, rand.Reader)
		if _, err := v.ServerKey(t.Context()); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), right.ID().String()) {
			t.Errorf("%s master key: ServerKey gave %v, want ErrWrongKey with the id of the key", name, err)
		}
		if _, err := v.Open(t.Context(), here, sealed); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s master key: Open gave %v, want ErrWrongKey", name, err)
		}
		if err := v.Ensure(t.Context(), alice); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s master key: Ensure gave %v, want ErrWrongKey", name, err)
		}
	}
}

func TestOldMasterKeysStillUnwrap(t *testing.T) {
	store := newMemoryKeys()
	old, fresh := testKey(1), testKey(2)
	sealed := sealFor(t, New(ringOf(t, old), store, rand.Reader), alice, here, "secret")

	v := New(ringOf(t, fresh, old), store, rand.Reader)
	got, err := v.Open(t.Context(), here, sealed)
	if err != nil || string(got) != "secret" {
		t.Errorf("Open gave %q and %v after the master key was rotated", got, err)
	}
	sealFor(t, v, bob, here, "new")
	if w, _ := store.find(PurposePerson, bob); w.Master != fresh.ID() {
		t.Errorf("a new data key is wrapped with %v, want the primary %v", w.Master, fresh.ID())
	}
}

func TestWrappedKeyIsBoundToItsOwnerAndPurpose(t *testing.T) {
	ring := ringOf(t, testKey(1), testKey(2))
	w, err := ring.fresh(rand.Reader, PurposePerson, alice)
	if err != nil {
		t.Fatalf("fresh: %v", err)
	}
	changes := map[string]func(*WrappedKey){
		"owner":    func(w *WrappedKey) { w.Owner = bob },
		"purpose":  func(w *WrappedKey) { w.Purpose = PurposeServer },
		"id":       func(w *WrappedKey) { w.ID++ },
		"master":   func(w *WrappedKey) { w.Master = testKey(2).ID() },
		"too long": func(w *WrappedKey) { w.Sealed = append(bytes.Clone(w.Sealed), 0) },
		"empty":    func(w *WrappedKey) { w.Sealed = nil },
	}
	if _, err := ring.unwrap(w); err != nil {
		t.Fatalf("unwrap: %v", err)
	}
	for name, change := range changes {
		bad := w
		change(&bad)
		if _, err := ring.unwrap(bad); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s changed: unwrap gave %v, want ErrWrongKey", name, err)
		}
	}
}

func TestConcurrentEnsureMakesOneKey(t *testing.T) {
	store := newMemoryKeys()
	v := New(ringOf(t, testKey(1)), store, rand.Reader)

	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			sealed := sealFor(t, v, alice, here, "secret")
			if got, err := v.Open(t.Context(), here, sealed); err != nil || string(got) != "secret" {
				t.Errorf("Open gave %q and %v", got, err)
			}
			if _, err := v.ServerKey(t.Context()); err != nil {
				t.Errorf("ServerKey: %v", err)
			}
		})
	}
	wg.Wait()

	if got := len(store.keys); got != 2 {
		t.Errorf("%d keys were made, want one of the person and one of the server", got)
	}
}

func TestServerKeyStaysTheSame(t *testing.T) {
	store := newMemoryKeys()
	ring := ringOf(t, testKey(1))

	first, err := New(ring, store, rand.Reader).ServerKey(t.Context())
	if err != nil {
		t.Fatalf("ServerKey: %v", err)
	}
	again, err := New(ring, store, rand.Reader).ServerKey(t.Context())

	if err != nil || again != first || again == [KeySize]byte{} {
		t.Errorf("a second vault gave another server key (error %v)", err)
	}
}

func TestCacheForgetsTheKeyUsedLongestAgo(t *testing.T) {
	c := newCache(2)
	first, second, third := &dataKey{id: 1, owner: Owner{1}}, &dataKey{id: 2, owner: Owner{2}}, &dataKey{id: 3, owner: Owner{3}}

	c.add(first, c.now())
	c.add(second, c.now())
	c.byID(1)
	c.add(third, c.now())

	if _, ok := c.byOwner(second.owner); ok {
		t.Error("the key used longest ago is still there by its owner")
	}
	if _, ok := c.byID(second.id); ok {
		t.Error("the key used longest ago is still there by its id")
	}
	if _, ok := c.byOwner(first.owner); !ok {
		t.Error("a key in use was forgotten")
	}
	if len(c.ids) != 2 || len(c.owners) != 2 || c.order.Len() != 2 {
		t.Errorf("%d ids, %d owners, %d in order; want 2 of each", len(c.ids), len(c.owners), c.order.Len())
	}
}

func TestKeysNeverPrint(t *testing.T) {
	k := testKey('k')
	text, err := k.MarshalText()
	if err != nil {
		t.Fatalf("MarshalText: %v", err)
	}
	for _, got := range []string{
		k.String(), k.GoString(), string(text), k.LogValue().String(),
		fmt.Sprint(k), fmt.Sprintf("%x", k), fmt.Sprintf("%#v", k), fmt.Sprintf("%d", &k), fmt.Sprintf("%v", struct{ K Key }{k}),
	} {
		if strings.Contains(got, "kkk") || strings.Contains(got, "6b6b") || strings.Contains(got, "107") || !strings.Contains(got, "(key)") {
			t.Errorf("a key printed as %q", got)
		}
	}
}

func TestKeyIsReadFromHexadecimalDigits(t *testing.T) {
	var k Key
	if err := k.UnmarshalText([]byte(strings.Repeat("6b", KeySize))); err != nil || k != testKey('k') {
		t.Errorf("UnmarshalText gave error %v or another key", err)
	}
	for _, bad := range []string{"", "6b", strings.Repeat("6b", KeySize) + "6b", strings.Repeat("xy", KeySize)} {
		if err := k.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%d characters %.4q... were taken for a key", len(bad), bad)
		}
	}
}

func TestRingRefusesWhatCannotWork(t *testing.T) {
	if _, err := NewRing(1, map[KeyID]Key{2: testKey(2)}); err == nil {
		t.Error("a ring without its primary key was made")
	}
	if _, err := NewRing(1, map[KeyID]Key{1: {}}); err == nil {
		t.Error("a ring with a zero key was made")
	}
}

func TestFailingRandomnessIsAnError(t *testing.T) {
	v := New(ringOf(t, testKey(1)), newMemoryKeys(), io.LimitReader(rand.Reader, 8+KeySize+nonceSize))
	if err := v.Ensure(t.Context(), alice); err != nil {
		t.Fatalf("Ensure: %v", err)
	}
	if _, err := v.Seal(t.Context(), alice, here, []byte("x")); err == nil {
		t.Error("Seal worked without a nonce")
	}
	if err := v.Ensure(t.Context(), bob); err == nil {
		t.Error("Ensure worked without randomness")
	}
}

func FuzzOpen(f *testing.F) {
	v := New(ringOf(f, testKey(1)), newMemoryKeys(), rand.Reader)
	sealed := sealFor(f, v, alice, here, "secret")
	f.Add(sealed)
	f.Add(sealed[:Overhead])
	f.Add([]byte{version1})
	f.Fuzz(func(t *testing.T, b []byte) {
		plain, err := v.Open(t.Context(), here, b)
		if err == nil && !bytes.Equal(b, sealed) {
			t.Errorf("Open took %x for sealed and gave %q", b, plain)
		}
	})
}
