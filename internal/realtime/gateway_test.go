package realtime

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/limit"
	"pryde/internal/metric"
	"pryde/internal/order"
	"pryde/internal/socketio"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var ann = auth.Identity{User: id.User{11: 0xa}, Session: strings.Repeat("a", 64)}

// stage is a gateway on a real engine; the test decides about time, sessions and limits.
type stage struct {
	*Gateway
	url string

	mu      sync.Mutex
	now     time.Time
	verdict error // of Verify
	check   error // of Check
	limited string
	asked   []string // operation and key of every question to the limiter
	who     auth.Identity
	feed    func(after wire.Offset, partly bool) ([]wire.Outgoing, wire.Offset, bool, error)
	gone    chan auth.Identity
}

func (s *stage) Verify(context.Context, string) (auth.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.who, s.verdict
}

// Missed finds that nothing happened, unless the test says otherwise.
func (s *stage) Missed(_ context.Context, _ auth.Identity, after wire.Offset, partly bool) ([]wire.Outgoing, wire.Offset, bool, error) {
	s.mu.Lock()
	feed := s.feed
	s.mu.Unlock()
	if feed == nil {
		return nil, after, true, nil
	}
	return feed(after, partly)
}

func (s *stage) Leave(context.Context, auth.Identity) error { return nil }

func (s *stage) Attend(context.Context, auth.Identity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.check
}

func (s *stage) Take(operation, key string) limit.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, operation+" "+key)
	return limit.Verdict{Allowed: operation != s.limited, RetryAfter: time.Second}
}

func (s *stage) Connected(who auth.Identity) []wire.Outgoing {
	return []wire.Outgoing{wire.RoomJoinedEvent.To(wire.SocketRoom(who.Socket), wire.RoomJoined{
		Room: wire.UserRoom(who.User), UserID: who.User, SocketID: who.Socket, AutoJoined: true,
	})}
}

func (s *stage) Disconnected(who auth.Identity) { s.gone <- who }

