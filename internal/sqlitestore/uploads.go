package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"pryde/internal/files"
	"pryde/internal/id"
)

var _ files.Store = (*Store)(nil)

const uploadColumns = "SELECT name, owner, kind, type, size, key, created_at, due, doomed FROM uploads "

// readUpload reads the uploadColumns.
func readUpload(row []driver.Value) files.Upload {
	u := files.Upload{
		Owner: userID(row[1]), Kind: files.Kind(text(row[2])), Type: text(row[3]), Size: integer(row[4]), Key: blob(row[5]),
		CreatedAt: instant(row[6]), Due: instant(row[7]), Doomed: integer(row[8]) != 0,
	}
	copy(u.Name[:], blob(row[0]))
	return u
}

// AddUpload implements files.Store.
func (s *Store) AddUpload(ctx context.Context, u files.Upload, quota int64) error {
	return s.writer.do(ctx, "add upload", func(t *tx) error {
		used, err := uploadedBytes(t.conn, u.Owner)
		if err != nil || used+u.Size > quota {
			return either(err, files.ErrQuota)
		}
		_, err = t.exec("INSERT INTO uploads (name, owner, kind, type, size, key, created_at, due, doomed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			u.Name[:], u.Owner[:], string(u.Kind), u.Type, u.Size, u.Key, u.CreatedAt.UnixMilli(), millis(u.Due), truth(u.Doomed))
		return err
	})
}

func uploadedBytes(c *conn, owner id.User) (int64, error) {
	return c.number("SELECT coalesce(sum(size), 0) FROM uploads WHERE owner = ? AND doomed = 0", owner[:])
}

// UploadedBytes implements files.Store.
func (s *Store) UploadedBytes(ctx context.Context, owner id.User) (n int64, err error) {
	err = s.readers.with(ctx, func(c *conn) error {
		n, err = uploadedBytes(c, owner)
		return err
	})
	return n, err
}

// Upload implements files.Store.
func (s *Store) Upload(ctx context.Context, n files.Name) (u files.Upload, err error) {
	err = s.readers.with(ctx, func(c *conn) error {
		u, err = uploadNamed(c, n)
		return err
	})
	if err != nil {
		return files.Upload{}, fmt.Errorf("find upload: %w", err)
	}
	return u, nil
}

func uploadNamed(c *conn, n files.Name) (u files.Upload, err error) {
	found, err := c.one(func(row []driver.Value) { u = readUpload(row) }, uploadColumns+"WHERE name = ?", n[:])
	if err != nil || !found {
		return files.Upload{}, either(err, files.ErrNoUpload)
	}
	return u, nil
}

func (s *Store) uploads(ctx context.Context, query string, args ...any) (list []files.Upload, err error) {
	err = s.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			list = append(list, readUpload(row))
			return true
		}, uploadColumns+query, args...)
	})
	if err != nil {
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	return list, nil
}

// UploadsOf implements files.Store.
func (s *Store) UploadsOf(ctx context.Context, owner id.User, after files.Name, limit int) ([]files.Upload, error) {
	return s.uploads(ctx, "WHERE owner = ? AND name > ? AND doomed = 0 ORDER BY name LIMIT ?", owner[:], after[:], int64(limit))
}

// UploadsBetween implements files.Store.
func (s *Store) UploadsBetween(ctx context.Context, after, last files.Name, limit int) ([]files.Upload, error) {
	return s.uploads(ctx, "WHERE name > ? AND name <= ? ORDER BY name LIMIT ?", after[:], last[:], int64(limit))
}

// DueUploads implements files.Store.
func (s *Store) DueUploads(ctx context.Context, by time.Time, limit int) ([]files.Upload, error) {
	return s.uploads(ctx, "WHERE due <= ? ORDER BY due, name LIMIT ?", by.UnixMilli(), int64(limit))
}

// UseUploads implements files.Store.
func (s *Store) UseUploads(ctx context.Context, owner id.User, m id.Message, names []files.Name, due time.Time) error {
	return s.writer.do(ctx, "use uploads", func(t *tx) error {
		for _, n := range names {
			there, err := t.exec("UPDATE uploads SET due = ? WHERE name = ? AND owner = ? AND doomed = 0", due.UnixMilli(), n[:], owner[:])
			if err != nil || there == 0 {
				return either(err, files.ErrForeign)
			}
			if _, err := t.exec("INSERT INTO upload_uses (message, upload) VALUES (?, ?) ON CONFLICT DO NOTHING", m[:], n[:]); err != nil {
				return err
			}
			uses, err := t.number("SELECT count(*) FROM upload_uses WHERE upload = ?", n[:])
			if err != nil || uses > files.MaxUses {
				return either(err, files.ErrForeign)
			}
		}
		return nil
	})
}

