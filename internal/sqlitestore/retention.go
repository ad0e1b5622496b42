package sqlitestore

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/retention"
)

var _ retention.Store = (*Store)(nil)

const (
	// oldestBehind finds the oldest message of the next conversation, oldestOf those of one.
	oldestBehind = "SELECT conversation, seq, created_at FROM messages WHERE conversation > ? ORDER BY conversation, seq LIMIT 1"
	oldestOf     = "SELECT seq, id, created_at, attachment IS NOT NULL OR extra IS NOT NULL FROM messages WHERE conversation = ? ORDER BY seq LIMIT ?"
)

// expireLook is of how many conversations the oldest message is looked at in one step.
const expireLook = 500

// Expire implements retention.Store. Within a conversation times do not run backwards, so that what
// is too old is the front of it. The mark is the last conversation with nothing left to remove.
func (s *Store) Expire(ctx context.Context, before time.Time, from string, limit int) (retention.Batch, error) {
	var b retention.Batch
	after, err := hex.DecodeString(strings.TrimPrefix(from, markPrefix))
	if err != nil {
		return b, fmt.Errorf("remove old messages: %w", err)
	}
	aged, after, err := s.aged(ctx, before, after, &b)
	if err != nil {
		return b, fmt.Errorf("remove old messages: %w", err)
	}
	if after != nil {
		b.Next = markPrefix + hex.EncodeToString(after)
	}
	if aged == nil {
		return b, nil
	}
	err = s.writer.do(ctx, "remove old messages", func(t *tx) (err error) {
		b.Removed, err = expire(t, aged, before, limit)
		return err
	})
	if err != nil {
		return retention.Batch{}, err
	}
	return b, nil
}

// markPrefix tells the mark in front of the first conversation from none.
const markPrefix = "behind "

// aged looks for the next conversation whose oldest message was written before a time; nil where
// the next ones have none. It returns behind which conversation to go on; nil at the end.
func (s *Store) aged(ctx context.Context, before time.Time, after []byte, b *retention.Batch) (aged, next []byte, err error) {
	err = s.readers.snapshot(ctx, func(c *conn) error {
		settled, err := c.number("SELECT value FROM meta WHERE key = 'seq'")
		if err != nil {
			return err
		}
		b.Settled, next = order.Seq(settled), after
		for range expireLook {
			var key []byte
			var seq, at int64
			found, err := c.one(func(row []driver.Value) { key, seq, at = blob(row[0]), integer(row[1]), integer(row[2]) },
				oldestBehind, next)
			switch {
			case err != nil:
				return err
			case !found:
				next = nil
				return nil
			case at < before.UnixMilli():
				aged = key
				return nil
			}
			if place := order.Seq(seq); b.Oldest == 0 || place < b.Oldest {
				b.Oldest = place
			}
			next = key
		}
		return nil
	})
	return aged, next, err
}

// expire removes up to limit messages from the front of a conversation, and returns how many.
func expire(t *tx, key []byte, before time.Time, limit int) (int, error) {
	var upTo int64
	var withFiles []id.Message
	removed := 0
	if err := t.query(func(row []driver.Value) bool {
		if !instant(row[2]).Before(before) {
			return false
		}
		upTo = integer(row[0])
		if integer(row[3]) != 0 {
			withFiles = append(withFiles, messageRef(row[1]))
		}
		removed++
		return true
	}, oldestOf, key, int64(limit)); err != nil || removed == 0 {
		return 0, err
	}
	for _, m := range withFiles {
		if err := releaseUploads(t, m, before); err != nil {
			return 0, err
		}
	}
	people, err := settleRows(t, key, upTo)
	if err != nil {
		return 0, err
	}
	for _, u := range people {
		for _, table := range []string{"hidden", "cleared"} {
			if _, err := t.exec("DELETE FROM "+table+" WHERE user = ? AND conversation = ? AND message_seq <= ?", u[:], key, upTo); err != nil {
				return 0, err
			}
		}
	}
	if _, err := t.exec("DELETE FROM versions WHERE conversation = ? AND message_seq <= ?", key, upTo); err != nil {
		return 0, err
	}
	_, err = t.exec("DELETE FROM messages WHERE conversation = ? AND seq <= ?", key, upTo)
	return removed, err
}

// settleRows makes the rows of a conversation right for the time when what is up to a place is gone,
// and returns whose they are.
func settleRows(t *tx, key []byte, upTo int64) (people []id.User, err error) {
	talk := conversation(key)
	n := int64(t.next())
	if talk.IsGroup() {
		// The rest of what members see is looked for when they ask.
		if _, err := t.exec("UPDATE groups SET changed = ? WHERE conversation = ?", n, key); err != nil {
			return nil, err
		}
		err := t.query(into(&people), "SELECT user FROM members WHERE conversation = ?", key)
		return people, err
	}
	for _, u := range talk.People() {
		if err := settleRow(t, talk, u, key, upTo, n); err != nil {
			return nil, err
		}
	}
	return talk.People(), nil
}

func settleRow(t *tx, talk message.Conversation, u id.User, key []byte, upTo, n int64) error {
	peer := talk.Other(u)
	if peer == u {
		_, err := t.exec("UPDATE threads SET changed = ?, last_seq = CASE WHEN last_seq <= ? THEN 0 ELSE last_seq END WHERE user = ? AND conversation = ?",
			n, upTo, u[:], key)
		return err
	}
	_, err := t.exec(`UPDATE threads SET changed = ?, last_seq = CASE WHEN last_seq <= ? THEN 0 ELSE last_seq END,
			unread = unread - (SELECT count(*) FROM messages m WHERE m.conversation = ? AND m.seq > threads.read_seq
				AND m.seq <= ? AND m.sender = ? AND m.deleted_at IS NULL AND `+visible+`)
		WHERE user = ? AND conversation = ?`,
		visibleTo(u, key, []any{n, upTo, key, upTo, peer[:]}, u[:], key)...)
	return err
}
