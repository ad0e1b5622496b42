package mongostore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/people"
)

var notDeleted = is("isDeleted", bson.D{is("$ne", true)})

// ReplacePassword implements people.Store.
func (s *Store) ReplacePassword(
	ctx context.Context, u id.User, era int64, hash, keep string, at time.Time,
) (done bool, ended []string, err error) {
	err = s.writer.do(ctx, "replace password", func(t *tx) error {
		done, ended = false, nil
		live, err := liveSessions(t, u)
		if err != nil || !slices.Contains(live, keep) {
			return err
		}
		r, err := t.collection(usersName).UpdateOne(t.ctx, append(byID(u), counted("passwordEra", era), notDeleted),
			append(set(is("password", hash)), grow("passwordEra")))
		if err != nil || r.MatchedCount == 0 {
			return err
		}
		done = true
		ended, err = s.revokeAll(t, u, keep, at)
		return err
	})
	if err != nil {
		return false, nil, err
	}
	return done, ended, nil
}

// grow raises a count.
func grow(field string) bson.E {
	return is("$inc", bson.D{is(field, int64(1))})
}

// Deactivate implements people.Store.
func (s *Store) Deactivate(ctx context.Context, u id.User, at time.Time) (ended []string, err error) {
	found := false
	err = s.writer.do(ctx, "deactivate account", func(t *tx) error {
		found, ended = false, nil
		r, err := t.collection(usersName).UpdateOne(t.ctx, byID(u), set(is("isActive", false), is("deactivatedAt", whole(at))))
		if err != nil || r.MatchedCount == 0 {
			return err
		}
		found = true
		ended, err = s.revokeAll(t, u, "", at)
		return err
	})
	return ofAccount(ended, found, err)
}

// ofAccount returns what a change of an account ended, or that there is no such account.
func ofAccount(ended []string, found bool, err error) ([]string, error) {
	if err != nil || !found {
		return nil, either(err, people.ErrNoAccount)
	}
	return ended, nil
}

// kept are the fields of a deleted account that stay as they are: the name, so that nobody can
// pass for its owner, and what says who they were to the server.
var kept = []string{
	"_id", "username", "usernameKey", "role", "isActive", "isBanned", "isSuspended", "suspendedUntil", "isSystemAccount", "createdAt",
}

// DeleteAccount implements people.Store.
func (s *Store) DeleteAccount(ctx context.Context, u id.User, at time.Time) (ended []string, err error) {
	found := false
	err = s.writer.do(ctx, "delete account", func(t *tx) error {
		found, ended = false, nil
		r, err := t.collection(usersName).UpdateOne(t.ctx, append(byID(u), notDeleted), bson.A{bson.D{is("$replaceWith", grave(u, at))}})
		if err != nil || r.MatchedCount == 0 {
			return err
		}
		found = true
		if ended, err = liveSessions(t, u); err != nil {
			return err
		}
		if _, err := t.collection(sessionsName).DeleteMany(t.ctx, bson.D{ofUser(u)}); err != nil {
			return err
		}
		return removeFactor(t, u)
	})
	return ofAccount(ended, found, err)
}

// grave is what a document becomes when its account is deleted. It is an expression: what is
// not named goes, whatever the former system kept there.
func grave(u id.User, at time.Time) bson.D {
	next := func(field string) bson.D {
		return bson.D{is("$add", bson.A{bson.D{is("$ifNull", bson.A{"$" + field, int64(0)})}, int64(1)})}
	}
	d := bson.D{
		is("email", deletedEmail(u)),
		is("emailVerified", false),
		is("displayName", ""),
		is("profilePhoto", ""),
		is("password", ""),
		is("passwordEra", next("passwordEra")),
		is("revision", next("revision")),
		is("searchKey", bson.D{is("$concat", bson.A{bson.D{is("$toLower", "$username")}, "\n"})}),
		is("isDeleted", true),
		is("deletedAt", whole(at)),
	}
	for _, field := range kept {
		d = append(d, is(field, "$"+field))
	}
	return d
}

// SetProfile implements people.Store.
func (s *Store) SetProfile(ctx context.Context, a people.Account) (bool, error) {
	told, gone, err := s.told(ctx, a)
	if err != nil {
		return false, fmt.Errorf("set profile: %w", err)
	}
	change := append(set(append(told,
		is("displayName", a.DisplayName), is("profilePhoto", a.ProfilePhoto),
		is("searchKey", searchKey(a.Username, a.DisplayName)))...),
		is("$unset", projection(gone)), grow("revision"))
	return s.changedOne(ctx, "set profile", usersName, append(byID(a.ID), counted("revision", a.Revision), notDeleted), change)
}
