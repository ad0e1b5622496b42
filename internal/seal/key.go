package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// KeySize is the length of every key in bytes.
const KeySize = 32

// A Key is a master key. Whatever it is printed with, it shows as "(key)".
type Key [KeySize]byte

const hiddenKey = "(key)"

// masterPrefix sets the hash that names a key apart from every other use of the key.
const masterPrefix = "pryde master key id\x00"

// ID derives the name of the key from the key itself, so that a different key is recognised
// as a different one. It tells nothing about the key.
func (k Key) ID() KeyID {
	h := sha256.New()
	h.Write([]byte(masterPrefix))
	h.Write(k[:])
	return KeyID(binary.BigEndian.Uint32(h.Sum(nil)))
}

// IsZero reports whether no key was given.
func (k Key) IsZero() bool { return k == Key{} }

// String hides the key.
func (Key) String() string { return hiddenKey }

// GoString hides the key.
func (Key) GoString() string { return hiddenKey }

// Format hides the key whatever the verb is.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hiddenKey) }

// LogValue hides the key.
func (Key) LogValue() slog.Value { return slog.StringValue(hiddenKey) }

// MarshalText hides the key; it is not the inverse of UnmarshalText.
func (Key) MarshalText() ([]byte, error) { return []byte(hiddenKey), nil }

var errKeyText = errors.New("a key has 64 hexadecimal digits")

// UnmarshalText reads a key from 64 hexadecimal digits. Its error does not repeat the text.
func (k *Key) UnmarshalText(b []byte) error {
	if len(b) != 2*KeySize {
		return errKeyText
	}
	var read Key
	if _, err := hex.Decode(read[:], b); err != nil {
		return errKeyText
	}
	*k = read
	return nil
}

// Keys are master keys by comma. Like one key they do not print.
type Keys []Key

// UnmarshalText reads keys of 64 hexadecimal digits each, by comma. Its error does not repeat the
// text.
func (k *Keys) UnmarshalText(b []byte) error {
	*k = nil
	for part := range bytes.SplitSeq(b, []byte(",")) {
		if part = bytes.TrimSpace(part); len(part) == 0 {
			continue
		}
		var one Key
		if err := one.UnmarshalText(part); err != nil {
			return errors.New("each key has 64 hexadecimal digits; a comma stands between them")
		}
		if one.IsZero() {
			return errors.New("no key is all zeros")
		}
		*k = append(*k, one)
	}
	return nil
}

func (k Keys) String() string { return fmt.Sprintf("(%d keys)", len(k)) }

// A KeyID names a master key.
type KeyID uint32

// String writes the id as eight hexadecimal digits.
func (i KeyID) String() string { return fmt.Sprintf("%08x", uint32(i)) }

// A Ring holds the master keys that wrap data keys. It never changes and is safe for
// concurrent use.
type Ring struct {
	primary KeyID
	keys    map[KeyID]Key
}

// RingOf returns a ring whose primary key wraps new data keys; the former ones unwrap too. It is an
// error if a key is zero.
func RingOf(primary Key, former ...Key) (*Ring, error) {
	keys := map[KeyID]Key{primary.ID(): primary}
	for _, k := range former {
		keys[k.ID()] = k
	}
	return NewRing(primary.ID(), keys)
}

// NewRing returns a ring whose primary key wraps new data keys; all of its keys unwrap. It is
// an error if the primary key is not among the keys or a key is zero.
func NewRing(primary KeyID, keys map[KeyID]Key) (*Ring, error) {
	if _, ok := keys[primary]; !ok {
		return nil, fmt.Errorf("key ring: primary key %v is not in it", primary)
	}
	r := &Ring{primary: primary, keys: make(map[KeyID]Key, len(keys))}
	for i, k := range keys {
		if k.IsZero() {
			return nil, fmt.Errorf("key ring: key %v is zero", i)
		}
		r.keys[i] = k
	}
	return r, nil
}

// Primary is the key that wraps new data keys.
func (r *Ring) Primary() KeyID { return r.primary }

// Holds reports whether a key is in the ring.
func (r *Ring) Holds(i KeyID) bool {
	_, ok := r.keys[i]
	return ok
}
