package engineio

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

func TestUpgradeUnderTraffic(t *testing.T) {
	for round := range 10 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			const messages = 400
			opened, sessions := opens()
			got := make(chan string, messages)
			var mu sync.Mutex
			next := 0
			say := func(s *Session) {
				mu.Lock()
				defer mu.Unlock()
				s.Post(false, Text(fmt.Appendf(nil, "%d", next)))
				next++
			}
			e := serve(t, Config{Polling: true, QueuePackets: 2 * messages}, &stub{
				opened:  opened,
				message: func(s *Session, data []byte, _ bool) { got <- string(data); say(s) },
			})
			p := poll(t, e)
			s := receive(t, sessions)
			var sender sync.WaitGroup
			sender.Go(func() {
				for range messages {
					say(s)
				}
			})
			defer sender.Wait()

			sent := 0
			post := func(n int) {
				var records []string
				for range n {
					records = append(records, fmt.Sprintf("4up%d", sent))
					sent++
				}
				if a := p.post(strings.Join(records, "\x1e")); a.status != http.StatusOK {
					t.Fatalf("post answered %d", a.status)
				}
			}
			seen := 0
			see := func(packet string) {
				if packet == "6" {
					return
				}
				if want := fmt.Sprintf("4%d", seen); packet != want {
					t.Fatalf("server sent %q, want %q", packet, want)
				}
				seen++
			}
			take := func() {
				a := p.get()
				if a.status != http.StatusOK {
					t.Fatalf("poll answered %d", a.status)
				}
				for packet := range strings.SplitSeq(a.body, "\x1e") {
					see(packet)
				}
			}

			for range round {
				post(3)
				take()
			}
			c := p.upgrade()
			c.send("2probe")
			take()
			c.expect("3probe")
			post(3)
			take()
			c.send("5")
			for range 20 {
				c.send(fmt.Sprintf("4up%d", sent))
				sent++
			}
			for seen < messages+sent {
				see(c.text())
			}
			for i := range sent {
				if msg := receive(t, got); msg != fmt.Sprintf("up%d", i) {
					t.Fatalf("handler got %q, want number %d", msg, i)
				}
			}
		})
	}
}

func TestWaitingPollIsAnsweredForTheUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poll(t, servePipes(t, Config{Polling: true}, &stub{}))
		c := p.upgrade()
		c.send("2probe")
		c.expect("3probe")
		began := time.Now()
		p.expect("6")
		p.expect("6")
		if got := time.Since(began); got < 2*probeEvery || got > 3*probeEvery {
			t.Errorf("two polls took %v, want %v each", got, probeEvery)
		}
	})
}

func TestUpgradeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poll(t, servePipes(t, Config{Polling: true, UpgradeTimeout: time.Second}, &stub{message: echo}))
		c := p.upgrade()
		c.send("2probe")
		c.expect("3probe")
		began := time.Now()
		c.closing()
		if got := time.Since(began); got < 900*time.Millisecond || got > 1100*time.Millisecond {
			t.Errorf("the probe was closed after %v, want 1 s", got)
		}
		p.post("4still polling")
		p.expect("4still polling")
	})
}

func TestProbesThatAreNone(t *testing.T) {
	for name, in := range map[string][]byte{
		"message":        frame(opText, true, []byte("4hello")),
		"ping":           frame(opText, true, []byte("2")),
		"other probe":    frame(opText, true, []byte("2Probe")),
		"binary upgrade": frame(opBinary, true, []byte("5")),
		"more upgrade":   frame(opText, true, []byte("5x")),
		"close":          frame(opText, true, []byte("1")),
		"breach":         {0x81, 1, '4'},
		"not UTF-8":      frame(opText, true, []byte("\xff")),
		"close frame":    frame(opClose, true, []byte{3, 232}),
		"empty":          frame(opText, true, nil),
	} {
		t.Run(name, func(t *testing.T) {
			p := poll(t, serve(t, Config{Polling: true}, &stub{message: echo}))
			c := p.upgrade()
			c.raw(in...)
			c.closing()
			eventually(t, "the next probe is let in", func() bool {
				c := p.upgrade()
				defer func() { _ = c.conn.Close() }()
				c.send("2probe")
				op, payload, err := c.read()
				return err == nil && op == opText && string(payload) == "3probe"
			})
			p.post("4still polling")
			p.expect("4still polling")
		})
	}
}

func TestSecondProbeIsClosed(t *testing.T) {
	p := poll(t, serve(t, Config{Polling: true}, &stub{message: echo}))
	first := p.upgrade()
	first.send("2probe")
	first.expect("3probe")
	second := p.upgrade()
	second.send("2probe")
	if got := second.closing(); got != 0 {
		t.Errorf("second probe was answered, or closed with %d", got)
	}
	first.raw(frame(opPing, true, []byte("x"))...)
	first.must(opPong)
	first.send("5")
	first.send("4hello")
	first.expect("4hello")
}

