package mongod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/testkit"
)

// How fast a set notices that its primary is gone. On a busy machine shorter ones elect for nothing.
const (
	electionTimeout = 2 * time.Second
	heartbeat       = 500 * time.Millisecond
)

// A Set is a replica set on 127.0.0.1. Its methods are for one goroutine.
type Set struct {
	Servers []*Server

	dir  string
	temp bool // the folder goes with the set
}

// StartSet starts a replica set of so many servers and returns once it has a primary and every
// other server follows it. The caller ends it with Close.
func StartSet(ctx context.Context, servers int, o Options) (*Set, error) {
	binary, err := Find()
	if err != nil {
		return nil, err
	}
	s := &Set{dir: o.Dir}
	if s.dir == "" {
		s.temp = true
		where := ""
		if o.InMemory {
			where = memoryFolder()
		}
		if s.dir, err = os.MkdirTemp(where, "mongod-"); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.start(ctx, binary, servers, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start mongod: %w", err), s.Close())
	}
	return s, nil
}

func (s *Set) start(ctx context.Context, binary string, servers int, o Options) error {
	for i := range servers {
		port, err := s.freePort(ctx)
		if err != nil {
			return err
		}
		m := &Server{process: process{binary: binary, dir: filepath.Join(s.dir, "member"+strconv.Itoa(i)), port: port, args: o.Args}, set: s}
		m.known = m.Addr()
		if o.Known != nil {
			if m.known, err = o.Known(m.Addr()); err != nil {
				return err
			}
		}
		if err := m.run(); err != nil {
			return err
		}
		s.Servers = append(s.Servers, m)
	}
	for _, m := range s.Servers {
		if err := m.listens(ctx); err != nil {
			return err
		}
	}
	return s.initiate(ctx)
}

// freePort returns a port that no other member is about to take.
func (s *Set) freePort(ctx context.Context) (int, error) {
	for {
		port, err := testkit.FreePort(ctx)
		if err != nil || !slices.ContainsFunc(s.Servers, func(m *Server) bool { return m.port == port }) {
			return port, err
		}
	}
}

// initiate makes the servers a set.
func (s *Set) initiate(ctx context.Context) error {
	var members bson.A
	for i, m := range s.Servers {
		members = append(members, bson.D{{Key: "_id", Value: i}, {Key: "host", Value: m.known}})
	}
	config := bson.D{{Key: "_id", Value: setName}, {Key: "members", Value: members}, {Key: "settings", Value: bson.D{
		{Key: "electionTimeoutMillis", Value: electionTimeout.Milliseconds()},
		{Key: "heartbeatIntervalMillis", Value: heartbeat.Milliseconds()},
	}}}
	if _, err := s.Servers[0].Command(ctx, bson.D{{Key: "replSetInitiate", Value: config}}); err != nil {
		return fmt.Errorf("initiate the replica set: %w", err)
	}
	for _, m := range s.Servers {
		if err := m.joined(ctx); err != nil {
			return err
		}
	}
	_, err := s.Primary(ctx)
	return err
}

// URI names a database on the set.
func (s *Set) URI(database string) string {
	var hosts []string
	for _, m := range s.Servers {
		hosts = append(hosts, m.known)
	}
	return "mongodb://" + strings.Join(hosts, ",") + "/" + database + "?replicaSet=" + setName
}

// Primary waits until a server is the primary, and returns it. Servers that do not run are not asked.
func (s *Set) Primary(ctx context.Context) (*Server, error) { return s.primary(ctx, nil) }

// primary waits for a primary that is another server than this.
func (s *Set) primary(ctx context.Context, former *Server) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	found := make(chan *Server, len(s.Servers))
	errs := make(chan error, len(s.Servers))
	asked := 0
	for _, m := range s.Servers {
		if _, end := m.current(); m == former || closed(end) {
			continue
		}
		asked++
		go func() {
			err := m.await(ctx, func(h hello) bool { return h.Primary })
			if err == nil {
				found <- m
			}
			errs <- err
		}()
	}
	var all []error
	for range asked {
		if err := <-errs; err != nil {
			all = append(all, err)
		} else {
			cancel() // the others need not wait any longer
		}
	}
	if len(found) > 0 {
		return <-found, nil
	}
	return nil, fmt.Errorf("find the primary: %w", errors.Join(append(all, ctx.Err())...))
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// StepDown makes the primary step down and returns the one that takes its place, once it takes
// writes. The only server of a set takes its own place, after a second.
func (s *Set) StepDown(ctx context.Context) (*Server, error) {
	former, err := s.Primary(ctx)
	if err != nil {
		return nil, err
	}
	alone := len(s.Servers) == 1
	command := bson.D{{Key: "replSetStepDown", Value: 60}, {Key: "secondaryCatchUpPeriodSecs", Value: 10}}
	if alone {
		command = bson.D{{Key: "replSetStepDown", Value: 1}, {Key: "secondaryCatchUpPeriodSecs", Value: 0}, {Key: "force", Value: true}}
	}
	if _, err := former.Command(ctx, command); err != nil {
		return nil, fmt.Errorf("step down: %w", err)
	}
	if alone {
		former = nil
	}
	return s.primary(ctx, former)
}

// Close ends the servers and removes what they kept in a temporary folder.
func (s *Set) Close() error {
	var errs []error
	for _, m := range s.Servers {
		if s.temp {
			m.kill() // what it kept is removed
		} else {
			errs = append(errs, m.stop())
		}
	}
	if s.temp {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
