// Command gen writes what is generated from the catalogue of the wire: the TypeScript types
// and examples of the web app, the OpenAPI and AsyncAPI documents and the table of events. It
// runs in the root of the repository. With -check it writes nothing and fails when a file is
// not what it would write.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "only compare; fail when a file is not up to date")
	flag.Parse()
	if err := run(".", *check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run generates everything below root.
func run(root string, check bool) error {
	c, err := load(root)
	if err != nil {
		return err
	}
	files, err := generate(c)
	if err != nil {
		return err
	}
	if check {
		return compare(root, files)
	}
	return write(root, files)
}

// A file is one generated file; its path is below the root and has slashes.
type file struct {
	path string
	text []byte
}

func generate(c *catalogue) ([]file, error) {
	writers := []struct {
		path  string
		write func(*catalogue) ([]byte, error)
	}{
		{"web/src/wire/wire.gen.ts", types},
		{"web/src/wire/examples.gen.ts", examples},
		{"docs/openapi.yaml", openAPI},
		{"docs/asyncapi.yaml", asyncAPI},
		{"docs/events.md", tables},
	}
	var files []file
	for _, w := range writers {
		text, err := w.write(c)
		if err != nil {
			return nil, fmt.Errorf("generate %s: %w", w.path, err)
		}
		files = append(files, file{w.path, text})
	}
	return files, nil
}

func write(root string, files []file) error {
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compare reports every file that is not up to date and how it differs.
func compare(root string, files []file) error {
	var stale []error
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			stale = append(stale, fmt.Errorf("%s is missing", f.path))
		case err != nil:
			stale = append(stale, err)
		case !bytes.Equal(got, f.text):
			stale = append(stale, fmt.Errorf("%s is not up to date:\n%s", f.path, difference(string(got), string(f.text))))
		}
	}
	if len(stale) > 0 {
		return fmt.Errorf("%w\nrun make generate", errors.Join(stale...))
	}
	return nil
}

// maxDifference is how many lines of either text a difference shows.
const maxDifference = 20

// difference shows the lines between what two texts have in common at their ends.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	start := 0
	for start < min(len(g), len(w)) && g[start] == w[start] {
		start++
	}
	end := 0
	for end < min(len(g), len(w))-start && g[len(g)-1-end] == w[len(w)-1-end] {
		end++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "@@ line %d @@\n", start+1)
	show(&b, "-", g[start:len(g)-end])
	show(&b, "+", w[start:len(w)-end])
	return b.String()
}

func show(b *strings.Builder, sign string, lines []string) {
	for i, line := range lines {
		if i == maxDifference {
			fmt.Fprintf(b, "%s (%d more lines)\n", sign, len(lines)-i)
			return
		}
		fmt.Fprintf(b, "%s%s\n", sign, line)
	}
}
