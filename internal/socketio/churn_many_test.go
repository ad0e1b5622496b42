package socketio

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	churned     = 20_000 // connections
	churnAtOnce = 64     // clients
)

// A churner makes connections and leaves in every way. Its connections are cut by a reset, so
// that no port stays taken.
type churner struct {
	e    *engine
	made atomic.Int64

	vanished atomic.Int64
}

func (c *churner) dial() (*peer, error) {
	conn, err := c.e.dial()
	if err != nil {
		return nil, err
	}
	c.made.Add(1)
	err = errors.Join(conn.(*net.TCPConn).SetLinger(0), conn.SetDeadline(time.Now().Add(time.Minute)))
	return &peer{conn: conn, in: bufio.NewReader(conn)}, err
}

// do makes a request of polling, or of an upgrade.
func (c *peer) do(method, query, body string, want int) (string, error) {
	_, err := fmt.Fprintf(c.conn, "%s /socket.io/?%s HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: %d\r\n\r\n%s", method, query, len(body), body)
	if err != nil {
		return "", err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != want {
		return "", fmt.Errorf("%s %q answered %d, want %d", method, query, response.StatusCode, want)
	}
	if want == http.StatusSwitchingProtocols {
		return "", nil
	}
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// says sends packets on a WebSocket and reads until one comes that begins so.
func (c *peer) says(until string, packets ...string) error {
	for _, text := range packets {
		if _, err := c.conn.Write(frame(opText, []byte(text))); err != nil {
			return err
		}
	}
	for until != "" {
		switch text, err := c.next(); {
		case err != nil:
			return fmt.Errorf("waiting for %q: %w", until, err)
		case strings.HasPrefix(text, until):
			return nil
		}
	}
	return nil
}

// leaves reads until the connection ends.
func (c *peer) leaves() error {
	for {
		_, err := c.next()
		var closed errClosed
		if errors.As(err, &closed) {
			return c.conn.Close()
		}
	}
}

// socket opens a WebSocket.
func (c *churner) socket() (*peer, error) {
	p, err := c.dial()
	if err != nil {
		return nil, err
	}
	if _, err := p.do(http.MethodGet, goodQuery, "", http.StatusSwitchingProtocols); err != nil {
		return nil, err
	}
	return p, p.says("0{")
}

// poller opens a session on polling and returns what its requests ask for.
func (c *churner) poller() (p *peer, query string, err error) {
	if p, err = c.dial(); err != nil {
		return nil, "", err
	}
	query = "EIO=4&transport=polling"
	text, err := p.do(http.MethodGet, query, "", http.StatusOK)
	if err != nil {
		return nil, "", err
	}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(text[1:]), &open); err != nil {
		return nil, "", err
	}
	return p, query + "&sid=" + open.SID, nil
}

// joined opens a session on polling and connects a socket on it.
func (c *churner) joined() (p *peer, query string, err error) {
	if p, query, err = c.poller(); err != nil {
		return nil, "", err
	}
	if _, err := p.do(http.MethodPost, query, "40", http.StatusOK); err != nil {
		return nil, "", err
	}
	_, err = p.do(http.MethodGet, query, "", http.StatusOK)
	return p, query, err
}

// upgrading opens a second transport for a session on polling that has a socket.
func (c *churner) upgrading() (p, probe *peer, err error) {
	p, query, err := c.joined()
	if err != nil {
		return nil, nil, err
	}
	if probe, err = c.dial(); err != nil {
		return nil, nil, err
	}
	query = strings.Replace(query, "polling", "websocket", 1)
	if _, err := probe.do(http.MethodGet, query, "", http.StatusSwitchingProtocols); err != nil {
		return nil, nil, err
	}
	return p, probe, probe.says("3probe", "2probe")
}

// ways are those in which clients come and go.
func (c *churner) ways() []func() error {
	all := []func() error{
		c.cutInTheHandshake, c.cutWhilePolling, c.vanishWhilePolling, c.cutAPollThatWaits,
		c.leaveWhilePolling, c.cutInTheUpgrade, c.cutAfterTheUpgrade,
	}
	for _, packet := range []string{"", "1", "41", "junk", `42["kick"]`, `42["abort"]`, `42["nskick"]`, `451-["x",{"_placeholder":true,"num":0}]`} {
		all = append(all, func() error { return c.talkAndLeave(packet) }, func() error { return c.talkAndCut(packet) })
	}
	return all
}

func (c *churner) cutInTheHandshake() error {
	p, err := c.dial()
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.conn, "GET /socket.io/?"+goodQuery+" HTTP/1.1\r\nHost: chat.test\r\nUpg")
	return errors.Join(err, p.conn.Close())
}

