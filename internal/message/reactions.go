package message

import (
	"context"
	"fmt"
	"unicode"
	"unicode/utf16"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// MaxEmoji is the longest emoji of a reaction, in UTF-16 code units, as browsers count.
const MaxEmoji = 10

var (
	errNoEmoji  = fault.Invalid("MISSING_EMOJI", "Emoji is required")
	errNotEmoji = fault.Invalid("INVALID_EMOJI", fmt.Sprintf("A reaction is one emoji of at most %d characters", MaxEmoji))
)

// React adds the caller's emoji to a message and tells whoever sees the message. The same emoji
// again changes nothing.
func (s *Service) React(ctx context.Context, who auth.Identity, of id.Message, in wire.Emoji) (wire.Outcome[wire.Message], error) {
	return s.react(ctx, who, of, in, false)
}

// Unreact takes the caller's emoji from a message and tells whoever sees the message. Where it is
// not there, nothing changes.
func (s *Service) Unreact(ctx context.Context, who auth.Identity, of id.Message, in wire.Emoji) (wire.Outcome[wire.Message], error) {
	return s.react(ctx, who, of, in, true)
}

func (s *Service) react(ctx context.Context, who auth.Identity, of id.Message, in wire.Emoji, remove bool) (wire.Outcome[wire.Message], error) {
	switch {
	case in.Emoji == "":
		return wire.Outcome[wire.Message]{}, errNoEmoji
	case !isEmoji(in.Emoji):
		return wire.Outcome[wire.Message]{}, errNotEmoji
	}
	m, err := s.seen(ctx, who, of)
	if err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	if err := s.mayMeetIn(ctx, who.User, m.Conversation()); err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	changed := false
	err = s.change(ctx, m.Conversation(), func(ctx context.Context) (err error) {
		m, changed, err = s.store.React(ctx, of, Reaction{User: who.User, Emoji: in.Emoji, At: s.instant()}, remove)
		return err
	})
	if err != nil {
		return wire.Outcome[wire.Message]{}, fmt.Errorf("react: %w", err)
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	out := wire.Outcome[wire.Message]{Reply: s.shown(ctx, who.User, m)}
	if changed {
		seers, err := s.store.SeenBy(ctx, of)
		if err != nil {
			return wire.Outcome[wire.Message]{}, fmt.Errorf("react: %w", err)
		}
		out.After = tell(wire.MessageReacted, m.Changed, wire.MessageReaction{
			MessageID: m.ID, UserID: who.User, Emoji: in.Emoji, Removed: remove, GroupChatID: m.Group,
		}, seers...)
	}
	return out, nil
}

// Characters that make a longer emoji of others.
const (
	joiner = '\u200d'
	keycap = '\u20e3'
)

// isEmoji reports whether a text looks like emoji: a pictogram at least, and nothing but
// pictograms and what changes their looks. It is neither white space nor anything that a page
// could take for markup.
func isEmoji(text string) bool {
	units, pictograms := 0, 0
	runes := []rune(text)
	for i, r := range runes {
		units += utf16.RuneLen(r)
		switch {
		case r == unicode.ReplacementChar:
			return false
		case isPictogram(r):
			pictograms++
		case isKey(r):
			if !endsInKeycap(runes[i+1:]) {
				return false
			}
			pictograms++
		case !changesLooks(r):
			return false
		}
	}
	return pictograms > 0 && units <= MaxEmoji
}

// isPictogram reports whether a character can be an emoji by itself: symbols, and a few that the
// standard calls punctuation, letters or operators. Of the operators only those beside the arrows
// and the geometric shapes are any.
func isPictogram(r rune) bool {
	switch r {
	case '\u203c', '\u2049', '\u2139', '\u3030':
		return true
	case '\u2800', '\ufffc': // they show nothing
		return false
	}
	return r >= 0xa9 && unicode.Is(unicode.So, r) || r >= 0x2190 && unicode.Is(unicode.Sm, r)
}

// isKey reports whether a character stands on a key of a telephone.
func isKey(r rune) bool { return r >= '0' && r <= '9' || r == '#' || r == '*' }

// endsInKeycap reports whether what follows a character makes a keycap of it.
func endsInKeycap(rest []rune) bool {
	if len(rest) > 0 && unicode.Is(unicode.Variation_Selector, rest[0]) {
		rest = rest[1:]
	}
	return len(rest) > 0 && rest[0] == keycap
}

// changesLooks reports whether a character changes the looks of an emoji before it: a joiner, a
// variation selector, the keycap, a skin tone, or a tag of a flag.
func changesLooks(r rune) bool {
	return r == joiner || r == keycap || r == '\ufe0e' || r == '\ufe0f' || r >= 0x1f3fb && r <= 0x1f3ff || r >= 0xe0020 && r <= 0xe007f
}
