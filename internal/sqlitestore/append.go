package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/people"
)

// A sealedDraft is a draft that is ready to be written.
type sealedDraft struct {
	message.Draft
	conversation               []byte
	content, attachment, extra any // sealed, or nil
}

// Append implements message.Store.
func (s *Store) Append(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	w, err := s.sealDraft(ctx, d)
	if err != nil {
		return message.Message{}, false, fmt.Errorf("append message: %w", err)
	}
	var first *record
	stored := message.Message{
		ID: d.ID, Sender: d.Sender, Recipient: d.Recipient, Group: d.Group,
		Content: d.Content, Attachment: d.Attachment, Extra: d.Extra, ReplyTo: d.ReplyTo, Fingerprint: d.Fingerprint,
	}
	err = s.writer.do(ctx, "append message", func(t *tx) (err error) {
		if first, err = recentRepeat(t.conn, w); err != nil || first != nil {
			return err
		}
		at, inserted, err := insert(t.conn, w, t.coming())
		if err != nil {
			return err
		}
		if !inserted {
			first, err = attempt(t.conn, w)
			return err
		}
		if err := mayAct(t.conn, d.Conversation(), d.Sender, people.ErrBlocked); err != nil {
			return err
		}
		stored.Seq, stored.CreatedAt = t.next(), at
		stored.Changed = stored.Seq
		return raise(t.conn, w, stored.Seq)
	})
	switch {
	case err != nil:
		return message.Message{}, false, err
	case first != nil:
		stored, err = s.open(ctx, *first)
		return stored, err == nil, err
	}
	return stored, false, nil
}

// Attempt implements message.Store.
func (s *Store) Attempt(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	w := sealedDraft{Draft: d, conversation: conversationKey(d.Conversation())}
	var first *record
	err := s.readers.snapshot(ctx, func(c *conn) (err error) {
		if w.ClientID == "" {
			first, err = recentRepeat(c, w)
		} else {
			first, err = namedAttempt(c, w)
		}
		return err
	})
	if err != nil || first == nil {
		return message.Message{}, false, err
	}
	m, err := s.open(ctx, *first)
	return m, err == nil, err
}

func (s *Store) sealDraft(ctx context.Context, d message.Draft) (sealedDraft, error) {
	w := sealedDraft{Draft: d, conversation: conversationKey(d.Conversation())}
	var err error
	if w.content, err = s.sealText(ctx, d.Sender, textPlace("content", d.ID, w.conversation), d.Content); err != nil {
		return sealedDraft{}, err
	}
	if w.attachment, err = s.sealText(ctx, d.Sender, textPlace("attachment", d.ID, w.conversation), d.Attachment); err != nil {
		return sealedDraft{}, err
	}
	if d.Extra != (message.Extra{}) {
		w.extra, err = s.sealJSON(ctx, d.Sender, textPlace("extra", d.ID, w.conversation), d.Extra)
	}
	return w, err
}

// mayAct returns why somebody may not act in a conversation at the moment: message.ErrNotMember
// where they are not in the group, and blocked where one of two people blocks the other.
func mayAct(c *conn, talk message.Conversation, u id.User, blocked error) error {
	if talk.IsGroup() {
		return admit(c, talk, u)
	}
	if refused, err := apart(c, talk.Low, talk.High); err != nil || refused {
		return either(err, blocked)
	}
	return nil
}

// recentRepeat finds the message that a draft without a client id repeats; nil where there is
// none. It walks back from the end of the conversation for as long as the window reaches.
func recentRepeat(c *conn, w sealedDraft) (*record, error) {
	if w.ClientID != "" || w.RepeatWindow <= 0 {
		return nil, nil
	}
	oldest := w.At.Truncate(time.Millisecond).Add(-w.RepeatWindow)
	var seq int64
	err := c.query(func(row []driver.Value) bool {
		if instant(row[1]).Before(oldest) {
			return false
		}
		if userID(row[2]) == w.Sender && string(blob(row[3])) == string(w.Fingerprint[:]) {
			seq = integer(row[0])
		}
		return seq == 0
	}, "SELECT seq, created_at, sender, fingerprint FROM messages WHERE conversation = ? ORDER BY seq DESC", w.conversation)
	if err != nil || seq == 0 {
		return nil, err
	}
	return firstRecord(c, "m.conversation = ? AND m.seq = ?", w.conversation, seq)
}

// namedAttempt finds the message that a draft's client id already names; nil where it names none.
func namedAttempt(c *conn, w sealedDraft) (*record, error) {
	return firstRecord(c, "m.sender = ? AND m.client_id = ?", w.Sender[:], w.ClientID)
}

// attempt is namedAttempt where there must be one.
func attempt(c *conn, w sealedDraft) (*record, error) {
	r, err := namedAttempt(c, w)
	if err == nil && r == nil {
		err = errors.New("the attempt is taken by no message")
	}
	return r, err
}

func firstRecord(c *conn, where string, args ...any) (*record, error) {
	var r record
	found, err := c.one(func(row []driver.Value) { r = readRecord(row) },
		"SELECT "+recordColumns+" FROM messages m WHERE "+where, args...)
	if err != nil || !found {
		return nil, err
	}
	return &r, readState(c, &r)
}

// insert writes the message row and returns its time, which is never before that of the
// message in front of it. It reports false where the attempt is already stored. An id that
// another attempt has taken is an error, because only the attempt is named as what may clash.
func insert(c *conn, w sealedDraft, seq order.Seq) (at time.Time, inserted bool, err error) {
	var clientID any
	if w.ClientID != "" {
		clientID = w.ClientID
	}
	inserted, err = c.one(func(row []driver.Value) { at = instant(row[0]) },
		`INSERT INTO messages (conversation, seq, id, sender, client_id, changed, content, attachment, extra, reply_to,
			fingerprint, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
			max(?, coalesce((SELECT created_at FROM messages WHERE conversation = ? ORDER BY seq DESC LIMIT 1), 0)))
		ON CONFLICT (sender, client_id) WHERE client_id IS NOT NULL DO NOTHING
		RETURNING created_at`,
		w.conversation, int64(seq), w.ID[:], w.Sender[:], clientID, int64(seq), w.content, w.attachment, w.extra, reference(w.ReplyTo),
		w.Fingerprint[:], w.At.UnixMilli(), w.conversation)
	return at, inserted, err
}

// raise brings the conversation to the top of the lists. In one of two people it counts the
// message as unread for the recipient; a note to oneself has one row and nobody who has not read
// it. In a group it writes one row, however many members there are.
func raise(c *conn, w sealedDraft, seq order.Seq) error {
	if !w.Group.IsZero() {
		_, err := c.exec("UPDATE groups SET last_seq = ?, changed = ? WHERE conversation = ?", int64(seq), int64(seq), w.conversation)
		return err
	}
	const columns = "INSERT INTO threads (user, conversation, peer, last_seq, unread, read_seq, changed) VALUES "
	const again = ` ON CONFLICT (user, conversation) DO UPDATE SET
		last_seq = excluded.last_seq, unread = unread + excluded.unread, changed = excluded.changed`
	n := int64(seq)
	if w.Sender == w.Recipient {
		_, err := c.exec(columns+"(?, ?, ?, ?, 0, 0, ?)"+again, w.Sender[:], w.conversation, w.Sender[:], n, n)
		return err
	}
	_, err := c.exec(columns+"(?, ?, ?, ?, 0, 0, ?), (?, ?, ?, ?, 1, 0, ?)"+again,
		w.Sender[:], w.conversation, w.Recipient[:], n, n,
		w.Recipient[:], w.conversation, w.Sender[:], n, n)
	return err
}
