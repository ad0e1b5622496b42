package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"pryde/internal/auth"
	"pryde/internal/bus"
	"pryde/internal/custody"
	"pryde/internal/files"
	"pryde/internal/httpapi"
	"pryde/internal/id"
	"pryde/internal/limit"
	"pryde/internal/message"
	"pryde/internal/metric"
	"pryde/internal/order"
	"pryde/internal/people"
	"pryde/internal/presence"
	"pryde/internal/realtime"
	"pryde/internal/search"
	"pryde/internal/socketio"
	"pryde/internal/typing"
	"pryde/internal/wire"
	"pryde/web"
)

// rooms are everything that serves people, made anew for each time in which the instance is
// active: nothing that was remembered in one is believed in the next.
type rooms struct {
	*backend // the caller's to close

	valid    func() bool // no other instance can be active
	line     *order.Line
	gate     *realtime.Gateway
	presence *presence.Service
	typing   *typing.Service
	search   *search.Service
	custody  *custody.Service
	objects  objects
	files    *files.Service
	page     http.Handler // of REST and the page
	metrics  *metric.Registry

	requests *requests
	stop     context.CancelFunc // of what runs in the background
	ended    chan struct{}      // closed when that has ended
}

// openRooms makes the rooms and the doors over an open database, which stays the caller's to
// close after the rooms. valid says whether they may still answer.
func openRooms(ctx context.Context, c Config, log *slog.Logger, b *backend, valid func() bool) (_ *rooms, err error) {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &rooms{
		backend: b, valid: valid, metrics: metric.New(), requests: newRequests(background), stop: stop, ended: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			close(r.ended)
			r.close()
		}
	}()
	if err := r.wire(ctx, c, log); err != nil {
		return nil, err
	}
	go func() {
		defer close(r.ended)
		var all sync.WaitGroup
		all.Go(func() { r.gate.Recheck(background) })
		all.Go(func() { r.upkeep(background, c, log) })
		all.Go(func() { r.files.Sweep(background) })
		all.Wait()
	}()
	return r, nil
}

// wire makes the rooms and the doors and connects them.
func (r *rooms) wire(ctx context.Context, c Config, log *slog.Logger) error {
	now, database := time.Now, wire.Database(r.store.Database())
	key, err := r.vault.ServerKey(ctx)
	if err != nil {
		return fmt.Errorf("server key: %w", err)
	}
	limiter, err := newLimiter(c, now)
	if err != nil {
		return err
	}
	ids := id.NewSource(now, rand.Reader)
	sessions, err := auth.New(auth.Options{
		Store: r.store, Accounts: people.NewStandings(r.store, now), Rand: rand.Reader, Now: now,
		Keys:         auth.Keys{Access: auth.NewSecret([]byte(c.JWTSecret)), Refresh: auth.NewSecret([]byte(c.JWTRefreshSecret))},
		AccessExpiry: c.AccessExpiry, RefreshExpiry: c.RefreshExpiry, IdleTimeout: time.Duration(c.IdleTimeout) * time.Millisecond,
		Trust: r.trust(),
	})
	if err != nil {
		return err
	}
	r.line = order.NewLine(r.store.Opened())
	if r.gate, err = realtime.New(realtime.Options{
		Engine: socketio.Config{
			ConnectTimeout: c.ConnectTimeout, AuthTimeout: c.AuthTimeout, AllowOrigin: originCheck(c), Rand: rand.Reader, Log: log,
			MaxPendingPerAddress: c.MaxPendingPerAddress, Polling: c.Polling,
		},
		Verifier: checked{sessions, r.valid}, Limiter: limiter, Line: r.line, Database: database, Key: key, Rand: rand.Reader,
		MaxConnections: c.MaxConnections, Trusted: c.Proxies, Metrics: r.metrics, Log: log, Now: now,
	}); err != nil {
		return err
	}
	nodes := &bus.Local{Sockets: audible{r.gate, r.valid}}
	r.gate.Carry(nodes)
	accounts := people.New(people.Options{
		Store: r.store, Factors: r.store, Ties: r.store, Sessions: sessions, Bus: nodes, IDs: ids, Key: key, Now: now, Rand: rand.Reader,
		Log: log, VerifyEmail: c.Verification == VerificationRequired, FormerHashes: c.SealFormat == SealLegacy,
		OnBlock: func(a, b id.User) { r.presence.BlockChanged(a, b) }, // each of the two needs the other
	})
	nodes.Memory = accounts
	r.custody = newCustody(r.backend, accounts.Remove, r.valid, log)
	if err := r.custody.Restore(ctx); err != nil {
		return err
	}
	r.presence = presence.New(presence.Options{Publish: nodes, People: accounts, Log: log, Now: now})
	r.gate.Greet(r.presence)
	if err := r.openFiles(ctx, c, key, log); err != nil {
		return err
	}
	r.search = search.New(search.Options{Store: r.store, Key: key, Metrics: r.metrics, Now: now, Log: log})
	messages := message.New(message.Options{
		Store: r.store, Groups: r.store, People: accounts, Files: r.files, Index: words{r.search}, IDs: ids, Key: key, Database: database, Now: now,
	})
	r.typing = typing.New(typing.Options{Publish: nodes, People: accounts, Groups: messages, Now: now})
	r.gate.Recover(messages)
	r.answerSockets(messages)

	api := httpapi.New(httpapi.Options{
		Verifier: sessions, Limiter: limiter, Line: r.line, Publish: nodes, Origins: originCheck(c), Trusted: c.Proxies,
		Cookie:  httpapi.CookieOptions{Secure: c.Env == Production, Domain: c.RootDomain},
		Version: buildVersion(), Metrics: r.metrics, Log: log, Now: now,
	})
	httpapi.BindAccounts(api, accounts)
	httpapi.BindSessions(api, accounts)
	httpapi.BindUsers(api, accounts)
	httpapi.BindMessages(api, messages)
	httpapi.BindConversations(api, messages)
	httpapi.BindGroups(api, messages)
	httpapi.BindSearch(api, finder{r.search, messages})
	httpapi.BindFiles(api, r.files)
	httpapi.BindBlocks(api, accounts)
	httpapi.BindHealth(api)
	r.page, err = api.Page(web.Page())
	return err
}

