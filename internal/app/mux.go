package app

import (
	"context"
	"crypto/subtle"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pryde/internal/fault"
	"pryde/internal/httpapi"
	"pryde/internal/metric"
	"pryde/internal/wire"
)

// errStandby refuses what only the active instance does.
var errStandby = fault.Unavailable("STANDBY", "Another server is in charge, or about to be. Please try again.", time.Second)

// errAway refuses everything while the database cannot be reached.
var errAway = fault.Unavailable("STORE_UNAVAILABLE", "The server cannot reach its database right now. Please try again.", time.Second)

// A front stands behind the port for as long as the process lives. It answers the probes, and
// passes everything else to the rooms while there are some that are in charge.
type front struct {
	config  Config
	log     *slog.Logger
	metrics *metric.Registry // of the time without rooms
	door    *httpapi.API     // without routes
	state   atomic.Pointer[state]
	asked   atomic.Bool // a standby has been asked whether it is ready, and has said so
}

// A state is what the instance is just now.
type state struct {
	says    string       // what /readyz says
	ready   bool         // whether it says so with 200
	rooms   *rooms       // nil: nobody is served
	refusal *fault.Fault // what is not served is answered with; nil where the rooms serve everything
	ending  bool         // the process is: nothing is worth waiting for
}

func newFront(c Config, log *slog.Logger) *front {
	metrics := metric.New()
	f := &front{config: c, log: log, metrics: metrics, door: httpapi.New(httpapi.Options{
		Origins: originCheck(c), Trusted: c.Proxies, Version: buildVersion(), Metrics: metrics, Log: log, Now: time.Now,
	})}
	f.become(state{says: "starting", refusal: errStandby})
	return f
}

func (f *front) become(s state) { f.state.Store(&s) }

// ServeHTTP is no ServeMux: that redirects what it takes for an untidy path, and clients of an
// API do not expect that.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := f.now()
	if isRefresh(r) {
		now = f.awaitRooms(r.Context())
	}
	get := r.Method == http.MethodGet
	switch path := r.URL.Path; {
	case get && path == "/livez":
		_, _ = io.WriteString(w, "ok\n")
	case get && path == "/readyz":
		f.readyz(w, r, now)
	case get && path == "/metrics":
		f.showMetrics(w, r, now)
	case now.rooms == nil || now.refusal != nil && !now.rooms.goesOn(r):
		f.door.Refusal(now.refusal).ServeHTTP(w, r)
	case !now.rooms.serve(w, r):
		f.door.Refusal(errStandby).ServeHTTP(w, r)
	}
}

// now returns the state, in which rooms that another instance may have replaced are none.
func (f *front) now() state {
	s := *f.state.Load()
	if s.rooms != nil && !s.rooms.valid() {
		return state{says: "the lease has run out", refusal: errStandby}
	}
	return s
}

const (
	// refreshPatience is how long a refresh waits for rooms: a page that is refused logs its person
	// out.
	refreshPatience = 8 * time.Second
	refreshRetry    = 100 * time.Millisecond
)

func isRefresh(r *http.Request) bool {
	spec := wire.PostRefresh.Spec()
	path := strings.ToLower(strings.TrimSuffix(r.URL.Path, "/"))
	return r.Method == spec.Method && (path == spec.Path || slices.Contains(spec.Aliases, path))
}

// awaitRooms returns the state in which somebody is served, or what there is in the end.
func (f *front) awaitRooms(ctx context.Context) state {
	ctx, cancel := context.WithTimeout(ctx, refreshPatience)
	defer cancel()
	for {
		s := f.now()
		if s.rooms != nil && s.refusal == nil || s.ending || !sleep(ctx, refreshRetry) {
			return s
		}
	}
}

// readyTimeout bounds the question to the store.
const readyTimeout = 2 * time.Second

// readyz says whether the instance is as it should be: active with a store that answers, or
// standing by.
func (f *front) readyz(w http.ResponseWriter, r *http.Request, now state) {
	if now.ready && now.rooms != nil {
		now = f.examined(r.Context(), now)
	}
	if !now.ready {
		http.Error(w, now.says, http.StatusServiceUnavailable)
		return
	}
	if now.rooms == nil {
		f.asked.Store(true)
	}
	_, _ = io.WriteString(w, now.says+"\n")
}

// examined adds what the store says. With a journal a store that is away is no reason to route
// elsewhere: messages are taken.
func (f *front) examined(ctx context.Context, now state) state {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := now.rooms.store.Ping(ctx); err != nil {
		f.log.WarnContext(ctx, "the store does not answer", "err", err)
		now.says, now.ready = "the store does not answer", now.rooms.journal != nil
	}
	now.says += now.rooms.journalSays()
	return now
}

// showMetrics answers services that show one of the configured tokens. To everybody else the
// page does not exist.
func (f *front) showMetrics(w http.ResponseWriter, r *http.Request, now state) {
	metrics := f.metrics
	if now.rooms != nil {
		metrics = now.rooms.metrics
	}
	shown := []byte(r.Header.Get("X-Service-Token"))
	for _, token := range f.config.ServiceTokens {
		if subtle.ConstantTimeCompare(shown, []byte(token)) == 1 {
			metrics.Handler().ServeHTTP(w, r)
			return
		}
	}
	f.door.ServeHTTP(w, r)
}
