package engineio

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Packets that are always the same.
var (
	pingPacket  = textPacket(pingType)
	closePacket = textPacket(closeType)
	noopPacket  = textPacket(noopType)
	probeReply  = textPacket(pongType, []byte("probe"))
)

// polling is the transport of a session that polls. The mutex of the session guards it.
type polling struct {
	parked    chan struct{}              // of the request that waits for packets; nil without one
	posting   bool                       // a request with packets is being served
	reading   *http.ResponseController   // of the body of that request; nil without one
	writing   []*http.ResponseController // of answers that the network has not taken yet
	farewell  Message                    // once the session has begun to end
	probe     *socket                    // may become the transport
	noopAt    time.Duration              // when a waiting request is answered, so that the upgrade goes on
	upgradeBy time.Duration
}

// maxWriting is how many answers to polls may wait for the network. A client that polls again
// has got the answer before, which this side may come to know a little later.
const maxWriting = 4

// never is later than every time of a server.
const never = time.Duration(1<<63 - 1)

// answer makes the request that waits take what there is.
func (p *polling) answer() {
	if p.parked == nil {
		return
	}
	select {
	case p.parked <- struct{}{}:
	default: // it has been told
	}
}

// hurry bounds what requests wait for once the transport is not wanted any more. The caller
// holds the session's mutex.
func (p *polling) hurry() {
	now := time.Now()
	// Where deadlines are not supported, those of the server have to do.
	if p.reading != nil {
		_ = p.reading.SetReadDeadline(now)
	}
	for _, c := range p.writing {
		_ = c.SetWriteDeadline(now.Add(closeWait))
	}
}

// tick keeps an upgrade going. It returns a probe whose time is over. p may be nil.
func (p *polling) tick(now time.Duration) (late *socket) {
	if p == nil || p.probe == nil {
		return nil
	}
	if now >= p.upgradeBy {
		late, p.probe = p.probe, nil
		return late
	}
	if now >= p.noopAt {
		p.noopAt = now + probeEvery
		p.answer()
	}
	return nil
}

// poll serves a request that waits for packets.
func (s *Session) poll(w http.ResponseWriter, r *http.Request) *rejection {
	parked, rejected := s.park()
	if rejected != nil {
		return rejected
	}
	select {
	case <-parked:
	case <-r.Context().Done():
	}
	c := http.NewResponseController(w)
	p, payload := s.collect(c)
	if p == nil {
		return badRequest
	}
	err := r.Context().Err()
	if err == nil {
		err = respond(w, "text/plain; charset=UTF-8", payload)
	}
	if err == nil {
		// What is left in buffers would be written when nothing bounds that any more.
		err = c.Flush()
	}
	s.answered(p, c)
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.end(ReasonTransportError, NoStatus, cut)
	}
	return nil
}

// answered notes that an answer has been written, or could not be.
func (s *Session) answered(p *polling, c *http.ResponseController) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.writing = slices.DeleteFunc(p.writing, func(other *http.ResponseController) bool { return other == c })
	_ = c.SetWriteDeadline(time.Time{}) // the connection may serve other requests
}

// park makes a request the one that waits. Two at a time are an error that ends the session,
// and so are polls whose answers are not read.
func (s *Session) park() (chan struct{}, *rejection) {
	s.mu.Lock()
	switch p := s.polling; {
	case s.gone:
		s.mu.Unlock()
		return nil, unknownSession
	case p == nil:
		s.mu.Unlock()
		return nil, badRequest
	case p.parked != nil || len(p.writing) == maxWriting:
		s.mu.Unlock()
		s.end(ReasonTransportError, NoStatus, cut)
		return nil, badRequest
	default:
		parked := make(chan struct{}, 1)
		p.parked = parked
		s.stirAndUnlock()
		return parked, nil
	}
}

// collect returns the payload for the request that waited, whose answer is bounded in time by
// c from then on. The transport is nil when the session has been upgraded meanwhile.
func (s *Session) collect(c *http.ResponseController) (p *polling, payload []byte) {
	s.mu.Lock()
	p = s.polling
	if p == nil {
		s.mu.Unlock()
		return nil, nil
	}
	p.parked = nil
	items := s.queue.takeAll()
	// The farewell goes with a poll of its own: clients take it before what stands in front of it.
	ended := s.ended.Load() && len(items) == 0
	wait := s.server.config.PingInterval + s.server.config.PingTimeout
	switch {
	case ended:
		items = append(items, item{Message: p.farewell})
		wait = closeWait
	case len(items) == 0:
		items = append(items, item{Message: noopPacket})
	}
	p.writing = append(p.writing, c)
	_ = c.SetWriteDeadline(time.Now().Add(wait)) // where it is not supported, that of the server has to do
	s.mu.Unlock()
	if ended {
		s.forget()
	}
	return p, appendMessages(nil, items)
}

