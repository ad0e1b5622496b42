package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A state says what a connection waits for.
type state uint8

const (
	stateDialing   state = iota // for the connection
	stateUpgrading              // for the answer to the upgrade
	stateOpening                // for the open packet
	stateAdmitting              // for the answer to the CONNECT packet
	stateOpen
	stateGone
)

// A Conn is one connection. Tag is the caller's.
type Conn struct {
	Tag int

	fd     int
	serial int32 // tells this connection from another one that has had the descriptor
	state  state
	begun  time.Time // when it was dialed
	token  string
	in     []byte // of a frame, or of the answer to the upgrade, that has not come in full
	out    []byte // what the system did not take yet

	polling *polling // nil on WebSocket
}

func (c *Conn) settled() bool { return c.state >= stateOpen }

// dial begins a connection.
func (l *Loop) dial() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	l.dialed++
	c := &Conn{fd: fd, serial: int32(l.dialed), begun: time.Now(), token: l.target.Tokens[l.dialed%len(l.target.Tokens)]}
	if err := l.open(c); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("load: dial: %w", err)
	}
	for len(l.conns) <= fd {
		l.conns = append(l.conns, nil)
	}
	l.conns[fd] = c
	return c, nil
}

func (l *Loop) open(c *Conn) error {
	from := [4]byte{127, 0, 0, byte(1 + l.dialed%sourceAddresses)}
	_ = unix.SetsockoptString(c.fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, plainCongestion) // it only saves time
	err := errors.Join(
		unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(c.fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(c.fd, &unix.SockaddrInet4{Addr: from}))
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Addr: l.target.Address.Addr().As4(), Port: int(l.target.Address.Port())}
	if err := unix.Connect(c.fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, c.fd, c.interest(unix.EPOLLIN|unix.EPOLLOUT))
}

// interest says that the system is to tell of events when they happen, and not for as long as
// they last: it would look at each connection twice for every event.
func (c *Conn) interest(events uint32) *unix.EpollEvent {
	return &unix.EpollEvent{Events: events | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(c.fd), Pad: c.serial}
}

// Drop closes a connection without a word. One that is gone stays so.
func (l *Loop) Drop(c *Conn) {
	if c.state == stateGone {
		return
	}
	c.state = stateGone
	l.conns[c.fd] = nil
	_ = unix.Close(c.fd) // which takes it out of the epoll instance, too
}

// fail drops a connection that the server ended, or that cannot go on.
func (l *Loop) fail(c *Conn, err error) {
	l.onGone(c, err)
	l.Drop(c)
}

func (l *Loop) handle(c *Conn, events uint32) {
	if c.state == stateDialing {
		l.dialedUp(c)
	} else if events&unix.EPOLLOUT != 0 {
		l.flush(c)
	}
	ended := events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if ended || events&unix.EPOLLIN != 0 {
		// What comes after a read that did not fill the buffer is told of again, but for an end
		// that has been told of already.
		for c.state != stateGone && (l.read(c) || ended) {
		}
	}
}

// dialedUp asks for the upgrade as soon as the connection stands.
func (l *Loop) dialedUp(c *Conn) {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err == nil {
		err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, c.fd, c.interest(unix.EPOLLIN))
	}
	if err != nil {
		l.fail(c, err)
		return
	}
	if l.target.Polling {
		c.state, c.polling = stateOpening, &polling{}
		l.request(c)
		return
	}
	c.state = stateUpgrading
	l.write(c, []byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: "+l.target.Address.String()+
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
}

// Send sends one Socket.IO packet. What the system does not take at once leaves later.
func (l *Loop) Send(c *Conn, packet []byte) { l.put(c, engineMessage, packet) }

// put sends one Engine.IO packet.
func (l *Loop) put(c *Conn, kind byte, payload []byte) {
	if c.polling != nil {
		c.polling.push(kind, payload)
		return
	}
	l.scratch = appendFrame(l.scratch[:0], opText, kind, payload)
	l.write(c, l.scratch)
}

func (l *Loop) write(c *Conn, b []byte) {
	if c.state == stateGone {
		return
	}
	if len(c.out) > 0 {
		c.out = append(c.out, b...)
		return
	}
	n, err := writeNow(c.fd, b)
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		l.fail(c, err)
		return
	}
	if n = max(n, 0); n < len(b) {
		c.out = append(c.out, b[n:]...)
		l.watch(c, unix.EPOLLIN|unix.EPOLLOUT)
	}
}

