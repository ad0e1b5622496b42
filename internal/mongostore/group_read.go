package mongostore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// A seating is groups as one of their members has them, as they were read.
type seating struct {
	user   id.User
	groups []*groupDoc
	seats  map[bson.ObjectID]*seatDoc    // by group
	last   map[bson.ObjectID]*messageDoc // the newest message that the member sees, by group
	unread map[bson.ObjectID]int         // by group
}

// Seats implements message.GroupStore.
func (s *Store) Seats(ctx context.Context, u id.User, before id.Group, limit int) (message.Page[message.Seat], error) {
	page, err := s.seats(ctx, u, before, limit)
	if err != nil {
		return message.Page[message.Seat]{}, fmt.Errorf("list groups: %w", unavailable(err))
	}
	return page, nil
}

func (s *Store) seats(ctx context.Context, u id.User, before id.Group, limit int) (page message.Page[message.Seat], err error) {
	if err := s.adoptedGroups(ctx, u); err != nil {
		return page, err
	}
	var l *seating
	err = s.snapshot(ctx, func(ctx context.Context) error {
		l, page.More, err = s.seatingBefore(ctx, u, before, limit)
		return err
	})
	if err != nil {
		return page, err
	}
	page.Items, err = s.openSeats(ctx, l)
	return page, err
}

// seatingBefore reads a part of the groups of a person, and reports whether there are more behind
// it.
func (s *Store) seatingBefore(ctx context.Context, u id.User, before id.Group, limit int) (l *seating, more bool, err error) {
	own, err := find[seatDoc](ctx, s, memberQuery(u))
	if err != nil || len(own) == 0 {
		return &seating{}, false, either(err, notListed(before))
	}
	list, err := find[groupDoc](ctx, s, placesOfGroupsQuery(own))
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(list, newestGroup)
	if !before.IsZero() {
		i := slices.IndexFunc(list, func(d *groupDoc) bool { return d.ID == bson.ObjectID(before) })
		if i < 0 {
			return nil, false, message.ErrNoGroup
		}
		list = list[i+1:]
	}
	more = len(list) > limit
	list = list[:min(len(list), limit)]
	groups := make([]bson.ObjectID, len(list))
	for i, d := range list {
		groups[i] = d.ID
	}
	full, err := find[groupDoc](ctx, s, withIDs(groupsName, groups))
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(full, newestGroup)
	l, err = s.seating(ctx, u, own, full)
	return l, more, err
}

func notListed(before id.Group) error {
	if before.IsZero() {
		return nil
	}
	return message.ErrNoGroup
}

func newestGroup(a, b *groupDoc) int {
	return cmp.Or(cmp.Compare(b.newest(), a.newest()), bytes.Compare(b.ID[:], a.ID[:]))
}

// seating reads what belongs to seats besides: the newest messages, and how many are unread. It is
// called with the context of the snapshot in which the groups were read.
func (s *Store) seating(ctx context.Context, u id.User, own []*seatDoc, groups []*groupDoc) (*seating, error) {
	l := &seating{user: u, groups: groups, seats: map[bson.ObjectID]*seatDoc{}, last: map[bson.ObjectID]*messageDoc{}}
	for _, d := range own {
		l.seats[d.Group] = d
	}
	var newest []bson.ObjectID
	for _, d := range groups {
		if d.LastSeq > l.seats[d.ID].Cleared.upTo() {
			newest = append(newest, d.LastID)
		}
	}
	if len(newest) > 0 {
		found, err := find[messageDoc](ctx, s, newestQuery(newest))
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if l.last[m.Group], err = s.newestSeen(ctx, l.seats[m.Group], m); err != nil {
				return nil, err
			}
		}
	}
	var err error
	l.unread, err = s.unreadInGroups(ctx, u, own, groups)
	return l, err
}

