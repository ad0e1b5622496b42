package sqlitestore

import (
	"context"
	"errors"
)

// maxReaders is how many reads run at once.
const maxReaders = 4

// readers are connections that only read. They are safe for concurrent use.
type readers struct {
	all    []*conn
	idle   chan *conn
	closed chan struct{}
}

func openReaders(path string, pragmas ...string) (*readers, error) {
	r := &readers{idle: make(chan *conn, maxReaders), closed: make(chan struct{})}
	for range maxReaders {
		c, err := connect(path, true, pragmas...)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.all = append(r.all, c)
		r.idle <- c
	}
	return r, nil
}

// snapshot calls read with a connection that sees one state of the database throughout.
// Only the wait for a connection ends with ctx.
func (r *readers) snapshot(ctx context.Context, read func(*conn) error) error {
	return r.with(ctx, func(c *conn) (err error) {
		if _, err := c.exec("BEGIN"); err != nil {
			return err
		}
		defer func() {
			_, end := c.exec("ROLLBACK")
			err = errors.Join(err, end)
		}()
		return read(c)
	})
}

// with calls read with a connection; each statement sees the newest commit.
func (r *readers) with(ctx context.Context, read func(*conn) error) error {
	select {
	case <-r.closed:
		return errClosed
	default:
	}
	select {
	case c := <-r.idle:
		defer func() { r.idle <- c }()
		return unavailable(read(c))
	case <-ctx.Done():
		return errOverloaded.Because(ctx.Err())
	case <-r.closed:
		return errClosed
	}
}

// close waits for the reads that run.
func (r *readers) close() error {
	close(r.closed)
	var errs []error
	for range r.all {
		c := <-r.idle
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
