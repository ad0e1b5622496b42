package mongostore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// groupKeys are the keys of the index by which the old messages of a group are found. The former
// system made it.
var groupKeys = bson.D{is("groupChat", 1), is("createdAt", -1)}

// groupBatch is how many groups the pass asks for at once.
const groupBatch = 100

// adoptedGroups makes sure that the groups of a person have their seats, and the messages in them
// their places.
func (s *Store) adoptedGroups(ctx context.Context, u id.User) error {
	a := s.adoption
	if a.done.Load() {
		return nil
	}
	groups, err := a.unadoptedGroups(ctx, 0, is("members", bson.ObjectID(u)))
	if err != nil {
		return err
	}
	seats, err := find[seatDoc](ctx, s, memberQuery(u)) // one that has them may be at its messages still
	for _, d := range seats {
		groups = append(groups, d.Group)
	}
	for _, g := range groups {
		if err := a.ensure(ctx, keyOf(message.InGroup(id.Group(g)))); err != nil {
			return err
		}
	}
	return err
}

// unadoptedGroups finds groups that have no seats yet; limit 0: all.
func (a *adoption) unadoptedGroups(ctx context.Context, limit int, more ...bson.E) ([]bson.ObjectID, error) {
	found, err := find[groupDoc](ctx, a.store, query{
		from: groupsName, index: indexUnplaced, limit: limit, fields: bson.D{is("_id", 1)},
		filter: append(bson.D{is("changed", nil)}, more...),
	})
	groups := make([]bson.ObjectID, len(found))
	for i, d := range found {
		groups[i] = d.ID
	}
	return groups, err
}

// groupsLeft finds groups that are there and of which messages have no place.
func (a *adoption) groupsLeft(ctx context.Context, limit int, more ...bson.E) ([]bson.ObjectID, error) {
	c, err := a.store.coll(messagesName).Aggregate(ctx, mongo.Pipeline{
		{is("$match", unplacedInGroups(more...))},
		{is("$group", bson.D{is("_id", "$groupChat")})},
		{is("$lookup", bson.D{is("from", groupsName), is("localField", "_id"), is("foreignField", "_id"),
			is("pipeline", bson.A{bson.D{is("$project", bson.D{is("_id", 1)})}}), is("as", "there")})},
		{is("$match", bson.D{is("there.0", bson.D{is("$exists", true)})})},
		{is("$limit", limit)},
		{is("$project", bson.D{is("_id", 1)})},
	}, options.Aggregate().SetHint(indexUnplacedInGroups))
	if err != nil {
		return nil, err
	}
	found, err := all[groupDoc](ctx, c)
	groups := make([]bson.ObjectID, len(found))
	for i, d := range found {
		groups[i] = d.ID
	}
	return groups, err
}

// adoptGroups adopts every group, and returns nil once no message in one has no place.
func (a *adoption) adoptGroups(ctx context.Context) error {
	for {
		groups, err := a.unadoptedGroups(ctx, groupBatch)
		if err != nil {
			return err
		}
		if len(groups) == 0 {
			return a.adoptRestOfGroups(ctx)
		}
		for _, g := range groups {
			began := time.Now()
			if err := a.ensure(ctx, keyOf(message.InGroup(id.Group(g)))); err != nil {
				return err
			}
			a.rest(time.Duration(backfillRest * float64(time.Since(began))))
		}
	}
}

// adoptRestOfGroups adopts what the pass did not find in groups.
func (a *adoption) adoptRestOfGroups(ctx context.Context) error {
	for last := (bson.ObjectID{}); ; {
		groups, err := a.groupsLeft(ctx, 1)
		if err != nil || len(groups) == 0 {
			return err
		}
		if groups[0] == last {
			return fmt.Errorf("messages of group %s get no place", last.Hex())
		}
		last = groups[0]
		conv := keyOf(message.InGroup(id.Group(last)))
		a.unsettle(conv)
		if err := a.ensure(ctx, conv); err != nil {
			return err
		}
	}
}

// adoptGroup adopts a group that the caller has claimed. One that is gone is left alone, and so are
// its messages.
func (a *adoption) adoptGroup(ctx context.Context, conv convKey, g bson.ObjectID) error {
	there, err := find[groupDoc](ctx, a.store, withIDs(groupsName, []bson.ObjectID{g}))
	if err != nil || len(there) == 0 {
		return err
	}
	found, err := a.loadGroup(ctx, g, is("conv", nil))
	if err != nil {
		return err
	}
	if there[0].Changed > 0 {
		if len(found.messages) == 0 {
			return nil
		}
		sortOld(found.messages)
		return a.bringIn(ctx, []adoptee{{conv: conv, later: found.messages}})
	}
	rows, err := a.groupSettings(ctx, g)
	if err != nil {
		return err
	}
	placed, later := a.place(found.messages)
	d := a.oldGroup(there[0], placed)
	return a.bringIn(ctx, []adoptee{{conv: conv, placed: placed, later: later, group: d, seats: oldSeats(d, found, rows)}})
}

