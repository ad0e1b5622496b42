package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/files"
	"pryde/internal/id"
)

var _ files.Store = (*Store)(nil)

const uploadsName = "uploads"

var uploadsCollection = collection{name: uploadsName, indexes: []index{
	{keys: bson.D{is("owner", 1), is("_id", 1)}},
	{keys: bson.D{is("owner", 1), is("doomed", 1), is("size", 1)}},
	{keys: bson.D{is("due", 1)}, partial: bson.D{is("due", bson.D{is("$exists", true)})}},
	{keys: bson.D{is("uses", 1)}},
}}

// An uploadDoc is an upload as it is stored.
type uploadDoc struct {
	Name      bson.Binary     `bson:"_id"`
	Owner     bson.ObjectID   `bson:"owner"`
	Kind      string          `bson:"kind"`
	Type      string          `bson:"type"`
	Size      int64           `bson:"size"`
	Key       []byte          `bson:"key"` // sealed
	CreatedAt time.Time       `bson:"createdAt"`
	Due       *time.Time      `bson:"due,omitempty"`
	Doomed    bool            `bson:"doomed"`
	Uses      []bson.ObjectID `bson:"uses"` // the messages that have it
}

func (d uploadDoc) upload() files.Upload {
	u := files.Upload{
		Owner: id.User(d.Owner), Kind: files.Kind(d.Kind), Type: d.Type, Size: d.Size, Key: d.Key, CreatedAt: utc(d.CreatedAt), Doomed: d.Doomed,
	}
	if d.Due != nil {
		u.Due = d.Due.UTC()
	}
	copy(u.Name[:], d.Name.Data)
	return u
}

func uploadNamed(n files.Name) bson.D { return bson.D{is("_id", uploadKey(n))} }

func uploadKey(n files.Name) bson.Binary { return bson.Binary{Data: n[:]} }

// notDoomed matches uploads that somebody may have, behind other conditions.
func notDoomed(conditions ...bson.E) bson.D { return append(bson.D(conditions), is("doomed", false)) }

// doom is the change that dooms uploads.
func doom(at time.Time) bson.D { return set(is("doomed", true), is("due", whole(at))) }

func ownedBy(owner id.User) bson.E { return is("owner", bson.ObjectID(owner)) }

// AddUpload implements files.Store.
func (s *Store) AddUpload(ctx context.Context, u files.Upload, quota int64) error {
	d := uploadDoc{
		Name: uploadKey(u.Name), Owner: bson.ObjectID(u.Owner), Kind: string(u.Kind), Type: u.Type, Size: u.Size, Key: u.Key,
		CreatedAt: whole(u.CreatedAt), Doomed: u.Doomed, Uses: []bson.ObjectID{},
	}
	if !u.Due.IsZero() {
		due := whole(u.Due)
		d.Due = &due
	}
	return s.writer.do(ctx, "add upload", func(t *tx) error {
		used, err := uploadedBytes(t.ctx, t.reading(uploadsName), u.Owner)
		if err != nil || used+u.Size > quota {
			return either(err, files.ErrQuota)
		}
		_, err = t.collection(uploadsName).InsertOne(t.ctx, d)
		return err
	})
}

func uploadedBytes(ctx context.Context, uploads *mongo.Collection, owner id.User) (int64, error) {
	c, err := uploads.Aggregate(ctx, bson.A{
		bson.D{is("$match", notDoomed(ownedBy(owner)))},
		bson.D{is("$group", bson.D{is("_id", nil), is("bytes", bson.D{is("$sum", "$size")})})},
	})
	var sums []struct {
		Bytes int64 `bson:"bytes"`
	}
	if err == nil {
		err = c.All(ctx, &sums)
	}
	if err != nil || len(sums) == 0 {
		return 0, err
	}
	return sums[0].Bytes, nil
}

