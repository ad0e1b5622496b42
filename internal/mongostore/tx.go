package mongostore

import (
	"context"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// A unit is what a batch knows of the database and is about to change in it. It belongs to the
// writer's goroutine.
type unit struct {
	store *Store
	ctx   context.Context // of the transaction

	// careful looks for the attempts of new messages before they are stored. Without it they are
	// taken for new, and the index on them fails the batch where one is not.
	careful  bool
	failed   error // of a query whose answer the batch counted on: it must not be committed
	recalled bool  // something is known from memory
	fenced   bool  // what was read tells that the lease is held
	behind   bool  // what the writer remembers was written by itself: that may be old

	messages map[id.Message]*messageDoc // nil: there is none
	attempts map[attempt]id.Message     // zero: there is none
	threads  map[threadKey]*threadDoc   // nil: there is none
	groups   map[bson.ObjectID]*groupDoc
	seats    map[seatKey]*seatDoc
	pairs    map[convKey]bool  // one of the two blocks the other
	blocking map[id.User]int64 // how many somebody blocks

	inserted []id.Message // not yet written, in order
	updated  map[id.Message]bool
	put      map[threadKey]bool
	putIn    map[bson.ObjectID]bool // groups
	putSeats map[seatKey]bool

	highest order.Seq // given in this transaction
	written order.Seq // what the lease document says of it
	touched bool      // the lease document is written
	raw     bool      // something was written besides
}

func newUnit(ctx context.Context, s *Store) *unit {
	return &unit{
		store: s, ctx: ctx,
		messages: map[id.Message]*messageDoc{}, attempts: map[attempt]id.Message{},
		threads: map[threadKey]*threadDoc{}, groups: map[bson.ObjectID]*groupDoc{}, seats: map[seatKey]*seatDoc{},
		pairs: map[convKey]bool{}, blocking: map[id.User]int64{},
		updated: map[id.Message]bool{}, put: map[threadKey]bool{}, putIn: map[bson.ObjectID]bool{}, putSeats: map[seatKey]bool{},
	}
}

// A tx is what an operation sees of the transaction that it runs in. Documents that it returns
// are copies, to be changed and handed back. Its context is that of the transaction and ends
// with it.
type tx struct {
	ctx context.Context

	unit     *unit
	announce func() order.Seq

	// What the operation changes; the unit's once it succeeds.
	messages map[id.Message]*messageDoc
	threads  map[threadKey]*threadDoc
	groups   map[bson.ObjectID]*groupDoc
	seats    map[seatKey]*seatDoc
	inserted []id.Message
	spent    bool // it wrote by itself: it cannot be undone alone
}

func newTx(u *unit, announce func() order.Seq) *tx {
	return &tx{
		ctx: u.ctx, unit: u, announce: announce, messages: map[id.Message]*messageDoc{},
		threads: map[threadKey]*threadDoc{}, groups: map[bson.ObjectID]*groupDoc{}, seats: map[seatKey]*seatDoc{},
	}
}

// next gives the operation its commit sequence number. An operation that turns out to change
// nothing does not ask for one.
func (t *tx) next() order.Seq {
	w := t.unit.store.writer
	w.floor.CompareAndSwap(noFloor, int64(t.unit.store.counter.Last()))
	n := t.announce()
	t.unit.highest = max(t.unit.highest, n)
	return n
}

// message returns a message; nil where there is none.
func (t *tx) message(m id.Message) (*messageDoc, error) {
	if d, ok := t.messages[m]; ok {
		return clone(d), nil
	}
	if _, known := t.unit.messages[m]; !known {
		if err := t.unit.load(needs{messages: []id.Message{m}}); err != nil {
			return nil, err
		}
	}
	return clone(t.unit.messages[m]), nil
}

// holds reports whether a message is known to be there.
func (t *tx) holds(m id.Message) bool { return t.messages[m] != nil || t.unit.messages[m] != nil }

// attempted returns the message that a client's name for an attempt names; nil where there is
// none.
func (t *tx) attempted(a attempt) (*messageDoc, error) {
	for _, m := range t.inserted {
		if d := t.messages[m]; d.ClientID == a.clientID && d.Sender == bson.ObjectID(a.sender) {
			return clone(d), nil
		}
	}
	if _, known := t.unit.attempts[a]; !known {
		if err := t.unit.load(needs{attempts: []attempt{a}}); err != nil {
			return nil, err
		}
	}
	m := t.unit.attempts[a]
	if m.IsZero() {
		return nil, nil
	}
	return t.message(m)
}

// lookFor is attempted where the unit has not looked whether the attempt is stored.
func (t *tx) lookFor(a attempt) (*messageDoc, error) {
	if t.unit.attempts[a].IsZero() {
		delete(t.unit.attempts, a)
	}
	t.unit.careful = true
	defer func() { t.unit.careful = false }()
	return t.attempted(a)
}

// thread returns a conversation as one person sees it; nil where they have none.
func (t *tx) thread(u id.User, conv convKey) (*threadDoc, error) {
	k := threadOf(u, conv)
	if d, ok := t.threads[k]; ok {
		return clone(d), nil
	}
	if _, known := t.unit.threads[k]; !known {
		if err := t.unit.load(needs{threads: []threadKey{k}}); err != nil {
			return nil, err
		}
	}
	return clone(t.unit.threads[k]), nil
}

// group returns a group, also one that is deleted; nil where there is none.
func (t *tx) group(g bson.ObjectID) (*groupDoc, error) {
	if d, ok := t.groups[g]; ok {
		return clone(d), nil
	}
	if _, known := t.unit.groups[g]; !known {
		if err := t.unit.load(needs{groups: []bson.ObjectID{g}}); err != nil {
			return nil, err
		}
	}
	return clone(t.unit.groups[g]), nil
}

// seat returns what somebody has in a group, or is left of it; nil where they never were in it.
func (t *tx) seat(g bson.ObjectID, u id.User) (*seatDoc, error) {
	k := seatOf(g, u)
	if d, ok := t.seats[k]; ok {
		return clone(d), nil
	}
	if _, known := t.unit.seats[k]; !known {
		if err := t.unit.load(needs{seats: []seatKey{k}}); err != nil {
			return nil, err
		}
	}
	return clone(t.unit.seats[k]), nil
}

// apart reports whether one of two people blocks the other.
func (t *tx) apart(a, b id.User) (bool, error) {
	k := keyOf(message.Between(a, b))
	if _, known := t.unit.pairs[k]; !known {
		if err := t.unit.load(needs{pairs: []convKey{k}}); err != nil {
			return false, err
		}
	}
	return t.unit.pairs[k], nil
}

// reblocked is called by an operation that made or removed a block between two people.
func (t *tx) reblocked(a, b id.User) { delete(t.unit.pairs, keyOf(message.Between(a, b))) }

// insert stores a new message.
func (t *tx) insert(d *messageDoc) {
	t.messages[id.Message(d.ID)] = d
	t.inserted = append(t.inserted, id.Message(d.ID))
}

// update stores the new state of a message that is there.
func (t *tx) update(d *messageDoc) { t.messages[id.Message(d.ID)] = d }

// save stores a conversation as one person sees it, new or changed.
func (t *tx) save(d *threadDoc) { t.threads[d.ID] = d }

// saveGroup stores a group, new or changed.
func (t *tx) saveGroup(d *groupDoc) { t.groups[d.ID] = d }

// saveSeat stores what somebody has in a group, new or changed.
func (t *tx) saveSeat(d *seatDoc) { t.seats[d.ID] = d }

// collection returns a collection to write to with t.ctx. Messages, threads, groups and seats are
// changed by insert, update and save, or else flushed before. An operation that fails after it asked for a
// collection is not undone alone: the batch is tried again one by one.
func (t *tx) collection(name string) *mongo.Collection {
	t.spent = true
	t.unit.raw = true
	switch name {
	case threadsName, groupsName, seatsName, blocksName:
		t.unit.behind = true
	}
	return t.unit.store.coll(name)
}

// reading returns a collection to read from with t.ctx.
func (t *tx) reading(name string) *mongo.Collection { return t.unit.store.coll(name) }

// flush writes what the batch has changed so far, so that a query with t.ctx sees it. What the
// query changes in messages, threads, groups or seats by itself must be forgotten with t.forget.
func (t *tx) flush() error {
	t.merge()
	t.spent = true
	return t.unit.flush()
}

// forget drops what is known, after a query changed documents by itself. The batch must be
// flushed.
func (t *tx) forget() {
	t.unit.behind = true
	clear(t.unit.messages)
	clear(t.unit.attempts)
	clear(t.unit.threads)
	clear(t.unit.groups)
	clear(t.unit.seats)
	clear(t.unit.pairs)
}

// merge hands what the operation changed over to the unit.
func (t *tx) merge() {
	u := t.unit
	for m, d := range t.messages {
		u.messages[m] = d
		u.updated[m] = true
	}
	for _, m := range t.inserted {
		delete(u.updated, m)
		u.inserted = append(u.inserted, m)
		if d := t.messages[m]; d.ClientID != "" {
			u.attempts[attempt{id.User(d.Sender), d.ClientID}] = m
		}
	}
	for k, d := range t.threads {
		u.threads[k] = d
		u.put[k] = true
	}
	for g, d := range t.groups {
		u.groups[g] = d
		u.putIn[g] = true
	}
	for k, d := range t.seats {
		u.seats[k] = d
		u.putSeats[k] = true
	}
	clear(t.messages)
	clear(t.threads)
	clear(t.groups)
	clear(t.seats)
	t.inserted = nil
}

func clone[D messageDoc | threadDoc | groupDoc | seatDoc](d *D) *D {
	if d == nil {
		return nil
	}
	c := *d
	return &c
}

// empty reports whether there is nothing to commit.
func (u *unit) empty() bool {
	return !u.touched && !u.raw && u.highest == 0 && len(u.inserted)+len(u.updated)+len(u.put)+len(u.putIn)+len(u.putSeats) == 0
}

// flush writes what has been changed: the lease document first, which proves that no other
// server has taken over, then one statement for each kind of change.
func (u *unit) flush() error {
	if err := u.touch(); err != nil {
		return err
	}
	if err := u.writeMessages(); err != nil {
		return err
	}
	if err := u.writeThreads(); err != nil {
		return err
	}
	if err := u.writeGroups(); err != nil {
		return err
	}
	return u.writeSeats()
}

// touch writes the highest number that was given to the lease document, on condition that the
// store still holds the lease. The document changes each time, or two servers could commit side
// by side.
func (u *unit) touch() error {
	if u.touched && u.written == u.highest {
		return nil
	}
	w := u.store.writer
	update := bson.D{is("$set", bson.D{is("batch", w.batch)})}
	if u.highest > 0 {
		// What waited has lower numbers than what was stored meanwhile.
		update = append(update, is("$max", bson.D{is("seq", u.highest)}))
	}
	r, err := u.store.coll(stateName).UpdateOne(u.ctx, u.store.lease(), update)
	if err != nil {
		return err
	}
	if r.MatchedCount == 0 {
		return errStandby
	}
	u.touched, u.written = true, u.highest
	return nil
}

func (u *unit) writeMessages() error {
	if len(u.inserted) > 0 {
		docs := make([]*messageDoc, len(u.inserted))
		for i, m := range u.inserted {
			docs[i] = u.messages[m]
			delete(u.updated, m)
		}
		if _, err := u.store.coll(messagesName).InsertMany(u.ctx, docs); err != nil {
			return err
		}
		u.inserted = nil
	}
	if len(u.updated) == 0 {
		return nil
	}
	models := make([]mongo.WriteModel, 0, len(u.updated))
	for _, m := range slices.SortedFunc(maps.Keys(u.updated), id.Message.Compare) {
		models = append(models, mongo.NewUpdateOneModel().
			SetFilter(bson.D{is("_id", bson.ObjectID(m))}).SetUpdate(u.messages[m].mutable()))
	}
	clear(u.updated)
	_, err := u.store.coll(messagesName).BulkWrite(u.ctx, models)
	return err
}

func (u *unit) writeThreads() error {
	if len(u.put) == 0 {
		return nil
	}
	models := make([]mongo.WriteModel, 0, len(u.put))
	for k := range u.put {
		models = append(models, mongo.NewReplaceOneModel().
			SetFilter(bson.D{is("_id", k)}).SetReplacement(u.threads[k]).SetUpsert(true))
	}
	clear(u.put)
	_, err := u.store.coll(threadsName).BulkWrite(u.ctx, models)
	return err
}

func (u *unit) writeGroups() error {
	if len(u.putIn) == 0 {
		return nil
	}
	models := make([]mongo.WriteModel, 0, len(u.putIn))
	for g := range u.putIn {
		d := u.groups[g]
		models = append(models, mongo.NewUpdateOneModel().
			SetFilter(bson.D{is("_id", g)}).SetUpdate(d.mutable(u.store.legacy)).SetUpsert(d.own))
		stored := *d
		stored.own = false
		u.groups[g] = &stored
	}
	clear(u.putIn)
	_, err := u.store.coll(groupsName).BulkWrite(u.ctx, models)
	return err
}

func (u *unit) writeSeats() error {
	if len(u.putSeats) == 0 {
		return nil
	}
	models := make([]mongo.WriteModel, 0, len(u.putSeats))
	for k := range u.putSeats {
		models = append(models, mongo.NewReplaceOneModel().
			SetFilter(bson.D{is("_id", k)}).SetReplacement(u.seats[k]).SetUpsert(true))
	}
	clear(u.putSeats)
	_, err := u.store.coll(seatsName).BulkWrite(u.ctx, models)
	return err
}
