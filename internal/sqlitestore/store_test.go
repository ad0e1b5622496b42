package sqlitestore

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
)

func TestNumbersGoOnAfterReopening(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	database := first.Database()
	last := send(t, first.Store, 1, user(1), user(2), "one")
	first.close(t)

	second := open(t, dir)
	next := send(t, second.Store, 2, user(1), user(2), "two")

	if next.Seq != last.Seq+1 {
		t.Errorf("after reopening the next number is %d, want %d", next.Seq, last.Seq+1)
	}
	if got := second.Database(); got != database || got == [4]byte{} {
		t.Errorf("the database is %x after reopening, was %x", got, database)
	}
	if got := open(t, t.TempDir()).Database(); got == database {
		t.Error("two databases have the same identity")
	}
}

func TestNumbersNeverFallBelowTheRows(t *testing.T) {
	last := map[string]func(*Store) (message.Message, bool, error){
		"hidden": func(s *Store) (message.Message, bool, error) {
			return s.DeleteForSelf(t.Context(), messageID(1), user(1), start)
		},
		"deleted": func(s *Store) (message.Message, bool, error) { return s.DeleteForAll(t.Context(), messageID(1), start) },
		"read": func(s *Store) (message.Message, bool, error) {
			r, err := s.MarkRead(t.Context(), user(2), messageID(1), start)
			return r.Message, r.Read, err
		},
		"group formed": func(s *Store) (message.Message, bool, error) {
			return message.Message{Changed: form(t, s, 1, 3).Changed}, true, nil
		},
		"group left": func(s *Store) (message.Message, bool, error) {
			form(t, s, 1, 3)
			return message.Message{Changed: expel(t, s, groupID(1), user(2)).Changed}, true, nil
		},
		"group arranged": func(s *Store) (message.Message, bool, error) {
			form(t, s, 1, 3)
			seat, changed, err := s.ArrangeGroup(t.Context(), groupID(1), user(2), start, func(set *message.Settings) { set.Muted = true })
			return message.Message{Changed: seat.Changed}, changed, err
		},
	}
	for name, change := range last {
		dir := t.TempDir()
		s := open(t, dir)
		send(t, s.Store, 1, user(1), user(2), "one")
		m, _, err := change(s.Store)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.writer.do(t.Context(), "test", func(t *tx) error {
			_, err := t.exec("UPDATE meta SET value = 0 WHERE key = 'seq'")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		s.close(t)

		if got := send(t, open(t, dir).Store, 2, user(1), user(2), "two").Seq; got != m.Changed+1 {
			t.Errorf("%s: the next number is %d, want %d", name, got, m.Changed+1)
		}
	}
}

// copyFolder copies the files as they are at this moment, like a crash leaves them.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestWhatWasAcknowledgedSurvivesACrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	const people, each = 8, 30
	var wg sync.WaitGroup
	for p := range people {
		wg.Go(func() {
			for i := range each {
				send(t, s.Store, p*each+i, user(p), user(people), fmt.Sprintf("message %d of %d", i, p))
			}
		})
	}
	wg.Wait()
	newest, err := s.Since(t.Context(), user(people), 0, 0)
	if err != nil {
		t.Fatal(err)
	}

	crashed := open(t, copyFolder(t, dir))

	for p := range people {
		for i := range each {
			m, err := crashed.Message(t.Context(), messageID(p*each+i))
			if want := fmt.Sprintf("message %d of %d", i, p); err != nil || m.Content != want {
				t.Fatalf("message %d of %d is %q with error %v", i, p, m.Content, err)
			}
		}
	}
	if got := send(t, crashed.Store, 9999, user(1), user(2), "next").Seq; got != newest.Seq+1 {
		t.Errorf("after the crash the next number is %d, want %d", got, newest.Seq+1)
	}
}

func TestWrongKeysStopTheStart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	send(t, s.Store, 1, user(1), user(2), "secret")
	s.close(t)

	if _, err := tryOpen(t, dir, seal.Key{9}); !errors.Is(err, seal.ErrWrongKey) || !strings.Contains(err.Error(), masterKey.ID().String()) {
		t.Errorf("another master key: Open gave %v, want ErrWrongKey with the id of the right one", err)
	}
	lost := copyFolder(t, dir)
	if err := os.RemoveAll(filepath.Join(lost, "keys")); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(t, lost, masterKey); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("a lost key folder: Open gave %v, want ErrWrongKey", err)
	}
	again := open(t, dir)
	if m, err := again.Message(t.Context(), messageID(1)); err != nil || m.Content != "secret" {
		t.Errorf("the right key: %q with error %v", m.Content, err)
	}
}

