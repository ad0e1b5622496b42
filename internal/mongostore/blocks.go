package mongostore

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/people"
	"pryde/internal/seal"
	"pryde/internal/wire"
)

var _ people.Ties = (*Store)(nil)

const blocksName = "blocks"

var blocksCollection = collection{name: blocksName, indexes: []index{
	{keys: bson.D{is("blocker", 1), is("blocked", 1)}, unique: true},
	{keys: bson.D{is("blocked", 1), is("blocker", 1)}},
	{keys: bson.D{is("pair", 1)}},
}}

// A blockDoc is a block as it is stored: fields of the former system, and pair of our own.
type blockDoc struct {
	ID        bson.ObjectID `bson:"_id"`
	Blocker   bson.ObjectID `bson:"blocker"`
	Blocked   bson.ObjectID `bson:"blocked"`
	Pair      convKey       `bson:"pair"`             // the conversation of the two
	Reason    bson.RawValue `bson:"reason,omitempty"` // sealed; a text of the former system is not
	CreatedAt bson.DateTime `bson:"createdAt"`
}

func reasonPlace(b people.Block) seal.Place {
	return seal.Place{Collection: blocksName, Field: "reason", Document: b.ID[:], Conversation: b.Blocked[:]}
}

func (s *Store) openBlock(ctx context.Context, d blockDoc) (people.Block, error) {
	b := people.Block{ID: wire.BlockID(d.ID), Blocker: id.User(d.Blocker), Blocked: id.User(d.Blocked), CreatedAt: utc(d.CreatedAt.Time())}
	if isFormer(d.Reason) {
		b.Reason = s.formerPlain(d.Reason, b.CreatedAt)
		return b, nil
	}
	var err error
	b.Reason, err = s.openText(ctx, reasonPlace(b), d.Reason)
	return b, err
}

// newBlock is the document of a new block.
func (s *Store) newBlock(ctx context.Context, b people.Block) (d blockDoc, err error) {
	d = blockDoc{
		ID: bson.ObjectID(b.ID), Blocker: bson.ObjectID(b.Blocker), Blocked: bson.ObjectID(b.Blocked),
		Pair: keyOf(message.Between(b.Blocker, b.Blocked)), CreatedAt: bson.NewDateTimeFromTime(b.CreatedAt),
	}
	if !s.legacy {
		d.Reason, err = s.sealText(ctx, b.Blocker, reasonPlace(b), b.Reason)
		return d, err
	}
	d.Reason.Type, d.Reason.Value, err = bson.MarshalValue(b.Reason)
	return d, err
}

// Bonds implements people.Ties.
func (s *Store) Bonds(ctx context.Context, u id.User) (people.Bonds, error) {
	var found []blockDoc
	me := bson.ObjectID(u)
	c, err := s.coll(blocksName).Find(ctx, bson.D{is("$or", bson.A{bson.D{is("blocker", me)}, bson.D{is("blocked", me)}})},
		options.Find().SetProjection(bson.D{is("_id", 0), is("blocker", 1), is("blocked", 1)}))
	if err == nil {
		err = c.All(ctx, &found)
	}
	b := people.Bonds{Audience: people.Everyone}
	if err == nil {
		b.Audience, err = s.audience(ctx, u)
	}
	if err != nil {
		return people.Bonds{}, fmt.Errorf("read blocks: %w", unavailable(err))
	}
	for _, d := range found {
		if d.Blocker == me {
			b.Blocks = append(b.Blocks, id.User(d.Blocked))
		} else {
			b.BlockedBy = append(b.BlockedBy, id.User(d.Blocker))
		}
	}
	return b, nil
}

// audience is who may write to a person: everyone to whoever has no account.
func (s *Store) audience(ctx context.Context, u id.User) (people.Audience, error) {
	var d struct {
		Privacy privacyDoc `bson:"privacySettings"`
	}
	err := s.coll(usersName).FindOne(ctx, byID(u), options.FindOne().SetProjection(projection([]string{"privacySettings.whoCanMessage"}))).Decode(&d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return people.Everyone, nil
	case err != nil:
		return "", err
	}
	return d.Privacy.audience(), nil
}

// SetAudience implements people.Ties. It changes nothing where there is no account.
func (s *Store) SetAudience(ctx context.Context, u id.User, a people.Audience) error {
	_, err := s.changedOne(ctx, "set audience", usersName, byID(u), set(is("privacySettings.whoCanMessage", string(a))))
	return err
}

func blockOf(blocker, blocked id.User) bson.D {
	return bson.D{is("blocker", bson.ObjectID(blocker)), is("blocked", bson.ObjectID(blocked))}
}

// findBlock returns a block; nil where there is none.
func findBlock(t *tx, blocker, blocked id.User) (*blockDoc, error) {
	var d blockDoc
	return found(&d, t.reading(blocksName).FindOne(t.ctx, blockOf(blocker, blocked)).Decode(&d))
}

