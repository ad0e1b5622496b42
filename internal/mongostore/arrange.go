package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
)

// Arrange implements message.Store.
func (s *Store) Arrange(ctx context.Context, u, peer id.User, create bool, at time.Time, set func(*message.Settings)) (message.State, bool, error) {
	conv := keyOf(message.Between(u, peer))
	if err := s.adopted(ctx, conv); err != nil {
		return message.State{}, false, fmt.Errorf("arrange conversation: %w", unavailable(err))
	}
	var state message.State
	changed := false
	err := s.writer.do(ctx, "arrange conversation", func(t *tx) error {
		row, err := t.thread(u, conv)
		if err != nil || row == nil && !create {
			return either(err, message.ErrNoConversation)
		}
		if row == nil {
			fresh := newThread(u, peer)
			row = &fresh
		}
		before := row.settings()
		after := before
		set(&after)
		if changed = after != before; changed {
			row.arrange(after, at)
			row.Changed = t.next()
			t.save(row)
		}
		state = row.state()
		return nil
	}, needs{threads: []threadKey{threadOf(u, conv)}})
	if err != nil {
		return message.State{}, false, err
	}
	return state, changed, nil
}

func (d *threadDoc) arrange(s message.Settings, at time.Time) {
	d.Archived, d.Muted, d.MutedUntil, d.MarkedUnread = s.Archived, s.Muted, s.MutedUntil, s.MarkedUnread
	d.ArrangedAt = whole(at)
}

// state is the conversation as the person has set it. It was made with its first message, or
// when it was last arranged.
func (d *threadDoc) state() message.State {
	s := message.State{
		User: id.User(d.User), Peer: id.User(d.Peer), Settings: d.settings(),
		ReadUpTo: id.Message(d.ReadID), ReadAt: utc(d.ReadAt), CreatedAt: utc(d.CreatedAt), Changed: d.Changed,
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = utc(d.ArrangedAt)
	}
	if s.ReadAt.IsZero() && !s.ReadUpTo.IsZero() {
		s.ReadAt = s.CreatedAt // the former system did not always say when
	}
	s.UpdatedAt = latest(s.CreatedAt, utc(d.ArrangedAt), s.ReadAt)
	return s
}

func latest(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.After(first) {
			first = t
		}
	}
	return first
}

// Clear implements message.Store.
func (s *Store) Clear(ctx context.Context, u, peer id.User) error {
	conv := keyOf(message.Between(u, peer))
	if err := s.adopted(ctx, conv); err != nil {
		return fmt.Errorf("clear conversation: %w", unavailable(err))
	}
	return s.writer.do(ctx, "clear conversation", func(t *tx) error {
		row, err := t.thread(u, conv)
		if err != nil || row == nil {
			return either(err, message.ErrNoConversation)
		}
		if row.LastSeq == 0 && row.MarkedUnread.IsZero() {
			return nil
		}
		row.Changed = t.next()
		if row.LastSeq > 0 {
			cleared, forgotten := row.Cleared.with(clearing{UpTo: row.LastSeq, Seq: row.Changed})
			row.Cleared, row.ReloadAt = cleared, max(row.ReloadAt, forgotten)
		}
		row.LastSeq, row.LastID, row.Unread, row.MarkedUnread = 0, bson.ObjectID{}, 0, time.Time{}
		t.save(row)
		return nil
	}, needs{threads: []threadKey{threadOf(u, conv)}})
}
