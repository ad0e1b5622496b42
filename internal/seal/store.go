package seal

import "context"

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
}

// A KeyStore keeps wrapped keys. Its methods are safe for concurrent use.
type KeyStore interface {
	// AddKey stores k durably before it returns, unless its owner has a key of that purpose
	// already: then it changes nothing and returns that one.
	AddKey(ctx context.Context, k WrappedKey) (WrappedKey, error)
	// KeyByOwner returns the key of a purpose and owner, and whether there is one.
	KeyByOwner(ctx context.Context, p Purpose, o Owner) (WrappedKey, bool, error)
	// KeyByID returns a key, and whether there is one.
	KeyByID(ctx context.Context, i DataKeyID) (WrappedKey, bool, error)
}
