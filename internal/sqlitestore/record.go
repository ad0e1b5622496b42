package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
)

// A record is a message as it was read: what was written in it still sealed.
type record struct {
	message    message.Message
	content    []byte // sealed; nil where there is none
	attachment []byte // likewise
	extra      []byte // likewise
	reactions  string // as they are stored
}

// recordColumns are those of a message m, in the order in which readRecord takes them.
const recordColumns = "m.conversation, m.seq, m.id, m.sender, m.changed, m.content, m.attachment, m.fingerprint, m.created_at, m.edited_at, m.deleted_at, m.extra, m.reply_to, m.reactions"

// recordWidth is the number of recordColumns.
var recordWidth = strings.Count(recordColumns, ",") + 1

// readRecord reads the recordColumns at the front of a row.
func readRecord(row []driver.Value) record {
	m := message.Message{
		Seq:       order.Seq(integer(row[1])),
		ID:        messageRef(row[2]),
		Sender:    userID(row[3]),
		Changed:   order.Seq(integer(row[4])),
		CreatedAt: instant(row[8]),
		EditedAt:  instant(row[9]),
		DeletedAt: instant(row[10]),
		ReplyTo:   messageRef(row[12]),
	}
	copy(m.Fingerprint[:], blob(row[7]))
	if c := conversation(row[0]); c.IsGroup() {
		m.Group = c.Group
	} else {
		m.Recipient = c.Other(m.Sender)
	}
	return record{message: m, content: blob(row[5]), attachment: blob(row[6]), extra: blob(row[11]), reactions: text(row[13])}
}

func (r record) deleted() bool { return !r.message.DeletedAt.IsZero() }

// size is how many bytes of what was written the record holds.
func (r record) size() int {
	return len(r.content) + len(r.attachment) + len(r.extra) + len(r.reactions)
}

// key is the conversation of the record as it is stored.
func (r record) key() []byte { return conversationKey(r.message.Conversation()) }

// conversationKey is a conversation as it is stored: both ids, the lower one first; that of a
// group behind zeros, which are nobody's id.
func conversationKey(c message.Conversation) []byte {
	b := make([]byte, 0, 2*id.Size)
	b = append(b, c.Low[:]...)
	if c.IsGroup() {
		return append(b, c.Group[:]...)
	}
	return append(b, c.High[:]...)
}

// groupsEnd stands behind the conversations of groups and in front of all others.
const groupsEnd = "x'000000000000000000000001000000000000000000000000'"

func conversation(v driver.Value) (c message.Conversation) {
	b := blob(v)
	if len(b) != 2*id.Size {
		return c
	}
	copy(c.Low[:], b)
	if c.Low.IsZero() {
		copy(c.Group[:], b[id.Size:])
	} else {
		copy(c.High[:], b[id.Size:])
	}
	return c
}

func textPlace(field string, m id.Message, conversation []byte) seal.Place {
	return seal.Place{Collection: "messages", Field: field, Document: m[:], Conversation: conversation}
}

// sealText seals one text; an empty text is stored as NULL.
func (s *Store) sealText(ctx context.Context, writer id.User, p seal.Place, text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	b, err := s.sealed(ctx, writer, p, []byte(text))
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
		return "", fmt.Errorf("open %s of %s: %w", p.Field, p.Collection, err)
	}
	return string(b), nil
}

// open returns the message of a record with what was written in it in the clear.
func (s *Store) open(ctx context.Context, r record) (message.Message, error) {
	m := r.message
	if at, gone := s.vault.Erased(seal.Owner(m.Sender)); gone {
		return erased(m, at), nil
	}
	key := r.key()
	var err error
	if m.Content, err = s.openText(ctx, textPlace("content", m.ID, key), r.content); err != nil {
		return message.Message{}, err
	}
	if m.Attachment, err = s.openText(ctx, textPlace("attachment", m.ID, key), r.attachment); err != nil {
		return message.Message{}, err
	}
	if r.extra != nil {
		if err := s.openJSON(ctx, textPlace("extra", m.ID, key), r.extra, &m.Extra); err != nil {
			return message.Message{}, err
		}
	}
	m.Reactions, err = readReactions(r.reactions)
	return m, err
}

// erased is the message of a person who was erased: as if they had deleted it for all then.
func erased(m message.Message, at time.Time) message.Message {
	if m.DeletedAt.IsZero() {
		m.DeletedAt = at
	}
	m.Fingerprint = message.Fingerprint{}
	return m
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
	if r.message.Conversation().IsGroup() {
		return nil
	}
	upTo, err := readUpTo(c, r.message.Recipient, r.key())
	r.message.Read = upTo >= r.message.Seq
	return err
}

// readUpTo is how far a person has read in a conversation with a peer.
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

// takesPart reports whether somebody is in a conversation.
func takesPart(c *conn, talk message.Conversation, u id.User) (bool, error) {
	if talk.IsGroup() {
		return isMember(c, conversationKey(talk), u)
	}
	return talk.Has(u), nil
}

// touch marks the conversation of a message as changed for everybody in it by the commit that
// changed the message.
func touch(c *conn, m message.Message) error {
	key, n := conversationKey(m.Conversation()), int64(m.Changed)
	if m.Conversation().IsGroup() {
		_, err := c.exec("UPDATE groups SET changed = ? WHERE conversation = ?", n, key)
		return err
	}
	_, err := c.exec("UPDATE threads SET changed = ? WHERE conversation = ? AND user IN (?, ?)", n, key, m.Sender[:], m.Recipient[:])
	return err
}
