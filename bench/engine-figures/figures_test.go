package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tiny makes every measurement as short as it can be.
var tiny = []string{
	"-rounds", "1", "-idle", "40", "-library-idle", "40", "-polling-idle", "20", "-settle", "100ms", "-waves", "1",
	"-warm-up", "50ms", "-window", "200ms", "-connects", "100", "-room", "100", "-large-room", "200", "-broadcasts", "100",
}

// compared returns the systems that can be tried here, beside ours.
func compared(t *testing.T) []string {
	t.Helper()
	_, err := exec.LookPath("npm")
	switch {
	case err == nil:
		return []string{library, node}
	case os.Getenv("CI") != "":
		t.Fatal("there is no npm here: the reference was not measured")
	}
	t.Log("THERE IS NO NPM HERE: THE REFERENCE IS NOT MEASURED")
	return []string{library}
}

func TestEverySystemIsMeasured(t *testing.T) {
	systems := compared(t)
	out := filepath.Join(t.TempDir(), "figures", "engine.json")
	args := append(tiny, "-out", out, "-systems", strings.Join(systems, ","), "-only", "idle,polling,room,paced,echo,connects")
	var table, progress bytes.Buffer

	code := run(t.Context(), args, &table, &progress)

	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, progress.String())
	}
	b, err := os.ReadFile(out)
	var r report
	if err := errors.Join(err, json.Unmarshal(b, &r)); err != nil {
		t.Fatal(err)
	}
	for _, f := range (config{}).figures() {
		if strings.HasPrefix(f.key, "product.") {
			continue
		}
		for _, system := range systems {
			// Forty connections may be cheaper than what a collection gives back meanwhile.
			if v, ok := r.value(f.key, system); !ok || v <= 0 && f.unit != "KiB" && f.unit != "times" && !strings.HasSuffix(f.key, ".unanswered") {
				t.Errorf("%s of %s is %v (measured: %v)", f.key, system, v, ok)
			}
		}
	}
	if !strings.Contains(table.String(), "| connects with a token | /s |") {
		t.Errorf("the table has no connects:\n%s", table.String())
	}
}

func TestSystemsTakeTurns(t *testing.T) {
	var progress bytes.Buffer

	code := run(t.Context(), append(tiny, "-rounds", "3", "-systems", strings.Join(compared(t), ","), "-only", "polling"), &bytes.Buffer{}, &progress)

	var turns []string
	for line := range strings.Lines(progress.String()) {
		if _, turn, ok := strings.Cut(strings.TrimSpace(line), "  polling, round "); ok {
			turns = append(turns, turn)
		}
	}
	want := "1, library; 1, node; 2, node; 2, library; 3, library; 3, node"
	if len(compared(t)) == 1 {
		want = "1, library; 2, library; 3, library"
	}
	if got := strings.Join(turns, "; "); code != 0 || got != want {
		t.Errorf("exit code %d, and the turns were %s, want %s", code, got, want)
	}
}

func TestGoalsAreHeldToTheMedian(t *testing.T) {
	c := config{systems: []string{ours, node}, waves: 10, room: 1_000, largeRoom: 2_000, broadcastsPerSecond: 20, connects: 30}
	b := &bench{config: c, results: results{
		"idle.rss":            {ours: {8.9, 8.1, 30}, node: {17}},
		"room.perCPU":         {ours: {299, 100, 1_000}, node: {100}},
		"paced.cpu":           {ours: {10}, node: {14}},
		"paced.p99":           {ours: {20}, node: {20}},
		"echo1.rate":          {ours: {120}},
		"connects.made":       {ours: {10, 10, 10}},
		"connects.unanswered": {ours: {0, 1, 0}},
	}}

	r := b.report(t.Context(), errors.Join(errors.New("one"), errors.New("two")))

	got := make(map[string]verdict)
	for _, v := range r.Goals {
		got[v.Name] = v
	}
	for _, want := range []verdict{
		{"memory of an idle connection, engine alone, KiB", "<= 9", 8.9, true},
		{"the same, next goal", "<= 8", 8.9, false},
		{"deliveries per second of processor, flat out, to Node", ">= 3x", 2.99, false},
		{"deliveries per second of processor, paced, to Node", ">= 1.40x", 1.4, true},
		{"p99 of these deliveries, to Node", "<= 1x", 1, true},
		{"p99 of these deliveries, ms", "<= 50", 20, true},
		{"connects without an answer, 1 processor", "<= 0", 1, false},
	} {
		if got[want.Name] != want {
			t.Errorf("%s: %+v, want %+v", want.Name, got[want.Name], want)
		}
	}
	if v, ok := got["echo at 1 connection, to Node"]; ok {
		t.Errorf("a goal against what was not measured is judged: %+v", v)
	}
	if text, want := r.summary(), "missed: connects without an answer, 1 processor: 1, wanted <= 0\n"; !strings.Contains(text, "goals met\n") || !strings.Contains(text, want) {
		t.Errorf("the summary is %q, want %q in it", text, want)
	}
	if text := r.markdown(); !strings.Contains(text, "8.90 (8.10-30)") || !strings.Contains(text, "**no**") || !strings.Contains(text, "- two\n") {
		t.Errorf("the tables lack something:\n%s", text)
	}
}

