package journalstore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"pryde/internal/id"
	"pryde/internal/journal"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
)

// What a record of the journal is.
const (
	kindMessage byte = 1 // a message that waits
	kindTake    byte = 2 // the messages before it have got new numbers
	kindAside   byte = 3 // a message that waits because the database did not take it

	// extended is set beside the kind where a message has a group, is a reply or has more than a
	// text and an attachment; the record says that too then.
	extended byte = 0x80
)

// A record is what one record of the journal says.
type record struct {
	kind  byte
	token int64 // of the lease under which it was written

	waiting message.Waiting // of kindMessage and kindAside

	// Of kindTake: the record at the position from got the number first, the one after it the
	// next, and so on up to this one.
	from  journal.Position
	first order.Seq
}

// An envelope seals records with a key of the server, which is in memory whether the database
// is there or not. The text in them is sealed by itself before.
type envelope struct {
	aead     cipher.AEAD
	database [4]byte
}

func newEnvelope(server [seal.KeySize]byte, database [4]byte) (*envelope, error) {
	h := hmac.New(sha256.New, server[:])
	h.Write([]byte("pryde journal"))
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("make a cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make a cipher: %w", err)
	}
	return &envelope{aead, database}, nil
}

func (e *envelope) seal(r record) []byte { return e.aead.Seal(nil, nil, r.encode(), e.database[:]) }

func (e *envelope) open(b []byte) (record, error) {
	plain, err := e.aead.Open(nil, nil, b, e.database[:])
	if err != nil {
		return record{}, fmt.Errorf("%w: a record of the journal does not open", seal.ErrWrongKey)
	}
	return decode(plain)
}

// isExtended reports whether the message of a record needs the longer form.
func (r record) isExtended() bool {
	w := &r.waiting
	return !w.Group.IsZero() || !w.ReplyTo.IsZero() || len(w.SealedExtra) > 0
}

// encode writes a kind and fixed fields, and for a message its texts behind their lengths.
func (r record) encode() []byte {
	kind, more := r.kind, r.isExtended()
	if more {
		kind |= extended
	}
	b := append(make([]byte, 0, 128), kind)
	b = binary.BigEndian.AppendUint64(b, uint64(r.token))
	if r.kind == kindTake {
		b = binary.BigEndian.AppendUint64(b, uint64(r.from))
		return binary.BigEndian.AppendUint64(b, uint64(r.first))
	}
	w := &r.waiting
	b = binary.BigEndian.AppendUint64(b, uint64(w.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(w.CreatedAt.UnixMilli()))
	b = append(b, w.ID[:]...)
	b = append(b, w.Sender[:]...)
	b = append(b, w.Recipient[:]...)
	b = append(b, w.Fingerprint[:]...)
	for _, part := range [][]byte{[]byte(w.ClientID), w.SealedContent, w.SealedAttachment} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	if !more {
		return b
	}
	b = append(b, w.Group[:]...)
	b = append(b, w.ReplyTo[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(w.SealedExtra)))
	return append(b, w.SealedExtra...)
}

// errRecord says that a record was written by another version of the server, or not by it.
var errRecord = errors.New("a record of the journal has no known form")

// decode reads what encode wrote.
func decode(b []byte) (r record, err error) {
	c := cut{rest: b}
	kind := c.bytes(1)[0]
	r.kind = kind &^ extended
	more := kind != r.kind
	r.token = int64(c.number())
	switch r.kind {
	case kindTake:
		r.from, r.first = journal.Position(c.number()), order.Seq(c.number())
	case kindMessage, kindAside:
		w := &r.waiting
		w.Seq = order.Seq(c.number())
		w.Changed = w.Seq
		w.CreatedAt = time.UnixMilli(int64(c.number())).UTC()
		w.ID = id.Message(c.bytes(id.Size))
		w.Sender, w.Recipient = id.User(c.bytes(id.Size)), id.User(c.bytes(id.Size))
		w.Fingerprint = message.Fingerprint(c.bytes(len(w.Fingerprint)))
		w.ClientID = string(c.part())
		w.SealedContent, w.SealedAttachment = c.part(), c.part()
		if more {
			w.Group, w.ReplyTo = id.Group(c.bytes(id.Size)), id.Message(c.bytes(id.Size))
			w.SealedExtra = c.part()
		}
	default:
		return record{}, errRecord
	}
	if c.short || len(c.rest) > 0 || more != r.isExtended() {
		return record{}, errRecord
	}
	return r, nil
}

// A cut takes fields off the front of a record. Where there is too little left it gives zeroes.
type cut struct {
	rest  []byte
	short bool
}

func (c *cut) bytes(n int) []byte {
	if n > len(c.rest) {
		c.short = true
		c.rest = nil
		return make([]byte, min(n, 64))
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cut) number() uint64 { return binary.BigEndian.Uint64(c.bytes(8)) }

// part takes a field behind its length; nil where it is empty.
func (c *cut) part() []byte {
	n := binary.BigEndian.Uint32(c.bytes(4))
	if n == 0 || c.short {
		return nil
	}
	if int64(n) > int64(len(c.rest)) {
		c.short = true
		return nil
	}
	return c.bytes(int(n))
}

// read opens the records of the journal and returns the messages that wait, with the numbers
// that they have now, and the token under which they got them.
func (s *Store) read(found []journal.Record) (entries []*entry, token int64, err error) {
	for _, one := range found {
		r, err := s.cipher.open(one.Payload)
		if err != nil {
			return nil, 0, fmt.Errorf("position %d: %w", one.Position, err)
		}
		token = r.token
		switch r.kind {
		case kindMessage, kindAside:
			// One that was put aside may still be where it was before.
			if r.kind == kindAside {
				entries = slices.DeleteFunc(entries, func(e *entry) bool { return e.ID == r.waiting.ID })
			}
			entries = append(entries, &entry{
				Waiting: r.waiting, position: one.Position, size: len(one.Payload),
				durable: true, ready: closedChannel, suspect: r.kind == kindAside,
			})
		case kindTake:
			r.renumber(entries)
		}
	}
	return entries, token, nil
}

// take notes in the journal that this server holds the lease now. Where another one may have
// held it since the messages got their numbers, they get new ones: what that one has told
// clients is beyond the old ones.
func (s *Store) take(entries []*entry, last int64) (err error) {
	r := record{kind: kindTake, token: s.inner.Token(), from: entries[len(entries)-1].position + 1}
	if r.token != last+1 {
		r.from = entries[0].position
		r.first = s.inner.Counter().Reserve(int(entries[len(entries)-1].position-r.from) + 1)
		r.renumber(entries)
		s.log.Warn("another server has held the database: what waits gets new numbers", "count", len(entries))
	}
	if s.rest, err = s.journal.Append(s.cipher.seal(r)); err != nil {
		return fmt.Errorf("note the new lease: %w", err)
	}
	return nil
}

// renumber gives the messages before the record the numbers that it says.
func (r record) renumber(entries []*entry) {
	for _, e := range entries {
		if e.position >= r.from {
			e.Seq = r.first + order.Seq(e.position-r.from)
			e.Changed = e.Seq
		}
	}
}
