package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"pryde/internal/export"
	"pryde/internal/files"
	"pryde/internal/files/folder"
	"pryde/internal/former"
	"pryde/internal/mongostore"
	"pryde/internal/people"
	"pryde/internal/seal"
	"pryde/internal/sqlitestore"
)

// Export writes everything of the account with this username into a folder, which it makes,
// whether the server runs or not.
func Export(ctx context.Context, c Config, username, into string) (err error) {
	r, err := openReading(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	a, err := r.store.AccountByLogin(ctx, username)
	if errors.Is(err, people.ErrNoAccount) || err == nil && !strings.EqualFold(a.Username, username) {
		return fmt.Errorf("there is no account with the username %q", username)
	}
	if err != nil {
		return err
	}
	sent, done, err := r.files(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	return export.Write(ctx, export.Source{
		Messages: r.store, Groups: r.store, People: r.store, Ties: r.store, Sessions: r.store, Follows: r.store, Files: sent,
	}, a.ID, into, time.Now())
}

// readable is a store that is open to be read.
type readable interface {
	store
	export.Follows
}

// A reading is a database that is open to be read.
type reading struct {
	store readable
	vault *seal.Vault
	close func() error
}

func openReading(ctx context.Context, c Config) (*reading, error) {
	if c.MongoURI != "" {
		return openReadingShared(ctx, c)
	}
	if err := sqlitestore.Made(c.DataDir, c.KeysDir); err != nil {
		return nil, err
	}
	if err := existingSecrets(&c); err != nil {
		return nil, err
	}
	keys, err := sqlitestore.OpenKeys(ctx, c.KeysDir)
	if err != nil {
		return nil, err
	}
	vault, err := newVault(c, keys)
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	data, err := sqlitestore.OpenToRead(ctx, sqlitestore.Options{Dir: c.DataDir, Vault: vault, Log: quiet})
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	return &reading{data, vault, func() error { return errors.Join(data.Close(), keys.Close()) }}, nil
}

func openReadingShared(ctx context.Context, c Config) (*reading, error) {
	if err := existingSecrets(&c); err != nil {
		return nil, err
	}
	db, err := mongostore.Connect(ctx, string(c.MongoURI), mongostore.ConnectOptions{Timeout: c.MongoTimeout})
	if err != nil {
		return nil, fmt.Errorf("MONGODB_URI: %w", err)
	}
	vault, err := newVault(c, db.Keys())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	data, err := mongostore.OpenToRead(ctx, mongostore.Options{
		Database: db, Vault: vault, Log: quiet,
		FormerKey: former.NewKey([former.KeySize]byte(c.firstKey())), Legacy: c.SealFormat == SealLegacy,
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &reading{data, vault, db.Close}, nil
}

// files returns the files that people have sent, to be read.
func (r *reading) files(ctx context.Context, c Config) (_ *files.Service, done func() error, err error) {
	var kept objects
	if c.S3Endpoint == "" {
		kept, err = folder.OpenToRead(c.FilesDir)
	} else {
		kept, err = openObjects(ctx, c)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("FILES_DIR: %w", err)
	}
	// Nothing comes in here, and what is on its way into the server that runs is let alone.
	spool, err := os.MkdirTemp("", "pryde-export-")
	if err != nil {
		return nil, nil, errors.Join(err, kept.Close())
	}
	done = func() error { return errors.Join(kept.Close(), os.RemoveAll(spool)) }
	key, err := r.vault.ServerKey(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	sent, err := files.New(files.Options{
		Store: r.store, Objects: kept, Vault: r.vault, Key: key, Database: r.store.Database(),
		Spool: spool, Quota: int64(c.FilesQuota) * megabyte, Rand: rand.Reader, Log: quiet, Now: time.Now,
	})
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return sent, done, nil
}
