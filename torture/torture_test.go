package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
	"pryde/torture/powercut"
)

// durationVariable changes how long the server is tortured, such as 5m.
const durationVariable = "TORTURE_DURATION"

// On each store; on MongoDB until some messages are acknowledged and a few faults have happened.
func TestTheServerKeepsItsPromises(t *testing.T) {
	binary, err := build(t.Context(), t.TempDir(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []config{
		{store: sqlite, duration: 10 * time.Second},
		{store: onMongo, nodes: 1, duration: 2 * time.Minute, messages: 300, faults: 3, only: []string{"server killed", "server replaced", "connections reset"}},
		{store: mongoJournal, duration: 2 * time.Minute, messages: 300, faults: 3, only: []string{"server stopped", "mongod killed", "network cut"}},
	} {
		t.Run(string(c.store), func(t *testing.T) {
			c.binary, c.seed, c.out = binary, uint64(time.Now().UnixNano()), os.Stderr
			if testing.Short() && c.store == sqlite {
				c.duration = 5 * time.Second
			}
			if text := os.Getenv(durationVariable); text != "" {
				if c.duration, err = time.ParseDuration(text); err != nil {
					t.Fatal(err)
				}
				c.messages, c.faults, c.only = 0, 0, nil
			}

			r, err := run(t.Context(), c)

			if errors.Is(err, mongod.ErrNone) && os.Getenv("CI") != "true" {
				fmt.Fprintln(os.Stderr, "MONGODB IS NOT TESTED HERE:", err)
				t.Skip("there is no mongod")
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := r.verdict(os.Stderr); err != nil {
				t.Error(err)
			}
			acked, seen, grouped := messages(r.history), r.history.Count(testkit.Saw), inGroups(r.history)
			if acked < 100 || grouped < 20 || seen < acked || r.total() == 0 {
				t.Errorf("%d acknowledgements, %d messages in groups, %d events and %d faults: the run proves nothing", acked, grouped, seen, r.total())
			}
		})
	}
}

func TestEveryPlantFitsTheCode(t *testing.T) {
	root, err := testkit.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range plantNames() {
		t.Run(name, func(t *testing.T) {
			w := &world{config: config{store: plants[name].store, only: plants[name].faults}, disk: &powercut.FS{}}
			if deck := w.shuffled(w.randomness(0)); len(deck) == 0 || len(w.only) > 0 && len(deck) != len(w.only) {
				t.Errorf("%d faults for %q", len(deck), w.only)
			}
			if _, err := overlay(root, t.TempDir(), name); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAPlantThatDoesNotFitIsTold(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "f.go"), []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, want := range map[string]string{"two": "2 times", "three": "0 times"} {
		_, err := plant{edits: []edit{{file: "f.go", old: old, new: "x"}}}.overlay(root, t.TempDir(), "test")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := overlay(root, t.TempDir(), "weeds"); err == nil || !strings.Contains(err.Error(), "no-dedup") {
		t.Errorf("error %v, want the names that there are", err)
	}
}

func TestSeveralEditsOfOneFileAddUp(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "f.go"), []byte("one two"), 0o600); err != nil {
		t.Fatal(err)
	}

	_, err := plant{edits: []edit{{file: "f.go", old: "one", new: "1"}, {file: "f.go", old: "two", new: "2"}}}.overlay(root, dir, "test")

	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "f.go")); string(got) != "1 2" || err != nil {
		t.Errorf("the changed file is %q (%v), want both edits", got, err)
	}
}

func TestTheCommandRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{{"-duration", "0s"}, {"-duration", "48h"}, {"-plant", "weeds"}, {"-store", "paper"}, {"-nodes", "8"}, {"-faults", "-1"}, {"-only", "step-down"}, {"-nonsense"}} {
		var out strings.Builder
		if err := command(t.Context(), args, &out, &out); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
