package message

import (
	"context"
	"fmt"
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
)

// MarkRead moves the caller's read mark to a message of somebody else and tells both
// participants. Reading one's own message, or an older one again, changes nothing.
func (s *Service) MarkRead(ctx context.Context, who auth.Identity, of id.Message) (wire.Outcome[wire.Message], error) {
	m, known, err := s.seen(ctx, who, of)
	if err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	if m.Sender == who.User {
		return wire.Outcome[wire.Message]{Reply: project(m, known)}, nil
	}
	at := s.now()
	r, err := s.receipt(ctx, who.User, m, func(ctx context.Context) (Receipt, error) {
		return s.store.MarkRead(ctx, who.User, of, at)
	})
	if err != nil {
		return wire.Outcome[wire.Message]{}, fmt.Errorf("mark read: %w", err)
	}
	out := wire.Outcome[wire.Message]{Reply: project(r.Message, known), After: arrived(who.User, r, at)}
	switch m := r.Message; {
	case r.Read:
		out.After = append(out.After,
			wire.MessageWasRead.At(m.Changed, wire.UserRoom(who.User), wire.MessageRead{MessageID: m.ID, ConversationWith: m.Sender}),
			wire.MessageWasRead.At(m.Changed, wire.UserRoom(m.Sender), wire.MessageRead{MessageID: m.ID, ReadBy: who.User}))
	case r.Unmarked:
		out.After = append(out.After, wire.MessageWasRead.At(m.Changed, wire.UserRoom(who.User), wire.MessageRead{ConversationWith: m.Sender}))
	}
	return out, nil
}

// MarkDelivered notes that a message of somebody else, and those before it, have reached a
// device of the caller, and tells both participants. For one's own message, or an older one
// again, nothing changes.
func (s *Service) MarkDelivered(ctx context.Context, who auth.Identity, in wire.MessageRef) (wire.Outcome[wire.Message], error) {
	if in.MessageID.IsZero() {
		return wire.Outcome[wire.Message]{}, errNoMessageID
	}
	m, known, err := s.seen(ctx, who, in.MessageID)
	if err != nil {
		return wire.Outcome[wire.Message]{}, err
	}
	if m.Sender == who.User {
		return wire.Outcome[wire.Message]{Reply: project(m, known)}, nil
	}
	r, err := s.receipt(ctx, who.User, m, func(ctx context.Context) (Receipt, error) {
		return s.store.MarkDelivered(ctx, who.User, in.MessageID)
	})
	if err != nil {
		return wire.Outcome[wire.Message]{}, fmt.Errorf("mark delivered: %w", err)
	}
	return wire.Outcome[wire.Message]{Reply: project(r.Message, known), After: arrived(who.User, r, s.now())}, nil
}

// ReadUpTo moves the caller's read mark to any message of a conversation and tells both
// participants. The caller's own devices hear message:read besides, by which former pages
// count again.
func (s *Service) ReadUpTo(ctx context.Context, who auth.Identity, in wire.ReadUpTo) (wire.Outcome[wire.LastReadUpdated], error) {
	switch {
	case in.ConversationWith.IsZero():
		return wire.Outcome[wire.LastReadUpdated]{}, errNoPeer
	case in.LastReadMessageID.IsZero():
		return wire.Outcome[wire.LastReadUpdated]{}, errNoMessageID
	}
	m, _, err := s.seen(ctx, who, in.LastReadMessageID)
	if err != nil {
		return wire.Outcome[wire.LastReadUpdated]{}, err
	}
	if m.Conversation() != Between(who.User, in.ConversationWith) {
		return wire.Outcome[wire.LastReadUpdated]{}, ErrNoMessage
	}
	at := s.now()
	r, err := s.receipt(ctx, who.User, m, func(ctx context.Context) (Receipt, error) {
		return s.store.MarkRead(ctx, who.User, m.ID, at)
	})
	if err != nil {
		return wire.Outcome[wire.LastReadUpdated]{}, fmt.Errorf("read up to: %w", err)
	}
	return wire.Outcome[wire.LastReadUpdated]{
		Reply: wire.LastReadUpdated{Message: "Last read message updated", LastReadMessageID: m.ID},
		After: append(arrived(who.User, r, at), readUpTo(who.User, in.ConversationWith, r)...),
	}, nil
}

// receipt runs a change of a mark in the line of its conversation. Between people of whom one
// blocks the other nothing is told.
func (s *Service) receipt(ctx context.Context, u id.User, m Message, move func(context.Context) (Receipt, error)) (r Receipt, err error) {
	if err := s.mayMeet(ctx, u, m.Conversation().Other(u)); err != nil {
		return Receipt{}, err
	}
	err = s.change(ctx, m.Conversation(), func(ctx context.Context) (err error) {
		r, err = move(ctx)
		return err
	})
	return r, err
}

// arrived tells both participants that a message has reached its recipient, where that is new.
func arrived(u id.User, r Receipt, at time.Time) []wire.Outgoing {
	if r.Arrived.IsZero() {
		return nil
	}
	return toBoth(r.Message, wire.MessageArrived, wire.MessageDelivered{MessageID: r.Arrived, UserID: u, DeliveredAt: at})
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
