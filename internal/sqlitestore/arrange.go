package sqlitestore

import (
	"context"
	"database/sql/driver"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// Arrange implements message.Store.
func (s *Store) Arrange(ctx context.Context, u, peer id.User, create bool, at time.Time, set func(*message.Settings)) (message.State, bool, error) {
	var state message.State
	changed := false
	key := conversationKey(message.Between(u, peer))
	err := s.writer.do(ctx, "arrange conversation", func(t *tx) error {
		before, found, err := stateOf(t.conn, u, peer, key)
		if err != nil || !found && !create {
			return either(err, message.ErrNoConversation)
		}
		after := before.Settings
		set(&after)
		if changed = after != before.Settings; !changed {
			state = before
			return nil
		}
		if _, err := t.exec(`INSERT INTO threads (user, conversation, peer, last_seq, unread, read_seq, changed,
				archived, muted, muted_until, marked_unread, arranged_at)
			VALUES (?, ?, ?, 0, 0, 0, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (user, conversation) DO UPDATE SET changed = excluded.changed, archived = excluded.archived,
				muted = excluded.muted, muted_until = excluded.muted_until, marked_unread = excluded.marked_unread,
				arranged_at = excluded.arranged_at`,
			u[:], key, peer[:], int64(t.next()), truth(after.Archived), truth(after.Muted), millis(after.MutedUntil),
			millis(after.MarkedUnread), at.UnixMilli()); err != nil {
			return err
		}
		state, _, err = stateOf(t.conn, u, peer, key)
		return err
	})
	if err != nil {
		return message.State{}, false, err
	}
	return state, changed, nil
}

// stateOf reads a conversation as a person has set it. It was made with its first message, or
// when it was first arranged.
func stateOf(c *conn, u, peer id.User, key []byte) (message.State, bool, error) {
	s := message.State{User: u, Peer: peer}
	found, err := c.one(func(row []driver.Value) {
		first, arranged := instant(row[7]), instant(row[8])
		s.Settings = readSettings(row)
		copy(s.ReadUpTo[:], blob(row[4]))
		s.ReadAt, s.Changed = instant(row[5]), order.Seq(integer(row[6]))
		if s.CreatedAt = first; first.IsZero() {
			s.CreatedAt = arranged
		}
		if s.ReadAt.IsZero() && !s.ReadUpTo.IsZero() {
			s.ReadAt = s.CreatedAt // the release before did not say when
		}
		s.UpdatedAt = latest(s.CreatedAt, arranged, s.ReadAt)
	}, `SELECT t.archived, t.muted, t.muted_until, t.marked_unread,
		(SELECT r.id FROM messages r WHERE r.conversation = t.conversation AND r.seq = t.read_seq), t.read_at, t.changed,
		(SELECT m.created_at FROM messages m WHERE m.conversation = t.conversation ORDER BY m.seq LIMIT 1), t.arranged_at
		FROM threads t WHERE t.user = ? AND t.conversation = ?`, u[:], key)
	return s, found, err
}

// readSettings reads archived, muted, muted_until and marked_unread at the front of a row.
func readSettings(row []driver.Value) message.Settings {
	return message.Settings{
		Archived: integer(row[0]) != 0, Muted: integer(row[1]) != 0, MutedUntil: instant(row[2]), MarkedUnread: instant(row[3]),
	}
}

func latest(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.After(first) {
			first = t
		}
	}
	return first
}

// Clear implements message.Store.
func (s *Store) Clear(ctx context.Context, u, peer id.User) error {
	key := conversationKey(message.Between(u, peer))
	return s.writer.do(ctx, "clear conversation", func(t *tx) error {
		newest, marked := int64(0), false
		found, err := t.one(func(row []driver.Value) { newest, marked = integer(row[0]), row[1] != nil },
			"SELECT last_seq, marked_unread FROM threads WHERE user = ? AND conversation = ?", u[:], key)
		if err != nil || !found {
			return either(err, message.ErrNoConversation)
		}
		if newest == 0 && !marked {
			return nil
		}
		n := int64(t.next())
		if newest > 0 {
			if _, err := t.exec("INSERT INTO cleared (user, conversation, message_seq, seq) VALUES (?, ?, ?, ?)", u[:], key, newest, n); err != nil {
				return err
			}
		}
		_, err = t.exec("UPDATE threads SET last_seq = 0, unread = 0, marked_unread = NULL, changed = ? WHERE user = ? AND conversation = ?",
			n, u[:], key)
		return err
	})
}
