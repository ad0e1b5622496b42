package message

import (
	"context"
	"fmt"
	"slices"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Refusals of a change.
var (
	errNotYours     = fault.Forbidden("NOT_AUTHORIZED", "Not authorized to edit this message")
	errNotForAll    = fault.Forbidden("NOT_AUTHORIZED", "Only the sender can delete for everyone")
	errNoNewContent = fault.Invalid("EMPTY_MESSAGE", "Message content is required")
)

// Edit replaces the text of one's own message and tells both participants, except who deleted
// it for themselves. What may no longer be sent may no longer be edited either.
func (s *Service) Edit(ctx context.Context, who auth.Identity, of id.Message, in wire.EditedContent) (wire.Outcome[wire.Message], error) {
	text, err := content(in.Content)
	if err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	if text == "" {
		return wire.Outcome[wire.Message]{}, errNoNewContent
	}
	m, known, err := s.seen(ctx, who, of)
	if err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	if m.Sender != who.User {
		return wire.Outcome[wire.Message]{}, errNotYours
	}
	if err := s.mayMeet(ctx, who.User, m.Recipient); err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	if err := s.people.MayWrite(ctx, who.User, m.Recipient); err != nil {
		return wire.Outcome[wire.Message]{}, err
	}

	err = s.change(ctx, m.Conversation(), func(ctx context.Context) (err error) {
		m, err = s.store.Edit(ctx, of, text, s.now())
		return err
	})
	if err != nil {
		return wire.Outcome[wire.Message]{}, fmt.Errorf("edit message: %w", err)
	}
	seers, err := s.store.SeenBy(ctx, of)
	if err != nil {
		return wire.Outcome[wire.Message]{}, fmt.Errorf("edit message: %w", err)
	}
	edited := project(m, known)
	out := wire.Outcome[wire.Message]{Reply: edited}
	edited.MessageID = &m.ID
	for _, u := range seers {
		out.After = append(out.After, wire.MessageEdited.At(m.Changed, wire.UserRoom(u), edited))
	}
	return out, nil
}

// Delete removes a message for everyone, which only its sender may, or for the caller alone.
// What is gone already is gone: a repeat succeeds and announces nothing.
func (s *Service) Delete(ctx context.Context, who auth.Identity, of id.Message, forAll bool) (wire.Outcome[wire.Deleted], error) {
	m, _, err := s.mine(ctx, who, of)
	if err != nil {
		return wire.Outcome[wire.Deleted]{}, err
	}
	if forAll && m.Sender != who.User {
		return wire.Outcome[wire.Deleted]{}, errNotForAll
	}

	changed := false
	err = s.change(ctx, m.Conversation(), func(ctx context.Context) (err error) {
		if forAll {
			m, changed, err = s.store.DeleteForAll(ctx, of, s.now())
		} else {
			m, changed, err = s.store.DeleteForSelf(ctx, of, who.User, s.now())
		}
		return err
	})
	if err != nil {
		return wire.Outcome[wire.Deleted]{}, fmt.Errorf("delete message: %w", err)
	}
	out := deleted(who.User, m, forAll, changed)
	if apart := s.mayMeet(ctx, who.User, m.Recipient); apart != nil {
		// Nothing is told across a block; its end asks for a reload.
		for i := range out.After {
			out.After[i].Rooms = []wire.Room{wire.UserRoom(who.User)}
		}
	}
	return out, nil
}

func deleted(by id.User, m Message, forAll, changed bool) wire.Outcome[wire.Deleted] {
	out := wire.Outcome[wire.Deleted]{Reply: wire.Deleted{Message: "Message deleted for you", MessageID: m.ID, DeleteForAll: forAll}}
	if forAll {
		out.Reply.Message = "Message deleted for everyone"
	}
	switch {
	case !changed:
	case forAll:
		out.After = toBoth(m, wire.MessageGone, wire.MessageDeleted{MessageID: m.ID, DeleteForAll: true})
	default:
		gone := wire.MessageDeleted{MessageID: m.ID, DeletedForUser: by}
		out.After = []wire.Outgoing{wire.MessageGone.At(m.Changed, wire.UserRoom(by), gone)}
	}
	return out
}

// seen is mine for a message that the caller did not delete for themselves.
func (s *Service) seen(ctx context.Context, who auth.Identity, of id.Message) (Message, map[id.User]wire.Person, error) {
	m, known, err := s.mine(ctx, who, of)
	if err != nil {
		return Message{}, nil, err
	}
	seers, err := s.store.SeenBy(ctx, of)
	if err != nil {
		return Message{}, nil, fmt.Errorf("find message: %w", err)
	}
	if !slices.Contains(seers, who.User) {
		return Message{}, nil, ErrNoMessage
	}
	return m, known, nil
}

// mine returns a message that the caller takes part in, and its participants. Nobody else
// learns whether it exists.
func (s *Service) mine(ctx context.Context, who auth.Identity, of id.Message) (Message, map[id.User]wire.Person, error) {
	m, err := s.store.Message(ctx, of)
	if err != nil {
		return Message{}, nil, fmt.Errorf("find message: %w", err)
	}
	if !m.Conversation().Has(who.User) {
		return Message{}, nil, ErrNoMessage
	}
	known, err := s.people.People(ctx, []id.User{m.Sender, m.Recipient})
	if err != nil {
		return Message{}, nil, fmt.Errorf("find message: %w", err)
	}
	return m, known, nil
}

// toBoth addresses an event to both participants of a message, once for notes to oneself.
func toBoth[P any](m Message, e wire.ToClient[P], p P) []wire.Outgoing {
	out := e.At(m.Changed, wire.UserRoom(m.Sender), p)
	if m.Recipient != m.Sender {
		out.Rooms = append(out.Rooms, wire.UserRoom(m.Recipient))
	}
	return []wire.Outgoing{out}
}
