package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"pryde/internal/seal"
)

var _ seal.KeyStore = (*Keys)(nil)

// Keys keeps wrapped keys in a database of their own. Its methods are safe for concurrent
// use.
type Keys struct {
	path    string
	writer  *writer
	readers *readers
}

// KeysFile is the database in the folder of the keys.
const KeysFile = "keys.db"

// OpenKeys opens the key database in a folder of its own, or makes it there. The folder stays
// out of backups of the data, so that an erased person is gone from them too. Close must be
// called, after the store that uses the keys.
func OpenKeys(ctx context.Context, keysDir string) (_ *Keys, err error) {
	dir, err := filepath.Abs(keysDir)
	if err != nil {
		return nil, fmt.Errorf("open the keys: %w", err)
	}
	k := &Keys{}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open the keys in %s: %w", dir, errors.Join(err, k.Close()))
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := ensureFolder(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	if err := ensureFolder(dir); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder private: %w", err)
	}
	return k, k.start(filepath.Join(dir, KeysFile))
}

func (k *Keys) start(path string) error {
	k.path = path
	if err := ensureFile(path); err != nil {
		return err
	}
	c, err := connect(path, false, "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)")
	if err != nil {
		return err
	}
	if err := migrate(c, migrations, keysSchema); err != nil {
		return errors.Join(err, c.close())
	}
	// A key is made on the way to a write that has no place yet: its commit tells nobody.
	k.writer = newWriter(c, 0, slog.New(slog.DiscardHandler), func(context.Context) {}, func() {})
	k.readers, err = openReaders(path, "query_only(1)")
	return err
}

// Close finishes what is queued and closes the database. It must be called once.
func (k *Keys) Close() error {
	var errs []error
	if k.writer != nil {
		k.writer.stop()
	}
	if k.readers != nil {
		errs = append(errs, k.readers.close())
	}
	if k.writer != nil {
		errs = append(errs, k.writer.conn.close())
	}
	return errors.Join(errs...)
}

const keyColumns = "SELECT id, purpose, owner, master, sealed, NULL FROM keys "

// AddKey implements seal.KeyStore.
func (k *Keys) AddKey(ctx context.Context, w seal.WrappedKey) (seal.WrappedKey, error) {
	var stored seal.WrappedKey
	err := k.writer.do(ctx, "add a key", func(t *tx) error {
		if n, err := t.number("SELECT count(*) FROM erased WHERE owner = ?", w.Owner[:]); err != nil || n > 0 {
			return either(err, seal.ErrKeyGone)
		}
		if _, err := t.exec(insertKey+" ON CONFLICT (purpose, owner) DO NOTHING", keyValues(w)...); err != nil {
			return err
		}
		_, err := t.one(func(row []driver.Value) { stored = wrappedKey(row) },
			keyColumns+"WHERE purpose = ? AND owner = ?", int64(w.Purpose), w.Owner[:])
		return err
	})
	if err != nil {
		return seal.WrappedKey{}, err
	}
	return stored, nil
}

const insertKey = "INSERT INTO keys (id, purpose, owner, master, sealed) VALUES (?, ?, ?, ?, ?)"

func keyValues(w seal.WrappedKey) []any {
	return []any{int64(w.ID), int64(w.Purpose), w.Owner[:], int64(w.Master), w.Sealed}
}

// KeyByOwner implements seal.KeyStore.
func (k *Keys) KeyByOwner(ctx context.Context, p seal.Purpose, o seal.Owner) (seal.WrappedKey, bool, error) {
	return k.find(ctx, keyColumns+"WHERE purpose = ? AND owner = ?", int64(p), o[:])
}

// KeyByID implements seal.KeyStore.
func (k *Keys) KeyByID(ctx context.Context, i seal.DataKeyID) (seal.WrappedKey, bool, error) {
	return k.find(ctx, keyColumns+"WHERE id = ? UNION ALL "+retiredColumns+"WHERE id = ?", int64(i), int64(i))
}

func (k *Keys) find(ctx context.Context, query string, args ...any) (w seal.WrappedKey, found bool, err error) {
	err = k.readers.with(ctx, func(c *conn) error {
		found, err = c.one(func(row []driver.Value) { w = wrappedKey(row) }, query, args...)
		return err
	})
	return w, found, err
}

// list returns the keys that a query finds.
func (k *Keys) list(ctx context.Context, query string, args ...any) (keys []seal.WrappedKey, err error) {
	err = k.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			keys = append(keys, wrappedKey(row))
			return true
		}, query, args...)
	})
	return keys, err
}

// wrappedKey reads the keyColumns or the retiredColumns.
func wrappedKey(row []driver.Value) seal.WrappedKey {
	w := seal.WrappedKey{
		ID:        seal.DataKeyID(integer(row[0])),
		Purpose:   seal.Purpose(integer(row[1])),
		Master:    seal.KeyID(integer(row[3])),
		Sealed:    blob(row[4]),
		RetiredAt: instant(row[5]),
	}
	copy(w.Owner[:], blob(row[2]))
	return w
}
