package journalstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

// errWaits answers a change to a message that is not stored in time.
var errWaits = errAway

// stored waits until nothing waits that a change concerns. While the database is known to be
// away it does not: the change could not be made.
func (s *Store) stored(ctx context.Context, concerns func() bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.away && !concerns() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	if err := s.await(ctx, func() bool { return s.away || !concerns() }); err != nil {
		return err
	}
	if s.away {
		return errWaits
	}
	return nil
}

// concernsMessage is about a message, concernsPair about what two people wrote to each other.
func (s *Store) concernsMessage(m id.Message) func() bool {
	return func() bool { return s.queue.byID[m] != nil }
}

func (s *Store) concernsPair(a, b id.User) func() bool {
	return func() bool { return len(s.queue.with(message.Between(a, b))) > 0 }
}

// concernsGroup is about what was written in a group, on its way to the disk too. What the database
// does not take stands in nobody's way.
func (s *Store) concernsGroup(g id.Group) func() bool {
	return func() bool {
		return slices.ContainsFunc(s.queue.groups[g], func(e *entry) bool { return !slices.Contains(s.queue.aside, e) })
	}
}

// nothing is what a change concerns that is about none of what may wait.
func nothing() bool { return false }

// Edit implements message.Store.
func (s *Store) Edit(ctx context.Context, m id.Message, content string, at time.Time) (message.Message, error) {
	if err := s.stored(ctx, s.concernsMessage(m)); err != nil {
		return message.Message{}, fmt.Errorf("edit message: %w", err)
	}
	return s.inner.Edit(ctx, m, content, at)
}

// React implements message.Store.
func (s *Store) React(ctx context.Context, m id.Message, r message.Reaction, remove bool) (message.Message, bool, error) {
	if err := s.stored(ctx, s.concernsMessage(m)); err != nil {
		return message.Message{}, false, fmt.Errorf("react to message: %w", err)
	}
	return s.inner.React(ctx, m, r, remove)
}

// SaveDraft implements message.Store.
func (s *Store) SaveDraft(ctx context.Context, u id.User, d message.SavedDraft) error {
	if err := s.stored(ctx, nothing); err != nil {
		return fmt.Errorf("save draft: %w", err)
	}
	return s.inner.SaveDraft(ctx, u, d)
}

// Drafts implements message.Store.
func (s *Store) Drafts(ctx context.Context, u id.User) ([]message.SavedDraft, error) {
	return s.inner.Drafts(ctx, u)
}

// DeleteForAll implements message.Store.
func (s *Store) DeleteForAll(ctx context.Context, m id.Message, at time.Time) (message.Message, bool, error) {
	if err := s.stored(ctx, s.concernsMessage(m)); err != nil {
		return message.Message{}, false, fmt.Errorf("delete message for all: %w", err)
	}
	return s.inner.DeleteForAll(ctx, m, at)
}

// DeleteForSelf implements message.Store.
func (s *Store) DeleteForSelf(ctx context.Context, m id.Message, u id.User, at time.Time) (message.Message, bool, error) {
	if err := s.stored(ctx, s.concernsMessage(m)); err != nil {
		return message.Message{}, false, fmt.Errorf("delete message for one: %w", err)
	}
	return s.inner.DeleteForSelf(ctx, m, u, at)
}

// MarkRead implements message.Store.
func (s *Store) MarkRead(ctx context.Context, u id.User, m id.Message, at time.Time) (message.Receipt, error) {
	if err := s.stored(ctx, s.concernsMessage(m)); err != nil {
		return message.Receipt{}, fmt.Errorf("mark message as read: %w", err)
	}
	return s.inner.MarkRead(ctx, u, m, at)
}

// MarkDelivered implements message.Store.
func (s *Store) MarkDelivered(ctx context.Context, u id.User, m id.Message, at time.Time) (message.Receipt, error) {
	if err := s.stored(ctx, s.concernsMessage(m)); err != nil {
		return message.Receipt{}, fmt.Errorf("mark message as delivered: %w", err)
	}
	return s.inner.MarkDelivered(ctx, u, m, at)
}

// Arrange implements message.Store.
func (s *Store) Arrange(ctx context.Context, u, peer id.User, create bool, at time.Time, set func(*message.Settings)) (message.State, bool, error) {
	if err := s.stored(ctx, s.concernsPair(u, peer)); err != nil {
		return message.State{}, false, fmt.Errorf("arrange conversation: %w", err)
	}
	return s.inner.Arrange(ctx, u, peer, create, at, set)
}

// Clear implements message.Store.
func (s *Store) Clear(ctx context.Context, u, peer id.User) error {
	if err := s.stored(ctx, s.concernsPair(u, peer)); err != nil {
		return fmt.Errorf("clear conversation: %w", err)
	}
	return s.inner.Clear(ctx, u, peer)
}
