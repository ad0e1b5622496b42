package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/seal"
	"pryde/internal/sqlitestore"
)

const (
	seedsAtOnce = 64
	// seedExpiry is how long the tokens of people who were put into the store are good.
	seedExpiry = time.Hour
)

// seeded starts a server on which n people have an account and a session. They are put into
// the store before it starts: to sign up takes a hash each, and thousands of those take longer
// than all that is measured. Nobody can log in to them. The caller closes the world.
func (b *bench) seeded(ctx context.Context, n int) (*world, []person, error) {
	dir, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, nil, err
	}
	s := seeder{master: secret(), access: secret(), refresh: secret(), ids: id.NewSource(time.Now, rand.Reader)}
	all, err := s.fill(ctx, dir, n)
	if err != nil {
		return nil, nil, fmt.Errorf("put people into the store: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	w, err := b.startWorld(ctx, dir, defaultLimits,
		"MESSAGE_ENCRYPTION_KEY="+s.master, "JWT_SECRET="+s.access, "JWT_REFRESH_SECRET="+s.refresh)
	return w, all, err
}

// A seeder has the secrets of the server that it puts people into.
type seeder struct {
	master, access, refresh string
	ids                     *id.Source
}

// fill makes n people in a data folder in which no server is at work.
func (s seeder) fill(ctx context.Context, dir string, n int) (all []person, err error) {
	var master seal.Key
	if err := master.UnmarshalText([]byte(s.master)); err != nil {
		return nil, err
	}
	ring, err := seal.NewRing(master.ID(), map[seal.KeyID]seal.Key{master.ID(): master})
	if err != nil {
		return nil, err
	}
	keys, err := sqlitestore.OpenKeys(ctx, filepath.Join(dir, "keys"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	store, err := sqlitestore.Open(ctx, sqlitestore.Options{
		Dir: dir, Vault: seal.New(ring, keys, rand.Reader), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	sessions, err := auth.New(auth.Options{
		Store: store, Accounts: people.NewStandings(store), Now: time.Now, Rand: rand.Reader,
		Keys:         auth.Keys{Access: auth.NewSecret([]byte(s.access)), Refresh: auth.NewSecret([]byte(s.refresh))},
		AccessExpiry: seedExpiry, RefreshExpiry: seedExpiry,
	})
	if err != nil {
		return nil, err
	}

	all = make([]person, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(seedsAtOnce)
	for i := range all {
		g.Go(func() (err error) {
			all[i], err = s.add(ctx, store, sessions, i)
			return err
		})
	}
	return all, g.Wait()
}

// add makes one person.
func (s seeder) add(ctx context.Context, store people.Store, sessions *auth.Sessions, i int) (person, error) {
	u := id.New[id.User](s.ids)
	if err := store.CreateAccount(ctx, people.Account{
		ID: u, Username: username(i), Email: username(i) + "@example.com", DisplayName: "Bench Person", Role: "user",
		Details: people.Details{FullName: "Bench Person", Birthday: "1990-01-31"}, Active: true, CreatedAt: time.Now().UTC().Truncate(time.Millisecond),
	}); err != nil {
		return person{}, err
	}
	tokens, _, err := sessions.Start(ctx, u, auth.Device{})
	return person{id: u, token: tokens.Access, from: from(i)}, err
}
