package mongostore

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"pryde/internal/id"
	"pryde/internal/message"
)

// A convKey names a conversation as it is stored: both ids, the lower one first; that of a group
// by zeros and its id. The zero value names none.
type convKey [2 * id.Size]byte

func keyOf(c message.Conversation) (k convKey) {
	if c.IsGroup() {
		copy(k[id.Size:], c.Group[:])
		return k
	}
	copy(k[:], c.Low[:])
	copy(k[id.Size:], c.High[:])
	return k
}

func (k convKey) conversation() (c message.Conversation) {
	if g, ok := k.group(); ok {
		return message.InGroup(g)
	}
	copy(c.Low[:], k[:])
	copy(c.High[:], k[id.Size:])
	return c
}

// group returns the group whose conversation it is.
func (k convKey) group() (g id.Group, ok bool) {
	copy(g[:], k[id.Size:])
	return g, [id.Size]byte(k[:id.Size]) == [id.Size]byte{} && !g.IsZero()
}

// A threadKey names a conversation as one person sees it.
type threadKey [3 * id.Size]byte

func threadOf(u id.User, conv convKey) (k threadKey) {
	copy(k[:], u[:])
	copy(k[id.Size:], conv[:])
	return k
}

// A seatKey names somebody's seat in a group: the id of the group and theirs.
type seatKey [2 * id.Size]byte

func seatOf(g bson.ObjectID, u id.User) (k seatKey) {
	copy(k[:], g[:])
	copy(k[id.Size:], u[:])
	return k
}

// MarshalBSONValue writes the key as binary. By itself the driver would look at each byte of the
// array through reflection.
func (k convKey) MarshalBSONValue() (byte, []byte, error) { return pack(k[:]) }

// UnmarshalBSONValue reads what MarshalBSONValue wrote.
func (k *convKey) UnmarshalBSONValue(kind byte, v []byte) error { return unpack(kind, v, k[:]) }

// MarshalBSONValue writes the key as binary.
func (k threadKey) MarshalBSONValue() (byte, []byte, error) { return pack(k[:]) }

// UnmarshalBSONValue reads what MarshalBSONValue wrote.
func (k *threadKey) UnmarshalBSONValue(kind byte, v []byte) error { return unpack(kind, v, k[:]) }

// MarshalBSONValue writes the key as binary.
func (k seatKey) MarshalBSONValue() (byte, []byte, error) { return pack(k[:]) }

// UnmarshalBSONValue reads what MarshalBSONValue wrote.
func (k *seatKey) UnmarshalBSONValue(kind byte, v []byte) error { return unpack(kind, v, k[:]) }

func pack(key []byte) (byte, []byte, error) {
	return byte(bson.TypeBinary), bsoncore.AppendBinary(make([]byte, 0, 2*len(key)), bson.TypeBinaryGeneric, key), nil
}

var errKey = errors.New("a key is not as it was written")

func unpack(kind byte, v, key []byte) error {
	_, b, ok := bson.RawValue{Type: bson.Type(kind), Value: v}.BinaryOK()
	if !ok || len(b) != len(key) {
		return errKey
	}
	copy(key, b)
	return nil
}
