package wire

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pryde/internal/fault"
)

// fromClients are the types that clients send.
func fromClients() map[reflect.Type]string {
	types := map[reflect.Type]string{}
	for _, e := range Events() {
		if e.Direction == FromClient && e.Payload != none {
			types[e.Payload] = "testdata/events/" + e.Key() + ".json"
		}
	}
	for _, r := range Routes() {
		if r.Body != none {
			types[r.Body] = "testdata/routes/" + r.Key() + ".body.json"
		}
	}
	return types
}

// decode is Decode for a type that is known only when the test runs.
func decode(t reflect.Type, raw []byte) (any, error) {
	v := reflect.New(t)
	if err := json.Unmarshal(raw, v.Interface()); err != nil {
		return nil, malformed(err)
	}
	return v.Elem().Interface(), nil
}

func FuzzDecode(f *testing.F) {
	types := fromClients()
	for _, path := range types {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, raw := range []string{
		``, `null`, `"` + annID + `"`, `{"recipientId":"x"}`, `{"content":{"$gt":""}}`, `{"content":"\ud83d\ude00\u2028"}`,
		`{"content":"a","content":"b"}`, "{\"content\":\"\xff\"}", `{"room":{"room":[]}}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for typ := range types {
			first, err := decode(typ, raw)
			if err != nil {
				if got, ok := errors.AsType[*fault.Fault](err); !ok || got.Kind != fault.KindInvalid {
					t.Fatalf("%v: the error is %v, want an invalid fault", typ, err)
				}
				continue
			}
			written, err := Encode(first)
			if err != nil {
				t.Fatalf("%v: what was read cannot be written: %v", typ, err)
			}
			second, err := decode(typ, written)
			if err != nil {
				t.Fatalf("%v: what was written cannot be read: %v\n%s", typ, err, written)
			}
			again, err := Encode(second)
			if err != nil || !bytes.Equal(written, again) {
				t.Fatalf("%v: written as %s, then as %s, %v", typ, written, again, err)
			}
			if typ != reflect.TypeFor[Raw]() && !cmp.Equal(first, second, cmpopts.EquateEmpty()) {
				t.Fatalf("%v: read as %+v, then as %+v", typ, first, second)
			}
		}
	})
}

func FuzzParseOffset(f *testing.F) {
	for _, text := range []string{"0", "5fa1c09e.43", "5FA1C09E.043", "00000000.0", "5fa1c09e.-1", "."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParseOffset(text)
		if err != nil {
			return
		}
		if first.Seq < 0 {
			t.Fatalf("%q has the negative number %d", text, first.Seq)
		}
		second, err := ParseOffset(first.String())
		if err != nil || first != second {
			t.Fatalf("%q is read as %+v, then as %+v, %v", text, first, second, err)
		}
	})
}
