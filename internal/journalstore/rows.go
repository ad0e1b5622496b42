package journalstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// maxReloadRows is how many conversations Since lists where there is too much to tell.
const maxReloadRows = 100

// Rows implements message.Store.
func (s *Store) Rows(ctx context.Context, u id.User, before id.Message, limit int) (page message.Page[message.Row], err error) {
	err = s.beside(s.waitingOf(u), func(entries []*entry) (err error) {
		if len(entries) == 0 {
			page, err = s.inner.Rows(ctx, u, before, limit)
			return err
		}
		end, before, err := s.place(ctx, entries, before)
		if err != nil {
			return err
		}
		lifted, err := s.liftedRows(ctx, u, entries, nil)
		if err != nil {
			return err
		}
		stored, err := s.inner.Rows(ctx, u, before, limit+len(lifted))
		if err != nil {
			return err
		}
		page = message.Page[message.Row]{Items: withRows(stored.Items, lifted), More: stored.More}
		page.Items = slices.DeleteFunc(page.Items, func(r message.Row) bool { return newest(r) >= end })
		slices.SortStableFunc(page.Items, func(a, b message.Row) int { return cmp.Compare(newest(b), newest(a)) })
		if len(page.Items) > limit {
			page.Items, page.More = page.Items[:limit], true
		}
		return nil
	})
	return page, err
}

// newest is the place of the newest message of a row; 0 where there is none.
func newest(r message.Row) order.Seq {
	if r.Last == nil {
		return 0
	}
	return r.Last.Seq
}

// withRows puts rows among others, in place of those with the same peers.
func withRows(rows []message.Row, lifted map[id.User]message.Row) []message.Row {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r message.Row) bool {
		_, ok := lifted[r.Peer]
		return ok
	})
	return slices.AppendSeq(rows, maps.Values(lifted))
}

// liftedRows returns the conversations of a person in which messages wait, as they are with
// those, by the peer. Rows that are not among the known ones are read.
func (s *Store) liftedRows(ctx context.Context, u id.User, entries []*entry, known []message.Row) (map[id.User]message.Row, error) {
	rows := map[id.User]message.Row{}
	for _, e := range entries {
		peer := e.Conversation().Other(u)
		rows[peer] = message.Row{Peer: peer}
	}
	unknown := maps.Clone(rows)
	for _, r := range known {
		if _, waits := rows[r.Peer]; waits {
			rows[r.Peer] = r
			delete(unknown, r.Peer)
		}
	}
	if len(unknown) > 0 {
		stored, err := s.inner.RowsWith(ctx, u, slices.Collect(maps.Keys(unknown)))
		if err != nil {
			return nil, fmt.Errorf("read conversations: %w", err)
		}
		for _, r := range stored {
			rows[r.Peer] = r
		}
	}
	last := map[id.User]*entry{}
	for _, e := range entries {
		r := rows[e.Conversation().Other(u)]
		// Messages of a conversation are stored in order: one up to the newest one is.
		if e.Seq <= newest(r) {
			continue
		}
		if e.Sender != u {
			r.Unread++
		}
		r.Changed = max(r.Changed, e.Seq)
		rows[r.Peer] = r
		if l := last[r.Peer]; l == nil || l.Seq < e.Seq {
			last[r.Peer] = e
		}
	}
	for peer, e := range last {
		m, err := s.inner.Open(ctx, e.Waiting)
		if err != nil {
			return nil, err
		}
		r := rows[peer]
		r.Last = &m
		rows[peer] = r
	}
	return rows, nil
}

// Since implements message.Store. It tells of what waits up to a number up to which nothing
// is undecided.
func (s *Store) Since(ctx context.Context, u id.User, after order.Seq, limit int) (c message.Changes, err error) {
	if err := s.decided(ctx); err != nil {
		return message.Changes{}, fmt.Errorf("read changes: %w", err)
	}
	for n := 1; ; n++ {
		var moved bool
		if c, moved, err = s.readSince(ctx, u, after, limit); err != nil || !moved || n == maxReads {
			return c, err
		}
	}
}

