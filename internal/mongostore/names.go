package mongostore

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/people"
)

// searchKey is what a person is found by: their names in lower case, the username first. No
// username has a line feed, and no display name in it, so that it ends the username.
func searchKey(username, displayName string) string {
	flat := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, displayName)
	return strings.ToLower(username) + "\n" + strings.ToLower(flat)
}

// foundAtOnce is how many accounts a search takes from the server at a time.
const foundAtOnce = 64

// SearchAccounts implements people.Store. Those whose username begins with the text are found
// in the index. For the others it looks at every name in it: a text in the middle of a name is in
// no index.
func (s *Store) SearchAccounts(ctx context.Context, part string, except []id.User, limit int) ([]people.Account, error) {
	if strings.ContainsFunc(part, unicode.IsControl) {
		return nil, nil // no name is like that
	}
	hidden := make(map[id.User]bool, len(except))
	for _, u := range except {
		hidden[u] = true
	}
	quoted := regexp.QuoteMeta(part)
	begins := bson.Regex{Pattern: "^" + quoted}
	// The exact username comes first of those that begin with it: the line feed is below every
	// character of a username.
	found, err := s.named(ctx, bson.D{is("searchKey", begins)}, hidden, limit)
	if err == nil && len(found) < limit {
		var more []userDoc
		more, err = s.named(ctx, bson.D{is("searchKey", bson.D{
			is("$regex", bson.Regex{Pattern: quoted}), is("$not", begins),
		})}, hidden, limit-len(found))
		found = append(found, more...)
	}
	if err != nil {
		return nil, fmt.Errorf("search accounts: %w", unavailable(err))
	}
	accounts := make([]people.Account, 0, len(found))
	for _, d := range found {
		a, err := s.openAccount(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("search accounts: %w", unavailable(err))
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

// named returns the accounts in use that a filter of names finds, by username.
func (s *Store) named(ctx context.Context, names bson.D, hidden map[id.User]bool, limit int) (found []userDoc, err error) {
	filter := append(names, notDeleted,
		is("isActive", bson.D{is("$ne", false)}), is("isBanned", bson.D{is("$ne", true)}))
	byName := bson.D{is("searchKey", 1)}
	c, err := s.coll(usersName).Find(ctx, filter, options.Find().SetProjection(accountFields).
		SetSort(byName).SetHint(byName).SetBatchSize(foundAtOnce))
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	for len(found) < limit && c.Next(ctx) {
		var d userDoc
		if err := c.Decode(&d); err != nil {
			return nil, err
		}
		if !hidden[id.User(d.ID)] {
			found = append(found, d)
		}
	}
	return found, c.Err()
}
