package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"

	"pryde/internal/id"
)

// OpenToRead opens the database in a folder beside the server that may have it open. What would
// change something answers that the store is closed. The schema must be that of this release. Close
// must be called.
func OpenToRead(ctx context.Context, o Options) (_ *Reader, err error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	r := &Reader{Store: &Store{vault: o.Vault, writer: closedWriter()}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open the store in %s: %w", dir, errors.Join(err, r.Close()))
		}
	}()
	path := filepath.Join(dir, fileName)
	// A connection that may write keeps the files beside the database that a reader needs.
	if r.anchor, err = connect(path, false, "query_only(1)"); err != nil {
		return nil, err
	}
	if err := current(r.anchor); err != nil {
		return nil, err
	}
	if err := r.vault.Check(ctx); err != nil {
		return nil, err
	}
	if _, err := r.anchor.one(func(row []driver.Value) { copy(r.database[:], blob(row[0])) },
		"SELECT value FROM meta WHERE key = 'database'"); err != nil {
		return nil, err
	}
	r.readers, err = openReaders(path, "query_only(1)")
	return r, err
}

// A Reader is a database that is open to be read.
type Reader struct {
	*Store
	anchor *conn
}

// Close closes the database. It must be called once.
func (r *Reader) Close() error {
	var errs []error
	if r.readers != nil {
		errs = append(errs, r.readers.close())
	}
	if r.anchor != nil {
		errs = append(errs, r.anchor.close())
	}
	return errors.Join(errs...)
}

// closedWriter is a writer that takes no operation.
func closedWriter() *writer {
	w := &writer{closing: make(chan struct{})}
	close(w.closing)
	return w
}

// Followed returns whom a person follows, or who follows them, by their ids.
func (s *Store) Followed(ctx context.Context, u id.User, by bool) (us []id.User, err error) {
	query := "SELECT following FROM follows WHERE follower = ? ORDER BY following"
	if by {
		query = "SELECT follower FROM follows WHERE following = ? ORDER BY follower"
	}
	err = s.readers.with(ctx, func(c *conn) error { return c.query(into(&us), query, u[:]) })
	if err != nil {
		return nil, fmt.Errorf("list follows: %w", err)
	}
	return us, nil
}
