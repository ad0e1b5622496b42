// Package sqlitestore keeps accounts, sessions and messages in SQLite: one folder, no server.
// It knows no rule of who may do what, no door and no wire format.
//
// One goroutine writes, and commits the operations that wait together, synced to disk, before
// any of them is answered. Reads run beside it on a few connections. What people write is
// sealed before it enters the writer and opened after it was read.
package sqlitestore

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"modernc.org/sqlite"

	"pryde/internal/auth"
	"pryde/internal/filelock"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/people"
	"pryde/internal/seal"
)

var (
	_ message.Store      = (*Store)(nil)
	_ message.GroupStore = (*Store)(nil)
	_ people.Store       = (*Store)(nil)
	_ auth.SessionStore  = (*Store)(nil)
)

// Options are what a store is made of.
type Options struct {
	Dir   string      // the data folder; made where there is none
	Vault *seal.Vault // seals what people write; its keys are those of OpenKeys
	Log   *slog.Logger
}

// A Store is an open database. Its methods are safe for concurrent use; their errors besides
// those of the interfaces are faults of fault.KindUnavailable (overload, shutdown, a disk
// that is full or fails) and internal ones.
type Store struct {
	vault       *seal.Vault
	database    [4]byte
	opened      order.Seq
	lock        *filelock.Lock
	writer      *writer
	readers     *readers
	checkpoints *checkpointer
}

// fileName is the database in the data folder.
const fileName = "pryde.db"

// Open opens the database in a folder, or makes it there, and brings its schema up to date.
// One store at a time can have a folder open. A schema that is too new, keys that are not
// those of the database (seal.ErrWrongKey) and a folder in use are errors. Close must be
// called.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	s := &Store{vault: o.Vault}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open the store in %s: %w", dir, errors.Join(err, s.Close()))
		}
	}()
	if err := ensureFolder(dir); err != nil {
		return nil, err
	}
	if s.lock, err = filelock.Folder(dir); err != nil {
		return nil, err
	}
	if err := s.start(ctx, filepath.Join(dir, fileName), o.Log); err != nil {
		return nil, err
	}
	return s, nil
}

// start opens the connections. What it has opened when it fails is closed by Close.
func (s *Store) start(ctx context.Context, path string, log *slog.Logger) error {
	if err := ensureFile(path); err != nil {
		return err
	}
	// A commit needs the data and the length of the log on disk, not its timestamps; where the
	// platform has no fdatasync, fsync stays in use.
	_, _ = sqlite.Fdatasync(true)
	c, err := connect(path, false,
		"journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)", "wal_autocheckpoint(0)",
		"cache_size(-65536)", "temp_store(MEMORY)")
	if err != nil {
		return err
	}
	seq, err := s.prepare(ctx, c)
	if err != nil {
		return errors.Join(err, c.close())
	}
	moves, err := connect(path, false, "synchronous(FULL)", "secure_delete(ON)", "busy_timeout("+checkpointPatience+")")
	if err != nil {
		return errors.Join(err, c.close())
	}
	s.opened = seq
	s.checkpoints = newCheckpointer(moves, log)
	s.writer = newWriter(c, seq, log, order.Queued, s.checkpoints.committed)
	s.readers, err = openReaders(path, "query_only(1)", "cache_size(-16384)", "mmap_size(1073741824)")
	return err
}

// prepare makes the schema current, checks that the keys are those of the database, and
// returns the highest number that was given out.
func (s *Store) prepare(ctx context.Context, c *conn) (order.Seq, error) {
	if err := migrate(c, migrations, dataSchema); err != nil {
		return 0, err
	}
	if err := foldNames(c); err != nil {
		return 0, err
	}
	if err := s.checkKeys(ctx, c); err != nil {
		return 0, err
	}
	if _, err := c.one(func(row []driver.Value) { copy(s.database[:], blob(row[0])) },
		"SELECT value FROM meta WHERE key = 'database'"); err != nil {
		return 0, err
	}
	return highestSeq(c)
}

// highestSeq looks at the rows too: a number that is in a row is never given out again.
func highestSeq(c *conn) (order.Seq, error) {
	n, err := c.number(`SELECT max(
		(SELECT value FROM meta WHERE key = 'seq'),
		(SELECT coalesce(max(changed), 0) FROM threads),
		(SELECT coalesce(max(changed), 0) FROM groups),
		(SELECT coalesce(max(changed), 0) FROM members),
		(SELECT coalesce(max(seq), 0) FROM hidden))`)
	return order.Seq(n), err
}

// newestAccounts is of how many people who signed up last it is looked whether their keys are there.
const newestAccounts = 100

// checkKeys looks whether the keys open what is in the database: whether the master keys are the
// right ones, the server key that with which the database was made, and the keys not an older copy
// than the data. Without it lost keys would be noticed only when something cannot be read any more.
func (s *Store) checkKeys(ctx context.Context, c *conn) error {
	var stored []byte
	if _, err := c.one(func(row []driver.Value) { stored = blob(row[0]) },
		"SELECT value FROM meta WHERE key = 'key_check'"); err != nil {
		return err
	}
	if err := s.vault.Check(ctx); err != nil {
		return err
	}
	if found, err := s.vault.HasServerKey(ctx); err != nil || !found && stored != nil {
		return either(err, fmt.Errorf("%w: the key folder holds no keys, and the database was made with some", seal.ErrWrongKey))
	}
	key, err := s.vault.ServerKey(ctx)
	if err != nil {
		return err
	}
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("pryde database"))
	sum := h.Sum(nil)[:16]
	if stored == nil {
		_, err := c.exec("INSERT INTO meta (key, value) VALUES ('key_check', ?)", sum)
		return err
	}
	if !hmac.Equal(stored, sum) {
		return fmt.Errorf("%w: the keys in the key folder are not those of this database", seal.ErrWrongKey)
	}
	var newest []seal.Owner
	if err := c.query(func(row []driver.Value) bool {
		newest = append(newest, seal.Owner(userID(row[0])))
		return true
	}, "SELECT id FROM users WHERE deleted = 0 ORDER BY id DESC LIMIT ?", int64(newestAccounts)); err != nil {
		return err
	}
	return s.vault.Expect(ctx, newest)
}

// Opened returns the newest number that had been given out when the database was opened.
func (s *Store) Opened() order.Seq { return s.opened }

// Database identifies the database for as long as it exists: four random bytes.
func (s *Store) Database() [4]byte { return s.database }

// Ping returns nil if the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.readers.with(ctx, func(c *conn) error {
		_, err := c.number("SELECT 1")
		return err
	})
}

// Close finishes what is queued, moves everything into the database file and closes it. What
// is called later answers that the store is closed. It must be called once.
func (s *Store) Close() error {
	var errs []error
	if s.writer != nil {
		s.writer.stop()
	}
	if s.readers != nil {
		errs = append(errs, s.readers.close())
	}
	if s.checkpoints != nil {
		errs = append(errs, s.checkpoints.stop())
	}
	// The last connection that closes checkpoints and removes the log.
	if s.writer != nil {
		errs = append(errs, s.writer.conn.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Release())
	}
	return errors.Join(errs...)
}
