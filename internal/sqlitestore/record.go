package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
)

// A record is a message as it was read: its text still sealed.
type record struct {
	message    message.Message
	content    []byte // sealed; nil where there is none
	attachment []byte // likewise
}

// recordColumns are those of a message m, in the order in which readRecord takes them.
const recordColumns = "m.conversation, m.seq, m.id, m.sender, m.changed, m.content, m.attachment, m.fingerprint, m.created_at, m.edited_at, m.deleted_at"

// recordWidth is the number of recordColumns.
var recordWidth = strings.Count(recordColumns, ",") + 1

// readRecord reads the recordColumns at the front of a row.
func readRecord(row []driver.Value) record {
	m := message.Message{
		Seq:       order.Seq(integer(row[1])),
		Sender:    userID(row[3]),
		Changed:   order.Seq(integer(row[4])),
		CreatedAt: instant(row[8]),
		EditedAt:  instant(row[9]),
		DeletedAt: instant(row[10]),
	}
	copy(m.ID[:], blob(row[2]))
	copy(m.Fingerprint[:], blob(row[7]))
	m.Recipient = conversation(row[0]).Other(m.Sender)
	return record{message: m, content: blob(row[5]), attachment: blob(row[6])}
}

func (r record) deleted() bool { return !r.message.DeletedAt.IsZero() }

// conversationKey is a conversation as it is stored: both ids, the lower one first.
func conversationKey(c message.Conversation) []byte {
	b := make([]byte, 0, 2*id.Size)
	b = append(b, c.Low[:]...)
	return append(b, c.High[:]...)
}

func conversation(v driver.Value) (c message.Conversation) {
	b := blob(v)
	if len(b) == 2*id.Size {
		copy(c.Low[:], b)
		copy(c.High[:], b[id.Size:])
	}
	return c
}

func textPlace(field string, m id.Message, conversation []byte) seal.Place {
	return seal.Place{Collection: "messages", Field: field, Document: m[:], Conversation: conversation}
}

// sealText seals one text of a message; an empty text is stored as NULL.
func (s *Store) sealText(ctx context.Context, sender id.User, p seal.Place, text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	b, err := s.sealed(ctx, sender, p, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", p.Field, err)
	}
	return b, nil
}

func (s *Store) openText(ctx context.Context, p seal.Place, sealed []byte) (string, error) {
	if sealed == nil {
		return "", nil
	}
	b, err := s.vault.Open(ctx, p, sealed)
	if err != nil {
		return "", fmt.Errorf("open %s of a message: %w", p.Field, err)
	}
	return string(b), nil
}

// open returns the message of a record with its text in the clear.
func (s *Store) open(ctx context.Context, r record) (message.Message, error) {
	m := r.message
	key := conversationKey(m.Conversation())
	var err error
	if m.Content, err = s.openText(ctx, textPlace("content", m.ID, key), r.content); err != nil {
		return message.Message{}, err
	}
	if m.Attachment, err = s.openText(ctx, textPlace("attachment", m.ID, key), r.attachment); err != nil {
		return message.Message{}, err
	}
	return m, nil
}

func (s *Store) openAll(ctx context.Context, records []record) ([]message.Message, error) {
	if len(records) == 0 {
		return nil, nil
	}
	messages := make([]message.Message, 0, len(records))
	for _, r := range records {
		m, err := s.open(ctx, r)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// recordByID finds a message, tombstones included, and whether its recipient has read it.
func recordByID(c *conn, m id.Message) (record, bool, error) {
	var r record
	found, err := c.one(func(row []driver.Value) { r = readRecord(row) },
		"SELECT "+recordColumns+" FROM messages m WHERE m.id = ?", m[:])
	if err != nil || !found {
		return record{}, false, err
	}
	return r, true, readState(c, &r)
}

// readState fills in whether the recipient has read the message.
func readState(c *conn, r *record) error {
	upTo, err := readUpTo(c, r.message.Recipient, conversationKey(r.message.Conversation()))
	r.message.Read = upTo >= r.message.Seq
	return err
}

// readUpTo is how far a person has read in a conversation.
func readUpTo(c *conn, u id.User, conversation []byte) (order.Seq, error) {
	n, err := c.number("SELECT read_seq FROM threads WHERE user = ? AND conversation = ?", u[:], conversation)
	return order.Seq(n), err
}

// isHidden reports whether a person deleted a message for themselves, alone or with the whole
// conversation.
func isHidden(c *conn, u id.User, conversation []byte, seq order.Seq) (bool, error) {
	n, err := c.number(`SELECT (SELECT count(*) FROM hidden WHERE user = ? AND conversation = ? AND message_seq = ?)
		+ (SELECT count(*) FROM cleared WHERE user = ? AND conversation = ? AND message_seq >= ?)`,
		u[:], conversation, int64(seq), u[:], conversation, int64(seq))
	return n > 0, err
}
