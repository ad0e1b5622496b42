// Package id defines the identifiers that pass between packages: 12 bytes, written as 24
// hexadecimal digits (the form of a MongoDB ObjectID). Each kind of thing has its own type,
// so that a message id cannot be handed over where a user id is meant.
package id

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"sync"
	"time"
)

// Size is the length of an identifier in bytes.
const Size = 12

// An ID identifies one thing of kind K. The zero value means "none".
type ID[K any] [Size]byte

type (
	user    struct{}
	message struct{}
	group   struct{}
	notice  struct{}
)

type (
	// User identifies an account.
	User = ID[user]
	// Message identifies a direct, group or lounge message.
	Message = ID[message]
	// Group identifies a group chat.
	Group = ID[group]
	// Notice identifies a notification.
	Notice = ID[notice]
)

// Kinded is any identifier type; it bounds generic functions over them.
type Kinded interface {
	User | Message | Group | Notice
}

// Malformed is the error of a text that is no identifier.
type Malformed struct{}

func (Malformed) Error() string { return "an id has 24 hexadecimal digits" }

// Parse reads an identifier from 24 hexadecimal digits of either case.
func Parse[T Kinded](s string) (T, error) {
	var i T
	if len(s) != 2*Size {
		return T{}, Malformed{}
	}
	if _, err := hex.Decode(i[:], []byte(s)); err != nil {
		return T{}, Malformed{}
	}
	return i, nil
}

// FromBytes reads an identifier from exactly 12 bytes.
func FromBytes[T Kinded](b []byte) (T, error) {
	if len(b) != Size {
		return T{}, Malformed{}
	}
	return T(b), nil
}

// String writes the identifier as 24 lower-case hexadecimal digits.
func (i ID[K]) String() string { return hex.EncodeToString(i[:]) }

// IsZero reports whether i is "none".
func (i ID[K]) IsZero() bool { return i == ID[K]{} }

// Compare orders identifiers by their bytes.
func (i ID[K]) Compare(j ID[K]) int { return bytes.Compare(i[:], j[:]) }

// MarshalText writes what String writes; "none" is the empty text.
func (i ID[K]) MarshalText() ([]byte, error) {
	if i.IsZero() {
		return nil, nil
	}
	return hex.AppendEncode(nil, i[:]), nil
}

// UnmarshalText reads 24 hexadecimal digits; the empty text is "none".
func (i *ID[K]) UnmarshalText(b []byte) error {
	*i = ID[K]{}
	if len(b) == 0 {
		return nil
	}
	if len(b) != 2*Size {
		return Malformed{}
	}
	var j ID[K]
	if _, err := hex.Decode(j[:], b); err != nil {
		return Malformed{}
	}
	*i = j
	return nil
}

// A Source makes identifiers: four bytes of the time in seconds, then eight random bytes.
// It is safe for concurrent use.
type Source struct {
	now func() time.Time

	mu   sync.Mutex
	rand io.Reader
}

// NewSource returns a source that reads the time and its randomness from what it is given;
// a reader that fails makes New panic, since nothing can be done without it.
func NewSource(now func() time.Time, rand io.Reader) *Source { return &Source{now: now, rand: rand} }

// New returns a fresh identifier of the kind asked for.
func New[T Kinded](s *Source) T {
	var i T
	binary.BigEndian.PutUint32(i[:4], uint32(s.now().Unix()))
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.rand, i[4:]); err != nil {
		panic(err) // the system's randomness does not fail
	}
	return i
}

// Derive returns the identifier of a message by its attempt: the first 12 bytes of
// HMAC-SHA-256(key, sender, client id). A retry, a replay and a hand-over all name the same
// message.
func Derive(key []byte, sender User, clientID string) Message {
	h := hmac.New(sha256.New, key)
	h.Write(sender[:])
	h.Write([]byte(clientID))
	return Message(h.Sum(nil)[:Size])
}
