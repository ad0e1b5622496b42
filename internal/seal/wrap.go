package seal

import (
	"encoding/binary"
	"fmt"
	"io"
)

const wrapContext = "pryde wrapped key"

// fresh makes a data key and wraps it with the primary master key.
func (r *Ring) fresh(rand io.Reader, p Purpose, o Owner) (WrappedKey, error) {
	var random [8 + KeySize + nonceSize]byte
	w := WrappedKey{Purpose: p, Owner: o}
	for w.ID == 0 {
		if _, err := io.ReadFull(rand, random[:]); err != nil {
			return WrappedKey{}, fmt.Errorf("draw a data key: %w", err)
		}
		// SQL databases keep signed numbers, so the highest bit stays clear.
		w.ID = DataKeyID(binary.BigEndian.Uint64(random[:]) >> 1)
	}
	return r.wrap(w, random[8:8+KeySize], random[8+KeySize:])
}

// rewrap wraps a data key with the primary master key.
func (r *Ring) rewrap(rand io.Reader, w WrappedKey) (WrappedKey, error) {
	raw, err := r.unwrap(w)
	if err != nil {
		return WrappedKey{}, err
	}
	var nonce [nonceSize]byte
	if _, err := io.ReadFull(rand, nonce[:]); err != nil {
		return WrappedKey{}, fmt.Errorf("draw a nonce: %w", err)
	}
	return r.wrap(w, raw[:], nonce[:])
}

// wrap seals a data key with the primary master key.
func (r *Ring) wrap(w WrappedKey, raw, nonce []byte) (WrappedKey, error) {
	master, err := newAEAD(r.keys[r.primary])
	if err != nil {
		return WrappedKey{}, err
	}
	w.Master = r.primary
	w.Sealed = append([]byte(nil), nonce...)
	w.Sealed = master.Seal(w.Sealed, nonce, raw, wrapBinding(w))
	return w, nil
}

// unwrap is ErrWrongKey where the ring does not hold the master key, or holds another one
// under its name, and where the wrapped key is damaged: the two look alike.
func (r *Ring) unwrap(w WrappedKey) ([KeySize]byte, error) {
	key, ok := r.keys[w.Master]
	if !ok {
		return [KeySize]byte{}, fmt.Errorf("%w: it was wrapped with master key %v, which the ring does not hold", ErrWrongKey, w.Master)
	}
	master, err := newAEAD(key)
	if err != nil {
		return [KeySize]byte{}, err
	}
	if len(w.Sealed) != nonceSize+KeySize+tagSize {
		return [KeySize]byte{}, fmt.Errorf("%w: it is damaged", ErrWrongKey)
	}
	raw, err := master.Open(nil, w.Sealed[:nonceSize], w.Sealed[nonceSize:], wrapBinding(w))
	if err != nil {
		return [KeySize]byte{}, fmt.Errorf("%w: master key %v does not fit it, or it is damaged", ErrWrongKey, w.Master)
	}
	return [KeySize]byte(raw), nil
}

func wrapBinding(w WrappedKey) []byte {
	b := part(nil, wrapContext)
	b = append(b, byte(w.Purpose))
	b = append(b, w.Owner[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(w.ID))
	return binary.BigEndian.AppendUint32(b, uint32(w.Master))
}
