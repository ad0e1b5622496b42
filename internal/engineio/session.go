package engineio

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// closeWait bounds the flush of what is queued when a session ends, the wait of polling
	// for a request that takes its goodbye, and the wait for the client to close its side.
	closeWait = 5 * time.Second

	// crossWait is how long a session on polling whose client said goodbye waits for a request
	// that crossed it on another connection. Clients send none later.
	crossWait = time.Second

	// probeEvery is how often a waiting request is answered while its session is upgraded.
	probeEvery = 100 * time.Millisecond

	// heldBack is how long a call of Handler.Message lasts that has kept pongs from being
	// seen.
	heldBack = 10 * time.Millisecond
)

// A Session is a client that has opened a transport. Its methods are safe for concurrent use
// and never wait for the network.
type Session struct {
	server  *Server
	id      string
	address string
	data    any
	opened  time.Duration
	pong    atomic.Int64 // a time.Duration
	ended   atomic.Bool  // nothing is taken or handed over any more
	pinged  atomic.Bool  // a pong is due
	busy    atomic.Bool  // Handler.Message runs
	settled atomic.Bool  // mu is held for changes
	spoke   spoke

	mu       sync.Mutex
	queue    queue
	socket   *socket  // nil while polling
	polling  *polling // nil on WebSocket
	pingedAt time.Duration
	heartAt  time.Duration // next ping, or the time-out of its pong
	deadline time.Duration // of an end that has begun
	reason   Reason        // of the end, if there is one
	code     StatusCode    // of the close frame
	opening  bool          // Handler.Opened has not returned
	ready    bool          // a flusher will come
	writing  bool          // somebody writes to the socket, and looks at the queue afterwards
	parting  bool          // the close frame has been taken to be written
	cut      bool          // the transport has been closed
	gone     bool          // nothing is left
}

// ID returns the id that client and server know the session by: the node's prefix, and 22
// URL-safe characters that hold 128 random bits.
func (s *Session) ID() string { return s.id }

// Data returns what SetData was given.
func (s *Session) Data() any { return s.data }

// SetData keeps v with the session. It may be called in Handler.Opened only.
func (s *Session) SetData(v any) { s.data = v }

// Address returns the key by which the client's address is counted.
func (s *Session) Address() string { return s.address }

// Transport returns "websocket" or "polling".
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polling != nil {
		return transportPolling
	}
	return transportWebSocket
}

// OpenedAt returns when the session was opened.
func (s *Session) OpenedAt() time.Time { return s.server.started.Add(s.opened) }

// LastPong returns when the client last answered a ping, or else when the session was opened.
func (s *Session) LastPong() time.Time {
	return s.server.started.Add(time.Duration(s.pong.Load()))
}

// Send sends messages as one piece. Where nothing else waits it gives them to the network at
// once, on the goroutine of the caller. It reports false when the session has begun to end.
// A session whose queue is full is ended.
func (s *Session) Send(m ...Message) bool {
	s.mu.Lock()
	if s.ended.Load() {
		s.mu.Unlock()
		return false
	}
	if s.socket != nil && !s.writing && len(s.queue.items) == 0 && len(m) > 0 {
		s.writing = true
		to := s.socket
		s.mu.Unlock()
		s.write(to, join(m), false)
		return true
	}
	return s.pushAndUnlock(m, false)
}

// Post queues messages as one piece and leaves it to the server's flushers to send them,
// which write together what has been queued for a session meanwhile: it is the cheaper way to
// send to many. Volatile messages are forgotten where the queue has no room for them, and
// when others need their place. It reports false when the session has begun to end.
func (s *Session) Post(volatile bool, m ...Message) bool {
	s.mu.Lock()
	if s.ended.Load() {
		s.mu.Unlock()
		return false
	}
	return s.pushAndUnlock(m, volatile)
}

func (s *Session) pushAndUnlock(m []Message, volatile bool) bool {
	c := &s.server.config
	fits := s.queue.push(m, volatile, bounds{c.QueueBytes, c.QueuePackets})
	if !fits && !volatile {
		s.mu.Unlock()
		s.end(ReasonQueueFull, StatusPolicyViolation, cut)
		return false
	}
	s.stirAndUnlock()
	return true
}

// stirAndUnlock has what is queued sent, unless somebody will do so anyway.
func (s *Session) stirAndUnlock() {
	waits := len(s.queue.items) > 0 || s.ended.Load() && !s.parting
	if s.polling != nil {
		if waits {
			s.polling.answer()
		}
		s.mu.Unlock()
		return
	}
	if waits && s.socket != nil && !s.writing && !s.ready && !s.gone {
		s.ready = true
		s.server.flush.add(s)
	}
	s.mu.Unlock()
}

