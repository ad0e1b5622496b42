package sqlitestore

import (
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"pryde/internal/id"
)

//go:embed migrations
var migrations embed.FS

// The databases whose schemas migrations holds, a folder each.
const (
	dataSchema = "migrations/data"
	keysSchema = "migrations/keys"
)

// migrate brings the schema up to date, one transaction for each step. A schema that is newer
// than this program is used as it is where its min_reader allows that, and refused else: a
// step only ever adds what the release before can ignore, and a later one takes away.
func migrate(c *conn, steps fs.FS, folder string) error {
	names, err := fs.Glob(steps, folder+"/*.sql")
	if err != nil {
		return fmt.Errorf("list the migrations: %w", err)
	}
	have, err := c.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	known := int64(len(names))
	if have > known {
		return readable(c, have, known)
	}
	for ; have < known; have++ {
		step, err := fs.ReadFile(steps, names[have])
		if err != nil {
			return fmt.Errorf("read migration %d: %w", have+1, err)
		}
		script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA user_version = %d;\nCOMMIT;", step, have+1)
		if err := c.script(script); err != nil {
			// Where BEGIN itself failed there is nothing to roll back.
			_, _ = c.exec("ROLLBACK")
			return fmt.Errorf("migrate to schema %d: %w", have+1, err)
		}
	}
	return nil
}

// current is an error unless the schema of the data is that of this release.
func current(c *conn) error {
	names, err := fs.Glob(migrations, dataSchema+"/*.sql")
	if err != nil {
		return fmt.Errorf("list the migrations: %w", err)
	}
	have, err := c.number("PRAGMA user_version")
	if err == nil && have != int64(len(names)) {
		err = fmt.Errorf("the database has schema %d, and this release needs %d: start its server once", have, len(names))
	}
	return err
}

func readable(c *conn, have, known int64) error {
	oldest, err := c.number("SELECT value FROM meta WHERE key = 'min_reader'")
	if err != nil {
		return err
	}
	if oldest > known {
		return fmt.Errorf("the database has schema %d and needs a release that knows schema %d, but this one knows %d only: start the newer release", have, oldest, known)
	}
	return nil
}

// foldBatch is how many names are folded in one transaction.
const foldBatch = 1000

// foldNames makes the keys of display names that a migration or an older release left empty: SQL
// knows the lower case of ASCII alone.
func foldNames(c *conn) error {
	for {
		keys := make(map[id.User]string)
		err := c.query(func(row []driver.Value) bool {
			keys[userID(row[0])] = strings.ToLower(text(row[1]))
			return true
		}, "SELECT id, display_name FROM users WHERE display_key = '' AND display_name <> '' LIMIT ?", int64(foldBatch))
		if err == nil && len(keys) > 0 {
			err = storeKeys(c, keys)
		}
		if err != nil {
			return fmt.Errorf("fold the display names: %w", err)
		}
		if len(keys) < foldBatch {
			return nil
		}
	}
}

func storeKeys(c *conn, keys map[id.User]string) error {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for u, key := range keys {
		if _, err := c.exec("UPDATE users SET display_key = ? WHERE id = ?", key, u[:]); err != nil {
			_, undoing := c.exec("ROLLBACK")
			return errors.Join(err, undoing)
		}
	}
	_, err := c.exec("COMMIT")
	return err
}
