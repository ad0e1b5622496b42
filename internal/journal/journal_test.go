package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"pryde/internal/journal"
)

// childDir is the folder of the journal to which a child process appends.
const childDir = "JOURNAL_TEST_APPEND_TO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		appendForever(dir)
	}
	goleak.VerifyTestMain(m)
}

var tag = journal.Tag{1, 2, 3, 4}

func open(t *testing.T, o journal.Options) *journal.Journal {
	t.Helper()
	o.Tag = tag
	j, err := journal.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func closed(t *testing.T, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, j *journal.Journal, payload string) journal.Position {
	t.Helper()
	p, err := j.Append([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func done(t *testing.T, j *journal.Journal, upTo journal.Position) {
	t.Helper()
	if err := j.Done(upTo); err != nil {
		t.Fatal(err)
	}
}

// left opens a journal, returns what is not done in it, and closes it.
func left(t *testing.T, dir string) []string {
	t.Helper()
	j := open(t, journal.Options{Dir: dir})
	defer closed(t, j)
	if losses := j.Losses(); losses != nil {
		t.Errorf("losses %v, want none", losses)
	}
	return payloads(j)
}

func payloads(j *journal.Journal) []string {
	var got []string
	for _, r := range j.Recovered() {
		got = append(got, string(r.Payload))
	}
	return got
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func segments(t *testing.T, dir string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestWhatIsAppendedIsThereInOrder(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir})
	first, second := add(t, j, "one"), add(t, j, "")
	closed(t, j)

	expect(t, "after a restart", left(t, dir), "one", "")
	if first >= second {
		t.Errorf("positions %d and %d do not grow", first, second)
	}
}

func TestWhatIsDoneDoesNotComeBack(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir})
	first := add(t, j, "one")
	second := add(t, j, "two")
	done(t, j, first)
	done(t, j, first)
	if err := j.Done(second + 1); err == nil {
		t.Error("a position beyond the last was marked as done")
	}
	closed(t, j)

	expect(t, "after one was done", left(t, dir), "two")

	j = open(t, journal.Options{Dir: dir})
	done(t, j, second)
	if third := add(t, j, "three"); third <= second {
		t.Errorf("position %d was given again (the last was %d)", third, second)
	}
	closed(t, j)
	expect(t, "after two were done", left(t, dir), "three")
}

func TestSegmentsThatAreDoneAreRemoved(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir, SegmentBytes: 256})
	defer func() { closed(t, j) }()
	var at []journal.Position
	for i := range 20 {
		at = append(at, add(t, j, fmt.Sprintf("record %d of some length", i)))
	}
	before := segments(t, dir)

	done(t, j, at[9])
	half := segments(t, dir)
	done(t, j, at[19])

	if before < 4 || half >= before || half < 2 {
		t.Errorf("%d segments, %d when half was done", before, half)
	}
	if got := segments(t, dir); got != 0 {
		t.Errorf("%d segments when everything is done, want none", got)
	}
	if n, bytes := j.Waiting(); n != 0 || bytes != 0 {
		t.Errorf("%d records of %d bytes wait, want none", n, bytes)
	}
	add(t, j, "again")
}

func TestTheJournalIsBounded(t *testing.T) {
	for name, o := range map[string]journal.Options{
		"in records": {MaxRecords: 3},
		"in bytes":   {MaxBytes: 3*(28+5) + 10},
	} {
		t.Run(name, func(t *testing.T) {
			o.Dir = t.TempDir()
			j := open(t, o)
			for i := range 3 {
				add(t, j, fmt.Sprintf("rec %d", i))
			}
			if _, err := j.Append([]byte("rec 3")); !errors.Is(err, journal.ErrFull) {
				t.Errorf("the fourth of three: %v, want ErrFull", err)
			}
			done(t, j, 1)
			add(t, j, "rec 4")
			closed(t, j)

			expect(t, "after a restart", left(t, o.Dir), "rec 1", "rec 2", "rec 4")
			j = open(t, o)
			defer closed(t, j)
			if _, err := j.Append([]byte("rec 5")); !errors.Is(err, journal.ErrFull) {
				t.Errorf("after a restart: %v, want ErrFull", err)
			}
		})
	}
}

func TestWhatIsTooLongIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir, MaxBytes: 4 << 20})
	if _, err := j.Append(make([]byte, journal.MaxPayload+1)); !errors.Is(err, journal.ErrTooLong) {
		t.Errorf("a byte too many: %v, want ErrTooLong", err)
	}
	long := strings.Repeat("x", journal.MaxPayload)
	add(t, j, long)
	closed(t, j)
	expect(t, "the longest", left(t, dir), long)
}

func TestOneJournalHasTheFolder(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir})
	defer closed(t, j)
	if other, err := journal.Open(journal.Options{Dir: dir, Tag: tag}); err == nil {
		closed(t, other)
		t.Error("a second journal opened the folder")
	}
}

