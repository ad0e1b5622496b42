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
		if refused, err := t.apart(id.User(d.Sender), id.User(d.Recipient)); err != nil || refused {
			return 0, either(err, message.ErrBlocked)
		}
		d.change(t.next())
		d.Edited, d.EditedAt, d.Content = true, whole(at), sealed
		t.update(d)
		return d.Changed, t.touchRows(d, d.Changed)
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
		if err := t.forgetUnread(d, id.User(d.Recipient)); err != nil {
			return 0, err
		}
		d.change(t.next())
		d.IsDeleted, d.DeletedForAll = true, &deletion{By: d.Sender, At: whole(at)}
		d.Content, d.Attachment, d.Media, d.Fingerprint = bson.RawValue{}, bson.RawValue{}, false, nil
		t.update(d)
		return d.Changed, t.touchRows(d, d.Changed)
	})
}

// DeleteForSelf implements message.Store. The message that it returns has Changed set to the
// commit; for the other person nothing changed. It is ErrNoMessage for who takes no part.
func (s *Store) DeleteForSelf(ctx context.Context, m id.Message, u id.User, at time.Time) (message.Message, bool, error) {
	known, err := s.find(ctx, m)
	if err == nil && !known.has(u) {
		err = message.ErrNoMessage
	}
	if err != nil {
		return message.Message{}, false, fmt.Errorf("delete message for one: %w", unavailable(err))
	}
	return s.change(ctx, "delete message for one", known, func(t *tx, d *messageDoc) (order.Seq, error) {
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
		// Another list, not a longer one: the old one may be shared.
		d.DeletedFor = append(slices.Clip(d.DeletedFor), ownDeletion{bson.ObjectID(u), whole(at), seq})
		t.update(d)
		row.Changed = seq
		if row.LastSeq == d.Seq {
			before, err := t.newest(d.Conv, row.clearedUpTo(), d.Seq-1, pick{viewer: bson.ObjectID(u)})
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
	})
}

// change runs an operation on a stored message and returns the message as the operation left it,
// changed by the number that the operation returns. 0 means that nothing was changed.
func (s *Store) change(ctx context.Context, what string, known *messageDoc, run func(*tx, *messageDoc) (order.Seq, error)) (message.Message, bool, error) {
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
	}, needsOf(known))
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
