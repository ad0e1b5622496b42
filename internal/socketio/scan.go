package socketio

import "encoding/binary"

// A scanner goes through JSON, RFC 8259, in one pass and without memory of its own. That the
// bytes are UTF-8 is for its caller to see to.
type scanner struct {
	b []byte
	i int // the next byte
}

// next skips white space and returns the byte behind it, which stays; 0 at the end.
func (s *scanner) next() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take skips white space and the byte, if it is the next.
func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.i++
	return true
}

// atEnd reports whether nothing but white space is left.
func (s *scanner) atEnd() bool {
	s.next()
	return s.i == len(s.b)
}

// value reads one value that stands within so many arrays and objects, and returns its bytes.
// It does not call itself, so that no value needs a large stack.
func (s *scanner) value(within int) ([]byte, error) {
	var objects [maxDepth]bool // of the arrays and objects that are open: those that are objects
	open := 0
	s.next()
	start := s.i
	for {
		kind := s.next()
		if kind != '[' && kind != '{' {
			if !s.scalar(kind) {
				return nil, errJSON
			}
		} else {
			if within+open >= maxDepth {
				return nil, errDepth
			}
			s.i++
			objects[open] = kind == '{'
			open++
			if !s.take(closing(objects[open-1])) {
				if objects[open-1] && !s.name() {
					return nil, errJSON
				}
				continue
			}
			open--
		}
		for open > 0 && s.take(closing(objects[open-1])) {
			open--
		}
		if open == 0 {
			return s.b[start:s.i:s.i], nil
		}
		if !s.take(',') || objects[open-1] && !s.name() {
			return nil, errJSON
		}
	}
}

func closing(object bool) byte {
	if object {
		return '}'
	}
	return ']'
}

// name reads the name of a member and the colon behind it.
func (s *scanner) name() bool { return s.next() == '"' && s.text() && s.take(':') }

// scalar reads a value that begins with this byte and is no array and no object.
func (s *scanner) scalar(kind byte) bool {
	switch kind {
	case '"':
		return s.text()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

// text reads a string, at whose quotation mark it stands. Escapes may name halves of surrogate
// pairs.
func (s *scanner) text() bool {
	for i := s.i + 1; i < len(s.b); i++ {
		for i+8 <= len(s.b) && plain(binary.LittleEndian.Uint64(s.b[i:])) {
			i += 8
		}
		if i == len(s.b) {
			return false
		}
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return true
		case c < ' ':
			return false
		case c == '\\':
			n := escape(s.b[i:])
			if n == 0 {
				return false
			}
			i += n - 1
		}
	}
	return false
}

// plain reports whether none of eight bytes means something in a string: a quotation mark, a
// backslash, or a control character. It may report false where none does.
func plain(w uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^'"'*each, w^'\\'*each
	return ((quote-each)|(backslash-each)|(w-' '*each)|w)&high == 0
}

// escape returns the length of the escape sequence that b begins with; 0 when it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
	default:
		return 0
	}
	if len(b) < 6 {
		return 0
	}
	for _, c := range b[2:6] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return 0
		}
	}
	return 6
}

func (s *scanner) number() bool {
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

// digits reads one digit or more.
func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}