// An oldReceipt says that somebody read a message, or that it reached them.
type oldReceipt struct {
	User bson.ObjectID
	At   time.Time
}

// An oldMark is how far somebody has come in a group.
type oldMark struct {
	message *oldMessage
	at      time.Time
}

// An oldThread is the old messages of a group, and how far its members have come in them.
type oldThread struct {
	messages        []*oldMessage
	read, delivered map[bson.ObjectID]oldMark
}

// oldGroupFields are oldFields and the receipts.
var oldGroupFields = append(slices.Clone(oldFields),
	is("readBy.user", 1), is("readBy.readAt", 1), is("deliveredTo.user", 1), is("deliveredTo.deliveredAt", 1))

// An oldGroupMessage is an oldMessage with its receipts, which may be many.
type oldGroupMessage struct {
	Message     oldMessage    `bson:",inline"`
	ReadBy      bson.RawValue `bson:"readBy"`
	DeliveredTo bson.RawValue `bson:"deliveredTo"`
}

// loadGroup reads messages of a group. Of their receipts it keeps the furthest of each person.
func (a *adoption) loadGroup(ctx context.Context, g bson.ObjectID, which bson.E) (t oldThread, err error) {
	t.read, t.delivered = map[bson.ObjectID]oldMark{}, map[bson.ObjectID]oldMark{}
	cursor, err := a.store.coll(messagesName).Find(ctx, bson.D{is("groupChat", g), is("sender", isPerson), which},
		options.Find().SetProjection(oldGroupFields).SetHint(groupKeys))
	if err != nil {
		return t, err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	for cursor.Next(ctx) {
		var d oldGroupMessage
		if err := cursor.Decode(&d); err != nil {
			return t, err
		}
		m := &d.Message
		t.messages = append(t.messages, m)
		read := receiptsIn(d.ReadBy, "readAt")
		if a.isLater(m) {
			m.readers = read
			continue
		}
		furthest(t.read, m, read)
		furthest(t.delivered, m, receiptsIn(d.DeliveredTo, "deliveredAt"))
	}
	return t, cursor.Err()
}

// receiptsIn reads a list of receipts; what is none is passed over.
func receiptsIn(v bson.RawValue, at string) []oldReceipt {
	list, ok := v.ArrayOK()
	if !ok {
		return nil
	}
	entries, err := list.Values()
	if err != nil {
		return nil
	}
	var all []oldReceipt
	for _, e := range entries {
		d, ok := e.DocumentOK()
		if !ok {
			continue
		}
		if u, ok := d.Lookup("user").ObjectIDOK(); ok {
			when, _ := d.Lookup(at).TimeOK()
			all = append(all, oldReceipt{u, utc(when)})
		}
	}
	return all
}

// furthest keeps of the receipts of each person the one of the newest message.
func furthest(marks map[bson.ObjectID]oldMark, m *oldMessage, receipts []oldReceipt) {
	for _, r := range receipts {
		if known, ok := marks[r.User]; !ok || compareOld(m, known.message) > 0 {
			marks[r.User] = oldMark{m, r.At}
		}
	}
}

// groupSettings reads what people have set for a group.
func (a *adoption) groupSettings(ctx context.Context, g bson.ObjectID) ([]settingsDoc, error) {
	c, err := a.store.coll("conversations").Find(ctx, bson.D{is("groupChat", g)})
	if err != nil {
		return nil, err
	}
	found, err := all[settingsDoc](ctx, c)
	rows := make([]settingsDoc, len(found))
	for i, d := range found {
		rows[i] = *d
	}
	return rows, err
}

// oldGroup is a group of the former system with what it lacks. It was changed last when the former
// system says so; where that was after the database was first taken over, it has no number yet. The
// messages are all there are, in their places.
func (a *adoption) oldGroup(d *groupDoc, placed []*oldMessage) *groupDoc {
	g := *d
	if g.CreatedAt.IsZero() {
		g.CreatedAt = g.ID.Timestamp().UTC()
	}
	g.ChangedAt = latest(g.CreatedAt, utc(g.UpdatedAt))
	g.UpdatedAt = g.ChangedAt
	var members []bson.ObjectID
	for _, u := range g.Members {
		if !u.IsZero() && !slices.Contains(members, u) {
			members = append(members, u)
		}
	}
	g.Members, g.JoinedAt = members, make([]time.Time, len(members))
	for i := range members {
		g.JoinedAt[i] = g.CreatedAt
	}
	if g.Admins == nil {
		g.Admins = []bson.ObjectID{}
	}
	g.LastID = bson.ObjectID{}
	if n := len(placed); n > 0 {
		g.LastSeq, g.LastID, g.LastAt = placed[n-1].seq, placed[n-1].ID, placed[n-1].at()
	}
	g.own = true
	if at := g.ChangedAt.UnixMilli(); at <= int64((a.cut.Base-rankRoom)>>rankBits) {
		g.GroupChanged = max(order.Seq(at)<<rankBits, 1)
		g.Changed = g.newest()
	}
	return &g
}

// oldSeats are the seats of the members of a group.
func oldSeats(d *groupDoc, t oldThread, rows []settingsDoc) []seatDoc {
	places := map[bson.ObjectID]*oldMessage{}
	if slices.ContainsFunc(rows, func(r settingsDoc) bool { return len(r.LastRead) > 0 }) {
		for _, m := range t.messages {
			places[m.ID] = m
		}
	}
	seats := make([]seatDoc, len(d.Members))
	for i, u := range d.Members {
		seat := seatDoc{ID: seatOf(d.ID, id.User(u)), Group: d.ID, User: u, Until: endOfTime}
		if m, ok := t.read[u]; ok {
			seat.readOld(m.message, m.at)
		}
		if m, ok := t.delivered[u]; ok {
			seat.deliverOld(m.message, m.at)
		}
		for _, r := range rows {
			seat.join(r, places)
		}
		seat.Moved = max(seat.ReadSeq, seat.DeliveredSeq, 1)
		seat.Changed = seat.Moved
		seats[i] = seat
	}
	return seats
}

// readOld moves the cursors to a message that the member has read.
func (d *seatDoc) readOld(m *oldMessage, at time.Time) {
	if m.seq > d.ReadSeq {
		d.ReadSeq, d.ReadID, d.ReadAt = m.seq, m.ID, at
	}
	d.deliverOld(m, at)
}

func (d *seatDoc) deliverOld(m *oldMessage, at time.Time) {
	if m.seq > d.DeliveredSeq {
		d.DeliveredSeq, d.DeliveredID, d.DeliveredAt = m.seq, m.ID, at
	}
}

// join takes what a row of the former system says of the member, like that of a conversation with
// somebody. It may be anybody's.
func (d *seatDoc) join(r settingsDoc, places map[bson.ObjectID]*oldMessage) {
	t := threadDoc{User: d.User}
	t.join(r, func(m bson.ObjectID) order.Seq {
		if at := places[m]; at != nil {
			return at.seq
		}
		return 0
	})
	d.Archived = d.Archived || t.Archived
	if t.Muted {
		mute(&d.Muted, &d.MutedUntil, t.MutedUntil)
	}
	d.MarkedUnread = latest(d.MarkedUnread, t.MarkedUnread)
	if t.ReadSeq > 0 {
		d.readOld(places[t.ReadID], t.ReadAt)
	}
}

// makeSeats stores a group of the former system with its seats.
func (t *tx) makeSeats(c adoptee) error {
	g, _ := c.conv.group()
	there, err := t.group(bson.ObjectID(g))
	if err != nil {
		return err
	}
	if there == nil || (there.Changed == 0) != (c.group != nil) {
		return errMoved
	}
	if c.group == nil {
		return nil
	}
	d, fresh := clone(c.group), order.Seq(0)
	if d.Changed == 0 {
		fresh = t.next()
		d.GroupChanged, d.Changed = fresh, fresh
	}
	t.saveGroup(d)
	for i := range c.seats {
		seat := clone(&c.seats[i])
		seat.Changed = max(seat.Changed, fresh)
		t.saveSeat(seat)
	}
	return nil
}

// appendToGroup puts messages behind those of a group, as if they were sent now. Who has read them
// in the former system has read them.
func (t *tx) appendToGroup(g bson.ObjectID, some []*oldMessage) error {
	d, err := t.group(g)
	if err != nil || d == nil {
		return either(err, errMoved)
	}
	models := make([]mongo.WriteModel, len(some))
	for i, m := range some {
		moved := *m
		moved.seq = t.next()
		models[i] = moved.adoption()
		d.receive(&messageDoc{ID: m.ID, Seq: moved.seq, CreatedAt: m.at()})
		for _, r := range m.readers {
			seat, err := t.seat(g, id.User(r.User))
			if err != nil {
				return err
			}
			if seat.in() {
				seat.readOld(&moved, r.At)
				seat.Moved, seat.Changed = moved.seq, moved.seq
				t.saveSeat(seat)
			}
		}
	}
	t.saveGroup(d)
	return t.place(models)
}