func TestGoalsOfConnectsAreJudgedWhenAllWereMade(t *testing.T) {
	for _, made := range []float64{19, 20} {
		b := &bench{config: config{connects: 30}, results: results{
			"connects2.made":       {ours: {10, made}, node: {30}},
			"connects2.unanswered": {ours: {0, 0}, node: {0}},
		}}

		r := b.report(t.Context(), nil)

		want := []verdict{{"connects without an answer, 2 processors", "<= 0", 0, true}}
		if made == 19 {
			want = nil
		}
		if !slices.Equal(r.Goals, want) {
			t.Errorf("with %.0f of 30 made the goals are %+v, want %+v", 10+made, r.Goals, want)
		}
	}
}

func TestConnectsThatFailCountAsUnanswered(t *testing.T) {
	c, err := parse(append(tiny, "-connects", "30"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{config: c, tmp: t.TempDir()}
	refusing := systemsOf([]string{ours})[0]
	refusing.token = "bad"

	figures, err := b.connectsOnBoth(t.Context(), refusing)

	want := map[string]float64{"connects.made": 30, "connects.unanswered": 30, "connects2.made": 30, "connects2.unanswered": 30}
	if !maps.Equal(figures, want) || err == nil || !strings.Contains(err.Error(), "CONNECT was answered") {
		t.Errorf("figures %v, error %v, want %v and an error", figures, err, want)
	}
}

func TestConnectsBeforeAnErrorAreCounted(t *testing.T) {
	b := &bench{tmp: t.TempDir()}
	server, err := b.start(t.Context(), systemsOf([]string{ours})[0], 1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Loop.Close()
	server.Stop()

	got, err := server.bursts(t.Context(), burstSize+1)

	if got.made != burstSize || got.unanswered != burstSize || len(got.rates) != 0 || err == nil {
		t.Errorf("%d made, %d unanswered, rates %v, error %v; want one burst of each and an error", got.made, got.unanswered, got.rates, err)
	}
}

func TestEveryGoalHasAFigure(t *testing.T) {
	known := make(map[string]bool)
	for _, f := range (config{}).figures() {
		known[f.key] = true
	}
	for _, g := range goals {
		for _, key := range []string{g.key, g.outOf} {
			if key != "" && !known[key] {
				t.Errorf("goal %q is about %s, which nobody measures", g.name, key)
			}
		}
	}
}

func TestMistakesInFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-only", "idle,nothing"}, {"-systems", "us"}, {"-rounds", "0"}, {"-settle", "0s"}, {"more"}, {"-short=x", "y"},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), args, &bytes.Buffer{}, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%q: exit code %d, %q", args, code, stderr.String())
		}
	}
}

func TestShortCanBeMadeLonger(t *testing.T) {
	c, err := parse([]string{"-short", "-rounds", "3"}, &bytes.Buffer{})

	if err != nil || c.rounds != 3 || c.idleRounds != 1 || c.idle != 500 {
		t.Errorf("%d rounds, %d of idle ones, %d idle connections, %v", c.rounds, c.idleRounds, c.idle, err)
	}
}
