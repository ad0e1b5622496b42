package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

var _ message.GroupStore = (*Store)(nil)

// errGroupTaken answers a new group whose id names another one.
var errGroupTaken = errors.New("the id is taken by another group")

// CreateGroup implements message.GroupStore.
func (s *Store) CreateGroup(ctx context.Context, g message.Group) (message.Group, error) {
	made := groupDoc{ID: bson.ObjectID(g.ID), CreatedAt: whole(g.CreatedAt)}
	members := membersAfter(nil, g.Members, g.CreatedAt)
	var d groupDoc
	err := s.writer.do(ctx, "create a group", func(t *tx) error {
		there, err := t.group(made.ID)
		if err != nil || there != nil {
			return either(err, errGroupTaken)
		}
		if err := t.admit(g.Creator, members, made.ID); err != nil {
			return err
		}
		d = made
		seq := t.next()
		fresh := g
		fresh.Members = members
		d.become(fresh, g.CreatedAt, seq)
		t.saveGroup(&d)
		return t.seatAll(&d, d.Members, seq)
	}, needs{groups: []bson.ObjectID{made.ID}})
	if err != nil {
		return message.Group{}, err
	}
	return d.group(), nil
}

// Group implements message.GroupStore.
func (s *Store) Group(ctx context.Context, g id.Group) (message.Group, error) {
	d, err := s.findGroup(ctx, g)
	if err != nil {
		return message.Group{}, fmt.Errorf("find a group: %w", unavailable(err))
	}
	return d.group(), nil
}

// findGroup returns a group, or ErrNoGroup where there is none or it is deleted.
func (s *Store) findGroup(ctx context.Context, g id.Group) (*groupDoc, error) {
	if err := s.adopted(ctx, keyOf(message.InGroup(g))); err != nil {
		return nil, err
	}
	found, err := find[groupDoc](ctx, s, withIDs(groupsName, []bson.ObjectID{bson.ObjectID(g)}))
	if err != nil || len(found) == 0 || len(found[0].Members) == 0 {
		return nil, either(err, message.ErrNoGroup)
	}
	return found[0], nil
}

// ChangeGroup implements message.GroupStore. What set says of when present members came is passed
// over, as is their order.
func (s *Store) ChangeGroup(ctx context.Context, g id.Group, by id.User, at time.Time, set func(*message.Group) error) (before, after message.Group, err error) {
	conv := keyOf(message.InGroup(g))
	if err := s.adopted(ctx, conv); err != nil {
		return message.Group{}, message.Group{}, fmt.Errorf("change a group: %w", unavailable(err))
	}
	err = s.writer.do(ctx, "change a group", func(t *tx) error {
		d, err := t.living(g)
		if err != nil {
			return err
		}
		before, after = d.group(), d.group()
		if err := set(&after); err != nil {
			return err
		}
		after.Members = membersAfter(before.Members, after.Members, at)
		if sameGroup(before, after) {
			after = before
			return nil
		}
		came, left := without(after.Members, before), without(before.Members, after)
		if err := t.admit(by, came, d.ID); err != nil {
			return err
		}
		seq := t.next()
		d.become(after, at, seq)
		t.saveGroup(d)
		after = d.group()
		if err := t.seatAll(d, usersOf(came), seq); err != nil {
			return err
		}
		return t.unseat(d, usersOf(left), seq)
	}, needs{groups: []bson.ObjectID{bson.ObjectID(g)}})
	if err != nil {
		return message.Group{}, message.Group{}, err
	}
	return before, after, nil
}

// living returns a group that is there and not deleted.
func (t *tx) living(g id.Group) (*groupDoc, error) {
	d, err := t.group(bson.ObjectID(g))
	if err != nil || d == nil || len(d.Members) == 0 {
		return nil, either(err, message.ErrNoGroup)
	}
	return d, nil
}

// membersAfter are the members of a group that somebody has changed: those who were in it at
// their places, the others behind them, each once.
func membersAfter(before, now []message.Member, at time.Time) []message.Member {
	named := make(map[id.User]message.Member, len(now))
	var order []id.User
	for _, m := range now {
		if _, twice := named[m.User]; !twice {
			named[m.User] = m
			order = append(order, m.User)
		}
	}
	all := make([]message.Member, 0, len(order))
	for _, m := range before {
		if stays, ok := named[m.User]; ok {
			m.Admin = stays.Admin
			all = append(all, m)
			delete(named, m.User)
		}
	}
	for _, u := range order {
		if m, came := named[u]; came {
			if m.JoinedAt.IsZero() {
				m.JoinedAt = at
			}
			m.JoinedAt = whole(m.JoinedAt)
			all = append(all, m)
		}
	}
	return all
}

func sameGroup(a, b message.Group) bool {
	return a.Name == b.Name && a.Description == b.Description && a.Avatar == b.Avatar && a.Creator == b.Creator &&
		slices.EqualFunc(a.Members, b.Members, func(x, y message.Member) bool { return x.User == y.User && x.Admin == y.Admin })
}

// without are the members who are not in a group.
func without(members []message.Member, g message.Group) []message.Member {
	in := make(map[id.User]bool, len(g.Members))
	for _, m := range g.Members {
		in[m.User] = true
	}
	return slices.DeleteFunc(slices.Clone(members), func(m message.Member) bool { return in[m.User] })
}

