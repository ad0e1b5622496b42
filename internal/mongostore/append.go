package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/people"
)

// errTaken answers a new message whose id names another one.
var errTaken = errors.New("the id is taken by another attempt")

// Append implements message.Store.
func (s *Store) Append(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	fresh, err := s.sealDraft(ctx, d)
	if err != nil {
		return message.Message{}, false, fmt.Errorf("append message: %w", unavailable(err))
	}
	var doc *messageDoc
	var again bool
	var readUpTo order.Seq
	err = s.writer.do(ctx, "append message", func(t *tx) (err error) {
		if doc, err = t.repeated(d, fresh); err != nil {
			return err
		}
		if again = doc != nil; again {
			readUpTo, err = t.readUpTo(doc)
			return err
		}
		readUpTo = 0
		doc, err = t.store(d, *fresh)
		return err
	}, needsOf(fresh))
	if err != nil {
		return message.Message{}, false, err
	}
	if !again {
		return shown(doc, d), false, nil
	}
	m, err := s.open(context.WithoutCancel(ctx), doc, readUpTo)
	return m, err == nil, unavailable(err)
}

// shown is the message of a document that was just stored, as its draft has it.
func shown(doc *messageDoc, d message.Draft) message.Message {
	m := doc.message(0)
	m.Content, m.Attachment, m.Extra = d.Content, d.Attachment, d.Extra
	return m
}

// Attempt implements message.Store.
func (s *Store) Attempt(ctx context.Context, d message.Draft) (message.Message, bool, error) {
	conv := keyOf(d.Conversation())
	if err := s.adopted(ctx, conv); err != nil {
		return message.Message{}, false, fmt.Errorf("find the attempt: %w", unavailable(err))
	}
	var doc *messageDoc
	var readUpTo order.Seq
	err := s.snapshot(ctx, func(ctx context.Context) (err error) {
		if doc, err = s.storedAttempt(ctx, d, conv); err != nil || doc == nil {
			return err
		}
		readUpTo, err = s.readUpTo(ctx, doc)
		return err
	})
	if err != nil || doc == nil {
		return message.Message{}, false, unavailable(err)
	}
	m, err := s.open(ctx, doc, readUpTo)
	return m, err == nil, unavailable(err)
}

// sealDraft makes the document of a draft, all but its place and time.
func (s *Store) sealDraft(ctx context.Context, d message.Draft) (*messageDoc, error) {
	doc := &messageDoc{
		ID: bson.ObjectID(d.ID), Sender: bson.ObjectID(d.Sender), Recipient: bson.ObjectID(d.Recipient), Group: bson.ObjectID(d.Group),
		Conv: keyOf(d.Conversation()), ClientID: d.ClientID, ReplyTo: bson.ObjectID(d.ReplyTo),
		Media: d.Attachment != "", Fingerprint: d.Fingerprint[:], CreatedAt: whole(d.At),
	}
	if err := s.adopted(ctx, doc.Conv); err != nil {
		return nil, err
	}
	var err error
	if doc.Content, err = s.sealText(ctx, d.Sender, textPlace("content", doc), d.Content); err != nil {
		return nil, err
	}
	if doc.Attachment, err = s.sealText(ctx, d.Sender, textPlace("attachment", doc), d.Attachment); err != nil {
		return nil, err
	}
	doc.Extra, err = s.sealExtra(ctx, d.Sender, doc, d.Extra)
	return doc, err
}

// needsOf are those of every operation on a message, new or stored.
func needsOf(d *messageDoc) needs {
	n := needs{groups: []bson.ObjectID{d.Group}}
	if d.between() {
		n = needs{
			threads: []threadKey{threadOf(id.User(d.Sender), d.Conv), threadOf(id.User(d.Recipient), d.Conv)},
			pairs:   []convKey{d.Conv},
		}
	}
	switch {
	case d.Seq > 0:
		n.messages = []id.Message{id.Message(d.ID)}
	case d.ClientID != "":
		n.attempts = []attempt{{id.User(d.Sender), d.ClientID}}
	}
	return n
}

// store inserts a draft that repeats nothing.
func (t *tx) store(d message.Draft, doc messageDoc) (*messageDoc, error) {
	// An id that is taken in the database fails the batch, and then this operation alone.
	if t.holds(d.ID) {
		return nil, errTaken
	}
	if err := t.refused(&doc); err != nil {
		return nil, err
	}
	if doc.between() {
		return t.storeBetween(d, doc)
	}
	return t.storeInGroup(doc)
}

// refused returns why somebody may not write a message that is new, or nil.
func (t *tx) refused(doc *messageDoc) error {
	if doc.between() {
		apart, err := t.apart(id.User(doc.Sender), id.User(doc.Recipient))
		if err == nil && apart {
			err = people.ErrBlocked
		}
		return err
	}
	g, err := t.group(doc.Group)
	if err == nil && !g.has(id.User(doc.Sender)) {
		err = message.ErrNotMember
	}
	return err
}

// storeInGroup brings the group to the top of its members' lists. Nothing of theirs changes.
func (t *tx) storeInGroup(doc messageDoc) (*messageDoc, error) {
	g, err := t.group(doc.Group)
	if err != nil {
		return nil, err
	}
	doc.CreatedAt = latest(doc.CreatedAt, g.LastAt)
	doc.Seq = t.next()
	doc.Changed = doc.Seq
	t.insert(&doc)
	g.receive(&doc)
	t.saveGroup(g)
	return &doc, nil
}

