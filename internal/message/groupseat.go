package message

import (
	"context"
	"fmt"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// ArchiveGroup puts a group of the caller into the archive.
func (s *Service) ArchiveGroup(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationChanged], error) {
	return s.changedSeat(ctx, who, g, "Group chat archived", func(set *Settings) { set.Archived = true })
}

// UnarchiveGroup takes it out again.
func (s *Service) UnarchiveGroup(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationChanged], error) {
	return s.changedSeat(ctx, who, g, "Group chat unarchived", func(set *Settings) { set.Archived = false })
}

// UnmuteGroup lets the caller be told of new messages in a group again.
func (s *Service) UnmuteGroup(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationChanged], error) {
	return s.changedSeat(ctx, who, g, "Group chat unmuted", func(set *Settings) { set.Muted, set.MutedUntil = false, time.Time{} })
}

// MarkGroupUnread marks a group of the caller as unread. Reading on takes the mark away.
func (s *Service) MarkGroupUnread(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationChanged], error) {
	at := s.instant()
	return s.changedSeat(ctx, who, g, "Group chat marked as unread", func(set *Settings) {
		if set.MarkedUnread.IsZero() {
			set.MarkedUnread = at
		}
	})
}

// MuteGroup keeps new messages in a group from being told, for some hours or until the caller
// says otherwise.
func (s *Service) MuteGroup(ctx context.Context, who auth.Identity, g id.Group, in wire.Muting) (wire.Outcome[wire.ConversationMuted], error) {
	until, err := s.muteUntil(in)
	if err != nil {
		return wire.Outcome[wire.ConversationMuted]{}, err
	}
	seat, _, err := s.arrangeGroup(ctx, who, g, func(set *Settings) { set.Muted, set.MutedUntil = true, until })
	if err != nil {
		return wire.Outcome[wire.ConversationMuted]{}, err
	}
	return wire.Outcome[wire.ConversationMuted]{Reply: wire.ConversationMuted{
		Message: "Group chat muted", Conversation: projectGroupState(seat, who.User, s.key, s.now()), MutedUntil: whenSet(until),
	}}, nil
}

// UnmarkGroupUnread takes the mark "unread" away and tells the caller's devices.
func (s *Service) UnmarkGroupUnread(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationMarkedRead], error) {
	seat, changed, err := s.arrangeGroup(ctx, who, g, func(set *Settings) { set.MarkedUnread = time.Time{} })
	if err != nil {
		return wire.Outcome[wire.ConversationMarkedRead]{}, err
	}
	cv := projectGroupState(seat, who.User, s.key, s.now())
	out := wire.Outcome[wire.ConversationMarkedRead]{Reply: wire.ConversationMarkedRead{Message: "Group chat marked as read", Conversation: &cv}}
	if changed {
		out.After = tell(wire.MessageWasRead, seat.Changed, wire.MessageRead{GroupChatID: g}, who.User)
	}
	return out, nil
}

// ClearGroup deletes every message of a group for the caller alone.
func (s *Service) ClearGroup(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationDeleted], error) {
	err := s.change(ctx, InGroup(g), func(ctx context.Context) error { return s.groups.ClearGroup(ctx, g, who.User) })
	if err != nil {
		return wire.Outcome[wire.ConversationDeleted]{}, fmt.Errorf("clear group: %w", err)
	}
	return wire.Outcome[wire.ConversationDeleted]{Reply: wire.ConversationDeleted{Message: "Conversation deleted successfully"}}, nil
}

// changedSeat arranges a group and shows what is set.
func (s *Service) changedSeat(ctx context.Context, who auth.Identity, g id.Group, said string, set func(*Settings)) (wire.Outcome[wire.ConversationChanged], error) {
	seat, _, err := s.arrangeGroup(ctx, who, g, set)
	if err != nil {
		return wire.Outcome[wire.ConversationChanged]{}, err
	}
	cv := projectGroupState(seat, who.User, s.key, s.now())
	return wire.Outcome[wire.ConversationChanged]{Reply: wire.ConversationChanged{Message: said, Conversation: &cv}}, nil
}

// arrangeGroup changes what the caller has set for a group that they are in.
func (s *Service) arrangeGroup(ctx context.Context, who auth.Identity, g id.Group, set func(*Settings)) (seat Seat, changed bool, err error) {
	at := s.instant()
	err = s.inLane(ctx, InGroup(g), func(ctx context.Context) (err error) {
		seat, changed, err = s.groups.ArrangeGroup(ctx, g, who.User, at, set)
		return err
	})
	if err != nil {
		return Seat{}, false, fmt.Errorf("arrange group: %w", err)
	}
	return seat, changed, nil
}
