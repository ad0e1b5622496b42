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
	}, func(t *tx, d *messageDoc, seat *seatDoc) (message.Receipt, error) {
		if seat.ReadSeq >= d.Seq {
			unmarked := !seat.MarkedUnread.IsZero()
			seat.MarkedUnread = time.Time{}
			return message.Receipt{Unmarked: unmarked}, nil
		}
		arrived, err := t.arrivedInGroup(seat, d)
		if err != nil {
			return message.Receipt{}, err
		}
		if seat.DeliveredSeq < d.Seq {
			seat.deliver(d, at)
		}
		seat.ReadSeq, seat.ReadID, seat.ReadAt, seat.MarkedUnread = d.Seq, d.ID, whole(at), time.Time{}
		return message.Receipt{Read: true, Arrived: arrived}, nil
	})
}

// arrived is the newest message of the peer that reaches a person by the reading of d; zero
// where all have before.
func (t *tx) arrived(row *threadDoc, d *messageDoc) (id.Message, error) {
	before, _ := row.delivered()
	return t.newestUpTo(d, before, pick{sender: row.Peer, living: true})
}

// arrivedInGroup is the newest message of somebody else that reaches a member by the reading of d;
// zero where all have before.
func (t *tx) arrivedInGroup(seat *seatDoc, d *messageDoc) (id.Message, error) {
	return t.newestUpTo(d, seat.DeliveredSeq, pick{notBy: seat.User, living: true})
}

// newestUpTo is the newest message that a pick takes after a place and up to a message; zero where
// there is none.
func (t *tx) newestUpTo(d *messageDoc, after order.Seq, p pick) (id.Message, error) {
	if after >= d.Seq {
		return id.Message{}, nil
	}
	if p.matches(d) {
		return id.Message(d.ID), nil
	}
	newest, err := t.newest(d.Conv, after, d.Seq, p)
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
	return t.count(row.Conv, max(upTo, row.Cleared.upTo()), pick{sender: row.Peer, viewer: row.User, living: true, unread: true})
}

// MarkDelivered implements message.Store. A message of a conversation that one takes no part
// in is ErrNoMessage.
func (s *Store) MarkDelivered(ctx context.Context, u id.User, m id.Message, at time.Time) (message.Receipt, error) {
	return s.mark(ctx, "mark message as delivered", u, m, func(_ *tx, d *messageDoc, row *threadDoc) (message.Receipt, error) {
		if before, _ := row.delivered(); d.Sender == row.User || before >= d.Seq {
			return message.Receipt{}, nil
		}
		row.DeliveredSeq, row.DeliveredID = d.Seq, d.ID
		return message.Receipt{Arrived: id.Message(d.ID)}, nil
	}, func(_ *tx, d *messageDoc, seat *seatDoc) (message.Receipt, error) {
		if d.Sender == seat.User || seat.DeliveredSeq >= d.Seq {
			return message.Receipt{}, nil
		}
		seat.deliver(d, at)
		return message.Receipt{Arrived: id.Message(d.ID)}, nil
	})
}

// A mover moves a mark of somebody who takes part in a conversation to a message.
type mover[Of threadDoc | seatDoc] func(*tx, *messageDoc, *Of) (message.Receipt, error)

// mark runs an operation on a message that a person takes part in and on their row, or in a group
// on their seat. Where it moved anything, it marks the conversation as changed for both people; in
// a group for nobody besides.
func (s *Store) mark(ctx context.Context, what string, u id.User, m id.Message, between mover[threadDoc], inGroup mover[seatDoc]) (message.Receipt, error) {
	known, err := s.find(ctx, m)
	if err != nil {
		return message.Receipt{}, fmt.Errorf("%s: %w", what, unavailable(err))
	}
	var moved message.Receipt
	marked, _, err := s.change(ctx, what, known, func(t *tx, d *messageDoc) (seq order.Seq, err error) {
		if in, err := t.partOf(u, d); err != nil || !in {
			return 0, either(err, message.ErrNoMessage)
		}
		if err := t.unblocked(d); err != nil {
			return 0, err
		}
		moved, seq, err = t.mark(u, d, between, inGroup)
		return seq, err
	}, seatNeeds(known, u))
	if err != nil {
		return message.Receipt{}, err
	}
	moved.Message = marked
	return moved, nil
}

func (t *tx) mark(u id.User, d *messageDoc, between mover[threadDoc], inGroup mover[seatDoc]) (moved message.Receipt, seq order.Seq, err error) {
	if d.between() {
		row, err := t.row(u, d)
		if err != nil {
			return moved, 0, err
		}
		if moved, err = between(t, d, row); err != nil || !moved.Changed() {
			return moved, 0, err
		}
		t.save(row)
		seq = t.next()
		return moved, seq, t.touchRows(d, seq)
	}
	seat, err := t.seat(d.Group, u)
	if err != nil {
		return moved, 0, err
	}
	if moved, err = inGroup(t, d, seat); err != nil || !moved.Changed() {
		return moved, 0, err
	}
	seq = t.next()
	seat.Changed = seq
	if moved.Read || !moved.Arrived.IsZero() {
		seat.Moved = seq
	}
	t.saveSeat(seat)
	return moved, seq, nil
}

// A pick chooses messages of a conversation. Its zero value takes all.
type pick struct {
	sender bson.ObjectID // of this person
	notBy  bson.ObjectID // of others than this person
	viewer bson.ObjectID // not deleted by this person by itself
	living bool          // not deleted for all
	unread bool          // not read before the recipient's mark counted
}

func (p pick) matches(d *messageDoc) bool {
	_, hidden := d.deletedBy(id.User(p.viewer))
	return (p.sender.IsZero() || d.Sender == p.sender) && (p.notBy.IsZero() || d.Sender != p.notBy) && !hidden && !(p.living && d.IsDeleted) && !(p.unread && d.Read != nil && *d.Read)
}

func (p pick) filter() bson.D {
	var f bson.D
	if !p.sender.IsZero() {
		f = append(f, is("sender", p.sender))
	}
	if !p.notBy.IsZero() {
		f = append(f, is("sender", bson.D{is("$ne", p.notBy)}))
	}
	if !p.viewer.IsZero() {
		f = append(f, is("deletedFor.user", bson.D{is("$ne", p.viewer)}))
	}
	if p.living {
		f = append(f, notTakenBack)
	}
	if p.unread {
		f = append(f, is("read", bson.D{is("$ne", true)}))
	}
	return f
}
