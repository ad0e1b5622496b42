package message

import (
	"context"
	"errors"
	"fmt"

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

// Edit replaces the text of one's own message and tells both participants, or the members of the
// group, except who deleted it for themselves. What may no longer be sent may no longer be edited
// either.
func (s *Service) Edit(ctx context.Context, who auth.Identity, of id.Message, in wire.EditedContent) (wire.Outcome[wire.Message], error) {
	text, err := content(in.Content)
	if err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	if text == "" {
		return wire.Outcome[wire.Message]{}, errNoNewContent
	}
	m, err := s.seen(ctx, who, of)
	if err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	if m.Sender != who.User {
		return wire.Outcome[wire.Message]{}, errNotYours
	}
	if err := s.mayEdit(ctx, m); err != nil {
		return wire.Outcome[wire.Message]{}, err
	}

	err = s.change(ctx, m.Conversation(), func(ctx context.Context) (err error) {
		m, err = s.store.Edit(ctx, of, text, s.now())
		return err
	})
	if err != nil {
		return wire.Outcome[wire.Message]{}, fmt.Errorf("edit message: %w", err)
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	s.indexed(m)
	seers, err := s.store.SeenBy(ctx, of)
	if err != nil {
		return wire.Outcome[wire.Message]{}, fmt.Errorf("edit message: %w", err)
	}
	to := s.fresh(ctx, m, original{})
	shown := s.shownWith(ctx, true, m, to.quoted())
	return wire.Outcome[wire.Message]{Reply: shown, After: to.tell(edited(m), m.Changed, asEdited(shown), seers...)}, nil
}

// mayEdit returns a fault where the sender of a message may not write it any more. In a group
// the store says whether they are still in it.
func (s *Service) mayEdit(ctx context.Context, m Message) error {
	if m.Conversation().IsGroup() {
		return s.people.MayWrite(ctx, m.Sender, m.Sender)
	}
	if err := s.mayMeet(ctx, m.Sender, m.Recipient); err != nil {
		return err
	}
	return s.people.MayWrite(ctx, m.Sender, m.Recipient)
}

// edited is the event that tells of a message that is other than it was.
func edited(m Message) wire.ToClient[wire.Message] {
	if m.Conversation().IsGroup() {
		return wire.GroupMessageEdited
	}
	return wire.MessageEdited
}

// asEdited shows a message in that event.
func asEdited(w wire.Message) wire.Message {
	w.MessageID, w.GroupChatID = &w.ID, w.GroupChat
	return w
}

// Delete removes a message for everyone, which only its sender may, or for the caller alone.
// What is gone already is gone: a repeat succeeds and announces nothing.
func (s *Service) Delete(ctx context.Context, who auth.Identity, of id.Message, forAll bool) (wire.Outcome[wire.Deleted], error) {
	m, err := s.mine(ctx, who, of)
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
	ctx, cancel := settled(ctx)
	defer cancel()
	if forAll {
		s.goneForAll(ctx, m, changed)
	}
	hear := []id.User{who.User}
	if forAll && changed && s.mayMeetIn(ctx, who.User, m.Conversation()) == nil {
		// Nothing is told across a block; its end asks for a reload.
		if hear, err = s.audience(ctx, m); err != nil {
			return wire.Outcome[wire.Deleted]{}, fmt.Errorf("delete message: %w", err)
		}
	}
	return deleted(who.User, m, forAll, changed, hear), nil
}

// goneForAll lets go of what a deleted message had elsewhere.
func (s *Service) goneForAll(ctx context.Context, m Message, changed bool) {
	if changed {
		s.indexed(m)
	}
	if s.files != nil {
		// The store knows that the files are free. What is not let go of now is found later.
		_ = s.files.Detach(ctx, m.ID)
	}
}

func deleted(by id.User, m Message, forAll, changed bool, hear []id.User) wire.Outcome[wire.Deleted] {
	out := wire.Outcome[wire.Deleted]{Reply: wire.Deleted{Message: "Message deleted for you", MessageID: m.ID, DeleteForAll: forAll}}
	gone := Gone{ID: m.ID, Group: m.Group, ForAll: forAll}
	if forAll {
		out.Reply.Message = "Message deleted for everyone"
	}
	switch {
	case !changed:
	case m.Conversation().IsGroup():
		out.After = tell(wire.GroupMessageGone, m.Changed, gone.inGroup(by), hear...)
	default:
		out.After = tell(wire.MessageGone, m.Changed, gone.direct(by), hear...)
	}
	return out
}

// direct tells of a message between two people that is gone, for by alone where it is not gone
// for all.
func (g Gone) direct(by id.User) wire.MessageDeleted {
	if g.ForAll {
		return wire.MessageDeleted{MessageID: g.ID, DeleteForAll: true}
	}
	return wire.MessageDeleted{MessageID: g.ID, DeletedForUser: by}
}

// inGroup is direct for a message of a group.
func (g Gone) inGroup(by id.User) wire.GroupMessageDeleted {
	if g.ForAll {
		return wire.GroupMessageDeleted{GroupChatID: g.Group, MessageID: g.ID, DeleteForAll: true}
	}
	return wire.GroupMessageDeleted{GroupChatID: g.Group, MessageID: g.ID, DeletedForUser: by}
}

// seen is mine for a message that the caller did not delete for themselves.
func (s *Service) seen(ctx context.Context, who auth.Identity, of id.Message) (Message, error) {
	m, err := s.mine(ctx, who, of)
	if err != nil {
		return Message{}, err
	}
	sees, err := s.sees(ctx, who.User, m)
	if err != nil {
		return Message{}, fmt.Errorf("find message: %w", err)
	}
	if !sees {
		return Message{}, ErrNoMessage
	}
	return m, nil
}

// mine returns a message that the caller takes part in: in a group, who is in it now. Nobody
// else learns whether it exists.
func (s *Service) mine(ctx context.Context, who auth.Identity, of id.Message) (Message, error) {
	m, err := s.store.Message(ctx, of)
	if err != nil {
		return Message{}, fmt.Errorf("find message: %w", err)
	}
	in := m.Conversation().Has(who.User)
	if m.Conversation().IsGroup() {
		_, err := s.memberOf(ctx, m.Group, who.User)
		if in = err == nil; !in && !errors.Is(err, ErrNotMember) && !errors.Is(err, ErrNoGroup) {
			return Message{}, fmt.Errorf("find message: %w", err)
		}
	}
	if !in {
		return Message{}, ErrNoMessage
	}
	return m, nil
}
