package sqlitestore

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

// oldSchema makes a database as the release with a number of migrations made it, with the rows that
// another database has in the tables that there were then.
func oldSchema(t *testing.T, from string, migrationsThen int) string {
	t.Helper()
	dir := copyFolder(t, from)
	names, err := fs.Glob(migrations, dataSchema+"/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	steps := fstest.MapFS{}
	for _, name := range names[:migrationsThen] {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		steps["s/"+filepath.Base(name)] = &fstest.MapFile{Data: text}
	}
	path := filepath.Join(dir, "old.db")
	if err := ensureFile(path); err != nil {
		t.Fatal(err)
	}
	c, err := connect(path, false, "journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(migrate(c, steps, "s"), copyRows(c, filepath.Join(dir, fileName)), c.close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, filepath.Join(dir, fileName)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyRows fills the tables that a database has from those of another one.
func copyRows(c *conn, path string) error {
	if _, err := c.exec("ATTACH ? AS full", path); err != nil {
		return err
	}
	columns := map[string][]string{}
	if err := c.query(func(row []driver.Value) bool {
		columns[text(row[0])] = append(columns[text(row[0])], text(row[1]))
		return true
	}, "SELECT t.name, i.name FROM main.sqlite_schema t JOIN pragma_table_info(t.name, 'main') i WHERE t.type = 'table'"); err != nil {
		return err
	}
	for table, names := range columns {
		list := strings.Join(names, ", ")
		if err := c.script(fmt.Sprintf("DELETE FROM main.%s; INSERT INTO main.%s (%s) SELECT %s FROM full.%s;", table, table, list, list, table)); err != nil {
			return err
		}
	}
	return nil
}

func TestADatabaseOfTheReleaseBeforeGroupsGoesOn(t *testing.T) {
	dir := t.TempDir()
	before := open(t, dir)
	first := send(t, before.Store, 1, user(1), user(2), "written before")
	if _, err := before.Edit(t.Context(), first.ID, "edited before", start); err != nil {
		t.Fatal(err)
	}
	last := send(t, before.Store, 2, user(2), user(1), "last")
	before.close(t)

	s := open(t, oldSchema(t, dir, 4))

	page, err := s.PageBefore(t.Context(), message.Between(user(1), user(2)), user(1), id.Message{}, 10)
	if err != nil || len(page.Items) != 2 || page.Items[0].Content != "edited before" {
		t.Fatalf("the page is %+v with error %v", page.Items, err)
	}
	if _, err := s.Edit(t.Context(), first.ID, "edited after", start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Versions(t.Context(), first.ID); err != nil || len(v) != 1 || v[0].Content != "edited before" {
		t.Errorf("versions %+v with error %v, want the one text that was there at the first edit since", v, err)
	}
	if g := form(t, s.Store, 1, 3); g.Changed != last.Seq+2 {
		t.Errorf("the group has number %d, want %d", g.Changed, last.Seq+2)
	}
	sendTo(t, s.Store, 3, groupID(1), user(1), "to all")
	if n, err := s.UnreadInGroups(t.Context(), user(2)); err != nil || n[groupID(1)] != 1 {
		t.Errorf("unread in groups: %v with error %v, want 1", n, err)
	}
	if n, err := s.Unread(t.Context(), user(1)); err != nil || n[user(2)] != 1 {
		t.Errorf("unread: %v with error %v, want 1", n, err)
	}
}
