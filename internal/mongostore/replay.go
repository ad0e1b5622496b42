package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// What follows is for a journal, which acknowledges messages while the database is away and
// draws from the same counter.

// Counter is what numbers are drawn from.
func (s *Store) Counter() *order.Counter { return s.counter }

// Token is that of the lease under which the store writes.
func (s *Store) Token() int64 { return s.token }

// Settled returns a number up to which every number that the store itself drew is decided: what
// was committed is seen by the reads that begin from now on, and nothing else will be.
func (s *Store) Settled() order.Seq {
	last := s.counter.Last() // before the look at the batch: what is drawn later is beyond it
	if floor := s.writer.floor.Load(); floor != noFloor {
		return min(last, order.Seq(floor))
	}
	return last
}

// Seal makes a draft ready to wait. Its number and its time are those of the draft's own.
func (s *Store) Seal(ctx context.Context, d message.Draft) (message.Waiting, error) {
	w := message.Waiting{
		Message: message.Message{
			ID: d.ID, Sender: d.Sender, Recipient: d.Recipient, Group: d.Group, ReplyTo: d.ReplyTo,
			Fingerprint: d.Fingerprint, CreatedAt: whole(d.At),
		},
		ClientID: d.ClientID,
	}
	place := messageDoc{ID: bson.ObjectID(d.ID), Conv: keyOf(w.Conversation())}
	extra, err := extraText(d.Extra)
	if err != nil {
		return message.Waiting{}, fmt.Errorf("seal a message: %w", err)
	}
	for _, part := range []struct {
		field, text string
		into        *[]byte
	}{{"content", d.Content, &w.SealedContent}, {"attachment", d.Attachment, &w.SealedAttachment}, {"extra", extra, &w.SealedExtra}} {
		if part.text == "" {
			continue
		}
		var err error
		if *part.into, err = s.sealed(ctx, d.Sender, textPlace(part.field, &place), []byte(part.text)); err != nil {
			return message.Waiting{}, fmt.Errorf("seal a message: %w", unavailable(err))
		}
	}
	return w, nil
}

// Open returns a waiting message with its text in the clear.
func (s *Store) Open(ctx context.Context, w message.Waiting) (message.Message, error) {
	m, err := s.open(ctx, waitingDoc(w), 0)
	if err != nil {
		return message.Message{}, fmt.Errorf("open a waiting message: %w", unavailable(err))
	}
	return m, nil
}

func waitingDoc(w message.Waiting) *messageDoc {
	d := &messageDoc{
		ID: bson.ObjectID(w.ID), Sender: bson.ObjectID(w.Sender), Recipient: bson.ObjectID(w.Recipient),
		Group: bson.ObjectID(w.Group), ReplyTo: bson.ObjectID(w.ReplyTo),
		Conv: keyOf(w.Conversation()), Seq: w.Seq, Changed: w.Seq, ClientID: w.ClientID,
		Media: w.SealedAttachment != nil, Fingerprint: w.Fingerprint[:], CreatedAt: w.CreatedAt,
	}
	if w.SealedContent != nil {
		d.Content = binary(w.SealedContent)
	}
	if w.SealedAttachment != nil {
		d.Attachment = binary(w.SealedAttachment)
	}
	if w.SealedExtra != nil {
		d.Extra = binary(w.SealedExtra)
	}
	return d
}

// Replay stores messages that were acknowledged before, in one commit: as they stand, whatever
// has come between the two people since, and whoever is in a group. One that is there already, by its id or by its attempt,
// is passed over.
func (s *Store) Replay(ctx context.Context, ws []message.Waiting) error {
	var n needs
	docs := make([]*messageDoc, len(ws))
	for i, w := range ws {
		doc, err := s.replayed(ctx, w)
		if err == nil {
			err = s.adopted(ctx, doc.Conv)
		}
		if err != nil {
			return fmt.Errorf("store what waited: %w", unavailable(err))
		}
		docs[i] = doc
		fresh := *doc
		fresh.Seq = 0 // its attempt is looked for too
		n.add(needsOf(&fresh))
		n.messages = append(n.messages, w.ID)
	}
	return s.writer.do(ctx, "store what waited", func(t *tx) error {
		for _, doc := range docs {
			if err := t.replay(doc); err != nil {
				return err
			}
		}
		return nil
	}, n)
}

