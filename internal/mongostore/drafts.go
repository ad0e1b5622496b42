package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/seal"
)

const draftsName = "drafts"

var draftsCollection = collection{name: draftsName, indexes: []index{
	{keys: bson.D{is("user", 1), is("at", -1)}},
}}

// A draftDoc is what a person has written in a conversation and not sent.
type draftDoc struct {
	ID      threadKey     `bson:"_id"`
	User    bson.ObjectID `bson:"user"`
	Conv    convKey       `bson:"conv"`
	Text    []byte        `bson:"text,omitempty"` // sealed
	ReplyTo bson.ObjectID `bson:"replyTo,omitempty"`
	At      time.Time     `bson:"at"`
}

func draftPlace(d *draftDoc) seal.Place {
	return seal.Place{Collection: draftsName, Field: "text", Document: d.ID[:], Conversation: d.Conv[:]}
}

// SaveDraft implements message.Store. To a group it is ErrNotMember for who is not in it.
func (s *Store) SaveDraft(ctx context.Context, u id.User, d message.SavedDraft) error {
	conv := keyOf(d.Conversation)
	doc := draftDoc{ID: threadOf(u, conv), User: bson.ObjectID(u), Conv: conv, ReplyTo: bson.ObjectID(d.ReplyTo), At: whole(d.At)}
	var err error
	if d.Text != "" {
		if doc.Text, err = s.sealed(ctx, u, draftPlace(&doc), []byte(d.Text)); err != nil {
			return fmt.Errorf("save a draft: %w", unavailable(err))
		}
	}
	var n needs
	if d.Conversation.IsGroup() {
		if err := s.adopted(ctx, conv); err != nil {
			return fmt.Errorf("save a draft: %w", unavailable(err))
		}
		n.seats = []seatKey{seatOf(bson.ObjectID(d.Conversation.Group), u)}
	}
	return s.writer.do(ctx, "save a draft", func(t *tx) error {
		if d.Conversation.IsGroup() {
			seat, err := t.seat(bson.ObjectID(d.Conversation.Group), u)
			if err != nil || !seat.in() {
				return either(err, message.ErrNotMember)
			}
		}
		drafts := t.collection(draftsName)
		if d.Text == "" && d.ReplyTo.IsZero() {
			_, err := drafts.DeleteOne(t.ctx, bson.D{is("_id", doc.ID)})
			return err
		}
		if _, err := drafts.ReplaceOne(t.ctx, bson.D{is("_id", doc.ID)}, doc, options.Replace().SetUpsert(true)); err != nil {
			return err
		}
		return t.dropDrafts(u)
	}, n)
}

// dropDrafts removes the oldest drafts of a person who has too many.
func (t *tx) dropDrafts(u id.User) error {
	q := draftsQuery(u)
	c, err := t.reading(draftsName).Find(t.ctx, q.filter,
		options.Find().SetHint(q.index).SetSort(q.sort).SetSkip(message.MaxDrafts).SetProjection(bson.D{is("_id", 1)}))
	if err != nil {
		return err
	}
	old, err := all[draftDoc](t.ctx, c)
	if err != nil || len(old) == 0 {
		return err
	}
	keys := make([]threadKey, len(old))
	for i, d := range old {
		keys[i] = d.ID
	}
	_, err = t.collection(draftsName).DeleteMany(t.ctx, within("_id", keys))
	return err
}

// Drafts implements message.Store.
func (s *Store) Drafts(ctx context.Context, u id.User) ([]message.SavedDraft, error) {
	found, err := find[draftDoc](ctx, s, draftsQuery(u))
	if err != nil {
		return nil, fmt.Errorf("read drafts: %w", unavailable(err))
	}
	drafts := make([]message.SavedDraft, len(found))
	for i, d := range found {
		drafts[i] = message.SavedDraft{Conversation: d.Conv.conversation(), ReplyTo: id.Message(d.ReplyTo), At: utc(d.At)}
		if len(d.Text) == 0 {
			continue
		}
		text, err := s.vault.Open(ctx, draftPlace(d), d.Text)
		if err != nil {
			return nil, fmt.Errorf("open a draft: %w", unavailable(err))
		}
		drafts[i].Text = string(text)
	}
	return drafts, nil
}

// draftsQuery finds the drafts of a person, newest first.
func draftsQuery(u id.User) query {
	return query{from: draftsName, index: indexDrafts, sort: bson.D{is("at", -1)}, filter: bson.D{is("user", bson.ObjectID(u))}}
}
