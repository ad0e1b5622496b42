package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A figure is one thing that was measured.
type figure struct {
	Store    kind     `json:"store"`
	Scenario string   `json:"scenario"`
	Name     string   `json:"name"`
	Value    *float64 `json:"value"` // null: not measured, and Note says why
	Unit     string   `json:"unit"`
	Goal     string   `json:"goal,omitzero"`
	Met      *bool    `json:"met,omitzero"`
	Samples  int      `json:"samples"`
	Note     string   `json:"note,omitzero"`
	Load     string   `json:"load"` // of the machine when the scenario began
}

// measured makes a figure without a goal.
func measured(name string, value float64, unit string, samples int) figure {
	return figure{Name: name, Value: &value, Unit: unit, Samples: samples}
}

// millis makes a figure of a time.
func millis(name string, d time.Duration, samples int) figure {
	return measured(name, float64(d)/float64(time.Millisecond), "ms", samples)
}

// missing makes a figure of a time that could not be measured.
func missing(name, why string) figure { return figure{Name: name, Unit: "ms", Note: why} }

// atMost sets the goal that the value does not exceed.
func (f figure) atMost(goal float64) figure {
	return f.judge("<= ", goal, f.Value != nil && *f.Value <= goal)
}

// atLeast sets the goal that the value reaches.
func (f figure) atLeast(goal float64) figure {
	return f.judge(">= ", goal, f.Value != nil && *f.Value >= goal)
}

func (f figure) judge(sign string, goal float64, met bool) figure {
	f.Goal, f.Met = sign+number(goal), &met
	return f
}

// noted adds what a reader has to know about the value.
func (f figure) noted(format string, args ...any) figure {
	f.Note = fmt.Sprintf(format, args...)
	return f
}

// A report is what a run found.
type report struct {
	Machine machine  `json:"machine"`
	Figures []figure `json:"figures"`
}

// finish notes how busy the machine was in the end.
func (r *report) finish() { r.Machine.LoadAfter = loadAverage() }

// columns are the heads of the table.
var columns = []string{"store", "scenario", "figure", "value", "unit", "goal", "met", "samples", "note"}

// rows are the lines of the table.
func (r report) rows() [][]string {
	var rows [][]string
	for _, f := range r.Figures {
		value, met := "not measured", ""
		if f.Value != nil {
			value = number(*f.Value)
		}
		if f.Met != nil {
			met = map[bool]string{true: "yes", false: "NO"}[*f.Met]
		}
		rows = append(rows, []string{string(f.Store), f.Scenario, f.Name, value, f.Unit, f.Goal, met, strconv.Itoa(f.Samples), f.Note})
	}
	return rows
}

func (r report) print(w io.Writer) {
	fmt.Fprintln(w)
	fmt.Fprintln(w, r.Machine)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{columns}, r.rows()...) {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // a table that cannot be printed has nobody who reads it
}

// markdown writes the table for a document.
func (r report) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n| %s |\n|%s\n", r.Machine, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, row := range r.rows() {
		fmt.Fprintf(&out, "| %s |\n", strings.Join(row, " | "))
	}
	return out.String()
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
	b, err := json.Marshal(r, jsontext.Multiline(true))
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return put(path, append(b, '\n'))
}

// writeMarkdown writes the table of the report.
func (r report) writeMarkdown(path string) error { return put(path, []byte(r.markdown())) }

func put(path string, b []byte) error {
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
