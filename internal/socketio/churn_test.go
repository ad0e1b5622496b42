package socketio

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ledger counts who came and who went, and does what the events say.
type ledger struct {
	t       *testing.T
	mu      sync.Mutex
	present map[*Socket]bool
	came    atomic.Int32
}

func (l *ledger) handler() *stub {
	return &stub{
		connected: func(_ context.Context, s *Socket) {
			l.came.Add(1)
			l.mu.Lock()
			l.present[s] = true
			l.mu.Unlock()
			s.Join("all", "more")
			s.Emit(at(1, "welcome"))
			s.CatchUp(1)
		},
		event: func(ctx context.Context, s *Socket, e *Event) {
			e.Advance()
			switch e.Name {
			case "kick":
				s.Disconnect()
			case "nskick":
				s.DisconnectNamespace()
			case "abort":
				s.Abort()
			case "leave":
				s.Leave("more", "all")
			case "ask":
				ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
				defer cancel()
				_, _ = s.Ask(ctx, NewFrame("question")) // nobody answers
			}
			e.Reply()
		},
		disconnected: func(s *Socket, _ Reason) {
			if s.In("all") || s.In(s.ID()) {
				l.t.Error("a socket that left is in a room")
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			if !l.present[s] {
				l.t.Error("a socket left that is not there")
			}
			delete(l.present, s)
		},
	}
}

// gone checks that all who came have gone.
func (l *ledger) gone() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.present) != 0 || l.came.Load() == 0 {
		l.t.Errorf("%d of %d are left", len(l.present), l.came.Load())
	}
}

func TestChurnLeavesNothing(t *testing.T) {
	l := &ledger{t: t, present: make(map[*Socket]bool)}
	e := serve(t, Config{}, l.handler(), space{"/a", l.handler()}, space{"/b", l.handler()})
	packets := []string{
		`42/a,1["ask"]`, `42["kick"]`, `42/a,["nskick"]`, `42/b,7["abort"]`, `42["leave"]`, `42/b,3["x"]`, "41", "41/a,", "40/a,", "41/b,",
		`431["nobody asked"]`, `451-/a,["x",{"_placeholder":true,"num":0}]`, "junk", `42["x",`, "1",
	}
	var said, clients, traffic sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		traffic.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, name := range []string{"/", "/a", "/b"} {
					n := e.spaces[name]
					n.Emit(In("all", "more"), at(1, "covered"), at(2, "news"))
					n.EmitVolatile(Target{All: true}, NewFrame("volatile"))
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					n.Ask(ctx, In("more"), NewFrame("question"))
					cancel()
				}
			}
		})
	}
	for i := range 150 {
		c := open(t, e)
		random := rand.New(rand.NewPCG(uint64(i), 1))
		said.Add(1)
		clients.Go(func() {
			for _, text := range []string{"40", "40/a,", "40/b,"} {
				_, _ = c.conn.Write(frame(opText, []byte(text)))
				_, _ = c.next()
			}
			for range random.IntN(8) {
				_, _ = c.conn.Write(frame(opText, []byte(packets[random.IntN(len(packets))])))
			}
			said.Done()
			if random.IntN(2) == 0 {
				_, _ = c.end()
				return
			}
			_ = c.conn.Close()
		})
	}

	said.Wait()
	e.Disconnect(In("more"), true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Drain(ctx); err != nil {
		t.Error(err)
	}
	clients.Wait()
	close(stop)
	traffic.Wait()

	l.gone()
	for name, n := range e.spaces {
		if a := n.adapter.(*local); len(a.ids) != 0 || len(a.rooms) != 0 {
			t.Errorf("%s remembers %d sockets and %d rooms", name, len(a.ids), len(a.rooms))
		}
	}
}
