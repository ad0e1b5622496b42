// Package realtime is the socket door: it admits sockets, turns events into calls of
// operations, and carries published events out, those that are stored in the order in which
// they were committed. It holds no rule of the product.
package realtime

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/limit"
	"pryde/internal/metric"
	"pryde/internal/order"
	"pryde/internal/socketio"
	"pryde/internal/wire"
)

const (
	// maxEvent is the largest event that an operation gets to see, in bytes.
	maxEvent = 64 << 10
	// frameOverhead is what an event takes besides its name and its payload, in bytes: headers,
	// brackets and the offset.
	frameOverhead = 64
)

// Verifier says whether a token, or a session that was good before, counts.
type Verifier interface {
	// Verify returns the identity behind an access token, or a fault.
	Verify(ctx context.Context, token string) (auth.Identity, error)
	// Attend returns a fault where the session of an identity no longer counts, and notes that
	// somebody is there where it does.
	Attend(ctx context.Context, who auth.Identity) error
	// Leave notes that somebody was there until now.
	Leave(ctx context.Context, who auth.Identity) error
}

// Presence is told who comes and goes.
type Presence interface {
	// Connected returns what a new socket hears first.
	Connected(who auth.Identity) []wire.Outgoing
	Disconnected(who auth.Identity)
}

// Limiter says whether somebody may do something now, and counts it.
type Limiter interface {
	Take(operation, key string) limit.Verdict
}

// Options are what a gateway is made of. All but the engine's own settings and the trusted
// proxies are required. The gateway says by which address the engine counts a client.
type Options struct {
	Engine         socketio.Config
	Verifier       Verifier
	Limiter        Limiter
	Line           *order.Line
	Database       wire.Database
	Key            [32]byte       // of the server; it seals the names by which clients find their state again
	Rand           io.Reader      // safe for concurrent use
	MaxConnections int            // sockets of one user
	Trusted        []netip.Prefix // proxies whose X-Forwarded-For is believed
	Metrics        *metric.Registry
	Log            *slog.Logger
	Now            func() time.Time
}

// A Gateway answers the events of admitted sockets and publishes to them.
type Gateway struct {
	server   *socketio.Server
	verifier Verifier
	limiter  Limiter
	line     *order.Line
	database wire.Database
	max      int
	presence Presence // set by Greet before the first socket comes
	feed     Feed     // set by Recover before the first socket comes
	carrier  wire.Publisher
	pids     pidSealer
	resumes  chan struct{} // taken up by each client that recovers
	ops      map[string]operation
	log      *slog.Logger
	now      func() time.Time
	measures measures

	maxCatchUp, maxCatchUpBytes int // events, and bytes of them
}

// New returns a gateway that answers no event yet.
func New(o Options) (*Gateway, error) {
	pids, err := newPIDSealer(o.Key, o.Rand)
	if err != nil {
		return nil, fmt.Errorf("seal of pids: %w", err)
	}
	o.Engine.QueuePackets = cmp.Or(o.Engine.QueuePackets, queuePackets)
	o.Engine.QueueBytes = cmp.Or(o.Engine.QueueBytes, queueBytes)
	g := &Gateway{
		verifier: o.Verifier, limiter: o.Limiter, line: o.Line, database: o.Database, max: o.MaxConnections,
		pids: pids, resumes: make(chan struct{}, maxRecovering), ops: make(map[string]operation), log: o.Log, now: o.Now,
		maxCatchUp: catchUpShare(o.Engine.QueuePackets), maxCatchUpBytes: catchUpShare(o.Engine.QueueBytes),
	}
	o.Engine.Address = func(remoteAddr string, forwarded []string) string {
		return limit.AddressKey(limit.Proxies(o.Trusted).Client(remoteAddr, forwarded))
	}
	// The token may stand in a header, and a client may leave and come back on its connection.
	o.Engine.KeepHeaders = []string{"Authorization"}
	g.server = socketio.New(o.Engine, (*handler)(g))
	g.measures = measure(o.Metrics, g.server)
	g.carrier = g
	return g, nil
}

