package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
	"pryde/torture/powercut"
)

// A store says where the data is kept.
type store string

// The stores.
const (
	sqlite       store = "sqlite"
	onMongo      store = "mongo"
	mongoJournal store = "mongo-journal"
)

var stores = []store{sqlite, onMongo, mongoJournal}

const (
	syncDelay = 2 * time.Millisecond
	// storeTimeout is how long one operation on MongoDB may take.
	storeTimeout = 3 * time.Second
)

// keep makes what keeps the data, and the variables that name it.
func (w *world) keep(ctx context.Context) (err error) {
	w.vars = []string{"ACCESS_TOKEN_EXPIRY=25h"}
	if w.store == sqlite {
		return w.mount()
	}
	nodes := w.nodes
	if nodes == 0 {
		nodes = map[store]int{onMongo: 3, mongoJournal: 1}[w.store]
	}
	if w.db, err = startDatabase(ctx, nodes); err != nil {
		return err
	}
	// Every server has the same secrets, as the instances of a deployment do.
	w.vars = append(w.vars, "MONGODB_URI="+w.db.set.URI("torture"), "MONGODB_TIMEOUT="+storeTimeout.String(),
		"JWT_SECRET="+strings.Repeat("a", 32), "JWT_REFRESH_SECRET="+strings.Repeat("b", 32), "MESSAGE_ENCRYPTION_KEY="+strings.Repeat("c", 64))
	return nil
}

// mount puts a disk that can lose its power under the data, where this machine has one.
func (w *world) mount() (err error) {
	w.disk, err = powercut.Mount(w.dir, powercut.Options{Seed: w.seed, SyncDelay: syncDelay})
	if err == nil {
		return nil
	}
	w.disk = nil
	if !errors.Is(err, powercut.ErrUnavailable) || os.Getenv("CI") == "true" {
		return err
	}
	_, err = fmt.Fprintln(w.out, "POWER CUTS ARE NOT TESTED HERE, ONLY KILLS:", err)
	return err
}

// A database is a replica set of which each server stands behind a proxy, for the servers of the
// set too.
type database struct {
	set     *mongod.Set
	proxies map[string]*testkit.Proxy // by the address of the server
}

func startDatabase(ctx context.Context, nodes int) (*database, error) {
	d := &database{proxies: map[string]*testkit.Proxy{}}
	var err error
	d.set, err = mongod.StartSet(ctx, nodes, mongod.Options{Known: func(addr string) (string, error) {
		p, err := testkit.StartProxy(ctx, addr)
		if err != nil {
			return "", err
		}
		d.proxies[addr] = p
		return p.Addr(), nil
	}})
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) close() (err error) {
	if d.set != nil {
		err = d.set.Close()
	}
	for _, p := range d.proxies {
		p.Close()
	}
	return err
}

// through chooses the proxies that something is done to: that of the primary or all.
func (d *database) through(ctx context.Context, random *rand.Rand) ([]*testkit.Proxy, error) {
	if random.IntN(2) == 0 {
		primary, err := d.set.Primary(ctx)
		if err != nil {
			return nil, err
		}
		return []*testkit.Proxy{d.proxies[primary.Addr()]}, nil
	}
	var all []*testkit.Proxy
	for _, s := range d.set.Servers {
		all = append(all, d.proxies[s.Addr()])
	}
	return all, nil
}