func (s *stage) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func newStage(t *testing.T) *stage {
	s := &stage{now: time.Now(), who: ann, gone: make(chan auth.Identity, 100)}
	line := order.NewLine(0)
	log := slog.New(slog.DiscardHandler)
	gateway, err := New(Options{
		Engine: socketio.Config{Log: log, MaxPendingPerAddress: 2, Polling: true}, Verifier: s, Limiter: s, Line: line, Database: wire.Database{1, 2, 3, 4},
		Key: [32]byte{9}, Rand: rand.Reader, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		MaxConnections: 3, Metrics: metric.New(), Log: log, Now: func() time.Time {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.now
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Gateway = gateway
	s.Greet(s)
	s.Recover(s)
	server := httptest.NewServer(s.Server())
	s.url = server.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Server().Drain(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
		line.Close()
	})
	return s
}

func (s *stage) dial(t *testing.T) (*testkit.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := testkit.Dial(ctx, s.url, "token")
	if err == nil {
		t.Cleanup(c.Close)
		if _, err := c.Await(ctx, "room:joined"); err != nil {
			return nil, err
		}
	}
	return c, err
}

func (s *stage) mustDial(t *testing.T) *testkit.Conn {
	t.Helper()
	c, err := s.dial(t)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func await(t *testing.T, c *testkit.Conn, event string) testkit.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := c.Await(ctx, event)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func closed(t *testing.T, c *testkit.Conn) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(20 * time.Second):
		t.Error("the socket is still open")
	}
}

func TestTransientTroubleClosesTheTransportAndRefusesNobody(t *testing.T) {
	s := newStage(t)
	for _, trouble := range []error{auth.ErrStoreAway, errors.New("bug"), context.DeadlineExceeded} {
		s.set(func() { s.verdict = trouble })
		_, err := s.dial(t)
		var refused *testkit.RefusedError
		if err == nil || errors.As(err, &refused) {
			t.Errorf("%v: got %v, want a closed transport", trouble, err)
		}
	}
	s.set(func() { s.verdict = auth.ErrAccountDeleted })
	_, err := s.dial(t)
	var refused *testkit.RefusedError
	if !errors.As(err, &refused) || refused.Message != "Account deleted" {
		t.Errorf("a verdict: got %v", err)
	}
}

func TestSocketsAreCheckedAgainEveryFiveMinutes(t *testing.T) {
	s := newStage(t)
	c := s.mustDial(t)
	s.set(func() { s.check = auth.ErrSessionEnded })

	s.recheck(t.Context())
	s.set(func() { s.now = s.now.Add(4 * time.Minute) })
	s.recheck(t.Context())
	if got := s.Server().Count(); got != 1 {
		t.Fatalf("%d sockets before the time, want 1", got)
	}
	s.set(func() { s.now, s.check = s.now.Add(2*time.Minute), auth.ErrStoreAway })
	s.recheck(t.Context())
	if got := s.Server().Count(); got != 1 {
		t.Fatalf("%d sockets after trouble of the store, want 1", got)
	}
	s.set(func() { s.check = auth.ErrSessionEnded })
	s.recheck(t.Context())

	await(t, c, "force_logout")
	closed(t, c)
}

func TestASessionThatEndsWhileItsSocketConnectsIsClosed(t *testing.T) {
	s := newStage(t)
	s.set(func() { s.check = auth.ErrSessionEnded }) // after the verdict, before the rooms

	c, err := testkit.Dial(t.Context(), s.url, "token")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	await(t, c, "force_logout")
	closed(t, c)
}

func TestASocketThatMissedItsPingGoesBeforeTheOldest(t *testing.T) {
	s := newStage(t)
	oldest, second := s.mustDial(t), s.mustDial(t)
	sockets := s.Server().Sockets(string(wire.Lounge))
	slices.SortFunc(sockets, func(a, b *socketio.Socket) int { return a.Connected().Compare(b.Connected()) })
	_, _ = oldest, second

	if got := sockets[s.weakest(sockets)]; got != sockets[0] {
		t.Error("with equal pings the oldest does not go first")
	}
	// Both answered their last ping when they connected; only the clock tells them apart.
	between := sockets[0].LastPong().Add(sockets[1].LastPong().Sub(sockets[0].LastPong()) / 2)
	s.set(func() { s.now = between.Add(missedPong) })
	reversed := []*socketio.Socket{sockets[1], sockets[0]}
	if got := reversed[s.weakest(reversed)]; got != sockets[0] {
		t.Error("the one that missed its ping does not go first")
	}
}

func TestRefusedEventsAreAcknowledgedAndTold(t *testing.T) {
	s := newStage(t)
	On(s.Gateway, wire.SendMessage, func(context.Context, auth.Identity, wire.NewMessage) (wire.Outcome[wire.Delivery], error) {
		return wire.Outcome[wire.Delivery]{}, fault.Forbidden("NO", "No.")
	}, wire.Delivery.Sent)
	c := s.mustDial(t)
	for limited, code := range map[string]string{"": "NO", "send_message": "RATE_LIMITED", "send_message_address": "RATE_LIMITED"} {
		s.set(func() { s.limited = limited })
		raw, err := c.EmitWithAck(t.Context(), "send_message", wire.NewMessage{TempID: "t1"})
		if err != nil {
			t.Fatal(err)
		}
		ack, err := wire.Decode[wire.Failure](raw)
		if err != nil || ack.Code != code || ack.TempID != "t1" {
			t.Errorf("acknowledged %s, %v, want %s", raw, err, code)
		}
		if told := await(t, c, "message:error"); string(told.Payload()) != string(raw) {
			t.Errorf("told %s, acknowledged %s", told.Payload(), raw)
		}
	}
}

func TestInternalErrorsAreNotShown(t *testing.T) {
	s := newStage(t)
	On(s.Gateway, wire.SendMessage, func(context.Context, auth.Identity, wire.NewMessage) (wire.Outcome[wire.Delivery], error) {
		return wire.Outcome[wire.Delivery]{}, errors.New("table messages is locked")
	}, wire.Delivery.Sent)
	c := s.mustDial(t)

	raw, err := c.EmitWithAck(t.Context(), "send_message", wire.NewMessage{})

	if err != nil || strings.Contains(string(raw), "locked") || !strings.Contains(string(raw), "INTERNAL_ERROR") {
		t.Errorf("acknowledged %s, %v", raw, err)
	}
}

func TestReplyAndEventsLeaveInOrder(t *testing.T) {
	s := newStage(t)
	On(s.Gateway, wire.SendMessage, func(_ context.Context, who auth.Identity, in wire.NewMessage) (wire.Outcome[wire.Delivery], error) {
		m := wire.Message{Content: in.Content}
		return wire.Outcome[wire.Delivery]{
			Before: []wire.Outgoing{wire.MessageNew.At(7, wire.UserRoom(who.User), m)},
			After:  []wire.Outgoing{wire.MessageSent.At(7, wire.UserRoom(who.User), m)},
		}, nil
	}, wire.Delivery.Sent)
	var mu sync.Mutex
	var order []string
	d := testkit.Dialer{OnFrame: func(dir testkit.Direction, event string, _ wire.Raw) {
		if dir == testkit.In {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, event)
		}
	}}
	c, err := d.Dial(t.Context(), s.url, "token")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.EmitWithAck(t.Context(), "send_message", wire.NewMessage{}); err != nil {
		t.Fatal(err)
	}

	sent := await(t, c, "message:sent")

	mu.Lock()
	defer mu.Unlock()
	if want := []string{"room:joined", "message:new", "send_message", "message:sent"}; !slices.Equal(order, want) {
		t.Errorf("arrived %q, want %q", order, want)
	}
	if sent.Offset() != "01020304.7" {
		t.Errorf("offset %q", sent.Offset())
	}
}

