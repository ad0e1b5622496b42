package socketio

import (
	"bufio"
	"net"
	"net/http"
	"sync"
)

// maxBatch is how much one write to the network takes from an outbox, in bytes; one message
// may be larger.
const maxBatch = 64 << 10

// A cork lies between the WebSocket library, which writes each message by itself, and the
// connection: while it is in, what is written is kept, and goes out in one piece when it is
// pulled. One goroutine puts it in and pulls it; others may write at any time, whole frames
// each.
type cork struct {
	net.Conn

	mu   sync.Mutex
	in   bool
	held *[]byte
}

// spare keeps the buffers of corks that are out.
var spare = sync.Pool{New: func() any { return new([]byte) }}

func (c *cork) put() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in, c.held = true, spare.Get().(*[]byte)
}

// pull writes what has been kept.
func (c *cork) pull() error {
	c.mu.Lock()
	held := c.held
	c.in, c.held = false, nil
	c.mu.Unlock()
	_, err := c.Conn.Write(*held)
	if cap(*held) <= 2*maxBatch {
		*held = (*held)[:0]
		spare.Put(held)
	}
	return err
}

// Write implements io.Writer.
func (c *cork) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.in {
		defer c.mu.Unlock()
		*c.held = append(*c.held, b...)
		return len(b), nil
	}
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// A capture keeps the connection that the WebSocket library takes over, so that deadlines
// can be set on it, and gives the library a cork to write to.
type capture struct {
	http.ResponseWriter
	conn *cork
}

// Hijack implements http.Hijacker.
func (c *capture) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c.conn = &cork{Conn: conn}
	return c.conn, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(c.conn)), nil
}
