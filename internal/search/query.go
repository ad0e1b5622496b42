package search

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"
)

// A token is what the index knows of a word: 64 bits of a keyed hash. Without the key nobody can
// make words that share one.
type token uint64

// A hasher makes tokens. It is not safe for concurrent use.
type hasher struct{ buffer []byte }

const keySize = 32

func newHasher(key [keySize]byte) *hasher { return &hasher{buffer: append([]byte(nil), key[:]...)} }

func (h *hasher) token(text string) token {
	h.buffer = append(h.buffer[:keySize], text...)
	sum := sha256.Sum256(h.buffer)
	return token(binary.LittleEndian.Uint64(sum[:]))
}

// tokens returns the tokens of a text, each once.
func (h *hasher) tokens(text string) []token {
	var all []token
	read(text).tokens(func(t string) { all = append(all, h.token(t)) })
	slices.Sort(all)
	return slices.Compact(all)
}

// maxLooked is how many tokens of a query are looked up in the index. The others are found, or
// not, in the texts.
const maxLooked = 16

// A wanted is what a message must hold.
type wanted struct {
	phrases []reading // what stood between white space, each in one piece
	tokens  []token   // of which every one is in each such message
}

// parse reads a query; it is ErrQuery where there is nothing to look for, or too much.
func parse(h *hasher, text string) (wanted, error) {
	text = strings.TrimSpace(text)
	if len(text) > utf8.UTFMax*MaxQuery || utf8.RuneCountInString(text) > MaxQuery {
		return wanted{}, ErrQuery
	}
	var w wanted
	for field := range strings.FieldsSeq(text) {
		if r := read(field); r != "" && !slices.Contains(w.phrases, r) {
			w.phrases = append(w.phrases, r)
		}
	}
	if len(w.phrases) == 0 {
		return wanted{}, ErrQuery
	}
	for _, p := range w.phrases {
		p.needed(func(t string) {
			if k := h.token(t); len(w.tokens) < maxLooked && !slices.Contains(w.tokens, k) {
				w.tokens = append(w.tokens, k)
			}
		})
	}
	return w, nil
}

// in reports whether a text holds all of it.
func (w wanted) in(text string) bool {
	r := string(read(text))
	for _, p := range w.phrases {
		if !strings.Contains(r, string(p)) {
			return false
		}
	}
	return true
}