// replayed is a waiting message as it is stored: beside the former system so that it can read it.
func (s *Store) replayed(ctx context.Context, w message.Waiting) (*messageDoc, error) {
	doc := waitingDoc(w)
	if !s.legacy {
		return doc, nil
	}
	m, err := s.open(ctx, doc, 0)
	if err != nil {
		return nil, err
	}
	if doc.between() {
		doc.Read = new(bool)
	}
	if doc.Content, err = s.sealText(ctx, w.Sender, textPlace("content", doc), m.Content); err != nil {
		return nil, err
	}
	if doc.Attachment, err = s.sealText(ctx, w.Sender, textPlace("attachment", doc), m.Attachment); err != nil {
		return nil, err
	}
	doc.Extra, err = s.sealExtra(ctx, w.Sender, doc, m.Extra)
	return doc, err
}

func (t *tx) replay(doc *messageDoc) error {
	known, err := t.message(id.Message(doc.ID))
	if err == nil && known == nil && doc.ClientID != "" {
		known, err = t.attempted(attempt{id.User(doc.Sender), doc.ClientID})
	}
	if err != nil {
		return err
	}
	if known != nil {
		if !known.IsDeleted && string(known.Fingerprint) != string(doc.Fingerprint) {
			t.unit.store.writer.log.Error("a message that waited is stored with other content", "message", id.Message(doc.ID))
		}
		return nil
	}
	if !doc.between() {
		return t.replayInGroup(doc)
	}
	rows, err := t.rows(doc.Conv.conversation())
	if err != nil {
		return err
	}
	t.insert(doc)
	t.unit.highest = max(t.unit.highest, doc.Seq)
	for _, row := range rows {
		row.receive(doc)
		t.save(row)
	}
	return nil
}

func (t *tx) replayInGroup(doc *messageDoc) error {
	g, err := t.group(doc.Group)
	if err != nil {
		return err
	}
	t.insert(doc)
	t.unit.highest = max(t.unit.highest, doc.Seq)
	if g != nil {
		g.receive(doc)
		t.saveGroup(g)
	}
	return nil
}

// receive takes account of a message that was numbered before. What was stored since, under
// higher numbers, stays.
func (d *threadDoc) receive(m *messageDoc) {
	hidden := m.Seq <= d.Cleared.upTo()
	if m.Seq > d.LastSeq && !hidden {
		d.LastSeq, d.LastID = m.Seq, m.ID
	}
	d.LastAt, d.Changed = latest(d.LastAt, m.CreatedAt), max(d.Changed, m.Seq)
	if d.CreatedAt.IsZero() {
		d.CreatedAt = m.CreatedAt
	}
	if d.User != m.Sender && m.Seq > d.ReadSeq && !hidden {
		d.Unread++
		d.FormerUnread = d.FormerUnread || m.Read != nil
	}
}

// RowsWith returns the conversations of a person with some others, in no order. Who has none is
// left out.
func (s *Store) RowsWith(ctx context.Context, u id.User, peers []id.User) ([]message.Row, error) {
	keys := make([]threadKey, len(peers))
	for i, p := range peers {
		conv := keyOf(message.Between(u, p))
		if err := s.adopted(ctx, conv); err != nil {
			return nil, fmt.Errorf("read conversations: %w", unavailable(err))
		}
		keys[i] = threadOf(u, conv)
	}
	var l *listing
	err := s.snapshot(ctx, func(ctx context.Context) error {
		own, err := find[threadDoc](ctx, s, withIDs(threadsName, keys))
		if err == nil {
			l, err = s.listing(ctx, own)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read conversations: %w", unavailable(err))
	}
	rows, err := s.openRows(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("read conversations: %w", unavailable(err))
	}
	return rows, nil
}
