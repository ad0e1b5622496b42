package mongostore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/seal"
)

var _ seal.KeyStore = (*Keys)(nil)

// The collections of the database of the keys.
const (
	keysName    = "keys"
	retiredName = "retired" // keys that seal nothing more
	erasedName  = "erased"  // whose keys were destroyed for good
	ordersName  = "orders"  // what an operator wants done with the keys
)

// Keys keeps wrapped keys in a database of their own, whose name is that of the data with _keys
// behind it. It stays out of backups of the data, so that an erased person is gone from them
// too. Its methods are safe for concurrent use.
type Keys struct {
	keys, retired, erased, orders *mongo.Collection
	indexed                       atomic.Bool
}

// Keys returns the keys. They need no lease: whoever changes them looks at what was there.
func (d *Database) Keys() *Keys {
	return &Keys{
		keys: d.keys.Collection(keysName), retired: d.keys.Collection(retiredName),
		erased: d.keys.Collection(erasedName), orders: d.keys.Collection(ordersName),
	}
}

// A keyDoc is a wrapped key as it is stored. The bits of its id are those of an int64.
type keyDoc struct {
	ID      int64         `bson:"_id"`
	Purpose seal.Purpose  `bson:"purpose"`
	Owner   bson.ObjectID `bson:"owner"`
	Master  seal.KeyID    `bson:"master"`
	Sealed  []byte        `bson:"sealed"`

	// Of a retired key alone.
	RetiredAt time.Time `bson:"retiredAt,omitempty"`
	Note      string    `bson:"note,omitempty"` // how far what it has sealed is sealed again
}

func (d keyDoc) key() seal.WrappedKey {
	return seal.WrappedKey{
		ID: seal.DataKeyID(d.ID), Purpose: d.Purpose, Owner: d.Owner, Master: d.Master, Sealed: d.Sealed, RetiredAt: utc(d.RetiredAt),
	}
}

func newKeyDoc(w seal.WrappedKey) keyDoc {
	return keyDoc{ID: int64(w.ID), Purpose: w.Purpose, Owner: w.Owner, Master: w.Master, Sealed: w.Sealed}
}

func ownerOf(p seal.Purpose, o seal.Owner) bson.D {
	return bson.D{is("purpose", p), is("owner", bson.ObjectID(o))}
}

// AddKey implements seal.KeyStore.
func (k *Keys) AddKey(ctx context.Context, w seal.WrappedKey) (seal.WrappedKey, error) {
	stored, err := k.add(ctx, w)
	if mongo.IsDuplicateKeyError(err) {
		stored, err = k.add(ctx, w) // another one was quicker: it is found now, unless the random id is taken
	}
	if err == nil {
		err = k.refuseErased(ctx, stored)
	}
	if err != nil {
		return seal.WrappedKey{}, fmt.Errorf("add a key: %w", unavailable(err))
	}
	return stored, nil
}

// refuseErased takes a key away again whose owner was erased. An erasing that begins later finds it
// by itself.
func (k *Keys) refuseErased(ctx context.Context, w seal.WrappedKey) error {
	n, err := k.erased.CountDocuments(ctx, bson.D{is("_id", bson.ObjectID(w.Owner))})
	if err != nil || n == 0 {
		return err
	}
	_, err = k.keys.DeleteOne(ctx, bson.D{is("_id", int64(w.ID))})
	return either(err, seal.ErrKeyGone)
}

func (k *Keys) add(ctx context.Context, w seal.WrappedKey) (seal.WrappedKey, error) {
	if err := k.index(ctx); err != nil {
		return seal.WrappedKey{}, err
	}
	var d keyDoc
	err := k.keys.FindOneAndUpdate(ctx, ownerOf(w.Purpose, w.Owner),
		bson.D{is("$setOnInsert", bson.D{
			is("_id", int64(w.ID)), is("master", w.Master), is("sealed", w.Sealed),
		})},
		options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&d)
	return d.key(), err
}

// index makes the index that keeps an owner from having two keys of a purpose, without which no key
// is added, and that by which keys are re-wrapped.
func (k *Keys) index(ctx context.Context) error {
	if k.indexed.Load() {
		return nil
	}
	_, err := k.keys.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: bson.D{is("purpose", 1), is("owner", 1)}, Options: options.Index().SetUnique(true)},
		{Keys: bson.D{is("master", 1)}},
	})
	if err == nil {
		k.indexed.Store(true)
	}
	return err
}

// KeyByOwner implements seal.KeyStore.
func (k *Keys) KeyByOwner(ctx context.Context, p seal.Purpose, o seal.Owner) (seal.WrappedKey, bool, error) {
	return findKey(ctx, k.keys, ownerOf(p, o))
}

// KeyByID implements seal.KeyStore. A key moves from those in use to the retired ones and never
// back, so that it is found in one of them.
func (k *Keys) KeyByID(ctx context.Context, i seal.DataKeyID) (w seal.WrappedKey, found bool, err error) {
	for _, c := range []*mongo.Collection{k.keys, k.retired} {
		if w, found, err = findKey(ctx, c, bson.D{is("_id", int64(i))}); err != nil || found {
			return w, found, err
		}
	}
	return w, false, nil
}

func findKey(ctx context.Context, c *mongo.Collection, filter bson.D) (seal.WrappedKey, bool, error) {
	var d keyDoc
	switch err := c.FindOne(ctx, filter).Decode(&d); {
	case errors.Is(err, mongo.ErrNoDocuments):
		return seal.WrappedKey{}, false, nil
	case err != nil:
		return seal.WrappedKey{}, false, fmt.Errorf("find a key: %w", unavailable(err))
	}
	return d.key(), true, nil
}
