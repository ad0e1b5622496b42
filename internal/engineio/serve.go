package engineio

import (
	"crypto/sha1" //nolint:gosec // of the handshake, where it protects nothing
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

const (
	transportWebSocket = "websocket"
	transportPolling   = "polling"
	version            = "4"
)

// preflightSeconds is how long browsers may remember the answer to a preflight.
const preflightSeconds = 600

// maxAllowHeaders is the length of the list of headers that a preflight may ask for, in
// bytes.
const maxAllowHeaders = 1024

// ServeHTTP opens sessions and serves their requests, or answers why it does not. It returns
// when a WebSocket is open, which lives on without the request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rejected := s.serve(w, r); rejected != nil {
		rejected.write(w)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) *rejection {
	if s.config.Polling {
		w.Header().Add("Vary", "Origin")
	}
	if !s.config.AllowOrigin(r) {
		return forbidden
	}
	if s.config.Polling {
		allowOrigin(w, r)
		if r.Method == http.MethodOptions {
			preflight(w, r)
			return nil
		}
	}
	query, ok := parseQuery(r.URL.RawQuery)
	if !ok {
		return badRequest
	}
	transport := query["transport"]
	if transport != transportWebSocket && (transport != transportPolling || !s.config.Polling) {
		return unknownTransport
	}
	if id, known := query["sid"]; known {
		return s.resume(w, r, id, query)
	}
	_, jsonp := query["j"]
	switch {
	case r.Method != http.MethodGet:
		return badMethod
	case transport == transportWebSocket && !isUpgrade(r) || jsonp:
		return badRequest
	case query["EIO"] != version:
		return wrongVersion
	case transport == transportWebSocket:
		return s.openSocket(w, r)
	}
	return s.openPolling(w, r)
}

// allowOrigin lets the page that made the request read its answer.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}
}

// preflight says what the page may ask for.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" && len(names) <= maxAllowHeaders {
		h.Set("Access-Control-Allow-Headers", names)
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	h.Set("Access-Control-Max-Age", strconv.Itoa(preflightSeconds))
	w.WriteHeader(http.StatusNoContent)
}

// resume serves a request of a session that has been opened.
func (s *Server) resume(w http.ResponseWriter, r *http.Request, id string, query map[string]string) *rejection {
	s.enter()
	defer s.leave()
	session := s.find(id)
	if session == nil || session.expired() {
		return unknownSession
	}
	_, jsonp := query["j"]
	switch {
	case query["EIO"] != version:
		return badRequest
	case query["transport"] == transportWebSocket:
		return s.upgrade(w, r, session)
	case jsonp:
		return badRequest
	case r.Method == http.MethodGet:
		return session.poll(w, r)
	case r.Method == http.MethodPost:
		return session.post(w, r)
	}
	return badRequest
}

// newSession returns a session for a request, or says why there is none.
func (s *Server) newSession(r *http.Request) (*Session, *rejection) {
	address := s.config.Address(r.RemoteAddr, r.Header.Values("X-Forwarded-For"))
	if rejected := s.reserve(address); rejected != nil {
		return nil, rejected
	}
	id, err := s.NewID()
	if err != nil {
		s.config.Log.Error("no session id", "err", err)
		s.abandon(address)
		return nil, unavailable
	}
	now := s.now()
	session := &Session{server: s, id: id, address: address, opened: now, opening: true}
	session.pong.Store(int64(now))
	return session, nil
}

func (s *Server) openSocket(w http.ResponseWriter, r *http.Request) *rejection {
	session, rejected := s.newSession(r)
	if rejected != nil {
		return rejected
	}
	socket, early := s.hijack(w, session)
	if socket == nil {
		s.abandon(session.address)
		return nil
	}
	session.socket = socket
	// The answer to the handshake and the open packet leave in one write.
	first := session.openPacket()
	first.frame = append(switching(r), first.frame...)
	s.start(session, first, r)
	go socket.run(early)
	return nil
}

func (s *Server) openPolling(w http.ResponseWriter, r *http.Request) *rejection {
	s.enter()
	defer s.leave()
	session, rejected := s.newSession(r)
	if rejected != nil {
		return rejected
	}
	session.polling = new(polling)
	s.start(session, session.openPacket(), r)
	return session.poll(w, r)
}

// start opens a session that has its transport, on which it is to say this first.
func (s *Server) start(session *Session, first Message, r *http.Request) {
	session.open(first, func() {
		s.guard("Opened", session, func() { s.handler.Opened(session, r) })
	})
}

// hijack takes the connection of a WebSocket handshake, which is still to be answered. early is
// what came behind it. The socket is nil when the connection is lost.
func (s *Server) hijack(w http.ResponseWriter, session *Session) (c *socket, early []byte) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.config.Log.Debug("handshake failed", "err", err)
		w.WriteHeader(http.StatusInternalServerError)
		return nil, nil
	}
	if n := buffered.Reader.Buffered(); n > 0 {
		early = make([]byte, n)
		_, _ = buffered.Reader.Read(early) // what is buffered is given as it is
	}
	return newSocket(session, conn), early
}

// acceptSalt is what a WebSocket key is hashed with, RFC 6455, section 1.3.
const acceptSalt = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// switching returns the answer to a request for which isUpgrade holds.
func switching(r *http.Request) []byte {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + acceptSalt)) //nolint:gosec // the protocol says so
	b := make([]byte, 0, 384)
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	return append(base64.StdEncoding.AppendEncode(b, sum[:]), "\r\n\r\n"...)
}

// upgrade opens a second transport for a session that polls. One that is not wanted is
// accepted and closed, as the reference does.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, session *Session) *rejection {
	if r.Method != http.MethodGet || !isUpgrade(r) {
		return badRequest
	}
	socket, early := s.hijack(w, session)
	if socket == nil {
		return nil
	}
	if err := socket.write(switching(r), closeWait); err != nil {
		_ = socket.conn.Close() // the error says that it is lost already
		return nil
	}
	socket.probing = true
	s.enter()
	if !session.try(socket) {
		socket.left = true
		socket.dismiss()
	}
	go socket.run(early)
	return nil
}

// openPacket tells the client what it needs to know. Times are in milliseconds.
func (s *Session) openPacket() Message {
	c := &s.server.config
	upgrades := ""
	if s.polling != nil {
		upgrades = strconv.Quote(transportWebSocket)
	}
	return textPacket(openType, []byte(strings.Join([]string{
		`{"sid":`, strconv.Quote(s.id), `,"upgrades":[`, upgrades,
		`],"pingInterval":`, strconv.FormatInt(c.PingInterval.Milliseconds(), 10),
		`,"pingTimeout":`, strconv.FormatInt(c.PingTimeout.Milliseconds(), 10),
		`,"maxPayload":`, strconv.Itoa(c.MaxPayload), `}`,
	}, "")))
}
