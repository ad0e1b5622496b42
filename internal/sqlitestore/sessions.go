package sqlitestore

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"pryde/internal/auth"
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

// Session implements auth.SessionStore.
func (s *Store) Session(ctx context.Context, i string) (auth.Session, error) {
	key, ok := sessionKey(i)
	if !ok {
		return auth.Session{}, auth.ErrNoSession
	}
	n := auth.Session{ID: i}
	var device []byte
	err := s.readers.with(ctx, func(c *conn) error {
		found, err := c.one(func(row []driver.Value) {
			n.User = userID(row[0])
			n.Generation = int(integer(row[1]))
			copy(n.Hash[:], blob(row[2]))
			copy(n.Previous[:], blob(row[3]))
			n.RotatedAt, n.ExpiresAt, n.CreatedAt = instant(row[4]), instant(row[5]), instant(row[6])
			n.LastActive, n.RevokedAt = instant(row[7]), instant(row[8])
			device = blob(row[9])
		}, `SELECT user, generation, hash, previous, rotated_at, expires_at, created_at, last_active,
			revoked_at, device FROM sessions WHERE id = ?`, key)
		if err != nil || !found {
			return either(err, auth.ErrNoSession)
		}
		return nil
	})
	if err == nil {
		err = s.openJSON(ctx, devicePlace(key), device, &n.Device)
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("find session: %w", err)
	}
	return n, nil
}

// RotateSession implements auth.SessionStore.
func (s *Store) RotateSession(ctx context.Context, from int, n auth.Session) (bool, error) {
	key, ok := sessionKey(n.ID)
	if !ok {
		return false, nil
	}
	rotated := int64(0)
	err := s.writer.do(ctx, "rotate session", func(t *tx) (err error) {
		rotated, err = t.exec(`UPDATE sessions SET generation = ?, hash = ?, previous = ?, rotated_at = ?,
			expires_at = ?, last_active = ? WHERE id = ? AND generation = ? AND revoked_at IS NULL`,
			int64(n.Generation), n.Hash[:], n.Previous[:], millis(n.RotatedAt), millis(n.ExpiresAt),
			millis(n.LastActive), key, int64(from))
		return err
	})
	return err == nil && rotated == 1, err
}

// RevokeSession implements auth.SessionStore.
func (s *Store) RevokeSession(ctx context.Context, i string, at time.Time) (bool, error) {
	key, ok := sessionKey(i)
	if !ok {
		return false, nil
	}
	revoked := int64(0)
	err := s.writer.do(ctx, "revoke session", func(t *tx) (err error) {
		revoked, err = t.exec("UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", at.UnixMilli(), key)
		return err
	})
	return err == nil && revoked == 1, err
}
