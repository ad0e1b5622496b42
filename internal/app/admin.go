package app

import (
	"context"
	"errors"
	"fmt"

	"pryde/internal/mongostore"
	"pryde/internal/people"
	"pryde/internal/sqlitestore"
)

// VerifyEmail marks the e-mail address of the account with this username as verified, whether
// the server runs or not.
func VerifyEmail(ctx context.Context, c Config, username string) error {
	err := verifyEmail(ctx, c, username)
	if errors.Is(err, people.ErrNoAccount) {
		return fmt.Errorf("there is no account with the username %q", username)
	}
	return err
}

func verifyEmail(ctx context.Context, c Config, username string) error {
	if c.MongoURI == "" {
		return sqlitestore.VerifyEmail(c.DataDir, username)
	}
	db, err := mongostore.Connect(ctx, string(c.MongoURI), mongostore.ConnectOptions{Timeout: c.MongoTimeout})
	if err != nil {
		return fmt.Errorf("MONGODB_URI: %w", err)
	}
	return errors.Join(mongostore.VerifyEmail(ctx, db, username), db.Close())
}
