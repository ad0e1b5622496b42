package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// cursorColumns are those of a member o of a group, in the order in which readCursor takes them.
const cursorColumns = `o.conversation, o.user, o.read_seq, o.read_at, o.delivered_seq, o.delivered_at, o.moved,
	(SELECT r.id FROM messages r WHERE r.conversation = o.conversation AND r.seq = o.read_seq),
	(SELECT r.id FROM messages r WHERE r.conversation = o.conversation AND r.seq = o.delivered_seq)`

func readCursor(row []driver.Value) message.Cursor {
	return message.Cursor{
		Group: conversation(row[0]).Group, User: userID(row[1]),
		Read: order.Seq(integer(row[2])), ReadAt: instant(row[3]), ReadID: messageRef(row[7]),
		Delivered: order.Seq(integer(row[4])), DeliveredAt: instant(row[5]), DeliveredID: messageRef(row[8]),
		Changed: order.Seq(integer(row[6])),
	}
}

// Cursors implements message.GroupStore.
func (s *Store) Cursors(ctx context.Context, g id.Group) ([]message.Cursor, error) {
	var cursors []message.Cursor
	err := s.readers.snapshot(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			cursors = append(cursors, readCursor(row))
			return true
		}, "SELECT "+cursorColumns+" FROM members o WHERE o.conversation = ? AND o.left_seq = 0",
			conversationKey(message.InGroup(g)))
	})
	if err == nil && len(cursors) == 0 {
		err = message.ErrNoGroup // a group without members is deleted
	}
	if err != nil {
		return nil, fmt.Errorf("read cursors: %w", err)
	}
	return cursors, nil
}

// moveRead moves how far a member of a group has read to a message; it has reached them then.
func moveRead(c *conn, m message.Message, u id.User, at time.Time) error {
	seq, now := int64(m.Seq), at.UnixMilli()
	_, err := c.exec(`UPDATE members SET read_seq = ?, read_at = ?, marked_unread = NULL, moved = ?,
			delivered_at = CASE WHEN delivered_seq < ? THEN ? ELSE delivered_at END, delivered_seq = max(delivered_seq, ?)
		WHERE conversation = ? AND user = ?`,
		seq, now, int64(m.Changed), seq, now, seq, conversationKey(m.Conversation()), u[:])
	return err
}

// moveDelivered moves how far messages have reached the devices of a member to a message.
func moveDelivered(c *conn, m message.Message, u id.User, at time.Time) error {
	_, err := c.exec("UPDATE members SET delivered_seq = ?, delivered_at = ?, moved = ? WHERE conversation = ? AND user = ?",
		int64(m.Seq), at.UnixMilli(), int64(m.Changed), conversationKey(m.Conversation()), u[:])
	return err
}
