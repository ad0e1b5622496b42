package main

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/mongostore"
	"pryde/internal/seal"
)

// A sharedSoil is the database of a home on MongoDB.
type sharedSoil struct {
	home *home
	keys *mongostore.Database
}

func (h *home) sharedSoil(ctx context.Context, s secrets) (soil, *seal.Vault, error) {
	db, err := mongostore.Connect(ctx, h.uri, mongostore.ConnectOptions{})
	if err != nil {
		return nil, nil, err
	}
	vault, err := s.vault(db.Keys())
	return &sharedSoil{home: h, keys: db}, vault, err
}

func (s *sharedSoil) close() error { return s.keys.Close() }

func (s *sharedSoil) state() *mongo.Collection {
	return s.home.mongo.client.Database(s.home.database).Collection("pryde")
}

func (s *sharedSoil) newest(ctx context.Context) (int64, error) {
	var lease struct {
		Seq int64 `bson:"seq"`
	}
	if err := s.state().FindOne(ctx, bson.D{{Key: "_id", Value: "lease"}}).Decode(&lease); err != nil {
		return 0, fmt.Errorf("find the newest number: %w", err)
	}
	return lease.Seq, nil
}

func (s *sharedSoil) messages(ctx context.Context, some []sownMessage) error {
	_, err := s.home.mongo.plain(s.home.database, "messages").InsertMany(ctx, some, options.InsertMany().SetOrdered(false))
	return err
}

func (s *sharedSoil) rows(ctx context.Context, some []*sownRow) error {
	var models []mongo.WriteModel
	for _, r := range some {
		models = append(models, r.upsert())
	}
	_, err := s.home.mongo.plain(s.home.database, "threads").BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	return err
}

func (r *sownRow) upsert() mongo.WriteModel {
	set := bson.D{
		{Key: "lastSeq", Value: r.last.seq}, {Key: "lastId", Value: r.last.id}, {Key: "lastAt", Value: r.lastAt},
		{Key: "unread", Value: r.unread}, {Key: "changed", Value: r.last.seq},
	}
	first := bson.D{
		{Key: "user", Value: r.user}, {Key: "peer", Value: r.peer}, {Key: "conv", Value: r.conv}, {Key: "createdAt", Value: r.firstAt},
	}
	if r.read.seq > 0 {
		set = append(set, bson.E{Key: "readSeq", Value: r.read.seq}, bson.E{Key: "readId", Value: r.read.id})
	} else {
		first = append(first, bson.E{Key: "readSeq", Value: int64(0)})
	}
	return mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: slices.Concat(r.user[:], r.conv)}}).SetUpsert(true).
		SetUpdate(bson.D{{Key: "$set", Value: set}, {Key: "$setOnInsert", Value: first}})
}

// finish waits for the disk, and so for all that was written before.
func (s *sharedSoil) finish(ctx context.Context, newest int64) error {
	_, err := s.state().UpdateByID(ctx, "lease", bson.D{{Key: "$set", Value: bson.D{{Key: "seq", Value: newest}}}})
	return err
}
