package sqlitestore

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/seal"
	"pryde/internal/search"
)

var _ search.Store = (*Store)(nil)

// dropBatch is how many segments are removed in one commit: a long one keeps others waiting.
const dropBatch = 64

func headPlace(owner id.User) seal.Place {
	return seal.Place{Collection: "searches", Field: "state", Document: owner[:]}
}

func segmentPlace(field string, owner id.User, number int64) seal.Place {
	document := binary.BigEndian.AppendUint64(slices.Clone(owner[:]), uint64(number))
	return seal.Place{Collection: "segments", Field: field, Document: document}
}

// openIndex opens a part of an index. It is search.ErrUnreadable where the key is gone that it was
// sealed with, or it is damaged.
func (s *Store) openIndex(ctx context.Context, p seal.Place, sealed []byte) ([]byte, error) {
	plain, err := s.vault.Open(ctx, p, sealed)
	if errors.Is(err, seal.ErrKeyGone) || errors.Is(err, seal.ErrTampered) {
		return nil, search.ErrUnreadable
	}
	return plain, err
}

// SearchHead implements search.Store.
func (s *Store) SearchHead(ctx context.Context, owner id.User) (search.Head, error) {
	var h search.Head
	err := s.readers.with(ctx, func(c *conn) error {
		_, err := c.one(func(row []driver.Value) {
			h = search.Head{Version: integer(row[0]), Next: integer(row[1]), State: blob(row[2])}
		}, "SELECT version, next, state FROM searches WHERE owner = ?", owner[:])
		return err
	})
	if err == nil && h.Version > 0 {
		h.State, err = s.openIndex(ctx, headPlace(owner), h.State)
	}
	if err != nil {
		return search.Head{}, fmt.Errorf("read how far an index is: %w", err)
	}
	return h, nil
}

// SaveSearch implements search.Store.
func (s *Store) SaveSearch(ctx context.Context, owner id.User, h search.Head, put []search.Segment, drop []int64) error {
	state, err := s.sealed(ctx, owner, headPlace(owner), h.State)
	if err != nil {
		return fmt.Errorf("seal an index: %w", err)
	}
	sealed := slices.Clone(put)
	for i, g := range put {
		if sealed[i].Filter, err = s.sealed(ctx, owner, segmentPlace("filter", owner, g.Number), g.Filter); err == nil {
			sealed[i].List, err = s.sealed(ctx, owner, segmentPlace("list", owner, g.Number), g.List)
		}
		if err != nil {
			return fmt.Errorf("seal an index: %w", err)
		}
	}
	return s.writer.do(ctx, "save an index", func(t *tx) error {
		version, err := t.number("SELECT version FROM searches WHERE owner = ?", owner[:])
		if err != nil || version != h.Version-1 {
			return either(err, search.ErrMoved)
		}
		if _, err := t.exec("INSERT OR REPLACE INTO searches (owner, version, next, state) VALUES (?, ?, ?, ?)",
			owner[:], h.Version, h.Next, state); err != nil {
			return err
		}
		for _, g := range sealed {
			if err := putSegment(t.conn, owner, g); err != nil {
				return err
			}
		}
		for _, n := range drop {
			if _, err := t.exec("DELETE FROM segments WHERE owner = ? AND number = ?", owner[:], n); err != nil {
				return err
			}
		}
		return nil
	})
}

func putSegment(c *conn, owner id.User, g search.Segment) error {
	_, err := c.exec(`INSERT INTO segments (owner, number, first_seq, last_seq, messages, filter, list) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (owner, number) DO UPDATE SET first_seq = excluded.first_seq, last_seq = excluded.last_seq,
			messages = excluded.messages, filter = excluded.filter, list = excluded.list`,
		owner[:], g.Number, int64(g.First), int64(g.Last), int64(g.Messages), g.Filter, g.List)
	return err
}

// SegmentFilters implements search.Store.
func (s *Store) SegmentFilters(ctx context.Context, owner id.User, behind search.Segment, limit int) ([]search.Segment, error) {
	last := int64(behind.Last)
	if last == 0 {
		last = math.MaxInt64
	}
	var found []search.Segment
	err := s.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			found = append(found, search.Segment{
				Number: integer(row[0]), First: order.Seq(integer(row[1])), Last: order.Seq(integer(row[2])),
				Messages: int(integer(row[3])), Filter: blob(row[4]),
			})
			return true
		}, `SELECT number, first_seq, last_seq, messages, filter FROM segments
			WHERE owner = ? AND (last_seq, number) < (?, ?) ORDER BY last_seq DESC, number DESC LIMIT ?`,
			owner[:], last, behind.Number, int64(limit))
	})
	for i := range found {
		if err == nil {
			found[i].Filter, err = s.openIndex(ctx, segmentPlace("filter", owner, found[i].Number), found[i].Filter)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read segments: %w", err)
	}
	return found, nil
}

