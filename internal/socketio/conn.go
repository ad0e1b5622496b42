package socketio

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// closeWait bounds the flush of what is queued when a transport closes; the closing
// handshake after it has the bounds of the WebSocket library (5 s for each direction).
const closeWait = 5 * time.Second

// longAgo is a deadline that ends every read and write at once.
var longAgo = time.Unix(1, 0)

// A conn is one transport: a WebSocket connection and the socket that is admitted on it, if
// any. The goroutine of run owns it; it reads, and ends when the writer has ended and every
// handler has returned.
type conn struct {
	server    *Server
	ws        *websocket.Conn
	net       *cork     // below ws: deadlines on it end what ws is doing, without blocking
	handshake Handshake // without auth
	opened    time.Time
	line      *line
	wake      chan struct{} // for the writer
	gone      chan struct{} // closed when the transport begins to close
	written   chan struct{} // closed when the writer has ended
	pong      atomic.Int64  // Unix time in ns of the last pong

	mu        sync.Mutex
	out       outbox
	socket    *Socket // the admitted one; nil before and after
	admitting bool
	draining  bool // takes no new packets
	closing   bool // takes and gives nothing; the writer flushes and ends
	code      websocket.StatusCode
	abrupt    bool        // the writer does not flush
	idle      bool        // counts as a transport without a socket
	paused    bool        // the reader waits for handlers and sees no pong
	pinged    bool        // a pong is due
	heart     *time.Timer // next ping, or time-out of its pong
	heartAt   time.Time
	gate      *time.Timer // connect or auth time-out
	gateAt    time.Time
}

func newConn(s *Server, ws *websocket.Conn, below *cork, h Handshake) *conn {
	now := time.Now()
	c := &conn{
		server: s, ws: ws, net: below, handshake: h, opened: now,
		line:    newLine(&s.pool, s.config.QueueEvents, s.config.MaxPayload),
		wake:    make(chan struct{}, 1),
		gone:    make(chan struct{}),
		written: make(chan struct{}),
		out:     outbox{maxBytes: s.config.QueueBytes, maxPackets: s.config.QueuePackets},
		idle:    true,
	}
	c.pong.Store(now.UnixNano())
	return c
}

// run serves the transport until everything of it has ended. open is its first packet.
func (c *conn) run(open []byte) {
	defer c.server.forget(c)
	c.mu.Lock()
	if !c.closing {
		c.out.force(open)
		c.beatIn(c.server.config.PingInterval)
		c.setGate(c.opened.Add(c.server.config.ConnectTimeout))
	}
	c.mu.Unlock()
	signal(c.wake)

	go c.write()
	if reason := c.read(); reason != "" {
		c.drop(reason)
	}
	<-c.written
	_ = c.ws.CloseNow() // the error says that it is closed already
	c.line.wait()
}

// read takes packets until the transport fails or closes. It returns why the transport
// failed, or "" when it was closed from this side.
func (c *conn) read() Reason {
	for {
		kind, message, err := c.ws.Read(context.Background())
		if err != nil {
			return lossReason(err)
		}
		if !c.receive(kind, message) {
			return ""
		}
	}
}

// lossReason tells a connection that was closed or cut from one that broke the protocol.
func lossReason(err error) Reason {
	var netErr net.Error
	switch {
	case websocket.CloseStatus(err) != -1, errors.As(err, &netErr),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return ReasonTransportClose
	default:
		return ReasonTransportError
	}
}

// write writes what is queued until the transport closes, then flushes the rest and closes.
func (c *conn) write() {
	defer close(c.written)
	for {
		messages, closing := c.next()
		switch {
		case len(messages) > 0:
			if err := c.writeAll(messages); err != nil {
				c.drop(ReasonTransportClose)
				return
			}
			c.mu.Lock()
			c.out.pop(len(messages))
			c.mu.Unlock()
		case closing:
			c.finish()
			return
		default:
			<-c.wake
		}
	}
}

// writeAll writes messages as one piece.
func (c *conn) writeAll(messages [][]byte) error {
	if len(messages) == 1 {
		return c.ws.Write(context.Background(), websocket.MessageText, messages[0])
	}
	c.net.put()
	var err error
	for _, m := range messages {
		if err = c.ws.Write(context.Background(), websocket.MessageText, m); err != nil {
			break
		}
	}
	return errors.Join(err, c.net.pull())
}

func (c *conn) next() (messages [][]byte, closing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abrupt {
		return nil, true
	}
	return c.out.front(maxBatch), c.closing
}

// finish says goodbye as WebSocket does, unless the transport is to end at once.
func (c *conn) finish() {
	c.mu.Lock()
	code, abrupt := c.code, c.abrupt
	c.mu.Unlock()
	if !abrupt {
		_ = c.ws.Close(code, "") // the client may be gone already, which is as good
	}
}

// send queues a message for s if it is still the socket of this transport.
func (c *conn) send(s *Socket, message []byte) {
	c.mu.Lock()
	if c.socket != s || c.closing {
		c.mu.Unlock()
		return
	}
	c.pushAndUnlock(message)
}

// sendAll queues messages like send, all at once. Where volatile ones find no room they are
// forgotten, and the socket stays.
func (c *conn) sendAll(s *Socket, messages [][]byte, volatile bool) {
	c.mu.Lock()
	if c.socket != s || c.closing || volatile && !c.out.fits(messages...) {
		c.mu.Unlock()
		return
	}
	c.pushAndUnlock(messages...)
}

