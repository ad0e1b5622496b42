package mongostore

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/people"
)

// VerifyEmail marks the e-mail address of the account with this username, without regard to
// case, as verified. It is people.ErrNoAccount where there is none. It works beside the server
// that has the database open, which sees the change at once, and needs no lease: whichever comes
// last, the address is verified. The database must be one that a server has opened.
func VerifyEmail(ctx context.Context, d *Database, username string) error {
	r, err := d.data.Collection(usersName).UpdateOne(ctx, bson.D{is("usernameKey", strings.ToLower(username)), notDeleted},
		set(is("emailVerified", true)))
	if err != nil {
		return fmt.Errorf("verify an address: %w", unavailable(err))
	}
	if r.MatchedCount == 0 {
		return people.ErrNoAccount
	}
	return nil
}