// ReleaseUploads implements files.Store.
func (s *Store) ReleaseUploads(ctx context.Context, m id.Message, at time.Time) error {
	return s.writer.do(ctx, "release uploads", func(t *tx) error { return releaseUploads(t, m, at) })
}

// releaseUploads takes a message that is gone from its files, and dooms those that no other
// message has. Whatever removes a message for good calls it in the same commit.
func releaseUploads(t *tx, m id.Message, at time.Time) error {
	var names []files.Name
	if err := t.query(func(row []driver.Value) bool {
		var n files.Name
		copy(n[:], blob(row[0]))
		names = append(names, n)
		return true
	}, "SELECT upload FROM upload_uses WHERE message = ?", m[:]); err != nil || len(names) == 0 {
		return err
	}
	if _, err := t.exec("DELETE FROM upload_uses WHERE message = ?", m[:]); err != nil {
		return err
	}
	for _, n := range names {
		if err := doomUnused(t, n, at); err != nil {
			return err
		}
	}
	return nil
}

// doomUnused dooms a file that no message has.
func doomUnused(t *tx, n files.Name, at time.Time) error {
	_, err := t.exec(`UPDATE uploads SET doomed = 1, due = ? WHERE name = ? AND doomed = 0
		AND NOT EXISTS (SELECT 1 FROM upload_uses WHERE upload = name)`, at.UnixMilli(), n[:])
	return err
}

// DoomUploadsOf implements files.Store.
func (s *Store) DoomUploadsOf(ctx context.Context, owner id.User, at time.Time) error {
	return s.writer.do(ctx, "doom uploads", func(t *tx) error {
		_, err := t.exec("UPDATE uploads SET doomed = 1, due = ? WHERE owner = ? AND doomed = 0", at.UnixMilli(), owner[:])
		return err
	})
}

// DoomUpload implements files.Store.
func (s *Store) DoomUpload(ctx context.Context, n files.Name, at time.Time) error {
	_, err := s.changedOne(ctx, "doom upload", "UPDATE uploads SET doomed = 1, due = ? WHERE name = ? AND doomed = 0", at.UnixMilli(), n[:])
	return err
}

// SettleUpload implements files.Store.
func (s *Store) SettleUpload(ctx context.Context, n files.Name, due time.Time) (u files.Upload, err error) {
	err = s.writer.do(ctx, "settle upload", func(t *tx) error {
		if u, err = uploadNamed(t.conn, n); err != nil || u.Doomed || !u.Due.Equal(due) {
			return err
		}
		if _, err = t.exec(`DELETE FROM upload_uses WHERE upload = ? AND NOT EXISTS
			(SELECT 1 FROM messages m WHERE m.id = upload_uses.message AND m.deleted_at IS NULL)`, n[:]); err != nil {
			return err
		}
		if err = doomUnused(t, n, due); err != nil {
			return err
		}
		if _, err = t.exec("UPDATE uploads SET due = NULL WHERE name = ? AND doomed = 0", n[:]); err != nil {
			return err
		}
		u, err = uploadNamed(t.conn, n)
		return err
	})
	if err != nil {
		return files.Upload{}, err
	}
	return u, nil
}

// DeferUpload implements files.Store.
func (s *Store) DeferUpload(ctx context.Context, n files.Name, due time.Time) error {
	_, err := s.changedOne(ctx, "defer upload", "UPDATE uploads SET due = ? WHERE name = ?", due.UnixMilli(), n[:])
	return err
}

// DeleteUpload implements files.Store.
func (s *Store) DeleteUpload(ctx context.Context, n files.Name) error {
	return s.writer.do(ctx, "delete upload", func(t *tx) error {
		gone, err := t.exec("DELETE FROM uploads WHERE name = ? AND doomed = 1", n[:])
		if err != nil || gone == 0 {
			return err
		}
		_, err = t.exec("DELETE FROM upload_uses WHERE upload = ?", n[:])
		return err
	})
}
