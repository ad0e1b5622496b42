package app_test

import (
	"fmt"
	"sync"
	"testing"

	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// listener is a socket that checks the order of the offsets it hears.
type listener struct {
	joined chan struct{} // closed when the socket is in its rooms

	mu       sync.Mutex
	last     wire.Offset
	heard    int
	inverted string
}

func (l *listener) hear(e testkit.Event) {
	if e.Name == "room:joined" {
		close(l.joined)
	}
	if e.Offset() == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, err := wire.ParseOffset(e.Offset())
	if err != nil || at.Seq <= l.last.Seq {
		l.inverted = fmt.Sprintf("%s with offset %s after %s (%v)", e.Name, e.Offset(), l.last, err)
	}
	l.last = at
	l.heard++
}

// TestNoSocketHearsTheCommitsOutOfOrder runs 64 callers over 8 conversations through both
// doors: each socket hears every commit of its person once, in growing order.
func TestNoSocketHearsTheCommitsOutOfOrder(t *testing.T) {
	t.Parallel()
	const pairs, devices, each = 8, 4, 20
	w := newWorld(t)
	var all sync.WaitGroup
	connected := make(chan struct{}) // closed when every socket is there
	var listeners []*listener
	var sockets []*testkit.Conn
	for range pairs {
		people := []*person{w.signUp(), w.signUp()}
		for side, p := range people {
			peer := people[1-side]
			for device := range devices {
				l := &listener{joined: make(chan struct{})}
				listeners = append(listeners, l)
				d := testkit.Dialer{OnEvent: l.hear}
				c, err := d.Dial(w.ctx(), w.url, p.token)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Close)
				sockets = append(sockets, c)
				select {
				case <-l.joined:
				case <-c.Done():
					t.Fatal("the socket was closed")
				}
				all.Go(func() {
					<-connected
					for i := range each {
						name := fmt.Sprintf("%d-%d", device, i)
						var err error
						if i%4 == 3 {
							_, _, err = p.rest.PostMessage(w.ctx(), wire.PostedMessage{Recipient: peer.id, Content: name, TempID: name})
						} else {
							_, err = c.EmitWithAck(w.ctx(), "send_message", wire.NewMessage{RecipientID: peer.id, Content: name, TempID: name})
						}
						if err != nil {
							t.Errorf("send %s: %v", name, err)
						}
					}
				})
			}
		}
	}
	close(connected)
	all.Wait()
	if err := w.stop(); err != nil { // everything is flushed to the sockets
		t.Fatal(err)
	}
	for _, c := range sockets {
		<-c.Done()
	}

	for i, l := range listeners {
		l.mu.Lock()
		if l.inverted != "" {
			t.Errorf("socket %d heard %s", i, l.inverted)
		}
		if want := 2 * devices * each; l.heard != want {
			t.Errorf("socket %d heard %d commits, want %d", i, l.heard, want)
		}
		l.mu.Unlock()
	}
}
