package sqlitestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pryde/internal/people"
)

// VerifyEmail marks the e-mail address of the account with this username, without regard to
// case, as verified. It is people.ErrNoAccount where there is none. It works on the database in
// a folder beside the server that has it open, which sees the change at once; the database must
// be one that a server of this release has opened.
func VerifyEmail(dir, username string) (err error) {
	path, err := filepath.Abs(filepath.Join(dir, fileName))
	if err != nil {
		return fmt.Errorf("verify an address: %w", err)
	}
	// What was written goes into the database file when the server says so, or with the last
	// connection that closes.
	c, err := connect(path, false, "synchronous(FULL)", "secure_delete(ON)", "wal_autocheckpoint(0)")
	if err != nil {
		return fmt.Errorf("verify an address: %w", err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	n, err := c.exec("UPDATE users SET email_verified = 1 WHERE username_key = ? AND deleted = 0", strings.ToLower(username))
	if err != nil {
		return fmt.Errorf("verify an address: %w", err)
	}
	if n == 0 {
		return people.ErrNoAccount
	}
	return nil
}

// Made returns nil where a server has made its database and its keys in these folders.
func Made(dataDir, keysDir string) error {
	for _, path := range []string{filepath.Join(dataDir, fileName), filepath.Join(keysDir, KeysFile)} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("no server has worked here: %w", err)
		}
	}
	return nil
}
