package httpapi

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

var statuses = map[fault.Kind]int{
	fault.KindInvalid:         http.StatusBadRequest,
	fault.KindUnauthenticated: http.StatusUnauthorized,
	fault.KindForbidden:       http.StatusForbidden,
	fault.KindNotFound:        http.StatusNotFound,
	fault.KindConflict:        http.StatusConflict,
	fault.KindTooLarge:        http.StatusRequestEntityTooLarge,
	fault.KindRateLimited:     http.StatusTooManyRequests,
	fault.KindLocked:          http.StatusLocked,
	fault.KindUnavailable:     http.StatusServiceUnavailable,
	fault.KindInternal:        http.StatusInternalServerError,
}

var (
	errTooLarge  = fault.TooLarge("PAYLOAD_TOO_LARGE", "Payload too large")
	errNoBody    = fault.Invalid("INVALID_DATA", "Invalid data")
	errUnread    = fault.Invalid("INVALID_DATA", "The request body could not be read")
	errBadLimit  = fault.Invalid("INVALID_LIMIT", "limit is no positive number")
	errBadCursor = fault.Invalid("INVALID_BEFORE", "Invalid before format")
)

// body reads what the route takes. A route without a body reads none.
func body[In any](w http.ResponseWriter, r *http.Request) (In, error) {
	var none In
	if _, empty := any(none).(wire.None); empty {
		return none, nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return none, errTooLarge
	}
	if f := (*fault.Fault)(nil); errors.As(err, &f) {
		return none, f // the server does not wait for the rest
	}
	if err != nil {
		return none, errUnread.Because(err)
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 && mayBeAbsent(none) {
		return none, nil
	}
	if len(raw) == 0 || raw[0] != '{' {
		return none, errNoBody
	}
	return wire.Decode[In](raw)
}

// write sends a body. Every object carries the id of its request.
func (a *API) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	raw, err := wire.Encode(v)
	if err != nil {
		a.o.Log.ErrorContext(r.Context(), "encode answer", "path", r.URL.Path, "err", err)
		status, raw = http.StatusInternalServerError, []byte(`{"message":"An unexpected error occurred","code":"INTERNAL_ERROR"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(withRequestID(raw, requestID(r))) // the client is gone; nothing is left to tell it
}

// withRequestID adds the member requestId to an object. An id needs no escape.
func withRequestID(raw []byte, id string) []byte {
	if len(raw) < 2 || raw[0] != '{' {
		return raw
	}
	out := append(make([]byte, 0, len(raw)+len(id)+16), `{"requestId":"`...)
	out = append(append(out, id...), '"')
	if raw[1] != '}' {
		out = append(out, ',')
	}
	return append(out, raw[1:]...)
}

// Rejected is an error that says what is wrong with which field of a form.
type Rejected interface {
	error
	Problems() []wire.FieldProblem
}

// Unverified is an error of somebody who has to verify their e-mail address first.
type Unverified interface {
	error
	Address() string
}

// refuse answers with what went wrong. What is no fault is logged and answered with a fixed
// sentence.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.Of(err)
	if f.Kind == fault.KindInternal {
		a.o.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "request", requestID(r), "err", err)
	}
	p := wire.Problem{Message: f.Text, Code: f.Code}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(f.RetryAfter)))
	}
	switch f.Kind {
	case fault.KindRateLimited:
		p.Error = "Too Many Requests"
		if l := (limited{}); errors.As(err, &l) {
			p.RetryAfter = int(math.Ceil(l.window.Minutes()))
		}
	case fault.KindLocked:
		p.LockoutUntil = a.o.Now().Add(f.RetryAfter)
	}
	if rejected := Rejected(nil); errors.As(err, &rejected) {
		no := false
		p.Success, p.Errors = &no, rejected.Problems()
	}
	if unverified := Unverified(nil); errors.As(err, &unverified) {
		p.Email, p.Action = unverified.Address(), "resend_verification"
	}
	a.write(w, r, statuses[f.Kind], p)
}

// list reads the parameters of a list.
func (c Call) list() (wire.ListQuery, error) {
	limit, err := c.limit()
	if err != nil {
		return wire.ListQuery{}, err
	}
	q := wire.ListQuery{Limit: limit}
	if params := c.http.URL.Query(); params.Has("before") {
		if q.Before, err = id.Parse[id.Message](params.Get("before")); err != nil {
			return wire.ListQuery{}, errBadCursor
		}
	}
	return q, nil
}

// limit reads how many rows of a list are wanted.
func (c Call) limit() (int, error) {
	params := c.http.URL.Query()
	if !params.Has("limit") {
		return 50, nil
	}
	n, err := strconv.Atoi(params.Get("limit"))
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < 1 {
		return 0, errBadLimit
	}
	return min(n, 100), nil
}

// A RefreshToken travels in a cookie that no script can read.
type RefreshToken struct {
	Token   string
	Expires time.Time
}

// CookieOptions say how the refresh cookie is set.
type CookieOptions struct {
	Secure bool   // Secure and SameSite=None, for a page of another site over https; else SameSite=Lax
	Domain string // empty: this host only
}

const cookieName = "refreshToken"

func (o CookieOptions) set(w http.ResponseWriter, t RefreshToken, now time.Time) {
	c := &http.Cookie{
		Name: cookieName, Value: t.Token, Path: "/", Domain: o.Domain, HttpOnly: true,
		Secure: o.Secure, SameSite: http.SameSiteLaxMode, MaxAge: int(t.Expires.Sub(now).Seconds()),
	}
	if o.Secure {
		c.SameSite = http.SameSiteNoneMode
	}
	if t.Token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
