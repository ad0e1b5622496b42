package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

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
		r.content, r.attachment, r.extra, r.reactions = nil, nil, nil, ""
		// The trigger messages_deleted removes the rest of what was written.
		if _, err := t.exec(`UPDATE messages SET content = NULL, attachment = NULL, fingerprint = NULL,
			deleted_at = ?, changed = ? WHERE conversation = ? AND seq = ?`,
			at.UnixMilli(), int64(r.message.Changed), r.key(), int64(r.message.Seq)); err != nil {
			return false, err
		}
		if err := releaseUploads(t, m, at); err != nil {
			return false, err
		}
		return true, touch(t.conn, r.message)
	})
}

// DeleteForSelf implements message.Store. The message that it returns has Changed set to the
// commit; for the other person nothing changed. It is ErrNoMessage for who takes no part.
func (s *Store) DeleteForSelf(ctx context.Context, m id.Message, u id.User, _ time.Time) (message.Message, bool, error) {
	return s.change(ctx, "delete message for one", m, func(t *tx, r *record) (bool, error) {
		key, seq := r.key(), int64(r.message.Seq)
		if takes, err := takesPart(t.conn, r.message.Conversation(), u); err != nil || !takes {
			return false, either(err, message.ErrNoMessage)
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
		err = lowerThread(t.conn, u, r.message.Conversation(), seq, n)
		return err == nil, err
	})
}

// lowerThread marks a conversation as changed by a commit for somebody from whom a message went,
// and looks for the newest one that is left where it was the newest. What a member of a group sees
// is looked for when it is asked for.
func lowerThread(c *conn, u id.User, talk message.Conversation, gone, commit int64) error {
	key := conversationKey(talk)
	if talk.IsGroup() {
		return touchMember(c, key, u, commit)
	}
	_, err := c.exec(`UPDATE threads SET changed = ?, last_seq = CASE WHEN last_seq <> ? THEN last_seq ELSE
			coalesce((SELECT m.seq FROM messages m WHERE m.conversation = ? AND m.seq < ?
				AND `+visible+` ORDER BY m.seq DESC LIMIT 1), 0) END
		WHERE user = ? AND conversation = ?`, visibleTo(u, key, []any{commit, gone, key, gone}, u[:], key)...)
	return err
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

// forgetUnread takes a message that is about to disappear for u out of the count of what u
// has not read, if it is in it. In a group nothing holds such a count.
func forgetUnread(c *conn, r record, u id.User) error {
	m := r.message
	if m.Sender == u || m.Read || r.deleted() || m.Conversation().IsGroup() {
		return nil
	}
	key := r.key()
	hidden, err := isHidden(c, u, key, m.Seq)
	if err != nil || hidden {
		return err
	}
	_, err = c.exec("UPDATE threads SET unread = unread - 1 WHERE user = ? AND conversation = ?", u[:], key)
	return err
}