// Greet makes p the one who is told who comes and goes. It is called once, before the first
// socket comes.
func (g *Gateway) Greet(p Presence) { g.presence = p }

// Recover makes f the one who tells what clients missed that come back. It is called once,
// before the first socket comes.
func (g *Gateway) Recover(f Feed) { g.feed = f }

// Carry makes p what carries the events that operations led to; it calls Publish for the
// sockets of this node. Without it they reach these alone. It is called at most once, before
// the first socket comes.
func (g *Gateway) Carry(p wire.Publisher) { g.carrier = p }

// Server returns the engine, to be mounted and drained.
func (g *Gateway) Server() *socketio.Server { return g.server }

// An operation answers one kind of event from raw JSON.
type operation struct {
	spec *wire.EventSpec
	run  func(ctx context.Context, who auth.Identity, payload []byte) (outcome, error)
}

// outcome is a wire.Outcome whose reply is encoded.
type outcome struct {
	reply         []byte
	before, after []wire.Outgoing
}

// On makes fn the answer to e, its reply shown to the client by show. The compiler holds both
// to the shapes of the catalogue.
func On[In, Out, Ack any](g *Gateway, e wire.ToServer[In, Ack], fn func(context.Context, auth.Identity, In) (wire.Outcome[Out], error), show func(Out) Ack) {
	g.ops[e.Name()] = operation{e.Spec(), func(ctx context.Context, who auth.Identity, payload []byte) (outcome, error) {
		in, err := wire.Decode[In](payload)
		if err != nil {
			return outcome{}, err
		}
		out, err := fn(ctx, who, in)
		if err != nil {
			return outcome{}, err
		}
		reply, err := wire.Encode(show(out.Reply))
		return outcome{reply, out.Before, out.After}, err
	}}
}

// Same shows a reply as it is.
func Same[T any](v T) T { return v }

// Event answers one event of a socket. The reply and the events that the operation led to
// leave in the order of its commit; what the socket sent behind it goes on as soon as the
// place of this one among the writes is fixed.
func (h *handler) Event(ctx context.Context, s *socketio.Socket, e *socketio.Event) {
	g := h.gateway()
	op, known := g.ops[e.Name]
	if !known {
		g.measures.events.WithLabelValues("unknown", "ignored").Inc()
		return
	}
	var payload []byte
	if len(e.Args) > 0 {
		payload = e.Args[0]
	}

	started := g.now()
	ctx, turn := g.line.Begin(order.OnQueued(ctx, e.Advance))
	defer turn.End(nil)
	out, err := g.answer(ctx, op, s, payload, e.Size)
	g.measures.took(e.Name, g.now().Sub(started), err)
	if err != nil {
		g.refuse(ctx, op, s, e, payload, err)
		return
	}
	published := make(chan struct{})
	turn.End(func() {
		defer close(published)
		g.carrier.Publish(out.before...)
		g.reply(op, s, e, out.reply)
		g.carrier.Publish(out.after...)
	})
	// The handler ends with its reply on the way, so that a stop which waits for handlers
	// loses none, and so that no socket runs ahead of the line.
	<-published
}

func (g *Gateway) answer(ctx context.Context, op operation, s *socketio.Socket, payload []byte, size int) (outcome, error) {
	who := identity(s)
	for _, b := range op.spec.Budgets {
		if v := g.limiter.Take(b.Operation, countedBy(b.Per, who, s)); !v.Allowed {
			return outcome{}, fault.RateLimited("RATE_LIMITED", "Rate limit exceeded", v.RetryAfter)
		}
	}
	if size > maxEvent {
		return outcome{}, fault.TooLarge("PAYLOAD_TOO_LARGE", "Payload too large")
	}
	if payload == nil {
		payload = []byte("null")
	}
	if err := wellFormed(op.spec, payload); err != nil {
		return outcome{}, err
	}
	return op.run(ctx, who, payload)
}

