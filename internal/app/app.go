// Package app is the roof: it reads the configuration, wires everything together, runs the
// server and stops it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A server is the process: its port, and what it does behind it.
type server struct {
	config    Config
	log       *slog.Logger
	front     *front
	listening func(net.Addr)

	end    context.CancelFunc // of the context that Run serves in
	http   *http.Server       // nil before listen
	served chan error         // how serving ended
}

// Run serves until ctx ends, then finishes what was accepted and returns. It calls listening
// with the address once connections are taken; on MongoDB that is before anything is
// served, since another instance may be active. Missing secrets are made in development.
func Run(ctx context.Context, c Config, log *slog.Logger, listening func(addr net.Addr)) error {
	if err := fillSecrets(&c); err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	s := &server{config: c, log: log, front: newFront(c, log), listening: listening, end: end, served: make(chan error, 1)}
	if c.MongoURI != "" {
		return s.runShared(ctx)
	}
	return s.runAlone(ctx)
}

const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10 // bytes
)

// listen takes connections until shutDown, which is due too where it ends the server's context
// because it cannot go on.
func (s *server) listen(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(s.config.Host, strconv.Itoa(s.config.Port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.http = &http.Server{
		Handler: s.front, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	go func() {
		defer s.end()
		s.served <- s.http.Serve(l)
	}()
	s.listening(l.Addr())
	return nil
}

// shutDown takes no new connections and returns once requests are answered, or cut off at the
// end of ctx.
func (s *server) shutDown(ctx context.Context) error {
	if s.http == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		// Whoever has not sent their request by now has been acknowledged nothing.
		s.log.WarnContext(ctx, "requests were still coming in at the end of SHUTDOWN_TIMEOUT")
		err = s.http.Close()
	}
	if ended := <-s.served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// runAlone serves from the embedded database, which belongs to this process.
func (s *server) runAlone(ctx context.Context) (err error) {
	b, err := openEmbedded(ctx, s.config, s.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	r, err := openRooms(ctx, s.config, s.log, b, func() bool { return true })
	if err != nil {
		return err
	}
	defer r.close()
	s.front.become(state{says: "ok", ready: true, rooms: r})
	if err := s.listen(ctx); err != nil {
		return err
	}

	<-ctx.Done()
	s.front.become(state{says: "stopping", rooms: r})
	s.log.InfoContext(ctx, "stopping")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Shutdown)
	defer cancel()
	sockets := make(chan error, 1)
	go func() { sockets <- r.gate.Server().Drain(ctx) }()
	err = s.shutDown(ctx)
	return errors.Join(err, <-sockets)
}
