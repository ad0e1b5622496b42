package mongostore

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/order"
)

// A query reads documents of one collection. It names the index that answers it: which one the
// server would pick by itself depends on what was asked before.
type query struct {
	from        string // the collection
	index       string
	filter      bson.D
	sort        bson.D // the order of the index or its reverse; nil: any
	fields      bson.D // those that are wanted, or not; nil: all
	skip, limit int    // no limit where it is 0
}

// The indexes that answer the queries, by name.
const (
	indexID     = "_id_"
	indexPlace  = "conv_1_seq_1"
	indexLate   = "conv_1_late_1"
	indexMedia  = "conv_1_seq_1_media"
	indexHidden = "deletedFor.user_1_deletedFor.seq_1"

	indexUnplaced         = "unplaced"
	indexUnplacedInGroups = "unplacedInGroups"

	indexUnreadInGroups = "groupChat_1_seq_1_sender_1_isDeletedForAll_1"
	indexHiddenInGroups = "deletedFor.user_1_groupChat_1_seq_1"
	indexMember         = "user_1_until_1"
	indexMoved          = "group_1_moved_1"
	indexDrafts         = "user_1_at_-1"

	indexThreads = "threads_of_user"
)

// allAtOnce is more than any answer without a limit has: what fits into one message comes in one.
const allAtOnce = 1_000_000

// find runs a query and returns all that it finds, in one round trip where that fits into a
// message of the server.
func find[D any](ctx context.Context, s *Store, q query) ([]*D, error) {
	c, err := cursor(ctx, s, q, allAtOnce)
	if err != nil {
		return nil, err
	}
	return all[D](ctx, c)
}

// cursor runs a query whose answers come so many at a time.
func cursor(ctx context.Context, s *Store, q query, batch int) (*mongo.Cursor, error) {
	o := options.Find().SetHint(q.index)
	if q.limit > 0 {
		// With room for one more than the limit the server says at once that nothing follows.
		o.SetLimit(int64(q.limit))
		batch = min(batch, q.limit+1)
	}
	o.SetBatchSize(int32(batch))
	if q.skip > 0 {
		o.SetSkip(int64(q.skip))
	}
	if q.sort != nil {
		o.SetSort(q.sort)
	}
	if q.fields != nil {
		o.SetProjection(q.fields)
	}
	return s.coll(q.from).Find(ctx, q.filter, o)
}

// all returns the documents of a cursor and closes it. Decoding them with bson.Unmarshal takes a
// quarter of the time that Cursor.All takes, which makes a reader for each.
func all[D any](ctx context.Context, c *mongo.Cursor) (_ []*D, err error) {
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	docs := make([]*D, 0, c.RemainingBatchLength())
	for c.Next(ctx) {
		d := new(D)
		if err := bson.Unmarshal(c.Current, d); err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, c.Err()
}

// withIDs finds documents by their ids.
func withIDs[I any](from string, ids []I) query {
	return query{from: from, index: indexID, filter: bson.D{is("_id", bson.D{is("$in", ids)})}, limit: len(ids)}
}

// is is a condition, or a part of one.
func is(field string, v any) bson.E { return bson.E{Key: field, Value: v} }

// above matches numbers greater than one.
func above(field string, n order.Seq) bson.E { return is(field, bson.D{is("$gt", n)}) }

// between matches numbers greater than one and up to another.
func between(field string, after, upTo order.Seq) bson.E {
	return is(field, bson.D{is("$gt", after), is("$lte", upTo)})
}

// notTakenBack leaves out what is deleted for all.
var notTakenBack = is("isDeletedForAll", bson.D{is("$ne", true)})

// notDeletedBy leaves out what a person deleted for themselves one by one.
func notDeletedBy(u id.User) bson.E {
	return is("deletedFor.user", bson.D{is("$ne", bson.ObjectID(u))})
}
