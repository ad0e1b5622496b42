package testkit

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// echo is a server that sends back what it gets, and what it got.
type echo struct {
	addr string

	mu  sync.Mutex
	got strings.Builder
}

func (e *echo) heard() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got.String()
}

func (e *echo) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got.Write(b)
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{addr: l.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_, _ = io.Copy(io.MultiWriter(e, c), c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return e
}

// proxied starts a proxy to an echo and looks for leaks when the test ends.
func proxied(t *testing.T) (*Proxy, *echo) {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	e := startEcho(t)
	p, err := StartProxy(t.Context(), e.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, e
}

func connect(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// say sends a text and hear reads as much as one.
func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("heard %q and %v, want %q", got, err, want)
	}
}

// silent fails where anything comes within a while.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes and %v came, want silence", n, err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
}

func TestProxyForwardsBothWaysToTheEnd(t *testing.T) {
	p, _ := proxied(t)
	c := connect(t, p)
	text := strings.Repeat("all of it ", 100_000)
	var running sync.WaitGroup
	defer running.Wait()

	running.Go(func() {
		_, _ = io.WriteString(c, text)
		if half, ok := c.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	})
	got, err := io.ReadAll(c)

	if err != nil || string(got) != text {
		t.Errorf("%d bytes and %v came back, want %d", len(got), err, len(text))
	}
}

func TestACutProxyResetsAndRefusesUntilItIsMended(t *testing.T) {
	p, _ := proxied(t)
	c := connect(t, p)
	say(t, c, "before")
	hear(t, c, "before")

	p.Cut()

	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
	if Listens(t.Context(), p.Addr()) {
		t.Error("a cut proxy takes a connection")
	}
	if err := p.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	c = connect(t, p)
	say(t, c, "after")
	hear(t, c, "after")
}

func TestResetLetsNewConnectionsIn(t *testing.T) {
	p, _ := proxied(t)
	c := connect(t, p)
	say(t, c, "before")
	hear(t, c, "before")

	p.Reset()

	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
	c = connect(t, p)
	say(t, c, "after")
	hear(t, c, "after")
}

func TestAStalledProxyForwardsNothingUntilItIsMended(t *testing.T) {
	p, e := proxied(t)

	p.Stall()
	c := connect(t, p)
	say(t, c, "waits")
	silent(t, c)

	if got := e.heard(); got != "" {
		t.Errorf("%q went through", got)
	}
	if err := p.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	hear(t, c, "waits")
}

func TestAProxyWithStalledAnswersForwardsWhatIsSaid(t *testing.T) {
	p, e := proxied(t)

	p.StallAnswers()
	c := connect(t, p)
	say(t, c, "done")
	silent(t, c)

	if got := e.heard(); got != "done" {
		t.Errorf("%q went through, want all", got)
	}
	if err := p.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	hear(t, c, "done")
}

func TestASlowProxyTakesItsTime(t *testing.T) {
	for name, slow := range map[string]func(*Proxy){
		"latency": func(p *Proxy) { p.Slow(30*time.Millisecond, 0) },
		"rate":    func(p *Proxy) { p.Slow(0, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := proxied(t)
			slow(p)
			c := connect(t, p)
			began := time.Now()

			say(t, c, "there and back")
			hear(t, c, "there and back")

			if took := time.Since(began); took < 60*time.Millisecond {
				t.Errorf("there and back took %s", took)
			}
		})
	}
}

func TestAProxyToNobodyResets(t *testing.T) {
	port, err := FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := StartProxy(t.Context(), addrOf(port))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()

	c, err := net.Dial("tcp", p.Addr())
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		_ = c.Close()
	}

	if err == nil {
		t.Error("the connection lives")
	}
}

func TestClosingEndsWhatIsHeld(t *testing.T) {
	p, _ := proxied(t)
	p.Stall()
	c := connect(t, p)
	say(t, c, "held")
	silent(t, c)

	p.Close()

	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
}
