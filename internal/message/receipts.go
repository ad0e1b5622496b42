package message

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Refusals of a receipt.
var (
	errNoMessageID = fault.Invalid("MISSING_MESSAGE_ID", "messageId is required")
	errNoPeer      = fault.Invalid("MISSING_CONVERSATION_WITH", "conversationWith is required")
	errTwo         = fault.Invalid("INVALID_CONVERSATION", "Give conversationWith or groupChatId, not both")
)

// MarkRead moves the caller's read mark to a message of somebody else and tells both
// participants, or the members of the group. Reading one's own message, or an older one again,
// changes nothing.
func (s *Service) MarkRead(ctx context.Context, who auth.Identity, of id.Message) (wire.Outcome[wire.Message], error) {
	return s.marked(ctx, who, of, func(ctx context.Context, at time.Time) (Receipt, error) {
		return s.store.MarkRead(ctx, who.User, of, at)
	})
}

// MarkDelivered notes that a message of somebody else, and those before it, have reached a
// device of the caller, and tells both participants; in a group, its author and the caller. For
// one's own message, or an older one again, nothing changes.
func (s *Service) MarkDelivered(ctx context.Context, who auth.Identity, in wire.MessageRef) (wire.Outcome[wire.Message], error) {
	if in.MessageID.IsZero() {
		return wire.Outcome[wire.Message]{}, errNoMessageID
	}
	return s.marked(ctx, who, in.MessageID, func(ctx context.Context, at time.Time) (Receipt, error) {
		return s.store.MarkDelivered(ctx, who.User, in.MessageID, at)
	})
}

// marked moves a mark of the caller to a message of somebody else.
func (s *Service) marked(ctx context.Context, who auth.Identity, of id.Message, move func(context.Context, time.Time) (Receipt, error)) (out wire.Outcome[wire.Message], err error) {
	m, err := s.seen(ctx, who, of)
	if err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	if m.Sender != who.User {
		at := s.now()
		r, err := s.receipt(ctx, who.User, m, func(ctx context.Context) (Receipt, error) { return move(ctx, at) })
		if err != nil {
			return wire.Outcome[wire.Message]{}, fmt.Errorf("mark message: %w", err)
		}
		var cancel context.CancelFunc
		ctx, cancel = settled(ctx)
		defer cancel()
		m = r.Message
		if m.Conversation().IsGroup() {
			out.After, err = s.movedInGroup(ctx, who.User, r, at)
		} else {
			out.After = append(arrived(who.User, r, at), read(who.User, r)...)
		}
		if err != nil {
			return wire.Outcome[wire.Message]{}, fmt.Errorf("mark message: %w", err)
		}
	}
	out.Reply = s.shown(ctx, who.User, m)
	return out, nil
}

