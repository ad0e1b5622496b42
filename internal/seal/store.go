package seal

import (
	"context"
	"time"
)

// An Owner is whose data key it is: the id of a person, zero for the server itself.
type Owner = [12]byte

// A Purpose says what a wrapped key is for.
type Purpose uint8

// The purposes of keys.
const (
	PurposePerson Purpose = 1 // seals what its owner writes
	PurposeServer Purpose = 2 // keys hashes that the server makes
)

// A DataKeyID names a data key. It is random and never 0.
type DataKeyID uint64

// A WrappedKey is a data key as it is kept: sealed with a master key.
type WrappedKey struct {
	ID      DataKeyID
	Purpose Purpose
	Owner   Owner
	Master  KeyID  // which master key wraps it
	Sealed  []byte // 60 bytes: nonce, sealed key, tag
	// RetiredAt is since when the key seals nothing more and only opens; zero for the one in use.
	RetiredAt time.Time
}

// A Rewrapping is another wrapping of the same data key.
type Rewrapping struct {
	From, To WrappedKey
}

// A KeyStore keeps wrapped keys. Its methods are safe for concurrent use, each is atomic and
// durable before it returns.
type KeyStore interface {
	// AddKey stores k, unless its owner has a key of that purpose in use already: then it changes
	// nothing and returns that one. It is ErrKeyGone where the owner was erased.
	AddKey(ctx context.Context, k WrappedKey) (WrappedKey, error)
	// KeyByOwner returns the key of a purpose and owner that is in use, and whether there is one.
	KeyByOwner(ctx context.Context, p Purpose, o Owner) (WrappedKey, bool, error)
	// KeyByID returns a key, in use or retired, and whether there is one.
	KeyByID(ctx context.Context, i DataKeyID) (WrappedKey, bool, error)
	// ReplaceKey retires a key and puts k, of the same owner and purpose, into its place. It
	// changes nothing and reports false where old is not in use.
	ReplaceKey(ctx context.Context, old DataKeyID, k WrappedKey, at time.Time) (bool, error)
	// RetiredKeys returns the keys that are retired, by their ids. They are few.
	RetiredKeys(ctx context.Context) ([]WrappedKey, error)
	// DropKey destroys a retired key. One that is not there is no error.
	DropKey(ctx context.Context, i DataKeyID) error
	// EraseOwner destroys every key of a person and notes since when they are erased. A second
	// time changes nothing. As far as the store can it is overwritten on the disk.
	EraseOwner(ctx context.Context, o Owner, at time.Time) error
	// ErasedOwners returns who was erased, and when.
	ErasedOwners(ctx context.Context) (map[Owner]time.Time, error)
	// KeysBesides returns up to limit keys that another master key than m wraps.
	KeysBesides(ctx context.Context, m KeyID, limit int) ([]WrappedKey, error)
	// Rewrap stores other wrappings of keys and returns of how many. A key that is gone, or is not
	// wrapped as in From any more, is left as it is.
	Rewrap(ctx context.Context, keys []Rewrapping) (int, error)
	// Masters returns how many keys each master key wraps.
	Masters(ctx context.Context) (map[KeyID]int, error)
}
