// Package seal encrypts single values with AES-256-GCM: each is bound to the place where it
// is kept and sealed with the data key of the person who wrote it, and the data keys are
// wrapped by master keys. It knows neither what the values mean nor where they are kept.
//
// A sealed value is a version byte, the 8-byte id of the data key, a 12-byte nonce, and the
// ciphertext with its tag. Destroying a data key makes everything that was sealed with it
// unreadable.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Why a value cannot be opened or sealed.
var (
	// ErrKeyGone means that there is no such data key: it was erased, or never made.
	ErrKeyGone = errors.New("the data key does not exist")
	// ErrWrongKey means that the key ring cannot unwrap a data key: a master key is missing or
	// is not the one that it was.
	ErrWrongKey = errors.New("the key ring cannot unwrap a data key")
	// ErrTampered means that a sealed value is damaged, or is not from this place.
	ErrTampered = errors.New("a sealed value is damaged or out of place")
)

const (
	version1   = 1
	headerSize = 1 + 8 // version and data key id
	nonceSize  = 12
	tagSize    = 16

	// Overhead is by how many bytes a sealed value is longer than the plain one.
	Overhead = headerSize + nonceSize + tagSize

	// maxCached bounds the unwrapped keys in memory; one takes less than 1 KiB.
	maxCached = 50_000
)

// A Place is where a sealed value is kept. A value opens only at the place it was sealed for.
type Place struct {
	Collection   string
	Field        string
	Document     []byte // id of the document
	Conversation []byte // id of the conversation; empty where there is none
}

// A Vault seals and opens values. Its methods are safe for concurrent use.
type Vault struct {
	ring   *Ring
	store  KeyStore
	rand   io.Reader
	people *cache

	mu     sync.Mutex
	server *[KeySize]byte // nil until it is asked for

	erased atomic.Pointer[map[Owner]time.Time] // never changed in place
}

// New returns a vault over the wrapped keys in store. rand must be safe for concurrent use.
func New(ring *Ring, store KeyStore, rand io.Reader) *Vault {
	v := &Vault{ring: ring, store: store, rand: rand, people: newCache(maxCached)}
	v.erased.Store(&map[Owner]time.Time{})
	return v
}

// Ensure makes the data key of a person if there is none; the key is durable when it returns.
// However many callers ask at once, one key is made. It is ErrKeyGone for who was erased.
func (v *Vault) Ensure(ctx context.Context, owner Owner) error {
	if _, ok := v.people.byOwner(owner); ok {
		return nil
	}
	read := v.people.now()
	w, err := v.ensure(ctx, PurposePerson, owner)
	if err != nil {
		return err
	}
	k, err := v.unwrapped(w)
	if err != nil {
		return err
	}
	v.people.add(k, read)
	return nil
}

// Seal seals a value with the data key of its owner. It is ErrKeyGone where the owner has
// none.
func (v *Vault) Seal(ctx context.Context, owner Owner, p Place, plain []byte) ([]byte, error) {
	k, err := v.keyOf(ctx, owner)
	if err != nil {
		return nil, err
	}
	return v.sealWith(k, p, plain)
}

