package message

import (
	"context"
	"fmt"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// GroupThread returns the messages of a group that the caller is in, oldest first. Who came later
// reads what was written before.
func (s *Service) GroupThread(ctx context.Context, who auth.Identity, g id.Group, q wire.ListQuery) (wire.Page[wire.Message], error) {
	if _, err := s.memberOf(ctx, g, who.User); err != nil {
		return wire.Page[wire.Message]{}, fmt.Errorf("thread of a group: %w", err)
	}
	page, err := s.store.PageBefore(ctx, InGroup(g), who.User, q.Before, q.Limit)
	if err != nil {
		return wire.Page[wire.Message]{}, fmt.Errorf("thread of a group: %w", err)
	}
	return s.thread(ctx, who.User, page)
}

// GroupMedia returns the attachments in the messages of a group that the caller is in, newest
// first.
func (s *Service) GroupMedia(ctx context.Context, who auth.Identity, g id.Group, q wire.MediaQuery) (wire.Media, error) {
	if _, err := s.memberOf(ctx, g, who.User); err != nil {
		return wire.Media{}, fmt.Errorf("media of a group: %w", err)
	}
	page, err := s.store.Media(ctx, InGroup(g), who.User, q.Skip, q.Limit)
	if err != nil {
		return wire.Media{}, fmt.Errorf("media of a group: %w", err)
	}
	known, err := s.people.People(ctx, scene{}.people([][]Message{page.Items}))
	if err != nil {
		return wire.Media{}, fmt.Errorf("media of a group: %w", err)
	}
	return s.media(page, known), nil
}