func TestFolderIsOpenOnce(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)

	if _, err := tryOpen(t, dir, masterKey); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second store in the folder: %v, want that it is in use", err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := open(t, dir)
	send(t, s.Store, 1, user(1), user(2), "secret")

	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		seen++
		if i.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, i.Mode())
		}
		return nil
	})
	if err != nil || seen < 8 {
		t.Errorf("%d files and folders, error %v; want databases with their logs", seen, err)
	}
}

// schema opens the database file by itself and runs a script in it.
func schema(t *testing.T, dir, script string) {
	t.Helper()
	c, err := connect(filepath.Join(dir, fileName), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.script(script), c.close()); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSchemaRunsWhereItSaysSo(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).close(t)

	schema(t, dir, "ALTER TABLE users ADD COLUMN later TEXT; PRAGMA user_version = 99")
	compatible := open(t, dir)
	send(t, compatible.Store, 1, user(1), user(2), "hello")
	compatible.close(t)
	schema(t, dir, "UPDATE meta SET value = 98 WHERE key = 'min_reader'")

	_, err := tryOpen(t, dir, masterKey)
	if err == nil || !strings.Contains(err.Error(), "start the newer release") {
		t.Errorf("a schema that is too new: %v, want a sentence that says what to do", err)
	}
}

func TestFailedMigrationChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	send(t, s.Store, 1, user(1), user(2), "hello")
	s.close(t)
	c, err := connect(filepath.Join(dir, fileName), false)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(migrations, dataSchema+"/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	have := int64(len(names))
	steps := fstest.MapFS{
		"s/9998.sql": {Data: []byte("CREATE TABLE good (x INTEGER);")},
		"s/9999.sql": {Data: []byte("CREATE TABLE half (x INTEGER); CREATE TABLE half (x INTEGER);")},
	}
	for _, name := range names {
		steps["s/"+path.Base(name)] = &fstest.MapFile{} // it has been made
	}

	failed := migrate(c, steps, "s")
	version, err := c.number("PRAGMA user_version")
	if err != nil {
		t.Fatal(err)
	}
	half, err := c.number("SELECT count(*) FROM sqlite_schema WHERE name = 'half'")
	if err != nil {
		t.Fatal(err)
	}
	steps["s/9999.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE whole (x INTEGER);")}
	repaired := migrate(c, steps, "s")
	now, err := c.number("PRAGMA user_version")

	if failed == nil || version != have+1 || half != 0 {
		t.Errorf("after a step that fails: error %v, schema %d, %d tables of it; want schema %d and nothing of it", failed, version, half, have+1)
	}
	if err := errors.Join(repaired, err, c.close()); err != nil || now != have+2 {
		t.Errorf("after the repair: schema %d, error %v; want %d", now, err, have+2)
	}
	if m, err := open(t, dir).Message(t.Context(), messageID(1)); err != nil || m.Content != "hello" {
		t.Errorf("the release before reads %q with error %v after the migration", m.Content, err)
	}
}

func TestClosedStoreAnswersThatItIs(t *testing.T) {
	s := open(t, t.TempDir())
	s.close(t)

	_, read := s.Unread(t.Context(), user(1))
	write := s.UpgradePasswordHash(t.Context(), user(1), "", "x")

	for _, err := range []error{read, write} {
		if fault.Of(err).Kind != fault.KindUnavailable {
			t.Errorf("a closed store answers %v, want a fault of unavailability", err)
		}
	}
}

