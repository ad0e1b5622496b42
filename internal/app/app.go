// Package app is the roof: it reads the configuration, wires everything together, runs the
// server and stops it.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"pryde/internal/auth"
	"pryde/internal/bus"
	"pryde/internal/httpapi"
	"pryde/internal/id"
	"pryde/internal/limit"
	"pryde/internal/message"
	"pryde/internal/metric"
	"pryde/internal/order"
	"pryde/internal/people"
	"pryde/internal/presence"
	"pryde/internal/realtime"
	"pryde/internal/seal"
	"pryde/internal/socketio"
	"pryde/internal/sqlitestore"
	"pryde/internal/wire"
)

// server is everything that runs, in the order in which it was made. It is taken down in the
// opposite order.
type server struct {
	config  Config
	log     *slog.Logger
	metrics *metric.Registry

	keys     *sqlitestore.Keys
	vault    *seal.Vault
	store    *sqlitestore.Store
	line     *order.Line
	gate     *realtime.Gateway
	presence *presence.Service
	http     *http.Server
	ready    atomic.Bool
}

// Run serves until ctx ends, then finishes what was accepted and returns. It calls listening
// with the address once connections are taken. Missing secrets are made in development.
func Run(ctx context.Context, c Config, log *slog.Logger, listening func(addr net.Addr)) (err error) {
	if err := fillSecrets(&c); err != nil {
		return err
	}
	s := &server{config: c, log: log, metrics: metric.New()}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	api, err := s.wire(ctx)
	if err != nil {
		return err
	}
	return s.serve(ctx, api, listening)
}

// open opens what keeps the data.
func (s *server) open(ctx context.Context) (err error) {
	if s.keys, err = sqlitestore.OpenKeys(ctx, s.config.KeysDir); err != nil {
		return err
	}
	ring, err := seal.NewRing(s.config.MessageKey.ID(), map[seal.KeyID]seal.Key{s.config.MessageKey.ID(): s.config.MessageKey})
	if err != nil {
		return fmt.Errorf("MESSAGE_ENCRYPTION_KEY: %w", err)
	}
	s.vault = seal.New(ring, s.keys, rand.Reader)
	s.store, err = sqlitestore.Open(ctx, sqlitestore.Options{Dir: s.config.DataDir, Vault: s.vault, Log: s.log})
	return err
}

