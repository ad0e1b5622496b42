package sqlitestore

import (
	"context"
	"database/sql/driver"
	"math"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// MarkRead implements message.Store. A message of a conversation that one takes no part in is
// ErrNoMessage.
func (s *Store) MarkRead(ctx context.Context, u id.User, m id.Message, at time.Time) (message.Receipt, error) {
	return s.mark(ctx, "mark message as read", u, m, func(t *tx, r *record, have reach) (message.Receipt, error) {
		key, seq := r.key(), int64(r.message.Seq)
		if have.read >= r.message.Seq {
			return unmark(t, r, u, have)
		}
		arrived, err := newestOfOthers(t.conn, key, u, have.delivered, r.message.Seq)
		if err != nil {
			return message.Receipt{}, err
		}
		r.message.Read = r.message.Read || r.message.Recipient == u
		r.message.Changed = t.next()
		moved := message.Receipt{Read: true, Arrived: arrived}
		if r.message.Conversation().IsGroup() {
			return moved, moveRead(t.conn, r.message, u, at)
		}
		_, err = t.exec(`UPDATE threads SET read_seq = ?, read_at = ?, marked_unread = NULL,
				unread = unread - (SELECT count(*) FROM messages m WHERE m.conversation = ? AND m.seq > threads.read_seq
					AND m.seq <= ? AND m.sender <> ? AND m.deleted_at IS NULL AND `+visible+`)
			WHERE user = ? AND conversation = ?`,
			visibleTo(u, key, []any{seq, at.UnixMilli(), key, seq, u[:]}, u[:], key)...)
		return moved, err
	})
}

// unmark takes the mark "unread" from a conversation that is read already.
func unmark(t *tx, r *record, u id.User, have reach) (message.Receipt, error) {
	if !have.marked {
		return message.Receipt{}, nil
	}
	r.message.Changed = t.next()
	statement := "UPDATE threads SET marked_unread = NULL WHERE user = ? AND conversation = ?"
	if r.message.Conversation().IsGroup() {
		statement = "UPDATE members SET marked_unread = NULL WHERE user = ? AND conversation = ?"
	}
	_, err := t.exec(statement, u[:], r.key())
	return message.Receipt{Unmarked: true}, err
}

// newestOfOthers finds the newest message of anybody but u after one place of a conversation and
// up to another.
func newestOfOthers(c *conn, conversation []byte, u id.User, after, upTo order.Seq) (m id.Message, err error) {
	_, err = c.one(func(row []driver.Value) { m = messageRef(row[0]) }, `SELECT id FROM messages
		WHERE conversation = ? AND seq > ? AND seq <= ? AND sender <> ? AND deleted_at IS NULL ORDER BY seq DESC LIMIT 1`,
		conversation, int64(after), int64(upTo), u[:])
	return m, err
}

// MarkDelivered implements message.Store. A message of a conversation that one takes no part
// in is ErrNoMessage.
func (s *Store) MarkDelivered(ctx context.Context, u id.User, m id.Message, at time.Time) (message.Receipt, error) {
	return s.mark(ctx, "mark message as delivered", u, m, func(t *tx, r *record, have reach) (message.Receipt, error) {
		if r.message.Sender == u || max(have.delivered, have.read) >= r.message.Seq {
			return message.Receipt{}, nil
		}
		r.message.Changed = t.next()
		moved := message.Receipt{Arrived: r.message.ID}
		if r.message.Conversation().IsGroup() {
			return moved, moveDelivered(t.conn, r.message, u, at)
		}
		_, err := t.exec("UPDATE threads SET delivered_seq = ? WHERE user = ? AND conversation = ?", int64(r.message.Seq), u[:], r.key())
		return moved, err
	})
}

// A reach is how far a person has read, how far messages have reached their devices, and
// whether they marked the conversation as unread.
type reach struct {
	read, delivered order.Seq
	marked          bool
}

func reachOf(c *conn, u id.User, talk message.Conversation) (h reach, err error) {
	query := "SELECT read_seq, delivered_seq, marked_unread FROM threads WHERE user = ? AND conversation = ?"
	if talk.IsGroup() {
		query = "SELECT read_seq, delivered_seq, marked_unread FROM members WHERE user = ? AND conversation = ?"
	}
	_, err = c.one(func(row []driver.Value) {
		h = reach{order.Seq(integer(row[0])), order.Seq(max(integer(row[0]), integer(row[1]))), row[2] != nil}
	}, query, u[:], conversationKey(talk))
	if talk.Low == talk.High && !talk.IsGroup() {
		h.read, h.delivered = math.MaxInt64, math.MaxInt64 // one's own notes are read
	}
	return h, err
}

// mark runs an operation on a message that a person takes part in, and marks the conversation
// as changed where it moved anything: for both people, or for the member of the group alone.
func (s *Store) mark(ctx context.Context, what string, u id.User, m id.Message, move func(*tx, *record, reach) (message.Receipt, error)) (message.Receipt, error) {
	var moved message.Receipt
	marked, _, err := s.change(ctx, what, m, func(t *tx, r *record) (bool, error) {
		c := r.message.Conversation()
		if takes, err := takesPart(t.conn, c, u); err != nil || !takes {
			return false, either(err, message.ErrNoMessage)
		}
		if err := mayAct(t.conn, c, u, message.ErrBlocked); err != nil {
			return false, err
		}
		have, err := reachOf(t.conn, u, c)
		if err != nil {
			return false, err
		}
		if moved, err = move(t, r, have); err != nil || !moved.Changed() {
			return false, err
		}
		if c.IsGroup() {
			return true, touchMember(t.conn, r.key(), u, int64(r.message.Changed))
		}
		return true, touch(t.conn, r.message)
	})
	if err != nil {
		return message.Receipt{}, err
	}
	moved.Message = marked
	return moved, nil
}
