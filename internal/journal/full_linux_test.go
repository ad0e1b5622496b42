package journal

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// TestAFullDisk fills a real file system of 256 KiB. It takes the right to mount one.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	j, err := Open(Options{Dir: dir, Tag: testTag, SegmentBytes: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	refused := 0
	for i := 0; refused < 20; i++ {
		text := fmt.Sprintf("%-1000d", i)
		switch _, err := j.Append([]byte(text)); {
		case err == nil:
			want = append(want, text)
		case errors.Is(err, syscall.ENOSPC):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if len(want) < 100 {
		t.Fatalf("%d records found room, want more", len(want))
	}
	if err := j.Done(40); err != nil {
		t.Fatalf("done on a full disk: %v", err)
	}
	want = append(want, "there is room again")
	mustAppend(t, j, "there is room again")
	mustClose(t, j)

	j, err = Open(Options{Dir: dir, Tag: testTag})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range j.Recovered() {
		got = append(got, string(r.Payload))
	}
	sameList(t, "after a restart", got, want[40:])
	if l := j.Losses(); len(l) > 0 {
		t.Errorf("losses %+v", l)
	}
	mustClose(t, j)
}
