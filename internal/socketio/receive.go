package socketio

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// maxUnadmitted is the largest packet of a client that is nobody yet, in bytes: a CONNECT with
// its token.
const maxUnadmitted = 32 << 10

// The Engine.IO packets beside messages.
const (
	openType    = byte('0')
	closeType   = byte('1')
	pingType    = byte('2')
	pongType    = byte('3')
	upgradeType = byte('5')
	noopType    = byte('6')
)

// receive takes one WebSocket message. It reports false when the reader has to end.
func (c *conn) receive(kind websocket.MessageType, message []byte) bool {
	if kind != websocket.MessageText || len(message) == 0 || !utf8.Valid(message) {
		c.violate()
		return true
	}
	switch message[0] {
	case messageType:
		return c.packet(message)
	case pongType:
		c.ponged()
	case pingType:
		// Only servers ping in this version of the protocol.
		c.end(ReasonTransportError, websocket.StatusPolicyViolation, false)
	case closeType:
		c.end(ReasonTransportClose, websocket.StatusNormalClosure, false)
	case openType, upgradeType, noopType:
		// The reference ignores them as well.
	default:
		c.violate()
	}
	return true
}

// violate closes a transport whose client does not speak the protocol.
func (c *conn) violate() {
	c.end(ReasonParseError, websocket.StatusPolicyViolation, false)
}

func (c *conn) packet(message []byte) bool {
	p, err := DecodePacket(message[1:])
	if err != nil {
		c.violate()
		return true
	}
	switch {
	case p.Type == PacketConnect:
		c.connect(p)
	case p.Namespace != rootSpace:
		c.violate()
	case p.Type == PacketEvent:
		return c.event(p, len(message))
	case p.Type == PacketDisconnect:
		c.farewell()
	case p.Type == PacketAck && c.joined():
		// Nothing was asked, so nothing waits for this answer.
	default:
		c.violate()
	}
	return true
}

func (c *conn) joined() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socket != nil || c.closing
}

// connect begins an admission. A second one beside it, or beside a socket, is a violation.
func (c *conn) connect(p Packet) {
	if p.Namespace != rootSpace {
		c.refuse(p.Namespace, &Refusal{Message: "Invalid namespace"})
		return
	}
	c.mu.Lock()
	switch {
	case c.closing || c.draining:
		c.mu.Unlock()
	case c.socket != nil || c.admitting:
		c.mu.Unlock()
		c.violate()
	default:
		c.admitting = true
		deadline := time.Now().Add(c.server.config.AuthTimeout)
		c.setGate(deadline)
		c.line.add(&job{alone: true, do: func() { c.admit(p.Payload, deadline) }})
		c.mu.Unlock()
	}
}

// admit asks the handler and acts on its verdict. It runs on a worker.
func (c *conn) admit(auth []byte, deadline time.Time) {
	select {
	case <-c.gone:
		return
	default:
	}
	h := c.handshake
	h.Auth = auth
	ctx, cancel := context.WithDeadline(c.server.ctx, deadline)
	defer cancel()
	var data any
	var err error
	decided := c.server.guard("Admit", c.fail, func() { data, err = c.server.handler.Admit(ctx, h) })
	if !decided {
		return
	}

	var refusal *Refusal
	switch {
	case ctx.Err() != nil:
		c.end(ReasonTransportClose, websocket.StatusTryAgainLater, false)
	case errors.As(err, &refusal):
		c.refused(refusal)
	case err != nil:
		c.server.log.Warn("admission failed", "err", err)
		c.end(ReasonTransportClose, websocket.StatusTryAgainLater, false)
	default:
		c.join(h, data)
	}
}

// refused tells the client the verdict. The transport stays open for another attempt, as
// long as the connect time-out lets it.
func (c *conn) refused(r *Refusal) {
	c.refuse(rootSpace, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.admitting = false
	if !c.closing {
		c.setGate(c.opened.Add(c.server.config.ConnectTimeout))
	}
}

func (c *conn) refuse(namespace string, r *Refusal) {
	body := appendText([]byte(`{"message":`), r.Message)
	if len(r.Data) > 0 {
		body = append(append(body, `,"data":`...), r.Data...)
	}
	body = append(body, '}')
	c.reply(AppendPacket([]byte{messageType}, Packet{Type: PacketConnectError, Namespace: namespace, Payload: body}))
}

// join makes the client a socket.
func (c *conn) join(h Handshake, data any) {
	id, err := c.server.newID()
	if err != nil {
		c.server.log.Error("no socket id", "err", err)
		c.end(ReasonTransportClose, websocket.StatusTryAgainLater, false)
		return
	}
	s := &Socket{conn: c, id: id, data: data, handshake: h, connected: time.Now()}
	c.mu.Lock()
	if c.closing || c.draining {
		c.mu.Unlock()
		return
	}
	c.admitting, c.idle, c.socket = false, false, s
	c.ws.SetReadLimit(int64(c.server.config.MaxPayload))
	c.gate.Stop()
	c.out.force(AppendPacket([]byte{messageType}, Packet{Type: PacketConnect, Payload: []byte(`{"sid":"` + id + `"}`)}))
	c.server.pend(c.handshake.Address, -1)
	c.server.hub.add(s)
	c.mu.Unlock()
	signal(c.wake)

	c.server.guard("Connected", c.fail, func() { c.server.handler.Connected(c.server.ctx, s) })
}

// fail closes the transport of a handler that panicked.
func (c *conn) fail() {
	c.end(ReasonTransportError, websocket.StatusInternalError, true)
}

// event hands an event to the handlers once there is room for it. It reports false when the
// transport closed meanwhile.
func (c *conn) event(p Packet, size int) bool {
	if !c.waitForRoom(size) {
		return false
	}
	e := &Event{Name: p.Name, Args: p.Args, Size: size, id: p.ID, asked: p.HasID}
	e.job = &job{event: true, size: size, do: func() { c.handle(e) }}
	c.mu.Lock()
	switch {
	case c.closing || c.draining:
		c.mu.Unlock()
	case c.socket == nil:
		c.mu.Unlock()
		c.violate()
	default:
		e.socket = c.socket
		c.line.add(e.job)
		c.mu.Unlock()
	}
	return true
}

func (c *conn) handle(e *Event) {
	c.server.guard("Event", c.fail, func() { c.server.handler.Event(c.server.ctx, e.socket, e) })
}

// waitForRoom stops the reader, and so the client, while too many events wait or run.
func (c *conn) waitForRoom(size int) bool {
	if !c.line.full(size) {
		return true
	}
	c.pause(true)
	defer c.pause(false)
	for c.line.full(size) {
		select {
		case <-c.line.changed:
		case <-c.gone:
			return false
		}
	}
	return true
}

// farewell is the client's disconnect packet: the socket leaves, and the transport stays for
// another CONNECT until the connect time-out.
func (c *conn) farewell() {
	c.mu.Lock()
	switch {
	case c.closing:
		c.mu.Unlock()
	case c.socket == nil:
		c.mu.Unlock()
		c.violate()
	default:
		c.detach(ReasonClientDisconnect, false)
		c.idle = true
		c.opened = time.Now()
		c.setGate(c.opened.Add(c.server.config.ConnectTimeout))
		c.server.pend(c.handshake.Address, 1)
		c.mu.Unlock()
	}
}
