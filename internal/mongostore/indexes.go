package mongostore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A collection is the name of one and the indexes that it needs besides that of _id. Those that
// are there besides, an older system's, are left alone.
type collection struct {
	name    string
	indexes []index
}

// An index is what its file declares.
type index struct {
	name    string // where it is not that of the server's own making
	keys    bson.D
	unique  bool
	partial bson.D // only documents that match; nil for all
	expires *int32 // seconds after the time in the key
}

// collections lists what Open makes. Every file that owns a collection declares it.
var collections = []collection{
	messagesCollection,
	threadsCollection,
	groupsCollection,
	seatsCollection,
	draftsCollection,
	usersCollection,
	sessionsCollection,
	factorsCollection,
	blocksCollection,
	followsCollection,
	uploadsCollection,
	searchesCollection,
	segmentsCollection,
	{name: stateName},
}

// indexTime bounds the making of indexes: with many messages of the former system it takes
// minutes.
const indexTime = 24 * time.Hour

// ensure makes the collections and their indexes. A transaction cannot make what is missing.
func (d *Database) ensure(ctx context.Context, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, indexTime)
	defer cancel()
	errs := make([]error, len(collections))
	var all sync.WaitGroup
	for i, c := range collections {
		all.Go(func() { errs[i] = d.ensureOne(ctx, c, log) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (d *Database) ensureOne(ctx context.Context, c collection, log *slog.Logger) error {
	if err := d.data.CreateCollection(ctx, c.name); err != nil && !hasCode(err, codeNamespaceExists) {
		return fmt.Errorf("make the collection %s: %w", c.name, err)
	}
	if len(c.indexes) == 0 {
		return nil
	}
	docs := d.data.Collection(c.name)
	n, err := docs.EstimatedDocumentCount(ctx)
	if err != nil {
		return fmt.Errorf("count the documents of %s: %w", c.name, err)
	}
	there, err := docs.Indexes().ListSpecifications(ctx)
	if err != nil {
		return fmt.Errorf("list the indexes of %s: %w", c.name, err)
	}
	if n > 0 && !c.complete(there) {
		log.Info("making indexes, which may take a while", "collection", c.name, "documents", n)
	}
	if _, err := docs.Indexes().CreateMany(ctx, c.models()); err != nil {
		return fmt.Errorf("make the indexes of %s: %w", c.name, err)
	}
	return nil
}

// complete reports whether every index is there.
func (c collection) complete(there []mongo.IndexSpecification) bool {
	for _, x := range c.indexes {
		if !slices.ContainsFunc(there, func(s mongo.IndexSpecification) bool { return s.Name == x.title() }) {
			return false
		}
	}
	return true
}

// title is the name of the index: the server's own making are its keys and their directions.
func (x index) title() string {
	if x.name != "" {
		return x.name
	}
	var parts []string
	for _, k := range x.keys {
		parts = append(parts, fmt.Sprintf("%s_%v", k.Key, k.Value))
	}
	return strings.Join(parts, "_")
}

func (c collection) models() []mongo.IndexModel {
	models := make([]mongo.IndexModel, len(c.indexes))
	for i, x := range c.indexes {
		o := options.Index().SetName(x.title())
		if x.unique {
			o.SetUnique(true)
		}
		if x.partial != nil {
			o.SetPartialFilterExpression(x.partial)
		}
		if x.expires != nil {
			o.SetExpireAfterSeconds(*x.expires)
		}
		models[i] = mongo.IndexModel{Keys: x.keys, Options: o}
	}
	return models
}

func hasCode(err error, code int) bool {
	answer, ok := errors.AsType[mongo.ServerError](err)
	return ok && answer.HasErrorCode(code)
}