// countedBy returns the key of a socket in the budgets that are counted so.
func countedBy(per wire.Counted, who auth.Identity, s *socketio.Socket) string {
	switch per {
	case wire.PerAddress:
		return s.Address()
	case wire.PerSession:
		return who.Session
	default:
		return who.User.String()
	}
}

// reply acknowledges an event, or emits the event that answers it where no acknowledgement
// was asked for.
func (g *Gateway) reply(op operation, s *socketio.Socket, e *socketio.Event, reply []byte) {
	switch {
	case e.WantsReply():
		e.Reply(reply)
	case op.spec.AnswersAs != nil:
		s.Emit(socketio.NewFrame(op.spec.AnswersAs.Name, reply))
	}
}

// refuse acknowledges an event with what went wrong, and emits the event that tells of it.
func (g *Gateway) refuse(ctx context.Context, op operation, s *socketio.Socket, e *socketio.Event, payload []byte, err error) {
	f := fault.Of(err)
	if f.Kind == fault.KindInternal {
		g.log.ErrorContext(ctx, "event failed", "event", op.spec.Name, "user", identity(s).User, "err", err)
	}
	body, err := wire.Encode(failure(f, payload, g.now()))
	if err != nil {
		g.log.ErrorContext(ctx, "encode failure", "event", op.spec.Name, "err", err)
		return
	}
	e.Reply(body)
	if op.spec.FailsAs != nil {
		s.Emit(socketio.NewFrame(op.spec.FailsAs.Name, body))
	}
}

// Publish sends events to whoever is connected. Each is encoded once; what follows one another
// to the same rooms goes to each socket in one piece.
func (g *Gateway) Publish(out ...wire.Outgoing) {
	for len(out) > 0 {
		n := 1
		for n < len(out) && together(out[0], out[n]) {
			n++
		}
		to := socketio.In(names(out[0].Rooms)...).But(names(out[0].Except)...)
		if out[0].Volatile {
			g.server.EmitVolatile(to, g.frames(out[:n])...)
		} else {
			g.server.Emit(to, g.frames(out[:n])...)
		}
		out = out[n:]
	}
}

// together reports whether two events go to the same sockets in the same way.
func together(a, b wire.Outgoing) bool {
	return a.Volatile == b.Volatile && slices.Equal(a.Rooms, b.Rooms) && slices.Equal(a.Except, b.Except)
}

func (g *Gateway) frames(out []wire.Outgoing) []socketio.Frame {
	frames := make([]socketio.Frame, 0, len(out))
	for _, o := range out {
		frame, _, err := g.frame(o)
		if err != nil {
			g.log.Error("event lost", "err", err)
			continue
		}
		frames = append(frames, frame)
	}
	return frames
}

// frame encodes an event. size is what it takes on the wire, in bytes, and a little more.
func (g *Gateway) frame(o wire.Outgoing) (f socketio.Frame, size int, err error) {
	payload, encoded := o.Payload.(wire.Raw)
	if !encoded {
		if payload, err = wire.Encode(o.Payload); err != nil {
			return socketio.Frame{}, 0, fmt.Errorf("encode event %s: %w", o.Name, err)
		}
	}
	args := [][]byte{payload}
	if o.Seq > 0 {
		args = append(args, []byte(`"`+wire.Offset{Database: g.database, Seq: o.Seq}.String()+`"`))
	}
	f = socketio.NewFrame(o.Name, args...)
	f.Seq = uint64(o.Seq)
	return f, len(o.Name) + len(payload) + frameOverhead, nil
}

func names(rooms []wire.Room) []string {
	out := make([]string, len(rooms))
	for i, r := range rooms {
		out[i] = string(r)
	}
	return out
}
