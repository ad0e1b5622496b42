package files_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"pryde/internal/files"
	"pryde/internal/files/folder"
	"pryde/internal/wire"
)

// small mounts a real file system of 1 MiB. It takes the right to mount one.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small file system: %v", err)
		}
		fmt.Fprintln(os.Stderr, "A FULL DISK IS NOT TESTED HERE: cannot mount a small file system:", err)
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAFullDiskIsSaidAndNothingIsLeft(t *testing.T) {
	file := append(mp3Of(3, nil), make([]byte, 3<<20)...)
	for what, fill := range map[string]func(w *world, dir string){
		"the disk of what comes in": func(w *world, dir string) { w.options.Spool = dir },
		"the disk of the objects": func(w *world, dir string) {
			objects, err := folder.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { w.must(objects.Close()) })
			w.objects.Objects, w.dir = objects, dir
		},
	} {
		w := newWorld(t)
		fill(w, small(t))
		w.again()

		_, err := w.Store(t.Context(), ann, wire.Upload{Content: bytes.NewReader(file)})

		if !errors.Is(err, files.ErrNoSpace) {
			t.Errorf("%s: %v, want ErrNoSpace", what, err)
		}
		w.empty(what)
		w.send(ann, mp3Of(3, nil)) // there is room for a small one
	}
}
