package powercut

import (
	"bufio"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pryde/internal/journal"
)

// journalCallers is how many append at once, so that groups of several records are torn.
const journalCallers = 4

func openJournal(path string) (*journal.Journal, error) {
	return journal.Open(journal.Options{Dir: path, Tag: journal.Tag{1}, SegmentBytes: 32 << 10})
}

// appendRecords appends to a journal until the disk ends. It says the position and the payload
// of a record once that is durable, and before it marks records as done up to which.
func appendRecords(path string) error {
	j, err := openJournal(path)
	if err != nil {
		return err
	}
	if l := j.Losses(); len(l) > 0 {
		return fmt.Errorf("losses: %+v", l)
	}
	var all sync.WaitGroup
	failed := make(chan error, journalCallers)
	for c := range journalCallers {
		all.Go(func() {
			for n := 1; ; n++ {
				text := fmt.Sprintf("%d-%d-%s", c, n, strings.Repeat("x", n*977%6000))
				p, err := j.Append([]byte(text))
				if err == nil {
					fmt.Printf("acked %d %s\n", p, text[:min(len(text), 20)])
				}
				if err == nil && c == 0 && n%10 == 0 {
					fmt.Printf("done %d -\n", p)
					err = j.Done(p)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	return <-failed
}

// readRecords says what is in a journal.
func readRecords(path string) error {
	j, err := openJournal(path)
	if err != nil {
		return err
	}
	if l := j.Losses(); len(l) > 0 {
		return fmt.Errorf("losses: %+v", l)
	}
	for _, r := range j.Recovered() {
		fmt.Printf("there %d %s\n", r.Position, r.Payload[:min(len(r.Payload), 20)])
	}
	return j.Close()
}

// heard is what a child said of a journal.
type heard struct {
	records map[uint64]string // by position
	done    uint64
}

func (h *heard) line(text string) bool {
	var what, payload string
	var p uint64
	if _, err := fmt.Sscan(text, &what, &p, &payload); err != nil {
		return false
	}
	if what == "done" {
		h.done = max(h.done, p)
	} else {
		h.records[p] = payload
	}
	return true
}

// Whatever a cut leaves of the disk, a journal has what it acknowledged, and takes nothing of what
// was torn for damage.
func TestAJournalKeepsWhatItSynced(t *testing.T) {
	f, dir := mounted(t, Options{Seed: 1})
	path := filepath.Join(dir, "journal")
	kept := &heard{records: map[uint64]string{}}
	for cut := range sqliteCuts {
		cmd := child(t, "append", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for seen := 0; lines.Scan(); seen++ {
			if !kept.line(lines.Text()) {
				if seen < 10 {
					t.Fatalf("cut %d: the child said %q", cut, lines.Text())
				}
				break // the child has noticed that its disk is gone
			}
			if seen == 10+cut {
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

		found, err := child(t, "recover", path).Output()

		if err != nil {
			t.Fatalf("cut %d: %v: %s", cut, err, found)
		}
		there := &heard{records: map[uint64]string{}}
		for text := range strings.Lines(string(found)) {
			there.line(text)
		}
		for p, payload := range kept.records {
			if p > kept.done && there.records[p] != payload {
				t.Fatalf("cut %d: at %d is %q, acknowledged was %q (done up to %d)", cut, p, there.records[p], payload, kept.done)
			}
		}
	}
	if len(kept.records) < 10*sqliteCuts {
		t.Errorf("only %d records were acknowledged", len(kept.records))
	}
}
