package journalstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// maxReads is how often a read begins anew because something that waited was stored meanwhile.
// After that it is answered as it is: it may be a moment old.
const maxReads = 4

// endOfTime is behind every message.
const endOfTime = order.Seq(math.MaxInt64)

// beside reads from the inner store beside what waits. What is stored while it reads may be
// missing on both sides, so it reads again then.
func (s *Store) beside(waits func() []*entry, read func([]*entry) error) error {
	for n := 1; ; n++ {
		s.mu.Lock()
		entries := waits()
		s.mu.Unlock()
		if err := read(entries); err != nil {
			return err
		}
		if n == maxReads || s.allWait(entries) {
			return nil
		}
	}
}

// allWait reports whether all of the entries still wait.
func (s *Store) allWait(entries []*entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(entries, func(e *entry) bool { return e.gone })
}

func (s *Store) waitingOf(u id.User) func() []*entry {
	return func() []*entry { return s.queue.of(u) }
}

func (s *Store) waitingWith(c message.Conversation) func() []*entry {
	return func() []*entry { return s.queue.with(c) }
}

// waitingMessage finds a message that waits and is durable; nil where there is none.
func (s *Store) waitingMessage(m id.Message) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.queue.byID[m]; e != nil && e.durable {
		return e
	}
	return nil
}

// Message implements message.Store.
func (s *Store) Message(ctx context.Context, m id.Message) (message.Message, error) {
	if e := s.waitingMessage(m); e != nil {
		return s.inner.Open(ctx, e.Waiting)
	}
	return s.inner.Message(ctx, m)
}

// SeenBy implements message.Store.
func (s *Store) SeenBy(ctx context.Context, m id.Message) ([]id.User, error) {
	e := s.waitingMessage(m)
	switch {
	case e == nil:
		return s.inner.SeenBy(ctx, m)
	case e.Group.IsZero():
		return e.Conversation().People(), nil
	}
	g, err := s.groupOf(ctx, e.Group)
	if err != nil && !errors.Is(err, message.ErrNoGroup) {
		return nil, err
	}
	people := make([]id.User, len(g.Members))
	for i, m := range g.Members {
		people[i] = m.User
	}
	return people, nil
}

// Versions implements message.Store.
func (s *Store) Versions(ctx context.Context, m id.Message) ([]message.Version, error) {
	if s.waitingMessage(m) != nil {
		return nil, nil
	}
	return s.inner.Versions(ctx, m)
}

// Attempt implements message.Store.
func (s *Store) Attempt(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	s.mu.Lock()
	e, err := s.queue.repeated(d)
	s.mu.Unlock()
	if err != nil {
		return message.Message{}, false, nil // another attempt has the id
	}
	if e != nil {
		if <-e.ready; e.err == nil {
			m, err := s.inner.Open(ctx, e.Waiting)
			return m, err == nil, err
		}
	}
	return s.inner.Attempt(ctx, d)
}

