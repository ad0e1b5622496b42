package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the driver

	"pryde/internal/seal"
	"pryde/internal/sqlitestore"
)

// An embeddedSoil is the database file of a home.
type embeddedSoil struct {
	keys *sqlitestore.Keys
	db   *sql.DB
	conn *sql.Conn

	mu sync.Mutex // held while messages are written
}

// bulk are what makes writing quick. A file that does not survive a crash is of no loss here.
var bulk = []string{"PRAGMA synchronous = OFF", "PRAGMA journal_mode = OFF", "PRAGMA cache_size = -400000", "BEGIN IMMEDIATE"}

func (h *home) embeddedSoil(ctx context.Context, s secrets) (_ soil, _ *seal.Vault, err error) {
	e := &embeddedSoil{}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if e.keys, err = sqlitestore.OpenKeys(ctx, filepath.Join(h.dir, "keys")); err != nil {
		return nil, nil, err
	}
	vault, err := s.vault(e.keys)
	if err != nil {
		return nil, nil, err
	}
	if e.db, err = sql.Open("sqlite", "file:"+filepath.Join(h.dir, "pryde.db")+"?mode=rw"); err != nil {
		return nil, nil, err
	}
	if e.conn, err = e.db.Conn(ctx); err != nil {
		return nil, nil, err
	}
	for _, statement := range bulk {
		if _, err := e.conn.ExecContext(ctx, statement); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", statement, err)
		}
	}
	return e, vault, nil
}

func (e *embeddedSoil) close() error {
	var errs []error
	if e.conn != nil {
		errs = append(errs, e.conn.Close())
	}
	if e.db != nil {
		errs = append(errs, e.db.Close())
	}
	if e.keys != nil {
		errs = append(errs, e.keys.Close())
	}
	return errors.Join(errs...)
}

func (e *embeddedSoil) newest(ctx context.Context) (n int64, err error) {
	err = e.conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'seq'").Scan(&n)
	return n, err
}

func (e *embeddedSoil) messages(ctx context.Context, some []sownMessage) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	insert, err := e.conn.PrepareContext(ctx, `INSERT INTO messages
		(conversation, seq, id, sender, client_id, changed, content, fingerprint, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for _, m := range some {
		if _, err := insert.ExecContext(ctx,
			m.Conv, m.Seq, m.ID[:], m.Sender[:], m.ClientID, m.Changed, m.Content, m.Fingerprint, m.CreatedAt.UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}

func (e *embeddedSoil) rows(ctx context.Context, some []*sownRow) error {
	upsert, err := e.conn.PrepareContext(ctx, `INSERT INTO threads
		(user, conversation, peer, last_seq, unread, read_seq, changed) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (user, conversation) DO UPDATE SET last_seq = excluded.last_seq, unread = excluded.unread,
			read_seq = max(read_seq, excluded.read_seq), changed = excluded.changed`)
	if err != nil {
		return err
	}
	defer func() { _ = upsert.Close() }()
	for _, r := range some {
		if _, err := upsert.ExecContext(ctx, r.user[:], r.conv, r.peer[:], r.last.seq, r.unread, r.read.seq, r.last.seq); err != nil {
			return err
		}
	}
	return nil
}

func (e *embeddedSoil) finish(ctx context.Context, newest int64) error {
	if _, err := e.conn.ExecContext(ctx, "UPDATE meta SET value = ? WHERE key = 'seq'", newest); err != nil {
		return err
	}
	for _, statement := range []string{"COMMIT", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"} {
		if _, err := e.conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