// SegmentLists implements search.Store.
func (s *Store) SegmentLists(ctx context.Context, owner id.User, numbers []int64) ([]search.Segment, error) {
	var found []search.Segment
	err := s.readers.snapshot(ctx, func(c *conn) error {
		for _, n := range numbers {
			_, err := c.one(func(row []driver.Value) {
				found = append(found, search.Segment{
					Number: n, First: order.Seq(integer(row[0])), Last: order.Seq(integer(row[1])),
					Messages: int(integer(row[2])), List: blob(row[3]),
				})
			}, "SELECT first_seq, last_seq, messages, list FROM segments WHERE owner = ? AND number = ?", owner[:], n)
			if err != nil {
				return err
			}
		}
		return nil
	})
	for i := range found {
		if err == nil {
			found[i].List, err = s.openIndex(ctx, segmentPlace("list", owner, found[i].Number), found[i].List)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read segments: %w", err)
	}
	return found, nil
}

// SegmentsAt implements search.Store.
func (s *Store) SegmentsAt(ctx context.Context, owner id.User, at order.Seq) ([]int64, error) {
	var numbers []int64
	err := s.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			numbers = append(numbers, integer(row[0]))
			return true
		}, "SELECT number FROM segments WHERE owner = ? AND last_seq >= ? AND first_seq <= ? ORDER BY last_seq, number",
			owner[:], int64(at), int64(at))
	})
	if err != nil {
		return nil, fmt.Errorf("find segments: %w", err)
	}
	return numbers, nil
}

// DropSegments implements search.Store.
func (s *Store) DropSegments(ctx context.Context, owner id.User) error {
	// Without the head nothing is added any more, except by a new index, whose numbers are higher.
	end := int64(0)
	err := s.writer.do(ctx, "drop an index", func(t *tx) (err error) {
		if end, err = t.number("SELECT number + 1 FROM segments WHERE owner = ? ORDER BY number DESC LIMIT 1", owner[:]); err == nil {
			_, err = t.exec("DELETE FROM searches WHERE owner = ?", owner[:])
		}
		return err
	})
	if err != nil || end == 0 {
		return err
	}
	return s.dropSome(ctx, "owner = ? AND number < ?", owner[:], end)
}

// DropSegmentsBefore implements search.Store.
func (s *Store) DropSegmentsBefore(ctx context.Context, before order.Seq) error {
	return s.dropSome(ctx, "last_seq < ?", int64(before))
}

// dropSome removes segments that meet a condition, some at a time.
func (s *Store) dropSome(ctx context.Context, where string, args ...any) error {
	args = append(args, int64(dropBatch))
	for n := int64(dropBatch); n == dropBatch; {
		err := s.writer.do(ctx, "drop segments", func(t *tx) (err error) {
			n, err = t.exec("DELETE FROM segments WHERE rowid IN (SELECT rowid FROM segments WHERE "+where+" LIMIT ?)", args...)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// DropSegmentsAround implements search.Store.
func (s *Store) DropSegmentsAround(ctx context.Context, u id.User) error {
	owners := []id.User{u}
	err := s.readers.snapshot(ctx, func(c *conn) error {
		return errors.Join(
			c.query(into(&owners), "SELECT peer FROM threads WHERE user = ? AND peer <> user", u[:]),
			// Who has left has written there all the same.
			c.query(into(&owners), `SELECT DISTINCT o.user FROM members p INDEXED BY members_user
				JOIN members o ON o.conversation = p.conversation WHERE p.user = ?`, u[:]))
	})
	if err != nil {
		return fmt.Errorf("look who may have read somebody: %w", err)
	}
	slices.SortFunc(owners, id.User.Compare)
	for _, owner := range slices.Compact(owners) {
		has, err := s.hasIndex(ctx, owner)
		if err == nil && has {
			err = s.DropSegments(ctx, owner)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hasIndex reports whether anything is left of a person's index.
func (s *Store) hasIndex(ctx context.Context, owner id.User) (has bool, err error) {
	err = s.readers.with(ctx, func(c *conn) error {
		n, err := c.number(`SELECT EXISTS (SELECT 1 FROM searches WHERE owner = ?) OR EXISTS (SELECT 1 FROM segments WHERE owner = ?)`,
			owner[:], owner[:])
		has = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for an index: %w", err)
	}
	return has, nil
}

// SearchersIn implements search.Store.
func (s *Store) SearchersIn(ctx context.Context, g id.Group) ([]id.User, error) {
	var who []id.User
	talk := search.InGroup(g)
	err := s.readers.with(ctx, func(c *conn) error {
		return c.query(into(&who), `SELECT p.user FROM members p INDEXED BY members_present
			CROSS JOIN searches s ON s.owner = p.user WHERE p.conversation = ? AND p.left_seq = 0`, talk[:])
	})
	if err != nil {
		return nil, fmt.Errorf("look who searches in a group: %w", err)
	}
	return who, nil
}