// UploadedBytes implements files.Store.
func (s *Store) UploadedBytes(ctx context.Context, owner id.User) (int64, error) {
	n, err := uploadedBytes(ctx, s.coll(uploadsName), owner)
	if err != nil {
		return 0, fmt.Errorf("add up uploads: %w", unavailable(err))
	}
	return n, nil
}

// Upload implements files.Store.
func (s *Store) Upload(ctx context.Context, n files.Name) (files.Upload, error) {
	d, err := findUpload(ctx, s.coll(uploadsName), n)
	if err != nil {
		return files.Upload{}, fmt.Errorf("find upload: %w", unavailable(err))
	}
	return d.upload(), nil
}

func findUpload(ctx context.Context, uploads *mongo.Collection, n files.Name) (d uploadDoc, err error) {
	err = uploads.FindOne(ctx, uploadNamed(n)).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = files.ErrNoUpload
	}
	return d, err
}

func (s *Store) uploads(ctx context.Context, filter, sort bson.D, limit int) ([]files.Upload, error) {
	var found []uploadDoc
	c, err := s.coll(uploadsName).Find(ctx, filter, options.Find().SetSort(sort).SetLimit(int64(limit)).SetProjection(bson.D{is("uses", 0)}))
	if err == nil {
		err = c.All(ctx, &found)
	}
	if err != nil {
		return nil, fmt.Errorf("list uploads: %w", unavailable(err))
	}
	list := make([]files.Upload, len(found))
	for i, d := range found {
		list[i] = d.upload()
	}
	return list, nil
}

// UploadsOf implements files.Store.
func (s *Store) UploadsOf(ctx context.Context, owner id.User, after files.Name, limit int) ([]files.Upload, error) {
	return s.uploads(ctx, notDoomed(ownedBy(owner), is("_id", bson.D{is("$gt", uploadKey(after))})), bson.D{is("_id", 1)}, limit)
}

// UploadsBetween implements files.Store.
func (s *Store) UploadsBetween(ctx context.Context, after, last files.Name, limit int) ([]files.Upload, error) {
	return s.uploads(ctx, bson.D{is("_id", bson.D{is("$gt", uploadKey(after)), is("$lte", uploadKey(last))})}, bson.D{is("_id", 1)}, limit)
}

// DueUploads implements files.Store.
func (s *Store) DueUploads(ctx context.Context, by time.Time, limit int) ([]files.Upload, error) {
	return s.uploads(ctx, bson.D{is("due", bson.D{is("$lte", whole(by))})}, bson.D{is("due", 1)}, limit)
}

// UseUploads implements files.Store.
func (s *Store) UseUploads(ctx context.Context, owner id.User, m id.Message, names []files.Name, due time.Time) error {
	keys := make(map[files.Name]bool, len(names))
	list := bson.A{}
	for _, n := range names {
		if !keys[n] {
			list = append(list, uploadKey(n))
		}
		keys[n] = true
	}
	mine := notDoomed(is("_id", bson.D{is("$in", list)}), ownedBy(owner))
	room := append(mine[:len(mine):len(mine)], is("$or", bson.A{
		bson.D{is("uses", bson.ObjectID(m))}, bson.D{is(fmt.Sprintf("uses.%d", files.MaxUses-1), bson.D{is("$exists", false)})},
	}))
	return s.writer.do(ctx, "use uploads", func(t *tx) error {
		there, err := t.reading(uploadsName).CountDocuments(t.ctx, room)
		if err != nil || int(there) != len(list) {
			return either(err, files.ErrForeign)
		}
		_, err = t.collection(uploadsName).UpdateMany(t.ctx, mine,
			append(set(is("due", whole(due))), is("$addToSet", bson.D{is("uses", bson.ObjectID(m))})))
		return err
	})
}

// ReleaseUploads implements files.Store.
func (s *Store) ReleaseUploads(ctx context.Context, m id.Message, at time.Time) error {
	return s.writer.do(ctx, "release uploads", func(t *tx) error { return releaseUploads(t, m, at) })
}

