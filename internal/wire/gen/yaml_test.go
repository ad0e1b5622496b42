package main

import (
	"os"
	"testing"
)

// The tests of the web app read the same two files with a YAML library and compare them.
func TestYAMLIsWrittenAsAgreed(t *testing.T) {
	raw, err := os.ReadFile("testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/values.yaml")
	if err != nil {
		t.Fatal(err)
	}

	got, err := toYAML(raw)
	if err != nil {
		t.Fatal(err)
	}

	if string(got) != string(want) {
		t.Error(difference(string(want), string(got)))
	}
}

func TestYAMLRefusesWhatIsNotOneValue(t *testing.T) {
	for _, raw := range []string{``, `{"a":1`, `[1,]`, `{} {}`} {
		if got, err := toYAML([]byte(raw)); err == nil {
			t.Errorf("%q became %q", raw, got)
		}
	}
}
