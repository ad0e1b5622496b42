package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// Message implements message.Store.
func (s *Store) Message(ctx context.Context, m id.Message) (message.Message, error) {
	r, err := s.record(ctx, m)
	if err != nil {
		return message.Message{}, fmt.Errorf("find message: %w", err)
	}
	return s.open(ctx, r)
}

// SeenBy implements message.Store.
func (s *Store) SeenBy(ctx context.Context, m id.Message) ([]id.User, error) {
	var seers []id.User
	err := s.readers.snapshot(ctx, func(c *conn) error {
		r, found, err := recordByID(c, m)
		if err != nil || !found {
			return either(err, message.ErrNoMessage)
		}
		if r.message.Conversation().IsGroup() {
			seers, err = membersWhoSee(c, r)
			return err
		}
		for _, u := range r.message.Conversation().People() {
			hidden, err := isHidden(c, u, r.key(), r.message.Seq)
			if err != nil {
				return err
			}
			if !hidden {
				seers = append(seers, u)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look who sees a message: %w", err)
	}
	return seers, nil
}

// record finds a message outside the writer; it is ErrNoMessage where there is none.
func (s *Store) record(ctx context.Context, m id.Message) (record, error) {
	var r record
	err := s.readers.snapshot(ctx, func(c *conn) error {
		var found bool
		var err error
		if r, found, err = recordByID(c, m); err != nil || !found {
			return either(err, message.ErrNoMessage)
		}
		return nil
	})
	return r, err
}

// visible leaves out what a person deleted for themselves, one by one or with a whole
// conversation. Its parameters are those of visibleTo.
const visible = `m.seq > (SELECT coalesce(max(message_seq), 0) FROM cleared WHERE user = ? AND conversation = ?)
	AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user = ? AND h.conversation = m.conversation AND h.message_seq = m.seq)`

// visibleTo are the parameters of visible for a person and a conversation, between others.
func visibleTo(u id.User, conversation []byte, before []any, after ...any) []any {
	return append(append(before, u[:], conversation, u[:]), after...)
}

// PageBefore implements message.Store.
func (s *Store) PageBefore(ctx context.Context, c message.Conversation, viewer id.User, before id.Message, limit int) (message.Page[message.Message], error) {
	var records []record
	key := conversationKey(c)
	err := s.readers.snapshot(ctx, func(db *conn) error {
		if err := admit(db, c, viewer); err != nil {
			return err
		}
		end, err := endOfPage(db, key, before)
		if err != nil {
			return err
		}
		read, err := readMarks(db, c)
		if err != nil {
			return err
		}
		return db.query(func(row []driver.Value) bool {
			r := readRecord(row)
			r.message.Read = read(r.message)
			records = append(records, r)
			return true
		}, "SELECT "+recordColumns+` FROM messages m WHERE m.conversation = ? AND m.seq < ? AND `+visible+`
			ORDER BY m.seq DESC LIMIT ?`, visibleTo(viewer, key, []any{key, end}, int64(limit)+1)...)
	})
	if err != nil {
		return message.Page[message.Message]{}, fmt.Errorf("read a page: %w", err)
	}
	more := len(records) > limit
	records = records[:min(len(records), limit)]
	slices.Reverse(records)
	items, err := s.openAll(ctx, records)
	if err != nil {
		return message.Page[message.Message]{}, fmt.Errorf("read a page: %w", err)
	}
	return message.Page[message.Message]{Items: items, More: more}, nil
}

// Media implements message.Store.
func (s *Store) Media(ctx context.Context, c message.Conversation, viewer id.User, skip, limit int) (message.Page[message.Message], error) {
	var records []record
	key := conversationKey(c)
	err := s.readers.snapshot(ctx, func(db *conn) error {
		if err := admit(db, c, viewer); err != nil {
			return err
		}
		read, err := readMarks(db, c)
		if err != nil {
			return err
		}
		return db.query(func(row []driver.Value) bool {
			r := readRecord(row)
			r.message.Read = read(r.message)
			records = append(records, r)
			return true
		}, "SELECT "+recordColumns+` FROM messages m WHERE m.conversation = ? AND m.attachment IS NOT NULL AND `+visible+`
			ORDER BY m.seq DESC LIMIT ? OFFSET ?`, visibleTo(viewer, key, []any{key}, int64(limit)+1, int64(skip))...)
	})
	if err != nil {
		return message.Page[message.Message]{}, fmt.Errorf("read attachments: %w", err)
	}
	more := len(records) > limit
	items, err := s.openAll(ctx, records[:min(len(records), limit)])
	if err != nil {
		return message.Page[message.Message]{}, fmt.Errorf("read attachments: %w", err)
	}
	return message.Page[message.Message]{Items: items, More: more}, nil
}

// Some implements message.Store.
func (s *Store) Some(ctx context.Context, c message.Conversation, viewer id.User, of []id.Message) ([]message.Message, error) {
	var records []record
	key := conversationKey(c)
	err := s.readers.snapshot(ctx, func(db *conn) error {
		if err := admit(db, c, viewer); err != nil {
			return err
		}
		read, err := readMarks(db, c)
		if err != nil {
			return err
		}
		for _, m := range of {
			if _, err := db.one(func(row []driver.Value) {
				r := readRecord(row)
				r.message.Read = read(r.message)
				records = append(records, r)
			}, "SELECT "+recordColumns+" FROM messages m WHERE m.id = ? AND m.conversation = ? AND "+visible,
				visibleTo(viewer, key, []any{m[:], key})...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read some messages: %w", err)
	}
	return s.openAll(ctx, records)
}

// endOfPage is the place of before in the conversation, or behind the end of it.
func endOfPage(c *conn, key []byte, before id.Message) (int64, error) {
	if before.IsZero() {
		return math.MaxInt64, nil
	}
	seq, err := c.number("SELECT seq FROM messages WHERE id = ? AND conversation = ?", before[:], key)
	if err != nil || seq == 0 {
		return 0, either(err, message.ErrNoMessage)
	}
	return seq, nil
}

// readMarks returns how to tell whether the recipient of a message of the conversation has
// read it.
func readMarks(c *conn, talk message.Conversation) (func(message.Message) bool, error) {
	if talk.IsGroup() {
		return noRecipient, nil
	}
	key := conversationKey(talk)
	low, err := readUpTo(c, talk.Low, key)
	if err != nil {
		return nil, err
	}
	high, err := readUpTo(c, talk.High, key)
	if err != nil {
		return nil, err
	}
	return marks(talk.Low, low, high), nil
}

// noRecipient tells that nobody in particular has read a message, as in a group.
func noRecipient(message.Message) bool { return false }

// marks tells whether the recipient has read a message, from how far one person and their
// peer have read.
func marks(one id.User, ofOne, ofPeer order.Seq) func(message.Message) bool {
	return func(m message.Message) bool {
		if m.Recipient == one {
			return m.Seq <= ofOne
		}
		return m.Seq <= ofPeer
	}
}

// Unread implements message.Store.
func (s *Store) Unread(ctx context.Context, u id.User) (map[id.User]int, error) {
	counts := map[id.User]int{}
	err := s.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			counts[userID(row[0])] = int(integer(row[1]))
			return true
		}, "SELECT peer, unread FROM threads WHERE user = ? AND unread > 0", u[:])
	})
	if err != nil {
		return nil, fmt.Errorf("count unread messages: %w", err)
	}
	return counts, nil
}
