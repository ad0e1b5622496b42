package message

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// MaxMute is the longest muting that has an end, in hours.
const MaxMute = 10 * 8_760

var errDuration = fault.Invalid("INVALID_DURATION", fmt.Sprintf("duration is more than 0 and at most %d hours", MaxMute))

// Archive puts the caller's conversation with somebody into the archive.
func (s *Service) Archive(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationChanged], error) {
	return s.changed(ctx, who, with, true, "Conversation archived", func(set *Settings) { set.Archived = true })
}

// Unarchive takes it out again.
func (s *Service) Unarchive(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationChanged], error) {
	return s.changed(ctx, who, with, false, "Conversation unarchived", func(set *Settings) { set.Archived = false })
}

// Unmute lets the caller be told of new messages again.
func (s *Service) Unmute(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationChanged], error) {
	return s.changed(ctx, who, with, false, "Conversation unmuted", func(set *Settings) {
		set.Muted, set.MutedUntil = false, time.Time{}
	})
}

// MarkUnread marks the caller's conversation with somebody as unread. Reading on takes the
// mark away.
func (s *Service) MarkUnread(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationChanged], error) {
	at := s.instant()
	return s.changed(ctx, who, with, false, "Conversation marked as unread", func(set *Settings) {
		if set.MarkedUnread.IsZero() {
			set.MarkedUnread = at
		}
	})
}

// Mute keeps new messages of somebody from being told, for some hours or until the caller says
// otherwise.
func (s *Service) Mute(ctx context.Context, who auth.Identity, with id.User, in wire.Muting) (wire.Outcome[wire.ConversationMuted], error) {
	until, err := s.muteUntil(in)
	if err != nil {
		return wire.Outcome[wire.ConversationMuted]{}, err
	}
	state, _, _, err := s.arrange(ctx, who, with, true, func(set *Settings) { set.Muted, set.MutedUntil = true, until })
	if err != nil {
		return wire.Outcome[wire.ConversationMuted]{}, err
	}
	return wire.Outcome[wire.ConversationMuted]{Reply: wire.ConversationMuted{
		Message: "Conversation muted", Conversation: projectState(state, s.key, s.now()), MutedUntil: whenSet(until),
	}}, nil
}

// muteUntil returns when a muting ends; zero where it does not.
func (s *Service) muteUntil(in wire.Muting) (time.Time, error) {
	d := in.Duration
	switch {
	case d == nil:
		return time.Time{}, nil
	case !(*d > 0 && *d <= MaxMute):
		return time.Time{}, errDuration
	}
	return s.instant().Add(time.Duration(*d * float64(time.Hour)).Truncate(time.Millisecond)), nil
}

// UnmarkUnread takes the mark "unread" away and tells the caller's devices.
func (s *Service) UnmarkUnread(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationMarkedRead], error) {
	state, found, changed, err := s.arrange(ctx, who, with, false, func(set *Settings) { set.MarkedUnread = time.Time{} })
	if err != nil {
		return wire.Outcome[wire.ConversationMarkedRead]{}, err
	}
	if !found {
		return wire.Outcome[wire.ConversationMarkedRead]{Reply: wire.ConversationMarkedRead{Message: ErrNoConversation.Text}}, nil
	}
	cv := projectState(state, s.key, s.now())
	out := wire.Outcome[wire.ConversationMarkedRead]{Reply: wire.ConversationMarkedRead{Message: "Conversation marked as read", Conversation: &cv}}
	if changed {
		out.After = []wire.Outgoing{wire.MessageWasRead.At(state.Changed, wire.UserRoom(who.User), wire.MessageRead{ConversationWith: with})}
	}
	return out, nil
}

// DeleteConversation deletes every message with somebody for the caller alone. A later message
// brings the conversation back, with what is new.
func (s *Service) DeleteConversation(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationDeleted], error) {
	err := s.change(ctx, Between(who.User, with), func(ctx context.Context) error {
		return s.store.Clear(ctx, who.User, with)
	})
	if err != nil {
		return wire.Outcome[wire.ConversationDeleted]{}, fmt.Errorf("delete conversation: %w", err)
	}
	return wire.Outcome[wire.ConversationDeleted]{Reply: wire.ConversationDeleted{Message: "Conversation deleted successfully"}}, nil
}

// changed arranges a conversation and shows it; where there is none, it shows none.
func (s *Service) changed(ctx context.Context, who auth.Identity, with id.User, create bool, said string, set func(*Settings)) (wire.Outcome[wire.ConversationChanged], error) {
	state, found, _, err := s.arrange(ctx, who, with, create, set)
	if err != nil {
		return wire.Outcome[wire.ConversationChanged]{}, err
	}
	out := wire.Outcome[wire.ConversationChanged]{Reply: wire.ConversationChanged{Message: said}}
	if found {
		cv := projectState(state, s.key, s.now())
		out.Reply.Conversation = &cv
	}
	return out, nil
}

// arrange changes what the caller has set for a conversation. Whom there is no account of, and
// no conversation with, is errNobody.
func (s *Service) arrange(ctx context.Context, who auth.Identity, with id.User, create bool, set func(*Settings)) (state State, found, changed bool, err error) {
	known, err := s.people.People(ctx, []id.User{with})
	if err != nil {
		return State{}, false, false, fmt.Errorf("arrange conversation: %w", err)
	}
	_, exists := known[with]
	at := s.instant()
	err = s.inLane(ctx, Between(who.User, with), func(ctx context.Context) (err error) {
		state, changed, err = s.store.Arrange(ctx, who.User, with, create && exists, at, set)
		return err
	})
	switch {
	case errors.Is(err, ErrNoConversation) && !exists:
		return State{}, false, false, errNobody
	case errors.Is(err, ErrNoConversation):
		return State{}, false, false, nil
	case err != nil:
		return State{}, false, false, fmt.Errorf("arrange conversation: %w", err)
	}
	return state, true, changed, nil
}

// instant is now, as it is stored.
func (s *Service) instant() time.Time { return s.now().UTC().Truncate(time.Millisecond) }
