package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pryde/internal/testkit"
)

// durationVariable changes how long the server is tortured, such as 5m.
const durationVariable = "TORTURE_DURATION"

func TestTheServerKeepsItsPromises(t *testing.T) {
	duration := 30 * time.Second
	if testing.Short() {
		duration = 5 * time.Second
	}
	if text := os.Getenv(durationVariable); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := build(t.Context(), t.TempDir(), "", false)
	if err != nil {
		t.Fatal(err)
	}

	r, err := run(t.Context(), config{binary: binary, duration: duration, seed: uint64(time.Now().UnixNano()), out: os.Stderr})

	if err != nil {
		t.Fatal(err)
	}
	if err := r.verdict(os.Stderr); err != nil {
		t.Error(err)
	}
	h := r.history
	if acked, seen, crashes := h.Count(testkit.Acked), h.Count(testkit.Saw), h.Count(testkit.Crashed); acked < 100 || seen < acked || crashes == 0 {
		t.Errorf("%d acknowledgements, %d events and %d crashes: the run proves nothing", acked, seen, crashes)
	}
}

func TestEveryPlantFitsTheCode(t *testing.T) {
	root, err := testkit.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range plantNames() {
		t.Run(name, func(t *testing.T) {
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
		_, err := plant{{file: "f.go", old: old, new: "x"}}.overlay(root, t.TempDir(), "test")
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

	_, err := plant{{file: "f.go", old: "one", new: "1"}, {file: "f.go", old: "two", new: "2"}}.overlay(root, dir, "test")

	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "f.go")); string(got) != "1 2" || err != nil {
		t.Errorf("the changed file is %q (%v), want both edits", got, err)
	}
}

func TestTheCommandRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{{"-duration", "0s"}, {"-duration", "48h"}, {"-plant", "weeds"}, {"-nonsense"}} {
		var out strings.Builder
		if err := command(t.Context(), args, &out, &out); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func TestAGateHoldsPeopleBackUntilItOpens(t *testing.T) {
	g := newGate()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.pass(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a closed gate answers %v, want the end of the context", err)
	}
	passed := make(chan error)
	go func() { passed <- g.pass(t.Context()) }()

	g.open()

	if err := <-passed; err != nil {
		t.Errorf("an open gate answers %v", err)
	}
	g.close()
	if err := g.pass(gone); err == nil {
		t.Error("a gate that was closed again lets people through")
	}
}
