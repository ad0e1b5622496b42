package mongostore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
)

// errUnplaced refuses to read what the server has not given its place yet.
var errUnplaced = errors.New("messages of the former server have no places yet: wait until the server's log says that they have")

// OpenToRead opens a database beside the server that may have it open; it needs no lease. What would
// change something answers that the store is closed. Nothing has to be closed.
func OpenToRead(ctx context.Context, o Options) (*Store, error) {
	s := &Store{db: o.Database, vault: o.Vault, formerKey: o.FormerKey, legacy: o.Legacy}
	s.writer = &writer{store: s, closing: make(chan struct{}), fenced: make(chan struct{})}
	close(s.writer.closing)
	a := &adoption{store: s, log: slog.New(slog.DiscardHandler)}
	s.adoption = a
	if err := s.openToRead(ctx, a); err != nil {
		return nil, fmt.Errorf("open the store: %w", unavailable(err))
	}
	return s, nil
}

func (s *Store) openToRead(ctx context.Context, a *adoption) error {
	if err := s.vault.Check(ctx); err != nil {
		return err
	}
	var meta struct {
		Database []byte  `bson:"database"`
		Cutover  cutover `bson:"cutover"`
	}
	if err := s.coll(stateName).FindOne(ctx, bson.D{is("_id", metaID)}).Decode(&meta); err != nil {
		return fmt.Errorf("no server has worked here: %w", err)
	}
	copy(s.database[:], meta.Database)
	a.cut = meta.Cutover
	left, err := a.anyLeft(ctx)
	if err != nil || left {
		return either(err, errUnplaced)
	}
	a.done.Store(true)
	return nil
}

// Followed returns whom a person follows, or who follows them, by their ids.
func (s *Store) Followed(ctx context.Context, u id.User, by bool) ([]id.User, error) {
	of, field := "follower", "following"
	if by {
		of, field = field, of
	}
	c, err := s.coll(followsName).Find(ctx, bson.D{is(of, bson.ObjectID(u))},
		options.Find().SetSort(bson.D{is(field, 1)}).SetProjection(bson.D{is("_id", 0), is(field, 1)}))
	if err != nil {
		return nil, fmt.Errorf("list follows: %w", unavailable(err))
	}
	docs, err := all[bson.Raw](ctx, c)
	if err != nil {
		return nil, fmt.Errorf("list follows: %w", unavailable(err))
	}
	var us []id.User
	for _, d := range docs {
		if i, ok := d.Lookup(field).ObjectIDOK(); ok {
			us = append(us, id.User(i))
		}
	}
	return us, nil
}
