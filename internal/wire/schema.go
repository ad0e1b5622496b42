package wire

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"

	"pryde/internal/id"
	"pryde/internal/order"
)

// Description is the JSON Schema (draft 2020-12) of what the catalogue declares.
//
// A shape from the server is exact: it has every field that is not marked as omitted, and no
// other. A shape from a client is open: every field may be absent or null, unknown ones are
// ignored, and the services say what is required.
type Description struct {
	// Shapes are the named shapes by their Go names. A shape that goes both ways is here
	// twice; what clients may send of it has "Input" at the end of its name.
	Shapes map[string]*jsonschema.Schema
	// Answers are the shapes that answer requests, with "Answer" at the end of their names:
	// the shape and a requestId.
	Answers map[string]*jsonschema.Schema

	refs  string
	names map[shape]string
	types map[string]reflect.Type
}

// A shape is a struct as one side writes it.
type shape struct {
	t      reflect.Type
	client bool
}

// Describe describes the declared events and routes. Named shapes are referred to by refs and
// their name, for example "#/$defs/". The error says which declaration has no description;
// there is none for what the JSON package would write in its own way.
func Describe(refs string) (*Description, error) {
	d := &Description{
		Shapes:  map[string]*jsonschema.Schema{},
		Answers: map[string]*jsonschema.Schema{},
		refs:    refs,
		names:   map[shape]string{},
		types:   map[string]reflect.Type{},
	}
	err := errors.Join(d.addServer(), d.addClient())
	if err != nil {
		return nil, err
	}
	return d, nil
}

// addServer comes before addClient, so that shapes from the server keep their plain names.
func (d *Description) addServer() error {
	types := []reflect.Type{reflect.TypeFor[Failure](), reflect.TypeFor[Problem]()}
	answers := []reflect.Type{reflect.TypeFor[Problem]()}
	for _, e := range declared.events {
		if e.Direction == FromServer {
			types = append(types, e.Payload)
		} else {
			types = append(types, e.Ack)
		}
	}
	for _, r := range declared.routes {
		types = append(types, r.Answer)
		answers = append(answers, r.Answer)
	}
	if err := d.addAll(types, false); err != nil {
		return err
	}
	for _, t := range answers {
		d.addAnswer(t)
	}
	return nil
}

func (d *Description) addClient() error {
	var types []reflect.Type
	for _, e := range declared.events {
		if e.Direction == FromClient {
			types = append(types, e.Payload)
		}
	}
	for _, r := range declared.routes {
		types = append(types, r.Body)
	}
	return d.addAll(types, true)
}

func (d *Description) addAll(types []reflect.Type, client bool) error {
	for _, t := range types {
		if t == none {
			continue
		}
		if _, err := d.add(t, client); err != nil {
			return err
		}
	}
	return nil
}

// addAnswer adds the closed form of an answer: a schema that is closed already cannot be
// widened from outside.
func (d *Description) addAnswer(t reflect.Type) {
	s := d.Shapes[d.names[shape{t, false}]]
	if s == nil || s.Properties == nil {
		return
	}
	a := s.CloneSchemas()
	a.Properties[requestID] = &jsonschema.Schema{Type: "string", MinLength: new(1)}
	a.PropertyOrder = append(slices.Clip(a.PropertyOrder), requestID)
	a.Required = append(slices.Clip(a.Required), requestID)
	d.Answers[t.Name()+"Answer"] = a
}

const requestID = "requestId"

// Payload returns the schema of the event's payload; nil where it has none.
func (d *Description) Payload(e *EventSpec) *jsonschema.Schema {
	return d.of(e.Payload, e.Direction == FromClient)
}

// Ack returns the schema of the event's acknowledgement when it succeeds; nil where nothing
// is acknowledged.
func (d *Description) Ack(e *EventSpec) *jsonschema.Schema { return d.of(e.Ack, false) }

// Failure returns the schema of the acknowledgement of an event that was refused.
func (d *Description) Failure() *jsonschema.Schema { return d.of(reflect.TypeFor[Failure](), false) }

// Body returns the schema of the route's body; nil where it has none.
func (d *Description) Body(r *RouteSpec) *jsonschema.Schema { return d.of(r.Body, true) }