// ReadUpTo moves the caller's read mark to any message of a conversation and tells both
// participants, or the members of the group. The caller's own devices hear message:read besides,
// by which former pages count again.
func (s *Service) ReadUpTo(ctx context.Context, who auth.Identity, in wire.ReadUpTo) (wire.Outcome[wire.LastReadUpdated], error) {
	c, err := conversationOf(who.User, in.ConversationWith, in.GroupChatID)
	if err != nil {
		return wire.Outcome[wire.LastReadUpdated]{}, err
	}
	if in.LastReadMessageID.IsZero() {
		return wire.Outcome[wire.LastReadUpdated]{}, errNoMessageID
	}
	m, err := s.seen(ctx, who, in.LastReadMessageID)
	if err != nil {
		return wire.Outcome[wire.LastReadUpdated]{}, err
	}
	if m.Conversation() != c {
		return wire.Outcome[wire.LastReadUpdated]{}, ErrNoMessage
	}
	at := s.now()
	r, err := s.receipt(ctx, who.User, m, func(ctx context.Context) (Receipt, error) {
		return s.store.MarkRead(ctx, who.User, m.ID, at)
	})
	if err != nil {
		return wire.Outcome[wire.LastReadUpdated]{}, fmt.Errorf("read up to: %w", err)
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	out := wire.Outcome[wire.LastReadUpdated]{Reply: wire.LastReadUpdated{Message: "Last read message updated", LastReadMessageID: m.ID}}
	if c.IsGroup() {
		out.After, err = s.movedInGroup(ctx, who.User, r, at)
	} else {
		out.After = append(arrived(who.User, r, at), readUpTo(who.User, in.ConversationWith, r)...)
	}
	if err != nil {
		return wire.Outcome[wire.LastReadUpdated]{}, fmt.Errorf("read up to: %w", err)
	}
	return out, nil
}

// conversationOf returns the conversation of somebody with a person or in a group, of which one is
// given.
func conversationOf(u, with id.User, g id.Group) (Conversation, error) {
	switch {
	case with.IsZero() && g.IsZero():
		return Conversation{}, errNoPeer
	case !with.IsZero() && !g.IsZero():
		return Conversation{}, errTwo
	case g.IsZero():
		return Between(u, with), nil
	}
	return InGroup(g), nil
}

// receipt runs a change of a mark in the line of its conversation. Between people of whom one
// blocks the other nothing is told; in a group they read the same messages all the same.
func (s *Service) receipt(ctx context.Context, u id.User, m Message, move func(context.Context) (Receipt, error)) (r Receipt, err error) {
	if err := s.mayMeetIn(ctx, u, m.Conversation()); err != nil {
		return Receipt{}, err
	}
	err = s.change(ctx, m.Conversation(), func(ctx context.Context) (err error) {
		r, err = move(ctx)
		return err
	})
	return r, err
}

// movedInGroup tells of the marks of a member that moved: the members what they have read, and
// the author of the message, where still a member, that it has reached them.
func (s *Service) movedInGroup(ctx context.Context, u id.User, r Receipt, at time.Time) ([]wire.Outgoing, error) {
	if !r.Changed() {
		return nil, nil
	}
	m := r.Message
	hear, err := s.audience(ctx, m)
	if err != nil {
		return nil, err
	}
	var out []wire.Outgoing
	if !r.Arrived.IsZero() {
		two := slices.DeleteFunc(slices.Clone(hear), func(v id.User) bool { return v != u && v != m.Sender })
		out = tell(wire.MessageArrived, m.Changed, wire.MessageDelivered{MessageID: r.Arrived, UserID: u, DeliveredAt: at, GroupChatID: m.Group}, two...)
	}
	switch {
	case r.Read:
		out = append(out, tell(wire.GroupMessageWasRead, m.Changed, wire.GroupMessageRead{GroupChatID: m.Group, MessageID: m.ID, UserID: u}, hear...)...)
		out = append(out, tell(wire.MessageWasRead, m.Changed, wire.MessageRead{MessageID: m.ID, GroupChatID: m.Group}, u)...)
	case r.Unmarked:
		out = append(out, tell(wire.MessageWasRead, m.Changed, wire.MessageRead{GroupChatID: m.Group}, u)...)
	}
	return out, nil
}

// arrived tells both participants that a message has reached its recipient, where that is new.
func arrived(u id.User, r Receipt, at time.Time) []wire.Outgoing {
	if r.Arrived.IsZero() {
		return nil
	}
	m := r.Message
	return tell(wire.MessageArrived, m.Changed, wire.MessageDelivered{MessageID: r.Arrived, UserID: u, DeliveredAt: at}, m.Conversation().People()...)
}

// read tells both participants that one of them has read a message.
func read(u id.User, r Receipt) []wire.Outgoing {
	switch m := r.Message; {
	case r.Read:
		return append(
			tell(wire.MessageWasRead, m.Changed, wire.MessageRead{MessageID: m.ID, ConversationWith: m.Sender}, u),
			tell(wire.MessageWasRead, m.Changed, wire.MessageRead{MessageID: m.ID, ReadBy: u}, m.Sender)...)
	case r.Unmarked:
		return tell(wire.MessageWasRead, m.Changed, wire.MessageRead{ConversationWith: m.Sender}, u)
	}
	return nil
}

func readUpTo(u, peer id.User, r Receipt) []wire.Outgoing {
	m := r.Message
	switch {
	case r.Unmarked:
		return []wire.Outgoing{wire.MessageWasRead.At(m.Changed, wire.UserRoom(u), wire.MessageRead{ConversationWith: peer})}
	case !r.Read:
		return nil
	}
	return []wire.Outgoing{
		wire.ConversationWasRead.At(m.Changed, wire.UserRoom(u), wire.ConversationRead{ConversationWith: peer, LastReadMessageID: m.ID, UserID: u}),
		wire.ConversationWasRead.At(m.Changed, wire.UserRoom(peer), wire.ConversationRead{ConversationWith: u, LastReadMessageID: m.ID, UserID: u}),
		wire.MessageWasRead.At(m.Changed, wire.UserRoom(u), wire.MessageRead{MessageID: m.ID, ConversationWith: peer}),
	}
}
