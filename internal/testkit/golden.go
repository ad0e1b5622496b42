package testkit

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// Golden compares JSON with testdata/<name>.golden.json, indented; with update set it writes
// that file first.
func Golden(t *testing.T, name string, value jsontext.Value, update bool) {
	t.Helper()
	if err := value.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	got := append(value, '\n')
	path := filepath.Join("testdata", name+".golden.json")
	if update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
