package mongostore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/seal"
)

var _ seal.KeyStore = (*Keys)(nil)

const keysName = "keys"

// Keys keeps wrapped keys in a database of their own, whose name is that of the data with _keys
// behind it. It stays out of backups of the data, so that an erased person is gone from them
// too. Its methods are safe for concurrent use.
type Keys struct {
	keys    *mongo.Collection
	indexed atomic.Bool
}

// Keys returns the keys. They need no lease: a key is added once and never changes.
func (d *Database) Keys() *Keys { return &Keys{keys: d.keys.Collection(keysName)} }

// A keyDoc is a wrapped key as it is stored. The bits of its id are those of an int64.
type keyDoc struct {
	ID      int64         `bson:"_id"`
	Purpose seal.Purpose  `bson:"purpose"`
	Owner   bson.ObjectID `bson:"owner"`
	Master  seal.KeyID    `bson:"master"`
	Sealed  []byte        `bson:"sealed"`
}

func (d keyDoc) key() seal.WrappedKey {
	return seal.WrappedKey{ID: seal.DataKeyID(d.ID), Purpose: d.Purpose, Owner: d.Owner, Master: d.Master, Sealed: d.Sealed}
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
	if err != nil {
		return seal.WrappedKey{}, fmt.Errorf("add a key: %w", unavailable(err))
	}
	return stored, nil
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

// index makes the index that keeps an owner from having two keys of a purpose. Until it is there
// no key is added.
func (k *Keys) index(ctx context.Context) error {
	if k.indexed.Load() {
		return nil
	}
	_, err := k.keys.Indexes().CreateOne(ctx, mongo.IndexModel{
		Keys: bson.D{is("purpose", 1), is("owner", 1)}, Options: options.Index().SetUnique(true),
	})
	if err == nil {
		k.indexed.Store(true)
	}
	return err
}

// KeyByOwner implements seal.KeyStore.
func (k *Keys) KeyByOwner(ctx context.Context, p seal.Purpose, o seal.Owner) (seal.WrappedKey, bool, error) {
	return k.find(ctx, ownerOf(p, o))
}

// KeyByID implements seal.KeyStore.
func (k *Keys) KeyByID(ctx context.Context, i seal.DataKeyID) (seal.WrappedKey, bool, error) {
	return k.find(ctx, bson.D{is("_id", int64(i))})
}

func (k *Keys) find(ctx context.Context, filter bson.D) (seal.WrappedKey, bool, error) {
	var d keyDoc
	switch err := k.keys.FindOne(ctx, filter).Decode(&d); {
	case errors.Is(err, mongo.ErrNoDocuments):
		return seal.WrappedKey{}, false, nil
	case err != nil:
		return seal.WrappedKey{}, false, fmt.Errorf("find a key: %w", unavailable(err))
	}
	return d.key(), true, nil
}
