package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxFrame     = 64 << 10 // bytes of one frame from a peer
	echoTimeout  = 10 * time.Second
	bufferSize   = 512 // bytes; thousands of connections hold on to theirs
	textFrame    = 0x81
	maskedLength = 0x80
)

// ErrRefused is in the chain of the error of a client that showed the wrong token.
var ErrRefused = errors.New("connect refused")

// A Conn is one raw connection. It does as little as it can, so that the load comes cheap:
// no goroutine, and frames masked with zeros. It is for one goroutine.
type Conn struct {
	nc     net.Conn
	r      *bufio.Reader
	in     []byte // the payload that was read last
	out    []byte
	nextID uint64
}

// Dial opens a WebSocket to a peer and connects to the main namespace with the token. ctx
// has to have a deadline; it bounds the handshake only.
func Dial(ctx context.Context, address, token string) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	c := &Conn{nc: nc, r: bufio.NewReaderSize(nc, bufferSize)}
	deadline, _ := ctx.Deadline()
	if err := errors.Join(nc.SetDeadline(deadline), c.handshake(address, token)); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c, nc.SetDeadline(time.Time{})
}

func (c *Conn) handshake(address, token string) error {
	_, err := io.WriteString(c.nc, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: "+address+
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	if open, err := c.packet(); err != nil || !strings.HasPrefix(open, "0{") {
		return fmt.Errorf("open: %.10q: %w", open, err)
	}
	if err := c.write(`40{"token":"` + token + `"}`); err != nil {
		return err
	}
	answer, err := c.packet()
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(answer, "40"):
		return nil
	case strings.HasPrefix(answer, "44"):
		return ErrRefused
	}
	return fmt.Errorf("unexpected packet of type %.2q", answer)
}

// Echo makes one round trip: an event, and its acknowledgement with the same argument.
func (c *Conn) Echo() error {
	if err := c.nc.SetDeadline(time.Now().Add(echoTimeout)); err != nil {
		return err
	}
	id := strconv.FormatUint(c.nextID, 10)
	c.nextID++
	if err := c.write(`42` + id + `["echo",` + argument + `]`); err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	got, err := c.packet()
	if err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	if got != "43"+id+"["+argument+"]" {
		return fmt.Errorf("echo %s: answered %.100q", id, got)
	}
	return nil
}

// argument is what is echoed, about as long as a short message.
const argument = `{"content":"hello there, hello there, hello there","n":1}`

// Close ends the connection.
func (c *Conn) Close() { _ = c.nc.Close() }

// packet returns the next Engine.IO packet and answers pings on the way to it.
func (c *Conn) packet() (string, error) {
	for {
		p, err := c.frame()
		if err != nil || p != "2" {
			return p, err
		}
		if err := c.write("3"); err != nil {
			return "", err
		}
	}
}

func (c *Conn) frame() (string, error) {
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:2]); err != nil {
		return "", err
	}
	if head[0] != textFrame {
		return "", fmt.Errorf("a frame that begins with %#x", head[0])
	}
	n := uint64(head[1])
	switch n {
	case 126:
		if _, err := io.ReadFull(c.r, head[:2]); err != nil {
			return "", err
		}
		n = uint64(binary.BigEndian.Uint16(head[:]))
	case 127:
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			return "", err
		}
		n = binary.BigEndian.Uint64(head[:])
	}
	if n > maxFrame {
		return "", fmt.Errorf("a frame of %d bytes", n)
	}
	if uint64(cap(c.in)) < n {
		c.in = make([]byte, n)
	}
	c.in = c.in[:n]
	_, err := io.ReadFull(c.r, c.in)
	return string(c.in), err
}

func (c *Conn) write(packet string) error {
	c.out = append(c.out[:0], textFrame)
	if len(packet) < 126 {
		c.out = append(c.out, maskedLength|byte(len(packet)))
	} else {
		c.out = append(c.out, maskedLength|126)
		c.out = binary.BigEndian.AppendUint16(c.out, uint16(len(packet)))
	}
	c.out = append(append(c.out, 0, 0, 0, 0), packet...)
	_, err := c.nc.Write(c.out)
	return err
}
