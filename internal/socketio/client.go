package socketio

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"pryde/internal/engineio"
)

// attachmentTimeout is the time from a binary packet to the last of its attachments.
const attachmentTimeout = 30 * time.Second

// nowhere is the URL of a request that is not known any more.
var nowhere = new(url.URL)

// A client is one session of the engine below and its sockets, one at most in each
// namespace. It calls the session only while it holds no lock, except to settle it, because
// the session may call back.
type client struct {
	server  *Server
	session *engineio.Session

	partial *partial // of the reader alone: the binary packet whose attachments come

	mu        sync.Mutex
	seats     []*seat // of the namespaces that were asked for; the reader adds
	sockets   int     // that are admitted
	header    http.Header
	url       *url.URL
	connectBy time.Time   // of a CONNECT packet, while there is no socket
	attachBy  time.Time   // of the last attachment, while some are to come; else zero
	gate      *time.Timer // at the next of these moments; nil: never
	draining  bool        // takes no new packets but answers
	closed    bool        // takes and gives nothing
}

// A seat is the place of a client in a namespace. Sockets come and go on it one after the
// other, and what they do stands in one line.
type seat struct {
	client *client
	space  *Namespace
	line   line

	// Guarded by the client's mutex.
	socket    *Socket   // the admitted one; nil before and after
	admitting bool      // a CONNECT packet waits for its verdict
	decideBy  time.Time // of the verdict
	dismissed bool      // the last socket left because this side wanted it
}

// A partial packet waits for attachments.
type partial struct {
	head        head
	text        []byte
	attachments [][]byte
	size        int // bytes so far
}

// add takes an attachment. It reports whether it was the last one, and false for ok when the
// packet has more than so many bytes with it.
func (p *partial) add(data []byte, most int) (complete, ok bool) {
	if p.size+len(data) > most {
		return false, false
	}
	p.size += len(data)
	p.attachments = append(p.attachments, data)
	return len(p.attachments) == p.head.attachments, true
}

// door is the server as the engine below sees it.
type door Server

// Opened implements engineio.Handler.
func (d *door) Opened(es *engineio.Session, r *http.Request) {
	s := (*Server)(d)
	c := &client{server: s, session: es, header: r.Header, url: r.URL, connectBy: es.OpenedAt().Add(s.config.ConnectTimeout)}
	es.SetData(c)
	c.mu.Lock()
	c.setGate()
	c.mu.Unlock()
	if s.enter(c) {
		c.deafen()
		c.goAway()
	}
}

// Message implements engineio.Handler.
func (*door) Message(es *engineio.Session, data []byte, binary bool) {
	c := es.Data().(*client) // Opened sets nothing else
	if binary {
		c.attach(data)
		return
	}
	c.receive(data)
}

// Closed implements engineio.Handler.
func (*door) Closed(es *engineio.Session, reason engineio.Reason) {
	c := es.Data().(*client) // Opened sets nothing else
	c.mu.Lock()
	left := c.close(reason, false)
	seats := c.seats
	c.mu.Unlock()
	forsake(left)
	whenAllIdle(seats, func() { c.server.forget(c) })
}

// receive takes a text packet. It runs on the goroutine of the session, whose stack has to
// stay small: what is in the packet is decoded by the worker that acts on it.
func (c *client) receive(data []byte) {
	h, err := readHead(data)
	if err != nil || c.partial != nil {
		c.violate()
		return
	}
	seat := c.seat(h.space)
	switch {
	case h.kind == PacketConnect:
		c.connect(seat, h, data)
	case h.kind == PacketConnectError || seat == nil:
		c.violate()
	case h.kind == PacketDisconnect:
		c.farewell(seat, h)
	case h.attachments > 0:
		c.await(seat, h, data)
	default:
		c.take(seat, h, data, nil, len(data))
	}
}

// seat returns the client's place in a namespace; nil if it has never asked for one. The
// reader calls it, which is who adds seats.
func (c *client) seat(space []byte) *seat {
	for _, s := range c.seats {
		if space == nil && s.space.name == rootSpace || string(space) == s.space.name {
			return s
		}
	}
	return nil
}

// await keeps a binary packet until its attachments are here.
func (c *client) await(seat *seat, h head, data []byte) {
	if _, ok := c.speaker(seat); !ok {
		return
	}
	c.partial = &partial{head: h, text: data, size: len(data)}
	c.attachUntil(time.Now().Add(attachmentTimeout))
}

