package mongostore

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// foldBatch is how many documents of the former system get what they lack in one operation.
const foldBatch = 1000

// complete gives documents of the former system the fields by which people and blocks are found
// here, and the members of groups their seats where it has changed them. The former system may have written since the store was open last: where it was to be
// able to read what is written here, every account is looked at.
func (s *Store) complete(ctx context.Context) error {
	var meta struct {
		Trial bool `bson:"trial"`
	}
	if err := s.coll(stateName).FindOne(ctx, bson.D{is("_id", metaID)}).Decode(&meta); err != nil {
		return err
	}
	if s.legacy && !meta.Trial {
		if err := s.onTrial(ctx, true); err != nil {
			return err
		}
	}
	if err := s.foldNames(ctx, meta.Trial || s.legacy); err != nil {
		return err
	}
	if meta.Trial || s.legacy {
		if err := s.matchSeats(ctx); err != nil {
			return err
		}
	}
	if meta.Trial && !s.legacy {
		if err := s.onTrial(ctx, false); err != nil {
			return err
		}
	}
	return s.pairBlocks(ctx)
}

// onTrial remembers whether the former system may write beside this one.
func (s *Store) onTrial(ctx context.Context, trial bool) error {
	_, err := s.changedOne(ctx, "remember a trial", stateName, bson.D{is("_id", metaID)}, set(is("trial", trial)))
	return err
}

// A namesDoc is what foldNames looks at.
type namesDoc struct {
	ID          bson.ObjectID `bson:"_id"`
	Username    loose         `bson:"username"`
	DisplayName *loose        `bson:"displayName"`
	UsernameKey *string       `bson:"usernameKey"`
	SearchKey   *string       `bson:"searchKey"`
}

func (d namesDoc) usernameKey() string { return strings.ToLower(string(d.Username)) }

func (d namesDoc) searchKey() string {
	shown := d.Username
	if d.DisplayName != nil {
		shown = *d.DisplayName
	}
	return searchKey(string(d.Username), string(shown))
}

// folded reports whether the keys are those of the names. A username that only its case tells
// from an older one has no key.
func (d namesDoc) folded() bool {
	return d.SearchKey != nil && *d.SearchKey == d.searchKey() && (d.UsernameKey == nil || *d.UsernameKey == d.usernameKey())
}

// foldNames gives accounts the keys by which they are found: all of them, or those that have
// none.
func (s *Store) foldNames(ctx context.Context, all bool) error {
	filter := bson.D{}
	if !all {
		filter = bson.D{is("searchKey", bson.D{is("$exists", false)})}
	}
	fields := []string{"username", "displayName", "usernameKey", "searchKey"}
	return eachBatch(ctx, s.coll(usersName), filter, fields, func(d namesDoc) bson.ObjectID { return d.ID }, s.fold)
}

// eachBatch hands the documents that a filter finds to change, some at a time, in the order of
// their ids. The slices are its own.
func eachBatch[D any](
	ctx context.Context, c *mongo.Collection, filter bson.D, fields []string, id func(D) bson.ObjectID, change func(context.Context, []D) error,
) error {
	o := options.Find().SetProjection(projection(fields)).SetSort(bson.D{is("_id", 1)}).SetLimit(foldBatch)
	for after := (bson.ObjectID{}); ; { // ids of another type are not those of the former system
		next := append(bson.D{is("_id", bson.D{is("$gt", after)})}, filter...)
		var docs []D
		found, err := c.Find(ctx, next, o)
		if err == nil {
			err = found.All(ctx, &docs)
		}
		if err != nil || len(docs) == 0 {
			return err
		}
		after = id(docs[len(docs)-1])
		if err := change(ctx, docs); err != nil {
			return err
		}
	}
}

// fold stores the keys of accounts that have not those of their names. Of usernames that are the
// same but for their case the first has the key.
func (s *Store) fold(ctx context.Context, docs []namesDoc) error {
	docs = slices.DeleteFunc(docs, namesDoc.folded)
	if len(docs) == 0 {
		return nil
	}
	return s.writer.do(ctx, "fold names", func(t *tx) error {
		var names bson.A
		for _, d := range docs {
			names = append(names, d.usernameKey())
		}
		owners := make(map[string]bson.ObjectID, len(docs))
		var owned []namesDoc
		c, err := t.reading(usersName).Find(t.ctx, bson.D{is("usernameKey", bson.D{is("$in", names)})},
			options.Find().SetProjection(projection([]string{"usernameKey"})))
		if err == nil {
			err = c.All(t.ctx, &owned)
		}
		if err != nil {
			return err
		}
		for _, d := range owned {
			owners[*d.UsernameKey] = d.ID
		}
		return update(t, usersName, foldings(docs, owners))
	})
}

// foldings are the changes that store the keys of accounts.
func foldings(docs []namesDoc, owners map[string]bson.ObjectID) (models []mongo.WriteModel) {
	for _, d := range docs {
		key := is("usernameKey", d.usernameKey())
		if owner, taken := owners[d.usernameKey()]; taken && owner != d.ID {
			key.Value = nil
		} else {
			owners[d.usernameKey()] = d.ID
		}
		models = append(models, mongo.NewUpdateOneModel().SetFilter(bson.D{is("_id", d.ID)}).
			SetUpdate(set(key, is("searchKey", d.searchKey()))))
	}
	return models
}

// update makes changes in a collection.
func update(t *tx, collection string, models []mongo.WriteModel) error {
	if len(models) == 0 {
		return nil
	}
	_, err := t.collection(collection).BulkWrite(t.ctx, models)
	return err
}