func usersOf(members []message.Member) []bson.ObjectID {
	users := make([]bson.ObjectID, len(members))
	for i, m := range members {
		users[i] = bson.ObjectID(m.User)
	}
	return users
}

// admit looks at those who come into a group, and refuses them where one blocks who brings them,
// or is blocked by them.
func (t *tx) admit(by id.User, came []message.Member, g bson.ObjectID) error {
	var n needs
	for _, m := range came {
		n.pairs = append(n.pairs, keyOf(message.Between(by, m.User)))
		n.seats = append(n.seats, seatOf(g, m.User))
	}
	if err := t.unit.load(n); err != nil {
		return err
	}
	for _, m := range came {
		if refused, err := t.apart(by, m.User); err != nil || refused {
			return either(err, message.ErrBlocked)
		}
	}
	return nil
}

// seatAll gives people who come into a group their seats. What they cleared before stays cleared.
func (t *tx) seatAll(d *groupDoc, came []bson.ObjectID, seq order.Seq) error {
	for _, u := range came {
		seat := newSeat(d, u, seq)
		old, err := t.seat(d.ID, id.User(u))
		if err != nil {
			return err
		}
		if old != nil {
			seat.Cleared, seat.ReloadAt = old.Cleared, old.ReloadAt
		}
		t.saveSeat(&seat)
	}
	return nil
}

// unseat takes people out of a group, and what they had of their own with them.
func (t *tx) unseat(d *groupDoc, left []bson.ObjectID, seq order.Seq) error {
	if len(left) == 0 {
		return nil
	}
	n, drafts := needs{}, make([]threadKey, len(left))
	for i, u := range left {
		n.seats = append(n.seats, seatOf(d.ID, id.User(u)))
		drafts[i] = threadOf(id.User(u), d.conv())
	}
	if err := t.unit.load(n); err != nil {
		return err
	}
	for _, u := range left {
		seat := seatDoc{ID: seatOf(d.ID, id.User(u)), Group: d.ID, User: u, Until: seq, Changed: seq}
		old, err := t.seat(d.ID, id.User(u))
		if err != nil {
			return err
		}
		if old != nil {
			seat.Cleared, seat.ReloadAt = old.Cleared, old.ReloadAt
		}
		t.saveSeat(&seat)
	}
	_, err := t.collection(draftsName).DeleteMany(t.ctx, within("_id", drafts))
	return err
}

// seated returns a group and what a member has in it.
func (t *tx) seated(g id.Group, u id.User) (*groupDoc, *seatDoc, error) {
	d, err := t.living(g)
	if err != nil {
		return nil, nil, err
	}
	seat, err := t.seat(d.ID, u)
	if err != nil || !seat.in() {
		return nil, nil, either(err, message.ErrNotMember)
	}
	return d, seat, nil
}

func seatedNeeds(g id.Group, u id.User) needs {
	return needs{groups: []bson.ObjectID{bson.ObjectID(g)}, seats: []seatKey{seatOf(bson.ObjectID(g), u)}}
}

// ArrangeGroup implements message.GroupStore.
func (s *Store) ArrangeGroup(ctx context.Context, g id.Group, u id.User, _ time.Time, set func(*message.Settings)) (message.Seat, bool, error) {
	if err := s.adopted(ctx, keyOf(message.InGroup(g))); err != nil {
		return message.Seat{}, false, fmt.Errorf("arrange a group: %w", unavailable(err))
	}
	changed := false
	err := s.writer.do(ctx, "arrange a group", func(t *tx) error {
		_, seat, err := t.seated(g, u)
		if err != nil {
			return err
		}
		before := seat.settings()
		after := before
		set(&after)
		if changed = after != before; !changed {
			return nil
		}
		seat.Archived, seat.Muted, seat.MutedUntil, seat.MarkedUnread = after.Archived, after.Muted, after.MutedUntil, after.MarkedUnread
		seat.Changed = t.next()
		t.saveSeat(seat)
		return nil
	}, seatedNeeds(g, u))
	if err != nil {
		return message.Seat{}, false, err
	}
	seat, err := s.Seat(context.WithoutCancel(ctx), g, u)
	return seat, changed && err == nil, err
}

// ClearGroup implements message.GroupStore.
func (s *Store) ClearGroup(ctx context.Context, g id.Group, u id.User) error {
	if err := s.adopted(ctx, keyOf(message.InGroup(g))); err != nil {
		return fmt.Errorf("clear a group: %w", unavailable(err))
	}
	return s.writer.do(ctx, "clear a group", func(t *tx) error {
		d, seat, err := t.seated(g, u)
		if err != nil {
			return err
		}
		seen, err := t.newest(d.conv(), seat.Cleared.upTo(), d.LastSeq, pick{viewer: seat.User})
		if err != nil || seen == nil && seat.MarkedUnread.IsZero() {
			return err
		}
		seat.Changed = t.next()
		if seen != nil {
			cleared, forgotten := seat.Cleared.with(clearing{UpTo: d.LastSeq, Seq: seat.Changed})
			seat.Cleared, seat.ReloadAt = cleared, max(seat.ReloadAt, forgotten)
		}
		seat.MarkedUnread = time.Time{}
		t.saveSeat(seat)
		return nil
	}, seatedNeeds(g, u))
}
