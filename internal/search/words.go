package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A reading is a text as the search sees it: words in the order of the text, each between
// wordStart and wordEnd, and runs of characters of scripts that put no space between words, as
// they are. Case, compatibility forms, vowel signs that are usually left out, and what stands
// between the words are gone. A text holds another one if its reading does.
type reading string

const (
	wordStart = 0x01
	wordEnd   = 0x02
	runGap    = 0x03 // between two runs that do not touch
)

// read returns the reading of a text.
func read(text string) reading {
	if ascii(text) {
		return readFolded(strings.ToLower(text))
	}
	// Folding may take a text out of its normal form.
	folded := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(text)))
	return readFolded(folded)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// What a character is to the search.
type kind uint8

const (
	between kind = iota // ends a word or a run
	nothing             // is not there
	mark                // belongs to the character before it
	inWord
	inRun
)

func readFolded(text string) reading {
	var b strings.Builder
	b.Grow(len(text) + len(text)/4)
	open, last, previous := between, between, rune(0)
	shut := func() {
		if open == inWord {
			b.WriteByte(wordEnd)
		}
		if open != between {
			last, open = open, between
		}
	}
	for _, r := range text {
		r = alike(r)
		k := kindOf(r)
		switch {
		case k == nothing, r == dotAbove && previous == 'i':
			continue
		case k == mark && open != between:
			b.WriteRune(r)
		case k == between || k == mark:
			shut()
		case k != open:
			shut()
			if k == inWord {
				b.WriteByte(wordStart)
			} else if last == inRun {
				b.WriteByte(runGap)
			}
			open = k
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
		previous = r
	}
	shut()
	return reading(b.String())
}

const (
	dotAbove       = '\u0307'
	zeroWidthSpace = '\u200b'
	tatweel        = '\u0640'
)

// alike unifies letters that people do not tell apart when they type: the i of Turkish with and
// without a dot, and alef with what may stand on it.
func alike(r rune) rune {
	switch r {
	case 'ı':
		return 'i'
	case 'آ', 'أ', 'إ', 'ٱ':
		return 'ا'
	}
	return r
}

func kindOf(r rune) kind {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return inWord
		}
		return between
	}
	switch {
	case unicode.Is(unicode.L, r):
		return letterKind(r)
	case unicode.In(r, unicode.Mn, unicode.Mc):
		if vowelSign(r) || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
			return nothing
		}
		return mark
	case unicode.Is(unicode.N, r):
		return letterKind(r)
	case unicode.Is(unicode.So, r) && r != utf8.RuneError:
		return inRun
	case r != zeroWidthSpace && unicode.Is(unicode.Cf, r), unicode.Is(unicode.Me, r), skinTone(r):
		return nothing
	}
	return between
}

func letterKind(r rune) kind {
	switch {
	case r == tatweel || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
		return nothing
	case spaceless(r):
		return inRun
	}
	return inWord
}

// vowelSign reports whether a mark is one of Arabic or Hebrew, where they are usually not written.
func vowelSign(r rune) bool {
	switch {
	case 0x0591 <= r && r <= 0x05c7, 0x0610 <= r && r <= 0x061a, 0x064b <= r && r <= 0x065f, r == 0x0670,
		0x06d6 <= r && r <= 0x06ed, 0x0897 <= r && r <= 0x08ff:
		return true
	}
	return false
}

func skinTone(r rune) bool { return 0x1f3fb <= r && r <= 0x1f3ff }

// spaceless reports whether a letter is of a script that puts no space between words.
func spaceless(r rune) bool {
	switch {
	case r < 0x0e00: // before Thai
		return false
	case r == 'ー' || r == '〆': // used in such scripts, but of none
		return true
	}
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Yi,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tai_Le, unicode.New_Tai_Lue,
		unicode.Tai_Tham, unicode.Tai_Viet, unicode.Javanese, unicode.Balinese)
}

// tokens calls each for what the index knows of a reading: its words, and of its runs the
// characters and the pairs of neighbours. The same one may come several times.
func (t reading) tokens(each func(token string)) {
	t.pieces(func(word string) { each(word) }, func(run string) {
		for at := 0; at < len(run); {
			_, n := utf8.DecodeRuneInString(run[at:])
			each(run[at : at+n])
			if _, m := utf8.DecodeRuneInString(run[at+n:]); m > 0 {
				each(run[at : at+n+m])
			}
			at += n
		}
	})
}

// needed calls each for the tokens of every text that holds the reading: as few as say the same.
func (t reading) needed(each func(token string)) {
	t.pieces(func(word string) { each(word) }, func(run string) {
		_, n := utf8.DecodeRuneInString(run)
		if n == len(run) {
			each(run)
			return
		}
		for at := 0; at+n < len(run); {
			_, m := utf8.DecodeRuneInString(run[at+n:])
			each(run[at : at+n+m])
			at, n = at+n, m
		}
	})
}

// pieces calls word for every word, with wordStart in front, and run for every run.
func (t reading) pieces(word, run func(string)) {
	s := string(t)
	for len(s) > 0 {
		switch s[0] {
		case wordStart:
			end := strings.IndexByte(s, wordEnd)
			word(s[:end])
			s = s[end+1:]
		case runGap:
			s = s[1:]
		default:
			end := strings.IndexAny(s, "\x01\x03")
			if end < 0 {
				end = len(s)
			}
			run(s[:end])
			s = s[end:]
		}
	}
}
