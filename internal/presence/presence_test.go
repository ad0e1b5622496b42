package presence_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/presence"
	"pryde/internal/wire"
)

var (
	ann = id.User{11: 0xa}
	bob = id.User{11: 0xb}
)

// heard is a Publisher that remembers.
type heard struct {
	mu  sync.Mutex
	out []wire.Outgoing
}

func (h *heard) Publish(out ...wire.Outgoing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.out = append(h.out, out...)
}

// take returns the names of what was published since the last call.
func (h *heard) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for _, o := range h.out {
		names = append(names, o.Name)
	}
	h.out = nil
	return names
}

func socket(u id.User, s string) auth.Identity { return auth.Identity{User: u, Socket: s} }

// run gives a test a service and what it published, under a clock of its own.
func run(t *testing.T, test func(*testing.T, *presence.Service, *heard)) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		s := presence.New(&h, time.Now)
		defer s.Close()
		test(t, s, &h)
	})
}

func TestFirstSocketIsAnnouncedOnceAndTheSecondIsNot(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, h *heard) {
		s.Connected(socket(ann, "1"))
		s.Connected(socket(ann, "2"))
		time.Sleep(2 * time.Second)
		want := []string{"presence:update", "user_online", "global_chat:online_count"}
		if got := h.take(); !slices.Equal(got, want) {
			t.Errorf("announced %q, want %q", got, want)
		}

		s.Connected(socket(ann, "3"))
		time.Sleep(2 * time.Second)
		if got := h.take(); got != nil {
			t.Errorf("a further socket announced %q", got)
		}
	})
}

func TestAReloadDoesNotFlicker(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, h *heard) {
		s.Connected(socket(ann, "1"))
		time.Sleep(2 * time.Second)
		h.take()

		s.Disconnected(socket(ann, "1"))
		time.Sleep(4 * time.Second)
		s.Connected(socket(ann, "2"))
		time.Sleep(20 * time.Second)
		if got := h.take(); got != nil {
			t.Errorf("a reload announced %q", got)
		}
	})
}

func TestTheLastSocketGoesAfterTheGracePeriod(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, h *heard) {
		s.Connected(socket(ann, "1"))
		s.Connected(socket(ann, "2"))
		time.Sleep(2 * time.Second)
		h.take()

		s.Disconnected(socket(ann, "2"))
		time.Sleep(20 * time.Second)
		if got := h.take(); got != nil {
			t.Errorf("one of two sockets announced %q", got)
		}
		s.Disconnected(socket(ann, "1"))
		time.Sleep(20 * time.Second)
		want := []string{"presence:update", "user_offline", "global_chat:online_count"}
		if got := h.take(); !slices.Equal(got, want) {
			t.Errorf("announced %q, want %q", got, want)
		}
	})
}

func TestTheCountIsOfPeopleAndCoalesced(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, h *heard) {
		for i := range 50 {
			s.Connected(socket(id.User{10: 1, 11: byte(i)}, "a"))
			s.Connected(socket(id.User{10: 1, 11: byte(i)}, "b"))
		}
		time.Sleep(2 * time.Second)

		h.mu.Lock()
		defer h.mu.Unlock()
		var counts []wire.OnlineCount
		for _, o := range h.out {
			if c, ok := o.Payload.(wire.OnlineCount); ok {
				counts = append(counts, c)
			}
		}
		if want := []wire.OnlineCount{{Count: 50}}; !slices.Equal(counts, want) {
			t.Errorf("counts %v, want %v", counts, want)
		}
	})
}

func TestConnectingHearsTheRoomAndWhoIsOnline(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, _ *heard) {
		s.Connected(socket(ann, "1"))
		out := s.Connected(socket(bob, "2"))

		if got, want := out[0].Payload, (wire.RoomJoined{Room: wire.UserRoom(bob), UserID: bob, SocketID: "2", AutoJoined: true}); got != want {
			t.Errorf("first %+v, want %+v", got, want)
		}
		if got, want := out[1].Payload, (wire.OnlineCount{Count: 2}); got != want {
			t.Errorf("second %+v, want %+v", got, want)
		}
		if got, want := out[2].Payload.([]id.User), []id.User{ann, bob}; !slices.Equal(got, want) {
			t.Errorf("online %v, want %v", got, want)
		}
	})
}

func TestTheListIsBounded(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, _ *heard) {
		for i := range 1_500 {
			s.Connected(socket(id.User{10: byte(i >> 8), 11: byte(i)}, "a"))
		}
		out, err := s.Online(t.Context(), socket(ann, "1"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(out.Before[0].Payload.([]id.User)); got != 1_000 {
			t.Errorf("listed %d, want 1000", got)
		}
	})
}

func TestNobodyJoinsAnotherPersonsRoom(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, _ *heard) {
		for _, in := range []wire.JoinRoom{{UserID: bob.String()}, {Room: string(wire.UserRoom(bob))}, {}} {
			if out, err := s.Join(t.Context(), socket(ann, "1"), in); err == nil {
				t.Errorf("join %+v answered %+v", in, out)
			}
		}
		for _, in := range []wire.JoinRoom{{UserID: ann.String()}, {Room: string(wire.UserRoom(ann))}} {
			if _, err := s.Join(t.Context(), socket(ann, "1"), in); err != nil {
				t.Errorf("join %+v: %v", in, err)
			}
		}
	})
}
