package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/people"
	"pryde/internal/seal"
)

var _ people.Ties = (*Store)(nil)

// Bonds implements people.Ties.
func (s *Store) Bonds(ctx context.Context, u id.User) (people.Bonds, error) {
	b := people.Bonds{Audience: people.Everyone}
	err := s.readers.snapshot(ctx, func(c *conn) error {
		if err := c.query(into(&b.Blocks), "SELECT blocked FROM blocks WHERE blocker = ?", u[:]); err != nil {
			return err
		}
		if err := c.query(into(&b.BlockedBy), "SELECT blocker FROM blocks WHERE blocked = ?", u[:]); err != nil {
			return err
		}
		_, err := c.one(func(row []driver.Value) { b.Audience = people.Audience(text(row[0])) },
			"SELECT who_can_message FROM privacy WHERE user = ?", u[:])
		return err
	})
	if err != nil {
		return people.Bonds{}, fmt.Errorf("read blocks: %w", err)
	}
	return b, nil
}

// Contacts implements people.Ties.
func (s *Store) Contacts(ctx context.Context, u id.User, limit int) ([]id.User, error) {
	var contacts []id.User
	most := int64(limit)
	err := s.readers.with(ctx, func(c *conn) error {
		// Each part has the limit of its own: a union is made whole before its limit counts.
		return c.query(into(&contacts), `SELECT * FROM (SELECT peer FROM threads WHERE user = ? AND peer <> ? LIMIT ?)
			UNION SELECT * FROM (SELECT following FROM follows WHERE follower = ? LIMIT ?)
			UNION SELECT * FROM (SELECT follower FROM follows WHERE following = ? LIMIT ?)
			LIMIT ?`, u[:], u[:], most, u[:], most, u[:], most, most)
	})
	if err != nil {
		return nil, fmt.Errorf("read contacts: %w", err)
	}
	return contacts, nil
}

func into(list *[]id.User) func([]driver.Value) bool {
	return func(row []driver.Value) bool {
		*list = append(*list, userID(row[0]))
		return true
	}
}

func reasonPlace(b people.Block) seal.Place {
	return seal.Place{Collection: "blocks", Field: "reason", Document: b.ID[:], Conversation: b.Blocked[:]}
}

// AddBlock implements people.Ties.
func (s *Store) AddBlock(ctx context.Context, b people.Block) (people.Block, bool, error) {
	reason, err := s.sealText(ctx, b.Blocker, reasonPlace(b), b.Reason)
	if err != nil {
		return people.Block{}, false, fmt.Errorf("add block: %w", err)
	}
	var first *blockRecord
	err = s.writer.do(ctx, "add block", func(t *tx) error {
		var err error
		if first, err = findBlock(t.conn, b.Blocker, b.Blocked); err != nil || first != nil {
			return err
		}
		n, err := t.number("SELECT count(*) FROM blocks WHERE blocker = ?", b.Blocker[:])
		if err != nil || n >= people.MaxBlocks {
			return either(err, people.ErrTooManyBlocks)
		}
		if _, err := t.exec("INSERT INTO blocks (blocker, blocked, id, reason, created_at) VALUES (?, ?, ?, ?, ?)",
			b.Blocker[:], b.Blocked[:], b.ID[:], reason, b.CreatedAt.UnixMilli()); err != nil {
			return err
		}
		return reload(t, b.Blocker, b.Blocked)
	})
	switch {
	case err != nil:
		return people.Block{}, false, err
	case first != nil:
		b, err = s.openBlock(ctx, *first)
		return b, err == nil, err
	}
	return b, false, nil
}

// RemoveBlock implements people.Ties.
func (s *Store) RemoveBlock(ctx context.Context, blocker, blocked id.User) error {
	return s.writer.do(ctx, "remove block", func(t *tx) error {
		n, err := t.exec("DELETE FROM blocks WHERE blocker = ? AND blocked = ?", blocker[:], blocked[:])
		if err != nil || n == 0 {
			return either(err, people.ErrNoBlock)
		}
		return reload(t, blocker, blocked)
	})
}