// talkAndLeave says something last and goes when the server closes the connection, or else
// by a close frame.
func (c *churner) talkAndLeave(last string) error {
	p, err := c.socket()
	if err != nil {
		return err
	}
	if err := errors.Join(p.says("40", "40"), p.says("432", `421["leave"]`, `422["x"]`)); err != nil {
		return err
	}
	// The server may have closed the connection because of what was said.
	_ = p.says("", last)
	_, _ = p.conn.Write(frame(opClose, []byte{0x03, 0xe8}))
	return p.leaves()
}

func (c *churner) talkAndCut(last string) error {
	p, err := c.socket()
	if err != nil {
		return err
	}
	return errors.Join(p.says("40", "40"), p.says("", `421["ask"]`, last), p.conn.Close())
}

func (c *churner) cutWhilePolling() error {
	p, query, err := c.joined()
	if err != nil {
		return err
	}
	_, err = p.do(http.MethodPost, query, `421["x"]`, http.StatusOK)
	return errors.Join(err, p.conn.Close())
}

// vanishWhilePolling leaves a session to the heartbeat: mostly one with a socket, because the
// places of others are few.
func (c *churner) vanishWhilePolling() error {
	open := c.joined
	if c.vanished.Add(1)%8 == 0 {
		open = c.poller
	}
	p, _, err := open()
	if err != nil {
		return err
	}
	return p.conn.Close()
}

func (c *churner) cutAPollThatWaits() error {
	p, query, err := c.joined()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.conn, "GET /socket.io/?%s HTTP/1.1\r\nHost: chat.test\r\n\r\n", query)
	return errors.Join(err, p.conn.Close())
}

func (c *churner) leaveWhilePolling() error {
	p, query, err := c.joined()
	if err != nil {
		return err
	}
	_, err = p.do(http.MethodPost, query, "1", http.StatusOK)
	return errors.Join(err, p.conn.Close())
}

func (c *churner) cutInTheUpgrade() error {
	p, probe, err := c.upgrading()
	if err != nil {
		return err
	}
	return errors.Join(probe.conn.Close(), p.conn.Close())
}

func (c *churner) cutAfterTheUpgrade() error {
	p, probe, err := c.upgrading()
	if err != nil {
		return err
	}
	return errors.Join(probe.says("431", "5", `421["x"]`), probe.conn.Close(), p.conn.Close())
}

func TestChurnOfManyConnectionsLeavesNothing(t *testing.T) {
	l := &ledger{t: t, present: make(map[*Socket]bool)}
	const pending = 400
	e := serve(t, Config{
		Polling: true, PingInterval: 2 * time.Second, PingTimeout: 3 * time.Second,
		MaxPending: 1 << 20, MaxPendingPerAddress: pending,
	}, l.handler())
	c := &churner{e: e}
	ways := c.ways()
	var clients sync.WaitGroup
	var next atomic.Int64
	for range churnAtOnce {
		clients.Go(func() {
			for c.made.Load() < churned && !t.Failed() {
				way := next.Add(1)
				if err := ways[way%int64(len(ways))](); err != nil {
					t.Errorf("way %d: %v", way%int64(len(ways)), err)
				}
			}
		})
	}
	clients.Wait()

	eventually(t, "the heartbeat has ended what vanished", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.clients) == 0 && e.engine.Count() == 0
	})
	l.gone()
	if a := e.adapter.(*local); len(a.ids) != 0 || len(a.rooms) != 0 {
		t.Errorf("%d sockets and %d rooms are remembered", len(a.ids), len(a.rooms))
	}
	// Every place of the address is free again, and there are no more than that.
	for range pending {
		p, err := c.socket()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.conn.Close() }()
	}
	if got, _ := request(t, e, goodQuery); got.status != http.StatusTooManyRequests {
		t.Errorf("one too many was answered %d", got.status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := e.Drain(ctx); err != nil {
		t.Error(err)
	}
}