// releaseUploads takes a message that is gone from its files, and dooms those that no other
// message has. Whatever removes a message for good calls it in the same commit.
func releaseUploads(t *tx, m id.Message, at time.Time) error {
	having := bson.D{is("uses", bson.ObjectID(m))}
	there, err := t.reading(uploadsName).CountDocuments(t.ctx, having, options.Count().SetLimit(1))
	if err != nil || there == 0 {
		return err
	}
	uploads := t.collection(uploadsName)
	only := notDoomed(is("uses", bson.A{bson.ObjectID(m)}))
	if _, err := uploads.UpdateMany(t.ctx, only, doom(at)); err != nil {
		return err
	}
	_, err = uploads.UpdateMany(t.ctx, having, bson.D{is("$pull", bson.D{is("uses", bson.ObjectID(m))})})
	return err
}

// DoomUploadsOf implements files.Store.
func (s *Store) DoomUploadsOf(ctx context.Context, owner id.User, at time.Time) error {
	return s.writer.do(ctx, "doom uploads", func(t *tx) error {
		_, err := t.collection(uploadsName).UpdateMany(t.ctx, notDoomed(ownedBy(owner)), doom(at))
		return err
	})
}

// DoomUpload implements files.Store.
func (s *Store) DoomUpload(ctx context.Context, n files.Name, at time.Time) error {
	_, err := s.changedOne(ctx, "doom upload", uploadsName, notDoomed(is("_id", uploadKey(n))), doom(at))
	return err
}

// SettleUpload implements files.Store.
func (s *Store) SettleUpload(ctx context.Context, n files.Name, due time.Time) (files.Upload, error) {
	var d uploadDoc
	err := s.writer.do(ctx, "settle upload", func(t *tx) (err error) {
		if d, err = findUpload(t.ctx, t.reading(uploadsName), n); err != nil {
			return err
		}
		if d.Doomed || d.Due == nil || !d.Due.Equal(whole(due)) {
			return nil
		}
		if d.Uses, err = lasting(t, d.Uses); err != nil {
			return err
		}
		change := bson.D{is("$set", bson.D{is("uses", d.Uses)}), is("$unset", bson.D{is("due", "")})}
		if d.Doomed = len(d.Uses) == 0; d.Doomed {
			change = set(is("uses", d.Uses), is("doomed", true))
		} else {
			d.Due = nil
		}
		_, err = t.collection(uploadsName).UpdateOne(t.ctx, uploadNamed(n), change)
		return err
	})
	if err != nil {
		return files.Upload{}, err
	}
	return d.upload(), nil
}

// lasting returns those of some messages that are stored and not deleted for all.
func lasting(t *tx, of []bson.ObjectID) ([]bson.ObjectID, error) {
	there := []bson.ObjectID{}
	if len(of) == 0 {
		return there, nil
	}
	var found []struct {
		ID bson.ObjectID `bson:"_id"`
	}
	c, err := t.reading(messagesName).Find(t.ctx, bson.D{is("_id", bson.D{is("$in", of)}), is("isDeletedForAll", bson.D{is("$ne", true)})},
		options.Find().SetProjection(bson.D{is("_id", 1)}))
	if err == nil {
		err = c.All(t.ctx, &found)
	}
	for _, d := range found {
		there = append(there, d.ID)
	}
	return there, err
}

// DeferUpload implements files.Store.
func (s *Store) DeferUpload(ctx context.Context, n files.Name, due time.Time) error {
	_, err := s.changedOne(ctx, "defer upload", uploadsName, uploadNamed(n), set(is("due", whole(due))))
	return err
}

// DeleteUpload implements files.Store.
func (s *Store) DeleteUpload(ctx context.Context, n files.Name) error {
	return s.writer.do(ctx, "delete upload", func(t *tx) error {
		_, err := t.collection(uploadsName).DeleteOne(t.ctx, bson.D{is("_id", uploadKey(n)), is("doomed", true)})
		return err
	})
}
