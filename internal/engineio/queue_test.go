package engineio

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSlowReaderIsClosed(t *testing.T) {
	for name, send := range map[string]func(*Session, Message) bool{
		"Send": func(s *Session, m Message) bool { return s.Send(m) },
		"Post": func(s *Session, m Message) bool { return s.Post(false, m) },
	} {
		t.Run(name, func(t *testing.T) {
			opened, sessions := opens()
			closed, left := reasons()
			e := serve(t, Config{QueueBytes: 100_000}, &stub{opened: opened, closed: closed})
			c := connect(t, e)
			s := receive(t, sessions)
			message := Text(make([]byte, 50_000))
			// What the kernel takes is bounded, and nobody reads.
			for n := 0; send(s, message); n++ {
				if n > 10_000 {
					t.Fatal("the queue never becomes full")
				}
			}
			if got := receive(t, left); got != ReasonQueueFull {
				t.Errorf("session left with %q", got)
			}
			eventually(t, "nothing is left", func() bool { return e.Count() == 0 })
			_ = c.conn.Close()
		})
	}
}

func TestVolatileMessagesGoFirst(t *testing.T) {
	opened, sessions := opens()
	p := poll(t, serve(t, Config{Polling: true, QueuePackets: 4}, &stub{opened: opened}))
	s := receive(t, sessions)
	text := func(v string) Message { return Text([]byte(v)) }

	s.Post(false, text("a"))
	s.Post(true, text("v1"), text("v1, second part"))
	s.Post(true, text("v2"))
	if !s.Post(true, text("v3")) {
		t.Error("a volatile message without room ended the session")
	}
	s.Post(false, text("b"))
	p.expect("4a\x1e4v2\x1e4b")

	s.Post(false, text("1"), text("2"))
	s.Post(false, text("3"), text("4"))
	if s.Post(false, text("5")) {
		t.Error("a message without room was taken")
	}
	if got := p.get(); got.status != http.StatusBadRequest {
		t.Errorf("poll answered %d, want 400", got.status)
	}
}

func TestLargeMessageFitsAnEmptyQueue(t *testing.T) {
	opened, sessions := opens()
	c := connect(t, serve(t, Config{QueueBytes: 10, QueuePackets: 1}, &stub{opened: opened}))
	s := receive(t, sessions)
	large := strings.Repeat("x", 3_000_000)
	s.Send(Text([]byte(large)))
	c.expect("4" + large)
}

func TestSendAndPostKeepTheirOrder(t *testing.T) {
	opened, sessions := opens()
	c := connect(t, serve(t, Config{QueuePackets: 10_000}, &stub{opened: opened}))
	s := receive(t, sessions)
	const messages = 3000
	go func() {
		for i := range messages {
			m := Text([]byte{byte('a' + i%26)})
			if i%3 == 0 {
				s.Post(false, m)
			} else {
				s.Send(m)
			}
		}
	}()
	for i := range messages {
		c.expect("4" + string(rune('a'+i%26)))
	}
}

func TestPingsOfASilentReaderAreBounded(t *testing.T) {
	closed, left := reasons()
	e := serve(t, Config{QueueBytes: 10_000, QueuePackets: 100}, &stub{closed: closed})
	c := connect(t, e)
	pings := bytes.Repeat(frame(opPing, true, make([]byte, 125)), 1000)
	for len(left) == 0 {
		_ = c.conn.SetDeadline(time.Now().Add(patience))
		if _, err := c.conn.Write(pings); err != nil {
			break
		}
	}
	if got := receive(t, left); got != ReasonQueueFull {
		t.Errorf("session left with %q", got)
	}
}

func TestReadyListDoesNotGrowUnderLoad(t *testing.T) {
	var f flushers // no flusher is started, because there may be none
	s := new(Session)
	f.add(s)
	for range 10_000 {
		f.add(s)
		if n := f.take(make([]*Session, 1)); n != 1 {
			t.Fatalf("%d sessions were taken", n)
		}
	}
	if got := cap(f.ready); got > 16 {
		t.Errorf("the list of two has room for %d", got)
	}
}
