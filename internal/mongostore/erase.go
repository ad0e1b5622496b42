package mongostore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/message"
)

// Standing implements custody.People.
func (s *Store) Standing(ctx context.Context, us []id.User) ([]id.User, error) {
	ids := make([]bson.ObjectID, len(us))
	for i, u := range us {
		ids[i] = bson.ObjectID(u)
	}
	c, err := s.coll(usersName).Find(ctx, append(within("_id", ids), notDeleted), options.Find().SetProjection(bson.D{is("_id", 1)}))
	if err != nil {
		return nil, fmt.Errorf("look who was not deleted: %w", unavailable(err))
	}
	found, err := all[userDoc](ctx, c)
	if err != nil {
		return nil, fmt.Errorf("look who was not deleted: %w", unavailable(err))
	}
	standing := make([]id.User, len(found))
	for i, d := range found {
		standing[i] = id.User(d.ID)
	}
	return standing, nil
}

// reloadBatch is how many conversations are marked in one commit.
const reloadBatch = 200

// Reload implements custody.Data: each conversation that the person has, or had in a group, is
// told as changed. Whoever was away reads those between two people again as a whole.
func (s *Store) Reload(ctx context.Context, u id.User) error {
	me := bson.ObjectID(u)
	own, err := s.idsOf(ctx, threadsName, bson.D{is("user", me)}, "peer")
	if err != nil {
		return fmt.Errorf("mark what is to be read again: %w", unavailable(err))
	}
	groups, err := s.idsOf(ctx, seatsName, bson.D{is("user", me)}, "group")
	if err != nil {
		return fmt.Errorf("mark what is to be read again: %w", unavailable(err))
	}
	for len(own)+len(groups) > 0 {
		n, g := min(len(own), reloadBatch), min(len(groups), reloadBatch)
		if err := s.reloadSome(ctx, u, own[:n], groups[:g]); err != nil {
			return err
		}
		own, groups = own[n:], groups[g:]
	}
	return nil
}

// idsOf returns one field of the documents that a filter finds.
func (s *Store) idsOf(ctx context.Context, collection string, filter bson.D, field string) ([]bson.ObjectID, error) {
	c, err := s.coll(collection).Find(ctx, filter, options.Find().SetProjection(bson.D{is("_id", 0), is(field, 1)}))
	if err != nil {
		return nil, err
	}
	docs, err := all[bson.Raw](ctx, c)
	if err != nil {
		return nil, err
	}
	ids := make([]bson.ObjectID, 0, len(docs))
	for _, d := range docs {
		if i, ok := d.Lookup(field).ObjectIDOK(); ok {
			ids = append(ids, i)
		}
	}
	return ids, nil
}

func (s *Store) reloadSome(ctx context.Context, u id.User, peers, groups []bson.ObjectID) error {
	return s.writer.do(ctx, "mark what is to be read again", func(t *tx) error {
		if err := t.flush(); err != nil {
			return err
		}
		defer t.forget()
		seq := t.next()
		if len(peers) > 0 {
			keys := make([]threadKey, len(peers))
			for i, p := range peers {
				keys[i] = threadOf(id.User(p), keyOf(message.Between(u, id.User(p))))
			}
			if _, err := t.collection(threadsName).UpdateMany(t.ctx, within("_id", keys), set(is("changed", seq), is("reloadAt", seq))); err != nil {
				return err
			}
		}
		if len(groups) == 0 {
			return nil
		}
		_, err := t.collection(groupsName).UpdateMany(t.ctx, within("_id", groups), set(is("changed", seq)))
		return err
	})
}

// Bury implements custody.Data.
func (s *Store) Bury(ctx context.Context, u id.User, from string, at time.Time, limit int) (string, error) {
	place := readMark(from)
	docs, err := s.shelved(ctx, u, place, limit)
	if err != nil {
		return "", fmt.Errorf("delete the messages of a person: %w", unavailable(err))
	}
	errs := make([]error, len(docs))
	var all sync.WaitGroup
	for i, d := range docs {
		all.Go(func() {
			m, _ := d.Lookup("_id").ObjectIDOK()
			if _, _, err := s.DeleteForAll(ctx, id.Message(m), at); !errors.Is(err, message.ErrNoMessage) {
				errs[i] = err
			}
		})
	}
	all.Wait()
	next := place.behind(docs, limit)
	next.end = next.end || next.shelf == messageShelves
	return next.String(), errors.Join(errs...)
}
