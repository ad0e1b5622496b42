package mongostore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// Edit implements message.Store.
func (s *Store) Edit(ctx context.Context, m id.Message, content string, at time.Time) (message.Message, error) {
	// Whose key seals the new text never changes, so it is looked up outside the writer.
	known, err := s.find(ctx, m)
	if err != nil {
		return message.Message{}, fmt.Errorf("edit message: %w", unavailable(err))
	}
	sealed, err := s.sealText(ctx, id.User(known.Sender), textPlace("content", known), content)
	if err != nil {
		return message.Message{}, fmt.Errorf("edit message: %w", unavailable(err))
	}
	edited, _, err := s.change(ctx, "edit message", known, func(t *tx, d *messageDoc) (order.Seq, error) {
		if d.IsDeleted {
			return 0, message.ErrGone
		}
		if err := t.writable(d); err != nil {
			return 0, err
		}
		d.keepVersion()
		d.Edited, d.EditedAt, d.Content = true, whole(at), sealed
		return t.changed(d)
	})
	return edited, err
}

// DeleteForAll implements message.Store.
func (s *Store) DeleteForAll(ctx context.Context, m id.Message, at time.Time) (message.Message, bool, error) {
	known, err := s.find(ctx, m)
	if err != nil {
		return message.Message{}, false, fmt.Errorf("delete message for all: %w", unavailable(err))
	}
	return s.change(ctx, "delete message for all", known, func(t *tx, d *messageDoc) (order.Seq, error) {
		if d.IsDeleted {
			return 0, nil
		}
		if d.between() {
			if err := t.forgetUnread(d, id.User(d.Recipient)); err != nil {
				return 0, err
			}
		}
		if !d.Attachment.IsZero() || !d.Extra.IsZero() {
			if err := releaseUploads(t, m, at); err != nil {
				return 0, err
			}
		}
		d.empty()
		d.IsDeleted, d.DeletedForAll = true, &deletion{By: d.Sender, At: whole(at)}
		return t.changed(d)
	})
}

// empty takes away what a message says.
func (d *messageDoc) empty() {
	d.Content, d.Attachment, d.Extra, d.VoiceNote = bson.RawValue{}, bson.RawValue{}, bson.RawValue{}, bson.RawValue{}
	d.Media, d.Fingerprint, d.Reactions, d.Versions = false, nil, nil, nil
}

// DeleteForSelf implements message.Store. The message that it returns has Changed set to the
// commit; for the others nothing changed. It is ErrNoMessage for who takes no part.
func (s *Store) DeleteForSelf(ctx context.Context, m id.Message, u id.User, at time.Time) (message.Message, bool, error) {
	known, err := s.find(ctx, m)
	if err != nil {
		return message.Message{}, false, fmt.Errorf("delete message for one: %w", unavailable(err))
	}
	return s.change(ctx, "delete message for one", known, func(t *tx, d *messageDoc) (order.Seq, error) {
		if in, err := t.partOf(u, d); err != nil || !in {
			return 0, either(err, message.ErrNoMessage)
		}
		if d.between() {
			return t.hide(u, d, at)
		}
		return t.hideInGroup(u, d, at)
	}, seatNeeds(known, u))
}

// hide hides a message from one of the two people of a conversation.
func (t *tx) hide(u id.User, d *messageDoc, at time.Time) (order.Seq, error) {
	row, err := t.row(u, d)
	if err != nil || row.hides(d) {
		return 0, err
	}
	if err := t.forgetUnread(d, u); err != nil {
		return 0, err
	}
	if row, err = t.row(u, d); err != nil {
		return 0, err
	}
	seq := t.next()
	t.update(d.hiddenBy(u, at, seq))
	row.Changed = seq
	if row.LastSeq == d.Seq {
		before, err := t.newest(d.Conv, row.Cleared.upTo(), d.Seq-1, pick{viewer: bson.ObjectID(u)})
		if err != nil {
			return 0, err
		}
		row.LastSeq, row.LastID = 0, bson.ObjectID{}
		if before != nil {
			row.LastSeq, row.LastID = before.Seq, before.ID
		}
	}
	t.save(row)
	return seq, nil
}

// hideInGroup hides a message from a member of its group.
func (t *tx) hideInGroup(u id.User, d *messageDoc, at time.Time) (order.Seq, error) {
	seat, err := t.seat(d.Group, u)
	if err != nil || seat.hides(d) {
		return 0, err
	}
	seq := t.next()
	t.update(d.hiddenBy(u, at, seq))
	seat.Changed = seq
	t.saveSeat(seat)
	return seq, nil
}

