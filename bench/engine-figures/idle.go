package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pryde/bench/engine-figures/load"
)

const (
	atOnce        = 200              // connects in flight
	answerTimeout = 10 * time.Second // for the answer to a connect
	leaveTimeout  = time.Minute      // until a server has noticed that its clients left
	leavePoll     = 20 * time.Millisecond
	spareFiles    = 8   // of a server, which come and go by themselves
	firstClients  = 100 // come and go before the memory of no connections is looked at
)

// idleSockets measures what connections cost that do nothing.
func (b *bench) idleSockets(ctx context.Context, s *system) (map[string]float64, error) {
	n := b.idle
	if s.name == library {
		n = b.libraryIdle
	}
	server, err := b.start(ctx, s, 1, false)
	if err != nil {
		return nil, err
	}
	defer server.close()
	return b.idleOn(ctx, server, n, b.waves, "idle")
}

// idlePolls measures the same for connections that stay on polling.
func (b *bench) idlePolls(ctx context.Context, s *system) (map[string]float64, error) {
	server, err := b.start(ctx, s, 1, true)
	if err != nil {
		return nil, err
	}
	defer server.close()
	return b.idleOn(ctx, server, b.pollingIdle, 0, "polling")
}

// idleOn looks at the memory of a server with n idle connections, and, where there are to be
// any, again after waves of as many.
func (b *bench) idleOn(ctx context.Context, s *served, n, waves int, prefix string) (map[string]float64, error) {
	s.Busy = false // for minutes, in which nothing is measured
	// What a program loads for its first connections is not the price of the others.
	if _, err := s.wave(ctx, min(firstClients, n)); err != nil {
		return nil, err
	}
	if err := s.leave(ctx); err != nil {
		return nil, err
	}
	none, err := s.Resident()
	if err != nil {
		return nil, err
	}
	if _, err := s.wave(ctx, n); err != nil {
		return nil, err
	}
	first, err := s.settled(ctx, b.settle)
	if err != nil {
		return nil, err
	}
	each := func(resident int64) float64 { return float64(resident-none) / float64(n) / 1024 }
	figures := map[string]float64{prefix + ".connections": float64(n), prefix + ".rss": each(first)}
	if waves == 0 {
		return figures, nil
	}
	for range waves {
		if err := s.leave(ctx); err != nil {
			return figures, err
		}
		if _, err := s.wave(ctx, n); err != nil {
			return figures, err
		}
	}
	again, err := s.settled(ctx, b.settle)
	if err != nil {
		return figures, err
	}
	figures[prefix+".again"] = each(again)
	figures[prefix+".growth"] = each(again) / each(first)
	return figures, nil
}

// wave connects n clients, every one of them.
func (s *served) wave(ctx context.Context, n int) ([]*load.Conn, error) {
	var conns []*load.Conn
	for tries := s.tries; ; tries-- {
		r, err := s.Connect(ctx, n-len(conns), atOnce, answerTimeout)
		conns = append(conns, r.Conns...)
		if err != nil || r.Unanswered == 0 || r.Failed > 0 || tries == 0 {
			return conns, errors.Join(err, r.All())
		}
	}
}

// leave drops every client and waits until the server has noticed.
func (s *served) leave(ctx context.Context) error {
	n := s.Count()
	before, err := s.Files()
	if err != nil {
		return err
	}
	s.DropAll()
	deadline := time.Now().Add(leaveTimeout)
	for {
		files, err := s.Files()
		if err != nil || files <= before-n+spareFiles {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d clients left, and the server still has %d open files of %d", n, files, before)
		}
		if err := s.Until(ctx, time.Now().Add(leavePoll)); err != nil {
			return err
		}
	}
}

// settled returns the memory of the server, in bytes, after a while in which clients only
// answer pings.
func (s *served) settled(ctx context.Context, after time.Duration) (int64, error) {
	if err := s.Until(ctx, time.Now().Add(after)); err != nil {
		return 0, err
	}
	return s.Resident()
}