// sessionTrust is how long a session that was good counts while the database is away. What is known of
// people and blocks lasts as long.
const sessionTrust = 5 * time.Minute

// trust is 0 where nothing is taken while the database is away.
func (r *rooms) trust() time.Duration {
	if r.journal == nil {
		return 0
	}
	return sessionTrust
}

func newLimiter(c Config, now func() time.Time) (*limit.Limiter, error) {
	rules, err := limit.Defaults().With(c.RateLimits)
	if err != nil {
		return nil, fmt.Errorf("RATE_LIMITS: %w", err)
	}
	limiter, err := limit.New(limit.Options{Rules: rules, Factor: c.RateLimitFactor, Now: now})
	if err != nil {
		return nil, fmt.Errorf("RATE_LIMIT_FACTOR: %w", err)
	}
	return limiter, nil
}

func (r *rooms) answerSockets(messages *message.Service) {
	realtime.On(r.gate, wire.SendMessage, inCharge(r, messages.Send), wire.Delivery.Sent)
	realtime.On(r.gate, wire.SayDelivered, inCharge(r, messages.MarkDelivered), wire.Note)
	realtime.On(r.gate, wire.SayRead, inCharge(r, messages.ReadUpTo), wire.Note)
	realtime.On(r.gate, wire.SayTyping, inCharge(r, r.typing.Say), realtime.Same)
	realtime.On(r.gate, wire.Ping, inCharge(r, r.presence.Ping), realtime.Same)
	realtime.On(r.gate, wire.EchoBack, inCharge(r, r.presence.Echo), realtime.Same)
	realtime.On(r.gate, wire.Join, inCharge(r, r.presence.Join), realtime.Same)
	realtime.On(r.gate, wire.GetOnlineUsers, inCharge(r, r.presence.Online), realtime.Same)
}

func isSocket(r *http.Request) bool {
	return r.URL.Path == "/socket.io" || strings.HasPrefix(r.URL.Path, "/socket.io/")
}

// goesOn reports whether a request belongs to a connection that is being drained.
func (r *rooms) goesOn(req *http.Request) bool { return isSocket(req) && req.URL.Query().Has("sid") }

// serve puts the doors behind one port. It reports false where nothing may begin any more.
func (r *rooms) serve(w http.ResponseWriter, req *http.Request) bool {
	if isSocket(req) {
		r.gate.Server().ServeHTTP(w, req)
		return true
	}
	req, done := r.requests.begin(w, req)
	if req == nil {
		return false
	}
	defer done()
	r.page.ServeHTTP(w, req)
	return true
}

// drain finishes what was accepted, and closes the sockets so that their clients come back. No
// new work may come.
func (r *rooms) drain(ctx context.Context) error {
	sockets := make(chan error, 1)
	go func() { sockets <- r.gate.Server().Drain(ctx) }()
	err := r.requests.finish(ctx)
	return errors.Join(err, <-sockets)
}

// cut ends all connections and requests at once: what they would still say may be untrue.
func (r *rooms) cut() {
	r.stop()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.gate.Server().Drain(ended) // the error is that it was cut short
}

// close takes down what was made; parts that were never made are nil.
func (r *rooms) close() {
	r.stop()
	<-r.ended
	if r.presence != nil {
		r.presence.Close()
	}
	if r.typing != nil {
		r.typing.Close()
	}
	if r.search != nil {
		r.search.Close()
	}
	if r.line != nil {
		r.line.Close()
	}
	if r.objects != nil {
		_ = r.objects.Close() // nothing is on its way in or out any more
	}
}