// control sends a packet of Engine.IO itself, for which there always is room.
func (s *Session) control(m Message) {
	s.mu.Lock()
	if s.ended.Load() {
		s.mu.Unlock()
		return
	}
	s.queue.force(m)
	if s.socket == nil || s.writing {
		s.stirAndUnlock()
		return
	}
	s.mu.Unlock()
	s.flush()
}

// Settle says that the session is no longer pending: it leaves the count of those, and its
// packets may have Config.MaxPayload bytes.
func (s *Session) Settle() { s.setSettled(true) }

// Unsettle makes the session pending again.
func (s *Session) Unsettle() { s.setSettled(false) }

func (s *Session) setSettled(settled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone || s.settled.Load() == settled:
		return
	case settled:
		s.server.pend(s.address, -1)
	default:
		s.server.pend(s.address, 1)
	}
	s.settled.Store(settled)
}

// limit is how large a packet may be, in bytes.
func (s *Session) limit() int {
	if s.settled.Load() {
		return s.server.config.MaxPayload
	}
	return s.server.config.MaxUnsettled
}

// Close ends the session: nothing is sent or handed over any more, what is queued is flushed
// for 5 s at most, and then the transport is closed, with the code if it is a WebSocket.
func (s *Session) Close(reason Reason, code StatusCode) { s.end(reason, code, flush) }

// Abort ends the session and its transport at once.
func (s *Session) Abort(reason Reason) { s.end(reason, NoStatus, cut) }

// An ending is how a session ends.
type ending uint8

const (
	flush   ending = iota // what is queued is sent, and a goodbye
	goodbye               // the client said goodbye, and a request of it that waits is answered
	drop                  // only a goodbye is sent, and not waited for on polling
	cut                   // the transport closes at once
)

// end begins the end of the session, or makes one that has begun more abrupt.
func (s *Session) end(reason Reason, code StatusCode, how ending) {
	s.mu.Lock()
	first := !s.ended.Load()
	if !first && how != cut || s.gone {
		s.mu.Unlock()
		return
	}
	if first {
		s.ended.Store(true)
		s.reason, s.code = reason, code
		s.deadline = s.server.now() + closeWait
		if how == goodbye && s.polling != nil {
			s.deadline = s.server.now() + crossWait
		}
		s.server.wheel.set(s, s.deadline)
		if s.polling != nil {
			s.polling.hurry()
		}
	}
	if how != flush {
		s.queue.clear()
	}
	tell := first && !s.opening
	if tell {
		s.server.enter()
	}
	s.mu.Unlock()
	if tell {
		s.server.closed(s, reason)
	}
	s.depart(how)
}

// depart takes leave of the transport.
func (s *Session) depart(how ending) {
	s.mu.Lock()
	if p := s.polling; p != nil {
		probe := p.probe
		p.probe = nil
		p.farewell = closePacket
		if how == goodbye {
			p.farewell = noopPacket
		}
		p.answer()
		s.mu.Unlock()
		if probe != nil {
			probe.expire()
		}
		if how == drop || how == cut {
			s.forget()
		}
		return
	}
	socket := s.socket
	if how == cut {
		s.cut = true
	}
	s.mu.Unlock()
	switch {
	case how == cut && socket != nil:
		socket.cut()
	case socket != nil:
		s.flush()
	}
}

// forget lets go of what the server holds of the session.
func (s *Session) forget() {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return
	}
	s.gone = true
	s.queue.clear()
	if !s.settled.Load() {
		s.server.pend(s.address, -1)
	}
	s.mu.Unlock()
	s.server.wheel.remove(s)
	s.server.unregister(s)
	s.server.leave()
}

// open makes the session live: it becomes known, the open packet goes out with what stands
// before it, the handler is told, and the heart begins to beat.
func (s *Session) open(first Message, tell func()) {
	refusing := s.server.register(s)
	s.control(first)
	tell()
	s.mu.Lock()
	s.opening = false
	ended, reason := s.ended.Load(), s.reason
	if !ended {
		s.heartAt = s.opened + s.server.config.PingInterval
		s.server.wheel.set(s, s.heartAt)
	} else {
		s.server.enter()
	}
	s.mu.Unlock()
	if ended {
		s.server.closed(s, reason)
	}
	if refusing {
		s.end(ReasonForcedClose, StatusGoingAway, flush)
	}
}

