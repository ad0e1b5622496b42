package wire

import (
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// An example is a file that must exist, with what it has to pass.
type example struct {
	path     string
	t        reflect.Type
	answer   bool // an object carries a requestId besides
	validate func(raw []byte) error
}

func allExamples() []example {
	var all []example
	add := func(path string, t reflect.Type, answer bool, validate func(raw []byte) error) {
		if t != nil && t != none {
			all = append(all, example{path, t, answer, validate})
		}
	}
	for _, e := range Events() {
		add("events/"+e.Key()+".json", e.Payload, false, e.Validate)
		add("events/"+e.Key()+".ack.json", e.Ack, false, func(raw []byte) error { return ValidateAck(e.Name, raw) })
	}
	for _, r := range Routes() {
		add("routes/"+r.Key()+".body.json", r.Body, false, func(raw []byte) error { return ValidateBody(r.Method, r.Path, raw) })
		add("routes/"+r.Key()+".answer.json", r.Answer, true, func(raw []byte) error {
			return ValidateAnswer(r.Method, r.Path, r.Status, raw)
		})
	}
	add("routes/problem.json", reflect.TypeFor[Problem](), true, func(raw []byte) error {
		return ValidateAnswer("GET", "/api/nowhere", 400, raw)
	})
	return all
}

func TestEverythingOnTheWireHasOneExample(t *testing.T) {
	declared := map[string]bool{}
	for _, e := range allExamples() {
		if declared[e.path] {
			t.Errorf("two things have their example in %s", e.path)
		}
		declared[e.path] = true
	}

	found := map[string]bool{}
	err := fs.WalkDir(os.DirFS("testdata"), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasPrefix(path, "fuzz/") {
			found[path] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(declared, found); diff != "" {
		t.Errorf("examples: - is missing, + belongs to nothing\n%s", diff)
	}
}

func TestExamplesAreWhatGoReadsAndWrites(t *testing.T) {
	for _, e := range allExamples() {
		t.Run(e.path, func(t *testing.T) {
			raw, err := os.ReadFile("testdata/" + e.path)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.validate(raw); err != nil {
				t.Fatal(err)
			}
			want := value(t, raw)
			if object, ok := want.(map[string]any); ok && e.answer {
				delete(object, requestID)
				raw, _ = Encode(want)
			}

			v := reflect.New(e.t)
			if err := json.Unmarshal(raw, v.Interface(), json.RejectUnknownMembers(true)); err != nil {
				t.Fatal(err)
			}
			written, err := Encode(v.Elem().Interface())
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(want, value(t, written)); diff != "" {
				t.Errorf("- in the example, + as Go writes it\n%s", diff)
			}
		})
	}
}

func value(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The stock client takes a string at the end of an event for a recovery offset.
func TestNoEventOfTheServerEndsInAText(t *testing.T) {
	d, err := Describe("")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range Events() {
		if e.Direction != FromServer {
			continue
		}
		s := d.Payload(e)
		if s != nil && s.Ref != "" {
			s = d.Shapes[s.Ref]
		}
		switch {
		case s == nil && e.Durable:
			t.Errorf("%s is durable and has no payload: its offset would be the first argument", e.Name)
		case s == nil:
		case s.Type != "object" && (e.Durable || s.Type != "array"):
			t.Errorf("the payload of %s is %q, want an object", e.Name, s.Type)
		}
	}
}
