package message

import (
	"context"
	"fmt"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// MaxShown is how many messages Shown looks at.
const MaxShown = 100

// Shown returns those of some messages, of any conversations, that the caller sees, in the order
// in which they are named. What is deleted for all is left out, and what a block hides.
func (s *Service) Shown(ctx context.Context, who auth.Identity, of []id.Message) ([]wire.Message, error) {
	found, err := s.visible(ctx, who.User, of[:min(len(of), MaxShown)])
	if err != nil {
		return nil, fmt.Errorf("show messages: %w", err)
	}
	sc, err := s.sceneOf(ctx, who.User, found)
	if err != nil {
		return nil, fmt.Errorf("show messages: %w", err)
	}
	return sc.showAll(found), nil
}

// visible reads those of some messages that somebody sees and that no block hides, in the order in
// which they are named.
func (s *Service) visible(ctx context.Context, u id.User, of []id.Message) ([]Message, error) {
	blocked, err := s.people.BlockedWith(ctx, u)
	if err != nil {
		return nil, err
	}
	seen, err := s.store.Seen(ctx, u, of)
	if err != nil {
		return nil, err
	}
	shown := make(map[id.Message]Message, len(seen))
	for _, m := range seen {
		if c := m.Conversation(); m.DeletedAt.IsZero() && (c.IsGroup() || !blocked[c.Other(u)]) {
			shown[m.ID] = m
		}
	}
	var out []Message
	for _, one := range of {
		if m, ok := shown[one]; ok {
			out = append(out, m)
		}
	}
	return out, nil
}
