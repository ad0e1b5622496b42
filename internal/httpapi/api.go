// Package httpapi is the REST door: it finds the route, says who is asking, decodes, calls
// one operation, and encodes. Operations that change something go through the same
// dispatcher as the socket's. It holds no rule of the product.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/limit"
	"pryde/internal/metric"
	"pryde/internal/order"
	"pryde/internal/wire"
)

const (
	// maxBody is the largest request body, in bytes.
	maxBody = 1 << 20
	// requestTimeout bounds the work on one request.
	requestTimeout = 30 * time.Second
)

// Verifier says who a token belongs to, or returns a fault.
type Verifier interface {
	// Verify reads an access token, and asks whether its session and its account still count.
	// With a fault of KindForbidden it says whose living session it is all the same.
	Verify(ctx context.Context, token string) (auth.Identity, error)
	// Holder reads a refresh token. It says nothing about whether the session lives.
	Holder(refreshToken string) (auth.Identity, error)
}

// Limiter says whether somebody may do something now, and counts it.
type Limiter interface {
	Take(operation, key string) limit.Verdict
}

// Publisher sends what an operation led to.
type Publisher interface {
	Publish(out ...wire.Outgoing)
}

// Options are what the door is made of. All are required.
type Options struct {
	Verifier Verifier
	Limiter  Limiter
	Line     *order.Line
	Publish  Publisher
	Origins  func(*http.Request) bool // whether the Origin of a request is one of ours; true without one
	Trusted  []netip.Prefix           // proxies whose X-Forwarded-For and -Proto are believed
	Cookie   CookieOptions
	Version  string // of this build, as it is shown
	Metrics  *metric.Registry
	Log      *slog.Logger
	Now      func() time.Time
}

// API is the REST door.
type API struct {
	o        Options
	routes   chi.Router
	measures measures
}

// New returns a door without routes.
func New(o Options) *API {
	a := &API{o: o, routes: chi.NewRouter(), measures: measure(o.Metrics)}
	a.routes.NotFound(a.notFound)
	a.routes.MethodNotAllowed(a.notFound)
	return a
}

// Routes returns what is bound, for the test that holds it to the catalogue.
func (a *API) Routes() chi.Routes { return a.routes }

// ServeHTTP answers requests below /api/.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Paths match without regard to case and to a slash at the end.
		rctx := chi.NewRouteContext()
		rctx.RoutePath = strings.TrimSuffix(strings.ToLower(r.URL.Path), "/")
		a.routes.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, rctx)))
	})).ServeHTTP(w, r)
}

func (a *API) notFound(w http.ResponseWriter, r *http.Request) {
	a.refuse(w, r, fault.NotFound("ENDPOINT_NOT_FOUND", "API endpoint not found: "+r.Method+" "+clip(r.URL.Path, 200)))
}

func clip(s string, bytes int) string {
	if len(s) > bytes {
		return strings.ToValidUTF8(s[:bytes], "")
	}
	return s
}

// A Call is one request as an operation's binding sees it.
type Call struct {
	Who    auth.Identity // zero on a public route
	http   *http.Request
	writer http.ResponseWriter
}

// An Answer is what a binding returns: the body, and what else the response carries.
type Answer struct {
	Body          any
	Status        int             // 0: the route's own
	Next          string          // for X-Next-Cursor
	Incomplete    bool            // for X-Search-Complete
	File          *wire.File      // instead of Body; it is closed
	RefreshToken  *RefreshToken   // to be kept as the cookie; a zero one removes it
	MaxAge        time.Duration   // how long the client may show it again without asking; 0: not at all
	Before, After []wire.Outgoing // published around the response
}

// Bind makes fn the answer to a route. The compiler holds fn to the route's body.
func Bind[In, Out any](a *API, route wire.Route[In, Out], fn func(ctx context.Context, c Call, in In) (Answer, error)) {
	bindChecked(a, route, nil, fn)
}

