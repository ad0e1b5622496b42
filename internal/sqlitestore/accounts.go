package sqlitestore

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/seal"
)

const accountColumns = `SELECT id, username, email, display_name, profile_photo, password_hash, role,
	details, active, deleted, banned, created_at, password_era, revision, email_verified FROM users `

func detailsPlace(u id.User) seal.Place {
	return seal.Place{Collection: "users", Field: "details", Document: u[:]}
}

// CreateAccount implements people.Store. The person's data key is durable before the account
// is.
func (s *Store) CreateAccount(ctx context.Context, a people.Account) error {
	details, err := s.sealJSON(ctx, a.ID, detailsPlace(a.ID), a.Details)
	if err != nil {
		return fmt.Errorf("create account: %w", err)
	}
	return s.writer.do(ctx, "create account", func(t *tx) error {
		name, mail := strings.ToLower(a.Username), strings.ToLower(a.Email)
		if n, err := t.number("SELECT count(*) FROM users WHERE email = ?", mail); err != nil || n > 0 {
			return either(err, people.ErrEmailTaken)
		}
		if n, err := t.number("SELECT count(*) FROM users WHERE username_key = ?", name); err != nil || n > 0 {
			return either(err, people.ErrUsernameTaken)
		}
		_, err := t.exec(`INSERT INTO users (id, username, username_key, email, display_name, profile_photo,
			password_hash, role, details, active, deleted, banned, created_at, password_era, revision, display_key, email_verified)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			a.ID[:], a.Username, name, mail, a.DisplayName, a.ProfilePhoto, a.PasswordHash, a.Role, details,
			truth(a.Active), truth(a.Deleted), truth(a.Banned), millis(a.CreatedAt),
			a.PasswordEra, a.Revision, strings.ToLower(a.DisplayName), truth(a.EmailVerified))
		return err
	})
}

// Account implements people.Store.
func (s *Store) Account(ctx context.Context, u id.User) (people.Account, error) {
	return s.account(ctx, accountColumns+"WHERE id = ?", u[:])
}

// AccountByLogin implements people.Store. Where one person's username is another's address,
// the address counts.
func (s *Store) AccountByLogin(ctx context.Context, login string) (people.Account, error) {
	login = strings.ToLower(login)
	return s.account(ctx, accountColumns+"WHERE email = ? OR username_key = ? ORDER BY email = ? DESC LIMIT 1", login, login, login)
}

// UpgradePasswordHash implements people.Store.
func (s *Store) UpgradePasswordHash(ctx context.Context, u id.User, from, to string) error {
	return s.writer.do(ctx, "upgrade password hash", func(t *tx) error {
		_, err := t.exec("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?", to, u[:], from)
		return err
	})
}

// Reactivate implements people.Store.
func (s *Store) Reactivate(ctx context.Context, u id.User) error {
	return s.writer.do(ctx, "reactivate account", func(t *tx) error {
		n, err := t.exec("UPDATE users SET active = 1 WHERE id = ?", u[:])
		if err != nil || n == 0 {
			return either(err, people.ErrNoAccount)
		}
		return nil
	})
}

// An accountRecord is an account as it was read: its details still sealed.
type accountRecord struct {
	account people.Account
	details []byte
}

// readAccount reads the accountColumns.
func readAccount(row []driver.Value) accountRecord {
	a := people.Account{
		ID: userID(row[0]), Username: text(row[1]), Email: text(row[2]), DisplayName: text(row[3]),
		ProfilePhoto: text(row[4]), PasswordHash: text(row[5]), Role: text(row[6]),
		Active: integer(row[8]) != 0, Deleted: integer(row[9]) != 0, Banned: integer(row[10]) != 0,
		CreatedAt: instant(row[11]), PasswordEra: integer(row[12]), Revision: integer(row[13]),
		EmailVerified: integer(row[14]) != 0,
	}
	if a.Email == noEmail(a.ID) {
		a.Email = ""
	}
	return accountRecord{a, blob(row[7])}
}

// openAccount returns the account of a record with its details in the clear. Of a person who was
// erased there are none.
func (s *Store) openAccount(ctx context.Context, r accountRecord) (people.Account, error) {
	if _, gone := s.vault.Erased(seal.Owner(r.account.ID)); gone {
		return r.account, nil
	}
	err := s.openJSON(ctx, detailsPlace(r.account.ID), r.details, &r.account.Details)
	return r.account, err
}

func (s *Store) account(ctx context.Context, query string, args ...any) (people.Account, error) {
	var r accountRecord
	found := false
	err := s.readers.with(ctx, func(c *conn) (err error) {
		found, err = c.one(func(row []driver.Value) { r = readAccount(row) }, query, args...)
		return err
	})
	if err == nil && !found {
		err = people.ErrNoAccount
	}
	var a people.Account
	if err == nil {
		a, err = s.openAccount(ctx, r)
	}
	if err != nil {
		return people.Account{}, fmt.Errorf("find account: %w", err)
	}
	return a, nil
}

// sealed seals a value with the data key of a person, which is made where there is none yet.
func (s *Store) sealed(ctx context.Context, owner id.User, p seal.Place, plain []byte) ([]byte, error) {
	if err := s.vault.Ensure(ctx, owner); err != nil {
		return nil, err
	}
	return s.vault.Seal(ctx, owner, p, plain)
}

func (s *Store) sealJSON(ctx context.Context, owner id.User, p seal.Place, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s of %s: %w", p.Field, p.Collection, err)
	}
	return s.sealed(ctx, owner, p, plain)
}

func (s *Store) openJSON(ctx context.Context, p seal.Place, sealed []byte, v any) error {
	plain, err := s.vault.Open(ctx, p, sealed)
	if err != nil {
		return fmt.Errorf("open %s of %s: %w", p.Field, p.Collection, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decode %s of %s: %w", p.Field, p.Collection, err)
	}
	return nil
}

// either returns err, or what the absence of an error means.
func either(err, meaning error) error {
	if err != nil {
		return err
	}
	return meaning
}

// changedOne runs a statement and reports whether it changed a row.
func (s *Store) changedOne(ctx context.Context, what, statement string, args ...any) (bool, error) {
	changed := int64(0)
	err := s.writer.do(ctx, what, func(t *tx) (err error) {
		changed, err = t.exec(statement, args...)
		return err
	})
	return err == nil && changed == 1, err
}

func userID(v driver.Value) (u id.User) {
	copy(u[:], blob(v))
	return u
}

func messageRef(v driver.Value) (m id.Message) {
	copy(m[:], blob(v))
	return m
}

// reference is the id of a message as it is stored, NULL for none.
func reference(m id.Message) any {
	if m.IsZero() {
		return nil
	}
	return m[:]
}

// millis is a time as it is stored: ms since 1970, NULL for none.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// instant reads what millis wrote.
func instant(v driver.Value) time.Time {
	n, ok := v.(int64)
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