// storeBetween brings the conversation to the top of both lists and counts the message as unread
// for the recipient. A note to oneself has one row and nobody who has not read it.
func (t *tx) storeBetween(d message.Draft, doc messageDoc) (*messageDoc, error) {
	rows, err := t.rows(message.Between(d.Sender, d.Recipient))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		doc.CreatedAt = latest(doc.CreatedAt, row.LastAt)
	}
	doc.Seq = t.next()
	doc.Changed = doc.Seq
	if t.unit.store.legacy {
		doc.Read = new(bool)
	}
	t.insert(&doc)
	for _, row := range rows {
		row.LastSeq, row.LastID, row.LastAt, row.Changed = doc.Seq, doc.ID, doc.CreatedAt, doc.Seq
		if row.CreatedAt.IsZero() {
			row.CreatedAt = doc.CreatedAt
		}
		if row.User != doc.Sender {
			row.Unread++
			row.FormerUnread = row.FormerUnread || doc.Read != nil
		}
		t.save(row)
	}
	return &doc, nil
}

// rows returns a conversation as each of its people sees it, new where there is none.
func (t *tx) rows(c message.Conversation) ([]*threadDoc, error) {
	var rows []*threadDoc
	for _, u := range c.People() {
		row, err := t.thread(u, keyOf(c))
		if err != nil {
			return nil, err
		}
		if row == nil {
			fresh := newThread(u, c.Other(u))
			row = &fresh
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// readUpTo is how far the recipient of a message has read; 0 in a group.
func (t *tx) readUpTo(d *messageDoc) (order.Seq, error) {
	if !d.between() {
		return 0, nil
	}
	row, err := t.thread(id.User(d.Recipient), d.Conv)
	if err != nil || row == nil {
		return 0, err
	}
	return row.ReadSeq, nil
}

// repeated finds the message that a draft repeats; nil where there is none. The index finds out
// whether the attempt of a new message is stored; that of one that is refused before is looked for,
// because what is stored is not refused.
func (t *tx) repeated(d message.Draft, fresh *messageDoc) (*messageDoc, error) {
	conv := fresh.Conv
	if d.ClientID != "" {
		a := attempt{d.Sender, d.ClientID}
		switch refused := t.refused(fresh); {
		case t.unit.failed != nil:
			return nil, t.unit.failed
		case refused != nil && !t.unit.careful:
			return t.lookFor(a)
		}
		return t.attempted(a)
	}
	if d.RepeatWindow <= 0 {
		return nil, nil
	}
	last, err := t.lastAt(d.Sender, conv)
	if err != nil || last.Before(oldestRepeat(d)) {
		return nil, err
	}
	var newest *messageDoc
	for _, known := range t.known(conv) {
		if repeats(known, d) && (newest == nil || known.Seq > newest.Seq) {
			newest = known
		}
	}
	if newest != nil {
		return newest, nil
	}
	return t.unit.store.recentRepeat(t.ctx, d, conv)
}

// lastAt is when the newest message of a conversation was written, of which a person has a row.
func (t *tx) lastAt(u id.User, conv convKey) (last time.Time, err error) {
	if g, ok := conv.group(); ok {
		d, err := t.group(bson.ObjectID(g))
		if err == nil && d != nil {
			last = d.LastAt
		}
		return last, err
	}
	row, err := t.thread(u, conv)
	if err == nil && row != nil {
		last = row.LastAt
	}
	return last, err
}

// storedAttempt is repeated outside the writer.
func (s *Store) storedAttempt(ctx context.Context, d message.Draft, conv convKey) (*messageDoc, error) {
	if d.ClientID == "" {
		return s.recentRepeat(ctx, d, conv)
	}
	var doc messageDoc
	return found(&doc, s.coll(messagesName).FindOne(ctx, attempt{d.Sender, d.ClientID}.filter()).Decode(&doc))
}

// recentRepeat finds the message that a draft without a client id repeats. It walks back from
// the end of the conversation for as long as the window reaches.
func (s *Store) recentRepeat(ctx context.Context, d message.Draft, conv convKey) (*messageDoc, error) {
	if d.RepeatWindow <= 0 {
		return nil, nil
	}
	c, err := s.coll(messagesName).Find(ctx, bson.D{is("conv", conv)},
		options.Find().SetHint(indexPlace).SetSort(newestFirst).SetBatchSize(16))
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	for c.Next(ctx) {
		var doc messageDoc
		if err := c.Decode(&doc); err != nil {
			return nil, err
		}
		if doc.CreatedAt.Before(oldestRepeat(d)) {
			return nil, nil
		}
		if repeats(&doc, d) {
			return &doc, nil
		}
	}
	return nil, c.Err()
}

func oldestRepeat(d message.Draft) time.Time {
	return d.At.Truncate(time.Millisecond).Add(-d.RepeatWindow)
}

func repeats(doc *messageDoc, d message.Draft) bool {
	return doc.Sender == bson.ObjectID(d.Sender) && string(doc.Fingerprint) == string(d.Fingerprint[:]) &&
		!doc.CreatedAt.Before(oldestRepeat(d))
}