func TestLostProbeLeavesTheSession(t *testing.T) {
	p := poll(t, serve(t, Config{Polling: true}, &stub{message: echo}))
	c := p.upgrade()
	c.send("2probe")
	c.expect("3probe")
	_ = c.conn.Close()
	p.post("4still polling")
	p.expect("4still polling")
}

func TestUpgradeWhilePacketsComeInIsRefused(t *testing.T) {
	entered, let := make(chan struct{}), make(chan struct{})
	var got []string
	p := poll(t, serve(t, Config{Polling: true}, &stub{message: func(_ *Session, data []byte, _ bool) {
		if got = append(got, string(data)); len(got) == 1 {
			close(entered)
			<-let
		}
	}}))
	posted := make(chan answer, 1)
	go func() { posted <- p.post("4a\x1e4b") }()
	receive(t, entered)
	c := p.upgrade()
	c.send("2probe")
	c.expect("3probe")
	c.send("5")
	c.send("4too early")
	c.closing()
	close(let)
	if a := receive(t, posted); a.status != http.StatusOK {
		t.Errorf("post answered %d", a.status)
	}
	if strings.Join(got, " ") != "a b" {
		t.Errorf("handler got %q", got)
	}
}

func TestEndOfTheSessionEndsItsProbe(t *testing.T) {
	opened, sessions := opens()
	p := poll(t, serve(t, Config{Polling: true}, &stub{opened: opened}))
	c := p.upgrade()
	c.send("2probe")
	c.expect("3probe")
	receive(t, sessions).Close(ReasonForcedClose, StatusNormalClosure)
	c.closing()
	p.expect("1")
}

func TestHeartbeatGoesOnThroughTheUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := servePipes(t, suite(), &stub{})
		p := poll(t, e)
		p.expect("2")
		c := p.upgrade()
		c.send("2probe")
		c.expect("3probe")
		c.send("5")
		c.send("3")
		c.expect("2")
		c.send("3")
		c.expect("2")
		if got := e.find(p.open.SID).Transport(); got != transportWebSocket {
			t.Errorf("transport is %q", got)
		}
	})
}

func TestCipherIsXOR(t *testing.T) {
	mask := [4]byte{1, 2, 4, 8}
	for size := range 100 {
		for offset := range 8 {
			got := make([]byte, size)
			ws.Cipher(got, mask, offset)
			for i, b := range got {
				if b != mask[(i+offset)%4] {
					t.Fatalf("byte %d of %d at offset %d is masked with %d", i, size, offset, b)
				}
			}
		}
	}
}

// TestChurnLeavesNothing opens and ends sessions in every way at once; what is left over makes
// serve or goleak fail the test.
func TestChurnLeavesNothing(t *testing.T) {
	e := serve(t, Config{Polling: true, PingInterval: 20 * time.Millisecond, MaxPending: 1 << 20, MaxPendingPerAddress: 1 << 20}, &stub{message: func(s *Session, data []byte, binary bool) {
		switch string(data) {
		case "close":
			s.Close(ReasonForcedClose, StatusNormalClosure)
		case "abort":
			s.Abort(ReasonForcedClose)
		default:
			echo(s, data, binary)
		}
	}})
	ways := []func(){
		func() { _ = connect(t, e).conn.Close() },
		func() { c := connect(t, e); c.send("1"); c.closing() },
		func() { c := connect(t, e); c.send("4close"); c.closing() },
		func() { c := connect(t, e); c.send("4abort"); c.closing() },
		func() { c := connect(t, e); c.raw(0xff); c.raw(0xff); c.closing() },
		func() { poll(t, e).post("1") },
		func() { poll(t, e).post("4abort") },
		func() { p := poll(t, e); c := p.upgrade(); c.send("2probe"); _ = c.conn.Close(); p.post("4abort") },
		func() {
			p := poll(t, e)
			c := p.upgrade()
			c.send("2probe")
			c.send("5")
			c.send("4close")
			c.closing()
		},
		func() {
			conn, err := e.dial()
			if err != nil {
				t.Error(err)
				return
			}
			_, err = conn.Write([]byte("GET /engine.io/?" + goodQuery + " HTTP/1.1\r\nHost: x\r\nUpg"))
			if err := errors.Join(err, conn.Close()); err != nil {
				t.Error(err)
			}
		},
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 60 {
				ways[(i+n)%len(ways)]()
			}
		})
	}
	all.Wait()
}