// wire makes the rooms and the doors and connects them.
func (s *server) wire(ctx context.Context) (*httpapi.API, error) {
	c, now := s.config, time.Now
	key, err := s.vault.ServerKey(ctx)
	if err != nil {
		return nil, fmt.Errorf("server key: %w", err)
	}
	rules, err := limit.Defaults().With(c.RateLimits)
	if err != nil {
		return nil, fmt.Errorf("RATE_LIMITS: %w", err)
	}
	limiter, err := limit.New(limit.Options{Rules: rules, Factor: c.RateLimitFactor, Now: now})
	if err != nil {
		return nil, fmt.Errorf("RATE_LIMIT_FACTOR: %w", err)
	}
	ids := id.NewSource(now, rand.Reader)
	database := wire.Database(s.store.Database())
	origins := originCheck(c)

	sessions, err := auth.New(auth.Options{
		Store: s.store, Accounts: people.NewStandings(s.store), Rand: rand.Reader, Now: now,
		Keys:         auth.Keys{Access: auth.NewSecret([]byte(c.JWTSecret)), Refresh: auth.NewSecret([]byte(c.JWTRefreshSecret))},
		AccessExpiry: c.AccessExpiry, RefreshExpiry: c.RefreshExpiry, IdleTimeout: time.Duration(c.IdleTimeout) * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	s.line = order.NewLine(s.store.Opened())
	if s.gate, err = realtime.New(realtime.Options{
		Engine: socketio.Config{
			ConnectTimeout: c.ConnectTimeout, AuthTimeout: c.AuthTimeout, AllowOrigin: origins, Rand: rand.Reader, Log: s.log,
			MaxPendingPerAddress: c.MaxPendingPerAddress, Polling: c.Polling,
		},
		Verifier: sessions, Limiter: limiter, Line: s.line, Database: database, Key: key, Rand: rand.Reader,
		MaxConnections: c.MaxConnections, Trusted: c.Proxies, Metrics: s.metrics, Log: s.log, Now: now,
	}); err != nil {
		return nil, err
	}
	nodes := &bus.Local{Sockets: s.gate}
	s.gate.Carry(nodes)
	accounts := people.New(people.Options{
		Store: s.store, Factors: s.store, Ties: s.store, Sessions: sessions, Bus: nodes, IDs: ids, Key: key, Now: now, Rand: rand.Reader,
		Log: s.log, VerifyEmail: c.Verification == VerificationRequired,
		OnBlock: func(a, b id.User) { s.presence.BlockChanged(a, b) }, // each of the two needs the other
	})
	nodes.Memory = accounts
	s.presence = presence.New(presence.Options{Publish: nodes, People: accounts, Log: s.log, Now: now})
	s.gate.Greet(s.presence)
	messages := message.New(message.Options{Store: s.store, People: accounts, IDs: ids, Key: key, Database: database, Now: now})
	s.gate.Recover(messages)

	realtime.On(s.gate, wire.SendMessage, messages.Send, wire.Delivery.Sent)
	realtime.On(s.gate, wire.SayDelivered, messages.MarkDelivered, wire.Note)
	realtime.On(s.gate, wire.SayRead, messages.ReadUpTo, wire.Note)
	realtime.On(s.gate, wire.Ping, s.presence.Ping, realtime.Same)
	realtime.On(s.gate, wire.EchoBack, s.presence.Echo, realtime.Same)
	realtime.On(s.gate, wire.Join, s.presence.Join, realtime.Same)
	realtime.On(s.gate, wire.GetOnlineUsers, s.presence.Online, realtime.Same)

	api := httpapi.New(httpapi.Options{
		Verifier: sessions, Limiter: limiter, Line: s.line, Publish: nodes, Origins: origins, Trusted: c.Proxies,
		Cookie:  httpapi.CookieOptions{Secure: c.Env == Production, Domain: c.RootDomain},
		Version: buildVersion(), Metrics: s.metrics, Log: s.log, Now: now,
	})
	httpapi.BindAccounts(api, accounts)
	httpapi.BindSessions(api, accounts)
	httpapi.BindUsers(api, accounts)
	httpapi.BindMessages(api, messages)
	httpapi.BindConversations(api, messages)
	httpapi.BindBlocks(api, accounts)
	httpapi.BindHealth(api)
	return api, nil
}

const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10 // bytes
)

// serve listens until ctx ends, then drains.
func (s *server) serve(ctx context.Context, api *httpapi.API, listening func(net.Addr)) error {
	doors, err := s.mux(api)
	if err != nil {
		return err
	}
	s.http = &http.Server{
		Handler: doors, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(s.config.Host, strconv.Itoa(s.config.Port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	rechecked := make(chan struct{})
	go func() {
		defer close(rechecked)
		s.gate.Recheck(background)
	}()
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(l) }()
	s.ready.Store(true)
	listening(l.Addr())

	select {
	case err = <-served:
	case <-ctx.Done():
		err = s.drain(context.WithoutCancel(ctx))
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
	}
	stopBackground()
	<-rechecked
	return err
}

// drain takes no new work, finishes what was accepted, and closes the sockets so that their
// clients come back.
func (s *server) drain(ctx context.Context) error {
	s.ready.Store(false)
	s.log.InfoContext(ctx, "stopping")
	ctx, cancel := context.WithTimeout(ctx, s.config.Shutdown)
	defer cancel()
	sockets := make(chan error, 1)
	go func() { sockets <- s.gate.Server().Drain(ctx) }()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		// Whoever has not sent their request by now has been acknowledged nothing.
		s.log.WarnContext(ctx, "requests were still coming in at the end of SHUTDOWN_TIMEOUT")
		err = s.http.Close()
	}
	return errors.Join(err, <-sockets)
}

// close takes down what was made; parts that were never made are nil.
func (s *server) close() error {
	var errs []error
	if s.presence != nil {
		s.presence.Close()
	}
	if s.line != nil {
		s.line.Close()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.keys != nil {
		errs = append(errs, s.keys.Close())
	}
	return errors.Join(errs...)
}
