package message

import (
	"context"
	"fmt"
	"unicode/utf8"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

var errLongDraft = fault.Invalid("DRAFT_TOO_LONG", fmt.Sprintf("A draft has at most %d characters", MaxContent))

// SaveDraft keeps what the caller has written in a conversation and not sent, as they typed it,
// in place of what was kept before, and tells their devices. An empty text and no reply keep
// nothing.
func (s *Service) SaveDraft(ctx context.Context, who auth.Identity, in wire.NewDraft) (wire.Outcome[wire.SavedDraft], error) {
	c, err := conversationOf(who.User, in.ConversationWith, in.GroupChatID)
	if err != nil {
		return wire.Outcome[wire.SavedDraft]{}, err
	}
	if utf8.RuneCountInString(in.Text) > MaxContent {
		return wire.Outcome[wire.SavedDraft]{}, errLongDraft
	}
	if err := s.mayDraft(ctx, who.User, c, in); err != nil {
		return wire.Outcome[wire.SavedDraft]{}, err
	}
	d := SavedDraft{Conversation: c, Text: in.Text, ReplyTo: in.ReplyTo, At: s.instant()}
	err = s.inLane(ctx, c, func(ctx context.Context) error { return s.store.SaveDraft(ctx, who.User, d) })
	if err != nil {
		return wire.Outcome[wire.SavedDraft]{}, fmt.Errorf("save draft: %w", err)
	}
	saved := projectDraft(who.User, d)
	return wire.Outcome[wire.SavedDraft]{Reply: saved, After: []wire.Outgoing{wire.DraftChanged.To(wire.UserRoom(who.User), saved)}}, nil
}

// mayDraft returns a fault where there is nobody to write to, where the caller is not in the
// group, or where they cannot see what they reply to.
func (s *Service) mayDraft(ctx context.Context, u id.User, c Conversation, in wire.NewDraft) error {
	if c.IsGroup() {
		if _, err := s.memberOf(ctx, c.Group, u); err != nil {
			return fmt.Errorf("save draft: %w", err)
		}
	} else {
		known, err := s.people.People(ctx, []id.User{in.ConversationWith})
		if err != nil {
			return fmt.Errorf("save draft: %w", err)
		}
		if _, exists := known[in.ConversationWith]; !exists {
			return errNobody
		}
	}
	_, err := s.mayReply(ctx, c, u, in.ReplyTo)
	return err
}

// Drafts returns what the caller has written and not sent, newest first.
func (s *Service) Drafts(ctx context.Context, who auth.Identity) ([]wire.SavedDraft, error) {
	drafts, err := s.store.Drafts(ctx, who.User)
	if err != nil {
		return nil, fmt.Errorf("drafts: %w", err)
	}
	out := make([]wire.SavedDraft, len(drafts))
	for i, d := range drafts {
		out[i] = projectDraft(who.User, d)
	}
	return out, nil
}

func projectDraft(u id.User, d SavedDraft) wire.SavedDraft {
	w := wire.SavedDraft{Text: d.Text, ReplyTo: mark(d.ReplyTo), UpdatedAt: d.At}
	if d.Conversation.IsGroup() {
		w.GroupChatID = d.Conversation.Group
	} else {
		w.ConversationWith = d.Conversation.Other(u)
	}
	return w
}
