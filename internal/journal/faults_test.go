package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// A faultyDisk is the disk of the system, on which things go wrong.
type faultyDisk struct {
	osDisk
	unsynced bool // syncs do nothing, so that tests of what is read are quick

	mu   sync.Mutex
	fail map[string]error // by what is tried: "create", "write", "sync", "cut", "remove", "folder", "cursor"
	torn int              // bytes that a write that fails leaves behind
}

func (d *faultyDisk) set(what string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == nil {
		d.fail = map[string]error{}
	}
	d.fail[what] = err
}

func (d *faultyDisk) failure(what string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fail[what]
}

func (d *faultyDisk) create(path string) (file, error) {
	if err := d.failure("create"); err != nil {
		return nil, err
	}
	f, err := d.osDisk.create(path)
	return &faultyFile{f, d, filepath.Base(path) == cursorName}, err
}

func (d *faultyDisk) open(path string) (file, error) {
	f, err := d.osDisk.open(path)
	return &faultyFile{f, d, filepath.Base(path) == cursorName}, err
}

func (d *faultyDisk) remove(path string) error {
	if err := d.failure("remove"); err != nil {
		return err
	}
	return d.osDisk.remove(path)
}

func (d *faultyDisk) syncFolder(dir string) error {
	if err := d.failure("folder"); err != nil || d.unsynced {
		return err
	}
	return d.osDisk.syncFolder(dir)
}

type faultyFile struct {
	file
	disk   *faultyDisk
	cursor bool
}

func (f *faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.disk.failure("cursor"); f.cursor && err != nil {
		return 0, err
	}
	if err := f.disk.failure("write"); !f.cursor && err != nil {
		n, _ := f.file.WriteAt(b[:min(f.disk.torn, len(b))], at)
		return n, err
	}
	return f.file.WriteAt(b, at)
}

func (f *faultyFile) Sync() error {
	if err := f.disk.failure("sync"); !f.cursor && err != nil {
		return err
	}
	if f.disk.unsynced {
		return nil
	}
	return f.file.Sync()
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.disk.failure("cut"); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func openFaulty(t *testing.T, dir string) (*Journal, *faultyDisk) {
	t.Helper()
	d := &faultyDisk{torn: 40}
	j, err := open(Options{Dir: dir, Tag: testTag}, d)
	if err != nil {
		t.Fatal(err)
	}
	return j, d
}

func mustAppend(t *testing.T, j *Journal, payload string) Position {
	t.Helper()
	p, err := j.Append([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What is refused because of the disk does not come back, what was acknowledged does, and
// appends go on when the disk does.
func TestADiskThatFailsRefusesAndForgets(t *testing.T) {
	for _, what := range []string{"write", "sync"} {
		for _, cut := range []error{nil, syscall.EIO} {
			for _, before := range []int{0, 2} {
				t.Run(fmt.Sprintf("%s, cut %v, after %d", what, cut, before), func(t *testing.T) {
					dir := t.TempDir()
					j, d := openFaulty(t, dir)
					var want []string
					for i := range before {
						want = append(want, fmt.Sprint("before ", i))
						mustAppend(t, j, want[i])
					}
					for i := range 3 {
						d.set("cut", cut)
						d.set(what, syscall.ENOSPC)
						if _, err := j.Append([]byte("refused")); !errors.Is(err, syscall.ENOSPC) {
							t.Fatalf("append: %v, want ENOSPC", err)
						}
						d.set(what, nil)
						d.set("cut", nil)
						want = append(want, fmt.Sprint("after ", i))
						if p := mustAppend(t, j, want[before+i]); p != Position(before+i+1) {
							t.Errorf("position %d, want %d", p, before+i+1)
						}
					}
					if n, _ := j.Waiting(); n != len(want) {
						t.Errorf("%d records wait, want %d", n, len(want))
					}
					mustClose(t, j)

					for range 2 {
						j, got := reopen(t, dir)
						sameList(t, "after a restart", got, want)
						if l := j.Losses(); len(l) > 0 {
							t.Errorf("losses %+v", l)
						}
						mustClose(t, j)
					}
				})
			}
		}
	}
}

// After a sync that failed nothing more goes into that file: a sync that succeeds later does
// not say that what was written before it is there.
func TestAfterASyncThatFailedTheNextRecordIsInAnotherFile(t *testing.T) {
	dir := t.TempDir()
	j, d := openFaulty(t, dir)
	mustAppend(t, j, "before")
	first := segmentPaths(t, dir)
	d.set("sync", syscall.EIO)
	if _, err := j.Append([]byte("refused")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("append: %v, want EIO", err)
	}
	d.set("sync", nil)
	size := len(readFile(t, first[0]))

	mustAppend(t, j, "after")

	if got := segmentPaths(t, dir); len(got) != 2 || len(readFile(t, first[0])) != size {
		t.Errorf("%d segments, and the first has %d bytes (%d before)", len(got), len(readFile(t, first[0])), size)
	}
	mustClose(t, j)
}

func TestASegmentThatCannotBeBegunRefuses(t *testing.T) {
	for _, what := range []string{"create", "folder"} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			j, d := openFaulty(t, dir)
			d.set(what, syscall.ENOSPC)
			if _, err := j.Append([]byte("refused")); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("append: %v, want ENOSPC", err)
			}
			d.set(what, nil)
			mustAppend(t, j, "one")
			mustClose(t, j)
			j, got := reopen(t, dir)
			sameList(t, "after a restart", got, []string{"one"})
			mustClose(t, j)
		})
	}
}