func (v *Vault) sealWith(k *dataKey, p Place, plain []byte) ([]byte, error) {
	sealed := make([]byte, headerSize+nonceSize, len(plain)+Overhead)
	sealed[0] = version1
	binary.BigEndian.PutUint64(sealed[1:], uint64(k.id))
	nonce := sealed[headerSize:]
	if _, err := io.ReadFull(v.rand, nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return k.aead.Seal(sealed, nonce, plain, additional(p, sealed[:headerSize])), nil
}

// Open opens what Seal sealed for the same place. Its errors are ErrTampered, ErrKeyGone,
// ErrWrongKey and those of the key store.
func (v *Vault) Open(ctx context.Context, p Place, sealed []byte) ([]byte, error) {
	i, err := keyIn(sealed)
	if err != nil {
		return nil, err
	}
	k, err := v.keyByID(ctx, i)
	if err != nil {
		return nil, err
	}
	return openWith(k, p, sealed)
}

// keyIn reads which data key a value is sealed with. It is ErrTampered where it is none.
func keyIn(sealed []byte) (DataKeyID, error) {
	if len(sealed) < Overhead || sealed[0] != version1 {
		return 0, ErrTampered
	}
	return DataKeyID(binary.BigEndian.Uint64(sealed[1:])), nil
}

func openWith(k *dataKey, p Place, sealed []byte) ([]byte, error) {
	header, nonce, text := sealed[:headerSize], sealed[headerSize:headerSize+nonceSize], sealed[headerSize+nonceSize:]
	plain, err := k.aead.Open(nil, nonce, text, additional(p, header))
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}

// ServerKey returns the random key of the server's own hashes. It is made once and kept
// wrapped, so its answer also tells whether the key ring is the right one: ErrWrongKey if not.
func (v *Vault) ServerKey(ctx context.Context) ([KeySize]byte, error) {
	if k := v.knownServerKey(); k != nil {
		return *k, nil
	}
	w, err := v.ensure(ctx, PurposeServer, Owner{})
	if err != nil {
		return [KeySize]byte{}, err
	}
	k, err := v.ring.unwrap(w)
	if err != nil {
		return [KeySize]byte{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.server = &k
	return k, nil
}

func (v *Vault) knownServerKey() *[KeySize]byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.server
}

func (v *Vault) ensure(ctx context.Context, p Purpose, o Owner) (WrappedKey, error) {
	w, found, err := v.store.KeyByOwner(ctx, p, o)
	if err != nil {
		return WrappedKey{}, fmt.Errorf("find a data key: %w", err)
	}
	if found {
		return w, nil
	}
	fresh, err := v.ring.fresh(v.rand, p, o)
	if err != nil {
		return WrappedKey{}, err
	}
	w, err = v.store.AddKey(ctx, fresh)
	if err != nil {
		return WrappedKey{}, fmt.Errorf("add a data key: %w", err)
	}
	return w, nil
}

// keyOf returns the key in use of a person.
func (v *Vault) keyOf(ctx context.Context, o Owner) (*dataKey, error) {
	if k, ok := v.people.byOwner(o); ok {
		return k, nil
	}
	return v.load(func() (WrappedKey, bool, error) { return v.store.KeyByOwner(ctx, PurposePerson, o) })
}

func (v *Vault) keyByID(ctx context.Context, i DataKeyID) (*dataKey, error) {
	if k, ok := v.people.byID(i); ok {
		return k, nil
	}
	return v.load(func() (WrappedKey, bool, error) {
		w, found, err := v.store.KeyByID(ctx, i)
		// A value that names a key of another purpose was never sealed here.
		return w, found && w.Purpose == PurposePerson, err
	})
}

// load reads a key of a person, unwraps it and keeps it in memory. It reads again where keys were
// replaced or destroyed meanwhile.
func (v *Vault) load(find func() (WrappedKey, bool, error)) (*dataKey, error) {
	for {
		read := v.people.now()
		w, found, err := find()
		switch {
		case err != nil:
			return nil, fmt.Errorf("find a data key: %w", err)
		case !found:
			return nil, ErrKeyGone
		}
		k, err := v.unwrapped(w)
		if err != nil {
			return nil, err
		}
		if v.people.add(k, read) {
			return k, nil
		}
	}
}

func (v *Vault) unwrapped(w WrappedKey) (*dataKey, error) {
	raw, err := v.ring.unwrap(w)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(raw)
	if err != nil {
		return nil, err
	}
	return &dataKey{id: w.ID, owner: w.Owner, retired: !w.RetiredAt.IsZero(), aead: aead}, nil
}

func newAEAD(key [KeySize]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("make a cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// additional encodes what a sealed value is bound to: each part stands behind its length, so
// that no two places share an encoding.
func additional(p Place, header []byte) []byte {
	b := make([]byte, 0, 5*4+len(p.Collection)+len(p.Field)+len(p.Document)+len(p.Conversation)+len(header))
	b = part(b, p.Collection)
	b = part(b, p.Field)
	b = part(b, p.Document)
	b = part(b, p.Conversation)
	return part(b, header)
}

func part[T string | []byte](b []byte, s T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}
