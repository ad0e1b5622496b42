package plaintext

import "strings"

// A tag is a '<' that starts a known element, and where the tag ends.
type tag struct {
	index   int // among the tags of its text
	name    string
	closing bool
	start   int // of the '<'
	end     int // behind the '>', or the end of the text
	attrs   int // behind the name
}

// tagsOf returns the tags of a text that count, in order. Tags may lie within the values of
// others.
func tagsOf(s string) []tag {
	found := namedTags(s)
	if len(found) == 0 {
		return nil
	}
	ends := endsOf(s, found)
	kept := found[:0]
	for i, t := range found {
		if !counts(s, t, ends[i]) {
			continue
		}
		t.end = len(s)
		if ends[i].found {
			t.end = ends[i].at
		}
		t.index = len(kept)
		kept = append(kept, t)
	}
	return kept
}

// namedTags returns every '<' that the name of a known element follows.
func namedTags(s string) []tag {
	var found []tag
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '<')
		if i < 0 {
			return found
		}
		t := tag{start: at + i, attrs: at + i + 1}
		at = t.start + 1
		if t.attrs < len(s) && s[t.attrs] == '/' {
			t.closing = true
			t.attrs++
		}
		if t.name = nameAt(s[t.attrs:]); t.name != "" {
			t.attrs += len(t.name)
			found = append(found, t)
		}
	}
}

// nameAt returns the name at the beginning of s in lower case if it is one of a known element.
func nameAt(s string) string {
	end := 0
	for end < len(s) && !isSpace(s[end]) && s[end] != '/' && s[end] != '>' {
		if end++; end > maxName {
			return ""
		}
	}
	name := asciiLower(s[:end])
	if !known[name] {
		return ""
	}
	return name
}

func counts(s string, t tag, end tagEnd) bool {
	if alwaysCounts[t.name] && !t.closing {
		return true
	}
	if !end.found {
		return false
	}
	if t.closing || end.value {
		return true
	}
	rest := strings.TrimLeft(s[t.attrs:end.at], " \n\r\t\f")
	return rest[0] == '>' || rest[0] == '/'
}

// A tagEnd tells how the reading of a tag ends.
type tagEnd struct {
	at    int  // behind the '>'
	found bool // false where the text ends first
	value bool // some attribute on the way has a value
}

// The states of a tokenizer within a tag, as the HTML standard has them.
const (
	beforeAttr = iota
	inAttr
	afterAttr
	beforeValue
	inDouble
	inSingle
	inUnquoted
	states
)

// next returns the state behind c. ends is set where c ends the tag.
func next(state int, c byte) (to int, ends bool) {
	switch state {
	case inDouble:
		if c == '"' {
			return beforeAttr, false
		}
		return inDouble, false
	case inSingle:
		if c == '\'' {
			return beforeAttr, false
		}
		return inSingle, false
	}
	if c == '>' {
		return 0, true
	}
	switch state {
	case inUnquoted:
		if isSpace(c) {
			return beforeAttr, false
		}
		return inUnquoted, false
	case beforeValue:
		return inValue(c), false
	}
	return aroundName(state, c), false
}

// inValue returns the state behind c where a value may begin.
func inValue(c byte) int {
	switch {
	case isSpace(c):
		return beforeValue
	case c == '"':
		return inDouble
	case c == '\'':
		return inSingle
	}
	return inUnquoted
}

// aroundName returns the state behind c before, in or after the name of an attribute. A '='
// where a name may begin is part of the name.
func aroundName(state int, c byte) int {
	switch {
	case c == '/':
		return beforeAttr
	case isSpace(c) && state == beforeAttr:
		return beforeAttr
	case isSpace(c):
		return afterAttr
	case c == '=' && state != beforeAttr:
		return beforeValue
	}
	return inAttr
}

// endsOf returns where each tag ends. It reads the text once, from its end, and keeps for every
// state how a tokenizer that is in it would fare from there: reading on from each '<' would
// take quadratic time over unclosed tags.
func endsOf(s string, tags []tag) []tagEnd {
	ends := make([]tagEnd, len(tags))
	var from [states]tagEnd
	last := len(tags) - 1
	for i := len(s); last >= 0; i-- {
		if i < len(s) {
			from = before(from, s[i], i)
		}
		for last >= 0 && tags[last].attrs == i {
			ends[last] = from[beforeAttr]
			last--
		}
	}
	return ends
}

// before returns how the states fare from i, where c stands, given how they fare behind it.
func before(behind [states]tagEnd, c byte, i int) [states]tagEnd {
	var from [states]tagEnd
	for state := range from {
		to, ends := next(state, c)
		if ends {
			from[state] = tagEnd{at: i + 1, found: true}
			continue
		}
		from[state] = behind[to]
		if to >= inDouble {
			from[state].value = true
		}
	}
	return from
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f'
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// asciiLower leaves other letters alone: the Kelvin sign is no k to a browser.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
