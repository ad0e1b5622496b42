package sqlitestore

import (
	"context"
	"fmt"

	"pryde/internal/id"
	"pryde/internal/message"
)

// Seen implements message.Store.
func (s *Store) Seen(ctx context.Context, viewer id.User, of []id.Message) ([]message.Message, error) {
	var records []record
	err := s.readers.snapshot(ctx, func(c *conn) error {
		for _, m := range of {
			r, found, err := recordByID(c, m)
			if err != nil {
				return err
			}
			if found {
				found, err = sees(c, viewer, r)
			}
			if err != nil {
				return err
			}
			if found {
				records = append(records, r)
			}
		}
		return nil
	})
	var messages []message.Message
	if err == nil {
		messages, err = s.openAll(ctx, records)
	}
	if err != nil {
		return nil, fmt.Errorf("read what somebody sees: %w", err)
	}
	return messages, nil
}

// sees reports whether somebody takes part in the conversation of a message and did not delete it for
// themselves.
func sees(c *conn, u id.User, r record) (bool, error) {
	if takes, err := takesPart(c, r.message.Conversation(), u); err != nil || !takes {
		return false, err
	}
	hidden, err := isHidden(c, u, r.key(), r.message.Seq)
	return !hidden, err
}
