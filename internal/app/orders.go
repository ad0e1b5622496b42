package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"pryde/internal/custody"
	"pryde/internal/mongostore"
	"pryde/internal/seal"
	"pryde/internal/sqlitestore"
)

const (
	// orderPoll is how often it is looked whether the server has carried an order out.
	orderPoll = 100 * time.Millisecond
	// orderPatience is how long that is waited for.
	orderPatience = 2 * time.Minute
)

// RotateKeys has every data key wrapped with MESSAGE_ENCRYPTION_KEY, and returns what came of it.
// Like ReplaceKey and Erase it works beside the server that runs, which does it then, and without
// one.
func RotateKeys(ctx context.Context, c Config) (string, error) {
	return carryOut(ctx, c, custody.Order{Kind: custody.Rewrap})
}

// ReplaceKey gives a person a new data key. What the old one has sealed is sealed again by the
// server, behind what people do.
func ReplaceKey(ctx context.Context, c Config, username string) (string, error) {
	return carryOut(ctx, c, custody.Order{Kind: custody.Replace, Username: username})
}

// Erase erases a person: their account goes and their keys are destroyed.
func Erase(ctx context.Context, c Config, username string) (string, error) {
	return carryOut(ctx, c, custody.Order{Kind: custody.Erase, Username: username})
}

// A workplace is where an order is carried out.
type workplace struct {
	desk custody.Desk
	// here carries out what waits, where no server does; nil where one runs.
	here  func(ctx context.Context) error
	close func() error
}

func carryOut(ctx context.Context, c Config, o custody.Order) (says string, err error) {
	w, err := c.workplace(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	o.Master, o.PostedAt = c.MessageKey.ID(), time.Now().UTC()
	i, err := w.desk.Post(ctx, o)
	if err != nil {
		return "", err
	}
	if w.here != nil {
		if err := w.here(ctx); err != nil {
			return "", err
		}
	}
	return await(ctx, w.desk, i)
}

// await returns what came of an order.
func await(ctx context.Context, desk custody.Desk, i int64) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	for {
		o, found, err := desk.Order(ctx, i)
		switch {
		case err != nil && ctx.Err() == nil:
			return "", err
		case err == nil && !found:
			return "", errors.New("the order is gone")
		case o.Failed:
			return "", errors.New(o.Says)
		case !o.DoneAt.IsZero():
			return o.Says, nil
		}
		if !sleep(ctx, orderPoll) {
			return "", errors.New("the server has not carried it out yet, and does so when it can; see pryde keys status")
		}
	}
}

// workplace finds out whether a server runs.
func (c *Config) workplace(ctx context.Context) (*workplace, error) {
	if c.MongoURI != "" {
		return c.sharedWorkplace(ctx)
	}
	if err := sqlitestore.Made(c.DataDir, c.KeysDir); err != nil {
		return nil, err
	}
	if err := existingSecrets(c); err != nil {
		return nil, err
	}
	b, err := openEmbedded(ctx, *c, quiet)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		keys, err := sqlitestore.OpenKeys(ctx, c.KeysDir)
		if err != nil {
			return nil, err
		}
		return &workplace{desk: keys, close: keys.Close}, nil
	}
	if err != nil {
		return nil, err
	}
	return b.workplace(b.close), nil
}

var quiet = slog.New(slog.DiscardHandler)

func (b *backend) workplace(closing func() error) *workplace {
	return &workplace{desk: b.desk, close: closing, here: func(ctx context.Context) error {
		_, err := newCustody(b, b.removeAlone, func() bool { return true }, quiet).CarryOut(ctx)
		return err
	}}
}

// sharedWorkplace takes the lease where no instance has it.
func (c *Config) sharedWorkplace(ctx context.Context) (_ *workplace, err error) {
	if err := existingSecrets(c); err != nil {
		return nil, err
	}
	db, err := mongostore.Connect(ctx, string(c.MongoURI), mongostore.ConnectOptions{Timeout: c.MongoTimeout})
	if err != nil {
		return nil, fmt.Errorf("MONGODB_URI: %w", err)
	}
	term, err := db.Lease(instanceName(), false).Take(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if term == nil {
		return &workplace{desk: db.Keys(), close: db.Close}, nil
	}
	alone := *c
	alone.JournalDir, alone.MongoBackfill = "", false
	b, err := openMongo(ctx, alone, quiet, db, term)
	if err != nil {
		return nil, errors.Join(err, term.Release(context.WithoutCancel(ctx), true), db.Close())
	}
	return b.workplace(func() error {
		closed := b.close()
		return errors.Join(closed, term.Release(context.WithoutCancel(ctx), closed == nil && b.settled()), db.Close())
	}), nil
}

// keyring are the keys as they are kept, without what they open.
type keyring interface {
	seal.KeyStore
	custody.Desk
}

// lookAtKeys calls look with the keys, whether a server runs or not.
func lookAtKeys(ctx context.Context, c Config, look func(keyring) error) (err error) {
	if c.MongoURI == "" {
		if err := sqlitestore.Made(c.DataDir, c.KeysDir); err != nil {
			return err
		}
		keys, err := sqlitestore.OpenKeys(ctx, c.KeysDir)
		if err != nil {
			return err
		}
		return errors.Join(look(keys), keys.Close())
	}
	db, err := mongostore.Connect(ctx, string(c.MongoURI), mongostore.ConnectOptions{Timeout: c.MongoTimeout})
	if err != nil {
		return fmt.Errorf("MONGODB_URI: %w", err)
	}
	return errors.Join(look(db.Keys()), db.Close())
}
