package mongostore

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/order"
)

// found turns the error of a query that found nothing into no document.
func found[D any](d *D, err error) (*D, error) {
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return d, nil
}

// known returns the messages of a conversation that are in memory, in their newest state. What
// the database says of them may be older.
func (t *tx) known(conv convKey) []*messageDoc {
	var docs []*messageDoc
	for _, d := range t.messages {
		if d.Conv == conv {
			docs = append(docs, d)
		}
	}
	for m, d := range t.unit.messages {
		if _, changed := t.messages[m]; d != nil && !changed && d.Conv == conv {
			docs = append(docs, d)
		}
	}
	return docs
}

// span is the filter of a part of a conversation without the messages that are in memory.
func (t *tx) span(conv convKey, after, upTo order.Seq, p pick) (bson.D, []*messageDoc) {
	known := t.known(conv)
	but := make([]bson.ObjectID, len(known))
	inside := known[:0]
	for i, d := range known {
		but[i] = d.ID
		if d.Seq > after && d.Seq <= upTo && p.matches(d) {
			inside = append(inside, d)
		}
	}
	return append(bson.D{
		is("conv", conv),
		is("seq", bson.D{is("$gt", after), is("$lte", upTo)}),
		is("_id", bson.D{is("$nin", but)}),
	}, p.filter()...), inside
}

// newest finds the newest message after one place of a conversation and up to another; nil where
// there is none.
func (t *tx) newest(conv convKey, after, upTo order.Seq, p pick) (*messageDoc, error) {
	filter, inside := t.span(conv, after, upTo, p)
	var doc messageDoc
	newest, err := found(&doc, t.reading(messagesName).FindOne(t.ctx, filter,
		options.FindOne().SetHint(indexPlace).SetSort(newestFirst)).Decode(&doc))
	for _, d := range inside {
		if newest == nil || d.Seq > newest.Seq {
			newest = d
		}
	}
	return newest, err
}

// count counts the messages after a place of a conversation.
func (t *tx) count(conv convKey, after order.Seq, p pick) (int, error) {
	filter, inside := t.span(conv, after, endOfTime, p)
	n, err := t.reading(messagesName).CountDocuments(t.ctx, filter, options.Count().SetHint(indexPlace))
	return int(n) + len(inside), err
}