func TestWhatCannotBeMarkedAsDoneStays(t *testing.T) {
	dir := t.TempDir()
	j, d := openFaulty(t, dir)
	p := mustAppend(t, j, "one")
	d.set("cursor", syscall.EIO)
	if err := j.Done(p); !errors.Is(err, syscall.EIO) {
		t.Fatalf("done: %v, want EIO", err)
	}
	if n, _ := j.Waiting(); n != 1 {
		t.Errorf("%d records wait, want 1", n)
	}
	d.set("cursor", nil)
	if err := j.Done(p); err != nil {
		t.Fatal(err)
	}
	mustClose(t, j)
	j, got := reopen(t, dir)
	sameList(t, "after a restart", got, nil)
	mustClose(t, j)
}

func TestASegmentThatCannotBeRemovedIsRemovedLater(t *testing.T) {
	dir := t.TempDir()
	j, d := openFaulty(t, dir)
	d.set("remove", syscall.EIO)
	if err := j.Done(mustAppend(t, j, "one")); err != nil {
		t.Fatal(err)
	}
	if n := len(segmentPaths(t, dir)); n != 1 {
		t.Fatalf("%d segments, want the one that cannot be removed", n)
	}
	d.set("remove", nil)
	if err := j.Done(mustAppend(t, j, "two")); err != nil {
		t.Fatal(err)
	}
	if n := len(segmentPaths(t, dir)); n != 0 {
		t.Errorf("%d segments, want none", n)
	}
	mustClose(t, j)
}

// Whatever fails while a journal is opened, the folder is free again.
func TestAJournalThatCannotBeOpenedLeavesTheFolder(t *testing.T) {
	dir := t.TempDir()
	d := &faultyDisk{}
	d.set("create", syscall.ENOSPC)
	if _, err := open(Options{Dir: dir, Tag: testTag}, d); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("open: %v, want ENOSPC", err)
	}
	fill(t, dir, "one")
	if err := os.Rename(segmentPaths(t, dir)[0], filepath.Join(dir, "00000000000000ff"+suffix)); err != nil {
		t.Fatal(err)
	}
	d.set("create", nil)
	j, err := open(Options{Dir: dir, Tag: testTag}, d)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, j)
}