// post serves a request with packets.
func (s *Session) post(w http.ResponseWriter, r *http.Request) *rejection {
	s.mu.Lock()
	p := s.polling
	switch {
	case s.gone || s.ended.Load():
		s.mu.Unlock()
		return unknownSession
	case p == nil:
		s.mu.Unlock()
		return badRequest
	case p.posting:
		s.mu.Unlock()
		s.end(ReasonTransportError, NoStatus, cut)
		return badRequest
	}
	p.posting = true
	s.mu.Unlock()
	rejected := s.takePayload(p, w, r)
	s.mu.Lock()
	p.posting = false // before the answer, after which the client may go on
	s.mu.Unlock()
	if rejected == nil {
		// A content type that pages may not ask for would make browsers offer a download.
		_ = respond(w, "text/html", []byte("ok")) // the client may have gone
	}
	return rejected
}

func (s *Session) takePayload(p *polling, w http.ResponseWriter, r *http.Request) *rejection {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream") {
		s.end(ReasonTransportError, NoStatus, cut)
		return badRequest
	}
	payload, err := s.readBody(p, w, r)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return tooLarge
	}
	if err != nil {
		s.end(ReasonTransportError, NoStatus, cut)
		return badRequest
	}
	if !isText(payload) {
		s.end(ReasonParseError, NoStatus, cut)
		return badRequest
	}
	more := true
	for more && !s.ended.Load() {
		var packet []byte
		packet, payload, more = nextPacket(payload)
		s.record(packet)
	}
	if s.broken() {
		return badRequest
	}
	return nil
}

// readBody reads the body of a request, which has to arrive in little more than the time of a
// heartbeat, and while the session lives.
func (s *Session) readBody(p *polling, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := int64(s.limit())
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	c := http.NewResponseController(w)
	s.mu.Lock()
	p.reading = c
	// Where deadlines are not supported, those of the server have to do.
	_ = c.SetReadDeadline(time.Now().Add(s.server.config.PingInterval + s.server.config.PingTimeout + closeWait))
	if s.ended.Load() {
		p.hurry()
	}
	s.mu.Unlock()
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	s.mu.Lock()
	defer s.mu.Unlock()
	p.reading = nil
	if err == nil {
		_ = c.SetReadDeadline(time.Time{})
	}
	return payload, err
}

// record takes one packet of a payload.
func (s *Session) record(packet []byte) {
	if len(packet) == 0 || packet[0] != binaryType {
		s.packet(packet, false)
		return
	}
	data, ok := decodeBinary(packet[1:])
	if !ok {
		s.end(ReasonParseError, NoStatus, drop)
		return
	}
	s.deliver(data, true)
}

// broken reports whether the session ended by what its client sent.
func (s *Session) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended.Load() && (s.reason == ReasonParseError || s.reason == ReasonTransportError)
}

// try makes a socket the probe of the session, unless it has one or needs none.
func (s *Session) try(c *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.polling
	if p == nil || p.probe != nil || s.ended.Load() {
		return false
	}
	now := s.server.now()
	p.probe, p.noopAt, p.upgradeBy = c, never, now+s.server.config.UpgradeTimeout
	s.server.wheel.set(s, s.nextWake(now))
	return true
}

// probed notes that the client knows that the probe works: it stops to poll now, for which a
// request that waits has to be answered.
func (s *Session) probed(c *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polling == nil || s.polling.probe != c {
		return
	}
	now := s.server.now()
	s.polling.noopAt = now + probeEvery
	s.server.wheel.set(s, s.nextWake(now))
}

// unprobe notes that a probe has come to its end.
func (s *Session) unprobe(c *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polling != nil && s.polling.probe == c {
		s.polling.probe = nil
	}
}

// adopt makes the probe the transport of the session. It reports false when the client may
// not ask for that now: while packets come in on the other transport, their order would be
// lost.
func (s *Session) adopt(c *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.polling
	if p == nil || p.probe != c || p.posting || s.ended.Load() {
		return false
	}
	p.answer()
	p.hurry()
	s.polling, s.socket = nil, c
	return true
}

func respond(w http.ResponseWriter, kind string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(body)
	return err
}
