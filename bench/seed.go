package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/people"
)

const (
	seedsAtOnce = 64
	// seedExpiry is how long the tokens of people who were put into the store are good.
	seedExpiry = 2 * time.Hour
)

// seeded starts a server on which n people have an account and a session. They are put into
// the store before it starts: to sign up takes a hash each, and thousands of those take longer
// than all that is measured. Nobody can log in to them. The caller closes the world.
func (b *bench) seeded(ctx context.Context, n int) (*world, []person, error) {
	h, err := b.newHome()
	if err != nil {
		return nil, nil, err
	}
	s := newSecrets()
	all, err := s.populate(ctx, h, n)
	if err != nil {
		return nil, nil, fmt.Errorf("put people into the store: %w", errors.Join(err, h.remove()))
	}
	w, err := b.startWorld(ctx, h, append([]string{defaultLimits}, s.env()...)...)
	if err != nil {
		return nil, nil, errors.Join(err, h.remove())
	}
	return w, all, nil
}

// populate makes n people with a session each at a home at which no server is at work.
func (s secrets) populate(ctx context.Context, h *home, n int) (all []person, err error) {
	o, err := h.open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	users, err := o.accounts(ctx, n)
	if err != nil {
		return nil, err
	}
	return o.admit(ctx, users)
}

// accounts makes n people. The i-th has username(i).
func (o *openStore) accounts(ctx context.Context, n int) ([]id.User, error) {
	ids := id.NewSource(time.Now, rand.Reader)
	all := make([]id.User, n)
	for i := range all {
		all[i] = id.New[id.User](ids)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(seedsAtOnce)
	for i, u := range all {
		g.Go(func() error {
			return o.CreateAccount(ctx, people.Account{
				ID: u, Username: username(i), Email: username(i) + "@example.com", DisplayName: "Bench Person", Role: "user",
				Details: people.Details{FullName: "Bench Person", Birthday: "1990-01-31"}, Active: true, CreatedAt: time.Now().UTC().Truncate(time.Millisecond),
			})
		})
	}
	return all, g.Wait()
}

// admit opens a session for each person.
func (o *openStore) admit(ctx context.Context, users []id.User) ([]person, error) {
	all := make([]person, len(users))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(seedsAtOnce)
	for i, u := range users {
		g.Go(func() error {
			tokens, _, err := o.sessions.Start(ctx, u, auth.Device{})
			all[i] = person{id: u, token: tokens.Access, from: from(i)}
			return err
		})
	}
	return all, g.Wait()
}
