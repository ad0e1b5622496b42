package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pryde/internal/testkit"
)

// maxShown is how many violations of one rule are printed; the history shows them all.
const maxShown = 5

// A report is what a run came to.
type report struct {
	seed       uint64
	store      store
	took       time.Duration
	faults     map[string]int
	history    *testkit.History
	book       string // names the file with what the servers printed; it is there where something was broken
	violations []testkit.Violation
}

// total is how many faults happened.
func (r report) total() (n int) {
	for _, one := range r.faults {
		n += one
	}
	return n
}

// counts says how often each fault happened.
func (r report) counts() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.faults)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, r.faults[name]))
	}
	return strings.Join(parts, ", ")
}

// broken says how often which promise was broken.
func (r report) broken() string {
	count := map[testkit.Rule]int{}
	for _, v := range r.violations {
		count[v.Rule]++
	}
	var parts []string
	for _, rule := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%s %d", rule, count[rule]))
	}
	return strings.Join(parts, ", ")
}

// missed counts the messages that came by a sync.
func missed(h *testkit.History) int {
	n := 0
	for _, e := range h.Entries() {
		if e.Kind == testkit.Synced {
			n += len(e.Items)
		}
	}
	return n
}

// messages counts what was acknowledged, each attempt once.
func messages(h *testkit.History) int {
	attempts := map[string]bool{}
	for _, e := range h.Entries() {
		if e.Kind == testkit.Acked {
			attempts[e.Attempt] = true
		}
	}
	return len(attempts)
}

// inGroups counts what is stored in groups.
func inGroups(h *testkit.History) int {
	stored := map[string]bool{}
	for _, e := range h.Entries() {
		if e.Kind == testkit.Stored && e.Group != "" {
			for _, m := range e.Items {
				stored[m.Message] = true
			}
		}
	}
	return len(stored)
}

// recovered counts the sockets that were told what they missed.
func recovered(h *testkit.History) int {
	n := 0
	for _, e := range h.Entries() {
		if e.Kind == testkit.Connected && e.Since > 0 {
			n++
		}
	}
	return n
}

// verdict prints the run. Where promises were broken it keeps the history in a file and
// returns an error.
func (r report) verdict(out io.Writer) error {
	h := r.history
	_, err := fmt.Fprintf(out, "torture: %s, seed %d, %s: %d messages acknowledged, %d stored in groups, %d tries, %d events seen, %d syncs with %d messages, %d recoveries; %d faults (%s); %d violations\n",
		r.store, r.seed, r.took.Round(100*time.Millisecond), messages(h), inGroups(h), h.Count(testkit.Tried), h.Count(testkit.Saw), h.Count(testkit.Synced), missed(h), recovered(h),
		r.total(), r.counts(), len(r.violations))
	if err != nil || len(r.violations) == 0 {
		return err
	}
	shown := map[testkit.Rule]int{}
	for _, v := range r.violations {
		if shown[v.Rule]++; shown[v.Rule] > maxShown {
			continue
		}
		if _, err := fmt.Fprintln(out, " ", v); err != nil {
			return err
		}
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("torture-%d.jsonl", r.seed))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(h.Write(f), f.Close()); err != nil {
		return err
	}
	return fmt.Errorf("broken promises (%s); the history is in %s, the log in %s", r.broken(), path, r.book)
}
