// Package plaintext turns what people type into plain text: markup goes, characters stay. It
// knows HTML, and nothing about messages.
//
// A '<' starts a known HTML element where all of this holds:
//
//   - A name follows it, in an opening tag at once and in a closing tag after '/'. The name
//     reaches to white space, '/' or '>' and is, in ASCII letters of either case, an element
//     of the HTML standard (obsolete ones included), svg, math or image. So "<3" starts none,
//     "Map<String,Int>" neither (its name is "string,int"), nor does "<x-y>".
//   - A '>' ends the tag, outside quoted values. A browser makes no element of a tag that the
//     text ends within.
//   - An opening tag has '>' or '/' behind its name, white space aside, or an attribute with a
//     value. "a<b then c>d" has attributes without one.
//
// Opening tags of script, style, iframe, object, embed, svg and math count whatever follows
// the name, the end of the text included.
//
// Comments, declarations and processing instructions are no elements and stay as they are, and
// so do character references: "&lt;b&gt;" is eleven characters that somebody typed.
package plaintext

import (
	"html"
	"strings"

	"github.com/microcosm-cc/bluemonday"
)

// maxPasses bounds how often markup is removed that appears when other markup goes, as in
// "<<b>b>". Only hostile text comes near it.
const maxPasses = 4

// strict removes every element. Its methods are safe for concurrent use.
var strict = bluemonday.StrictPolicy()

// Clean returns s as plain text: valid UTF-8 (what is invalid becomes U+FFFD), without white
// space at its ends and without a '<' that starts a known HTML element. The content of
// elements stays, but for those whose content no reader would see, such as script. What is
// clean already is returned as it is, so that cleaning twice changes nothing.
//
// It takes time and memory in proportion to the length of s, which callers have to bound.
// Text that has more than maxPasses layers of hidden markup loses every '<' that a letter,
// '/', '!' or '?' follows.
func Clean(s string) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
	for range maxPasses {
		tags := tagsOf(s)
		if len(tags) == 0 {
			return s
		}
		s = strings.TrimSpace(html.UnescapeString(strict.Sanitize(markUp(s, tags))))
	}
	if len(tagsOf(s)) == 0 {
		return s
	}
	return strings.TrimSpace(dropOpenings(s))
}

// markUp writes s for the policy: tags that count as bare tags and everything else so that
// parsing gives back the same characters. Tags are rewritten by what the policy does with
// their content, because the tokenizer under it reads the content of some elements (xmp,
// plaintext, textarea, self-closing ones) by rules under which characters would change.
func markUp(s string, tags []tag) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	depth := 0 // open elements whose content goes
	at := 0
	for _, t := range tags {
		if t.start < at {
			continue // inside a value of the tag before, or in content that is read over
		}
		_, _ = escape.WriteString(&b, s[at:t.start])
		at = t.end
		switch {
		case !hidesContent[t.name]:
			b.WriteString("<p>")
		case t.closing && depth == 0:
			b.WriteString("</p>") // the policy would count below zero
		case t.closing:
			depth--
			b.WriteString("</" + t.name + ">")
		case rawContent[t.name]:
			b.WriteString("<" + t.name + ">")
			closing := closingOf(tags, t)
			if closing.name == "" {
				return b.String() // unclosed: a reader would see nothing of what follows
			}
			_, _ = escape.WriteString(&b, s[at:closing.start])
			b.WriteString("</" + t.name + ">")
			at = closing.end
		default:
			depth++
			b.WriteString("<" + t.name + ">")
		}
	}
	_, _ = escape.WriteString(&b, s[at:])
	return b.String()
}

// escape writes text so that the tokenizer gives back each character. It would take a carriage
// return for a line feed.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", "\r", "&#13;")

// closingOf returns the first closing tag of the element that open starts, or none. A text in
// which it is not found is read no further, so that the time stays linear.
func closingOf(tags []tag, open tag) tag {
	for _, t := range tags[open.index+1:] {
		if t.closing && t.name == open.name && t.start >= open.end {
			return t
		}
	}
	return tag{}
}

// dropOpenings removes each '<' behind whose run a letter, '/', '!' or '?' stands. Those that
// remain are followed by something that starts no tag, and nothing brings them together.
func dropOpenings(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if s[i] != '<' {
			b.WriteByte(s[i])
			i++
			continue
		}
		end := i
		for end < len(s) && s[end] == '<' {
			end++
		}
		if end == len(s) || !(isLetter(s[end]) || strings.IndexByte("/!?", s[end]) >= 0) {
			b.WriteString(s[i:end])
		}
		i = end
	}
	return b.String()
}
