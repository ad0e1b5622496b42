package sqlitestore

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/seal"
)

// sessionKey is a session's id as it is stored: 32 bytes. Only the form that String would
// write is one, so that no two texts name the same session.
func sessionKey(i string) ([]byte, bool) {
	b, err := hex.DecodeString(i)
	return b, err == nil && len(b) == 32 && hex.EncodeToString(b) == i
}

func devicePlace(key []byte) seal.Place {
	return seal.Place{Collection: "sessions", Field: "device", Document: key}
}

// CreateSession implements auth.SessionStore. The id has 64 lower-case hexadecimal digits.
func (s *Store) CreateSession(ctx context.Context, n auth.Session) error {
	key, ok := sessionKey(n.ID)
	if !ok {
		return errors.New("create session: the id is not 64 lower-case hexadecimal digits")
	}
	device, err := s.sealJSON(ctx, n.User, devicePlace(key), n.Device)
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return s.writer.do(ctx, "create session", func(t *tx) error {
		_, err := t.exec(`INSERT INTO sessions (id, user, generation, hash, previous, rotated_at, expires_at,
			created_at, last_active, revoked_at, device) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			key, n.User[:], int64(n.Generation), n.Hash[:], n.Previous[:], millis(n.RotatedAt), millis(n.ExpiresAt),
			millis(n.CreatedAt), millis(n.LastActive), millis(n.RevokedAt), device)
		return err
	})
}

const sessionColumns = `SELECT id, user, generation, hash, previous, rotated_at, expires_at, created_at,
	last_active, revoked_at, device FROM sessions `

// A sessionRecord is a session as it was read: its device still sealed.
type sessionRecord struct {
	session auth.Session
	key     []byte
	device  []byte
}

// readSession reads the sessionColumns.
func readSession(row []driver.Value) sessionRecord {
	key := blob(row[0])
	n := auth.Session{
		ID: hex.EncodeToString(key), User: userID(row[1]), Generation: int(integer(row[2])),
		RotatedAt: instant(row[5]), ExpiresAt: instant(row[6]), CreatedAt: instant(row[7]),
		LastActive: instant(row[8]), RevokedAt: instant(row[9]),
	}
	copy(n.Hash[:], blob(row[3]))
	copy(n.Previous[:], blob(row[4]))
	return sessionRecord{n, key, blob(row[10])}
}

func (s *Store) openSession(ctx context.Context, r sessionRecord) (auth.Session, error) {
	err := s.openJSON(ctx, devicePlace(r.key), r.device, &r.session.Device)
	return r.session, err
}

// Session implements auth.SessionStore.
func (s *Store) Session(ctx context.Context, i string) (auth.Session, error) {
	key, ok := sessionKey(i)
	if !ok {
		return auth.Session{}, auth.ErrNoSession
	}
	var r sessionRecord
	err := s.readers.with(ctx, func(c *conn) error {
		found, err := c.one(func(row []driver.Value) { r = readSession(row) }, sessionColumns+"WHERE id = ?", key)
		if err != nil || !found {
			return either(err, auth.ErrNoSession)
		}
		return nil
	})
	var n auth.Session
	if err == nil {
		n, err = s.openSession(ctx, r)
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("find session: %w", err)
	}
	return n, nil
}

// SessionsOf implements auth.SessionStore.
func (s *Store) SessionsOf(ctx context.Context, u id.User, limit int) ([]auth.Session, error) {
	var found []sessionRecord
	err := s.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			found = append(found, readSession(row))
			return true
		}, sessionColumns+"WHERE user = ? AND revoked_at IS NULL ORDER BY last_active DESC, id LIMIT ?", u[:], int64(limit))
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	sessions := make([]auth.Session, 0, len(found))
	for _, r := range found {
		n, err := s.openSession(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		sessions = append(sessions, n)
	}
	return sessions, nil
}

// RotateSession implements auth.SessionStore.
func (s *Store) RotateSession(ctx context.Context, from int, n auth.Session) (bool, error) {
	key, ok := sessionKey(n.ID)
	if !ok {
		return false, nil
	}
	return s.changedOne(ctx, "rotate session", `UPDATE sessions SET generation = ?, hash = ?, previous = ?, rotated_at = ?,
		expires_at = ?, last_active = ? WHERE id = ? AND generation = ? AND revoked_at IS NULL`,
		int64(n.Generation), n.Hash[:], n.Previous[:], millis(n.RotatedAt), millis(n.ExpiresAt), millis(n.LastActive), key, int64(from))
}

// RevokeSession implements auth.SessionStore.
func (s *Store) RevokeSession(ctx context.Context, i string, at time.Time) (bool, error) {
	key, ok := sessionKey(i)
	if !ok {
		return false, nil
	}
	return s.changedOne(ctx, "revoke session", "UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", at.UnixMilli(), key)
}

// RevokeSessions implements auth.SessionStore.
func (s *Store) RevokeSessions(ctx context.Context, u id.User, except string, at time.Time) (revoked []string, err error) {
	err = s.writer.do(ctx, "revoke sessions", func(t *tx) error {
		revoked, err = revokeAll(t, u, except, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return revoked, nil
}

// revokeAll ends the sessions of a person but one, and returns those that it ended.
func revokeAll(t *tx, u id.User, except string, at time.Time) ([]string, error) {
	keep, _ := sessionKey(except)
	if keep == nil {
		keep = []byte{} // no session's key, and not NULL, which is not unequal to anything
	}
	return revoked(t, "UPDATE sessions SET revoked_at = ? WHERE user = ? AND revoked_at IS NULL AND id <> ? RETURNING id",
		at.UnixMilli(), u[:], keep)
}

// revoked runs a statement that returns the ids of the sessions that it ended.
func revoked(t *tx, statement string, args ...any) (ids []string, err error) {
	err = t.query(func(row []driver.Value) bool {
		ids = append(ids, hex.EncodeToString(blob(row[0])))
		return true
	}, statement, args...)
	return ids, err
}

// TrimSessions implements auth.SessionStore.
func (s *Store) TrimSessions(ctx context.Context, u id.User, keep int, before, at time.Time) (ended []string, err error) {
	err = s.writer.do(ctx, "trim sessions", func(t *tx) error {
		if _, err := t.exec("DELETE FROM sessions WHERE user = ? AND (revoked_at < ? OR expires_at < ?)",
			u[:], before.UnixMilli(), before.UnixMilli()); err != nil {
			return err
		}
		ended, err = revoked(t, `UPDATE sessions SET revoked_at = ? WHERE id IN (SELECT id FROM sessions
			WHERE user = ? AND revoked_at IS NULL ORDER BY last_active DESC, id LIMIT -1 OFFSET ?) RETURNING id`,
			at.UnixMilli(), u[:], int64(keep))
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// TouchSession implements auth.SessionStore.
func (s *Store) TouchSession(ctx context.Context, i string, at time.Time) error {
	key, ok := sessionKey(i)
	if !ok {
		return nil
	}
	return s.writer.do(ctx, "touch session", func(t *tx) error {
		_, err := t.exec("UPDATE sessions SET last_active = ? WHERE id = ? AND revoked_at IS NULL AND last_active < ?",
			at.UnixMilli(), key, at.UnixMilli())
		return err
	})
}
