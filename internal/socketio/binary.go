package socketio

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Placeholder returns the argument, or the part of one, that stands for the attachment of
// this index in an event or an acknowledgement.
func Placeholder(index int) []byte {
	return append(strconv.AppendInt([]byte(`{"_placeholder":true,"num":`), int64(index), 10), '}')
}

// checkPlaceholders reports whether arguments, which are valid JSON, name each of so many
// attachments once. Without attachments an object is a placeholder of nothing.
func checkPlaceholders(args [][]byte, attachments int) error {
	if attachments == 0 {
		return nil
	}
	p := placeholders{attachments: attachments}
	for _, arg := range args {
		if err := p.value(newDecoder(arg)); err != nil {
			return err
		}
	}
	if p.count != attachments {
		return errAttachments
	}
	return nil
}

func newDecoder(b []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// placeholders goes through JSON whose depth is bounded.
type placeholders struct {
	attachments, count int
	seen               [maxAttachments]bool
}

func (p *placeholders) value(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '{':
		return p.object(d)
	case '[':
		if _, err := d.ReadToken(); err != nil {
			return errJSON
		}
		for d.PeekKind() != ']' {
			if err := p.value(d); err != nil {
				return err
			}
		}
		_, err := d.ReadToken()
		return err
	default:
		if d.SkipValue() != nil {
			return errJSON
		}
		return nil
	}
}

// object takes a placeholder for one only if it cannot be read in two ways.
func (p *placeholders) object(d *jsontext.Decoder) error {
	marks, marked, numbers, index := 0, false, 0, -1
	if _, err := d.ReadToken(); err != nil {
		return errJSON
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return errJSON
		}
		switch name.String() {
		case "_placeholder":
			marks++
			marked = marked || d.PeekKind() == 't'
		case "num":
			numbers++
			if d.PeekKind() == '0' {
				v, err := d.ReadValue()
				if err != nil {
					return errJSON
				}
				index = p.index(v)
				continue
			}
		}
		if err := p.value(d); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return errJSON
	}
	if !marked {
		return nil
	}
	if marks != 1 || numbers != 1 || index < 0 || p.seen[index] {
		return errAttachments
	}
	p.seen[index] = true
	p.count++
	return nil
}

// index returns the index of an attachment that a number names, or -1.
func (p *placeholders) index(v jsontext.Value) int {
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f < 0 || f >= float64(p.attachments) || f != float64(int(f)) {
		return -1
	}
	return int(f)
}