// openAll opens what waits.
func (s *Store) openAll(ctx context.Context, entries []*entry) ([]message.Message, error) {
	var messages []message.Message
	for _, e := range entries {
		m, err := s.inner.Open(ctx, e.Waiting)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// place is that of a message, which may wait, or behind the end for none. stored is the message
// as the inner store knows it: none where it waits.
func (s *Store) place(ctx context.Context, entries []*entry, m id.Message) (at order.Seq, stored id.Message, err error) {
	if m.IsZero() {
		return endOfTime, m, nil
	}
	for _, e := range entries {
		if e.ID == m {
			return e.Seq, id.Message{}, nil
		}
	}
	found, err := s.inner.Message(ctx, m)
	return found.Seq, m, err
}

// PageBefore implements message.Store.
func (s *Store) PageBefore(ctx context.Context, c message.Conversation, viewer id.User, before id.Message, limit int) (page message.Page[message.Message], err error) {
	err = s.beside(s.waitingWith(c), func(entries []*entry) (err error) {
		if len(entries) == 0 || !c.IsGroup() && !c.Has(viewer) {
			page, err = s.inner.PageBefore(ctx, c, viewer, before, limit)
			return err
		}
		end, before, err := s.place(ctx, entries, before)
		if err != nil {
			return err
		}
		stored, err := s.inner.PageBefore(ctx, c, viewer, before, limit+len(entries))
		if err != nil {
			return err
		}
		more, err := s.openAll(ctx, missing(entries, stored.Items, end))
		if err != nil {
			return err
		}
		page = message.Page[message.Message]{Items: append(stored.Items, more...), More: stored.More}
		page.Items = slices.DeleteFunc(page.Items, func(m message.Message) bool { return m.Seq >= end })
		slices.SortFunc(page.Items, func(a, b message.Message) int { return cmp.Compare(a.Seq, b.Seq) })
		if n := len(page.Items) - limit; n > 0 {
			page.Items, page.More = page.Items[n:], true
		}
		return nil
	})
	return page, err
}

// Some implements message.Store. What waits can be replied to while the database is away, so it is
// not asked about that where it is known who takes part.
func (s *Store) Some(ctx context.Context, c message.Conversation, viewer id.User, of []id.Message) (found []message.Message, err error) {
	err = s.beside(s.waitingWith(c), func(entries []*entry) error {
		entries = slices.DeleteFunc(slices.Clone(entries), func(e *entry) bool { return !slices.Contains(of, e.ID) })
		asked := slices.DeleteFunc(slices.Clone(of), func(m id.Message) bool {
			return slices.ContainsFunc(entries, func(e *entry) bool { return e.ID == m })
		})
		found = nil
		if len(asked) > 0 || !s.takesPart(viewer, c) {
			if found, err = s.inner.Some(ctx, c, viewer, of); err != nil || !c.IsGroup() && !c.Has(viewer) {
				return err
			}
		}
		more, err := s.openAll(ctx, missing(entries, found, endOfTime))
		found = append(found, more...)
		return err
	})
	return found, err
}

// Seen implements message.Store.
func (s *Store) Seen(ctx context.Context, viewer id.User, of []id.Message) (found []message.Message, err error) {
	err = s.beside(s.waitingAmong(of), func(entries []*entry) error {
		if found, err = s.inner.Seen(ctx, viewer, of); err != nil {
			return err
		}
		var seen []*entry
		for _, e := range missing(entries, found, endOfTime) {
			sees := e.Group.IsZero() && e.Conversation().Has(viewer)
			if !e.Group.IsZero() {
				g, err := s.groupOf(ctx, e.Group)
				if err != nil && !errors.Is(err, message.ErrNoGroup) {
					return err
				}
				_, sees = g.Member(viewer)
			}
			if sees {
				seen = append(seen, e)
			}
		}
		more, err := s.openAll(ctx, seen)
		found = append(found, more...)
		return err
	})
	return found, err
}

// waitingAmong is what waits and is durable of some messages.
func (s *Store) waitingAmong(of []id.Message) func() []*entry {
	return func() []*entry {
		var found []*entry
		for _, m := range of {
			if e := s.queue.byID[m]; e != nil && e.durable && !slices.Contains(found, e) {
				found = append(found, e)
			}
		}
		return found
	}
}

// takesPart reports whether it is known that somebody is in a conversation.
func (s *Store) takesPart(u id.User, c message.Conversation) bool {
	if !c.IsGroup() {
		return c.Has(u)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, found := s.known.group(c.Group)
	_, in := g.Member(u)
	return found && in
}

// missing returns the entries before a place that are not among the stored messages.
func missing(entries []*entry, stored []message.Message, end order.Seq) []*entry {
	known := make(map[id.Message]bool, len(stored))
	for _, m := range stored {
		known[m.ID] = true
	}
	var left []*entry
	for _, e := range entries {
		if e.Seq < end && !known[e.ID] {
			left = append(left, e)
		}
	}
	return left
}

// Media implements message.Store.
func (s *Store) Media(ctx context.Context, c message.Conversation, viewer id.User, skip, limit int) (page message.Page[message.Message], err error) {
	err = s.beside(s.waitingWith(c), func(entries []*entry) (err error) {
		if entries = withAttachment(entries); len(entries) == 0 || !c.IsGroup() && !c.Has(viewer) {
			page, err = s.inner.Media(ctx, c, viewer, skip, limit)
			return err
		}
		// What waits is newer than what is stored. Some of it may be stored already.
		newest, err := s.inner.Media(ctx, c, viewer, 0, len(entries))
		if err != nil {
			return err
		}
		left := missing(entries, newest.Items, endOfTime)
		slices.Reverse(left)
		taken := left[min(skip, len(left)):min(skip+limit, len(left))]
		stored, err := s.inner.Media(ctx, c, viewer, max(skip-len(left), 0), limit-len(taken))
		if err != nil {
			return err
		}
		if page.Items, err = s.openAll(ctx, taken); err != nil {
			return err
		}
		page.Items = append(page.Items, stored.Items...)
		page.More = stored.More || skip+limit < len(left)
		return nil
	})
	return page, err
}

func withAttachment(entries []*entry) []*entry {
	var found []*entry
	for _, e := range entries {
		if e.SealedAttachment != nil {
			found = append(found, e)
		}
	}
	return found
}

// Unread implements message.Store.
func (s *Store) Unread(ctx context.Context, u id.User) (counts map[id.User]int, err error) {
	err = s.beside(s.waitingOf(u), func(entries []*entry) error {
		if counts, err = s.inner.Unread(ctx, u); err != nil || len(entries) == 0 {
			return err
		}
		rows, err := s.liftedRows(ctx, u, entries, nil)
		for _, r := range rows {
			if delete(counts, r.Peer); r.Unread > 0 {
				counts[r.Peer] = r.Unread
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count unread messages: %w", err)
	}
	return counts, nil
}
