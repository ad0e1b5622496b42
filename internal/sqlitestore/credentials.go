package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/seal"
)

// noEmail stands in the place of the e-mail address of a deleted account. It is none, and as
// unique as they are.
func noEmail(u id.User) string { return "deleted:" + u.String() }

// ReplacePassword implements people.Store.
func (s *Store) ReplacePassword(ctx context.Context, u id.User, era int64, hash, keep string, at time.Time) (done bool, ended []string, err error) {
	key, ok := sessionKey(keep)
	if !ok {
		return false, nil, nil
	}
	err = s.writer.do(ctx, "replace password", func(t *tx) error {
		n, err := t.exec(`UPDATE users SET password_hash = ?, password_era = password_era + 1
			WHERE id = ? AND password_era = ? AND deleted = 0
			AND EXISTS (SELECT 1 FROM sessions WHERE id = ? AND user = users.id AND revoked_at IS NULL)`,
			hash, u[:], era, key)
		if done = n > 0; err != nil || !done {
			return err
		}
		ended, err = revokeAll(t, u, keep, at)
		return err
	})
	if err != nil {
		return false, nil, err
	}
	return done, ended, nil
}

// Deactivate implements people.Store.
func (s *Store) Deactivate(ctx context.Context, u id.User, at time.Time) (ended []string, err error) {
	err = s.writer.do(ctx, "deactivate account", func(t *tx) error {
		n, err := t.exec("UPDATE users SET active = 0 WHERE id = ?", u[:])
		if err != nil || n == 0 {
			return either(err, people.ErrNoAccount)
		}
		ended, err = revokeAll(t, u, "", at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// DeleteAccount implements people.Store.
func (s *Store) DeleteAccount(ctx context.Context, u id.User, at time.Time) (ended []string, err error) {
	empty, err := s.sealJSON(ctx, u, detailsPlace(u), people.Details{})
	if errors.Is(err, seal.ErrKeyGone) {
		empty, err = []byte{}, nil // who was erased has no key, and no details that are opened
	}
	if err != nil {
		return nil, fmt.Errorf("delete account: %w", err)
	}
	err = s.writer.do(ctx, "delete account", func(t *tx) error {
		if err := removeFactor(t, u); err != nil {
			return err
		}
		n, err := t.exec(`UPDATE users SET deleted = 1, email = ?, email_verified = 0, display_name = '', display_key = '', profile_photo = '',
			password_hash = '', password_era = password_era + 1, details = ?, revision = revision + 1
			WHERE id = ? AND deleted = 0`, noEmail(u), empty, u[:])
		if err != nil || n == 0 {
			return either(err, people.ErrNoAccount)
		}
		if ended, err = revokeAll(t, u, "", at); err != nil {
			return err
		}
		_, err = t.exec("DELETE FROM sessions WHERE user = ?", u[:])
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// SetProfile implements people.Store.
func (s *Store) SetProfile(ctx context.Context, a people.Account) (bool, error) {
	details, err := s.sealJSON(ctx, a.ID, detailsPlace(a.ID), a.Details)
	if err != nil {
		return false, fmt.Errorf("set profile: %w", err)
	}
	return s.changedOne(ctx, "set profile", `UPDATE users SET display_name = ?, display_key = ?, profile_photo = ?, details = ?,
		revision = revision + 1 WHERE id = ? AND revision = ? AND deleted = 0`,
		a.DisplayName, strings.ToLower(a.DisplayName), a.ProfilePhoto, details, a.ID[:], a.Revision)
}

// SearchAccounts implements people.Store. It looks at every account: a text in the middle of a
// name is in no index.
func (s *Store) SearchAccounts(ctx context.Context, part string, except []id.User, limit int) ([]people.Account, error) {
	hidden := make(map[id.User]bool, len(except))
	for _, u := range except {
		hidden[u] = true
	}
	var found []accountRecord
	err := s.readers.snapshot(ctx, func(c *conn) error {
		// Sorting takes names and ids alone: a text of one letter finds most of the accounts.
		var ids []id.User
		err := c.query(func(row []driver.Value) bool {
			if u := userID(row[0]); !hidden[u] {
				ids = append(ids, u)
			}
			return len(ids) < limit
		}, `SELECT id FROM users WHERE active = 1 AND deleted = 0 AND banned = 0
			AND (instr(username_key, ?) > 0 OR instr(display_key, ?) > 0)
			ORDER BY username_key = ? DESC, instr(username_key, ?) = 1 DESC, username_key LIMIT ?`,
			part, part, part, part, int64(limit+len(hidden)))
		for _, u := range ids {
			if err == nil {
				_, err = c.one(func(row []driver.Value) { found = append(found, readAccount(row)) },
					accountColumns+"WHERE id = ?", u[:])
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("search accounts: %w", err)
	}
	accounts := make([]people.Account, 0, len(found))
	for _, r := range found {
		a, err := s.openAccount(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("search accounts: %w", err)
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}
