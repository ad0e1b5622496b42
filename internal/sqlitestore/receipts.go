package sqlitestore

import (
	"context"
	"database/sql/driver"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// MarkRead implements message.Store. A message of a conversation that one takes no part in is
// ErrNoMessage.
func (s *Store) MarkRead(ctx context.Context, u id.User, m id.Message, at time.Time) (message.Receipt, error) {
	return s.mark(ctx, "mark message as read", u, m, func(t *tx, r *record, have reach) (message.Receipt, error) {
		c := r.message.Conversation()
		key, peer, seq := conversationKey(c), c.Other(u), int64(r.message.Seq)
		if have.read >= r.message.Seq {
			return unmark(t, r, u, have)
		}
		arrived, err := newestOf(t.conn, key, peer, have.delivered, r.message.Seq)
		if err != nil {
			return message.Receipt{}, err
		}
		r.message.Read = r.message.Read || r.message.Recipient == u
		r.message.Changed = t.next()
		_, err = t.exec(`UPDATE threads SET read_seq = ?, read_at = ?, marked_unread = NULL,
				unread = unread - (SELECT count(*) FROM messages m WHERE m.conversation = ? AND m.seq > threads.read_seq
					AND m.seq <= ? AND m.sender = ? AND m.deleted_at IS NULL AND `+visible+`)
			WHERE user = ? AND conversation = ?`,
			visibleTo(u, key, []any{seq, at.UnixMilli(), key, seq, peer[:]}, u[:], key)...)
		return message.Receipt{Read: true, Arrived: arrived}, err
	})
}

// unmark takes the mark "unread" from a conversation that is read already.
func unmark(t *tx, r *record, u id.User, have reach) (message.Receipt, error) {
	if !have.marked {
		return message.Receipt{}, nil
	}
	r.message.Changed = t.next()
	_, err := t.exec("UPDATE threads SET marked_unread = NULL WHERE user = ? AND conversation = ?", u[:], conversationKey(r.message.Conversation()))
	return message.Receipt{Unmarked: true}, err
}

// newestOf finds the newest message of somebody after one place of a conversation and up to
// another.
func newestOf(c *conn, conversation []byte, sender id.User, after, upTo order.Seq) (m id.Message, err error) {
	_, err = c.one(func(row []driver.Value) { copy(m[:], blob(row[0])) }, `SELECT id FROM messages
		WHERE conversation = ? AND seq > ? AND seq <= ? AND sender = ? AND deleted_at IS NULL ORDER BY seq DESC LIMIT 1`,
		conversation, int64(after), int64(upTo), sender[:])
	return m, err
}

// MarkDelivered implements message.Store. A message of a conversation that one takes no part
// in is ErrNoMessage.
func (s *Store) MarkDelivered(ctx context.Context, u id.User, m id.Message) (message.Receipt, error) {
	return s.mark(ctx, "mark message as delivered", u, m, func(t *tx, r *record, have reach) (message.Receipt, error) {
		if r.message.Sender == u || max(have.delivered, have.read) >= r.message.Seq {
			return message.Receipt{}, nil
		}
		r.message.Changed = t.next()
		_, err := t.exec("UPDATE threads SET delivered_seq = ? WHERE user = ? AND conversation = ?",
			int64(r.message.Seq), u[:], conversationKey(r.message.Conversation()))
		return message.Receipt{Arrived: r.message.ID}, err
	})
}

// A reach is how far a person has read, how far messages have reached their devices, and
// whether they marked the conversation as unread.
type reach struct {
	read, delivered order.Seq
	marked          bool
}

func reachOf(c *conn, u id.User, conversation []byte) (h reach, err error) {
	_, err = c.one(func(row []driver.Value) {
		h = reach{order.Seq(integer(row[0])), order.Seq(max(integer(row[0]), integer(row[1]))), row[2] != nil}
	}, "SELECT read_seq, delivered_seq, marked_unread FROM threads WHERE user = ? AND conversation = ?", u[:], conversation)
	return h, err
}

// mark runs an operation on a message that a person takes part in, and marks the conversation
// as changed for both people where it moved anything.
func (s *Store) mark(ctx context.Context, what string, u id.User, m id.Message, move func(*tx, *record, reach) (message.Receipt, error)) (message.Receipt, error) {
	var moved message.Receipt
	marked, _, err := s.change(ctx, what, m, func(t *tx, r *record) (bool, error) {
		c := r.message.Conversation()
		if !c.Has(u) {
			return false, message.ErrNoMessage
		}
		if refused, err := apart(t.conn, c.Low, c.High); err != nil || refused {
			return false, either(err, message.ErrBlocked)
		}
		have, err := reachOf(t.conn, u, conversationKey(c))
		if err != nil {
			return false, err
		}
		if c.Low == c.High {
			have.read, have.delivered = r.message.Seq, r.message.Seq // one's own notes are read
		}
		if moved, err = move(t, r, have); err != nil || !moved.Changed() {
			return false, err
		}
		return true, touchThreads(t.conn, r.message)
	})
	if err != nil {
		return message.Receipt{}, err
	}
	moved.Message = marked
	return moved, nil
}
