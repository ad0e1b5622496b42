package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// A rowRecord is a row of the conversation list as it was read.
type rowRecord struct {
	row  message.Row
	last *record
}

// rowsOf selects rows of the list, newest first, for threads that are picked before anything
// is joined to them: the newest message that the person can see and the marks of both people.
func rowsOf(pick string) string {
	return "SELECT " + recordColumns + `, t.peer, t.unread, t.changed, t.read_seq, p.read_seq,
		(SELECT r.id FROM messages r WHERE r.conversation = t.conversation AND r.seq = t.read_seq),
		(SELECT r.id FROM messages r WHERE r.conversation = t.conversation AND r.seq = p.read_seq),
		(SELECT r.id FROM messages r WHERE r.conversation = t.conversation AND r.seq = max(p.delivered_seq, p.read_seq)),
		t.archived, t.muted, t.muted_until, t.marked_unread
		FROM (SELECT * FROM threads ` + pick + `) t
		LEFT JOIN threads p ON p.user = t.peer AND p.conversation = t.conversation
		LEFT JOIN messages m ON m.conversation = t.conversation AND m.seq = t.last_seq
		ORDER BY t.last_seq DESC, t.changed DESC`
}

var (
	listedRows  = rowsOf("WHERE user = ? AND last_seq > 0 AND last_seq < ? ORDER BY last_seq DESC LIMIT ?")
	changedRows = rowsOf("WHERE user = ? AND changed > ? ORDER BY last_seq DESC, changed DESC LIMIT ?")
)

func readRow(row []driver.Value) rowRecord {
	rest := row[recordWidth:]
	r := rowRecord{row: message.Row{
		Peer:     userID(rest[0]),
		Unread:   int(integer(rest[1])),
		Changed:  order.Seq(integer(rest[2])),
		Settings: readSettings(rest[8:]),
	}}
	copy(r.row.ReadUpTo[:], blob(rest[5]))
	copy(r.row.PeerRead[:], blob(rest[6]))
	copy(r.row.PeerHas[:], blob(rest[7]))
	if row[0] != nil {
		last := readRecord(row)
		upTo := integer(rest[3])
		if last.message.Recipient == r.row.Peer {
			upTo = integer(rest[4])
		}
		last.message.Read = int64(last.message.Seq) <= upTo
		r.last = &last
	}
	return r
}

// Rows implements message.Store. A conversation of which a person sees no message is not
// listed.
func (s *Store) Rows(ctx context.Context, u id.User, before id.Message, limit int) (message.Page[message.Row], error) {
	var found []rowRecord
	err := s.readers.snapshot(ctx, func(c *conn) error {
		end := int64(math.MaxInt64)
		if !before.IsZero() {
			var err error
			if end, err = c.number(`SELECT m.seq FROM messages m JOIN threads t ON t.user = ? AND t.conversation = m.conversation
				WHERE m.id = ?`, u[:], before[:]); err != nil || end == 0 {
				return either(err, message.ErrNoMessage)
			}
		}
		return c.query(func(row []driver.Value) bool {
			found = append(found, readRow(row))
			return true
		}, listedRows, u[:], end, int64(limit)+1)
	})
	if err != nil {
		return message.Page[message.Row]{}, fmt.Errorf("list conversations: %w", err)
	}
	more := len(found) > limit
	rows, err := s.openRows(ctx, found[:min(len(found), limit)])
	if err != nil {
		return message.Page[message.Row]{}, fmt.Errorf("list conversations: %w", err)
	}
	return message.Page[message.Row]{Items: rows, More: more}, nil
}

func (s *Store) openRows(ctx context.Context, found []rowRecord) ([]message.Row, error) {
	if len(found) == 0 {
		return nil, nil
	}
	rows := make([]message.Row, 0, len(found))
	for _, r := range found {
		if r.last != nil {
			m, err := s.open(ctx, *r.last)
			if err != nil {
				return nil, err
			}
			r.row.Last = &m
		}
		rows = append(rows, r.row)
	}
	return rows, nil
}
