package mongostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

const (
	// maxReloadRows is how many conversations Since lists where there is too much to tell.
	maxReloadRows = 100
	// maxClauses is how many parts of conversations one query looks at.
	maxClauses = 100
	// maxHeld is how many messages come at a time where they may be large: some megabytes.
	maxHeld = 128
)

// Since implements message.Store. Everything is read from one state of the database.
func (s *Store) Since(ctx context.Context, u id.User, after order.Seq, limit int) (message.Changes, error) {
	v := &view{store: s, user: u, after: after, limit: limit, rows: &listing{}}
	err := v.prepare(ctx)
	if err == nil {
		err = s.snapshot(ctx, v.read)
	}
	if err != nil {
		return message.Changes{}, fmt.Errorf("read changes: %w", unavailable(err))
	}
	changes, err := v.open(ctx)
	if err != nil {
		return message.Changes{}, fmt.Errorf("read changes: %w", unavailable(err))
	}
	return changes, nil
}

// A view gathers what a person can see of the commits after a number.
type view struct {
	store *Store
	user  id.User
	after order.Seq
	limit int // messages, deleted ones included; one more is looked for

	seq     order.Seq
	rows    *listing
	groups  groupView
	stored  []*messageDoc
	changed []*messageDoc
	gone    []message.Gone
	bytes   int  // of the messages that were read
	again   bool // more conversations than are told, or a block began or ended between
	former  bool // some conversations are not adopted
}

// prepare gives the old messages of the person their places where those are asked for. Where they
// are too many, the answer is that there is too much to tell.
func (v *view) prepare(ctx context.Context) error {
	if v.after >= v.store.adoption.cut.Base {
		return nil
	}
	if err := v.store.adoptedGroups(ctx, v.user); err != nil {
		return err
	}
	all, err := v.store.adoptedAll(ctx, v.user, v.limit)
	v.former = !all
	v.again = v.former
	return err
}

// rowLimit is how many conversations are told; one more is looked for.
func (v *view) rowLimit() int { return max(v.limit, maxReloadRows) }

func (v *view) count() int { return len(v.stored) + len(v.changed) + len(v.gone) }

// left is how many more messages decide whether there are too many.
func (v *view) left() int { return v.limit + 1 - v.count() }

// full reports whether there is more than can be told.
func (v *view) full() bool { return v.again || v.left() <= 0 || v.bytes > message.MaxChangeBytes }

func (v *view) read(ctx context.Context) error {
	if err := v.readSeq(ctx); err != nil {
		return err
	}
	own, err := v.readThreads(ctx)
	if err != nil {
		return err
	}
	if err := v.readGroups(ctx, len(own)); err != nil {
		return err
	}
	talks := append(talksOf(own), v.groups.talks()...)
	if len(talks) == 0 && !v.former {
		return nil
	}
	for _, read := range []func(context.Context, []talk) error{v.readHidden, v.readCleared, v.readStored, v.readChanged} {
		if v.full() {
			break
		}
		if err := read(ctx, talks); err != nil {
			return err
		}
	}
	if v.full() {
		own = own[:min(len(own), maxReloadRows)]
	}
	if err := v.readRows(ctx, own); err != nil {
		return err
	}
	return v.readSeats(ctx)
}

// A talk is what is needed of a conversation that changed to find what changed in it.
type talk struct {
	conv    convKey
	last    order.Seq // of the newest message
	cleared clearings
}

func talksOf(rows []*threadDoc) []talk {
	talks := make([]talk, len(rows))
	for i, d := range rows {
		talks[i] = talk{d.Conv, d.LastSeq, d.Cleared}
	}
	return talks
}

// readRows reads what belongs to the rows besides, and those of conversations that are not adopted.
func (v *view) readRows(ctx context.Context, own []*threadDoc) (err error) {
	var old formerList
	if v.former {
		if old, err = v.store.unadopted(ctx, v.user, endOfTime, maxReloadRows); err != nil {
			return err
		}
		own = old.merge(own, maxReloadRows)
	}
	if v.rows, err = v.store.listing(ctx, own); err == nil {
		old.complete(v.rows)
	}
	return err
}

// readSeq reads the newest number that was stored. What was given before the database was opened
// may be beyond it.
func (v *view) readSeq(ctx context.Context) error {
	found, err := find[leaseDoc](ctx, v.store, withIDs(stateName, []string{leaseID}))
	v.seq = v.store.opened
	for _, d := range found {
		v.seq = max(v.seq, d.Seq)
	}
	return err
}

