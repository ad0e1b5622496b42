// Package mongod runs real MongoDB servers for tests: replica sets of one node or more on
// loopback that are killed, paused, restarted and stepped down. It does not know what is stored
// in them.
package mongod

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/testkit"
)

const (
	setName      = "pryde"
	startTimeout = 60 * time.Second
	poll         = 10 * time.Millisecond
	// commandTimeout is what a command may take; a paused mongod answers none.
	commandTimeout = 15 * time.Second
	// leaveTimeout is what a client waits for its goodbye.
	leaveTimeout = time.Second
)

// Options say how servers are started. The zero value is of use.
type Options struct {
	Dir string // where they keep data and logs; where it is empty, a temporary folder that Close removes
	// InMemory keeps a temporary folder in memory, where that can be had: a set starts sooner and
	// syncs at once. The data is there after a kill, as on a disk.
	InMemory bool
	Args     []string // further arguments, such as --setParameter NAME=VALUE
	// Known returns the address by which clients and the other members know a server, such as that
	// of a proxy. Where it is nil that is its own.
	Known func(addr string) (string, error)
}

// A Server is one mongod on 127.0.0.1, a member of a replica set. Its methods are for one
// goroutine, but for Kill, Pause, Resume and Exited.
type Server struct {
	process
	set   *Set
	known string
}

// Start starts a replica set of one server and returns once it takes writes. The caller ends it
// with Close. The error has ErrNone in its chain where no mongod can be had.
func Start(ctx context.Context, o Options) (*Server, error) {
	set, err := StartSet(ctx, 1, o)
	if err != nil {
		return nil, err
	}
	return set.Servers[0], nil
}

// Addr returns the address that the server listens on, the same after a restart.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// Dir returns the folder of the server's data and log.
func (s *Server) Dir() string { return s.dir }

// URI names a database on this one server, as a member of its replica set.
func (s *Server) URI(database string) string {
	return "mongodb://" + s.known + "/" + database + "?replicaSet=" + setName
}

// DirectURI names a database behind an address that is not in the configuration of a replica
// set, such as that of a proxy.
func DirectURI(addr, database string) string {
	return "mongodb://" + addr + "/" + database + "?directConnection=true"
}

// Exited is closed when the process that was started last has ended.
func (s *Server) Exited() <-chan struct{} {
	_, end := s.current()
	return end
}

// Kill ends the server at once (SIGKILL) and returns when it is gone.
func (s *Server) Kill() { s.kill() }

// Stop asks the server to end (SIGTERM) and kills it where it does not within five seconds.
func (s *Server) Stop() error { return s.stop() }

// Pause stops the process where it stands (SIGSTOP): its connections stay open and nothing answers.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

// Restart starts the server again on its port and data after Stop or Kill, and returns once it
// takes writes; where it is one of several, once it is a member of the set again.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.run(); err != nil {
		return fmt.Errorf("restart mongod: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.joined(ctx); err != nil {
		s.kill()
		return fmt.Errorf("restart mongod: %w", err)
	}
	return nil
}

// joined waits until the server is the primary or, where it is one of several, follows one.
func (s *Server) joined(ctx context.Context) error {
	return s.await(ctx, func(h hello) bool { return h.Primary || h.Secondary && len(s.set.Servers) > 1 })
}

// Close ends the servers of the set and removes what they kept in a temporary folder.
func (s *Server) Close() error { return s.set.Close() }

// Command runs a command of the admin database on this server, whatever its role is.
func (s *Server) Command(ctx context.Context, command any) (bson.Raw, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var reply bson.Raw
	err := s.direct(ctx, func(c *mongo.Client) error {
		var err error
		reply, err = c.Database("admin").RunCommand(ctx, command).Raw()
		return err
	})
	return reply, err
}

// direct calls fn with a client of this server alone.
func (s *Server) direct(ctx context.Context, fn func(*mongo.Client) error) error {
	return withClient(ctx, DirectURI(s.Addr(), ""), fn)
}

func withClient(ctx context.Context, uri string, fn func(*mongo.Client) error) error {
	c, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return errors.New("the URI of the server for tests cannot be used") // what the driver says may show a password
	}
	err = fn(c)
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	return errors.Join(err, c.Disconnect(leave))
}

// hello is what a server says about its role.
type hello struct {
	Primary   bool `bson:"isWritablePrimary"`
	Secondary bool `bson:"secondary"`
}

// await polls the server's hello until it is as wanted, the process has ended, or ctx has.
func (s *Server) await(ctx context.Context, wanted func(hello) bool) error {
	if err := s.listens(ctx); err != nil {
		return err
	}
	return s.direct(ctx, func(c *mongo.Client) error {
		return s.until(ctx, func() bool {
			var h hello
			err := c.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&h)
			return err == nil && wanted(h)
		})
	})
}

// listens waits until the server takes connections: the driver would wait for half a second after
// the first that fails.
func (s *Server) listens(ctx context.Context) error {
	return s.until(ctx, func() bool { return testkit.Listens(ctx, s.Addr()) })
}

// until polls a condition.
func (s *Server) until(ctx context.Context, met func() bool) error {
	_, end := s.current()
	ticks := time.NewTicker(poll)
	defer ticks.Stop()
	for !met() {
		select {
		case <-ticks.C:
		case <-end:
			return fmt.Errorf("mongod ended by itself; its log ends with:\n%s", s.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("mongod is not ready: %w; its log ends with:\n%s", ctx.Err(), s.lastWords())
		}
	}
	return nil
}
