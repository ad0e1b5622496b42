package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/custody"
	"pryde/internal/seal"
)

var _ custody.Desk = (*Keys)(nil)

// orderLife is how long it is kept what came of an order.
const orderLife = 24 * time.Hour

// An orderDoc is an order as it is stored. Its id is the nanosecond in which it was posted.
type orderDoc struct {
	ID       int64      `bson:"_id"`
	Kind     string     `bson:"kind"`
	Username string     `bson:"username"`
	Master   seal.KeyID `bson:"master"`
	PostedAt time.Time  `bson:"postedAt"`
	DoneAt   *time.Time `bson:"doneAt"` // nil until it is carried out
	Failed   bool       `bson:"failed"`
	Says     string     `bson:"says"`
}

func (d *orderDoc) order() custody.Order {
	o := custody.Order{
		ID: d.ID, Kind: custody.Kind(d.Kind), Username: d.Username, Master: d.Master, PostedAt: utc(d.PostedAt), Failed: d.Failed, Says: d.Says,
	}
	if d.DoneAt != nil {
		o.DoneAt = utc(*d.DoneAt)
	}
	return o
}

// Post implements custody.Desk.
func (k *Keys) Post(ctx context.Context, o custody.Order) (int64, error) {
	_, err := k.orders.DeleteMany(ctx, bson.D{is("doneAt", bson.D{is("$lt", o.PostedAt.Add(-orderLife))})})
	d := orderDoc{ID: o.PostedAt.UnixNano(), Kind: string(o.Kind), Username: o.Username, Master: o.Master, PostedAt: whole(o.PostedAt)}
	if err == nil {
		_, err = k.orders.InsertOne(ctx, d)
	}
	for mongo.IsDuplicateKeyError(err) {
		d.ID++
		_, err = k.orders.InsertOne(ctx, d)
	}
	if err != nil {
		return 0, fmt.Errorf("post an order: %w", unavailable(err))
	}
	return d.ID, nil
}

// Pending implements custody.Desk.
func (k *Keys) Pending(ctx context.Context) ([]custody.Order, error) {
	var docs []*orderDoc
	cursor, err := k.orders.Find(ctx, bson.D{is("doneAt", nil)}, options.Find().SetSort(bson.D{is("_id", 1)}))
	if err == nil {
		docs, err = all[orderDoc](ctx, cursor)
	}
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", unavailable(err))
	}
	orders := make([]custody.Order, len(docs))
	for i, d := range docs {
		orders[i] = d.order()
	}
	return orders, nil
}

// Order implements custody.Desk.
func (k *Keys) Order(ctx context.Context, i int64) (custody.Order, bool, error) {
	var d orderDoc
	there, err := found(&d, k.orders.FindOne(ctx, bson.D{is("_id", i)}).Decode(&d))
	if err != nil || there == nil {
		return custody.Order{}, false, unavailable(err)
	}
	return d.order(), true, nil
}

// Finish implements custody.Desk.
func (k *Keys) Finish(ctx context.Context, o custody.Order) error {
	_, err := k.orders.UpdateOne(ctx, bson.D{is("_id", o.ID), is("doneAt", nil)},
		set(is("doneAt", whole(o.DoneAt)), is("failed", o.Failed), is("says", o.Says), is("username", "")))
	if err != nil {
		return fmt.Errorf("finish an order: %w", unavailable(err))
	}
	return nil
}

// Progress implements custody.Desk.
func (k *Keys) Progress(ctx context.Context, i seal.DataKeyID) (string, error) {
	var d keyDoc
	err := k.retired.FindOne(ctx, bson.D{is("_id", int64(i))}).Decode(&d)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return "", fmt.Errorf("look how far the sealing again is: %w", unavailable(err))
	}
	return d.Note, nil
}

// NoteProgress implements custody.Desk.
func (k *Keys) NoteProgress(ctx context.Context, i seal.DataKeyID, note string) error {
	if _, err := k.retired.UpdateOne(ctx, bson.D{is("_id", int64(i))}, set(is("note", note))); err != nil {
		return fmt.Errorf("note how far the sealing again is: %w", unavailable(err))
	}
	return nil
}
