package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestFramesAreCutAsTheyWereJoined(t *testing.T) {
	for _, size := range []int{0, 1, 124, 125, 126, 65_534, 65_535, 65_536, 70_000} {
		payload := bytes.Repeat([]byte{'x'}, size)
		frame := serverFrame(opText, append([]byte{engineMessage}, payload...))
		joined := append(bytes.Clone(frame), frame...)

		for cut := range min(len(frame), 12) {
			if op, _, _, err := cutFrame(frame[:cut]); op != 0 || err != nil {
				t.Fatalf("%d bytes of a frame of %d are read as one: %#x, %v", cut, len(frame), op, err)
			}
		}
		op, got, rest, err := cutFrame(joined)

		if op != opText || err != nil || len(got) != size+1 || !bytes.Equal(rest, frame) {
			t.Errorf("frame of %d bytes: op %#x, %d bytes, %d left, %v", size, op, len(got), len(rest), err)
		}
	}
	if _, _, _, err := cutFrame([]byte{opText, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}); err == nil {
		t.Error("a giant frame is taken")
	}
	if _, _, _, err := cutFrame([]byte{opText, maskedLength}); err == nil {
		t.Error("a masked frame is taken")
	}
}

// serverFrame is what a server sends: the same as a client's frame, without a mask.
func serverFrame(op byte, payload []byte) []byte {
	masked := appendFrame(nil, op, 0, payload)
	masked[1] &^= maskedLength
	head := len(masked) - len(payload) - 4
	return append(masked[:head:head], payload...)
}

func TestConnectIsPingedAndEchoed(t *testing.T) {
	address := serve(t, func(nc net.Conn) {
		upgrade(t, nc, "0{}")
		expect(t, nc, engineMessage, `0{"token":"good"}`)
		// A ping, the verdict and a part of an event come in one piece, the rest behind them.
		event := serverFrame(opText, []byte(`42["msg",1]`))
		write(t, nc, serverFrame(opText, []byte("2")), serverFrame(opText, []byte(`40{"sid":"x"}`)), event[:3])
		expect(t, nc, enginePong, "")
		write(t, nc, event[3:])
		expect(t, nc, engineMessage, `2["echo"]`)
		write(t, nc, serverFrame(opClose, []byte{0x03, 0xe8}))
	})
	l := loop(t, address)
	var heard []string
	l.OnPacket = func(c *Conn, packet []byte) {
		heard = append(heard, string(packet))
		l.Send(c, []byte(`2["echo"]`))
	}

	r, err := l.Connect(t.Context(), 1, 1, 10*time.Second)
	if err := errors.Join(err, r.All()); err != nil {
		t.Fatal(err)
	}
	err = l.Until(t.Context(), time.Now().Add(10*time.Second))

	if len(heard) != 1 || heard[0] != `2["msg",1]` {
		t.Errorf("heard %q", heard)
	}
	if err == nil || !strings.Contains(err.Error(), "closed by the server with 1000") {
		t.Errorf("the server's close is told as %v", err)
	}
}

func TestConnectsWithoutAnAnswerAndRefusedAreCounted(t *testing.T) {
	var served atomic.Int32
	address := serve(t, func(nc net.Conn) {
		upgrade(t, nc, "0{}")
		expect(t, nc, engineMessage, `0{"token":"good"}`)
		switch served.Add(1) {
		case 1:
			write(t, nc, serverFrame(opText, []byte(`40{"sid":"x"}`)))
		case 2:
			write(t, nc, serverFrame(opText, []byte(`44{"message":"no"}`)))
		}
		_, _ = io.Copy(io.Discard, nc)
	})
	l := loop(t, address)

	r, err := l.Connect(t.Context(), 3, 1, 300*time.Millisecond)

	if err != nil || len(r.Conns) != 1 || r.Failed != 1 || r.Unanswered != 1 {
		t.Errorf("%d open, %d failed, %d without an answer, %v; want one of each", len(r.Conns), r.Failed, r.Unanswered, err)
	}
	if err := r.All(); err == nil {
		t.Error("all are taken for accepted")
	}
}

func TestWhatComesWithTheEndIsHeard(t *testing.T) {
	for _, busy := range []bool{false, true} {
		address := serve(t, func(nc net.Conn) {
			upgrade(t, nc, "0{}")
			expect(t, nc, engineMessage, `0{"token":"good"}`)
			write(t, nc, serverFrame(opText, []byte(`40{"sid":"x"}`)))
			expect(t, nc, engineMessage, `2["bye"]`)
			write(t, nc, serverFrame(opText, []byte(`42["bye"]`)))
			_ = nc.Close()
		})
		l := loop(t, address)
		l.Busy = busy
		heard := 0
		l.OnPacket = func(*Conn, []byte) { heard++ }
		r, err := l.Connect(t.Context(), 1, 1, 10*time.Second)
		if err := errors.Join(err, r.All()); err != nil {
			t.Fatal(err)
		}

		l.Send(r.Conns[0], []byte(`2["bye"]`))
		err = l.Until(t.Context(), time.Now().Add(10*time.Second))

		if heard != 1 || !errors.Is(err, io.EOF) || l.Count() != 0 {
			t.Errorf("busy %v: heard %d packets, %d connections are left, %v", busy, heard, l.Count(), err)
		}
		if busy != (l.Idle() > 0) {
			t.Errorf("busy %v: idle for %v", busy, l.Idle())
		}
	}
}

