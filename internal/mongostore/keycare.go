package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/seal"
)

// ReplaceKey implements seal.KeyStore.
func (k *Keys) ReplaceKey(ctx context.Context, old seal.DataKeyID, w seal.WrappedKey, at time.Time) (done bool, err error) {
	session, err := k.keys.Database().Client().StartSession()
	if err != nil {
		return false, fmt.Errorf("replace a key: %w", unavailable(err))
	}
	defer session.EndSession(ctx)
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		done = false
		var d keyDoc
		err := k.keys.FindOneAndDelete(ctx, append(ownerOf(w.Purpose, w.Owner), is("_id", int64(old)))).Decode(&d)
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		d.RetiredAt = whole(at)
		if _, err := k.retired.InsertOne(ctx, d); err != nil {
			return nil, err
		}
		done = true
		_, err = k.keys.InsertOne(ctx, newKeyDoc(w))
		return nil, err
	})
	if err != nil {
		return false, fmt.Errorf("replace a key: %w", unavailable(err))
	}
	return done, nil
}

// RetiredKeys implements seal.KeyStore.
func (k *Keys) RetiredKeys(ctx context.Context) ([]seal.WrappedKey, error) {
	keys, err := listKeys(ctx, k.retired, bson.D{}, options.Find().SetSort(bson.D{is("_id", 1)}))
	if err != nil {
		return nil, fmt.Errorf("list the retired keys: %w", unavailable(err))
	}
	return keys, nil
}

func listKeys(ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder) ([]seal.WrappedKey, error) {
	cursor, err := c.Find(ctx, filter, o)
	if err != nil {
		return nil, err
	}
	docs, err := all[keyDoc](ctx, cursor)
	if err != nil {
		return nil, err
	}
	keys := make([]seal.WrappedKey, len(docs))
	for i, d := range docs {
		keys[i] = d.key()
	}
	return keys, nil
}

// DropKey implements seal.KeyStore.
func (k *Keys) DropKey(ctx context.Context, i seal.DataKeyID) error {
	if _, err := k.retired.DeleteOne(ctx, bson.D{is("_id", int64(i))}); err != nil {
		return fmt.Errorf("destroy a key: %w", unavailable(err))
	}
	return nil
}

// An erasedDoc says since when a person is erased.
type erasedDoc struct {
	ID bson.ObjectID `bson:"_id"` // that of the person
	At time.Time     `bson:"at"`
}

// EraseOwner implements seal.KeyStore. What is removed is gone for a majority of the servers. First
// it is noted, so that no key is added any more.
func (k *Keys) EraseOwner(ctx context.Context, o seal.Owner, at time.Time) error {
	_, err := k.erased.UpdateOne(ctx, bson.D{is("_id", bson.ObjectID(o))},
		bson.D{is("$setOnInsert", bson.D{is("at", whole(at))})}, options.UpdateOne().SetUpsert(true))
	for _, c := range []*mongo.Collection{k.keys, k.retired} {
		if err == nil {
			_, err = c.DeleteMany(ctx, ownerOf(seal.PurposePerson, o))
		}
	}
	if err != nil {
		return fmt.Errorf("destroy the keys of a person: %w", unavailable(err))
	}
	return nil
}

// ErasedOwners implements seal.KeyStore.
func (k *Keys) ErasedOwners(ctx context.Context) (map[seal.Owner]time.Time, error) {
	var docs []*erasedDoc
	cursor, err := k.erased.Find(ctx, bson.D{})
	if err == nil {
		docs, err = all[erasedDoc](ctx, cursor)
	}
	if err != nil {
		return nil, fmt.Errorf("list who was erased: %w", unavailable(err))
	}
	erased := make(map[seal.Owner]time.Time, len(docs))
	for _, d := range docs {
		erased[seal.Owner(d.ID)] = utc(d.At)
	}
	return erased, nil
}

// KeysBesides implements seal.KeyStore.
func (k *Keys) KeysBesides(ctx context.Context, m seal.KeyID, limit int) (keys []seal.WrappedKey, err error) {
	for _, c := range []*mongo.Collection{k.keys, k.retired} {
		if len(keys) == limit {
			break
		}
		more, err := listKeys(ctx, c, bson.D{is("master", bson.D{is("$ne", m)})}, options.Find().SetLimit(int64(limit-len(keys))))
		if err != nil {
			return nil, fmt.Errorf("list keys: %w", unavailable(err))
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

// Rewrap implements seal.KeyStore. It is atomic for each key, which is enough: each wrapping opens.
func (k *Keys) Rewrap(ctx context.Context, keys []seal.Rewrapping) (changed int, err error) {
	models := map[*mongo.Collection][]mongo.WriteModel{}
	for _, r := range keys {
		c := k.keys
		if !r.From.RetiredAt.IsZero() {
			c = k.retired
		}
		models[c] = append(models[c], mongo.NewUpdateOneModel().
			SetFilter(bson.D{is("_id", int64(r.From.ID)), is("sealed", r.From.Sealed)}).
			SetUpdate(set(is("master", r.To.Master), is("sealed", r.To.Sealed))))
	}
	for c, m := range models {
		result, err := c.BulkWrite(ctx, m, options.BulkWrite().SetOrdered(false))
		if err != nil {
			return changed, fmt.Errorf("re-wrap keys: %w", unavailable(err))
		}
		changed += int(result.ModifiedCount)
	}
	return changed, nil
}

// Masters implements seal.KeyStore.
func (k *Keys) Masters(ctx context.Context) (map[seal.KeyID]int, error) {
	masters := map[seal.KeyID]int{}
	for _, c := range []*mongo.Collection{k.keys, k.retired} {
		cursor, err := c.Aggregate(ctx, bson.A{
			bson.D{is("$group", bson.D{is("_id", "$master"), is("n", bson.D{is("$sum", 1)})})},
		})
		if err != nil {
			return nil, fmt.Errorf("count the keys: %w", unavailable(err))
		}
		type group struct {
			Master seal.KeyID `bson:"_id"`
			N      int        `bson:"n"`
		}
		groups, err := all[group](ctx, cursor)
		if err != nil {
			return nil, fmt.Errorf("count the keys: %w", unavailable(err))
		}
		for _, g := range groups {
			masters[g.Master] += g.N
		}
	}
	return masters, nil
}
