package journalstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

var _ message.GroupStore = (*Store)(nil)

// CreateGroup implements message.GroupStore.
func (s *Store) CreateGroup(ctx context.Context, g message.Group) (message.Group, error) {
	if err := s.stored(ctx, nothing); err != nil {
		return message.Group{}, fmt.Errorf("create group: %w", err)
	}
	s.mu.Lock()
	ended := s.known.ended
	s.mu.Unlock()
	made, err := s.inner.CreateGroup(ctx, g)
	if err != nil {
		return message.Group{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.remember(made, ended)
	return made, nil
}

// ChangeGroup implements message.GroupStore. What waits in the group is stored first: whoever
// comes in has read up to there. While the group changes, nobody is known to be in it.
func (s *Store) ChangeGroup(ctx context.Context, g id.Group, by id.User, at time.Time, set func(*message.Group) error) (before, after message.Group, err error) {
	if err := s.stored(ctx, s.concernsGroup(g)); err != nil {
		return message.Group{}, message.Group{}, fmt.Errorf("change group: %w", err)
	}
	s.mu.Lock()
	ended := s.known.begin(g)
	s.mu.Unlock()
	before, after, err = s.inner.ChangeGroup(ctx, g, by, at, set)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.end(g)
	if err == nil && len(after.Members) > 0 {
		s.known.remember(after, ended+1)
	}
	return before, after, err
}

// ArrangeGroup implements message.GroupStore.
func (s *Store) ArrangeGroup(ctx context.Context, g id.Group, u id.User, at time.Time, set func(*message.Settings)) (message.Seat, bool, error) {
	if err := s.stored(ctx, s.concernsGroup(g)); err != nil {
		return message.Seat{}, false, fmt.Errorf("arrange group: %w", err)
	}
	return s.inner.ArrangeGroup(ctx, g, u, at, set)
}

// ClearGroup implements message.GroupStore.
func (s *Store) ClearGroup(ctx context.Context, g id.Group, u id.User) error {
	if err := s.stored(ctx, s.concernsGroup(g)); err != nil {
		return fmt.Errorf("clear group: %w", err)
	}
	return s.inner.ClearGroup(ctx, g, u)
}

// Cursors implements message.GroupStore.
func (s *Store) Cursors(ctx context.Context, g id.Group) ([]message.Cursor, error) {
	return s.inner.Cursors(ctx, g)
}

// Group implements message.GroupStore. A group that is known is not read while messages go to the
// journal, and is the answer where it cannot be read in time.
func (s *Store) Group(ctx context.Context, g id.Group) (message.Group, error) {
	s.mu.Lock()
	known, found := s.known.group(g)
	diverted := s.diverted
	s.mu.Unlock()
	if !found {
		return s.readGroup(ctx, g)
	}
	if diverted {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	read, err := s.readGroup(ctx, g)
	if err != nil && diverts(err) {
		return known, nil
	}
	return read, err
}

// groupOf returns a group, as it is known or as the inner store has it.
func (s *Store) groupOf(ctx context.Context, g id.Group) (message.Group, error) {
	s.mu.Lock()
	known, found := s.known.group(g)
	s.mu.Unlock()
	if found {
		return known, nil
	}
	return s.readGroup(ctx, g)
}

// readGroup reads a group and remembers it.
func (s *Store) readGroup(ctx context.Context, g id.Group) (message.Group, error) {
	s.mu.Lock()
	ended := s.known.ended
	s.mu.Unlock()
	found, err := s.inner.Group(ctx, g)
	if err != nil {
		return message.Group{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.remember(found, ended)
	return found, nil
}

// admitted returns why a draft to a group may not be journaled: its sender is not in the group, or
// nobody can tell. While the inner store gives no answers, one message at a time asks it.
func (s *Store) admitted(ctx context.Context, d message.Draft) error {
	if d.Group.IsZero() {
		return nil
	}
	s.mu.Lock()
	g, found := s.known.group(d.Group)
	s.mu.Unlock()
	if !found {
		if !s.mayAsk() {
			return errAway
		}
		ctx, cancel := context.WithTimeout(ctx, s.patience)
		defer cancel()
		var err error
		g, err = s.readGroup(ctx, d.Group)
		gone := errors.Is(err, message.ErrNoGroup)
		if s.answered(err == nil || gone); err != nil && !gone {
			return refused(err)
		}
	}
	if _, in := g.Member(d.Sender); !in {
		return message.ErrNotMember
	}
	return nil
}

// waitingInGroups is what waits in groups, but for those that a person is known not to be in.
func (s *Store) waitingInGroups(u id.User) func() []*entry {
	return func() []*entry {
		var found []*entry
		for g, entries := range s.queue.groups {
			if s.known.excludes(g, u) {
				continue
			}
			for _, e := range entries {
				if e.durable {
					found = append(found, e)
				}
			}
		}
		return found
	}
}

// liftedSeats returns the groups of a person in which messages wait, as they are with those, and
// what waits in them. Seats that are not among the known ones are read.
func (s *Store) liftedSeats(ctx context.Context, u id.User, entries []*entry, known []message.Seat) (map[id.Group]message.Seat, []*entry, error) {
	seats := map[id.Group]message.Seat{}
	for _, seat := range known {
		seats[seat.Group.ID] = seat
	}
	waits := map[id.Group][]*entry{}
	for _, e := range entries {
		waits[e.Group] = append(waits[e.Group], e)
	}
	lifted := map[id.Group]message.Seat{}
	var mine []*entry
	for g, entries := range waits {
		seat, found := seats[g]
		if !found {
			var err error
			if seat, err = s.seatOf(ctx, g, u); err != nil {
				if outside(err) {
					continue
				}
				return nil, nil, fmt.Errorf("read groups: %w", err)
			}
		}
		seat, err := s.lift(ctx, seat, u, entries)
		if err != nil {
			return nil, nil, err
		}
		lifted[g] = seat
		mine = append(mine, entries...)
	}
	return lifted, mine, nil
}

// seatOf is the seat of a person in the inner store. Where it is known who is in the group, nobody
// else is looked for.
func (s *Store) seatOf(ctx context.Context, g id.Group, u id.User) (message.Seat, error) {
	group, err := s.groupOf(ctx, g)
	if err != nil {
		return message.Seat{}, err
	}
	if _, in := group.Member(u); !in {
		return message.Seat{}, message.ErrNotMember
	}
	return s.inner.Seat(ctx, g, u)
}

// outside reports whether an error says that somebody is not in a group.
func outside(err error) bool {
	return errors.Is(err, message.ErrNotMember) || errors.Is(err, message.ErrNoGroup)
}

// lift returns a seat as it is with what waits.
func (s *Store) lift(ctx context.Context, seat message.Seat, u id.User, entries []*entry) (message.Seat, error) {
	var last *entry
	stored := newestOf(seat)
	for _, e := range entries {
		// Messages of a group are stored in order: one up to the newest one is.
		if e.Seq <= stored {
			continue
		}
		if e.Sender != u {
			seat.Unread++
		}
		seat.Changed = max(seat.Changed, e.Seq)
		if last == nil || e.Seq > last.Seq {
			last = e
		}
	}
	if last == nil {
		return seat, nil
	}
	m, err := s.inner.Open(ctx, last.Waiting)
	seat.Last = &m
	return seat, err
}

// newestOf is the place of the newest message of a seat; 0 where there is none.
func newestOf(s message.Seat) order.Seq {
	if s.Last == nil {
		return 0
	}
	return s.Last.Seq
}

// rank is the place of a group in the list of a member.
func rank(s message.Seat) order.Seq { return max(newestOf(s), s.Group.Changed) }

// Seat implements message.GroupStore.
func (s *Store) Seat(ctx context.Context, g id.Group, u id.User) (seat message.Seat, err error) {
	err = s.beside(s.waitingWith(message.InGroup(g)), func(entries []*entry) error {
		if seat, err = s.inner.Seat(ctx, g, u); err != nil || len(entries) == 0 {
			return err
		}
		seat, err = s.lift(ctx, seat, u, entries)
		return err
	})
	return seat, err
}

// Seats implements message.GroupStore.
func (s *Store) Seats(ctx context.Context, u id.User, before id.Group, limit int) (page message.Page[message.Seat], err error) {
	err = s.beside(s.waitingInGroups(u), func(entries []*entry) (err error) {
		lifted, _, err := s.liftedSeats(ctx, u, entries, nil)
		if err != nil {
			return err
		}
		if len(lifted) == 0 {
			page, err = s.inner.Seats(ctx, u, before, limit)
			return err
		}
		from, err := s.readFrom(ctx, u, before, lifted)
		if err != nil {
			return err
		}
		// What is put to the end of a part of the list may belong further behind.
		for n := limit + 2*len(lifted); ; n *= 2 {
			stored, err := s.inner.Seats(ctx, u, from, n)
			if err != nil {
				return err
			}
			page = message.Page[message.Seat]{Items: withSeats(stored.Items, lifted), More: stored.More}
			if page.Items = behind(page.Items, before, from, lifted); len(page.Items) >= limit+len(lifted) || !stored.More {
				break
			}
		}
		if len(page.Items) > limit {
			page.Items, page.More = page.Items[:limit], true
		}
		return nil
	})
	return page, err
}

// readFrom is the group behind which the inner store is asked for the groups that stand behind one
// in somebody's list: none where something that waits does, or may.
func (s *Store) readFrom(ctx context.Context, u id.User, before id.Group, lifted map[id.Group]message.Seat) (id.Group, error) {
	if _, waits := lifted[before]; waits || before.IsZero() {
		return id.Group{}, nil
	}
	seat, err := s.inner.Seat(ctx, before, u)
	if outside(err) {
		err = message.ErrNoGroup
	}
	for _, l := range lifted {
		if rank(l) <= rank(seat) {
			return id.Group{}, err
		}
	}
	return before, err
}

// behind returns those of the groups from a place on that stand behind one. The rank does not tell:
// the inner store knows messages that the member does not see.
func behind(seats []message.Seat, before, from id.Group, lifted map[id.Group]message.Seat) []message.Seat {
	if !from.IsZero() {
		return slices.DeleteFunc(seats, func(s message.Seat) bool {
			_, waits := lifted[s.Group.ID]
			return waits
		})
	}
	i := slices.IndexFunc(seats, func(s message.Seat) bool { return s.Group.ID == before })
	if i < 0 && !before.IsZero() {
		return nil
	}
	return seats[i+1:]
}

// withSeats puts seats among others, which are in order, in place of those of the same groups.
func withSeats(seats []message.Seat, lifted map[id.Group]message.Seat) []message.Seat {
	seats = slices.DeleteFunc(slices.Clone(seats), func(s message.Seat) bool {
		_, ok := lifted[s.Group.ID]
		return ok
	})
	more := slices.SortedFunc(maps.Values(lifted), func(a, b message.Seat) int { return cmp.Compare(rank(b), rank(a)) })
	for _, s := range slices.Backward(more) {
		i := slices.IndexFunc(seats, func(other message.Seat) bool { return rank(other) < rank(s) })
		if i < 0 {
			i = len(seats)
		}
		seats = slices.Insert(seats, i, s)
	}
	return seats
}

// UnreadInGroups implements message.GroupStore.
func (s *Store) UnreadInGroups(ctx context.Context, u id.User) (counts map[id.Group]int, err error) {
	err = s.beside(s.waitingInGroups(u), func(entries []*entry) error {
		if counts, err = s.inner.UnreadInGroups(ctx, u); err != nil || len(entries) == 0 {
			return err
		}
		seats, _, err := s.liftedSeats(ctx, u, entries, nil)
		for g, seat := range seats {
			if delete(counts, g); seat.Unread > 0 {
				counts[g] = seat.Unread
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count unread messages in groups: %w", err)
	}
	return counts, nil
}
