package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"pryde/internal/seal"
)

const retiredColumns = "SELECT id, purpose, owner, master, sealed, retired_at FROM retired "

// ReplaceKey implements seal.KeyStore.
func (k *Keys) ReplaceKey(ctx context.Context, old seal.DataKeyID, w seal.WrappedKey, at time.Time) (done bool, err error) {
	err = k.writer.do(ctx, "replace a key", func(t *tx) error {
		n, err := t.exec(`INSERT INTO retired (id, purpose, owner, master, sealed, retired_at, note)
			SELECT id, purpose, owner, master, sealed, ?, '' FROM keys WHERE id = ? AND purpose = ? AND owner = ?`,
			at.UnixMilli(), int64(old), int64(w.Purpose), w.Owner[:])
		if done = n > 0; err != nil || !done {
			return err
		}
		if _, err := t.exec("DELETE FROM keys WHERE id = ?", int64(old)); err != nil {
			return err
		}
		_, err = t.exec(insertKey, keyValues(w)...)
		return err
	})
	return err == nil && done, err
}

// RetiredKeys implements seal.KeyStore.
func (k *Keys) RetiredKeys(ctx context.Context) ([]seal.WrappedKey, error) {
	return k.list(ctx, retiredColumns+"ORDER BY id")
}

// DropKey implements seal.KeyStore.
func (k *Keys) DropKey(ctx context.Context, i seal.DataKeyID) error {
	if err := k.writer.do(ctx, "destroy a key", func(t *tx) error {
		_, err := t.exec("DELETE FROM retired WHERE id = ?", int64(i))
		return err
	}); err != nil {
		return err
	}
	return k.wipe()
}

// EraseOwner implements seal.KeyStore.
func (k *Keys) EraseOwner(ctx context.Context, o seal.Owner, at time.Time) error {
	if err := k.writer.do(ctx, "destroy the keys of a person", func(t *tx) error {
		if _, err := t.exec("INSERT INTO erased (owner, erased_at) VALUES (?, ?) ON CONFLICT DO NOTHING", o[:], at.UnixMilli()); err != nil {
			return err
		}
		if _, err := t.exec("DELETE FROM keys WHERE owner = ? AND purpose = ?", o[:], int64(seal.PurposePerson)); err != nil {
			return err
		}
		_, err := t.exec("DELETE FROM retired WHERE owner = ? AND purpose = ?", o[:], int64(seal.PurposePerson))
		return err
	}); err != nil {
		return err
	}
	return k.wipe()
}

// errBusy ends a wipe that a read kept from ending.
var errBusy = errors.New("the log of the keys is being read")

// wipe writes what was deleted over in the file and empties the log, which would keep it.
func (k *Keys) wipe() (err error) {
	c, err := connect(k.path, false, "secure_delete(ON)")
	if err != nil {
		return fmt.Errorf("overwrite keys: %w", err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var busy int64
	if _, err := c.one(func(row []driver.Value) { busy = integer(row[0]) }, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("overwrite keys: %w", err)
	}
	if busy != 0 {
		return fmt.Errorf("overwrite keys: %w", errStore.Because(errBusy))
	}
	return nil
}

// ErasedOwners implements seal.KeyStore.
func (k *Keys) ErasedOwners(ctx context.Context) (map[seal.Owner]time.Time, error) {
	erased := map[seal.Owner]time.Time{}
	err := k.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			erased[seal.Owner(userID(row[0]))] = instant(row[1])
			return true
		}, "SELECT owner, erased_at FROM erased")
	})
	return erased, err
}

// KeysBesides implements seal.KeyStore.
func (k *Keys) KeysBesides(ctx context.Context, m seal.KeyID, limit int) ([]seal.WrappedKey, error) {
	// Two ranges, which an index answers where <> would read everything.
	return k.list(ctx, "SELECT * FROM ("+keyColumns+"WHERE master < ? LIMIT ?) UNION ALL SELECT * FROM ("+keyColumns+
		"WHERE master > ? LIMIT ?) UNION ALL "+retiredColumns+"WHERE master <> ? LIMIT ?",
		int64(m), int64(limit), int64(m), int64(limit), int64(m), int64(limit))
}

// Rewrap implements seal.KeyStore.
func (k *Keys) Rewrap(ctx context.Context, keys []seal.Rewrapping) (changed int, err error) {
	err = k.writer.do(ctx, "re-wrap keys", func(t *tx) error {
		changed = 0
		for _, r := range keys {
			table := "keys"
			if !r.From.RetiredAt.IsZero() {
				table = "retired"
			}
			n, err := t.exec("UPDATE "+table+" SET master = ?, sealed = ? WHERE id = ? AND sealed = ?",
				int64(r.To.Master), r.To.Sealed, int64(r.From.ID), r.From.Sealed)
			if err != nil {
				return err
			}
			changed += int(n)
		}
		return nil
	})
	return changed, err
}

// Masters implements seal.KeyStore.
func (k *Keys) Masters(ctx context.Context) (map[seal.KeyID]int, error) {
	masters := map[seal.KeyID]int{}
	err := k.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			masters[seal.KeyID(integer(row[0]))] += int(integer(row[1]))
			return true
		}, `SELECT master, count(*) FROM keys GROUP BY master
			UNION ALL SELECT master, count(*) FROM retired GROUP BY master`)
	})
	return masters, err
}
