package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

// Edit implements message.Store.
func (s *Store) Edit(ctx context.Context, m id.Message, content string, at time.Time) (message.Message, error) {
	// Whose key seals the new text never changes, so it is looked up outside the writer.
	known, err := s.record(ctx, m)
	if err != nil {
		return message.Message{}, fmt.Errorf("edit message: %w", err)
	}
	key := conversationKey(known.message.Conversation())
	sealed, err := s.sealText(ctx, known.message.Sender, textPlace("content", m, key), content)
	if err != nil {
		return message.Message{}, fmt.Errorf("edit message: %w", err)
	}
	edited, _, err := s.change(ctx, "edit message", m, func(t *tx, r *record) (bool, error) {
		if r.deleted() {
			return false, message.ErrGone
		}
		if refused, err := apart(t.conn, r.message.Sender, r.message.Recipient); err != nil || refused {
			return false, either(err, message.ErrBlocked)
		}
		r.message.Changed = t.next()
		r.message.EditedAt = time.UnixMilli(at.UnixMilli()).UTC()
		r.content, _ = sealed.([]byte)
		if _, err := t.exec("UPDATE messages SET content = ?, edited_at = ?, changed = ? WHERE conversation = ? AND seq = ?",
			sealed, at.UnixMilli(), int64(r.message.Changed), key, int64(r.message.Seq)); err != nil {
			return false, err
		}
		return true, touchThreads(t.conn, r.message)
	})
	return edited, err
}

// DeleteForAll implements message.Store.
func (s *Store) DeleteForAll(ctx context.Context, m id.Message, at time.Time) (message.Message, bool, error) {
	return s.change(ctx, "delete message for all", m, func(t *tx, r *record) (bool, error) {
		if r.deleted() {
			return false, nil
		}
		if err := forgetUnread(t.conn, *r, r.message.Recipient); err != nil {
			return false, err
		}
		r.message.Changed = t.next()
		r.message.DeletedAt = time.UnixMilli(at.UnixMilli()).UTC()
		r.message.Fingerprint = message.Fingerprint{}
		r.content, r.attachment = nil, nil
		if _, err := t.exec(`UPDATE messages SET content = NULL, attachment = NULL, fingerprint = NULL,
			deleted_at = ?, changed = ? WHERE conversation = ? AND seq = ?`,
			at.UnixMilli(), int64(r.message.Changed), conversationKey(r.message.Conversation()), int64(r.message.Seq)); err != nil {
			return false, err
		}
		return true, touchThreads(t.conn, r.message)
	})
}

// DeleteForSelf implements message.Store. The message that it returns has Changed set to the
// commit; for the other person nothing changed. It is ErrNoMessage for who takes no part.
func (s *Store) DeleteForSelf(ctx context.Context, m id.Message, u id.User, _ time.Time) (message.Message, bool, error) {
	return s.change(ctx, "delete message for one", m, func(t *tx, r *record) (bool, error) {
		key, seq := conversationKey(r.message.Conversation()), int64(r.message.Seq)
		if !r.message.Conversation().Has(u) {
			return false, message.ErrNoMessage
		}
		hidden, err := isHidden(t.conn, u, key, r.message.Seq)
		if err != nil || hidden {
			return false, err
		}
		if err := forgetUnread(t.conn, *r, u); err != nil {
			return false, err
		}
		r.message.Changed = t.next()
		n := int64(r.message.Changed)
		if _, err := t.exec("INSERT INTO hidden (user, conversation, message_seq, seq) VALUES (?, ?, ?, ?)", u[:], key, seq, n); err != nil {
			return false, err
		}
		_, err = t.exec(`UPDATE threads SET changed = ?, last_seq = CASE WHEN last_seq <> ? THEN last_seq ELSE
				coalesce((SELECT m.seq FROM messages m WHERE m.conversation = ? AND m.seq < ?
					AND `+visible+` ORDER BY m.seq DESC LIMIT 1), 0) END
			WHERE user = ? AND conversation = ?`, visibleTo(u, key, []any{n, seq, key, seq}, u[:], key)...)
		return err == nil, err
	})
}

// change runs an operation on one stored message and returns the message as the operation
// left it.
func (s *Store) change(ctx context.Context, what string, m id.Message, run func(*tx, *record) (bool, error)) (message.Message, bool, error) {
	var r record
	changed := false
	err := s.writer.do(ctx, what, func(t *tx) error {
		var found bool
		var err error
		if r, found, err = recordByID(t.conn, m); err != nil || !found {
			return either(err, message.ErrNoMessage)
		}
		changed, err = run(t, &r)
		return err
	})
	if err != nil {
		return message.Message{}, false, err
	}
	opened, err := s.open(ctx, r)
	if err != nil {
		return message.Message{}, false, fmt.Errorf("%s: %w", what, err)
	}
	return opened, changed, nil
}

// touchThreads marks the conversation as changed for both people by the commit that changed
// the message.
func touchThreads(c *conn, m message.Message) error {
	key := conversationKey(m.Conversation())
	_, err := c.exec("UPDATE threads SET changed = ? WHERE conversation = ? AND user IN (?, ?)",
		int64(m.Changed), key, m.Sender[:], m.Recipient[:])
	return err
}

// forgetUnread takes a message that is about to disappear for u out of the count of what u
// has not read, if it is in it.
func forgetUnread(c *conn, r record, u id.User) error {
	m := r.message
	if m.Sender == u || m.Read || r.deleted() {
		return nil
	}
	key := conversationKey(m.Conversation())
	hidden, err := isHidden(c, u, key, m.Seq)
	if err != nil || hidden {
		return err
	}
	_, err = c.exec("UPDATE threads SET unread = unread - 1 WHERE user = ? AND conversation = ?", u[:], key)
	return err
}
