package mongostore

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
)

// RevokeSession implements auth.SessionStore.
func (s *Store) RevokeSession(ctx context.Context, i string, at time.Time) (done bool, err error) {
	if _, ok := sessionKey(i); !ok {
		return false, nil
	}
	err = s.writer.do(ctx, "revoke session", func(t *tx) error {
		done = false
		var d sessionDoc
		err := t.reading(sessionsName).FindOne(t.ctx, living(is("sessionId", i))).Decode(&d)
		switch {
		case errors.Is(err, mongo.ErrNoDocuments):
			return nil
		case err != nil:
			return err
		}
		done = true
		return s.end(t, id.User(d.User), []string{i}, at)
	})
	return err == nil && done, err
}

// RevokeSessions implements auth.SessionStore.
func (s *Store) RevokeSessions(ctx context.Context, u id.User, except string, at time.Time) (revoked []string, err error) {
	err = s.writer.do(ctx, "revoke sessions", func(t *tx) (err error) {
		revoked, err = s.revokeAll(t, u, except, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return revoked, nil
}

// revokeAll ends the sessions of a person but one, and returns those that it ended.
func (s *Store) revokeAll(t *tx, u id.User, except string, at time.Time) ([]string, error) {
	live, err := liveSessions(t, u)
	if err != nil {
		return nil, err
	}
	live = slices.DeleteFunc(live, func(i string) bool { return i == except })
	return live, s.end(t, u, live, at)
}

// TrimSessions implements auth.SessionStore.
func (s *Store) TrimSessions(ctx context.Context, u id.User, keep int, before, at time.Time) (ended []string, err error) {
	err = s.writer.do(ctx, "trim sessions", func(t *tx) (err error) {
		ended = nil
		old := bson.D{is("$lt", whole(before))}
		over := bson.D{ofUser(u), is("$or", bson.A{
			bson.D{is("revokedAt", old)}, bson.D{is("refreshTokenExpiry", old)},
		})}
		if _, err := t.collection(sessionsName).DeleteMany(t.ctx, over); err != nil {
			return err
		}
		ended, err = sessionIDs(t, living(ofUser(u)), options.Find().SetSort(lastActiveFirst).SetSkip(int64(keep)))
		if err != nil {
			return err
		}
		return s.end(t, u, ended, at)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// liveSessions returns the sessions of a person that have not ended, by their ids.
func liveSessions(t *tx, u id.User) ([]string, error) {
	return sessionIDs(t, living(ofUser(u)), options.Find().SetSort(bson.D{is("sessionId", 1)}))
}

func sessionIDs(t *tx, filter bson.D, more ...options.Lister[options.FindOptions]) (ids []string, err error) {
	var found []struct {
		Key string `bson:"sessionId"`
	}
	only := options.Find().SetProjection(projection([]string{"sessionId"}))
	c, err := t.reading(sessionsName).Find(t.ctx, filter, append(more, only)...)
	if err == nil {
		err = c.All(t.ctx, &found)
	}
	for _, d := range found {
		ids = append(ids, d.Key)
	}
	return ids, err
}

// end ends living sessions of a person.
func (s *Store) end(t *tx, u id.User, sessions []string, at time.Time) error {
	if len(sessions) == 0 {
		return nil
	}
	_, err := t.collection(sessionsName).UpdateMany(t.ctx, bson.D{is("sessionId", bson.D{is("$in", sessions)})},
		set(is("revokedAt", whole(at)), is("isActive", false)))
	if err != nil {
		return err
	}
	return s.mirrorEnd(t, u, sessions)
}
