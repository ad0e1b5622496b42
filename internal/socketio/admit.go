package socketio

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pryde/internal/engineio"
)

// A Handshake is what a client said about itself when it connected. Header and URL are shared
// and must be neither changed nor kept.
type Handshake struct {
	Auth    []byte // raw JSON object of the CONNECT packet; nil if there was none
	Address string // the key by which the client's address is counted

	// Header and URL are those of the request that opened the session. They are known until
	// the first socket of the session has been admitted: what connects on it later, after the
	// first one left or in another namespace, finds only the headers of Config.KeepHeaders
	// and an empty URL.
	Header http.Header
	URL    *url.URL
}

// An Admission is the verdict that lets a client in.
type Admission struct {
	Data any // becomes Socket.Data

	// PID is sent to the client as its name for the recovery of its state: it sends it back
	// in its auth object as pid, with the last offset that it has seen as offset. Empty for
	// none.
	PID string
	// Recovered becomes Socket.Recovered. The client takes its state for recovered when it
	// gets the PID that it sent.
	Recovered bool
}

// A Refusal is the error by which Handler.Admit refuses a client for good: the client is
// told and does not try again by itself.
type Refusal struct {
	Message string
	Data    []byte // raw JSON; empty for none
}

func (r *Refusal) Error() string { return r.Message }

// connect begins an admission. A second one beside it, or beside a socket, is a violation.
func (c *client) connect(old *seat, h head, data []byte) {
	space := c.server.Namespace
	if h.space != nil {
		space = c.server.spaces[string(h.space)]
	}
	if space == nil {
		c.turnAway(data)
		return
	}
	if !c.begin(old, space, data) {
		c.violate()
	}
}

// turnAway answers a CONNECT packet to a namespace that there is not.
func (c *client) turnAway(data []byte) {
	p, err := DecodePacket(data)
	// The byte would end a packet on the polling transport.
	if err != nil || strings.ContainsRune(p.Namespace, 0x1e) {
		c.violate()
		return
	}
	c.refuse(p.Namespace, &Refusal{Message: "Invalid namespace"})
}

// begin lets a client wait for the verdict. It reports false when it waits or is in already.
func (c *client) begin(at *seat, space *Namespace, data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.draining {
		return true
	}
	if at == nil {
		at = &seat{client: c, space: space, line: line{pool: c.server.pool}}
		c.seats = append(c.seats, at)
	}
	if at.socket != nil || at.admitting {
		return false
	}
	at.admitting, at.dismissed = true, false
	at.decideBy = time.Now().Add(c.server.config.AuthTimeout)
	c.setGate()
	deadline := at.decideBy
	at.line.add(&job{alone: true, task: doing(func() { at.admit(data, deadline) })})
	return true
}

// admit acts on the verdict of the handler. It runs on a worker.
func (s *seat) admit(data []byte, deadline time.Time) {
	c := s.client
	var socket *Socket
	if !c.server.guard("Admit", c.fail, func() { socket = s.decide(data, deadline) }) || socket == nil {
		return
	}
	c.server.guard("Connected", c.fail, func() { s.space.handler.Connected(c.server.ctx, socket) })
	socket.goLive()
}

// decide asks the handler, and returns the socket if there is one now.
func (s *seat) decide(data []byte, deadline time.Time) *Socket {
	c := s.client
	p, err := DecodePacket(data)
	if err != nil {
		c.violate()
		return nil
	}
	h, ok := c.handshake(p.Payload)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithDeadline(c.server.ctx, deadline)
	defer cancel()
	admission, err := s.space.handler.Admit(ctx, h)

	var refusal *Refusal
	switch {
	case ctx.Err() != nil:
		c.end(ReasonTransportClose, engineio.StatusTryAgainLater, false)
	case errors.As(err, &refusal):
		s.unseat() // first, because the client may try again as soon as it is told
		c.refuse(s.space.name, refusal)
	case err != nil:
		c.server.log.Warn("admission failed", "err", err)
		c.end(ReasonTransportClose, engineio.StatusTryAgainLater, false)
	default:
		return s.join(admission)
	}
	return nil
}

// handshake returns what Admit is told. It reports false when the session has ended.
func (c *client) handshake(auth []byte) (Handshake, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Handshake{Auth: auth, Address: c.session.Address(), Header: c.header, URL: c.url}, !c.closed
}

// unseat takes a refusal down. The session stays for another attempt, as long as the connect
// time-out lets it.
func (s *seat) unseat() {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	s.admitting = false
	c.setGate()
}

func (c *client) refuse(namespace string, r *Refusal) {
	body := appendText([]byte(`{"message":`), r.Message)
	if len(r.Data) > 0 {
		body = append(append(body, `,"data":`...), r.Data...)
	}
	body = append(body, '}')
	c.session.Send(engineio.Text(AppendPacket(nil, Packet{Type: PacketConnectError, Namespace: namespace, Payload: body})))
}

// join makes the client a socket, and tells it. It returns nil where that cannot be.
func (s *seat) join(a Admission) *Socket {
	c := s.client
	id, err := c.server.engine.NewID()
	if err != nil {
		c.server.log.Error("no socket id", "err", err)
		c.end(ReasonTransportClose, engineio.StatusTryAgainLater, false)
		return nil
	}
	socket := &Socket{seat: s, session: c.session, id: id, data: a.Data, recovered: a.Recovered, connected: time.Now()}
	s.space.adapter.Enter(socket)
	if !c.admit(socket) {
		s.space.adapter.Exit(socket)
		return nil
	}
	body := appendText([]byte(`{"sid":`), id)
	if a.PID != "" {
		body = appendText(append(body, `,"pid":`...), a.PID)
	}
	body = append(body, '}')
	c.session.Send(engineio.Text(AppendPacket(nil, Packet{Type: PacketConnect, Namespace: s.space.name, Payload: body})))
	return socket
}

// admit puts the socket on its seat: from now on its packets are taken, and what is broadcast
// to it is held. It reports false when the client is not served any more.
func (c *client) admit(s *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.draining {
		return false
	}
	s.seat.admitting, s.seat.socket = false, s
	s.seat.space.local.enter(s)
	if c.sockets++; c.sockets == 1 {
		c.session.Settle()
	}
	// A request is larger than all else that is kept of a client.
	if c.url != nowhere {
		c.url, c.header = nowhere, keptHeaders(c.header, c.server.config.KeepHeaders)
	}
	c.setGate()
	return true
}

// keptHeaders copies the named headers, so that nothing holds on to the request.
func keptHeaders(h http.Header, names []string) http.Header {
	var kept http.Header
	for _, name := range names {
		name = http.CanonicalHeaderKey(name)
		for _, value := range h[name] {
			if kept == nil {
				kept = make(http.Header, 1)
			}
			kept[name] = append(kept[name], strings.Clone(value))
		}
	}
	return kept
}
