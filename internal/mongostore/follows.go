package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
)

const followsName = "follows"

var followsCollection = collection{name: followsName, indexes: []index{
	{keys: bson.D{is("follower", 1), is("following", 1)}, unique: true},
	{keys: bson.D{is("following", 1), is("createdAt", -1)}},
}}

func followOf(follower, following id.User) bson.D {
	return bson.D{is("follower", bson.ObjectID(follower)), is("following", bson.ObjectID(following))}
}

// Follow implements people.Ties.
func (s *Store) Follow(ctx context.Context, follower, following id.User, at time.Time) (fresh bool, err error) {
	err = s.writer.do(ctx, "follow", func(t *tx) error {
		r, err := t.collection(followsName).UpdateOne(t.ctx, followOf(follower, following),
			bson.D{is("$setOnInsert", bson.D{is("createdAt", whole(at)), is("updatedAt", whole(at))})},
			options.UpdateOne().SetUpsert(true))
		if err != nil {
			return err
		}
		if fresh = r.UpsertedCount > 0; !fresh {
			return nil
		}
		return s.mirrorFollow(t, "$addToSet", follower, following)
	})
	return err == nil && fresh, err
}

// Unfollow implements people.Ties.
func (s *Store) Unfollow(ctx context.Context, follower, following id.User) (ended bool, err error) {
	err = s.writer.do(ctx, "unfollow", func(t *tx) error {
		r, err := t.collection(followsName).DeleteOne(t.ctx, followOf(follower, following))
		if err != nil {
			return err
		}
		if ended = r.DeletedCount > 0; !ended {
			return nil
		}
		return s.mirrorFollow(t, "$pull", follower, following)
	})
	return err == nil && ended, err
}

// Follows implements people.Ties.
func (s *Store) Follows(ctx context.Context, follower, following id.User) (bool, error) {
	err := s.coll(followsName).FindOne(ctx, followOf(follower, following)).Err()
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look up follower: %w", unavailable(err))
	}
	return true, nil
}

// Contacts implements people.Ties.
func (s *Store) Contacts(ctx context.Context, u id.User, limit int) ([]id.User, error) {
	contacts := contacts{of: u, limit: limit, known: map[id.User]bool{u: true}}
	// Asked for before the rows: a conversation that gets its rows meanwhile is in both.
	former, err := s.unadopted(ctx, u, endOfTime, limit+1)
	for _, d := range former.own {
		contacts.add(d.Peer)
	}
	for _, from := range []struct{ collection, mine, theirs string }{
		{threadsName, "user", "peer"}, {followsName, "follower", "following"}, {followsName, "following", "follower"},
	} {
		if err == nil && len(contacts.list) < limit {
			err = contacts.read(ctx, s.coll(from.collection), from.mine, from.theirs)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read contacts: %w", unavailable(err))
	}
	return contacts.list, nil
}

// contacts collects people, each once.
type contacts struct {
	of    id.User
	limit int
	known map[id.User]bool
	list  []id.User
}

func (c *contacts) add(other bson.ObjectID) {
	if u := id.User(other); !c.known[u] && len(c.list) < c.limit {
		c.known[u] = true
		c.list = append(c.list, u)
	}
}

// read adds the people in a field of the documents that name the person in another.
func (c *contacts) read(ctx context.Context, from *mongo.Collection, mine, theirs string) error {
	var found []bson.Raw
	documents, err := from.Find(ctx, bson.D{is(mine, bson.ObjectID(c.of))},
		options.Find().SetProjection(bson.D{is("_id", 0), is(theirs, 1)}).SetLimit(int64(c.limit)+1))
	if err == nil {
		err = documents.All(ctx, &found)
	}
	for _, d := range found {
		if other, ok := d.Lookup(theirs).ObjectIDOK(); ok {
			c.add(other)
		}
	}
	return err
}
