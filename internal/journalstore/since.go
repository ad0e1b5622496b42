package journalstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// maxReloadRows is how many conversations, and how many groups, Since lists where there is too much
// to tell.
const maxReloadRows = 100

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
	waits, err := s.upTo(ctx, u, c.Seq, place)
	if err != nil {
		return message.Changes{}, false, fmt.Errorf("read changes: %w", err)
	}
	direct, inGroups := touched(u, c, waits, after)
	if len(direct)+len(inGroups) == 0 {
		return c, false, nil
	}
	rows, err := s.liftedRows(ctx, u, direct, c.Rows)
	if err != nil {
		return message.Changes{}, false, err
	}
	seats, inGroups, err := s.liftedSeats(ctx, u, inGroups, c.Groups)
	if err != nil {
		return message.Changes{}, false, err
	}
	// A younger change is told again.
	for peer, r := range rows {
		moved = moved || r.Changed > c.Seq
		r.Changed = min(r.Changed, c.Seq)
		rows[peer] = r
	}
	for g, seat := range seats {
		moved = moved || seat.Changed > c.Seq
		seat.Changed = min(seat.Changed, c.Seq)
		seat.Group.Changed = min(seat.Group.Changed, c.Seq)
		seats[g] = seat
	}
	c.Rows, c.Groups = withRows(c.Rows, rows), withSeats(c.Groups, seats)
	fresh := slices.DeleteFunc(append(direct, inGroups...), func(e *entry) bool { return e.Seq <= after })
	c, err = s.withWaiting(ctx, c, fresh, limit)
	return c, moved, err
}

// upTo returns what waits up to a number, or did when the read began at that place, once it is
// decided which of it does: between a person and others, and in groups in which the person may be.
func (s *Store) upTo(ctx context.Context, u id.User, upTo order.Seq, place int) ([]*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := s.await(ctx, func() bool { return !s.diverted || len(s.flights) == 0 }); err != nil {
			return nil, err
		}
		waits := s.concerning(u)
		i := slices.IndexFunc(waits, func(e *entry) bool { return !e.durable && e.Seq <= upTo })
		if i < 0 {
			break
		}
		ready := waits[i].ready
		s.mu.Unlock()
		<-ready // the disk takes a moment
		s.mu.Lock()
	}
	return slices.DeleteFunc(append(s.queue.since(place), s.concerning(u)...), func(e *entry) bool {
		return !e.durable || e.Seq > upTo || e.Group.IsZero() && !e.Conversation().Has(u)
	}), nil
}

// concerning is what waits between a person and others, and in groups, but for those that the person
// is known not to be in. The caller holds s.mu.
func (s *Store) concerning(u id.User) []*entry {
	found := slices.Clone(s.queue.people[u])
	for g, entries := range s.queue.groups {
		if !s.known.excludes(g, u) {
			found = append(found, entries...)
		}
	}
	return found
}

// touched returns what waits of a person in conversations that have changed after a number, by
// something that waits or by something else: all of it counts in their rows. Groups that the
// person has left are not among them.
func touched(u id.User, c message.Changes, waits []*entry, after order.Seq) (direct, inGroups []*entry) {
	changed := map[message.Conversation]bool{}
	for _, e := range waits {
		changed[e.Conversation()] = changed[e.Conversation()] || e.Seq > after
	}
	for _, r := range c.Rows {
		changed[message.Between(u, r.Peer)] = true
	}
	for _, seat := range c.Groups {
		changed[message.InGroup(seat.Group.ID)] = true
	}
	for _, l := range c.Left {
		changed[message.InGroup(l.Group)] = false
	}
	for _, e := range waits {
		switch {
		case !changed[e.Conversation()]:
		case e.Group.IsZero():
			direct = append(direct, e)
		default:
			inGroups = append(inGroups, e)
		}
	}
	return direct, inGroups
}

// withWaiting adds what waits to what is stored. The rows and the seats have it already.
func (s *Store) withWaiting(ctx context.Context, c message.Changes, entries []*entry, limit int) (message.Changes, error) {
	left := missing(entries, c.New, endOfTime)
	left = slices.DeleteFunc(left, func(e *entry) bool {
		return slices.ContainsFunc(c.Deleted, func(g message.Gone) bool { return g.ID == e.ID })
	})
	tooMuch := len(c.New)+len(c.Changed)+len(c.Deleted)+len(left) > limit || len(c.Rows)+len(c.Groups) > max(limit, maxReloadRows) ||
		textBytes(c.New)+textBytes(c.Changed)+sealedBytes(left) > message.MaxChangeBytes
	if c.Reload = c.Reload || tooMuch; c.Reload {
		slices.SortStableFunc(c.Rows, func(a, b message.Row) int { return cmp.Compare(newest(b), newest(a)) })
		c.Rows = c.Rows[:min(len(c.Rows), maxReloadRows)]
		slices.SortStableFunc(c.Groups, func(a, b message.Seat) int { return cmp.Compare(rank(b), rank(a)) })
		c.Groups = c.Groups[:min(len(c.Groups), maxReloadRows)]
		c = message.Changes{Seq: c.Seq, Reload: true, Rows: c.Rows, Groups: c.Groups}
		left = nil
	}
	slices.SortStableFunc(c.Rows, func(a, b message.Row) int { return cmp.Compare(a.Changed, b.Changed) })
	slices.SortStableFunc(c.Groups, func(a, b message.Seat) int { return cmp.Compare(a.Changed, b.Changed) })
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
		n += len(m.Content) + len(m.Attachment) + len(m.Extra.VoiceURL) + len(m.Extra.Warning)
	}
	return n
}

// sealedBytes is textBytes for messages that wait.
func sealedBytes(entries []*entry) (n int) {
	for _, e := range entries {
		n += len(e.SealedContent) + len(e.SealedAttachment) + len(e.SealedExtra)
	}
	return n
}