// Result returns the schema of the route's answer without its requestId; nil where it
// answers nothing.
func (d *Description) Result(r *RouteSpec) *jsonschema.Schema { return d.of(r.Answer, false) }

// Answer returns the schema of the route's answer, with the requestId of an object; nil where
// it answers nothing.
func (d *Description) Answer(r *RouteSpec) *jsonschema.Schema { return d.answer(r.Answer) }

// Problem returns the schema of what answers a refused request.
func (d *Description) Problem() *jsonschema.Schema { return d.answer(reflect.TypeFor[Problem]()) }

func (d *Description) answer(t reflect.Type) *jsonschema.Schema {
	if t != nil {
		if name := t.Name() + "Answer"; t.Kind() == reflect.Struct && d.Answers[name] != nil {
			return &jsonschema.Schema{Ref: d.refs + name}
		}
	}
	return d.of(t, false)
}

// of returns the schema of a type that Describe has seen.
func (d *Description) of(t reflect.Type, client bool) *jsonschema.Schema {
	if t == nil || t == none {
		return nil
	}
	s, err := d.add(t, client)
	if err != nil {
		panic(err) // Describe has described it before
	}
	return s
}

var (
	none  = reflect.TypeFor[None]()
	idPkg = reflect.TypeFor[id.User]().PkgPath()

	// ownJSON are the interfaces by which a type may write or read JSON in its own way.
	ownJSON = []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.MarshalerTo](),
		reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[json.UnmarshalerFrom](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	}

	// textOrObject are the structs that a client may also send as a text.
	textOrObject = map[reflect.Type]bool{reflect.TypeFor[JoinRoom](): true}
)

// The forms of texts. A time before the year 1000 is one that was never set.
const (
	idPattern     = `^[0-9a-f]{24}$`
	timePattern   = `^[1-9]\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$`
	offsetPattern = `^(0|[0-9a-f]{8}\.\d{1,18})$`
)

// add returns the schema of a type and adds the named shapes in it.
func (d *Description) add(t reflect.Type, client bool) (*jsonschema.Schema, error) {
	switch {
	case t == reflect.TypeFor[Raw]():
		return &jsonschema.Schema{Description: "Any JSON."}, nil
	case t == reflect.TypeFor[order.Seq]():
		return &jsonschema.Schema{Type: "integer", Minimum: new(0.0)}, nil
	case t == reflect.TypeFor[time.Time]():
		return d.text("Time", t, &jsonschema.Schema{
			Description: "A time: ISO-8601 in UTC with milliseconds.",
			Type:        "string", Format: "date-time", Pattern: timePattern,
		})
	case t == reflect.TypeFor[Offset]():
		return d.text("Offset", t, &jsonschema.Schema{Type: "string", Pattern: offsetPattern})
	case t.PkgPath() == idPkg && t.Kind() == reflect.Array:
		return d.text(idName(t), t, &jsonschema.Schema{Type: "string", Pattern: idPattern})
	case t.Kind() == reflect.Struct && textOrObject[t]:
		return d.structure(t, client)
	}
	for _, own := range ownJSON {
		if t.Kind() != reflect.Pointer && (t.Implements(own) || reflect.PointerTo(t).Implements(own)) {
			return nil, fmt.Errorf("describe %v: it writes or reads JSON in its own way", t)
		}
	}
	return d.plain(t, client)
}

func (d *Description) plain(t reflect.Type, client bool) (*jsonschema.Schema, error) {
	switch t.Kind() {
	case reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}, nil
	case reflect.String:
		return &jsonschema.Schema{Type: "string"}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &jsonschema.Schema{Type: "integer"}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &jsonschema.Schema{Type: "integer", Minimum: new(0.0)}, nil
	case reflect.Float32, reflect.Float64:
		return &jsonschema.Schema{Type: "number"}, nil
	case reflect.Pointer:
		s, err := d.add(t.Elem(), client)
		return nullable(s), err
	case reflect.Struct:
		return d.structure(t, client)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil, fmt.Errorf("describe %v: bytes have no form on the wire", t)
		}
		s, err := d.add(t.Elem(), client)
		return &jsonschema.Schema{Type: "array", Items: s}, err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("describe %v: its names are no texts", t)
		}
		s, err := d.add(t.Elem(), client)
		return &jsonschema.Schema{Type: "object", AdditionalProperties: s}, err
	default:
		return nil, fmt.Errorf("describe %v: a %v has no form on the wire", t, t.Kind())
	}
}

