package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/seal"
)

// errOvertaken answers an edit of a text that another one has replaced meanwhile.
var errOvertaken = errors.New("the text has changed meanwhile")

// Edit implements message.Store.
func (s *Store) Edit(ctx context.Context, m id.Message, content string, at time.Time) (message.Message, error) {
	for {
		edited, err := s.edit(ctx, m, content, at)
		if !errors.Is(err, errOvertaken) {
			return edited, err
		}
	}
}

// edit replaces the text that a message has when it is called. The new text and the one that
// becomes a version are sealed outside the writer.
func (s *Store) edit(ctx context.Context, m id.Message, content string, at time.Time) (message.Message, error) {
	known, number, err := s.edition(ctx, m)
	if err != nil {
		return message.Message{}, fmt.Errorf("edit message: %w", err)
	}
	sender, key := known.message.Sender, known.key()
	before, err := s.sealVersion(ctx, known, number)
	if err != nil {
		return message.Message{}, fmt.Errorf("edit message: %w", err)
	}
	sealed, err := s.sealText(ctx, sender, textPlace("content", m, key), content)
	if err != nil {
		return message.Message{}, fmt.Errorf("edit message: %w", err)
	}
	edited, _, err := s.change(ctx, "edit message", m, func(t *tx, r *record) (bool, error) {
		if r.deleted() {
			return false, message.ErrGone
		}
		if err := mayAct(t.conn, r.message.Conversation(), sender, message.ErrBlocked); err != nil {
			return false, err
		}
		if now, err := nextVersion(t.conn, *r); err != nil || now != number {
			return false, either(err, errOvertaken)
		}
		if err := keepVersion(t.conn, r, number, before); err != nil {
			return false, err
		}
		r.message.Changed = t.next()
		r.message.EditedAt = time.UnixMilli(at.UnixMilli()).UTC()
		r.content, _ = sealed.([]byte)
		if _, err := t.exec("UPDATE messages SET content = ?, edited_at = ?, changed = ? WHERE conversation = ? AND seq = ?",
			sealed, at.UnixMilli(), int64(r.message.Changed), key, int64(r.message.Seq)); err != nil {
			return false, err
		}
		return true, touch(t.conn, r.message)
	})
	return edited, err
}

// edition finds a message outside the writer, and nextVersion of it.
func (s *Store) edition(ctx context.Context, m id.Message) (r record, number int64, err error) {
	err = s.readers.snapshot(ctx, func(c *conn) error {
		var found bool
		if r, found, err = recordByID(c, m); err != nil || !found {
			return either(err, message.ErrNoMessage)
		}
		number, err = nextVersion(c, r)
		return err
	})
	return r, number, err
}

// nextVersion is the number that the text of a message will have as a version.
func nextVersion(c *conn, r record) (int64, error) {
	return c.number("SELECT coalesce(max(number), 0) + 1 FROM versions WHERE conversation = ? AND message_seq = ?",
		r.key(), int64(r.message.Seq))
}

// versionPlace is where an earlier text of a message is kept.
func versionPlace(m id.Message, conversation []byte, number int64) seal.Place {
	return textPlace("version "+strconv.FormatInt(number, 10), m, conversation)
}

// sealVersion seals the text of a message for the place that it has as a version.
func (s *Store) sealVersion(ctx context.Context, r record, number int64) (any, error) {
	content, err := s.openText(ctx, textPlace("content", r.message.ID, r.key()), r.content)
	if err != nil {
		return nil, err
	}
	return s.sealText(ctx, r.message.Sender, versionPlace(r.message.ID, r.key(), number), content)
}

// keepVersion stores the text that a message had before an edit, and lets the oldest go where
// there are too many.
func keepVersion(c *conn, r *record, number int64, content any) error {
	shown := r.message.EditedAt
	if shown.IsZero() {
		shown = r.message.CreatedAt
	}
	key, seq := r.key(), int64(r.message.Seq)
	if _, err := c.exec("INSERT INTO versions (conversation, message_seq, number, content, shown_at) VALUES (?, ?, ?, ?, ?)",
		key, seq, number, content, shown.UnixMilli()); err != nil {
		return err
	}
	_, err := c.exec("DELETE FROM versions WHERE conversation = ? AND message_seq = ? AND number <= ?",
		key, seq, number-message.MaxVersions)
	return err
}

// A versionRecord is an earlier text as it was read: sealed.
type versionRecord struct {
	number  int64
	content []byte
	shown   time.Time
}

// Versions implements message.Store. It is message.ErrNoMessage where there is no message; of an
// erased person there are none.
func (s *Store) Versions(ctx context.Context, m id.Message) ([]message.Version, error) {
	var r record
	var found []versionRecord
	err := s.readers.snapshot(ctx, func(c *conn) error {
		var known bool
		var err error
		if r, known, err = recordByID(c, m); err != nil || !known {
			return either(err, message.ErrNoMessage)
		}
		return c.query(func(row []driver.Value) bool {
			found = append(found, versionRecord{integer(row[0]), blob(row[1]), instant(row[2])})
			return true
		}, "SELECT number, content, shown_at FROM versions WHERE conversation = ? AND message_seq = ? ORDER BY number",
			r.key(), int64(r.message.Seq))
	})
	if err != nil {
		return nil, fmt.Errorf("read earlier texts: %w", err)
	}
	if _, gone := s.vault.Erased(seal.Owner(r.message.Sender)); gone {
		return nil, nil
	}
	versions := make([]message.Version, len(found))
	for i, v := range found {
		content, err := s.openText(ctx, versionPlace(m, r.key(), v.number), v.content)
		if err != nil {
			return nil, fmt.Errorf("read earlier texts: %w", err)
		}
		versions[i] = message.Version{Content: content, At: v.shown}
	}
	return versions, nil
}