// readThreads finds the conversations that changed, newest message first: a message that changed
// marks its conversation. Where there are too many, it finds those with the newest messages.
func (v *view) readThreads(ctx context.Context) ([]*threadDoc, error) {
	own, err := find[threadDoc](ctx, v.store, changedQuery(v.user, v.after, v.rowLimit()+1))
	if err != nil {
		return nil, err
	}
	if len(own) > v.rowLimit() {
		v.again = true
		return find[threadDoc](ctx, v.store, newestChangedQuery(v.user, v.after, maxReloadRows))
	}
	for _, d := range own {
		v.again = v.again || v.after > 0 && d.ReloadAt > v.after
	}
	slices.SortFunc(own, func(a, b *threadDoc) int {
		return cmp.Or(cmp.Compare(b.LastSeq, a.LastSeq), cmp.Compare(b.Changed, a.Changed))
	})
	return own, nil
}

// readHidden finds what the person deleted for themselves since. What was deleted for all
// besides is told as theirs all the same: they see no tombstone of it.
func (v *view) readHidden(ctx context.Context, _ []talk) error {
	found, err := find[messageDoc](ctx, v.store, hiddenQuery(v.user, v.after, v.groups.out(), v.left()))
	for _, d := range found {
		own, _ := d.deletedBy(v.user)
		v.take(d, own.Seq)
	}
	return err
}

// readCleared finds what the person deleted for themselves since with a whole conversation:
// what lies between that deletion and the one before it, unless it had gone by itself.
func (v *view) readCleared(ctx context.Context, talks []talk) error {
	var parts []stretch
	by := map[convKey]clearings{}
	for _, d := range talks {
		by[d.conv] = d.cleared
		from := order.Seq(0)
		for _, c := range d.cleared {
			if c.Seq > v.after {
				parts = append(parts, stretch{d.conv, from, c.UpTo})
			}
			from = c.UpTo
		}
	}
	return v.readParts(ctx, parts, clearedQuery, func(d *messageDoc) {
		cleared := by[d.Conv]
		i := slices.IndexFunc(cleared, func(c clearing) bool { return d.Seq <= c.UpTo })
		v.take(d, cleared[i].Seq)
	})
}

// take takes what the person deleted for themselves.
func (v *view) take(d *messageDoc, seq order.Seq) {
	v.gone = append(v.gone, v.goneBy(d, seq))
}

func (v *view) goneBy(d *messageDoc, seq order.Seq) message.Gone {
	g := message.Gone{ID: id.Message(d.ID), Seq: seq}
	if c := d.Conv.conversation(); c.IsGroup() {
		g.Group = c.Group
	} else {
		g.Peer = c.Other(v.user)
	}
	return g
}

// readStored finds what was stored since and is not hidden from the person.
func (v *view) readStored(ctx context.Context, talks []talk) error {
	var parts []stretch
	for _, d := range talks {
		if d.last > v.after {
			parts = append(parts, stretch{d.conv, max(v.after, d.cleared.upTo()), endOfTime})
		}
	}
	return v.readParts(ctx, parts, storedQuery, func(d *messageDoc) {
		if !v.takeDeleted(d) {
			v.stored = append(v.stored, d)
		}
	})
}

// readChanged finds what was stored before, changed since, and is not hidden from the person.
func (v *view) readChanged(ctx context.Context, talks []talk) error {
	var parts []stretch
	for _, d := range talks {
		if from := d.cleared.upTo(); from < v.after {
			parts = append(parts, stretch{d.conv, from, v.after})
		}
	}
	return v.readParts(ctx, parts, lateQuery, func(d *messageDoc) {
		if !v.takeDeleted(d) {
			v.changed = append(v.changed, d)
		}
	})
}

// takeDeleted takes a message that is deleted for all.
func (v *view) takeDeleted(d *messageDoc) bool {
	if !d.IsDeleted {
		return false
	}
	g := v.goneBy(d, d.Changed)
	g.ForAll = true
	v.gone = append(v.gone, g)
	return true
}

