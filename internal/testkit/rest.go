package testkit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"pryde/internal/id"
	"pryde/internal/wire"
)

const (
	maxBody  = 16 << 20 // bytes of one answer
	maxPages = 10_000   // of one list
	pageSize = "100"
)

// A StatusError is an answer of the REST door that is no success.
type StatusError struct {
	Status  int
	Code    string // of the body, "" where it has none
	Message string
	Body    []byte
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d: %s %s", e.Status, e.Code, e.Message)
}

// A REST is a client of the REST door. It is safe for concurrent use as long as its fields
// are left alone. A failure of the door is a *StatusError.
type REST struct {
	BaseURL string
	Token   string       // access token; none is sent where it is empty
	HTTP    *http.Client // http.DefaultClient where it is nil
	Header  http.Header  // goes along with every request
	// OnResponse is told of every answer, errors too. path is without the query.
	OnResponse func(method, path string, status int, body []byte)
}

// As returns a client with another access token.
func (r *REST) As(token string) *REST {
	c := *r
	c.Token = token
	return &c
}

// An Answer is what the REST door answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends one request, with body as JSON where it is not nil. Every status is an answer,
// not an error.
func (r *REST) Do(ctx context.Context, method, path string, body any) (Answer, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.BaseURL, "/")+path, in)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	r.sign(req)
	return r.do(req)
}

func (r *REST) sign(req *http.Request) {
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if req.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token)
	}
}

func (r *REST) do(req *http.Request) (Answer, error) {
	client := r.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	if r.OnResponse != nil {
		r.OnResponse(req.Method, req.URL.Path, resp.StatusCode, b)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: b}, nil
}

// call sends a request and reads the answer of a success into a T.
func call[T any](ctx context.Context, r *REST, method, path string, body any) (T, Answer, error) {
	var out T
	a, err := r.Do(ctx, method, path, body)
	if err != nil {
		return out, a, err
	}
	if a.Status/100 != 2 {
		return out, a, fmt.Errorf("%s %s: %w", method, path, statusError(a.Status, a.Body))
	}
	if err := json.Unmarshal(a.Body, &out); err != nil {
		return out, a, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return out, a, nil
}

func statusError(status int, body []byte) *StatusError {
	var p wire.Problem
	// A body that is no problem document leaves the fields empty; Body has it as it came.
	_ = json.Unmarshal(body, &p)
	return &StatusError{Status: status, Code: p.Code, Message: p.Message, Body: body}
}

// SignUp makes an account.
func (r *REST) SignUp(ctx context.Context, in wire.SignUp) (wire.SignedUp, error) {
	out, _, err := call[wire.SignedUp](ctx, r, http.MethodPost, "/api/auth/signup", in)
	return out, err
}

// LogIn opens a session.
func (r *REST) LogIn(ctx context.Context, in wire.LogIn) (wire.LoggedIn, error) {
	out, _, err := call[wire.LoggedIn](ctx, r, http.MethodPost, "/api/auth/login", in)
	return out, err
}

// PostMessage sends a direct message and reports whether an earlier attempt had stored it.
func (r *REST) PostMessage(ctx context.Context, in wire.PostedMessage) (m wire.Message, again bool, err error) {
	m, a, err := call[wire.Message](ctx, r, http.MethodPost, "/api/messages", in)
	return m, err == nil && a.Status == http.StatusOK, err
}

// Thread returns all messages with one person, oldest first.
func (r *REST) Thread(ctx context.Context, peer id.User) ([]wire.Message, error) {
	pages, err := list[wire.Message](ctx, r, "/api/messages/"+peer.String())
	var all []wire.Message
	for i := len(pages) - 1; i >= 0; i-- {
		all = append(all, pages[i]...)
	}
	return all, err
}

// Conversations returns all conversations, newest first.
func (r *REST) Conversations(ctx context.Context) ([]wire.Conversation, error) {
	pages, err := list[wire.Conversation](ctx, r, "/api/messages/conversations")
	var all []wire.Conversation
	for _, p := range pages {
		all = append(all, p...)
	}
	return all, err
}

// list follows the cursor of a list to its end and returns the pages, newest first.
func list[T any](ctx context.Context, r *REST, path string) ([][]T, error) {
	query := url.Values{"limit": {pageSize}}
	var pages [][]T
	for range maxPages {
		page, a, err := call[[]T](ctx, r, http.MethodGet, path+"?"+query.Encode(), nil)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
		next := a.Header.Get("X-Next-Cursor")
		if next == "" {
			return pages, nil
		}
		if next == query.Get("before") {
			return nil, fmt.Errorf("list %s: the cursor stands still", path)
		}
		query.Set("before", next)
	}
	return nil, fmt.Errorf("list %s: more than %d pages", path, maxPages)
}

// Sync returns what changed since an offset; "0" asks for everything.
func (r *REST) Sync(ctx context.Context, since string) (wire.Sync, error) {
	out, _, err := call[wire.Sync](ctx, r, http.MethodGet, "/api/sync?since="+url.QueryEscape(since), nil)
	return out, err
}
