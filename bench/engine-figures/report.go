package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pryde/bench/sample"
)

// A figure says what a key of the results means, in the order of the tables.
type figure struct {
	key, name, unit string
	summed          bool // rounds are added up; else their median counts
}

// figures returns all of them, in words that fit the configuration.
func (c config) figures() []figure {
	again := fmt.Sprintf("the same after %d more waves", c.waves)
	out := []figure{
		{key: "idle.connections", name: "idle connections"},
		{key: "idle.rss", name: fmt.Sprintf("memory of each, %s after the last connect", c.settle), unit: "KiB"},
		{key: "idle.again", name: again, unit: "KiB"},
		{key: "idle.growth", name: "growth by the waves", unit: "times"},
		{key: "polling.connections", name: "idle connections on polling"},
		{key: "polling.rss", name: fmt.Sprintf("memory of each, %s after the last connect", c.settle), unit: "KiB"},
		{key: "product.connections", name: "idle connections to the whole product"},
		{key: "product.rss", name: fmt.Sprintf("memory of each, %s after the last connect", c.settle), unit: "KiB"},
		{key: "product.again", name: again, unit: "KiB"},
		{key: "product.growth", name: "growth by the waves", unit: "times"},
		{key: "room.perCPU", name: fmt.Sprintf("room of %d flat out, deliveries per second of the server's processor", c.room), unit: "/s"},
		{key: "room.rate", name: fmt.Sprintf("room of %d flat out, %d in flight, deliveries", c.room, c.inFlight), unit: "/s"},
		{key: "room.client", name: "the client's share of its processor meanwhile"},
	}
	for _, room := range []struct {
		key  string
		size int
	}{{"paced", c.room}, {"pacedLarge", c.largeRoom}} {
		of := fmt.Sprintf("%d broadcasts/s to %d, ", c.broadcastsPerSecond, room.size)
		out = append(out,
			figure{key: room.key + ".cpu", name: of + "the server's processor for a delivery", unit: "µs"},
			figure{key: room.key + ".p50", name: of + "delivered, p50", unit: "ms"},
			figure{key: room.key + ".p99", name: of + "delivered, p99", unit: "ms"})
	}
	for _, n := range echoCounts {
		at := fmt.Sprintf("echo at %d connections, ", n)
		key := fmt.Sprintf("echo%d.", n)
		out = append(out,
			figure{key: key + "rate", name: at + "round trips", unit: "/s"},
			figure{key: key + "cpu", name: at + "the server's processor for a round trip", unit: "µs"},
			figure{key: key + "p50", name: at + "p50", unit: "ms"},
			figure{key: key + "p99", name: at + "p99", unit: "ms"},
			figure{key: key + "client", name: "the client's share of its processor meanwhile"})
	}
	return append(out,
		figure{key: "connects.rate", name: "connects with a token", unit: "/s"},
		figure{key: "connects.cpu", name: "the server's processor for a connect and its end", unit: "µs"},
		figure{key: "connects.made", name: "connects in all, server on 1 processor", summed: true},
		figure{key: "connects.unanswered", name: "of these refused, lost, or without an answer in 10 s", summed: true},
		figure{key: "connects2.made", name: "connects in all, server on 2 processors", summed: true},
		figure{key: "connects2.unanswered", name: "of these refused, lost, or without an answer in 10 s", summed: true})
}

// of returns the number of a system that counts, over the rounds.
func (f figure) of(values []float64) float64 {
	if !f.summed {
		return sample.Median(values)
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum
}

// A report is what a run found.
type report struct {
	Machine machine   `json:"machine"`
	Rounds  int       `json:"rounds"`
	Systems []string  `json:"systems"`
	Rows    []row     `json:"figures"`
	Goals   []verdict `json:"goals"`
	Failed  []string  `json:"failed,omitempty"` // what could not be measured
}

// A row is one figure of every system that has it.
type row struct {
	Key    string               `json:"key"`
	Name   string               `json:"name"`
	Unit   string               `json:"unit"`
	Values map[string]float64   `json:"values"` // that count, by system
	Rounds map[string][]float64 `json:"rounds"` // every round, by system
}

// report puts what was measured in order. failed is what could not be.
func (b *bench) report(ctx context.Context, failed error) report {
	r := report{Machine: describe(ctx), Rounds: b.rounds, Systems: b.systems}
	for _, f := range b.figures() {
		rounds := b.results[f.key]
		if len(rounds) == 0 {
			continue
		}
		w := row{Key: f.key, Name: f.name, Unit: f.unit, Values: make(map[string]float64), Rounds: rounds}
		for system, values := range rounds {
			w.Values[system] = f.of(values)
		}
		r.Rows = append(r.Rows, w)
	}
	for _, g := range goals {
		if v, ok := g.judge(b.config, r.value); ok {
			r.Goals = append(r.Goals, v)
		}
	}
	if failed != nil {
		r.Failed = strings.Split(failed.Error(), "\n")
	}
	return r
}

// value returns the number of a system that counts.
func (r report) value(key, system string) (float64, bool) {
	i := slices.IndexFunc(r.Rows, func(w row) bool { return w.Key == key })
	if i < 0 {
		return 0, false
	}
	v, ok := r.Rows[i].Values[system]
	return v, ok
}

// markdown writes the tables.
func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. Median of %d rounds.\n\n", r.Machine, r.Rounds)
	fmt.Fprint(&b, "| figure | unit |")
	for _, system := range r.Systems {
		fmt.Fprintf(&b, " %s |", labels[system])
	}
	fmt.Fprintf(&b, "\n|---|---|%s\n", strings.Repeat("---|", len(r.Systems)))
	for _, w := range r.Rows {
		fmt.Fprintf(&b, "| %s | %s |", w.Name, w.Unit)
		for _, system := range r.Systems {
			text := ""
			if v, ok := w.Values[system]; ok {
				text = number(v) + spread(w.Rounds[system])
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		fmt.Fprintln(&b)
	}
	if len(r.Goals) > 0 {
		fmt.Fprint(&b, "\n| goal | wanted | measured | met |\n|---|---|---|---|\n")
	}
	for _, g := range r.Goals {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", g.Name, g.Wanted, number(g.Measured), map[bool]string{true: "yes", false: "**no**"}[g.Met])
	}
	for i, f := range r.Failed {
		if i == 0 {
			fmt.Fprint(&b, "\nNot measured:\n\n")
		}
		fmt.Fprintf(&b, "- %s\n", f)
	}
	return b.String()
}

// summary says in a few lines which goals were met.
func (r report) summary() string {
	var missed []string
	for _, g := range r.Goals {
		if !g.Met {
			missed = append(missed, fmt.Sprintf("missed: %s: %s, wanted %s\n", g.Name, number(g.Measured), g.Wanted))
		}
	}
	return fmt.Sprintf("%d of %d goals met\n", len(r.Goals)-len(missed), len(r.Goals)) + strings.Join(missed, "")
}

// spread writes the smallest and the largest of several rounds where they differ.
func spread(values []float64) string {
	low, high := number(slices.Min(values)), number(slices.Max(values))
	if low == high {
		return ""
	}
	return " (" + low + "-" + high + ")"
}

// number writes three significant places of what is small and no fraction of what is large.
func number(v float64) string {
	switch {
	case v == float64(int64(v)), v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}

// write writes the report as JSON. A folder that is not there is made.
func (r report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, append(b, '\n'), 0o644))
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
