package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// MarkRead implements message.Store. A message of a conversation that one takes no part in is
// ErrNoMessage.
func (s *Store) MarkRead(ctx context.Context, u id.User, m id.Message, at time.Time) (message.Receipt, error) {
	return s.mark(ctx, "mark message as read", u, m, func(t *tx, d *messageDoc, row *threadDoc) (message.Receipt, error) {
		former, err := t.readFormer(row, d)
		if err != nil {
			return message.Receipt{}, err
		}
		if row.ReadSeq >= d.Seq || row.User == row.Peer {
			unmarked := !row.MarkedUnread.IsZero()
			row.MarkedUnread = time.Time{}
			return message.Receipt{Read: former, Unmarked: unmarked && !former}, nil
		}
		arrived, err := t.arrived(row, d)
		if err != nil {
			return message.Receipt{}, err
		}
		if row.Unread, err = t.unreadAfter(row, d.Seq); err != nil {
			return message.Receipt{}, err
		}
		row.ReadSeq, row.ReadID, row.ReadAt, row.MarkedUnread = d.Seq, d.ID, whole(at), time.Time{}
		return message.Receipt{Read: true, Arrived: arrived}, nil
	})
}

// arrived is the newest message of the peer that reaches a person by the reading of d; zero
// where all have before.
func (t *tx) arrived(row *threadDoc, d *messageDoc) (id.Message, error) {
	before, _ := row.delivered()
	if before >= d.Seq {
		return id.Message{}, nil
	}
	p := pick{sender: row.Peer, living: true}
	if p.matches(d) {
		return id.Message(d.ID), nil
	}
	newest, err := t.newest(d.Conv, before, d.Seq, p)
	if err != nil || newest == nil {
		return id.Message{}, err
	}
	return id.Message(newest.ID), nil
}

// unreadAfter counts what a person who has read up to a place has not read.
func (t *tx) unreadAfter(row *threadDoc, upTo order.Seq) (int, error) {
	if row.Unread == 0 || upTo >= row.LastSeq {
		return 0, nil
	}
	return t.count(row.Conv, max(upTo, row.clearedUpTo()), pick{sender: row.Peer, viewer: row.User, living: true, unread: true})
}

// MarkDelivered implements message.Store. A message of a conversation that one takes no part
// in is ErrNoMessage.
func (s *Store) MarkDelivered(ctx context.Context, u id.User, m id.Message) (message.Receipt, error) {
	return s.mark(ctx, "mark message as delivered", u, m, func(_ *tx, d *messageDoc, row *threadDoc) (message.Receipt, error) {
		if before, _ := row.delivered(); d.Sender == row.User || before >= d.Seq {
			return message.Receipt{}, nil
		}
		row.DeliveredSeq, row.DeliveredID = d.Seq, d.ID
		return message.Receipt{Arrived: id.Message(d.ID)}, nil
	})
}

// mark runs an operation on a message that a person takes part in and on their row, and marks
// the conversation as changed for both people where it moved anything.
func (s *Store) mark(ctx context.Context, what string, u id.User, m id.Message, move func(*tx, *messageDoc, *threadDoc) (message.Receipt, error)) (message.Receipt, error) {
	known, err := s.find(ctx, m)
	if err == nil && !known.has(u) {
		err = message.ErrNoMessage
	}
	if err != nil {
		return message.Receipt{}, fmt.Errorf("%s: %w", what, unavailable(err))
	}
	var moved message.Receipt
	marked, _, err := s.change(ctx, what, known, func(t *tx, d *messageDoc) (order.Seq, error) {
		if refused, err := t.apart(id.User(d.Sender), id.User(d.Recipient)); err != nil || refused {
			return 0, either(err, message.ErrBlocked)
		}
		row, err := t.row(u, d)
		if err != nil {
			return 0, err
		}
		if moved, err = move(t, d, row); err != nil || !moved.Changed() {
			return 0, err
		}
		t.save(row)
		seq := t.next()
		return seq, t.touchRows(d, seq)
	})
	if err != nil {
		return message.Receipt{}, err
	}
	moved.Message = marked
	return moved, nil
}

// A pick chooses messages of a conversation. Its zero value takes all.
type pick struct {
	sender bson.ObjectID // of this person
	viewer bson.ObjectID // not deleted by this person by itself
	living bool          // not deleted for all
	unread bool          // not read before the recipient's mark counted
}

func (p pick) matches(d *messageDoc) bool {
	_, hidden := d.deletedBy(id.User(p.viewer))
	return (p.sender.IsZero() || d.Sender == p.sender) && !hidden && !(p.living && d.IsDeleted) && !(p.unread && d.Read != nil && *d.Read)
}

func (p pick) filter() bson.D {
	var f bson.D
	if !p.sender.IsZero() {
		f = append(f, is("sender", p.sender))
	}
	if !p.viewer.IsZero() {
		f = append(f, is("deletedFor.user", bson.D{is("$ne", p.viewer)}))
	}
	if p.living {
		f = append(f, is("isDeletedForAll", bson.D{is("$ne", true)}))
	}
	if p.unread {
		f = append(f, is("read", bson.D{is("$ne", true)}))
	}
	return f
}