func TestReadsWaitForAConnectionUnderTheirContext(t *testing.T) {
	s := open(t, t.TempDir())
	var busy, done sync.WaitGroup
	hold := make(chan struct{})
	busy.Add(maxReaders)
	for range maxReaders {
		done.Go(func() {
			if err := s.readers.with(t.Context(), func(*conn) error {
				busy.Done()
				<-hold
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	busy.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := s.Unread(ctx, user(1))
	close(hold)
	done.Wait()

	if f := fault.Of(err); f.Code != "OVERLOADED" {
		t.Errorf("a read that found no connection got %v, want OVERLOADED", err)
	}
}

func TestKeyOfASenderIsMadeBeforeAPlaceIsTaken(t *testing.T) {
	s := open(t, t.TempDir())
	places := 0
	ctx := order.OnQueued(t.Context(), func() {
		places++
		if _, found, err := s.keys.KeyByOwner(t.Context(), seal.PurposePerson, user(1)); err != nil || !found {
			t.Errorf("the place was taken without a key (error %v)", err)
		}
	})

	_, _, err := s.Append(ctx, message.Draft{ID: messageID(1), Sender: user(1), Recipient: user(2), Content: "x", At: start})

	if err != nil || places != 1 {
		t.Errorf("Append took %d places with error %v, want 1", places, err)
	}
}

func TestTamperedTextIsAnErrorAndNoText(t *testing.T) {
	s := open(t, t.TempDir())
	send(t, s.Store, 1, user(1), user(2), "one")
	send(t, s.Store, 2, user(1), user(2), "two")
	if err := s.writer.do(t.Context(), "test", func(t *tx) error {
		_, err := t.exec("UPDATE messages SET content = (SELECT content FROM messages WHERE seq = 1) WHERE seq = 2")
		return err
	}); err != nil {
		t.Fatal(err)
	}

	_, err := s.PageBefore(t.Context(), message.Between(user(1), user(2)), user(1), id.Message{}, 10)

	if !errors.Is(err, seal.ErrTampered) {
		t.Errorf("a text at the wrong place: %v, want ErrTampered", err)
	}
}

func TestDeletedTextIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	texts := []string{"short", strings.Repeat("as long as several pages ", 600)}
	var sealed [][]byte
	for i, text := range texts {
		send(t, s.Store, i, user(1), user(2), text)
		send(t, s.Store, 100+i, user(2), user(1), "kept")
		if err := s.readers.with(t.Context(), func(c *conn) error {
			_, err := c.one(func(row []driver.Value) { sealed = append(sealed, blob(row[0])) }, "SELECT content FROM messages WHERE id = ?", blobOf(i))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	s.close(t)
	for i := range texts {
		if found(t, dir, sealed[i]) == 0 {
			t.Fatalf("text %d is not in the file while it is stored", i)
		}
	}

	s = open(t, dir)
	for i := range texts {
		if _, changed, err := s.DeleteForAll(t.Context(), messageID(i), start); err != nil || !changed {
			t.Fatalf("DeleteForAll: %v, %v", changed, err)
		}
	}
	s.close(t)

	for i := range texts {
		if n := found(t, dir, sealed[i]); n > 0 {
			t.Errorf("%d parts of the deleted text %d are still in the database file", n, i)
		}
	}
}

func blobOf(n int) []byte {
	m := messageID(n)
	return m[:]
}

// found counts the parts of 24 bytes of a sealed text that are in the database file; a long
// text lies there in pieces.
func found(t *testing.T, dir string, sealed []byte) int {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for part := sealed[9:]; len(part) >= 24; part = part[24:] {
		if bytes.Contains(file, part[:24]) {
			n++
		}
	}
	return n
}

func TestCheckpointsBoundTheLog(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	c, err := connect(filepath.Join(dir, fileName), false)
	if err != nil {
		t.Fatal(err)
	}
	p := &checkpointer{conn: c, passiveAt: 10, truncateAt: 60}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	look := func() walState {
		t.Helper()
		if err := p.look(); err != nil {
			t.Fatal(err)
		}
		w, err := p.run("PRAGMA wal_checkpoint(NOOP)")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}

	if err := p.truncate(); err != nil {
		t.Fatal(err)
	}
	send(t, s.Store, 1, user(1), user(2), "hello")
	few := look()
	for i := range 3 {
		send(t, s.Store, 10+i, user(1), user(2), "hello")
	}
	some := look()
	for i := range 40 {
		send(t, s.Store, 20+i, user(1), user(2), strings.Repeat("hello", 2000))
	}
	many := look()
	wal, err := os.Stat(filepath.Join(dir, fileName+"-wal"))

	if few.frames == 0 || few.moved != 0 {
		t.Errorf("after one message: %+v, want nothing moved yet", few)
	}
	if some.frames < 10 || some.moved != some.frames {
		t.Errorf("after a few messages: %+v, want everything moved", some)
	}
	if err != nil || many.frames != 0 || wal.Size() != 0 {
		t.Errorf("after many messages: %+v and error %v, want an empty log", many, err)
	}
}