func (c *client) attachUntil(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attachBy = at
	c.setGate()
}

// attach takes an attachment, and the packet when it was the last one.
func (c *client) attach(data []byte) {
	p := c.partial
	if p == nil {
		c.violate()
		return
	}
	complete, ok := p.add(data, c.server.config.MaxPayload)
	if !ok {
		c.violate()
		return
	}
	if complete {
		c.partial = nil
		c.attachUntil(time.Time{})
		c.take(c.seat(p.head.space), p.head, p.text, p.attachments, p.size)
	}
}

// take gives an answer to who asked, and everything else to the handlers, once there is room.
func (c *client) take(seat *seat, h head, data []byte, attachments [][]byte, size int) {
	var from *Socket
	if h.kind == PacketAck || h.kind == PacketBinaryAck {
		if from, _ = c.speaker(seat); from == nil {
			return
		}
		if id, _, err := takeNumber(h.rest, maxAckID); err == nil && from.answered(id, data, attachments) {
			return
		}
	}
	e := &Event{Size: size, Attachments: attachments, socket: from, raw: data}
	e.job = job{task: e, event: true, size: size}
	for {
		room, ok := c.offer(seat, e)
		if !ok {
			c.violate()
			return
		}
		if room == nil {
			return
		}
		<-room
	}
}

// offer puts an event into the line of its seat. Where there is no room it returns a channel that
// is closed when to try again. An event counts for nothing when its socket was made to leave or
// has left since it came; where no event may come, offer reports false.
func (c *client) offer(seat *seat, e *Event) (room <-chan struct{}, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := seat.socket
	switch {
	case s == nil && e.socket == nil && !seat.dismissed && !c.closed:
		return nil, false
	case s == nil || e.socket != nil && e.socket != s || c.closed || c.draining:
		return nil, true
	}
	e.socket = s
	return seat.line.offer(&e.job), true
}

// speaker returns the socket whose packet has come; nil where it counts for nothing, because
// the client does not know yet that its socket was made to leave. Where no packet may come it
// closes the session and reports false.
func (c *client) speaker(seat *seat) (*Socket, bool) {
	c.mu.Lock()
	s, ok := seat.socket, seat.socket != nil || seat.dismissed || c.closed
	c.mu.Unlock()
	if !ok {
		c.violate()
	}
	return s, ok
}

// farewell is the client's disconnect packet: the socket leaves, and the session stays for
// other sockets, or for another CONNECT until the connect time-out.
func (c *client) farewell(seat *seat, h head) {
	s, _ := c.speaker(seat)
	if s == nil {
		return
	}
	if _, rest, err := takeNumber(h.rest, maxAckID); err != nil || len(rest) > 0 {
		c.violate()
		return
	}
	if c.leave(s, ReasonClientDisconnect, false) {
		s.forsake()
	}
}

// leave makes a socket leave and keeps the session. It reports false when the socket had
// left; else the caller forsakes it.
func (c *client) leave(s *Socket, reason Reason, dismissed bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.seat.socket != s || c.closed {
		return false
	}
	c.detach(s, reason, dismissed)
	s.seat.dismissed = dismissed
	if c.sockets == 0 {
		c.connectBy = time.Now().Add(c.server.config.ConnectTimeout)
		c.session.Unsettle()
		c.setGate()
	}
	return true
}

// detach makes the socket leave: it is in no room any more, and the last of its jobs is to
// say so. The caller holds c.mu, and forsakes the socket when it does not any more.
func (c *client) detach(s *Socket, reason Reason, discard bool) {
	s.state.Store(left)
	s.seat.socket = nil
	c.sockets--
	s.seat.space.local.exit(s)
	if discard {
		s.seat.line.discard()
	}
	s.seat.line.add(&job{alone: true, task: doing(func() { c.server.disconnected(s, reason) })})
}

// close makes all sockets leave and returns them. The caller holds c.mu, and forsakes them
// when it does not any more.
func (c *client) close(reason Reason, discard bool) (gone []*Socket) {
	if c.closed {
		return nil
	}
	c.closed = true
	if c.gate != nil {
		c.gate.Stop()
		c.gate = nil
	}
	for _, seat := range c.seats {
		if s := seat.socket; s != nil {
			c.detach(s, reason, discard)
			gone = append(gone, s)
		}
		seat.line.stop()
	}
	return gone
}

