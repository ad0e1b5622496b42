package folder_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"pryde/internal/files"
	"pryde/internal/files/folder"
	"pryde/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string) *folder.Folder {
	t.Helper()
	f, err := folder.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestFolderKeepsItsPromises(t *testing.T) {
	storetest.Objects(t, func(t *testing.T) files.Objects { return open(t, t.TempDir()) })
}

// all returns the files below a folder.
func all(t testing.TB, dir string) (names []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, name)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestOnlyTheServerReadsTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "files")
	f := open(t, dir)
	if err := f.Put(t.Context(), "base/00/object", bytes.NewReader([]byte("x")), 1); err != nil {
		t.Fatal(err)
	}

	if err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatADeadProcessWasWritingIsRemoved(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	content, more := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- f.Put(t.Context(), "base/00/object", content, 20) }()
	if _, err := more.Write([]byte("half of it")); err != nil {
		t.Fatal(err)
	}
	crashed := t.TempDir()
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := more.CloseWithError(errors.New("dead")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("half an object was stored")
	}
	if left := all(t, crashed); len(left) != 1 {
		t.Fatalf("a crash leaves %v, want the half object", left)
	}

	again := open(t, crashed)

	if left := all(t, crashed); len(left) != 0 {
		t.Errorf("left after the next start: %v", left)
	}
	if _, err := again.Open(t.Context(), "base/00/object"); !errors.Is(err, files.ErrNoObject) {
		t.Errorf("the half object: %v, want ErrNoObject", err)
	}
}

func TestKeysDoNotLeaveTheFolder(t *testing.T) {
	dir := t.TempDir()
	f := open(t, filepath.Join(dir, "files"))
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"../secret", "a/../../secret", "/etc/passwd", "a//b", "", ".", "A", "a/", "a\x00b", ".writing/x", `a\b`} {
		if _, err := f.Open(t.Context(), key); err == nil || errors.Is(err, files.ErrNoObject) {
			t.Errorf("Open(%q) gave %v, want it refused", key, err)
		}
		if err := f.Put(t.Context(), key, bytes.NewReader(nil), 0); err == nil {
			t.Errorf("Put(%q) was done", key)
		}
		if err := f.Delete(t.Context(), key); err == nil {
			t.Errorf("Delete(%q) was done", key)
		}
	}
	if err := os.Symlink(dir, filepath.Join(dir, "files", "out")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context(), "out/secret"); err == nil {
		t.Error("a link led out of the folder")
	}
}
