package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

// Standing implements custody.People.
func (s *Store) Standing(ctx context.Context, us []id.User) (standing []id.User, err error) {
	err = s.readers.with(ctx, func(c *conn) error {
		for _, u := range us {
			if err := c.query(into(&standing), "SELECT id FROM users WHERE id = ? AND deleted = 0", u[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look who was not deleted: %w", err)
	}
	return standing, nil
}

// reloadBatch is how many conversations are marked in one commit.
const reloadBatch = 200

// Reload implements custody.Data: each conversation that the person has, or had in a group, is
// told as changed. Whoever was away reads those between two people again as a whole.
func (s *Store) Reload(ctx context.Context, u id.User) error {
	for _, pass := range []struct{ list, change string }{
		{
			"SELECT conversation FROM threads WHERE user = ? AND conversation > ? ORDER BY conversation LIMIT ?",
			"UPDATE threads SET changed = ?1, reload_at = ?1 WHERE conversation = ?2 AND user = (SELECT peer FROM threads WHERE user = ?3 AND conversation = ?2)",
		},
		{
			"SELECT conversation FROM members WHERE user = ? AND conversation > ? ORDER BY conversation LIMIT ?",
			"UPDATE groups SET changed = ?1 WHERE conversation = ?2 AND deleted_at IS NULL AND ?3 IS NOT NULL",
		},
	} {
		after := []byte{}
		for after != nil {
			var err error
			if after, err = s.reloadSome(ctx, u, after, pass.list, pass.change); err != nil {
				return err
			}
		}
	}
	return nil
}

// reloadSome marks a batch of conversations behind one, and returns the last of them; nil at the
// end.
func (s *Store) reloadSome(ctx context.Context, u id.User, after []byte, list, change string) (last []byte, err error) {
	err = s.writer.do(ctx, "mark what is to be read again", func(t *tx) error {
		var keys [][]byte
		if err := t.query(func(row []driver.Value) bool {
			keys = append(keys, blob(row[0]))
			return true
		}, list, u[:], after, int64(reloadBatch)); err != nil || len(keys) == 0 {
			return err
		}
		n := int64(t.next())
		for _, key := range keys {
			if _, err := t.exec(change, n, key, u[:]); err != nil {
				return err
			}
		}
		if len(keys) == reloadBatch {
			last = keys[len(keys)-1]
		}
		return nil
	})
	return last, err
}

// Bury implements custody.Data.
func (s *Store) Bury(ctx context.Context, u id.User, from string, at time.Time, limit int) (string, error) {
	place := readMark(from)
	shelf := shelves[place.shelf]
	next := mark{shelf: place.shelf + 1, end: place.shelf+1 == messageShelves}
	if !next.end {
		next.after = shelves[next.shelf].start
	}
	var ids []id.Message
	err := s.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			ids = append(ids, messageRef(row[len(shelf.start)+2]))
			if len(ids) == limit {
				next = mark{shelf: place.shelf, after: behind(shelf, row)}
			}
			return true
		}, shelf.rows, append(append([]any{u[:]}, place.after...), int64(limit))...)
	})
	if err != nil {
		return "", fmt.Errorf("delete the messages of a person: %w", err)
	}
	return next.String(), s.bury(ctx, ids, at)
}

// bury deletes messages for all, in one commit where the writer takes them together.
func (s *Store) bury(ctx context.Context, ids []id.Message, at time.Time) error {
	errs := make([]error, len(ids))
	var all sync.WaitGroup
	for i, m := range ids {
		all.Go(func() {
			if _, _, err := s.DeleteForAll(ctx, m, at); !errors.Is(err, message.ErrNoMessage) {
				errs[i] = err
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
