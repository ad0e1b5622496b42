package mongostore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
	"pryde/internal/search"
)

// searched are the fields of messages that the search looks at.
var searched = bson.D{
	is("conv", 1), is("seq", 1), is("changed", 1), is("sender", 1), is("content", 1), is("isDeletedForAll", 1), is("createdAt", 1),
}

func refOf(d *messageDoc) search.Ref {
	return search.Ref{Talk: search.Talk(d.Conv), ID: id.Message(d.ID), Seq: d.Seq}
}

func byRef(a, b *messageDoc) int { return refOf(a).Compare(refOf(b)) }

// openTexts opens texts. What a person wrote who was erased is gone.
func (s *Store) openTexts(ctx context.Context, found []*messageDoc) ([]search.Text, error) {
	texts := make([]search.Text, len(found))
	for i, d := range found {
		texts[i] = search.Text{Ref: refOf(d), Changed: d.Changed}
		if _, erased := s.vault.Erased(seal.Owner(d.Sender)); erased || d.IsDeleted {
			texts[i].Gone = true
			continue
		}
		var err error
		if texts[i].Content, err = s.openContent(ctx, d, d.Content); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// cleared says up to where a person has cleared conversations. Those in which they do not take part
// are not in it.
type cleared map[search.Talk]order.Seq

// clearedBy reads it for some conversations.
func (s *Store) clearedBy(ctx context.Context, u id.User, talks []search.Talk) (cleared, error) {
	c := cleared{}
	var threadKeys []threadKey
	var seatKeys []seatKey
	for _, t := range talks {
		if g, ok := t.Group(); ok {
			seatKeys = append(seatKeys, seatOf(bson.ObjectID(g), u))
		} else if low, high := t.People(); u == low || u == high {
			threadKeys = append(threadKeys, threadOf(u, convKey(t)))
			c[t] = 0
		}
	}
	if len(threadKeys) > 0 {
		q := withIDs(threadsName, threadKeys)
		q.fields = bson.D{is("conv", 1), is("cleared", 1)}
		rows, err := find[threadDoc](ctx, s, q)
		if err != nil {
			return nil, err
		}
		for _, d := range rows {
			c[search.Talk(d.Conv)] = d.Cleared.upTo()
		}
	}
	if len(seatKeys) > 0 {
		q := withIDs(seatsName, seatKeys)
		q.fields = bson.D{is("group", 1), is("until", 1), is("cleared", 1)}
		seats, err := find[seatDoc](ctx, s, q)
		if err != nil {
			return nil, err
		}
		for _, d := range seats {
			if d.in() {
				c[search.InGroup(id.Group(d.Group))] = d.Cleared.upTo()
			}
		}
	}
	return c, nil
}

// SearchTalks implements search.Store.
func (s *Store) SearchTalks(ctx context.Context, owner id.User, limit int) ([]search.State, bool, error) {
	talks, more, err := s.searchTalks(ctx, owner, limit)
	if err != nil {
		return nil, false, wrapped("list conversations to search", err)
	}
	slices.SortStableFunc(talks, func(a, b search.State) int { return cmp.Compare(b.Last, a.Last) })
	return talks[:min(len(talks), limit)], more || len(talks) > limit, nil
}

func (s *Store) searchTalks(ctx context.Context, owner id.User, limit int) (talks []search.State, more bool, err error) {
	if err := s.adoptedGroups(ctx, owner); err != nil {
		return nil, false, err
	}
	all, err := s.adoptedAll(ctx, owner, maxHeld)
	if err != nil {
		return nil, false, err
	}
	err = s.snapshot(ctx, func(ctx context.Context) error {
		talks = nil
		rows, err := find[threadDoc](ctx, s, query{
			from: threadsName, index: indexThreads, sort: bson.D{is("lastSeq", -1)}, limit: limit + 1, fields: bson.D{is("conv", 1), is("lastSeq", 1)},
			filter: bson.D{is("user", bson.ObjectID(owner)), above("lastSeq", 0)},
		})
		if err != nil {
			return err
		}
		for _, d := range rows {
			talks = append(talks, search.State{Talk: search.Talk(d.Conv), Last: d.LastSeq})
		}
		groups, err := s.groupsOf(ctx, owner, 0)
		for _, d := range groups {
			talks = append(talks, search.State{Talk: search.Talk(d.conv()), Last: d.LastSeq})
		}
		return err
	})
	return talks, !all, err
}

// groupsOf finds the groups that a person is in and in which something changed after a number.
func (s *Store) groupsOf(ctx context.Context, u id.User, after order.Seq) ([]*groupDoc, error) {
	q := memberQuery(u)
	q.fields = bson.D{is("group", 1)}
	seats, err := find[seatDoc](ctx, s, q)
	if err != nil || len(seats) == 0 {
		return nil, err
	}
	groups := make([]bson.ObjectID, len(seats))
	for i, d := range seats {
		groups[i] = d.Group
	}
	q = withIDs(groupsName, groups)
	q.fields = bson.D{is("lastSeq", 1)}
	q.filter = append(q.filter, above("changed", after))
	return find[groupDoc](ctx, s, q)
}

// SearchMessages implements search.Store.
func (s *Store) SearchMessages(ctx context.Context, owner id.User, in []search.Stretch, newest bool, limit int) ([]search.Text, error) {
	g := &gathering{store: s, user: owner, newest: newest, limit: limit}
	err := s.snapshot(ctx, func(ctx context.Context) error {
		g.found = nil
		return g.read(ctx, in)
	})
	var texts []search.Text
	if err == nil {
		texts, err = s.openTexts(ctx, g.found)
	}
	if err != nil {
		return nil, wrapped("read messages to search", err)
	}
	return texts, nil
}

// A gathering finds the newest messages of many stretches, or the oldest ones.
type gathering struct {
	store  *Store
	user   id.User
	newest bool
	limit  int
	found  []*messageDoc // in order
}

// read looks at the stretches with the newest messages first. What lies beyond the limit of the
// messages that it has found need not be read.
func (g *gathering) read(ctx context.Context, in []search.Stretch) error {
	talks := make([]search.Talk, len(in))
	for i, s := range in {
		talks[i] = s.Talk
	}
	from, err := g.store.clearedBy(ctx, g.user, talks)
	if err != nil {
		return err
	}
	in = slices.SortedFunc(slices.Values(in), func(a, b search.Stretch) int {
		return cmp.Compare(min(b.Last, b.Before), min(a.Last, a.Before))
	})
	for some := range slices.Chunk(in, maxClauses) {
		if parts := g.parts(some, from); len(parts) > 0 {
			if err := g.readParts(ctx, oneByOne(parts)); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts are what is to be read of some stretches.
func (g *gathering) parts(in []search.Stretch, from cleared) []stretch {
	var parts []stretch
	for _, s := range in {
		after, takesPart := from[s.Talk]
		p := stretch{convKey(s.Talk), max(s.After, after), min(s.Before-1, s.Last)}
		if len(g.found) == g.limit && g.newest {
			p.after = max(p.after, g.found[g.limit-1].Seq-1)
		} else if len(g.found) == g.limit {
			p.upTo = min(p.upTo, g.found[g.limit-1].Seq)
		}
		if takesPart && p.after < p.upTo {
			parts = append(parts, p)
		}
	}
	return parts
}

// tied is how many messages may share a number before a query has to be repeated.
const tied = 32

// readParts takes the messages of some parts in. Those of different conversations may share a
// number, and the database returns them in no order: the last ones may be some of several.
func (g *gathering) readParts(ctx context.Context, clauses []bson.D) error {
	direction := 1
	if g.newest {
		direction = -1
	}
	for n := g.limit + tied; ; n *= 2 {
		read, err := find[messageDoc](ctx, g.store, textsQuery(g.user, clauses, direction, n))
		if err != nil {
			return err
		}
		if len(read) == n {
			last := read[n-1].Seq
			read = slices.DeleteFunc(read, func(d *messageDoc) bool { return d.Seq == last })
			if len(read) < g.limit {
				continue
			}
		}
		g.found = append(g.found, read...)
		slices.SortFunc(g.found, func(a, b *messageDoc) int { return direction * byRef(a, b) })
		g.found = g.found[:min(len(g.found), g.limit)]
		return nil
	}
}

// oneByOne are conditions of which every message in one of the stretches meets one. With one for
// each the server merges what the index has of each; where some share one it would sort all.
func oneByOne(parts []stretch) []bson.D {
	each := make([]bson.D, len(parts))
	for i, p := range parts {
		each[i] = bson.D{is("conv", p.conv), between("seq", p.after, p.upTo)}
	}
	return each
}

// textsQuery finds the first messages of parts of conversations that a person can see, by their
// places: from the oldest on, or for the direction -1 from the newest.
func textsQuery(u id.User, clauses []bson.D, direction, limit int) query {
	return query{
		from: messagesName, index: indexPlace, limit: limit, fields: searched, sort: bson.D{is("seq", direction)},
		filter: bson.D{is("$or", clauses), notDeletedBy(u)},
	}
}

// SearchChanged implements search.Store.
func (s *Store) SearchChanged(ctx context.Context, owner id.User, after order.Seq, limit int) ([]search.Text, order.Seq, error) {
	var found []*messageDoc
	var upTo order.Seq
	err := s.snapshot(ctx, func(ctx context.Context) error {
		now := view{store: s}
		if err := now.readSeq(ctx); err != nil {
			return err
		}
		upTo = now.seq
		parts, err := s.changedParts(ctx, owner, after)
		found = nil
		for some := range slices.Chunk(oneByOne(parts), maxClauses) {
			if err != nil {
				break
			}
			var read []*messageDoc
			read, err = find[messageDoc](ctx, s, changedTextsQuery(owner, some, after, limit))
			found = append(found, read...)
		}
		return err
	})
	if err != nil {
		return nil, 0, wrapped("read changed messages to search", err)
	}
	slices.SortFunc(found, func(a, b *messageDoc) int { return cmp.Compare(a.Changed, b.Changed) })
	if len(found) >= limit {
		found = found[:limit]
		upTo = found[limit-1].Changed
	}
	texts, err := s.openTexts(ctx, found)
	if err != nil {
		return nil, 0, wrapped("read changed messages to search", err)
	}
	return texts, upTo, nil
}

// changedParts are the conversations of a person in which something changed after a commit, from
// where the person sees them.
func (s *Store) changedParts(ctx context.Context, owner id.User, after order.Seq) ([]stretch, error) {
	rows, err := find[threadDoc](ctx, s, query{
		from: threadsName, index: indexThreads, fields: bson.D{is("conv", 1)},
		filter: bson.D{is("user", bson.ObjectID(owner)), above("changed", after)},
	})
	if err != nil {
		return nil, err
	}
	groups, err := s.groupsOf(ctx, owner, after)
	if err != nil {
		return nil, err
	}
	var talks []search.Talk
	for _, d := range rows {
		talks = append(talks, search.Talk(d.Conv))
	}
	for _, d := range groups {
		talks = append(talks, search.Talk(d.conv()))
	}
	from, err := s.clearedBy(ctx, owner, talks)
	var parts []stretch
	for _, t := range talks {
		if cleared, takesPart := from[t]; takesPart {
			parts = append(parts, stretch{convKey(t), cleared, endOfTime})
		}
	}
	return parts, err
}

// changedTextsQuery finds messages that were changed after they were stored, by commits after a
// number.
func changedTextsQuery(u id.User, clauses []bson.D, after order.Seq, limit int) query {
	late := make([]bson.D, len(clauses))
	for i, c := range clauses {
		late[i] = append(slices.Clone(c), above("late", after))
	}
	return query{
		from: messagesName, index: indexLate, limit: limit, fields: searched, sort: bson.D{is("late", 1)},
		filter: bson.D{is("$or", late), notDeletedBy(u)},
	}
}

// SearchTexts implements search.Store.
func (s *Store) SearchTexts(ctx context.Context, owner id.User, of []search.Ref) ([]search.Text, error) {
	wanted := make(map[id.Message]search.Ref, len(of))
	ids := make([]bson.ObjectID, len(of))
	talks := make([]search.Talk, len(of))
	for i, r := range of {
		wanted[r.ID], ids[i], talks[i] = r, bson.ObjectID(r.ID), r.Talk
	}
	slices.SortFunc(talks, func(a, b search.Talk) int { return slices.Compare(a[:], b[:]) })
	q := withIDs(messagesName, ids)
	q.fields = searched
	q.filter = append(q.filter, notDeletedBy(owner))
	var found []*messageDoc
	err := s.snapshot(ctx, func(ctx context.Context) error {
		from, err := s.clearedBy(ctx, owner, slices.Compact(talks))
		if err != nil {
			return err
		}
		found, err = find[messageDoc](ctx, s, q)
		found = slices.DeleteFunc(found, func(d *messageDoc) bool {
			cleared, takesPart := from[search.Talk(d.Conv)]
			return wanted[id.Message(d.ID)] != refOf(d) || !takesPart || d.Seq <= cleared
		})
		return err
	})
	var texts []search.Text
	if err == nil {
		texts, err = s.openTexts(ctx, found)
	}
	if err != nil {
		return nil, wrapped("read messages that were found", err)
	}
	return texts, nil
}

// SearchPlace implements search.Store.
func (s *Store) SearchPlace(ctx context.Context, owner id.User, m id.Message) (search.Ref, error) {
	d, err := s.find(ctx, m)
	if err == nil && d.between() && !d.Conv.conversation().Has(owner) {
		err = message.ErrNoMessage
	}
	if err == nil && !d.between() {
		if _, err = s.findSeat(ctx, id.Group(d.Group), owner); errors.Is(err, message.ErrNotMember) {
			err = message.ErrNoMessage
		}
	}
	if err != nil {
		return search.Ref{}, wrapped("find the place of a message", err)
	}
	return refOf(d), nil
}
