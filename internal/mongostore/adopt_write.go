package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

const (
	// maxAdoptedRows bounds the conversations that one operation adopts, so that others do not
	// wait long for the writer.
	maxAdoptedRows = 50
	// maxPlaced bounds the messages that get their place in one statement.
	maxPlaced = 500
)

// errMoved ends an adoption whose conversation is not as it was read.
var errMoved = errors.New("a conversation changed while it was adopted")

// An adoptee is a conversation that is about to be adopted.
type adoptee struct {
	conv   convKey
	placed []*oldMessage // in order and numbered
	rows   []threadDoc   // of both people; nil where they are there
	later  []*oldMessage // in order, to go to the end of the conversation

	group *groupDoc // nil where the conversation is of people, or the group has its seats
	seats []seatDoc // of the members
}

// adoptees says what is to be done with conversations. Those of which nothing is left are not
// among them.
func (a *adoption) adoptees(convs []convKey, found map[convKey][]*oldMessage, settings map[convKey][]settingsDoc, hasRows map[convKey]bool) []adoptee {
	var list []adoptee
	for _, conv := range convs {
		placed, later := a.place(found[conv])
		switch {
		case hasRows[conv] && len(found[conv]) > 0:
			list = append(list, adoptee{conv: conv, later: found[conv]})
		case !hasRows[conv] && (len(found[conv]) > 0 || slices.ContainsFunc(settings[conv], settingsDoc.says)):
			list = append(list, adoptee{conv: conv, placed: placed, rows: a.threads(conv, placed, settings[conv]), later: later})
		}
	}
	return list
}

// bringIn adopts conversations that the caller has claimed: first their rows or seats, so that lists
// are right from then on, then the places of the messages. Who reads a conversation waits for both. A
// note of the conversations in between comes with the rows and goes with the last place, so that
// the next server finishes what this one leaves.
func (a *adoption) bringIn(ctx context.Context, list []adoptee) error {
	for some := range slices.Chunk(list, maxAdoptedRows) {
		note, err := a.makeRows(ctx, some)
		if err != nil {
			return err
		}
		var placed []*oldMessage
		for _, c := range some {
			placed = append(placed, c.placed...)
		}
		if err := a.givePlaces(ctx, placed); err != nil {
			return err
		}
		for _, c := range some {
			if err := a.append(ctx, c.conv, c.later); err != nil {
				return err
			}
		}
		if err := a.removeNote(ctx, note); err != nil {
			return err
		}
	}
	return nil
}

// makeRows stores the rows of conversations and a note that their messages get their places now.
func (a *adoption) makeRows(ctx context.Context, some []adoptee) (note bson.ObjectID, err error) {
	note = bson.NewObjectID()
	var n needs
	convs := make([]convKey, len(some))
	for i, c := range some {
		convs[i] = c.conv
		if g, ok := c.conv.group(); ok {
			n.groups = append(n.groups, bson.ObjectID(g))
			continue
		}
		for _, u := range c.conv.conversation().People() {
			n.threads = append(n.threads, threadOf(u, c.conv))
		}
	}
	return note, a.store.writer.do(ctx, "adopt conversations", func(t *tx) error {
		var rows []*threadDoc
		for _, c := range some {
			if _, ok := c.conv.group(); ok {
				if err := t.makeSeats(c); err != nil {
					return err
				}
				continue
			}
			there, err := t.thread(c.conv.conversation().Low, c.conv)
			if err != nil {
				return err
			}
			if (there == nil) != (c.rows != nil) {
				return errMoved
			}
			for i := range c.rows {
				rows = append(rows, &c.rows[i])
			}
		}
		if len(rows) > 0 {
			if _, err := t.collection(threadsName).InsertMany(t.ctx, rows); err != nil {
				return err
			}
		}
		for _, row := range rows {
			t.unit.threads[row.ID] = row
		}
		_, err := t.collection(stateName).InsertOne(t.ctx, bson.D{is("_id", note), is("adopting", convs)})
		return err
	}, n)
}