// readSince is Since that reports whether it has read something that is younger than the rest.
func (s *Store) readSince(ctx context.Context, u id.User, after order.Seq, limit int) (c message.Changes, moved bool, err error) {
	s.mu.Lock()
	place := s.queue.begin()
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queue.end(place)
	}()
	settled := s.inner.Settled()
	if c, err = s.inner.Since(ctx, u, after, limit); err != nil {
		return message.Changes{}, false, err
	}
	c.Seq = max(c.Seq, settled)
	entries, err := s.between(ctx, u, after, c.Seq, place)
	if err != nil {
		return message.Changes{}, false, fmt.Errorf("read changes: %w", err)
	}
	if len(entries) == 0 {
		return c, false, nil
	}
	lifted, err := s.liftedRows(ctx, u, entries, c.Rows)
	if err != nil {
		return message.Changes{}, false, err
	}
	for peer, r := range lifted {
		if r.Changed > c.Seq {
			r.Changed, moved = c.Seq, true // the younger change is told again
			lifted[peer] = r
		}
	}
	c.Rows = withRows(c.Rows, lifted)
	c, err = s.withWaiting(ctx, c, entries, limit)
	return c, moved, err
}

// between returns what waits of a person behind one number and up to another, or did when the
// read began at that place, once it is decided which of it does.
func (s *Store) between(ctx context.Context, u id.User, after, upTo order.Seq, place int) ([]*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := s.await(ctx, func() bool { return !s.diverted || len(s.flights) == 0 }); err != nil {
			return nil, err
		}
		entries := s.queue.people[u]
		i := slices.IndexFunc(entries, func(e *entry) bool { return !e.durable && e.Seq <= upTo })
		if i < 0 {
			break
		}
		ready := entries[i].ready
		s.mu.Unlock()
		<-ready // the disk takes a moment
		s.mu.Lock()
	}
	entries := append(s.queue.since(place), s.queue.of(u)...)
	return slices.DeleteFunc(entries, func(e *entry) bool {
		return e.Seq <= after || e.Seq > upTo || !e.Conversation().Has(u)
	}), nil
}

// withWaiting adds what waits to what is stored. The rows have it already.
func (s *Store) withWaiting(ctx context.Context, c message.Changes, entries []*entry, limit int) (message.Changes, error) {
	left := missing(entries, c.New, endOfTime)
	left = slices.DeleteFunc(left, func(e *entry) bool {
		return slices.ContainsFunc(c.Deleted, func(g message.Gone) bool { return g.ID == e.ID })
	})
	tooMuch := len(c.New)+len(c.Changed)+len(c.Deleted)+len(left) > limit || len(c.Rows) > max(limit, maxReloadRows) ||
		textBytes(c.New)+textBytes(c.Changed)+sealedBytes(left) > message.MaxChangeBytes
	if c.Reload = c.Reload || tooMuch; c.Reload {
		slices.SortStableFunc(c.Rows, func(a, b message.Row) int { return cmp.Compare(newest(b), newest(a)) })
		c.Rows = c.Rows[:min(len(c.Rows), maxReloadRows)]
		c.New, c.Changed, c.Deleted, left = nil, nil, nil, nil
	}
	slices.SortStableFunc(c.Rows, func(a, b message.Row) int { return cmp.Compare(a.Changed, b.Changed) })
	more, err := s.openAll(ctx, left)
	if err != nil {
		return message.Changes{}, err
	}
	c.New = append(c.New, more...)
	slices.SortFunc(c.New, func(a, b message.Message) int { return cmp.Compare(a.Seq, b.Seq) })
	return c, nil
}

// textBytes is how much messages hold.
func textBytes(ms []message.Message) (n int) {
	for _, m := range ms {
		n += len(m.Content) + len(m.Attachment)
	}
	return n
}

// sealedBytes is textBytes for messages that wait.
func sealedBytes(entries []*entry) (n int) {
	for _, e := range entries {
		n += len(e.SealedContent) + len(e.SealedAttachment)
	}
	return n
}