// text adds a named text that is the same for both sides.
func (d *Description) text(name string, t reflect.Type, s *jsonschema.Schema) (*jsonschema.Schema, error) {
	if err := d.claim(name, t); err != nil {
		return nil, err
	}
	if d.Shapes[name] == nil {
		d.Shapes[name] = s
	}
	return &jsonschema.Schema{Ref: d.refs + name}, nil
}

// claim refuses a second type of the same name.
func (d *Description) claim(name string, t reflect.Type) error {
	if other := d.types[name]; other != nil && other != t {
		return fmt.Errorf("describe %v: %v has the name %s too", t, other, name)
	}
	d.types[name] = t
	return nil
}

// idName returns UserID for id.ID[user].
func idName(t reflect.Type) string {
	kind := strings.TrimSuffix(t.Name()[strings.LastIndexAny(t.Name(), ".[")+1:], "]")
	return strings.ToUpper(kind[:1]) + kind[1:] + "ID"
}

// structure adds a struct by its name and refers to it.
func (d *Description) structure(t reflect.Type, client bool) (*jsonschema.Schema, error) {
	key := shape{t, client}
	if name, ok := d.names[key]; ok {
		return &jsonschema.Schema{Ref: d.refs + name}, nil
	}
	name := t.Name()
	if name == "" || strings.Contains(name, "[") {
		return nil, fmt.Errorf("describe %v: it has no name of its own", t)
	}
	if _, both := d.names[shape{t, false}]; client && both {
		name += "Input"
	}
	if err := d.claim(name, t); err != nil {
		return nil, err
	}
	d.names[key] = name // before its fields, which may refer to it

	object := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}}
	if !client {
		object.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	}
	if err := d.fields(object, t, client); err != nil {
		return nil, err
	}
	d.Shapes[name] = object
	if client && textOrObject[t] {
		d.Shapes[name] = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, object}}
	}
	return &jsonschema.Schema{Ref: d.refs + name}, nil
}

func (d *Description) fields(object *jsonschema.Schema, t reflect.Type, client bool) error {
	for f := range t.Fields() {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			if err := d.fields(object, f.Type, client); err != nil {
				return err
			}
			continue
		}
		if name == "-" {
			continue
		}
		omitted := opts == "omitzero" || opts == "omitempty"
		if name == "" || !f.IsExported() || opts != "" && !omitted {
			return fmt.Errorf("describe %v.%s: only a name and omitzero or omitempty are known", t, f.Name)
		}
		s, err := d.field(f.Type, client, omitted)
		if err != nil {
			return fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
		object.Properties[name] = s
		object.PropertyOrder = append(object.PropertyOrder, name)
		if !client && !omitted {
			object.Required = append(object.Required, name)
		}
	}
	return nil
}

func (d *Description) field(t reflect.Type, client, omitted bool) (*jsonschema.Schema, error) {
	if t.Kind() == reflect.Pointer && (client || omitted) {
		t = t.Elem() // what is nil is absent, or the client may send null anyway
	}
	s, err := d.add(t, client)
	if err != nil || !client {
		return s, err
	}
	return nullable(s), nil
}

// nullable returns a schema that takes null too.
func nullable(s *jsonschema.Schema) *jsonschema.Schema {
	switch {
	case s == nil:
		return nil
	case s.Type != "":
		s.Types, s.Type = []string{s.Type, "null"}, ""
		return s
	case s.Ref != "":
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "null"}}}
	default:
		return s // it does so already
	}
}

// Definitions returns all named shapes, answers included.
func (d *Description) Definitions() map[string]*jsonschema.Schema {
	all := maps.Clone(d.Shapes)
	maps.Copy(all, d.Answers)
	return all
}
