package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"pryde/internal/custody"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/retention"
)

// keep is what the care of a database needs of it.
type keep interface {
	custody.Data
	retention.Store
	Standing(ctx context.Context, us []id.User) ([]id.User, error)
}

// named are the accounts as the care of the keys sees them.
type named struct {
	accounts people.Store
	keep     keep
	remove   func(ctx context.Context, u id.User) error
}

var _ custody.People = named{}

// Find implements custody.People.
func (n named) Find(ctx context.Context, username string) (id.User, error) {
	a, err := n.accounts.AccountByLogin(ctx, username)
	if err == nil && !strings.EqualFold(a.Username, username) {
		err = people.ErrNoAccount // it is the address of somebody
	}
	return a.ID, err
}

// Remove implements custody.People.
func (n named) Remove(ctx context.Context, u id.User) error { return n.remove(ctx, u) }

// Standing implements custody.People.
func (n named) Standing(ctx context.Context, us []id.User) ([]id.User, error) {
	return n.keep.Standing(ctx, us)
}

// newCustody makes what looks after the keys of an open database.
func newCustody(b *backend, remove func(ctx context.Context, u id.User) error, valid func() bool, log *slog.Logger) *custody.Service {
	return custody.New(custody.Options{
		Vault: b.vault, Desk: b.desk, People: named{b.store, b.keep, remove}, Data: b.keep, Outside: b.outside,
		Valid: valid, Log: log, Now: time.Now,
	})
}

// removeAlone deletes an account where nobody is served.
func (b *backend) removeAlone(ctx context.Context, u id.User) error {
	_, err := b.store.DeleteAccount(ctx, u, time.Now().UTC().Truncate(time.Millisecond))
	if errors.Is(err, people.ErrNoAccount) {
		return nil
	}
	return err
}

// outside returns how many sealed messages are not in the database yet.
func (b *backend) outside() int {
	if b.journal == nil {
		return 0
	}
	s := b.journal.Status()
	return s.Waiting + s.Aside
}

// upkeep looks after the keys and removes what is too old, until ctx ends.
func (r *rooms) upkeep(ctx context.Context, c Config, log *slog.Logger) {
	var all sync.WaitGroup
	all.Go(func() { r.custody.Run(ctx) })
	if c.Retention > 0 {
		old := retention.New(retention.Options{Store: r.keep, Age: c.Retention, Valid: r.valid, Log: log, Now: time.Now})
		all.Go(func() { old.Run(ctx) })
	}
	all.Wait()
}
