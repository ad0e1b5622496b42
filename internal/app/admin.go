package app

import (
	"errors"
	"fmt"

	"pryde/internal/people"
	"pryde/internal/sqlitestore"
)

// VerifyEmail marks the e-mail address of the account with this username as verified, whether
// the server runs or not.
func VerifyEmail(c Config, username string) error {
	err := sqlitestore.VerifyEmail(c.DataDir, username)
	if errors.Is(err, people.ErrNoAccount) {
		return fmt.Errorf("there is no account with the username %q", username)
	}
	return err
}
