package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"pryde/internal/testkit"
)

const (
	poll = 20 * time.Millisecond
	// serveTimeout is how long nobody may serve after a fault has ended.
	serveTimeout = 60 * time.Second
)

// An instance is a server at its own port, over its restarts.
type instance struct {
	name   string
	server *testkit.Server
	runs   atomic.Bool // it is meant to
}

// all returns the instances that there have been.
func (w *world) all() []*instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*instance(nil), w.instances...)
}

// url is that of the n-th instance, counted round and round.
func (w *world) url(n int) string {
	all := w.all()
	return all[n%len(all)].server.BaseURL
}

// open starts a server that there has not been before.
func (w *world) open(ctx context.Context) (*instance, error) {
	i := &instance{name: fmt.Sprintf("server%d", len(w.all()))}
	dir, vars := w.dir, w.vars
	if w.db != nil {
		dir = filepath.Join(w.dir, i.name)
	}
	if w.store == mongoJournal {
		vars = append(vars[:len(vars):len(vars)], "JOURNAL_DIR="+filepath.Join(dir, "journal"))
	}
	w.note("%s starts", i.name)
	var err error
	i.server, err = testkit.StartServer(ctx, testkit.ServerConfig{Binary: w.binary, DataDir: dir, Output: w.book, Env: vars})
	if err != nil {
		return nil, broken{"lives", err}
	}
	i.runs.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instances = append(w.instances, i)
	return i, nil
}

// start starts an instance again.
func (w *world) start(ctx context.Context, i *instance) error {
	w.note("%s starts", i.name)
	if err := i.server.Start(ctx); err != nil {
		return broken{"lives", fmt.Errorf("%s: %w", i.name, err)}
	}
	i.runs.Store(true)
	return nil
}

// stop asks an instance to end, if it runs.
func (w *world) stop(i *instance) error {
	if !i.runs.Swap(false) {
		return nil
	}
	w.note("%s stops", i.name)
	if err := i.server.Stop(); err != nil {
		return broken{"stops", fmt.Errorf("%s: %w", i.name, err)}
	}
	return nil
}

// kill ends an instance by force.
func (w *world) kill(i *instance, note string) {
	i.runs.Store(false)
	w.note("%s is killed", i.name)
	i.server.Kill()
	w.history.Add(testkit.Entry{Kind: testkit.Crashed, Note: note})
}

// says is what an instance answers on /readyz; "" where that is no 200.
func (w *world) says(ctx context.Context, i *instance) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	a, err := (&testkit.REST{BaseURL: i.server.BaseURL}).Do(ctx, "GET", "/readyz", nil)
	if err != nil || a.Status != 200 {
		return ""
	}
	return string(a.Body)
}

// active waits until an instance serves, and returns it.
func (w *world) active(ctx context.Context) (found *instance, err error) {
	err = w.until(ctx, "a server serves", func() bool {
		for _, i := range w.all() {
			if i.runs.Load() && strings.HasPrefix(w.says(ctx, i), "ok") {
				found = i
			}
		}
		return found != nil
	})
	return found, err
}

// serving waits until this instance serves.
func (w *world) serving(ctx context.Context, i *instance) error {
	return w.until(ctx, i.name+" serves", func() bool { return strings.HasPrefix(w.says(ctx, i), "ok") })
}

// until waits until something is so that must become so, and looks whether a server has ended by
// itself.
func (w *world) until(ctx context.Context, what string, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, serveTimeout)
	defer cancel()
	ticks := time.NewTicker(poll)
	defer ticks.Stop()
	for !so() {
		if err := w.alive(); err != nil {
			return err
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return broken{"lives", fmt.Errorf("not within %s: %s", serveTimeout, what)}
		}
	}
	return nil
}

// alive is an error where a server has ended by itself.
func (w *world) alive() error {
	for _, i := range w.all() {
		if !i.runs.Load() {
			continue
		}
		select {
		case <-i.server.Exited():
			return broken{"lives", fmt.Errorf("%s ended by itself; it printed:\n%s", i.name, last(i.server.Output()))}
		default:
		}
	}
	return nil
}

// last is the end of a long text.
func last(s string) string { return s[max(0, len(s)-4000):] }
