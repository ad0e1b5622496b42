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