// AddBlock implements people.Ties.
func (s *Store) AddBlock(ctx context.Context, b people.Block) (people.Block, bool, error) {
	doc, err := s.newBlock(ctx, b)
	if err == nil {
		err = s.adopted(ctx, doc.Pair)
	}
	if err != nil {
		return people.Block{}, false, fmt.Errorf("add block: %w", unavailable(err))
	}
	var first *blockDoc
	err = s.writer.do(ctx, "add block", func(t *tx) error {
		first = nil
		apart, err := t.apart(b.Blocker, b.Blocked)
		if err == nil && apart {
			first, err = findBlock(t, b.Blocker, b.Blocked)
		}
		if err != nil || first != nil {
			return err
		}
		n, err := blocking(t, b.Blocker)
		if err != nil || n >= people.MaxBlocks {
			return either(err, people.ErrTooManyBlocks)
		}
		if _, err := t.collection(blocksName).InsertOne(t.ctx, doc); err != nil {
			return err
		}
		t.unit.blocking[b.Blocker]++
		return reload(t, b.Blocker, b.Blocked)
	}, bothOf(b.Blocker, b.Blocked))
	switch {
	case err != nil:
		return people.Block{}, false, err
	case first != nil:
		b, err = s.openBlock(ctx, *first)
		return b, err == nil, err
	}
	return b, false, nil
}

// RemoveBlock implements people.Ties.
func (s *Store) RemoveBlock(ctx context.Context, blocker, blocked id.User) error {
	if err := s.adopted(ctx, keyOf(message.Between(blocker, blocked))); err != nil {
		return fmt.Errorf("remove block: %w", unavailable(err))
	}
	return s.writer.do(ctx, "remove block", func(t *tx) error {
		d, err := findBlock(t, blocker, blocked)
		if err != nil || d == nil {
			return either(err, people.ErrNoBlock)
		}
		if _, err := t.collection(blocksName).DeleteOne(t.ctx, bson.D{is("_id", d.ID)}); err != nil {
			return err
		}
		delete(t.unit.blocking, blocker)
		return reload(t, blocker, blocked)
	}, bothOf(blocker, blocked))
}

// bothOf is what a block between two people needs to know of them.
func bothOf(a, b id.User) needs {
	conv := keyOf(message.Between(a, b))
	return needs{threads: []threadKey{threadOf(a, conv), threadOf(b, conv)}, pairs: []convKey{conv}}
}

// blocking counts whom a person blocks, once for a batch.
func blocking(t *tx, u id.User) (int64, error) {
	if n, known := t.unit.blocking[u]; known {
		return n, nil
	}
	n, err := t.reading(blocksName).CountDocuments(t.ctx, bson.D{is("blocker", bson.ObjectID(u))})
	if err == nil {
		t.unit.blocking[u] = n
	}
	return n, err
}

// reload makes the next Since of two people a reload: their conversation went out of sight, or
// came back with what was missed.
func reload(t *tx, a, b id.User) error {
	t.reblocked(a, b)
	seq := t.next()
	for _, u := range []id.User{a, b} {
		d, err := t.thread(u, keyOf(message.Between(a, b)))
		if err != nil {
			return err
		}
		if d != nil {
			d.Changed, d.ReloadAt = seq, seq
			t.save(d)
		}
	}
	return nil
}

// Blocks implements people.Ties.
func (s *Store) Blocks(ctx context.Context, blocker id.User) ([]people.Block, error) {
	var found []blockDoc
	c, err := s.coll(blocksName).Find(ctx, bson.D{is("blocker", bson.ObjectID(blocker))},
		options.Find().SetSort(bson.D{is("createdAt", -1), is("_id", -1)}))
	if err == nil {
		err = c.All(ctx, &found)
	}
	if err != nil {
		return nil, fmt.Errorf("list blocks: %w", unavailable(err))
	}
	blocks := make([]people.Block, len(found))
	for i, d := range found {
		if blocks[i], err = s.openBlock(ctx, d); err != nil {
			return nil, fmt.Errorf("list blocks: %w", unavailable(err))
		}
	}
	return blocks, nil
}

// pairBlocks gives blocks of the former system the pair by which they are looked up.
func (s *Store) pairBlocks(ctx context.Context) error {
	return eachBatch(ctx, s.coll(blocksName), bson.D{is("pair", nil)}, []string{"blocker", "blocked"},
		func(d blockDoc) bson.ObjectID { return d.ID },
		func(ctx context.Context, docs []blockDoc) error {
			return s.writer.do(ctx, "pair blocks", func(t *tx) error {
				models := make([]mongo.WriteModel, len(docs))
				for i, d := range docs {
					pair := keyOf(message.Between(id.User(d.Blocker), id.User(d.Blocked)))
					models[i] = mongo.NewUpdateOneModel().SetFilter(bson.D{is("_id", d.ID)}).SetUpdate(set(is("pair", pair)))
				}
				return update(t, blocksName, models)
			})
		})
}
