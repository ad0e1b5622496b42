package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// An object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSONTo writes the members in their order.
func (o object) MarshalJSONTo(e *jsontext.Encoder) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, m := range o {
		if err := e.WriteToken(jsontext.String(m.name)); err != nil {
			return err
		}
		if err := json.MarshalEncode(e, m.value); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

// document writes v as a YAML document: what it would be in JSON, in block style and in the
// order of its members.
func document(v any) ([]byte, error) {
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return toYAML(raw)
}

func toYAML(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	y := yamlWriter{dec: jsontext.NewDecoder(bytes.NewReader(raw)), out: &out}
	if err := y.value(0, true); err != nil {
		return nil, err
	}
	if _, err := y.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return out.Bytes(), nil
}

type yamlWriter struct {
	dec *jsontext.Decoder
	out *bytes.Buffer
}

// value writes the next value and ends the line. atStart says that nothing but indentation
// and dashes stands before it on its line.
func (y *yamlWriter) value(indent int, atStart bool) error {
	token, err := y.dec.ReadToken()
	if err != nil {
		return err
	}
	switch token.Kind() {
	case '{':
		return y.collection(indent, atStart, '}', "{}", y.member)
	case '[':
		return y.collection(indent, atStart, ']', "[]", y.item)
	case '"':
		y.space(atStart)
		y.out.WriteString(scalar(token.String()))
	default:
		y.space(atStart)
		y.out.WriteString(token.String())
	}
	y.out.WriteByte('\n')
	return nil
}

func (y *yamlWriter) space(atStart bool) {
	if !atStart {
		y.out.WriteByte(' ')
	}
}

// collection writes what one has per line until the end; the first shares the line of a dash.
func (y *yamlWriter) collection(indent int, atStart bool, end jsontext.Kind, empty string, one func(indent int) error) error {
	if y.dec.PeekKind() == end {
		y.space(atStart)
		y.out.WriteString(empty + "\n")
		_, err := y.dec.ReadToken()
		return err
	}
	if !atStart {
		y.out.WriteByte('\n')
		y.out.WriteString(strings.Repeat(" ", indent))
	}
	for first := true; y.dec.PeekKind() != end; first = false {
		if !first {
			y.out.WriteString(strings.Repeat(" ", indent))
		}
		if err := one(indent); err != nil {
			return err
		}
	}
	_, err := y.dec.ReadToken()
	return err
}

func (y *yamlWriter) member(indent int) error {
	name, err := y.dec.ReadToken()
	if err != nil {
		return err
	}
	y.out.WriteString(scalar(name.String()) + ":")
	return y.value(indent+2, false)
}

func (y *yamlWriter) item(indent int) error {
	y.out.WriteString("- ")
	return y.value(indent+2, true)
}

var (
	// plain are the texts that mean themselves without quotes: no indicator of YAML can begin,
	// interrupt or end them, and they begin like no number.
	plain = regexp.MustCompile(`^[A-Za-z_$/]([A-Za-z0-9 _$/.,;(){}'-]*[A-Za-z0-9_$/.)}])?$`)
	// reserved are texts that some version of YAML reads as something else.
	reserved = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)
)

// scalar writes a text: plain where that is safe, else in double quotes, whose escapes are
// those of JSON.
func scalar(s string) string {
	if plain.MatchString(s) && !reserved.MatchString(s) {
		return s
	}
	quoted, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		panic(err) // a text that was read from JSON is valid UTF-8
	}
	var b strings.Builder
	for _, r := range string(quoted) {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}