func TestUnknownEventsAreIgnored(t *testing.T) {
	s := newStage(t)
	On(s.Gateway, wire.Ping, func(context.Context, auth.Identity, wire.Raw) (wire.Outcome[wire.Pong], error) {
		return wire.Outcome[wire.Pong]{Reply: wire.Pong{Status: "ok", UserID: ann.User}}, nil
	}, Same)
	c := s.mustDial(t)
	if err := c.Emit("mark_read", map[string]any{"x": 1}); err != nil {
		t.Fatal(err)
	}

	if _, err := c.EmitWithAck(t.Context(), "ping", nil); err != nil {
		t.Errorf("the socket died of an unknown event: %v", err)
	}
}

func TestBudgetsAreCountedByUserAndByTheAddressBehindTheProxy(t *testing.T) {
	s := newStage(t)
	On(s.Gateway, wire.SendMessage, func(context.Context, auth.Identity, wire.NewMessage) (wire.Outcome[wire.Delivery], error) {
		return wire.Outcome[wire.Delivery]{}, nil
	}, wire.Delivery.Sent)
	On(s.Gateway, wire.GetOnlineUsers, func(context.Context, auth.Identity, wire.Raw) (wire.Outcome[wire.None], error) {
		return wire.Outcome[wire.None]{}, nil
	}, Same)
	for forwarded, address := range map[string]string{
		"203.0.113.9": "203.0.113.9", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "1.1.1.1, 203.0.113.9, 127.0.0.5": "203.0.113.9", "": "127.0.0.1",
	} {
		s.set(func() { s.asked = nil })
		d := testkit.Dialer{Header: http.Header{"X-Forwarded-For": {forwarded}}}
		c, err := d.Dial(t.Context(), s.url, "token")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Emit("get_online_users", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.EmitWithAck(t.Context(), "send_message", wire.NewMessage{}); err != nil {
			t.Fatal(err)
		}
		c.Close()

		s.set(func() {
			user := ann.User.String()
			if want := []string{"get_online_users " + user, "send_message_address " + address, "send_message " + user}; !slices.Equal(s.asked, want) {
				t.Errorf("forwarded for %q: asked %q, want %q", forwarded, s.asked, want)
			}
		})
	}
}

func TestTransportsWithoutASocketAreBoundedPerForwardedAddress(t *testing.T) {
	s := newStage(t)
	opened := func(address string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/socket.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{
			"X-Forwarded-For": {address}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
		}
		transport := &http.Transport{}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close(); transport.CloseIdleConnections() })
		return resp.StatusCode
	}

	got := []int{opened("203.0.113.9"), opened("203.0.113.9"), opened("203.0.113.9"), opened("203.0.113.10"), opened("2001:db8::1"), opened("2001:db8::2"), opened("2001:db8::3")}

	if want := []int{101, 101, 429, 101, 101, 101, 429}; !slices.Equal(got, want) {
		t.Errorf("answered %v, want %v", got, want)
	}
}

func TestWhatIsPublishedTogetherKeepsItsOrderAndItsRooms(t *testing.T) {
	s := newStage(t)
	var mu sync.Mutex
	var order []string
	d := testkit.Dialer{OnFrame: func(dir testkit.Direction, event string, _ wire.Raw) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, event)
	}}
	c, err := d.Dial(t.Context(), s.url, "token")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	await(t, c, "room:joined")
	own, other := wire.SocketRoom(c.ID()), wire.SocketRoom("nobody")

	s.Publish(
		wire.UserOnline.To(own, wire.UserRef{UserID: ann.User}),
		wire.OnlineUsers.Encoded(own, wire.Raw(`[]`)),
		wire.UserOffline.To(other, wire.UserRef{UserID: ann.User}),
		wire.LoungeCount.To(own, wire.OnlineCount{Count: 1}),
		wire.LimitReached.To(own, wire.ConnectionLimit{Message: "end"}),
	)

	await(t, c, "connection_limit")
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"room:joined", "user_online", "online_users", "global_chat:online_count", "connection_limit"}; !slices.Equal(order, want) {
		t.Errorf("arrived %q, want %q", order, want)
	}
}
