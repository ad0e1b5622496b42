package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"modernc.org/sqlite"
)

// busyTimeout is how long a connection waits for a lock of another one, in milliseconds.
const busyTimeout = "10000"

// A conn is one connection with the statements that were prepared on it. It speaks to the
// driver directly: database/sql would add a lock, a conversion and an allocation to every
// value, which costs a third of the writer's speed. It is not safe for concurrent use.
type conn struct {
	driver driver.Conn
	stmts  map[string]statement
	args   []driver.NamedValue
	row    []driver.Value
}

type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// connect opens a connection to the database file at an absolute path, which must exist.
func connect(path string, readOnly bool, pragmas ...string) (*conn, error) {
	q := url.Values{}
	q.Set("_busy_timeout", busyTimeout)
	q.Set("_dqs", "0")
	q.Set("mode", "rw")
	if readOnly {
		q.Set("mode", "ro")
	}
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	name := (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
	c, err := new(sqlite.Driver).Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &conn{driver: c, stmts: map[string]statement{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	c.stmts = nil
	return errors.Join(append(errs, c.driver.Close())...)
}

func (c *conn) prepared(query string) (statement, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.driver.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", summary(query), err)
	}
	ready, ok := s.(statement)
	if !ok {
		return nil, errors.Join(errors.New("the driver's statements take no context"), s.Close())
	}
	c.stmts[query] = ready
	return ready, nil
}

// bound lays the arguments out for the driver, which takes int64, string, []byte and nil. They
// are good until the next statement.
func (c *conn) bound(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// exec runs a statement and returns how many rows it changed. A statement is never
// interrupted: what was begun is finished, so that its outcome is known.
func (c *conn) exec(query string, args ...any) (int64, error) {
	s, err := c.prepared(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(context.Background(), c.bound(args))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", summary(query), err)
	}
	return r.RowsAffected()
}

// script runs statements that are used once, several in one text.
func (c *conn) script(text string) error {
	s, err := c.driver.Prepare(text)
	if err != nil {
		return fmt.Errorf("prepare %q: %w", summary(text), err)
	}
	_, err = s.(statement).ExecContext(context.Background(), nil)
	return errors.Join(err, s.Close())
}

// query calls each for every row until it says to stop. The slice is good during the call
// only; the byte slices in it belong to each.
func (c *conn) query(each func(row []driver.Value) (more bool), query string, args ...any) error {
	s, err := c.prepared(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), c.bound(args))
	if err != nil {
		return fmt.Errorf("%s: %w", summary(query), err)
	}
	n := len(rows.Columns())
	if cap(c.row) < n {
		c.row = make([]driver.Value, n)
	}
	row := c.row[:n]
	for more := true; more; {
		if err = rows.Next(row); err != nil {
			break
		}
		more = each(row)
	}
	if err == io.EOF { //nolint:errorlint // the driver interface promises io.EOF itself
		err = nil
	}
	if err = errors.Join(err, rows.Close()); err != nil {
		return fmt.Errorf("%s: %w", summary(query), err)
	}
	return nil
}

// one runs a query for its first row, and reports whether there is one.
func (c *conn) one(read func(row []driver.Value), query string, args ...any) (bool, error) {
	found := false
	err := c.query(func(row []driver.Value) bool {
		found = true
		read(row)
		return false
	}, query, args...)
	return found, err
}

// number returns the first column of the first row; 0 where there is none.
func (c *conn) number(query string, args ...any) (int64, error) {
	var n int64
	_, err := c.one(func(row []driver.Value) { n = integer(row[0]) }, query, args...)
	return n, err
}

// summary names a statement in an error by its first words; it holds no value.
func summary(query string) string {
	words := strings.Fields(query)
	return strings.Join(words[:min(len(words), 6)], " ")
}

func integer(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

func blob(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}

func text(v driver.Value) string {
	s, _ := v.(string)
	return s
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
