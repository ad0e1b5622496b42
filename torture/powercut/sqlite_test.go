package powercut

import (
	"bufio"
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// A process that serves a mount must not use it, so the database is written and read by
// this test binary as a child, in the role that the variable names.
const roleVariable = "POWERCUT_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role, os.Args[1]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func play(role, path string) error {
	switch role {
	case "full", "off":
		return writeRows(path, role)
	case "read":
		return readRows(path)
	case "append":
		return appendRecords(path)
	case "recover":
		return readRecords(path)
	default:
		return touchFiles(path)
	}
}

func open(path, synchronous string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)&_pragma=synchronous("+synchronous+")")
	if err != nil {
		return nil, err
	}
	_, err = db.Exec("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, filler BLOB)")
	return db, err
}

// writeRows commits one row after another, says each number once it is committed, and
// checkpoints now and then. It ends with the disk.
func writeRows(path, synchronous string) error {
	db, err := open(path, synchronous)
	if err != nil {
		return err
	}
	var n int
	if err := db.QueryRow("SELECT coalesce(max(n), 0) FROM t").Scan(&n); err != nil {
		return err
	}
	for {
		n++
		if _, err := db.Exec("INSERT INTO t VALUES (?, randomblob(1500))", n); err != nil {
			return err
		}
		fmt.Println(n)
		if n%40 == 0 {
			if _, err := db.Exec("PRAGMA wal_checkpoint(RESTART)"); err != nil {
				return err
			}
		}
	}
}

// readRows says how many rows there are and which is the last.
func readRows(path string) error {
	db, err := open(path, "full")
	if err != nil {
		return err
	}
	var integrity string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&integrity); err != nil {
		return err
	}
	var count, last int
	if err := db.QueryRow("SELECT count(*), coalesce(max(n), 0) FROM t").Scan(&count, &last); err != nil {
		return err
	}
	fmt.Println(integrity, count, last)
	return db.Close()
}

// mounted mounts a disk. Where that cannot be done the test is skipped; a CI must not.
func mounted(t *testing.T, o Options) (*FS, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := Mount(dir, o)
	if errors.Is(err, ErrUnavailable) {
		withoutFUSE(t, err)
	}
	t.Cleanup(func() {
		if err := f.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return f, dir
}

func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, path)
	// The race detector would keep each child for a second when it ends.
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// writeUntilCut lets a child commit that many rows, cuts the power, ends the child and
// restores the disk. It returns the last row that the child called committed.
func writeUntilCut(t *testing.T, f *FS, synchronous, path string, rows int) int {
	t.Helper()
	cmd := child(t, synchronous, path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last int
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); seen++ {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			break // the child has noticed that its disk is gone
		}
		last = n
		if seen == rows {
			f.Cut()
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed, or its disk was
	if err := f.Restore(); err != nil {
		t.Fatal(err)
	}
	return last
}

// read returns how many rows a database has and the last; an error where it is damaged.
func read(t *testing.T, path string) (count, last int, err error) {
	t.Helper()
	out, err := child(t, "read", path).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, out)
	}
	var integrity string
	if _, err := fmt.Sscan(string(out), &integrity, &count, &last); err != nil || integrity != "ok" {
		return 0, 0, fmt.Errorf("damaged: %s", out)
	}
	return count, last, nil
}

// sqliteCuts is how often the power is cut; each cut happens on what the earlier ones left.
const sqliteCuts = 50

func TestSQLiteKeepsWhatItSynced(t *testing.T) {
	f, dir := mounted(t, Options{Seed: 1})
	path := filepath.Join(dir, "db")
	for cut := range sqliteCuts {
		committed := writeUntilCut(t, f, "full", path, 5+cut%20)

		count, last, err := read(t, path)

		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		if count != last || last < committed {
			t.Fatalf("cut %d: %d rows up to %d, want all up to %d at least", cut, count, last, committed)
		}
	}
}

func TestSQLiteLosesWhatItDidNotSync(t *testing.T) {
	f, dir := mounted(t, Options{Seed: 1})
	for cut := range sqliteCuts {
		path := filepath.Join(dir, fmt.Sprint("db", cut))
		committed := writeUntilCut(t, f, "off", path, 30)

		if _, last, err := read(t, path); err != nil || last < committed {
			return
		}
	}
	t.Errorf("%d cuts lost no commit of a database that does not sync", sqliteCuts)
}

// touchFiles uses a mount as programs do that are no database.
func touchFiles(dir string) error {
	sub := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(sub, 0o700); err != nil {
		return err
	}
	name := filepath.Join(sub, "f")
	if err := os.WriteFile(name, bytes.Repeat([]byte("x"), 300_000), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte("short"), 0o600); err != nil {
		return err
	}
	if err := os.Rename(name, filepath.Join(dir, "g")); err != nil {
		return err
	}
	if err := os.Remove(sub); err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(dir, "g"))
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, "g"))
	if err != nil {
		return err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	fmt.Println(string(b), info.Mode(), len(list), list[0].Name(), list[1].Name())
	return nil
}

func TestProgramsFindAFileSystem(t *testing.T) {
	_, dir := mounted(t, Options{})

	out, err := child(t, "files", dir).CombinedOutput()

	if got, want := strings.TrimSpace(string(out)), "short -rw------- 2 a g"; err != nil || got != want {
		t.Errorf("%q (%v), want %q", got, err, want)
	}
}

func TestSyncTakesItsTime(t *testing.T) {
	const delay = 3 * time.Millisecond
	f, dir := mounted(t, Options{SyncDelay: delay})
	before := time.Now()

	writeUntilCut(t, f, "full", filepath.Join(dir, "db"), 10)

	if took := time.Since(before); took < 10*delay {
		t.Errorf("ten commits took %s, want at least %s", took, 10*delay)
	}
}

func TestUnmountLeavesAnEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	f, err := Mount(dir, Options{})
	if err != nil {
		withoutFUSE(t, err)
	}
	if out, err := child(t, "files", dir).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}

	if err := f.Unmount(); err != nil {
		t.Fatal(err)
	}

	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("%d files are left (%v), want none", len(list), err)
	}
}

// withoutFUSE skips a test where nothing can be mounted, loudly; CI has to be able to.
func withoutFUSE(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	fmt.Fprintln(os.Stderr, "POWER CUTS ARE NOT TESTED HERE:", err)
	t.Skip(err)
}