func TestAForeignJournalIsRefused(t *testing.T) {
	for name, use := range map[string]func(*journal.Journal){
		"never used":    func(*journal.Journal) {},
		"that is empty": func(j *journal.Journal) { done(t, j, add(t, j, "one")) },
		"with records":  func(j *journal.Journal) { add(t, j, "one") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, journal.Options{Dir: dir})
			use(j)
			closed(t, j)
			other, err := journal.Open(journal.Options{Dir: dir, Tag: journal.Tag{9}})
			if err == nil {
				closed(t, other)
			}
			if !errors.Is(err, journal.ErrForeign) {
				t.Errorf("opened with another tag: %v, want ErrForeign", err)
			}
		})
	}
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir})
	add(t, j, "one")
	closed(t, j)
	if err := os.Remove(filepath.Join(dir, "cursor")); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(journal.Options{Dir: dir, Tag: journal.Tag{9}}); !errors.Is(err, journal.ErrForeign) {
		t.Errorf("without its cursor: %v, want ErrForeign", err)
	}
}

func TestAfterCloseNothingIsTaken(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir()})
	e, err := j.Enqueue([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	closed(t, j)
	if _, err := e.Wait(); err != nil {
		t.Errorf("what was enqueued before: %v", err)
	}
	if _, err := j.Append([]byte("after")); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("append: %v, want ErrClosed", err)
	}
	if err := j.Done(1); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("done: %v, want ErrClosed", err)
	}
}

func TestManyAppendAtOnce(t *testing.T) {
	const callers, each = 32, 50
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir, SegmentBytes: 4 << 10})
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := range each {
				p, err := j.Append(fmt.Appendf(nil, "%d %d", c, i))
				if err != nil {
					t.Error(err)
					return
				}
				if c == 0 && i == each/2 {
					if err := j.Done(p); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	closed(t, j)

	j = open(t, journal.Options{Dir: dir})
	defer closed(t, j)
	next := map[string]int{}
	last := journal.Position(0)
	for _, r := range j.Recovered() {
		c, n, _ := strings.Cut(string(r.Payload), " ")
		i, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		if want, seen := next[c]; seen && i != want {
			t.Fatalf("caller %s: %d follows where %d should", c, i, want)
		}
		if last != 0 && r.Position != last+1 {
			t.Fatalf("position %d follows %d", r.Position, last)
		}
		next[c], last = i+1, r.Position
	}
	if len(next) != callers || next["0"] != each {
		t.Errorf("%d callers are there, the first up to %d", len(next), next["0"])
	}
}

func TestEnqueueKeepsTheOrderOfTheCalls(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir})
	var entries []*journal.Entry
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprint(i))
		e, err := j.Enqueue([]byte(want[i]))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	for i, e := range entries {
		if p, err := e.Wait(); err != nil || p != journal.Position(i+1) {
			t.Fatalf("record %d: position %d, error %v", i, p, err)
		}
	}
	closed(t, j)
	expect(t, "after a restart", left(t, dir), want...)
}

// appendForever appends until the process is killed, and says what is durable.
func appendForever(dir string) {
	j, err := journal.Open(journal.Options{Dir: dir, Tag: tag, SegmentBytes: 1 << 10})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	start := 0
	for _, r := range j.Recovered() {
		if start, err = strconv.Atoi(string(r.Payload)); err != nil {
			os.Exit(1)
		}
	}
	for i := start + 1; ; i++ {
		p, err := j.Append([]byte(strconv.Itoa(i)))
		if err == nil && i%7 == 0 {
			err = j.Done(p - 3)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

func TestAKilledProcessLosesNothingThatItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	before := 0
	for round := range 12 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		acked := before
		for lines := bufio.NewScanner(out); lines.Scan(); {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("the child said %q", lines.Text())
			}
			if acked = n; n == before+20+round {
				_ = child.Process.Kill() // it may have ended by itself, and then the next line is missing
			}
		}
		_ = child.Wait()

		j := open(t, journal.Options{Dir: dir})
		records := j.Recovered()
		if len(records) == 0 || j.Losses() != nil {
			t.Fatalf("%d records, losses %v", len(records), j.Losses())
		}
		for i, r := range records {
			if want := fmt.Sprint(int(records[0].Position) + i); string(r.Payload) != want || fmt.Sprint(r.Position) != want {
				t.Fatalf("record %s at %d, want %s", r.Payload, r.Position, want)
			}
		}
		first, last := int(records[0].Position), int(records[len(records)-1].Position)
		if marked := (acked + 1) - (acked+1)%7; last < acked || first > max(marked-2, 1) {
			t.Fatalf("%d to %d are there; acknowledged up to %d", first, last, acked)
		}
		before = last
		closed(t, j)
	}
}