func TestWhatTheSystemDoesNotTakeLeavesLater(t *testing.T) {
	const size = 8 << 20
	received := make(chan int, 1)
	reads := make(chan struct{})
	address := serve(t, func(nc net.Conn) {
		upgrade(t, nc, "0{}")
		expect(t, nc, engineMessage, `0{"token":"good"}`)
		write(t, nc, serverFrame(opText, []byte(`40{"sid":"x"}`)))
		<-reads
		n, _ := io.Copy(io.Discard, io.LimitReader(nc, size))
		received <- int(n)
		write(t, nc, serverFrame(opText, []byte(`42["msg"]`)))
		_, _ = io.Copy(io.Discard, nc)
	})
	l := loop(t, address)
	done := false
	l.OnPacket = func(*Conn, []byte) { done = true }
	r, err := l.Connect(t.Context(), 1, 1, 10*time.Second)
	if err := errors.Join(err, r.All()); err != nil {
		t.Fatal(err)
	}

	l.Send(r.Conns[0], make([]byte, size))
	close(reads)
	err = l.While(t.Context(), time.Now().Add(10*time.Second), func() bool { return !done })

	if err != nil || !done || <-received != size {
		t.Errorf("the large packet did not arrive: %v", err)
	}
}

func TestPollingAnswersPings(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\ncontent-length: "
	address := serve(t, func(nc net.Conn) {
		r := bufio.NewReader(nc)
		for _, turn := range []struct{ method, session, body, answer string }{
			{"GET", "", "", `0{"sid":"abc","upgrades":[]}`},
			{"POST", "abc", `40{"token":"good"}`, "ok"},
			{"GET", "abc", "", "40{\"sid\":\"x\"}\x1e2"},
			{"POST", "abc", "3", "ok"},
			{"GET", "abc", "", `42["msg",1]`},
			{"GET", "abc", "", "1"},
		} {
			req, err := http.ReadRequest(r)
			if err != nil {
				t.Errorf("no request: %v", err)
				return
			}
			body, _ := io.ReadAll(req.Body)
			if got := req.URL.Query().Get("sid"); req.Method != turn.method || got != turn.session || string(body) != turn.body {
				t.Errorf("%s of %q with %q, want %s of %q with %q", req.Method, got, body, turn.method, turn.session, turn.body)
			}
			answer := ok + strconv.Itoa(len(turn.answer)) + "\r\n\r\n" + turn.answer
			write(t, nc, []byte(answer[:30]))
			write(t, nc, []byte(answer[30:]))
		}
	})
	l, err := New(Target{Address: address, Tokens: []string{"good"}, Polling: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	var heard []string
	l.OnPacket = func(_ *Conn, packet []byte) { heard = append(heard, string(packet)) }

	r, err := l.Connect(t.Context(), 1, 1, 10*time.Second)
	if err := errors.Join(err, r.All()); err != nil {
		t.Fatal(err)
	}
	err = l.Until(t.Context(), time.Now().Add(10*time.Second))

	if err == nil || !strings.Contains(err.Error(), "ended by the server") || len(heard) != 1 || heard[0] != `2["msg",1]` {
		t.Errorf("heard %q, then %v", heard, err)
	}
}

func loop(t *testing.T, address netip.AddrPort) *Loop {
	t.Helper()
	l, err := New(Target{Address: address, Tokens: []string{"good"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// serve hands every connection over on a goroutine of its own and closes it behind that.
func serve(t *testing.T, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
				handle(nc)
				stop()
				_ = nc.Close()
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		running.Wait()
	})
	return netip.MustParseAddrPort(listener.Addr().String())
}

// upgrade answers the request for a WebSocket, the open packet in the same piece.
func upgrade(t *testing.T, nc net.Conn, open string) {
	req, err := http.ReadRequest(bufio.NewReader(nc))
	if err != nil || req.Header.Get("Upgrade") != "websocket" {
		t.Errorf("no request to upgrade: %v", err)
		return
	}
	write(t, nc, []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), serverFrame(opText, []byte(open)))
}

func write(t *testing.T, nc net.Conn, parts ...[]byte) {
	if _, err := nc.Write(bytes.Join(parts, nil)); err != nil {
		t.Errorf("the server cannot write: %v", err)
	}
}

// expect reads one frame of the client.
func expect(t *testing.T, nc net.Conn, kind byte, packet string) {
	want := appendFrame(nil, opText, kind, []byte(packet))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the client sent %q (%v), want %q", got, err, want)
	}
}
