// Package engineio serves the Engine.IO protocol, version 4, over WebSocket and HTTP
// long-polling. It knows sessions, their transports and what is on its way to them, and
// nothing of what their messages mean.
//
// An idle session on WebSocket costs some 3.6 KB of this process: the smallest stack there is,
// 2 KB, of the goroutine that waits for it, its connection, and a struct of some 400 bytes. It
// has no buffer, no timer, no channel and no second goroutine: a pooled buffer is taken when
// the connection is readable, and a goroutine for writing lives only while the network does
// not take what there is to send. With each heartbeat the waiting goroutine is replaced, so
// that a stack which messages have made grow does not stay. A session on polling costs some
// 28 KB, nearly all of it the request that waits in net/http. BenchmarkIdle measures both.
package engineio

import (
	"cmp"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// A Reason says why a session ended. The texts are those of the reference, and some of ours.
// Other texts may be given to Session.Close and Session.Abort.
type Reason string

// Why sessions end by themselves.
const (
	ReasonTransportClose Reason = "transport close" // the client or the network closed it
	ReasonTransportError Reason = "transport error" // the transport was used wrongly
	ReasonPingTimeout    Reason = "ping timeout"    // no pong in time
	ReasonParseError     Reason = "parse error"     // a packet that is none
	ReasonForcedClose    Reason = "forced close"    // Server.Close
	ReasonQueueFull      Reason = "queue full"      // the client reads too slowly
)

// A StatusCode is the code of a WebSocket close frame, RFC 6455, section 7.4.
type StatusCode uint16

// The codes that servers give. NoStatus sends a close frame without a code.
const (
	NoStatus              StatusCode = 0
	StatusNormalClosure   StatusCode = 1000
	StatusGoingAway       StatusCode = 1001
	StatusProtocolError   StatusCode = 1002
	StatusInvalidPayload  StatusCode = 1007
	StatusPolicyViolation StatusCode = 1008
	StatusMessageTooBig   StatusCode = 1009
	StatusInternalError   StatusCode = 1011
	StatusTryAgainLater   StatusCode = 1013
)

// Config holds the bounds of a server. The zero value of a field means its default.
type Config struct {
	PingInterval time.Duration // between a pong and the next ping; default 25 s
	PingTimeout  time.Duration // from a ping to its pong, else the session ends; default 30 s

	// UpgradeTimeout is the time from the opening of a second transport to the packet that
	// makes it the session's; else it is closed and the session stays. Default 10 s.
	UpgradeTimeout time.Duration

	MaxPayload   int // bytes of one incoming packet, or of one request of polling; default 1,000,000
	MaxUnsettled int // the same before Session.Settle; at most MaxPayload; default 32 KiB
	QueueBytes   int // bytes that wait to be sent to one session; default 1 MiB
	QueuePackets int // packets that wait to be sent to one session; default 1,024

	// Polling lets clients use HTTP long-polling, and upgrade from it to WebSocket.
	Polling bool

	MaxPending int // sessions that are not settled; more are answered 503; default 10,000

	// MaxPendingPerAddress is the number of sessions of one address that are not settled;
	// more are answered 429. Default 256.
	MaxPendingPerAddress int

	// Node is put in front of session ids, with a dot behind it, where several servers share
	// an address; at most 32 letters, digits, - and _. A request with the id of another
	// node's session is answered "Session ID unknown", which makes its client connect anew.
	Node string

	// Address returns the key by which a client's address is counted, from the address and
	// port of its connection and the values of X-Forwarded-For; default the IP address of the
	// connection.
	Address func(remoteAddr string, forwarded []string) string

	// AllowOrigin says whether a request may be served, judged by its Origin; others are
	// answered 403. The default lets through requests without Origin and those of the host
	// that they are made to.
	AllowOrigin func(*http.Request) bool

	Rand io.Reader    // for ids; safe for concurrent use; default crypto/rand
	Log  *slog.Logger // default: nothing is logged
}

// WithDefaults returns c with defaults in the place of zero values.
func (c Config) WithDefaults() Config {
	c.PingInterval = cmp.Or(c.PingInterval, 25*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 30*time.Second)
	c.UpgradeTimeout = cmp.Or(c.UpgradeTimeout, 10*time.Second)
	c.MaxPayload = cmp.Or(c.MaxPayload, 1_000_000)
	c.MaxUnsettled = cmp.Or(c.MaxUnsettled, 32<<10)
	c.QueueBytes = cmp.Or(c.QueueBytes, 1<<20)
	c.QueuePackets = cmp.Or(c.QueuePackets, 1024)
	c.MaxPending = cmp.Or(c.MaxPending, 10_000)
	c.MaxPendingPerAddress = cmp.Or(c.MaxPendingPerAddress, 256)
	c.MaxUnsettled = min(c.MaxUnsettled, c.MaxPayload)
	if c.Address == nil {
		c.Address = remoteHost
	}
	if c.AllowOrigin == nil {
		c.AllowOrigin = sameOrigin
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// remoteHost returns the IP address of a connection.
func remoteHost(remoteAddr string, _ []string) string {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return remoteAddr
	}
	return host
}

// A Handler is told what happens to sessions. Its methods may be called for many sessions at
// once. A panic in Opened or Message ends the session, and is logged with its stack.
type Handler interface {
	// Opened is called once for each session, before any other method for it; the open packet
	// is on its way. What is kept of the session belongs into Session.SetData. It runs on the
	// goroutine of the request, which must not be kept longer than it is needed: it holds
	// buffers.
	Opened(s *Session, r *http.Request)

	// Message hands over one message, without the type byte of the packet; data is the
	// receiver's to keep. It is called in the order of arrival and one at a time for a
	// session. It runs on the goroutine that reads, and may block to hold the client back:
	// no pong counts as missing meanwhile. A call that was about to begin when the session
	// ended may overlap with Closed; none begins later.
	Message(s *Session, data []byte, binary bool)

	// Closed is called exactly once for each session that was opened, when it begins to end.
	// It may be called from within Send, Post, Close and Abort, so it must not block and must
	// not need a lock that their callers hold.
	Closed(s *Session, reason Reason)
}
