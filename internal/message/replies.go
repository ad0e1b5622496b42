package message

import (
	"context"
	"errors"
	"fmt"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/wire"
)

// maxQuote is how much of a message its replies show, in characters.
const maxQuote = 100

var errReply = fault.Invalid("INVALID_REPLY", "replyTo is no message of this conversation that you can see")

// An original is what a message replies to. It is zero where there is none, or none to be seen.
type original struct {
	message Message
	seers   []id.User // who sees it
	epoch   uint64    // of its conversation, before it was read
}

// original returns what somebody replies to in a conversation, or errReply where they cannot see
// it.
func (s *Service) original(ctx context.Context, c Conversation, u id.User, to id.Message) (original, error) {
	of := original{epoch: s.epoch(c).Load()}
	var err error
	if of.message, err = s.mayReply(ctx, c, u, to); err != nil || to.IsZero() {
		return original{}, err
	}
	if of.seers, err = s.store.SeenBy(ctx, to); err != nil {
		return original{}, fmt.Errorf("look up who sees what is replied to: %w", err)
	}
	return of, nil
}

// fresh returns the original of a stored message as it is now. One that is known is read again only
// where it may have changed, and where it cannot be read there is none.
func (s *Service) fresh(ctx context.Context, m Message, of original) original {
	c := m.Conversation()
	if of.message.ID != m.ReplyTo || of.epoch != s.epoch(c).Load() {
		of, _ = s.original(ctx, c, m.Sender, m.ReplyTo)
	}
	return of
}

// quoted returns the original for a scene.
func (of original) quoted() map[id.Message]Message {
	if of.message.ID.IsZero() {
		return nil
	}
	return map[id.Message]Message{of.message.ID: of.message}
}

// tell is tell for a message that replies to the original: the quote is for those alone who see
// what is quoted.
func (of original) tell(e wire.ToClient[wire.Message], seq order.Seq, w wire.Message, to ...id.User) []wire.Outgoing {
	if w.Quote == nil {
		return tell(e, seq, w, to...)
	}
	sees := make(map[id.User]bool, len(of.seers))
	for _, u := range of.seers {
		sees[u] = true
	}
	var with, without []id.User
	for _, u := range to {
		if sees[u] {
			with = append(with, u)
		} else {
			without = append(without, u)
		}
	}
	bare := w
	bare.Quote = nil
	return append(tell(e, seq, w, with...), tell(e, seq, bare, without...)...)
}

// mayReply returns a message of a conversation, or errReply where somebody cannot see it. Without
// one there is nothing to see.
func (s *Service) mayReply(ctx context.Context, c Conversation, u id.User, to id.Message) (Message, error) {
	if to.IsZero() {
		return Message{}, nil
	}
	some, err := s.store.Some(ctx, c, u, []id.Message{to})
	if err != nil {
		return Message{}, fmt.Errorf("look up what is replied to: %w", err)
	}
	if len(some) == 0 {
		return Message{}, errReply
	}
	return some[0], nil
}

// quoted returns what messages reply to, as far as the viewer can see it: one query for each of
// their conversations, and none where it is among the messages.
func (s *Service) quoted(ctx context.Context, viewer id.User, lists [][]Message) (map[id.Message]Message, error) {
	wanted := make(map[id.Message]Conversation)
	for _, list := range lists {
		for _, m := range list {
			if !m.ReplyTo.IsZero() && m.DeletedAt.IsZero() {
				wanted[m.ReplyTo] = m.Conversation()
			}
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	found := make(map[id.Message]Message, len(wanted))
	for _, list := range lists {
		for _, m := range list {
			if _, ok := wanted[m.ID]; ok {
				found[m.ID] = m
			}
		}
	}
	missing := make(map[Conversation][]id.Message)
	for of, c := range wanted {
		if _, ok := found[of]; !ok {
			missing[c] = append(missing[c], of)
		}
	}
	for c, of := range missing {
		some, err := s.store.Some(ctx, c, viewer, of)
		if errors.Is(err, ErrNotMember) || errors.Is(err, ErrNoGroup) {
			continue // they have left meanwhile
		}
		if err != nil {
			return nil, err
		}
		for _, m := range some {
			found[m.ID] = m
		}
	}
	return found, nil
}

// quote shows the beginning of what a message replies to, and nothing where the viewer cannot see
// that any more. Of what is shown behind a warning, the warning is quoted.
func (sc scene) quote(to id.Message) *wire.Quote {
	m, ok := sc.quoted[to]
	if !ok {
		return nil
	}
	text := m.Content
	if m.Extra.Warning != "" {
		text = m.Extra.Warning
	}
	return &wire.Quote{
		ID: to, Sender: person(m.Sender, sc.known), Content: beginning(text, maxQuote), IsDeleted: !m.DeletedAt.IsZero(),
	}
}

// beginning returns at most so many characters of a text.
func beginning(text string, characters int) string {
	for i := range text {
		if characters == 0 {
			return text[:i]
		}
		characters--
	}
	return text
}
