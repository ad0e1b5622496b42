package message

import (
	"context"
	"fmt"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

var errNotYourHistory = fault.Forbidden("NOT_AUTHORIZED", "Only the sender can see earlier versions")

// History returns the texts that a message of the caller had before it was edited, oldest first.
// Nobody else sees them, and of a message that is deleted for all there are none.
func (s *Service) History(ctx context.Context, who auth.Identity, of id.Message) ([]wire.MessageVersion, error) {
	m, err := s.seen(ctx, who, of)
	if err != nil {
		return nil, err
	}
	if m.Sender != who.User {
		return nil, errNotYourHistory
	}
	versions, err := s.store.Versions(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	out := make([]wire.MessageVersion, len(versions))
	for i, v := range versions {
		out[i] = wire.MessageVersion{Content: v.Content, At: v.At}
	}
	return out, nil
}
