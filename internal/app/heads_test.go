package app_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// A client that sends the head of a request slowly, or half of it, must not hold a connection
// for ever: what waits for it is bounded from the first byte on, so that it does not help to go
// on sending.
func TestRequestsWhoseHeadsDoNotComeToTheirEndAreGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const handshake = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	var all sync.WaitGroup
	for name, head := range map[string]string{
		"half of a handshake":       handshake,
		"handshake without its end": handshake + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		"half of a poll":            "GET /socket.io/?EIO=4&tran",
		"half of a REST request":    "POST /api/messages HTTP/1.1\r\nHost: chat.test\r\nContent-Le",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute)) // the error would be that of the read
			if got, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(string(got), " 101 ") {
				t.Errorf("%s: the server waits for ever, or has answered %q, %v", name, got, err)
			}
		})
	}
	all.Wait()
}

func TestCVE2024_37890HeadsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, lines := range map[string]string{
		"many headers": strings.Repeat("X-Header: some value\r\n", 10_000),
		"long header":  "X-Header: " + strings.Repeat("v", 200_000) + "\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		// The server answers before it has read all, so that not all may be written.
		go func() {
			_, _ = io.WriteString(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: chat.test\r\n"+lines+"\r\n")
		}()

		status, err := bufio.NewReader(conn).ReadString('\n')

		if err != nil || !strings.Contains(status, " 431 ") {
			t.Errorf("%s: answered %q, %v, want 431", name, status, err)
		}
	}
	if got, err := w.rest().Do(w.ctx(), "GET", "/livez", nil); err != nil || got.Status != 200 {
		t.Errorf("the server does not live: %v", err)
	}
}