// flush sends what is left.
func (l *Loop) flush(c *Conn) {
	n, err := writeNow(c.fd, c.out)
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		l.fail(c, err)
		return
	}
	if c.out = c.out[max(n, 0):]; len(c.out) == 0 {
		c.out = nil
		l.watch(c, unix.EPOLLIN)
	}
}

func (l *Loop) watch(c *Conn, events uint32) {
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, c.fd, c.interest(events)); err != nil {
		l.fail(c, err)
	}
}

// read reads once, and reports whether there may be more.
func (l *Loop) read(c *Conn) bool {
	n, err := readNow(c.fd, l.buffer)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false
	case errors.Is(err, unix.EINTR):
		return true
	case err != nil:
		l.fail(c, err)
		return false
	case n == 0:
		l.fail(c, io.EOF)
		return false
	}
	more := n == len(l.buffer)
	got := l.buffer[:n]
	if len(c.in) > 0 {
		c.in = append(c.in, got...)
		got = c.in
	}
	rest, err := l.consume(c, got)
	if err != nil {
		l.fail(c, err)
		return false
	}
	if len(rest) == 0 {
		c.in = nil
		return more
	}
	c.in = append(c.in[:0], rest...)
	return more
}

// consume handles everything that has come in full and returns the rest. Nothing is left of a
// connection that is gone.
func (l *Loop) consume(c *Conn, b []byte) ([]byte, error) {
	if c.polling != nil {
		return l.responses(c, b)
	}
	if c.state == stateUpgrading {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			return b, nil
		}
		if !bytes.HasPrefix(b, []byte("HTTP/1.1 101 ")) {
			line, _, _ := strings.Cut(string(b[:end]), "\r\n")
			return nil, fmt.Errorf("the upgrade was answered %.60q", line)
		}
		c.state = stateOpening
		b = b[end+4:]
	}
	for c.state != stateGone {
		op, payload, rest, err := cutFrame(b)
		if err != nil {
			return nil, err
		}
		if op == 0 {
			return b, nil
		}
		if err := l.frame(c, op, payload); err != nil {
			return nil, err
		}
		b = rest
	}
	return nil, nil
}

func (l *Loop) frame(c *Conn, op byte, payload []byte) error {
	switch op {
	case opText:
		if len(payload) == 0 {
			return errors.New("an empty packet")
		}
		return l.packet(c, payload[0], payload[1:])
	case opPing:
		l.scratch = appendFrame(l.scratch[:0], opPong, 0, payload)
		l.write(c, l.scratch)
	case opClose:
		if len(payload) >= 2 {
			return fmt.Errorf("closed by the server with %d %q", int(payload[0])<<8|int(payload[1]), payload[2:])
		}
		return errors.New("closed by the server")
	case opBinary, opPong: // nothing that is measured waits for them
	default:
		return fmt.Errorf("a frame that begins with %#x", op)
	}
	return nil
}

// packet handles an Engine.IO packet.
func (l *Loop) packet(c *Conn, kind byte, data []byte) error {
	switch {
	case kind == enginePing:
		l.put(c, enginePong, nil)
	case kind == engineNoop:
	case kind == engineClose:
		return errors.New("ended by the server")
	case kind == engineOpen && c.state == stateOpening:
		c.state = stateAdmitting
		if c.polling != nil {
			_, id, _ := bytes.Cut(data, []byte(`"sid":"`))
			id, _, _ = bytes.Cut(id, []byte{'"'})
			c.polling.session = string(id)
		}
		l.Send(c, []byte(`0{"token":"`+c.token+`"}`))
	case kind == engineMessage && c.state == stateAdmitting:
		if len(data) == 0 || data[0] != '0' {
			return fmt.Errorf("CONNECT was answered %.100q", data)
		}
		c.state = stateOpen
		l.onOpen(c)
	case kind == engineMessage && c.state == stateOpen:
		if l.OnPacket != nil {
			l.OnPacket(c, data)
		}
	default:
		return fmt.Errorf("an unexpected packet of type %q", kind)
	}
	return nil
}