// hiddenBy notes that a person deleted the message for themselves.
func (d *messageDoc) hiddenBy(u id.User, at time.Time, seq order.Seq) *messageDoc {
	// Another list, not a longer one: the old one may be shared.
	d.DeletedFor = append(slices.Clip(d.DeletedFor), ownDeletion{bson.ObjectID(u), whole(at), seq})
	return d
}

// change runs an operation on a stored message and returns the message as the operation left it,
// changed by the number that the operation returns. 0 means that nothing was changed.
func (s *Store) change(ctx context.Context, what string, known *messageDoc, run func(*tx, *messageDoc) (order.Seq, error), more ...needs) (message.Message, bool, error) {
	var doc *messageDoc
	var changed, readUpTo order.Seq
	err := s.writer.do(ctx, what, func(t *tx) (err error) {
		if doc, err = t.message(id.Message(known.ID)); err != nil || doc == nil {
			return either(err, message.ErrNoMessage)
		}
		if changed, err = run(t, doc); err != nil {
			return err
		}
		readUpTo, err = t.readUpTo(doc)
		return err
	}, append(more, needsOf(known))...)
	if err != nil {
		return message.Message{}, false, err
	}
	m, err := s.open(context.WithoutCancel(ctx), doc, readUpTo)
	if err != nil {
		return message.Message{}, false, fmt.Errorf("%s: %w", what, unavailable(err))
	}
	m.Changed = max(m.Changed, changed)
	return m, changed > 0, nil
}

// seatNeeds are those of an operation of somebody on a message besides: their seat, in a group.
func seatNeeds(d *messageDoc, u id.User) (n needs) {
	if !d.between() {
		n.seats = []seatKey{seatOf(d.Group, u)}
	}
	return n
}

// partOf reports whether a person takes part in the conversation of a message.
func (t *tx) partOf(u id.User, d *messageDoc) (bool, error) {
	if d.between() {
		return d.Conv.conversation().Has(u), nil
	}
	seat, err := t.seat(d.Group, u)
	return seat.in(), err
}

// seen reports whether a person sees a message, or its tombstone.
func (t *tx) seen(u id.User, d *messageDoc) (bool, error) {
	if in, err := t.partOf(u, d); err != nil || !in {
		return false, err
	}
	if !d.between() {
		seat, err := t.seat(d.Group, u)
		return err == nil && !seat.hides(d), err
	}
	row, err := t.row(u, d)
	return err == nil && !row.hides(d), err
}

// unblocked refuses what concerns a message between two people of whom one blocks the other.
func (t *tx) unblocked(d *messageDoc) error {
	if !d.between() {
		return nil
	}
	refused, err := t.apart(id.User(d.Sender), id.User(d.Recipient))
	if err == nil && refused {
		err = message.ErrBlocked
	}
	return err
}

// writable refuses a change by the sender of a message who may not write in its conversation any
// more.
func (t *tx) writable(d *messageDoc) error {
	if d.between() {
		return t.unblocked(d)
	}
	return t.refused(d)
}

// changed gives a message that was changed its number, and marks its conversation as changed for
// all who take part.
func (t *tx) changed(d *messageDoc) (order.Seq, error) {
	d.change(t.next())
	t.update(d)
	if d.between() {
		return d.Changed, t.touchRows(d, d.Changed)
	}
	g, err := t.group(d.Group)
	if err != nil || g == nil {
		return d.Changed, err
	}
	g.Changed = d.Changed
	t.saveGroup(g)
	return d.Changed, nil
}

// row returns the conversation of a message as one person sees it, new where there is none.
func (t *tx) row(u id.User, d *messageDoc) (*threadDoc, error) {
	row, err := t.thread(u, d.Conv)
	if err == nil && row == nil {
		fresh := newThread(u, d.Conv.conversation().Other(u))
		row = &fresh
	}
	return row, err
}

// touchRows marks the conversation of a message as changed for both people.
func (t *tx) touchRows(d *messageDoc, seq order.Seq) error {
	rows, err := t.rows(d.Conv.conversation())
	if err != nil {
		return err
	}
	for _, row := range rows {
		row.Changed = seq
		t.save(row)
	}
	return nil
}

// forgetUnread takes a message that is about to disappear for u out of the count of what u
// has not read, if it is in it.
func (t *tx) forgetUnread(d *messageDoc, u id.User) error {
	row, err := t.row(u, d)
	if err != nil {
		return err
	}
	if d.Sender == bson.ObjectID(u) || d.readAt(row.ReadSeq) || d.IsDeleted || row.hides(d) {
		return nil
	}
	row.Unread = max(row.Unread-1, 0)
	t.save(row)
	return nil
}
