package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var testTag = Tag{7}

// reopen opens a journal and returns what it found.
func reopen(t *testing.T, dir string) (*Journal, []string) {
	t.Helper()
	j, err := open(Options{Dir: dir, Tag: testTag, SegmentBytes: 400}, &faultyDisk{unsynced: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range j.Recovered() {
		got = append(got, string(r.Payload))
	}
	return j, got
}

func mustClose(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// fill appends records, each in a group of its own.
func fill(t *testing.T, dir string, payloads ...string) {
	t.Helper()
	j, _ := reopen(t, dir)
	for _, p := range payloads {
		if _, err := j.Append([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, j)
}

func numbered(from, to int) []string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprintf("the record with the number %d", i))
	}
	return all
}

func segmentPaths(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return paths
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyFolder copies a journal that nobody has open.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func sameList(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// A crash leaves any part of what was being written: whatever the newest segment ends with,
// the whole records in front of it are there, and the journal goes on.
func TestATornTailIsCutOffAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	all := numbered(1, 16)
	fill(t, dir, all...)
	paths := segmentPaths(t, dir)
	newest := paths[len(paths)-1]
	whole := readFile(t, newest)
	for size := range len(whole) {
		for name, garbage := range map[string][]byte{"nothing": nil, "zeroes": make([]byte, 100), "noise": bytes.Repeat([]byte{0xd7, 'r', 'e', 0xc1, 0, 0, 0}, 30)} {
			torn := copyFolder(t, dir)
			writeFile(t, filepath.Join(torn, filepath.Base(newest)), append(slices.Clone(whole[:size]), garbage...))
			before := scanSegment(whole[:size], mustNumber(t, newest), testTag)
			want := all[:16-len(scanSegment(whole, mustNumber(t, newest), testTag).records)+len(before.records)]

			j, got := reopen(t, torn)
			if len(j.Losses()) > 0 && size >= headerLength {
				t.Fatalf("%d bytes and %s: losses %v", size, name, j.Losses())
			}
			sameList(t, fmt.Sprintf("%d bytes and %s", size, name), got, want)
			if _, err := j.Append([]byte("after")); err != nil {
				t.Fatal(err)
			}
			mustClose(t, j)
			j, got = reopen(t, torn)
			sameList(t, fmt.Sprintf("%d bytes and %s, reopened", size, name), got, append(slices.Clone(want), "after"))
			if len(j.Losses()) > 0 {
				t.Fatalf("%d bytes and %s, reopened: losses %v", size, name, j.Losses())
			}
			mustClose(t, j)
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

func mustNumber(t *testing.T, path string) uint64 {
	t.Helper()
	n, ok := segmentNumber(path)
	if !ok {
		t.Fatalf("%s is no segment", path)
	}
	return n
}

// Whatever byte of a durable record is damaged, that record is reported and the others are kept,
// those behind it too.
func TestDamageInTheMiddleIsReportedAndWhatIsBehindItKept(t *testing.T) {
	dir := t.TempDir()
	all := numbered(1, 16)
	fill(t, dir, all...)
	paths := segmentPaths(t, dir)
	if len(paths) < 2 {
		t.Fatalf("%d segments, want more", len(paths))
	}
	for _, path := range paths {
		whole := readFile(t, path)
		s := scanSegment(whole, mustNumber(t, path), testTag)
		newest := path == paths[len(paths)-1]
		for i, r := range s.records {
			if newest && i == len(s.records)-1 {
				break // it could as well be torn
			}
			for at := r.end - recordSize(len(r.payload)); at < r.end; at++ {
				hurt := copyFolder(t, dir)
				b := slices.Clone(whole)
				b[at] ^= 0x41
				writeFile(t, filepath.Join(hurt, filepath.Base(path)), b)

				j, got := reopen(t, hurt)
				sameList(t, fmt.Sprintf("byte %d of %s", at, filepath.Base(path)), got, slices.Delete(slices.Clone(all), int(r.position)-1, int(r.position)))
				losses := j.Losses()
				if len(losses) != 1 || losses[0].From != r.position || losses[0].To != r.position || losses[0].Segment == "" {
					t.Fatalf("byte %d of %s: losses %+v, want position %d", at, filepath.Base(path), losses, r.position)
				}
				if err := j.Done(16); err != nil {
					t.Fatal(err)
				}
				mustClose(t, j)
				kept, err := filepath.Glob(filepath.Join(hurt, "*"+damaged))
				if err != nil || len(kept) == 0 {
					t.Fatalf("no damaged segment was kept (%v)", err)
				}
				j, got = reopen(t, hurt)
				sameList(t, "when everything is done", got, nil)
				if len(j.Losses()) > 0 {
					t.Fatalf("when everything is done: losses %+v", j.Losses())
				}
				mustClose(t, j)
			}
		}
	}
}

func TestASegmentThatIsGoneIsReported(t *testing.T) {
	dir := t.TempDir()
	all := numbered(1, 16)
	fill(t, dir, all...)
	paths := segmentPaths(t, dir)
	s := scanSegment(readFile(t, paths[0]), mustNumber(t, paths[0]), testTag)
	if err := os.Remove(paths[0]); err != nil {
		t.Fatal(err)
	}

	j, got := reopen(t, dir)
	defer mustClose(t, j)

	n := len(s.records)
	sameList(t, "without the first segment", got, all[n:])
	if l := j.Losses(); len(l) != 1 || l[0].From != 1 || l[0].To != Position(n) {
		t.Errorf("losses %+v, want 1 to %d", l, n)
	}
}

func TestADamagedHeaderLosesNoRecord(t *testing.T) {
	dir := t.TempDir()
	all := numbered(1, 16)
	fill(t, dir, all...)
	for _, path := range segmentPaths(t, dir) {
		for at := range headerLength {
			hurt := copyFolder(t, dir)
			b := readFile(t, path)
			b[at] ^= 0x41
			writeFile(t, filepath.Join(hurt, filepath.Base(path)), b)
			j, got := reopen(t, hurt)
			sameList(t, fmt.Sprintf("byte %d of %s", at, filepath.Base(path)), got, all)
			mustClose(t, j)
		}
	}
}

func TestASegmentOfGarbageIsKeptAside(t *testing.T) {
	dir := t.TempDir()
	all := numbered(1, 16)
	fill(t, dir, all...)
	paths := segmentPaths(t, dir)
	newest := paths[len(paths)-1]
	rest := len(scanSegment(readFile(t, newest), mustNumber(t, newest), testTag).records)
	writeFile(t, newest, []byte(strings.Repeat("garbage ", 50)))

	j, got := reopen(t, dir)
	defer mustClose(t, j)

	sameList(t, "what is left", got, all[:16-rest])
	if l := j.Losses(); len(l) != 1 || l[0].Segment != filepath.Base(newest) {
		t.Errorf("losses %+v, want one of %s", l, filepath.Base(newest))
	}
	if _, err := os.Stat(newest + damaged); err != nil {
		t.Error(err)
	}
}

// A group that was not durable may lose any of its pages: what is missing in it was never
// acknowledged, and is not reported, then and later.
func TestAHoleInAGroupThatWasNotDurableIsNoLoss(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, numbered(1, 2)...)
	path := segmentPaths(t, dir)[0]
	b := readFile(t, path)
	from := seedOf(mustNumber(t, path), testTag)
	b = from.appendRecord(b, 3, 2, []byte("three"))
	hole := len(b)
	b = from.appendRecord(b, 4, 2, []byte("four"))
	end := len(b)
	b = from.appendRecord(b, 5, 2, []byte("five"))
	clear(b[hole:end])
	writeFile(t, path, b)

	want := append(numbered(1, 2), "three", "five")
	for i := range 3 {
		j, got := reopen(t, dir)
		sameList(t, fmt.Sprintf("opened %d times before", i), got, want)
		if l := j.Losses(); len(l) > 0 {
			t.Errorf("opened %d times before: losses %+v", i, l)
		}
		next := fmt.Sprint("more ", i)
		if p, err := j.Append([]byte(next)); err != nil || p != Position(6+i) {
			t.Errorf("position %d, error %v, want %d", p, err, 6+i)
		}
		want = append(want, next)
		mustClose(t, j)
	}
}

func TestACursorThatIsDamagedGivesBackWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	all := numbered(1, 40)
	fill(t, dir, all...)
	j, _ := reopen(t, dir)
	for _, p := range []Position{3, 20} {
		if err := j.Done(p); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, j)
	path := filepath.Join(dir, cursorName)
	whole := readFile(t, path)

	one := copyFolder(t, dir)
	b := slices.Clone(whole)
	b[slotStride+12] ^= 1 // the second slot was used first, then the first: either may be the newer
	writeFile(t, filepath.Join(one, cursorName), b)
	other := copyFolder(t, dir)
	b = slices.Clone(whole)
	b[12] ^= 1
	writeFile(t, filepath.Join(other, cursorName), b)
	both := copyFolder(t, dir)
	writeFile(t, filepath.Join(both, cursorName), nil)

	for name, hurt := range map[string]string{"one slot": one, "the other slot": other, "the whole cursor": both} {
		j, got := reopen(t, hurt)
		if len(got) < 20 || !slices.Equal(got, all[40-len(got):]) {
			t.Errorf("%s: %d records %q", name, len(got), got)
		}
		if l := j.Losses(); name == "the whole cursor" && len(l) > 0 {
			t.Errorf("%s: losses %+v", name, l)
		}
		mustClose(t, j)
	}
}