// removeNote removes the note of conversations whose messages have their places. It need not last:
// places are given again without harm.
func (a *adoption) removeNote(ctx context.Context, note bson.ObjectID) error {
	notes := a.store.coll(stateName).Clone(options.Collection().SetWriteConcern(writeconcern.W1()))
	_, err := notes.DeleteOne(ctx, bson.D{is("_id", note)})
	return err
}

// givePlaces writes the places of messages that have none. They are no part of a transaction, in
// which this takes ten times as long: a server that does not know yet that another one has taken
// over writes what that one would.
func (a *adoption) givePlaces(ctx context.Context, ms []*oldMessage) error {
	ms = slices.DeleteFunc(ms, func(m *oldMessage) bool { return m.Placed > 0 })
	for some := range slices.Chunk(ms, maxPlaced) {
		models := make([]mongo.WriteModel, len(some))
		for i, m := range some {
			models[i] = m.adoption()
		}
		r, err := a.store.coll(messagesName).BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
		if err == nil && r.MatchedCount != int64(len(models)) {
			err = fmt.Errorf("%w: %d of %d messages are there", errMoved, r.MatchedCount, len(models))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// append puts messages behind those of a conversation that has its rows: the former system was
// in use once more. They are numbered as if they were sent now.
func (a *adoption) append(ctx context.Context, conv convKey, ms []*oldMessage) error {
	for some := range slices.Chunk(ms, maxPlaced) {
		if err := a.store.writer.do(ctx, "append old messages", func(t *tx) error {
			if g, ok := conv.group(); ok {
				return t.appendToGroup(bson.ObjectID(g), some)
			}
			rows, err := t.rows(conv.conversation())
			if err != nil {
				return err
			}
			models := make([]mongo.WriteModel, len(some))
			for i, m := range some {
				moved := *m
				moved.seq = t.next()
				for _, row := range rows {
					row.take(&moved)
				}
				models[i] = moved.adoption()
			}
			for _, row := range rows {
				t.save(row)
			}
			return t.place(models)
		}); err != nil {
			return err
		}
	}
	return nil
}

// place gives messages their places.
func (t *tx) place(models []mongo.WriteModel) error {
	r, err := t.collection(messagesName).BulkWrite(t.ctx, models)
	if err == nil && r.MatchedCount != int64(len(models)) {
		err = errMoved
	}
	return err
}

// adoption is the update that gives a message its place. One that got it meanwhile, and was not
// changed since, gets it again.
// What was deleted for all loses the text that the former system left in it.
func (m *oldMessage) adoption() mongo.WriteModel {
	set := bson.D{is("conv", m.conv()), is("seq", m.seq), is("changed", m.seq)}
	if m.hasMedia() {
		set = append(set, is("media", true))
	}
	if _, says := m.Read.BooleanOK(); !says && m.Group.IsZero() {
		set = append(set, is("read", true))
	}
	update := bson.D{is("$set", set)}
	if deleted, _ := m.Deleted.BooleanOK(); deleted {
		update = append(update, is("$unset", bson.D{is("content", ""), is("attachment", ""), is("voiceNote", ""), is("reactions", "")}))
	}
	return mongo.NewUpdateOneModel().SetHint(indexID).
		SetFilter(bson.D{is("_id", m.ID), is("seq", bson.D{is("$in", bson.A{nil, m.seq})}), is("late", nil)}).SetUpdate(update)
}

// finish gives the messages of conversations their places whose rows another server made.
func (a *adoption) finish(ctx context.Context) error {
	notes, err := find[adoptingDoc](ctx, a.store, query{
		from: stateName, index: indexID, filter: bson.D{is("adopting", bson.D{is("$exists", true)})},
	})
	if err != nil {
		return err
	}
	for _, note := range notes {
		for _, conv := range note.Conversations {
			ms, err := a.loadOld(ctx, conv)
			if err != nil {
				return err
			}
			placed, _ := a.place(ms)
			if err := a.givePlaces(ctx, placed); err != nil {
				return err
			}
		}
		if err := a.removeNote(ctx, note.ID); err != nil {
			return err
		}
	}
	return nil
}

// An adoptingDoc notes conversations that have their rows and whose messages get their places.
type adoptingDoc struct {
	ID            bson.ObjectID `bson:"_id"`
	Conversations []convKey     `bson:"adopting"`
}