// wake does what is due: it pings, gives up, closes.
func (s *Session) wake(now time.Duration) {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return
	}
	if s.ended.Load() {
		late := now >= s.deadline
		if !late {
			s.server.wheel.set(s, s.deadline)
		}
		s.mu.Unlock()
		if late {
			s.expire()
		}
		return
	}
	ping, lost := s.beat(now)
	probe := s.polling.tick(now)
	if !lost {
		s.server.wheel.set(s, s.nextWake(now))
	}
	s.mu.Unlock()
	switch {
	case lost:
		s.end(ReasonPingTimeout, NoStatus, cut)
	case ping:
		s.control(pingPacket)
	}
	if probe != nil {
		s.server.enter()
		go func() {
			defer s.server.leave()
			probe.dismiss()
		}()
	}
}

// nextWake is when wake has to be called again. The answer to a ping does not move it, so it
// is never later than the next ping would be.
func (s *Session) nextWake(now time.Duration) time.Duration {
	at := s.heartAt
	if s.pinged.Load() {
		at = min(at, now+s.server.config.PingInterval)
	}
	if s.polling != nil && s.polling.probe != nil {
		at = min(at, s.polling.noopAt, s.polling.upgradeBy)
	}
	return at
}

// beat says whether a ping is due now, or the pong to the last one is missing. The caller
// holds s.mu.
func (s *Session) beat(now time.Duration) (ping, lost bool) {
	if now < s.heartAt {
		return false, false
	}
	timeout := s.server.config.PingTimeout
	switch {
	case !s.pinged.Load():
		// The time-out counts from when the ping was due, so that it does not depend on how
		// late the wheel is, unless that was very late.
		s.heartAt = max(s.heartAt, now-2*s.server.wheel.tick) + timeout
		s.pingedAt = now
		s.pinged.Store(true)
		return true, false
	case s.busy.Load():
		// The pong may be here, behind packets that the handler does not take yet.
		s.heartAt = now + timeout
		return false, false
	}
	return false, true
}

// expired ends a session whose pong is late although the wheel has not come to it yet.
func (s *Session) expired() bool {
	s.mu.Lock()
	late := s.pinged.Load() && !s.busy.Load() && s.server.now() >= s.heartAt
	s.mu.Unlock()
	if late {
		s.end(ReasonPingTimeout, NoStatus, cut)
	}
	return late
}

// expire closes what has not come to an end by itself.
func (s *Session) expire() {
	s.mu.Lock()
	socket := s.socket
	s.cut = true
	s.mu.Unlock()
	if socket != nil {
		socket.cut()
		return
	}
	s.forget()
}

// packet takes a text packet. The bytes are copied where they are kept, unless they are owned.
func (s *Session) packet(p []byte, owned bool) {
	if len(p) == 0 {
		s.end(ReasonParseError, StatusPolicyViolation, drop)
		return
	}
	switch p[0] {
	case messageType:
		data := p[1:]
		if !owned {
			data = bytes.Clone(data)
		}
		s.deliver(data, false)
	case pongType:
		s.ponged()
	case pingType:
		// Only servers ping in this version of the protocol.
		s.end(ReasonTransportError, StatusPolicyViolation, drop)
	case closeType:
		s.end(ReasonTransportClose, StatusNormalClosure, goodbye)
	case openType, upgradeType, noopType:
		// The reference ignores them as well.
	default:
		s.end(ReasonParseError, StatusPolicyViolation, drop)
	}
}

// deliver hands a message over.
func (s *Session) deliver(data []byte, binary bool) {
	if s.ended.Load() {
		return
	}
	var from time.Duration
	if s.pinged.Load() {
		from = s.server.now()
	}
	s.busy.Store(true)
	defer s.busy.Store(false)
	s.server.message(s, data, binary)
	if s.pinged.Load() {
		s.excuse(from)
	}
}

// excuse gives a pong its full time again if the handler held the client back since from.
func (s *Session) excuse(from time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.server.now()
	if s.pinged.Load() && now-max(from, s.pingedAt) >= heldBack {
		s.heartAt = now + s.server.config.PingTimeout
	}
}

func (s *Session) ponged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.pinged.Load() || s.ended.Load() {
		return
	}
	now := s.server.now()
	s.pinged.Store(false)
	s.pong.Store(int64(now))
	s.heartAt = now + s.server.config.PingInterval
}
