package mongostore

import (
	"cmp"
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// maxCursors is how many cursors of others Since tells.
const maxCursors = 10_000

// A groupView is what a person can see of the commits after a number in their groups.
type groupView struct {
	in      []*seatDoc // of the groups that the person is in
	outOf   []convKey  // the groups in which they were
	changed []*groupDoc
	seating *seating
	cursors []message.Cursor
	left    []message.Left
}

// readGroups finds the groups of the person that changed, and what they are no longer in. rows is
// how many conversations with people changed.
func (v *view) readGroups(ctx context.Context, rows int) error {
	g := &v.groups
	seats, err := find[seatDoc](ctx, v.store, wasMemberQuery(v.user))
	if err != nil {
		return err
	}
	var in, own []bson.ObjectID
	for _, d := range seats {
		switch {
		case d.in():
			g.in = append(g.in, d)
			in = append(in, d.Group)
			if d.Changed > v.after {
				own = append(own, d.Group)
			}
			v.again = v.again || v.after > 0 && d.ReloadAt > v.after
			continue
		case d.Until > v.after:
			g.left = append(g.left, message.Left{Group: id.Group(d.Group), Seq: d.Until})
		}
		g.outOf = append(g.outOf, keyOf(message.InGroup(id.Group(d.Group))))
	}
	slices.SortFunc(g.left, func(a, b message.Left) int { return cmp.Compare(a.Seq, b.Seq) })
	if len(in) == 0 {
		return nil
	}
	if g.changed, err = find[groupDoc](ctx, v.store, changedGroupsQuery(in, own, v.after)); err != nil {
		return err
	}
	slices.SortFunc(g.changed, newestGroup)
	v.again = v.again || rows+len(g.changed) > v.rowLimit()
	return v.readCursors(ctx, in)
}

// readCursors finds how far the other members of groups have come since.
func (v *view) readCursors(ctx context.Context, groups []bson.ObjectID) error {
	if v.full() {
		return nil
	}
	moved, err := find[seatDoc](ctx, v.store, movedQuery(v.user, groups, v.after))
	if len(moved) > maxCursors {
		v.again = true
		return err
	}
	for _, d := range moved {
		v.groups.cursors = append(v.groups.cursors, d.cursor())
	}
	slices.SortFunc(v.groups.cursors, func(a, b message.Cursor) int { return cmp.Compare(a.Changed, b.Changed) })
	return err
}

// readSeats reads what belongs to the seats of the groups that changed besides.
func (v *view) readSeats(ctx context.Context) (err error) {
	g := &v.groups
	if len(g.changed) == 0 {
		return nil
	}
	if v.full() {
		g.changed = g.changed[:min(len(g.changed), maxReloadRows)]
	}
	told := make(map[bson.ObjectID]bool, len(g.changed))
	for _, d := range g.changed {
		told[d.ID] = true
	}
	own := slices.DeleteFunc(slices.Clone(g.in), func(d *seatDoc) bool { return !told[d.Group] })
	g.seating, err = v.store.seating(ctx, v.user, own, g.changed)
	return err
}

// out are the groups whose messages the person sees no longer.
func (g *groupView) out() []convKey {
	if g.outOf == nil {
		return []convKey{}
	}
	return g.outOf
}

func (g *groupView) talks() []talk {
	cleared := make(map[bson.ObjectID]clearings, len(g.in))
	for _, d := range g.in {
		cleared[d.Group] = d.Cleared
	}
	talks := make([]talk, len(g.changed))
	for i, d := range g.changed {
		talks[i] = talk{d.conv(), d.LastSeq, cleared[d.ID]}
	}
	return talks
}

// open returns the seats with the texts of their messages in the clear, by their change.
func (g *groupView) open(ctx context.Context, s *Store) ([]message.Seat, error) {
	if g.seating == nil {
		return nil, nil
	}
	seats, err := s.openSeats(ctx, g.seating)
	slices.SortFunc(seats, func(a, b message.Seat) int { return cmp.Compare(a.Changed, b.Changed) })
	return seats, err
}

// wasMemberQuery finds what a person has or had in groups.
func wasMemberQuery(u id.User) query {
	return query{from: seatsName, index: indexMember, filter: bson.D{is("user", bson.ObjectID(u))}}
}

// changedGroupsQuery finds those of some groups that changed after a number or are among others.
func changedGroupsQuery(groups, besides []bson.ObjectID, after order.Seq) query {
	q := withIDs(groupsName, groups)
	if len(besides) == 0 {
		q.filter = append(q.filter, above("changed", after))
		return q
	}
	q.filter = append(q.filter, is("$or", bson.A{bson.D{above("changed", after)}, within("_id", besides)}))
	return q
}

// movedQuery finds how far the other members of groups have come after a number. What stands where
// it stood at the start of a group has not moved.
func movedQuery(u id.User, groups []bson.ObjectID, after order.Seq) query {
	return query{
		from: seatsName, index: indexMoved, fields: withoutClearings, limit: maxCursors + 1,
		filter: bson.D{is("group", bson.D{is("$in", groups)}), above("moved", after), is("user", bson.D{is("$ne", bson.ObjectID(u))}),
			is("until", endOfTime), above("deliveredSeq", 0)},
	}
}
