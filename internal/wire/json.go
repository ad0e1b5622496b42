package wire

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/fault"
	"pryde/internal/id"
)

// Raw is JSON as it was received.
type Raw = jsontext.Value

// timeLayout is ISO-8601 in UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

var marshalling = json.JoinOptions(
	json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, t time.Time) error {
		return e.WriteToken(jsontext.String(t.UTC().Format(timeLayout)))
	})),
	jsontext.EscapeForJS(true),
)

// Encode writes v as JSON: times in UTC with milliseconds, nil slices as [].
func Encode(v any) (Raw, error) { return json.Marshal(v, marshalling) }

// Decode reads JSON from outside into a shape. Duplicate names and invalid UTF-8 are
// refused, names are compared exactly, unknown ones are ignored. The error is a fault of
// KindInvalid whose code names the field that is wrong where it is known.
func Decode[T any](raw []byte) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return *new(T), malformed(err)
	}
	return v, nil
}

func malformed(err error) error {
	var sem *json.SemanticError
	if !errors.As(err, &sem) || sem.JSONPointer == "" {
		return fault.Invalid("INVALID_DATA", "Invalid data").Because(err)
	}
	field := sem.JSONPointer.LastToken()
	if len(field) > 40 || strings.ContainsFunc(field, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && r != '_' }) {
		return fault.Invalid("INVALID_DATA", "Invalid data").Because(err)
	}
	if errors.Is(err, id.Malformed{}) {
		return fault.Invalid("INVALID_"+screaming(field), "Invalid "+field+" format").Because(err)
	}
	return fault.Invalid("INVALID_DATA", "Invalid data: "+field).Because(err)
}

// screaming writes a field's name as part of a code: recipientId becomes RECIPIENT_ID.
func screaming(field string) string {
	var b strings.Builder
	for i, r := range strings.TrimLeft(field, "_") {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