// bindChecked is Bind for a route whose body check may refuse before the request counts against
// any budget of the route but the first. A nil check refuses nothing, and everything is counted
// before the body is read.
func bindChecked[In, Out any](a *API, route wire.Route[In, Out], check func(In) error, fn func(ctx context.Context, c Call, in In) (Answer, error)) {
	spec := route.Spec()
	handle := func(w http.ResponseWriter, r *http.Request) {
		started := a.o.Now()
		err := answer(a, spec, w, r, check, fn)
		a.measures.took(spec, a.o.Now().Sub(started), err)
		if err != nil {
			a.refuse(w, r, err)
		}
	}
	for _, path := range append([]string{spec.Path}, spec.Aliases...) {
		a.routes.MethodFunc(spec.Method, strings.ToLower(path), handle)
		if spec.GivesFile {
			a.routes.MethodFunc(http.MethodHead, strings.ToLower(path), handle)
		}
	}
}

func answer[In any](a *API, spec *wire.RouteSpec, w http.ResponseWriter, r *http.Request, check func(In) error, fn func(context.Context, Call, In) (Answer, error)) error {
	ctx, cancel := context.WithTimeout(r.Context(), timeout(spec))
	defer cancel()
	count := &budget{api: a, w: w, r: r}
	early, late := spec.Budgets, []wire.Budget(nil)
	if check != nil {
		early, late = early[:1], early[1:]
	}
	who, err := a.admit(ctx, spec.Access, early, count)
	if err != nil {
		return err
	}
	in, err := body[In](w, r)
	if err == nil && check != nil {
		err = check(in)
	}
	if err == nil {
		err = count.take(late, who)
	}
	if err != nil {
		return err
	}

	ctx, turn := a.o.Line.Begin(ctx)
	defer turn.End(nil)
	call := Call{Who: who, http: r, writer: w}
	out, err := fn(ctx, call, in)
	if err != nil {
		return err
	}
	if out.File != nil {
		a.give(call, out.File)
		return nil
	}
	a.respond(turn, spec, w, r, out)
	return nil
}

// timeout bounds the work on one request of a route.
func timeout(spec *wire.RouteSpec) time.Duration {
	if spec.GivesFile || spec.FileField != "" {
		return fileTimeout
	}
	return requestTimeout
}

// respond publishes what comes before the response, writes it, and publishes what comes
// after, in the order of the commit.
func (a *API) respond(turn *order.Turn, spec *wire.RouteSpec, w http.ResponseWriter, r *http.Request, out Answer) {
	if len(out.Before)+len(out.After) > 0 {
		published := make(chan struct{})
		turn.End(func() {
			a.o.Publish.Publish(out.Before...)
			close(published)
			a.o.Publish.Publish(out.After...)
		})
		<-published
	}
	if out.Next != "" {
		w.Header().Set("X-Next-Cursor", out.Next)
	}
	if out.Incomplete {
		w.Header().Set("X-Search-Complete", "false")
	}
	if out.RefreshToken != nil {
		a.o.Cookie.set(w, *out.RefreshToken, a.o.Now())
	}
	if out.MaxAge > 0 {
		h := w.Header()
		h.Set("Cache-Control", "private, max-age="+strconv.Itoa(seconds(out.MaxAge)))
		h.Del("Pragma")
		h.Del("Expires")
	}
	status := out.Status
	if status == 0 {
		status = spec.Status
	}
	a.write(w, r, status, out.Body)
}

// admit says who is asking, as the route wants it, and counts the request against budgets: by
// address before anything is looked up; from the first that is counted otherwise on, once it is
// known who asks.
func (a *API) admit(ctx context.Context, access wire.Access, budgets []wire.Budget, count *budget) (who auth.Identity, err error) {
	first := slices.IndexFunc(budgets, func(b wire.Budget) bool { return b.Per != wire.PerAddress })
	if first < 0 {
		first = len(budgets)
	}
	if err := count.take(budgets[:first], who); err != nil {
		return auth.Identity{}, err
	}
	switch access {
	case wire.Public:
	case wire.Cookie:
		if !a.o.Origins(count.r) {
			return auth.Identity{}, errOrigin
		}
	default:
		if who, err = a.o.Verifier.Verify(ctx, bearer(count.r)); err != nil {
			return auth.Identity{}, err
		}
	}
	return who, count.take(budgets[first:], who)
}

var errOrigin = fault.Forbidden("ORIGIN_NOT_ALLOWED", "Origin not allowed")

func bearer(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get("X-Auth-Token")
}
