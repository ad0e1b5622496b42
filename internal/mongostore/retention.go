package mongostore

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/retention"
)

var _ retention.Store = (*Store)(nil)

const (
	// expireLook is of how many conversations the oldest message is looked at in one step.
	expireLook = 100
	// markPrefix tells the mark in front of the first conversation from none.
	markPrefix = "behind "
)

// Expire implements retention.Store. Within a conversation times do not run backwards, so that what
// is too old is the front of it. The mark is the last conversation with nothing left to remove. It waits
// until the messages of the former system have their places.
func (s *Store) Expire(ctx context.Context, before time.Time, from string, limit int) (b retention.Batch, err error) {
	if !s.adoption.done.Load() {
		return retention.Batch{Later: true}, nil
	}
	after, err := hex.DecodeString(strings.TrimPrefix(from, markPrefix))
	if err != nil {
		return b, fmt.Errorf("remove old messages: %w", err)
	}
	b.Settled = s.Settled()
	aged, after, err := s.aged(ctx, before, after, &b)
	if err != nil {
		return b, fmt.Errorf("remove old messages: %w", unavailable(err))
	}
	if after != nil {
		b.Next = markPrefix + hex.EncodeToString(after)
	}
	if aged == nil {
		return b, nil
	}
	removed := 0
	err = s.writer.do(ctx, "remove old messages", func(t *tx) (err error) {
		removed, err = t.expire(*aged, before, limit)
		return err
	})
	if err != nil {
		return retention.Batch{}, err
	}
	b.Removed = removed
	return b, nil
}

// aged looks for the next conversation whose oldest message was written before a time; nil where
// the next ones have none. It returns behind which conversation to go on; nil at the end.
func (s *Store) aged(ctx context.Context, before time.Time, after []byte, b *retention.Batch) (*convKey, []byte, error) {
	for range expireLook {
		oldest, err := find[messageDoc](ctx, s, query{
			from: messagesName, index: indexPlace, sort: bson.D{is("conv", 1), is("seq", 1)}, limit: 1,
			filter: bson.D{is("conv", bson.D{is("$gt", bson.Binary{Data: after})})},
			fields: bson.D{is("conv", 1), is("seq", 1), is("createdAt", 1)},
		})
		switch {
		case err != nil:
			return nil, nil, err
		case len(oldest) == 0:
			return nil, nil, nil
		case oldest[0].createdAt().Before(before):
			return &oldest[0].Conv, after, nil
		}
		if place := oldest[0].Seq; b.Oldest == 0 || place < b.Oldest {
			b.Oldest = place
		}
		after = oldest[0].Conv[:]
	}
	return nil, after, nil
}

// expire removes up to limit messages from the front of a conversation, and returns how many.
func (t *tx) expire(conv convKey, before time.Time, limit int) (int, error) {
	old, err := t.front(conv, before, limit)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	upTo, seq := old[len(old)-1].Seq, t.next()
	if g, ok := conv.group(); ok {
		err = t.settleGroup(g, upTo, seq)
	} else {
		err = t.settleRows(conv, old, seq)
	}
	if err != nil {
		return 0, err
	}
	if err := t.flush(); err != nil {
		return 0, err
	}
	defer t.forget()
	ids := make([]bson.ObjectID, len(old))
	for i, d := range old {
		ids[i] = d.ID
		if d.Media || !d.Extra.IsZero() {
			if err := releaseUploads(t, id.Message(d.ID), before); err != nil {
				return 0, err
			}
		}
	}
	_, err = t.collection(messagesName).DeleteMany(t.ctx, within("_id", ids))
	return len(old), err
}

// front returns the oldest messages of a conversation that were written before a time.
func (t *tx) front(conv convKey, before time.Time, limit int) ([]*messageDoc, error) {
	if err := t.flush(); err != nil {
		return nil, err
	}
	c, err := t.reading(messagesName).Find(t.ctx, bson.D{is("conv", conv)},
		options.Find().SetHint(indexPlace).SetSort(bson.D{is("seq", 1)}).SetLimit(int64(limit)).SetProjection(unshown))
	if err != nil {
		return nil, err
	}
	docs, err := all[messageDoc](t.ctx, c)
	if err != nil {
		return nil, err
	}
	for i, d := range docs {
		if !d.createdAt().Before(before) {
			return docs[:i], nil
		}
	}
	return docs, nil
}

// settleRows makes a conversation as its people see it right for the time when its oldest messages
// are gone.
func (t *tx) settleRows(conv convKey, old []*messageDoc, seq order.Seq) error {
	rows, err := t.rows(conv.conversation())
	if err != nil {
		return err
	}
	upTo := old[len(old)-1].Seq
	for _, row := range rows {
		for _, d := range old {
			if row.User != row.Peer && d.Sender == row.Peer && !d.IsDeleted && !d.readAt(row.ReadSeq) && !row.hides(d) {
				row.Unread = max(row.Unread-1, 0)
			}
		}
		if row.LastSeq <= upTo {
			row.LastSeq, row.LastID = 0, bson.ObjectID{}
		}
		if row.ReadSeq <= upTo {
			row.ReadID = bson.ObjectID{}
		}
		if row.DeliveredSeq <= upTo {
			row.DeliveredID = bson.ObjectID{}
		}
		row.Changed = seq
		t.save(row)
	}
	return nil
}

// settleGroup does the same for a group. What its members have not read is counted when they ask.
func (t *tx) settleGroup(g id.Group, upTo, seq order.Seq) error {
	d, err := t.group(bson.ObjectID(g))
	if err != nil {
		return err
	}
	if d != nil {
		d.Changed = seq
		t.saveGroup(d)
	}
	if err := t.flush(); err != nil {
		return err
	}
	t.forget()
	of := func(cursor, message string) mongo.WriteModel {
		return mongo.NewUpdateManyModel().
			SetFilter(bson.D{is("group", bson.ObjectID(g)), is(cursor, bson.D{is("$lte", upTo)}), is(message, bson.D{is("$exists", true)})}).
			SetUpdate(bson.D{is("$unset", bson.D{is(message, "")})})
	}
	_, err = t.collection(seatsName).BulkWrite(t.ctx, []mongo.WriteModel{of("readSeq", "readId"), of("deliveredSeq", "deliveredId")})
	return err
}
