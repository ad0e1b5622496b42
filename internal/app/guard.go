package app

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"pryde/internal/auth"
	"pryde/internal/bus"
	"pryde/internal/wire"
)

// inCharge makes an operation of the socket door refuse where another instance may be active. A
// process that stood still finds out here, before it answers from what it remembers. What an
// operation has written is proven by the store itself.
func inCharge[In, Out any](r *rooms, fn func(context.Context, auth.Identity, In) (wire.Outcome[Out], error)) func(context.Context, auth.Identity, In) (wire.Outcome[Out], error) {
	return func(ctx context.Context, who auth.Identity, in In) (wire.Outcome[Out], error) {
		if !r.valid() {
			return wire.Outcome[Out]{}, errStandby
		}
		return fn(ctx, who, in)
	}
}

// checked lets no socket in, and ends none, where another instance may be active.
type checked struct {
	*auth.Sessions
	valid func() bool
}

func (c checked) Verify(ctx context.Context, token string) (auth.Identity, error) {
	if !c.valid() {
		return auth.Identity{}, errStandby
	}
	return c.Sessions.Verify(ctx, token)
}

func (c checked) Attend(ctx context.Context, who auth.Identity) error {
	if !c.valid() {
		return errStandby
	}
	return c.Sessions.Attend(ctx, who)
}

// audible says nothing to the sockets where another instance may be active.
type audible struct {
	bus.Sockets
	valid func() bool
}

func (a audible) Publish(out ...wire.Outgoing) {
	if a.valid() {
		a.Sockets.Publish(out...)
	}
}

// uploadGrace is how long a hand-over waits for a request that is still on its way in. Who sent
// all of it is waited for longer.
const uploadGrace = time.Second

// requests are those of REST that are being answered. Its methods are safe for concurrent use.
type requests struct {
	ctx context.Context // ends what runs

	mu      sync.Mutex
	running map[*upload]*http.ResponseController
	over    bool          // nothing may begin any more
	idle    chan struct{} // closed when nothing runs and nothing may begin; nil before
}

func newRequests(ctx context.Context) *requests {
	return &requests{ctx: ctx, running: make(map[*upload]*http.ResponseController)}
}

// begin counts a request until done is called, and returns it with a context that ends with the
// rooms. A nil request may not begin.
func (q *requests) begin(w http.ResponseWriter, r *http.Request) (_ *http.Request, done func()) {
	u := &upload{ReadCloser: r.Body}
	u.whole.Store(r.Body == http.NoBody)
	if !q.enter(u, http.NewResponseController(w)) {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	unhook := context.AfterFunc(q.ctx, cancel)
	r = r.WithContext(ctx)
	r.Body = u
	return r, func() {
		unhook()
		cancel()
		q.end(u)
	}
}

func (q *requests) enter(u *upload, c *http.ResponseController) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.over {
		q.running[u] = c
	}
	return !q.over
}

func (q *requests) end(u *upload) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, u)
	if len(q.running) == 0 && q.idle != nil {
		close(q.idle)
	}
}

// finish lets nothing begin any more and returns nil when nothing runs, or the cause of the end of
// ctx. What is not sent in time is cut off.
func (q *requests) finish(ctx context.Context) error {
	idle := q.close()
	late := time.NewTimer(uploadGrace)
	defer late.Stop()
	for {
		select {
		case <-idle:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			q.cutUploads()
		}
	}
}

// close returns what is closed when nothing runs.
func (q *requests) close() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	if q.idle == nil {
		q.idle = make(chan struct{})
		if len(q.running) == 0 {
			close(q.idle)
		}
	}
	return q.idle
}

// cutUploads lets the reading of bodies fail that are not read to their end.
func (q *requests) cutUploads() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for u, connection := range q.running {
		if !u.whole.Load() {
			u.late.Store(true)
			_ = connection.SetReadDeadline(time.Unix(1, 0)) // a connection that cannot do this is waited for
		}
	}
}

// An upload is the body of a request.
type upload struct {
	io.ReadCloser
	whole atomic.Bool // read to its end
	late  atomic.Bool // nobody waits for the rest
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if err != nil {
		u.whole.Store(true)
	}
	if err != nil && err != io.EOF && u.late.Load() {
		err = errStandby
	}
	return n, err
}
