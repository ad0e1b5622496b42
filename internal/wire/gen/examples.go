package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	"pryde/internal/wire"
)

// examples writes the examples as typed values, so that the compiler holds them to the types,
// and a map of the files that they come from.
func examples(c *catalogue) ([]byte, error) {
	d, err := c.describe("")
	if err != nil {
		return nil, err
	}
	w := &exampleWriter{c: c}
	groups := []struct {
		name, doc string
		fill      func(*wire.Description)
	}{
		{"fromServer", "Payloads of the events that the server sends.", func(d *wire.Description) { w.payloads(d, wire.FromServer) }},
		{"fromClient", "Payloads of the events that a client sends.", func(d *wire.Description) { w.payloads(d, wire.FromClient) }},
		{"acks", "What acknowledges the events of a client.", w.acks},
		{"bodies", "Bodies of requests.", w.bodies},
		{"answers", "Answers to requests.", w.answers},
	}
	for _, g := range groups {
		w.group = g.name
		w.values.print("\n", doc("", g.doc), "export const ", g.name, " = {\n")
		g.fill(d)
		w.values.print("}\n")
	}
	w.problem()

	var out tsWriter
	out.print(generated, "import type * as wire from './wire.gen'\n", w.values.out.String())
	out.print("\n/** Every example by its file below internal/wire/testdata. */\n")
	out.print("export const files: Record<string, unknown> = {\n", w.files.out.String(), "}\n")
	return out.out.Bytes(), errors.Join(append(w.errs, w.values.errs...)...)
}

type exampleWriter struct {
	c      *catalogue
	group  string
	values tsWriter
	files  tsWriter
	errs   []error
}

func (w *exampleWriter) payloads(d *wire.Description, side wire.Direction) {
	for _, e := range w.c.from(side) {
		w.member(e.Name, "events/"+e.Key()+".json", w.typed(d.Payload(e)))
	}
}

func (w *exampleWriter) acks(d *wire.Description) {
	for _, e := range w.c.from(wire.FromClient) {
		w.member(e.Name, "events/"+e.Key()+".ack.json", w.typed(d.Ack(e)))
	}
}

func (w *exampleWriter) bodies(d *wire.Description) {
	for _, r := range w.c.routes {
		w.member(r.String(), "routes/"+r.Key()+".body.json", w.typed(d.Body(r)))
	}
}

func (w *exampleWriter) answers(d *wire.Description) {
	for _, r := range w.c.routes {
		w.member(r.String(), "routes/"+r.Key()+".answer.json", answered(w.typed(d.Result(r))))
	}
}

func (w *exampleWriter) problem() {
	const path = "routes/problem.json"
	value, ok := w.read(path)
	if !ok {
		return
	}
	w.values.print("\n/** What answers a refused request. */\nexport const problem = ", value)
	w.values.print(" satisfies ", answered("wire.Problem"), "\n")
	w.files.print("  ", quote(path), ": problem,\n")
}

// typed returns the TypeScript of a payload, with the names of shapes in their module; ""
// for no payload.
func (w *exampleWriter) typed(s *jsonschema.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return "wire." + s.Ref
	case s.Type == "array" && s.Items.Ref != "":
		return "wire." + s.Items.Ref + "[]"
	default:
		return w.values.expr(s, "")
	}
}

func answered(t string) string {
	if t == "" {
		return ""
	}
	return "wire.Answered<" + t + ">"
}

func (w *exampleWriter) member(name, path, t string) {
	if t == "" {
		return
	}
	value, ok := w.read(path)
	if !ok {
		return
	}
	w.values.print("  ", property(name), ": ", value, " satisfies ", t, ",\n")
	access := "." + name
	if property(name) != name {
		access = "[" + quote(name) + "]"
	}
	w.files.print("  ", quote(path), ": ", w.group, access, ",\n")
}

// read returns an example as it is written in TypeScript.
func (w *exampleWriter) read(path string) (string, bool) {
	raw, err := w.c.example(path)
	if err == nil && raw == nil {
		err = fmt.Errorf("%s is missing", path)
	}
	if err == nil {
		err = raw.Indent(jsontext.WithIndentPrefix("  "), jsontext.WithIndent("  "), jsontext.EscapeForJS(true))
	}
	if err != nil {
		w.errs = append(w.errs, fmt.Errorf("example %s: %w", path, err))
		return "", false
	}
	return strings.TrimSpace(string(raw)), true
}