func forsake(sockets []*Socket) {
	for _, s := range sockets {
		s.forsake()
	}
}

// end closes the session after a flush. The sockets leave at once; their waiting events are
// still handled unless discard is set.
func (c *client) end(reason Reason, code engineio.StatusCode, discard bool) {
	c.mu.Lock()
	gone := c.close(reason, discard)
	c.mu.Unlock()
	forsake(gone)
	c.session.Close(reason, code)
}

// abort ends the session without a flush.
func (c *client) abort(reason Reason) {
	c.mu.Lock()
	gone := c.close(reason, false)
	c.mu.Unlock()
	forsake(gone)
	c.session.Abort(reason)
}

// violate closes the session of a client that does not speak the protocol.
func (c *client) violate() {
	c.end(ReasonParseError, engineio.StatusPolicyViolation, false)
}

// fail closes the session of a handler that panicked.
func (c *client) fail() {
	c.end(ReasonTransportError, engineio.StatusInternalError, true)
}

// dismiss tells the client that s and its other sockets are not wanted any more, and closes
// the session.
func (c *client) dismiss(s *Socket) {
	c.mu.Lock()
	if s.seat.socket != s || c.closed {
		c.mu.Unlock()
		return
	}
	gone := c.close(ReasonServerDisconnect, true)
	c.mu.Unlock()
	for _, s := range gone {
		s.flush()
		c.session.Send(engineio.Text(AppendPacket(nil, Packet{Type: PacketDisconnect, Namespace: s.seat.space.name})))
	}
	forsake(gone)
	c.session.Close(ReasonServerDisconnect, engineio.StatusNormalClosure)
}

// deafen makes the client's packets be ignored from now on, except for answers. Nothing waits
// for room any more, because an answer may be behind it.
func (c *client) deafen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	for _, s := range c.seats {
		s.line.stop()
	}
}

// goAway lets the handlers finish what a deafened client has sent, and closes the session
// then.
func (c *client) goAway() {
	c.mu.Lock()
	seats, waiting, closed := c.seats, c.sockets > 0, c.closed
	c.mu.Unlock()
	if closed {
		return
	}
	goAway := func() { c.end(ReasonShuttingDown, engineio.StatusGoingAway, false) }
	if !waiting {
		goAway()
		return
	}
	whenAllIdle(seats, goAway)
}

// whenAllIdle calls f once when nothing of the seats waits or runs, which may be now. Nothing
// may come to a seat that has become idle, except what makes its socket leave.
func whenAllIdle(seats []*seat, f func()) {
	if len(seats) == 0 {
		f()
		return
	}
	var busy atomic.Int32
	busy.Store(int32(len(seats)))
	for _, s := range seats {
		s.line.whenIdle(func() {
			if busy.Add(-1) == 0 {
				f()
			}
		})
	}
}

// discard forgets the events that wait.
func (c *client) discard() {
	c.mu.Lock()
	seats := c.seats
	c.mu.Unlock()
	for _, s := range seats {
		s.line.discard()
		s.line.settle()
	}
}

// setGate moves the timer to the next moment that something has to have happened. The caller
// holds c.mu.
func (c *client) setGate() {
	at := c.deadline()
	switch {
	case at.IsZero() || c.closed:
		if c.gate != nil {
			c.gate.Stop()
			c.gate = nil
		}
	case c.gate == nil:
		c.gate = time.AfterFunc(time.Until(at), c.late)
	default:
		c.gate.Reset(time.Until(at))
	}
}

// deadline returns the next moment that something waited for has to be here; zero when
// nothing is.
func (c *client) deadline() time.Time {
	at, deciding := c.attachBy, false
	for _, s := range c.seats {
		if s.admitting {
			at, deciding = earlier(at, s.decideBy), true
		}
	}
	if !deciding && c.sockets == 0 {
		at = earlier(at, c.connectBy)
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// late closes a session that waits for something too long. A call that
// was on its way when the timer was moved finds nothing late.
func (c *client) late() {
	c.mu.Lock()
	at := c.deadline()
	late := !at.IsZero() && !time.Now().Before(at)
	c.mu.Unlock()
	if late {
		// The status only matters to whoever looks at the wire: clients try again.
		c.end(ReasonTransportClose, engineio.StatusTryAgainLater, false)
	}
}
