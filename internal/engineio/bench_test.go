//go:build unix

package engineio

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A peer is a client that costs this process next to no memory: a blocking descriptor.
type peer int

// dialPeer connects, makes a request that opens a session, and returns the answer too, which
// ends with the open packet.
func dialPeer(b *testing.B, e *engine, request string) (peer, string) {
	b.Helper()
	conn, err := e.dial()
	if err != nil {
		b.Fatal(err)
	}
	f, err := conn.(*net.TCPConn).File()
	_ = conn.Close()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		b.Fatal(err)
	}
	p := peer(fd)
	if err := syscall.SetNonblock(fd, false); err != nil {
		b.Fatal(err)
	}
	p.write(request)
	var answer []byte
	for buf := make([]byte, 1024); len(answer) == 0 || answer[len(answer)-1] != '}'; {
		n, err := syscall.Read(fd, buf)
		if n <= 0 {
			b.Fatal("no open packet: ", err)
		}
		answer = append(answer, buf[:n]...)
	}
	return p, string(answer)
}

func (p peer) write(request string) { _, _ = syscall.Write(int(p), []byte(request)) }

func (p peer) close() { _ = syscall.Close(int(p)) }

// until reads short frames up to one that says so, and answers pings.
func (p peer) until(b *testing.B, want string) {
	b.Helper()
	for got := ""; got != want; {
		var head [2]byte
		var payload [125]byte
		if n, err := syscall.Read(int(p), head[:]); n != len(head) {
			b.Fatal("no frame: ", err)
		}
		n, err := syscall.Read(int(p), payload[:head[1]])
		if n != int(head[1]) {
			b.Fatal("no whole frame: ", err)
		}
		if got = string(payload[:n]); got == "2" {
			p.write(string(frame(opText, true, []byte("3"))))
		}
	}
}

// inUse is what the process holds after a collection, in bytes.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// idleSessions is how many sessions BenchmarkIdle opens.
const idleSessions = 2000

// BenchmarkIdle says what a session costs that is idle: on WebSocket after a message and some
// heartbeats, on polling with a request that waits.
func BenchmarkIdle(b *testing.B) {
	b.Run("WebSocket", func(b *testing.B) {
		idle(b, time.Second, func(e *engine) []peer {
			peers := make([]peer, idleSessions)
			for i := range peers {
				peers[i], _ = dialPeer(b, e, "GET /engine.io/?"+goodQuery+" HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			}
			for _, p := range peers {
				p.write(string(frame(opText, true, []byte("4hello"))))
				p.until(b, "4hello")
			}
			for range 2 {
				for _, p := range peers {
					p.until(b, "2")
				}
			}
			return peers
		})
	})
	b.Run("polling", func(b *testing.B) {
		idle(b, time.Minute, func(e *engine) []peer {
			peers := make([]peer, idleSessions)
			for i := range peers {
				p, answer := dialPeer(b, e, get(pollQuery))
				_, packet, _ := strings.Cut(answer, "\r\n\r\n")
				p.write(get(pollQuery + "&sid=" + parseOpening(b, packet).SID))
				peers[i] = p
			}
			for _, s := range e.Sessions() {
				eventually(b, "the poll waits", func() bool {
					s.mu.Lock()
					defer s.mu.Unlock()
					return s.polling.parked != nil
				})
			}
			return peers
		})
	})
}

func idle(b *testing.B, interval time.Duration, open func(*engine) []peer) {
	for range b.N {
		b.StopTimer()
		e := serve(b, Config{
			PingInterval: interval, PingTimeout: time.Minute, Polling: true,
			MaxPending: idleSessions, MaxPendingPerAddress: idleSessions,
		}, &stub{message: echo})
		before := inUse()
		b.StartTimer()
		peers := open(e)
		b.StopTimer()
		after := inUse()
		b.ReportMetric(float64(after-before)/idleSessions, "B/conn")
		for _, p := range peers {
			p.close()
		}
		e.Close()
		if err := e.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEcho says how many messages come back a second, to so many clients at once.
func BenchmarkEcho(b *testing.B) {
	for _, clients := range []int{1, 100} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			e := serve(b, Config{}, &stub{message: echo})
			conns := make([]*client, clients)
			for i := range conns {
				conns[i] = connect(b, e)
			}
			message := frame(opText, true, []byte("4hello, this is a message"))
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ReportAllocs()
			b.ResetTimer()
			var done sync.WaitGroup
			for _, c := range conns {
				done.Go(func() {
					var in [27]byte
					for left.Add(-1) >= 0 {
						_, _ = c.conn.Write(message)
						if _, err := io.ReadFull(c.in, in[:]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			done.Wait()
		})
	}
}

// BenchmarkBroadcast says how many messages a second reach sessions when each goes to all, in
// bursts that the clients have to catch up with.
func BenchmarkBroadcast(b *testing.B) {
	const clients, burst = 1000, 16
	e := serve(b, Config{MaxPending: clients, MaxPendingPerAddress: clients}, &stub{})
	message := Text(make([]byte, 100))
	caughtUp := make(chan struct{}, clients)
	for range clients {
		c := connect(b, e)
		_ = c.conn.SetDeadline(time.Time{})
		go func() {
			for {
				if _, err := io.CopyN(io.Discard, c.in, int64(burst*message.Size())); err != nil {
					return // the connection is closed when the benchmark ends
				}
				caughtUp <- struct{}{}
			}
		}()
	}
	sessions := e.Sessions()
	b.ReportAllocs()
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += burst * clients {
		for range burst {
			for _, s := range sessions {
				s.Post(false, message)
			}
		}
		for range sessions {
			<-caughtUp
		}
	}
	b.ReportMetric(float64((b.N+burst*clients-1)/(burst*clients)*burst*clients)/b.Elapsed().Seconds(), "deliveries/s")
}