// reload makes the next Since of two people a reload: their conversation went out of sight, or
// came back with what was missed.
func reload(t *tx, a, b id.User) error {
	seq := int64(t.next())
	_, err := t.exec("UPDATE threads SET changed = ?, reload_at = ? WHERE conversation = ? AND user IN (?, ?)",
		seq, seq, conversationKey(message.Between(a, b)), a[:], b[:])
	return err
}

// A blockRecord is a block as it was read: its reason still sealed.
type blockRecord struct {
	block  people.Block
	reason []byte
}

const blockColumns = "SELECT blocker, blocked, id, reason, created_at FROM blocks "

func readBlock(row []driver.Value) blockRecord {
	r := blockRecord{people.Block{Blocker: userID(row[0]), Blocked: userID(row[1]), CreatedAt: instant(row[4])}, blob(row[3])}
	copy(r.block.ID[:], blob(row[2]))
	return r
}

func findBlock(c *conn, blocker, blocked id.User) (*blockRecord, error) {
	var r blockRecord
	found, err := c.one(func(row []driver.Value) { r = readBlock(row) }, blockColumns+"WHERE blocker = ? AND blocked = ?", blocker[:], blocked[:])
	if err != nil || !found {
		return nil, err
	}
	return &r, nil
}

func (s *Store) openBlock(ctx context.Context, r blockRecord) (people.Block, error) {
	var err error
	r.block.Reason, err = s.openText(ctx, reasonPlace(r.block), r.reason)
	return r.block, err
}

// apart reports whether one of two people blocks the other.
func apart(c *conn, a, b id.User) (bool, error) {
	n, err := c.number("SELECT count(*) FROM blocks WHERE (blocker = ? AND blocked = ?) OR (blocker = ? AND blocked = ?)",
		a[:], b[:], b[:], a[:])
	return n > 0, err
}

// Blocks implements people.Ties.
func (s *Store) Blocks(ctx context.Context, blocker id.User) ([]people.Block, error) {
	var found []blockRecord
	err := s.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			found = append(found, readBlock(row))
			return true
		}, blockColumns+"WHERE blocker = ? ORDER BY created_at DESC, id DESC", blocker[:])
	})
	if err != nil {
		return nil, fmt.Errorf("list blocks: %w", err)
	}
	blocks := make([]people.Block, len(found))
	for i, r := range found {
		if blocks[i], err = s.openBlock(ctx, r); err != nil {
			return nil, fmt.Errorf("list blocks: %w", err)
		}
	}
	return blocks, nil
}

// SetAudience implements people.Ties.
func (s *Store) SetAudience(ctx context.Context, u id.User, a people.Audience) error {
	return s.writer.do(ctx, "set audience", func(t *tx) error {
		_, err := t.exec(`INSERT INTO privacy (user, who_can_message) VALUES (?, ?)
			ON CONFLICT (user) DO UPDATE SET who_can_message = excluded.who_can_message`, u[:], string(a))
		return err
	})
}

// Follow implements people.Ties.
func (s *Store) Follow(ctx context.Context, follower, following id.User, at time.Time) (bool, error) {
	return s.changedOne(ctx, "follow", "INSERT INTO follows (follower, following, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		follower[:], following[:], at.UnixMilli())
}

// Unfollow implements people.Ties.
func (s *Store) Unfollow(ctx context.Context, follower, following id.User) (bool, error) {
	return s.changedOne(ctx, "unfollow", "DELETE FROM follows WHERE follower = ? AND following = ?", follower[:], following[:])
}

// Follows implements people.Ties.
func (s *Store) Follows(ctx context.Context, follower, following id.User) (bool, error) {
	found := false
	err := s.readers.with(ctx, func(c *conn) error {
		n, err := c.number("SELECT count(*) FROM follows WHERE follower = ? AND following = ?", follower[:], following[:])
		found = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look up follower: %w", err)
	}
	return found, nil
}
