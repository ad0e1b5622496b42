package mongostore

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// matchSeats brings the seats of groups into line with their members, which the former system may
// have changed while it wrote beside this one: who is no member has no seat, and sees nothing.
func (s *Store) matchSeats(ctx context.Context) error {
	return eachBatch(ctx, s.coll(groupsName), bson.D{above("changed", 0)}, []string{"members"},
		func(d groupDoc) bson.ObjectID { return d.ID },
		func(ctx context.Context, docs []groupDoc) error {
			for _, d := range docs {
				if err := s.matchSeatsOf(ctx, d.ID); err != nil {
					return err
				}
			}
			return nil
		})
}

func (s *Store) matchSeatsOf(ctx context.Context, g bson.ObjectID) error {
	return s.writer.do(ctx, "match the seats of a group", func(t *tx) error {
		d, err := t.group(g)
		if err != nil || d == nil {
			return err
		}
		q := seatsQuery(g)
		c, err := cursor(t.ctx, s, q, allAtOnce)
		if err != nil {
			return err
		}
		seats, err := all[seatDoc](t.ctx, c)
		if err != nil {
			return err
		}
		var came, left []bson.ObjectID
		for _, seat := range seats {
			if !slices.Contains(d.Members, seat.User) {
				left = append(left, seat.User)
			}
		}
		for _, u := range d.Members {
			if !slices.ContainsFunc(seats, func(seat *seatDoc) bool { return seat.User == u }) {
				came = append(came, u)
			}
		}
		if len(came)+len(left) == 0 {
			return nil
		}
		return t.match(d, came, left)
	}, needs{groups: []bson.ObjectID{g}})
}

// match makes what the former system changed in a group a change like any other.
func (t *tx) match(d *groupDoc, came, left []bson.ObjectID) error {
	after := d.group()
	after.Members = membersAfter(nil, after.Members, d.ChangedAt)
	seq := t.next()
	d.become(after, latest(d.ChangedAt, utc(d.UpdatedAt)), seq)
	t.saveGroup(d)
	if err := t.seatAll(d, came, seq); err != nil {
		return err
	}
	return t.unseat(d, left, seq)
}