// reply queues a message that belongs to no socket.
func (c *conn) reply(message []byte) {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	c.pushAndUnlock(message)
}

func (c *conn) pushAndUnlock(messages ...[]byte) {
	fits := c.out.fits(messages...)
	if fits {
		c.out.force(messages...)
	}
	c.mu.Unlock()
	if !fits {
		c.drop(ReasonQueueFull)
		return
	}
	signal(c.wake)
}

// end closes the transport after a flush, with a WebSocket status. The socket leaves at once;
// its waiting events are still handled unless discard is set.
func (c *conn) end(reason Reason, code websocket.StatusCode, discard bool) {
	c.mu.Lock()
	c.shut(reason, code, discard)
	c.mu.Unlock()
	signal(c.wake)
}

// drop closes the transport at once; a flush that has begun is cut short.
func (c *conn) drop(reason Reason) {
	c.mu.Lock()
	c.shut(reason, websocket.StatusAbnormalClosure, false)
	c.abrupt = true
	_ = c.net.SetDeadline(longAgo) // fails on a closed connection only
	c.mu.Unlock()
	signal(c.wake)
}

// dismiss sends the disconnect packet of s and closes the transport.
func (c *conn) dismiss(s *Socket) {
	c.mu.Lock()
	if c.socket == s && !c.closing {
		c.out.force([]byte{messageType, '0' + byte(PacketDisconnect)})
		c.shut(ReasonServerDisconnect, websocket.StatusNormalClosure, true)
	}
	c.mu.Unlock()
	signal(c.wake)
}

// shut begins the end of the transport. The caller holds c.mu and wakes the writer.
func (c *conn) shut(reason Reason, code websocket.StatusCode, discard bool) {
	if c.closing {
		return
	}
	c.closing, c.code = true, code
	c.detach(reason, discard)
	if c.heart != nil {
		c.heart.Stop()
	}
	if c.gate != nil {
		c.gate.Stop()
	}
	_ = c.net.SetWriteDeadline(time.Now().Add(closeWait)) // fails on a closed connection only
	close(c.gone)
}

// detach makes the socket leave: it is in no room any more, and the last of its jobs is to
// say so. The caller holds c.mu.
func (c *conn) detach(reason Reason, discard bool) {
	s := c.socket
	if s == nil {
		return
	}
	c.socket = nil
	c.server.hub.remove(s)
	if discard {
		c.line.discard()
	}
	c.line.add(&job{alone: true, do: func() { c.server.disconnected(s, reason) }})
}

// goAway lets the handlers finish what the transport has taken, and closes it then. It takes
// nothing more.
func (c *conn) goAway() {
	c.mu.Lock()
	c.draining = true
	waiting := c.socket == nil
	c.mu.Unlock()
	leave := func() { c.end(ReasonShuttingDown, websocket.StatusGoingAway, false) }
	if waiting {
		leave()
		return
	}
	c.line.whenIdle(leave)
}

// abort ends the transport without waiting for anything. Its waiting events have been
// discarded.
func (c *conn) abort() {
	c.drop(ReasonShuttingDown)
	c.line.settle()
}

// beat pings the client, or gives it up when the last ping was not answered.
func (c *conn) beat() {
	c.mu.Lock()
	switch {
	case c.closing || time.Now().Before(c.heartAt):
		c.mu.Unlock()
	case !c.pinged:
		c.pinged = true
		c.beatIn(c.server.config.PingTimeout)
		c.pushAndUnlock([]byte{pingType})
	case c.paused:
		// The pong may be here, behind packets that this side does not take yet.
		c.beatIn(c.server.config.PingTimeout)
		c.mu.Unlock()
	default:
		c.mu.Unlock()
		c.drop(ReasonPingTimeout)
	}
}

func (c *conn) ponged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pinged || c.closing {
		return
	}
	c.pinged = false
	c.pong.Store(time.Now().UnixNano())
	c.beatIn(c.server.config.PingInterval)
}

// pause notes that the reader stops or goes on. A pong that is due gets its full time again,
// because it was not looked for meanwhile.
func (c *conn) pause(paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = paused
	if !paused && c.pinged && !c.closing {
		c.beatIn(c.server.config.PingTimeout)
	}
}

// beatIn moves the next beat. The caller holds c.mu.
func (c *conn) beatIn(wait time.Duration) {
	c.setTimer(&c.heart, &c.heartAt, time.Now().Add(wait), c.beat)
}

// setGate closes the transport at a time, unless it is moved or stopped. The caller holds
// c.mu.
func (c *conn) setGate(at time.Time) { c.setTimer(&c.gate, &c.gateAt, at, c.late) }

// setTimer makes f be called at a time. A call that was on its way already is known by the
// time that is kept. The caller holds c.mu.
func (c *conn) setTimer(timer **time.Timer, kept *time.Time, at time.Time, f func()) {
	*kept = at
	if *timer == nil {
		*timer = time.AfterFunc(time.Until(at), f)
		return
	}
	(*timer).Reset(time.Until(at))
}

// late closes a transport that has no socket by the time it should have one.
func (c *conn) late() {
	c.mu.Lock()
	if c.socket == nil && !time.Now().Before(c.gateAt) {
		// The status only matters to whoever looks at the wire: clients try again.
		c.shut(ReasonTransportClose, websocket.StatusTryAgainLater, false)
	}
	c.mu.Unlock()
	signal(c.wake)
}
