package people

import "unicode"

const (
	zeroWidthNonJoiner = '\u200C'
	zeroWidthJoiner    = '\u200D'
	brailleBlank       = '\u2800'
)

// legible reports whether a line of text is what it looks like: it shows something, and holds
// nothing that is not seen and makes it another text than it seems, or turns what stands beside
// it around. A joiner is taken inside a word, where scripts and emoji need it.
func legible(line string) bool {
	shown, joins := false, false
	var before rune
	for _, r := range line {
		switch {
		case r == zeroWidthJoiner || r == zeroWidthNonJoiner:
			if !joinable(before) {
				return false
			}
			joins = true
		case unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point):
			return false
		case joins && !joinable(r):
			return false
		default:
			shown = shown || showing(r)
			joins = false
		}
		before = r
	}
	return shown && !joins
}

func joinable(r rune) bool { return showing(r) || unicode.IsMark(r) }

// showing reports whether a character shows something by itself.
func showing(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && r != brailleBlank
}
