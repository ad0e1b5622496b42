package oracle

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

var (
	texts = []string{
		`"x"`, `"message:new"`, `""`, `"é"`, `"\u00e9"`, `"😀"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\\\""`, `"a b"`, `"["`, `"connect"`,
		`"disconnect"`, `"error"`, `"newListener"`, `"toString"`, `"__proto__"`, `"_placeholder"`,
	}
	numbers = []string{
		`0`, `-0`, `1`, `-1`, `12`, `1.5`, `1e3`, `1E-7`, `123456789012345678`, `0.1`, `1e21`, `1e20`, `4e-320`, `1e400`,
	}
	spaces = []string{``, ``, ``, ``, `/`, `/admin`, `/a?b=c`, `/é`, `/a/b`, `/{`}
	ids    = []string{``, ``, ``, `0`, `1`, `12`, `007`, `9007199254740991`, `9007199254740993`, `18446744073709551615`}
)

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// randomPacket writes a packet that is right more often than not.
func randomPacket(r *rand.Rand) packet {
	kind := r.IntN(7)
	if r.IntN(20) == 0 {
		kind = r.IntN(10)
	}
	wire := strconv.Itoa(kind)
	attachments := 0
	if kind == 5 || kind == 6 {
		attachments = 1 + r.IntN(3)
		if r.IntN(10) == 0 {
			attachments = r.IntN(13)
		}
		wire += strconv.Itoa(attachments) + "-"
	}
	if space := pick(r, spaces); space != "" {
		wire += space + ","
	}
	wire += pick(r, ids)
	switch kind {
	case 0:
		wire += pick(r, []string{``, object(r, 3)})
	case 1:
	case 4:
		wire += pick(r, []string{pick(r, texts), object(r, 3)})
	case 3, 6:
		wire += arguments(r, nil, attachments)
	default:
		first := pick(r, texts)
		if r.IntN(6) == 0 {
			first = pick(r, numbers)
		}
		wire += arguments(r, []string{first}, attachments)
	}
	return attach(r, wire, attachments)
}

// arguments writes an array that begins with some values, and has placeholders in it.
func arguments(r *rand.Rand, values []string, attachments int) string {
	fixed := len(values)
	for range r.IntN(4) {
		values = append(values, anyValue(r, 3))
	}
	for i := range attachments {
		if r.IntN(20) == 0 {
			i = r.IntN(4)
		}
		hole := `{"_placeholder":true,"num":` + strconv.Itoa(i) + `}`
		switch r.IntN(6) {
		case 0:
			hole = `{"a":` + hole + `}`
		case 1:
			hole = `[1,` + hole + `]`
		}
		at := fixed + r.IntN(len(values)-fixed+1)
		values = slices.Insert(values, at, hole)
	}
	return "[" + strings.Join(values, ",") + "]"
}

// attach makes a packet whose attachments are, most of the time, as many as it says.
func attach(r *rand.Rand, wire string, attachments int) packet {
	if r.IntN(30) == 0 {
		attachments = r.IntN(4)
	}
	p := text(wire)
	for i := range attachments {
		p.attachments = append(p.attachments, bytes.Repeat([]byte{byte(i), 0xff}, r.IntN(3)))
	}
	return p
}

func anyValue(r *rand.Rand, depth int) string {
	kinds := 5
	if depth == 0 {
		kinds = 3
	}
	switch r.IntN(kinds) {
	case 0:
		return pick(r, texts)
	case 1:
		return pick(r, numbers)
	case 2:
		return pick(r, []string{`null`, `true`, `false`})
	case 3:
		return object(r, depth-1)
	default:
		return array(r, depth-1)
	}
}

func object(r *rand.Rand, depth int) string {
	members := make([]string, r.IntN(4))
	for i := range members {
		members[i] = pick(r, texts) + ":" + anyValue(r, max(depth, 0))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func array(r *rand.Rand, depth int) string {
	values := make([]string, r.IntN(4))
	for i := range values {
		values[i] = anyValue(r, max(depth, 0))
	}
	return "[" + strings.Join(values, ",") + "]"
}

// mutate changes one to three places of a packet's text.
func mutate(r *rand.Rand, p packet) packet {
	const alphabet = "0123456789-/,[]{}\":. \n\\ueE\xff\x00tfn"
	b := []byte(p.text)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b) + 1)
		c := alphabet[r.IntN(len(alphabet))]
		switch {
		case at == len(b) || r.IntN(3) == 0:
			b = append(b[:at], append([]byte{c}, b[at:]...)...)
		case r.IntN(2) == 0:
			b[at] = c
		default:
			b = append(b[:at], b[at+1:]...)
		}
	}
	p.text = string(b)
	return p
}
