package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"pryde/internal/auth"
	"pryde/internal/former"
	"pryde/internal/message"
	"pryde/internal/mongostore"
	"pryde/internal/people"
	"pryde/internal/seal"
	"pryde/internal/sqlitestore"
)

// A kind of store.
type kind string

const (
	embedded kind = "sqlite"
	shared   kind = "mongo"
)

// atMost sets the goal of the kind of store that is measured; 0 is none.
func (b *bench) atMost(f figure, embeddedGoal, sharedGoal float64) figure {
	goal := embeddedGoal
	if b.kind == shared {
		goal = sharedGoal
	}
	if goal == 0 {
		return f
	}
	return f.atMost(goal)
}

// A home is where a server has its data: a folder, and a database where the store is MongoDB.
type home struct {
	dir      string
	uri      string       // of the database; empty for the embedded one
	database string       // its name
	mongo    *mongoServer // nil for the embedded one
}

// newHome makes an empty home for the kind of store that is measured. The caller removes it.
func (b *bench) newHome() (*home, error) {
	dir, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, err
	}
	h := &home{dir: dir}
	if b.kind == shared {
		h.mongo = b.mongo
		h.database, h.uri = b.mongo.fresh()
	}
	return h, nil
}

// remove removes all data.
func (h *home) remove() error {
	err := os.RemoveAll(h.dir)
	if h.mongo != nil {
		err = errors.Join(err, h.mongo.drop(h.database))
	}
	return err
}

// secrets are those of a server.
type secrets struct{ master, access, refresh string }

func newSecrets() secrets { return secrets{secret(), secret(), secret()} }

// env is how a server is told.
func (s secrets) env() []string {
	return []string{"MESSAGE_ENCRYPTION_KEY=" + s.master, "JWT_SECRET=" + s.access, "JWT_REFRESH_SECRET=" + s.refresh}
}

// vault seals as the server does, over the wrapped keys in store.
func (s secrets) vault(store seal.KeyStore) (*seal.Vault, error) {
	var master seal.Key
	if err := master.UnmarshalText([]byte(s.master)); err != nil {
		return nil, err
	}
	ring, err := seal.NewRing(master.ID(), map[seal.KeyID]seal.Key{master.ID(): master})
	if err != nil {
		return nil, err
	}
	return seal.New(ring, store, rand.Reader), nil
}

// former is the key as the former system used it.
func (s secrets) former() (*former.Key, error) {
	var master seal.Key
	if err := master.UnmarshalText([]byte(s.master)); err != nil {
		return nil, err
	}
	return former.NewKey([former.KeySize]byte(master)), nil
}

// A dataStore is what both stores are.
type dataStore interface {
	message.Store
	people.Store
	auth.SessionStore
}

// An openStore is a store that is open in this process, without a server around it.
type openStore struct {
	dataStore
	sessions *auth.Sessions
	close    func() error
}

// open opens the store of a home at which no server is at work. The caller closes it.
func (h *home) open(ctx context.Context, s secrets) (*openStore, error) {
	open := h.openEmbedded
	if h.mongo != nil {
		open = h.openShared
	}
	o, err := open(ctx, s)
	if err != nil {
		return nil, err
	}
	o.sessions, err = auth.New(auth.Options{
		Store: o, Accounts: people.NewStandings(o, time.Now), Now: time.Now, Rand: rand.Reader,
		Keys:         auth.Keys{Access: auth.NewSecret([]byte(s.access)), Refresh: auth.NewSecret([]byte(s.refresh))},
		AccessExpiry: seedExpiry, RefreshExpiry: seedExpiry,
	})
	if err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o, nil
}

func (h *home) openEmbedded(ctx context.Context, s secrets) (*openStore, error) {
	keys, err := sqlitestore.OpenKeys(ctx, filepath.Join(h.dir, "keys"))
	if err != nil {
		return nil, err
	}
	vault, err := s.vault(keys)
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	store, err := sqlitestore.Open(ctx, sqlitestore.Options{Dir: h.dir, Vault: vault, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	return &openStore{dataStore: store, close: func() error { return errors.Join(store.Close(), keys.Close()) }}, nil
}

func (h *home) openShared(ctx context.Context, s secrets) (_ *openStore, err error) {
	db, err := mongostore.Connect(ctx, h.uri, mongostore.ConnectOptions{})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	vault, err := s.vault(db.Keys())
	if err != nil {
		return nil, err
	}
	if err := db.Prepare(ctx, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	term, err := db.Lease("bench-"+secret()[:8], false).Take(ctx)
	if err == nil && term == nil {
		err = errors.New("a server is at work on the database")
	}
	if err != nil {
		return nil, err
	}
	release := func() error { return term.Release(context.WithoutCancel(ctx), true) }
	store, err := mongostore.Open(ctx, mongostore.Options{
		Database: db, Vault: vault, Token: term.Token(), Log: slog.New(slog.DiscardHandler), Fenced: term.Fence,
	})
	if err != nil {
		return nil, errors.Join(err, release())
	}
	return &openStore{dataStore: store, close: func() error { return errors.Join(store.Close(), release(), db.Close()) }}, nil
}