// newestSeen is the newest message of a group that a member sees; m is the newest of all.
func (s *Store) newestSeen(ctx context.Context, seat *seatDoc, m *messageDoc) (*messageDoc, error) {
	if !seat.hides(m) {
		return m, nil
	}
	found, err := find[messageDoc](ctx, s, pageQuery(id.User(seat.User), seat.Cleared.upTo(), m.Conv, m.Seq, 1))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// openSeats returns seats with the texts of their messages in the clear.
func (s *Store) openSeats(ctx context.Context, l *seating) ([]message.Seat, error) {
	var seats []message.Seat
	for _, d := range l.groups {
		own := l.seats[d.ID]
		seat := message.Seat{
			Group: d.group(), Unread: l.unread[d.ID], ReadUpTo: id.Message(own.ReadID), ReadAt: utc(own.ReadAt),
			Settings: own.settings(), Changed: max(d.Changed, own.Changed),
		}
		if last := l.last[d.ID]; last != nil {
			m, err := s.open(ctx, last, 0)
			if err != nil {
				return nil, err
			}
			seat.Last = &m
		}
		seats = append(seats, seat)
	}
	return seats, nil
}

// Seat implements message.GroupStore.
func (s *Store) Seat(ctx context.Context, g id.Group, u id.User) (message.Seat, error) {
	if err := s.adopted(ctx, keyOf(message.InGroup(g))); err != nil {
		return message.Seat{}, fmt.Errorf("find a seat: %w", unavailable(err))
	}
	var l *seating
	err := s.snapshot(ctx, func(ctx context.Context) error {
		d, err := s.findGroup(ctx, g)
		if err != nil {
			return err
		}
		own, err := s.findSeat(ctx, g, u)
		if err != nil {
			return err
		}
		l, err = s.seating(ctx, u, []*seatDoc{own}, []*groupDoc{d})
		return err
	})
	if err != nil {
		return message.Seat{}, fmt.Errorf("find a seat: %w", unavailable(err))
	}
	seats, err := s.openSeats(ctx, l)
	if err != nil {
		return message.Seat{}, fmt.Errorf("find a seat: %w", unavailable(err))
	}
	return seats[0], nil
}

// findSeat returns what somebody has in a group, or ErrNotMember.
func (s *Store) findSeat(ctx context.Context, g id.Group, u id.User) (*seatDoc, error) {
	found, err := find[seatDoc](ctx, s, withIDs(seatsName, []seatKey{seatOf(bson.ObjectID(g), u)}))
	if err != nil || len(found) == 0 || !found[0].in() {
		return nil, either(err, message.ErrNotMember)
	}
	return found[0], nil
}

// Cursors implements message.GroupStore.
func (s *Store) Cursors(ctx context.Context, g id.Group) ([]message.Cursor, error) {
	var seats []*seatDoc
	err := s.adopted(ctx, keyOf(message.InGroup(g)))
	if err == nil {
		err = s.snapshot(ctx, func(ctx context.Context) error {
			if _, err := s.findGroup(ctx, g); err != nil {
				return err
			}
			seats, err = find[seatDoc](ctx, s, seatsQuery(bson.ObjectID(g)))
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read cursors: %w", unavailable(err))
	}
	cursors := make([]message.Cursor, len(seats))
	for i, d := range seats {
		cursors[i] = d.cursor()
	}
	return cursors, nil
}

// UnreadInGroups implements message.GroupStore.
func (s *Store) UnreadInGroups(ctx context.Context, u id.User) (map[id.Group]int, error) {
	counts := map[id.Group]int{}
	err := s.adoptedGroups(ctx, u)
	if err == nil {
		err = s.snapshot(ctx, func(ctx context.Context) error {
			own, err := find[seatDoc](ctx, s, memberQuery(u))
			if err != nil || len(own) == 0 {
				return err
			}
			groups, err := find[groupDoc](ctx, s, placesOfGroupsQuery(own))
			if err != nil {
				return err
			}
			unread, err := s.unreadInGroups(ctx, u, own, groups)
			for g, n := range unread {
				if n > 0 {
					counts[id.Group(g)] = n
				}
			}
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("count unread messages in groups: %w", unavailable(err))
	}
	return counts, nil
}

// unreadInGroups counts what a member has not read: what others wrote behind the cursor and did not
// take back, but for what the member hides. The first is counted within an index, and hidden are
// few. Groups in which nothing was written since are not looked at.
func (s *Store) unreadInGroups(ctx context.Context, u id.User, own []*seatDoc, groups []*groupDoc) (map[bson.ObjectID]int, error) {
	last := make(map[bson.ObjectID]order.Seq, len(groups))
	for _, d := range groups {
		last[d.ID] = d.LastSeq
	}
	var behind []groupPart
	for _, d := range own {
		if from := d.unreadFrom(); last[d.Group] > from {
			behind = append(behind, groupPart{d.Group, from})
		}
	}
	counts := map[bson.ObjectID]int{}
	for some := range slices.Chunk(behind, maxClauses) {
		for _, part := range []struct {
			q    query
			sign int
		}{{unreadInGroupsQuery(u, some), 1}, {hiddenInGroupsQuery(u, some), -1}} {
			found, err := s.tally(ctx, part.q)
			if err != nil {
				return nil, err
			}
			for _, t := range found {
				counts[t.Group] += part.sign * t.N
			}
		}
	}
	return counts, nil
}

// A tally is how many messages of a group a query finds.
type tally struct {
	Group bson.ObjectID `bson:"_id"`
	N     int           `bson:"n"`
}

// tally counts what a query finds, by group.
func (s *Store) tally(ctx context.Context, q query) ([]*tally, error) {
	c, err := s.coll(q.from).Aggregate(ctx, mongo.Pipeline{
		{is("$match", q.filter)},
		{is("$group", bson.D{is("_id", "$groupChat"), is("n", bson.D{is("$sum", 1)})})},
	}, options.Aggregate().SetHint(q.index))
	if err != nil {
		return nil, err
	}
	return all[tally](ctx, c)
}

// memberQuery finds what a person has in the groups that they are in.
func memberQuery(u id.User) query {
	return query{from: seatsName, index: indexMember, filter: bson.D{is("user", bson.ObjectID(u)), is("until", endOfTime)}}
}

// seatsQuery finds what the members of a group have in it.
func seatsQuery(g bson.ObjectID) query {
	return query{
		from: seatsName, index: indexMoved, fields: withoutClearings,
		filter: bson.D{is("group", g), above("moved", 0), is("until", endOfTime)},
	}
}

// placesOfGroupsQuery finds groups without what may be long in them.
func placesOfGroupsQuery(seats []*seatDoc) query {
	groups := make([]bson.ObjectID, len(seats))
	for i, d := range seats {
		groups[i] = d.Group
	}
	q := withIDs(groupsName, groups)
	q.fields = bson.D{is("lastSeq", 1), is("groupChanged", 1)}
	return q
}

// A groupPart is what lies behind a place of a group.
type groupPart struct {
	group bson.ObjectID
	after order.Seq
}

// unreadInGroupsQuery finds what others wrote in parts of groups. The index has all that is asked
// for, as long as each part asks for all by itself.
func unreadInGroupsQuery(u id.User, parts []groupPart) query {
	return groupPartsQuery(indexUnreadInGroups, parts, is("sender", bson.D{is("$ne", bson.ObjectID(u))}), notTakenBack)
}

// hiddenInGroupsQuery finds what a person hides of that.
func hiddenInGroupsQuery(u id.User, parts []groupPart) query {
	return groupPartsQuery(indexHiddenInGroups, parts, is("deletedFor.user", bson.ObjectID(u)),
		is("sender", bson.D{is("$ne", bson.ObjectID(u))}), notTakenBack)
}

func groupPartsQuery(index string, parts []groupPart, more ...bson.E) query {
	any := make([]bson.D, len(parts))
	for i, p := range parts {
		any[i] = append(bson.D{is("groupChat", p.group), above("seq", p.after)}, more...)
	}
	return query{
		from: messagesName, index: index, fields: bson.D{is("_id", 0), is("groupChat", 1)}, filter: bson.D{is("$or", any)},
	}
}
