package sqlitestore

import (
	"embed"
	"fmt"
	"io/fs"
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
