package engineio

import (
	"bytes"
	"errors"
	"net"
	"syscall"
	"time"
	"unicode/utf8"
)

// errStop ends the reading of what has been received.
var errStop = errors.New("engineio: stop reading")

// A socket is a WebSocket connection. One goroutine reads it and owns its unexported state;
// who has the session's leave writes.
type socket struct {
	session *Session
	conn    net.Conn
	raw     syscall.RawConn // nil where conn has to be waited for
	in      reader
	ready   func(fd uintptr) bool // readable, which would be allocated for every read
	buffer  *[readSize]byte       // of what is being read and handled
	got     int                   // bytes in it
	lost    error                 // why nothing can be read any more

	probing bool // it is not the session's transport, or not yet
	left    bool // the client has closed its side, or is not to be heard any more
	renew   bool // the goroutine is to be replaced
}

func newSocket(s *Session, conn net.Conn) *socket {
	c := &socket{session: s, conn: conn, raw: rawOf(conn)}
	c.ready = c.readable
	return c
}

// run reads until the connection has come to its end. early is what was received with the
// request.
func (c *socket) run(early []byte) {
	renewed := false
	defer func() {
		if !renewed {
			c.close()
		}
	}()
	if len(early) > 0 {
		c.receive(early)
	}
	for c.lost == nil {
		if c.renew {
			// To handle a packet takes more than the smallest stack, and one that has grown
			// never becomes that small again. So with each heartbeat a new goroutine begins
			// to wait.
			c.renew, renewed = false, true
			go c.run(nil)
			return
		}
		c.read()
	}
}

// read reads once, and handles what that gives.
func (c *socket) read() {
	if c.raw == nil {
		c.readWaiting()
		return
	}
	if err := c.raw.Read(c.ready); err != nil {
		c.lost = err
	}
	if c.lost != nil {
		c.release()
		return
	}
	// The handler is called outside of Read, because to close the connection would wait for
	// that.
	c.receive(c.buffer[:c.got])
}

// readable reads what is there. The goroutine waits while it reports false, and no buffer is
// held then.
func (c *socket) readable(fd uintptr) (ready bool) {
	if c.buffer == nil {
		c.buffer = readBuffers.Get().(*[readSize]byte)
	}
	c.got, ready, c.lost = readNow(fd, c.buffer[:])
	if !ready {
		c.release()
	}
	return ready
}

// release gives the buffer back.
func (c *socket) release() {
	if c.buffer != nil {
		readBuffers.Put(c.buffer)
		c.buffer = nil
	}
}

func (c *socket) readWaiting() {
	b := readBuffers.Get().(*[readSize]byte)
	defer readBuffers.Put(b)
	n, err := c.conn.Read(b[:])
	if n > 0 {
		c.receive(b[:n])
	}
	c.lost = err
}

// close ends what the reader owned.
func (c *socket) close() {
	s := c.session
	if c.probing {
		s.unprobe(c)
		_ = c.conn.Close() // the error says that it is closed already
		s.server.leave()
		return
	}
	s.end(ReasonTransportClose, NoStatus, cut)
	_ = c.conn.Close()
	s.forget()
}

// receive takes bytes that have been read.
func (c *socket) receive(b []byte) {
	if c.left || !c.probing && c.session.ended.Load() {
		return
	}
	err := c.in.feed(b, c)
	if err == nil {
		return
	}
	c.left = true
	c.in = reader{}
	wrong, ok := errors.AsType[*breach](err)
	switch {
	case !ok:
	case c.probing:
		c.dismiss()
	default:
		c.session.end(ReasonTransportError, wrong.code, drop)
	}
}

// limit implements sink.
func (c *socket) limit() int { return c.session.limit() }

// take implements sink.
func (c *socket) take(op byte, payload []byte, owned bool) error {
	switch op {
	case opPing:
		c.answer(payload)
		return nil
	case opPong:
		return nil
	case opClose:
		return c.leave(payload)
	case opText:
		if !isText(payload) {
			return errNotUTF8
		}
	}
	switch {
	case c.probing:
		return c.probe(op, payload)
	case op == opBinary:
		if !owned {
			payload = bytes.Clone(payload)
		}
		c.session.deliver(payload, true)
	default:
		pong := len(payload) > 0 && payload[0] == pongType
		c.session.packet(payload, owned)
		c.renew = c.renew || pong
	}
	if c.session.ended.Load() {
		return errStop
	}
	return nil
}

// answer sends the pong to a ping of WebSocket.
func (c *socket) answer(payload []byte) {
	pong := controlFrame(opPong, payload)
	if c.probing {
		_ = c.write(pong, closeWait) // the next read tells that the connection is lost
		return
	}
	c.session.Send(Message{frame: pong})
}

// leave takes the close frame of the client.
func (c *socket) leave(payload []byte) error {
	code, err := parseClose(payload)
	if err != nil {
		return err
	}
	c.left = true
	if !c.probing {
		c.session.end(ReasonTransportClose, code, drop)
		return errStop
	}
	_ = c.write(closeFrame(code), closeWait)
	_ = c.conn.Close()
	return errStop
}

// probe takes a packet before the socket is the session's transport.
func (c *socket) probe(op byte, payload []byte) error {
	switch {
	case op == opText && string(payload) == "2probe":
		if err := c.write(probeReply.frame, closeWait); err != nil {
			return errStop
		}
		c.session.probed(c)
		return nil
	case op == opText && len(payload) == 1 && payload[0] == upgradeType && c.session.adopt(c):
		c.probing = false
		c.session.server.leave() // it counts as the session now
		c.session.flush()
		return nil
	}
	c.dismiss()
	return errStop
}

// tryWrite writes what the network takes without waiting, which is nothing where it would
// have to be waited for.
func (c *socket) tryWrite(b []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	return writeNow(c.raw, b)
}

// write waits until everything is written.
func (c *socket) write(b []byte, wait time.Duration) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if _, err := c.conn.Write(b); err != nil {
		return err
	}
	return c.conn.SetWriteDeadline(time.Time{})
}

// finish closes this side when everything has been written, and gives the client time to
// close its own: what it has not read yet would be lost otherwise.
func (c *socket) finish() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || c.conn.SetReadDeadline(time.Now().Add(closeWait)) != nil || half.CloseWrite() != nil {
		_ = c.conn.Close()
	}
}

// probeGrace is how long a probe outlives its session: a client that loses it before its last
// poll is answered waits for ever.
const probeGrace = 2 * time.Second

// expire ends a probe whose session has ended, unless its client does so before.
func (c *socket) expire() {
	if c.conn.SetReadDeadline(time.Now().Add(probeGrace)) != nil {
		_ = c.conn.Close()
	}
}

// dismiss closes a socket that does not become the session's transport.
func (c *socket) dismiss() {
	if c.write(closeFrame(NoStatus), closeWait) != nil {
		_ = c.conn.Close()
		return
	}
	c.finish()
}

// cut closes the connection at once.
func (c *socket) cut() {
	conn := c.conn
	if below, ok := conn.(interface{ NetConn() net.Conn }); ok {
		// TLS would say goodbye, and wait for the network to take it.
		conn = below.NetConn()
	}
	_ = conn.Close()
}

func isText(b []byte) bool { return utf8.Valid(b) }
