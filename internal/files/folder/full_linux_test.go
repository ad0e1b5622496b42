package folder_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"pryde/internal/files"
)

// TestAFullDisk fills a real file system of 1 MiB. It takes the right to mount one.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small file system: %v", err)
		}
		fmt.Fprintln(os.Stderr, "A FULL DISK IS NOT TESTED HERE: cannot mount a small file system:", err)
		t.Skip(err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	f := open(t, dir)
	content := bytes.Repeat([]byte("x"), 100_000)
	stored := 0
	for ; stored < 20; stored++ {
		err := f.Put(t.Context(), fmt.Sprintf("base/00/%04d", stored), bytes.NewReader(content), int64(len(content)))
		if errors.Is(err, files.ErrNoSpace) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	if stored < 5 || stored == 20 || len(all(t, dir)) != stored {
		t.Fatalf("%d objects were stored and %d files are there; want the last one refused and nothing of it left", stored, len(all(t, dir)))
	}
	if err := f.Delete(t.Context(), "base/00/0000"); err != nil {
		t.Errorf("remove from a full disk: %v", err)
	}
	if err := f.Put(t.Context(), "base/00/again", bytes.NewReader(content), int64(len(content))); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}
