package people

import "testing"

func TestNamesAreWhatTheyLookLike(t *testing.T) {
	for name, want := range map[string]bool{
		"Alice & co":        true,
		"Zoë Müller-Łuczak": true,
		"李小龍":               true,
		"می\u200cخواهم":     true, // a Persian word with a non-joiner
		"ක්\u200dර":         true, // a conjunct of Sinhala
		"র\u200d্য":         true, // a joiner before a mark, in Bengali
		"👩\u200d💻 ❤️\u200d🔥 🏳️\u200d🌈": true,
		"e\u0301":     true,
		"葛\U000E0100": true, // a variant of a character
		"!":           true,

		"":                   false,
		" ":                  false,
		"\u200b":             false, // a space of no width
		"\u2060\ufeff":       false,
		"\u3164":             false, // a filler of Hangul
		"\u2800\u2800":       false, // Braille without dots
		"\u0301":             false, // a mark on nothing
		"\ufe0f":             false,
		"\u200d\u200d":       false,
		"Ali\u200bce":        false,
		"\u202eecilA":        false, // right to left
		"Alice\u2066":        false,
		"Alice\u200f":        false,
		"Ali\u00adce":        false,
		"Ali\u034fce":        false,
		"Alice\u200d":        false, // a joiner that joins nothing
		"\u200cAlice":        false,
		"Alice \u200dB":      false,
		"Ali\u200d\u200dce":  false,
		"Alice\u2028Liddell": false,
		"Alice\nLiddell":     false,
		"Alice\U000E0041":    false, // a letter of a tag
		"Alice\ufff9":        false,
	} {
		if got := legible(name); got != want {
			t.Errorf("%+q is legible: %t, want %t", name, got, want)
		}
	}
}