// readParts reads parts of conversations until there is too much.
func (v *view) readParts(ctx context.Context, parts []stretch, ask func(*view, []bson.D) query, take func(*messageDoc)) error {
	for clauses := range slices.Chunk(clauses(parts), maxClauses) {
		if v.full() {
			return nil
		}
		if err := v.readPart(ctx, ask(v, clauses), take); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) readPart(ctx context.Context, q query, take func(*messageDoc)) (err error) {
	c, err := cursor(ctx, v.store, q, maxHeld)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	for !v.full() && c.Next(ctx) {
		d := new(messageDoc)
		if err := bson.Unmarshal(c.Current, d); err != nil {
			return err
		}
		v.bytes += len(c.Current)
		take(d)
	}
	return c.Err()
}

// open returns the changes with their texts in the clear, each list in its order.
func (v *view) open(ctx context.Context) (message.Changes, error) {
	changes := message.Changes{Seq: v.seq, Reload: v.full()}
	slices.SortFunc(v.rows.own, func(a, b *threadDoc) int { return cmp.Compare(a.Changed, b.Changed) })
	var err error
	if changes.Rows, err = v.store.openRows(ctx, v.rows); err != nil {
		return changes, err
	}
	if changes.Groups, err = v.groups.open(ctx, v.store); err != nil || changes.Reload {
		return changes, err
	}
	changes.Cursors, changes.Left = v.groups.cursors, v.groups.left
	slices.SortFunc(v.stored, func(a, b *messageDoc) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortFunc(v.changed, func(a, b *messageDoc) int { return cmp.Compare(a.Changed, b.Changed) })
	slices.SortStableFunc(v.gone, func(a, b message.Gone) int { return cmp.Compare(a.Seq, b.Seq) })
	changes.Deleted = v.gone
	if changes.New, err = v.store.openAll(ctx, v.stored, v.rows.sides); err != nil {
		return message.Changes{}, err
	}
	changes.Changed, err = v.store.openAll(ctx, v.changed, v.rows.sides)
	return changes, err
}

// A stretch is a part of a conversation: what lies behind one place and up to another.
type stretch struct {
	conv        convKey
	after, upTo order.Seq
}

// clauses are conditions of which every message in one of the stretches meets one. Those with
// the same bounds share one.
func clauses(parts []stretch) []bson.D {
	type bounds struct{ after, upTo order.Seq }
	convs := map[bounds][]convKey{}
	var seen []bounds
	for _, p := range parts {
		b := bounds{p.after, p.upTo}
		if convs[b] == nil {
			seen = append(seen, b)
		}
		convs[b] = append(convs[b], p.conv)
	}
	any := make([]bson.D, len(seen))
	for i, b := range seen {
		any[i] = bson.D{is("conv", bson.D{is("$in", convs[b])}), between("seq", b.after, b.upTo)}
	}
	return any
}

// changedQuery finds the conversations of a person that changed after a number.
func changedQuery(u id.User, after order.Seq, limit int) query {
	return query{
		from: threadsName, index: indexThreads, limit: limit,
		filter: bson.D{is("user", bson.ObjectID(u)), above("changed", after)},
	}
}

// newestChangedQuery finds those of them that have the newest messages.
func newestChangedQuery(u id.User, after order.Seq, limit int) query {
	return query{
		from: threadsName, index: indexThreads, limit: limit, sort: bson.D{is("lastSeq", -1)},
		filter: bson.D{is("user", bson.ObjectID(u)), above("changed", after)},
	}
}

// hiddenQuery finds what a person deleted for themselves one by one after a number, but in some
// conversations.
func hiddenQuery(u id.User, after order.Seq, but []convKey, limit int) query {
	own := bson.D{is("user", bson.ObjectID(u)), above("seq", after)}
	return query{
		from: messagesName, index: indexHidden, limit: limit, fields: bson.D{is("conv", 1), is("deletedFor", 1)},
		// Only with the second condition does the server see that the index has them all.
		filter: bson.D{is("deletedFor", bson.D{is("$elemMatch", own)}), is("deletedFor.seq", bson.D{is("$exists", true)}),
			is("conv", bson.D{is("$nin", but)})},
	}
}

func clearedQuery(v *view, clauses []bson.D) query {
	q := storedQuery(v, clauses)
	q.fields = bson.D{is("conv", 1), is("seq", 1)}
	return q
}

func storedQuery(v *view, clauses []bson.D) query {
	return query{
		from: messagesName, index: indexPlace, limit: v.left(), fields: unshown,
		filter: bson.D{is("$or", clauses), notDeletedBy(v.user)},
	}
}

func lateQuery(v *view, clauses []bson.D) query {
	late := make([]bson.D, len(clauses))
	for i, c := range clauses {
		late[i] = append(slices.Clone(c), above("late", v.after))
	}
	return query{
		from: messagesName, index: indexLate, limit: v.left(), fields: unshown,
		filter: bson.D{is("$or", late), notDeletedBy(v.user)},
	}
}
