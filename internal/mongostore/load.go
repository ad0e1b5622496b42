package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"pryde/internal/id"
)

// Needs name what an operation is about to look at. The writer loads the needs of a whole batch
// at once; what was not named is loaded when it is looked at.
type needs struct {
	messages []id.Message
	threads  []threadKey
	groups   []bson.ObjectID
	seats    []seatKey
	pairs    []convKey // people of whom one may block the other
	attempts []attempt
}

// An attempt is the client's own name for a message.
type attempt struct {
	sender   id.User
	clientID string
}

// filter matches the message of the attempt. Only with the type does the server see that the
// index has it.
func (a attempt) filter() bson.D {
	return bson.D{is("sender", bson.ObjectID(a.sender)), is("clientId", bson.D{is("$eq", a.clientID), is("$type", "string")})}
}

// add joins the needs of several operations.
func (n *needs) add(m needs) {
	n.messages = append(n.messages, m.messages...)
	n.threads = append(n.threads, m.threads...)
	n.groups = append(n.groups, m.groups...)
	n.seats = append(n.seats, m.seats...)
	n.pairs = append(n.pairs, m.pairs...)
	n.attempts = append(n.attempts, m.attempts...)
}

// Loaded is what one query brings.
type loaded struct {
	Messages []*messageDoc `bson:"messages"`
	Threads  []*threadDoc  `bson:"threads"`
	Groups   []*groupDoc   `bson:"groupchats"`
	Seats    []*seatDoc    `bson:"members"`
	Blocks   []struct {
		Pair convKey `bson:"pair"`
	} `bson:"blocks"`
}

// load reads what is needed and not known yet in one query. It begins at the lease document, so
// that a server that has lost the lease notices before it decides anything.
func (u *unit) load(n needs) error {
	u.recall(n)
	query := bson.A{
		bson.D{is("$match", u.store.lease())},
		bson.D{is("$project", bson.D{is("_id", 1)})},
	}
	begun := len(query)
	for _, q := range []struct {
		name   string
		filter bson.D
	}{
		{messagesName, u.unknownMessages(n)},
		{threadsName, within("_id", unknown(u.threads, nil, n.threads))},
		{groupsName, within("_id", unknown(u.groups, nil, n.groups))},
		{seatsName, within("_id", unknown(u.seats, nil, n.seats))},
		{blocksName, within("pair", unknown(u.pairs, false, n.pairs))},
	} {
		if q.filter != nil {
			query = append(query, lookup(q.name, q.filter))
		}
	}
	if len(query) == begun {
		return nil
	}
	var l loaded
	if err := u.one(u.store.coll(stateName), query, &l); err != nil {
		u.failed = err // what it was to bring counts as missing now
		return err
	}
	u.fenced = true
	u.take(l)
	return nil
}

// recall takes over what the writer remembers.
func (u *unit) recall(n needs) {
	if u.behind || u.store.legacy { // the former server may write beside this one
		return
	}
	m := &u.store.writer.memory
	some := recallInto(u.threads, &m.threads, n.threads)
	some = recallInto(u.groups, &m.groups, n.groups) || some
	some = recallInto(u.seats, &m.seats, n.seats) || some
	some = recallInto(u.pairs, &m.pairs, n.pairs) || some
	some = recallInto(u.attempts, &m.attempts, n.attempts) || some
	u.recalled = u.recalled || some
}

// recallInto takes over what is remembered of some keys and not known yet, and reports whether
// anything is.
func recallInto[K comparable, V any](known map[K]V, from *recalled[K, V], keys []K) (some bool) {
	for _, k := range keys {
		if _, ok := known[k]; ok {
			continue
		}
		if v, ok := from.get(k); ok {
			known[k], some = v, true
		}
	}
	return some
}

// prove fails with errStandby where the lease is lost, for a batch that changes nothing and whose
// answers rest on what the writer remembers alone.
func (u *unit) prove() error {
	if !u.recalled || u.fenced {
		return nil
	}
	return u.one(u.store.coll(stateName), bson.A{bson.D{is("$match", u.store.lease())}}, new(bson.D))
}

// one reads the only document of a query; there is none where the lease is lost.
func (u *unit) one(c *mongo.Collection, query bson.A, into any) error {
	cursor, err := c.Aggregate(u.ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(u.ctx)) }()
	if !cursor.Next(u.ctx) {
		return either(cursor.Err(), errStandby)
	}
	return cursor.Decode(into)
}

func (u *unit) take(l loaded) {
	for _, d := range l.Messages {
		u.messages[id.Message(d.ID)] = d
		if d.ClientID != "" {
			u.attempts[attempt{id.User(d.Sender), d.ClientID}] = id.Message(d.ID)
		}
	}
	for _, d := range l.Threads {
		u.threads[d.ID] = d
	}
	for _, d := range l.Groups {
		u.groups[d.ID] = d
	}
	for _, d := range l.Seats {
		u.seats[d.ID] = d
	}
	for _, d := range l.Blocks {
		u.pairs[d.Pair] = true
	}
}

// unknownMessages is the filter of the messages that are needed and not known; nil where there
// are none.
func (u *unit) unknownMessages(n needs) bson.D {
	var either bson.A
	if ids := unknown(u.messages, nil, n.messages); len(ids) > 0 {
		oids := make([]bson.ObjectID, len(ids))
		for i, m := range ids {
			oids[i] = bson.ObjectID(m)
		}
		either = append(either, within("_id", oids))
	}
	for _, a := range unknown(u.attempts, id.Message{}, n.attempts) {
		if u.careful {
			either = append(either, a.filter())
		}
	}
	if len(either) == 0 {
		return nil
	}
	return bson.D{is("$or", either)}
}

// unknown returns the keys that are not in a map, and puts them there with what stands for
// nothing, until something is found.
func unknown[K comparable, V any](in map[K]V, nothing V, keys []K) []K {
	var missing []K
	for _, k := range keys {
		if _, known := in[k]; !known {
			in[k] = nothing
			missing = append(missing, k)
		}
	}
	return missing
}

func within[K any](field string, keys []K) bson.D {
	if len(keys) == 0 {
		return nil
	}
	return bson.D{is(field, bson.D{is("$in", keys)})}
}

// lookup is the stage of a query that brings documents of another collection, under its name.
func lookup(name string, filter bson.D) bson.D {
	return bson.D{is("$lookup", bson.D{
		is("from", name),
		is("pipeline", bson.A{bson.D{is("$match", filter)}}),
		is("as", name),
	})}
}
