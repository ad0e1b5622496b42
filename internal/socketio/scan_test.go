package socketio

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var scanned = []string{
	`null`, `true`, `false`, `nul`, `nulls`, `True`, `0`, `-0`, `00`, `01`, `-`, `-a`, `1.`, `1.5`, `.5`, `1.5e`, `1e+`, `1E-07`, `1e5.0`, `+1`, `0x1`,
	`""`, `"`, `"a`, `"\"`, `"\""`, `"\/\b\f\n\r\t\\"`, `"\a"`, `"\u00e9"`, `"\uD83D"`, `"\u00g0"`, `"\u00`, `"\u000"`, "\"\n\"", "\"\x7f\"", "\"\x00\"", `'a'`,
	`[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `[`, `]`, `[}`, `[[],[[]],{}]`, "\t[\r\n1 ,\t2 ]\n", "[\x0b1]", "\x00", "1\x00",
	`{}`, `{ }`, `{"a":1}`, `{"a" : 1 , "b":[{}]}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{1:1}`, `{"a":1 "b":2}`, `{"a":1]`, `{"a":1,"a":2}`, `{,}`, `{`, `}`,
	`[{"a":[{"b":[]}]},{}]`, `[{]}`, ``, ` `, `1 1`, `[] []`, "\ufeff1", "\"\u2028é\U0001f600\"", `{"a":{"b":{"c":"\\"}}}`,
}

// FuzzScanner holds what is taken for JSON to another reader of it.
func FuzzScanner(f *testing.F) {
	for _, text := range scanned {
		f.Add([]byte(text))
	}
	f.Add([]byte(nested(maxDepth)))
	f.Add([]byte(nested(maxDepth + 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !utf8.Valid(b) {
			t.Skip("not for the scanner")
		}
		in := scanner{b: b}
		v, err := in.value(0)
		if errors.Is(err, errDepth) {
			if bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) <= maxDepth {
				t.Error("taken for too deep")
			}
			return
		}
		got := err == nil && in.atEnd()
		want := jsontext.Value(b).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
		if got != want {
			t.Fatalf("%q: taken %v, want %v", b, got, want)
		}
		if trimmed := bytes.Trim(b, " \t\r\n"); got && !bytes.Equal(v, trimmed) {
			t.Errorf("%q: the value is %q, want %q", b, v, trimmed)
		}
	})
}

func TestDepthIsCountedFromOutside(t *testing.T) {
	for _, c := range []struct {
		within, depth int
		want          error
	}{{0, maxDepth, nil}, {0, maxDepth + 1, errDepth}, {1, maxDepth - 1, nil}, {1, maxDepth, errDepth}} {
		in := scanner{b: []byte(nested(c.depth))}
		if _, err := in.value(c.within); !errors.Is(err, c.want) {
			t.Errorf("%d levels within %d: got %v, want %v", c.depth, c.within, err, c.want)
		}
	}
}
