package presence_test

import (
	"slices"
	"sync"
	"testing"
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

// events returns what was published since the last call.
func (h *heard) events() []wire.Outgoing {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.out
	h.out = nil
	return out
}

// take returns the names of what was published since the last call.
func (h *heard) take() []string { return names(h.events()) }

func names(out []wire.Outgoing) (names []string) {
	for _, o := range out {
		names = append(names, o.Name)
	}
	return names
}

// reaching returns what a person hears of what was published.
func reaching(u id.User, all []wire.Outgoing) (out []wire.Outgoing) {
	for _, o := range all {
		if slices.Contains(o.Rooms, wire.Lounge) || slices.Contains(o.Rooms, wire.UserRoom(u)) {
			out = append(out, o)
		}
	}
	return out
}

func socket(u id.User, s string) auth.Identity { return auth.Identity{User: u, Socket: s} }

// run gives a test a service and what it published, under a clock of its own.
func run(t *testing.T, test func(*testing.T, *presence.Service, *heard)) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, _ *society) { test(t, s, h) })
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
		s.Connected(socket(bob, "3"))
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
		if got := names(reaching(bob, h.events())); !slices.Equal(got, want) {
			t.Errorf("bob heard %q, want %q", got, want)
		}
	})
}

// person returns the one with this number.
func person(i int) id.User { return id.User{9: 1, 10: byte(i >> 8), 11: byte(i)} }

func TestTheCountIsOfPeopleAndCoalesced(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, h *heard) {
		for i := range 50 {
			s.Connected(socket(person(i), "a"))
			s.Connected(socket(person(i), "b"))
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

func TestConnectingHearsTheRoomTheCountAndWhoIsOnline(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, _ *heard) {
		s.Connected(socket(ann, "1"))
		out := s.Connected(socket(bob, "2"))

		for i, name := range []string{"room:joined", "global_chat:online_count", "online_users"} {
			if o := out[i]; o.Name != name || o.Volatile || !slices.Equal(o.Rooms, []wire.Room{"2"}) {
				t.Errorf("hears %+v, want %s for this socket alone", o, name)
			}
		}
		if got, want := out[0].Payload, (wire.RoomJoined{Room: wire.UserRoom(bob), UserID: bob, SocketID: "2", AutoJoined: true}); got != want {
			t.Errorf("first %+v, want %+v", got, want)
		}
		if got, want := out[1].Payload, (wire.OnlineCount{Count: 2}); got != want {
			t.Errorf("count %+v, want %+v", got, want)
		}
		if got, want := listed(t, out[2]), []id.User{ann, bob}; !slices.Equal(got, want) {
			t.Errorf("online %v, want %v", got, want)
		}
	})
}

// listed reads online_users.
func listed(t *testing.T, o wire.Outgoing) []id.User {
	t.Helper()
	list, err := wire.Decode[[]id.User](o.Payload.(wire.Raw))
	if err != nil || o.Name != "online_users" {
		t.Fatalf("%s %s: %v", o.Name, o.Payload, err)
	}
	return list
}

func TestTheListIsBoundedAndHasOneself(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, _ *heard) {
		for i := range 1_500 {
			got := listed(t, s.Connected(socket(person(i), "a"))[2])
			if want := min(i+1, 1_000); len(got) != want || !slices.Contains(got, person(i)) {
				t.Fatalf("person %d sees %d people, want %d, themselves one of them", i, len(got), want)
			}
		}
	})
}

func TestPlacesOnTheListAreTakenByOthers(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, _ *heard) {
		for i := range 1_500 {
			s.Connected(socket(person(i), "a"))
		}
		for i := range 800 {
			s.Disconnected(socket(person(i), "a"))
		}
		time.Sleep(10 * time.Second)

		out, err := s.Online(t.Context(), socket(person(1_499), "a"), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := listed(t, out.Before[0])
		slices.SortFunc(got, id.User.Compare)
		var want []id.User
		for i := 800; i < 1_500; i++ {
			want = append(want, person(i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d people are listed, want the %d who are there", len(got), len(want))
		}
	})
}

func TestManyChangesAreToldAsTheList(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, h *heard) {
		for i := range 101 {
			s.Connected(socket(person(i), "a"))
		}
		time.Sleep(2 * time.Second)

		all := h.events()
		for i := range 101 {
			out := reaching(person(i), all)
			if len(out) != 2 || out[1].Name != "global_chat:online_count" {
				t.Fatalf("person %d heard %+v, want the list and the count", i, out)
			}
			if got := listed(t, out[0]); len(got) != 101 || !out[0].Volatile {
				t.Errorf("person %d heard of %d people, volatile %v", i, len(got), out[0].Volatile)
			}
		}
	})
}

func TestInACrowdChangesAreNotToldToEverybody(t *testing.T) {
	run(t, func(t *testing.T, s *presence.Service, h *heard) {
		for i := range 499 {
			s.Connected(socket(person(i), "a"))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		h.events()

		s.Connected(socket(ann, "1"))
		time.Sleep(2 * time.Second)
		for _, o := range h.events() {
			if o.Name != "global_chat:online_count" && o.Rooms[0] != wire.UserRoom(ann) {
				t.Errorf("%s went to %v", o.Name, o.Rooms)
			}
		}

		for i := range 99 {
			s.Disconnected(socket(person(i), "a"))
		}
		time.Sleep(10 * time.Second)
		for _, o := range reaching(ann, h.events()) {
			if o.Name != "global_chat:online_count" {
				t.Errorf("ann heard %s although it was crowded a moment ago", o.Name)
			}
		}

		s.Disconnected(socket(person(99), "a"))
		time.Sleep(10 * time.Second)
		if got := listed(t, reaching(ann, h.events())[0]); len(got) != 400 {
			t.Errorf("told %d people when the crowd was gone, want 400", len(got))
		}
		s.Disconnected(socket(person(100), "a"))
		time.Sleep(10 * time.Second)
		if got, want := names(reaching(ann, h.events())), []string{"presence:update", "user_offline", "global_chat:online_count"}; !slices.Equal(got, want) {
			t.Errorf("announced %q, want %q", got, want)
		}
	})
}

// TestAConnectWaveCostsNoSquare bounds what five seconds in which 5,000 people connect say
// altogether: each socket hears its greeting, and once a second a few short events.
func TestAConnectWaveCostsNoSquare(t *testing.T) {
	const people, greeting, burst = 5_000, 28_000, 20_000 // bytes
	var all []id.User
	for i := range people {
		all = append(all, person(i))
	}
	for who, contacts := range map[string][]id.User{"strangers": nil, "where everybody knows a thousand": all[:1_000]} {
		t.Run(who, func(t *testing.T) {
			among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
				p.contactsOf = func(id.User) []id.User { return contacts }
				greetings, bursts, seconds := 0, 0, 0
				for _, u := range all {
					for _, o := range s.Connected(socket(u, "a")) {
						greetings += size(t, o)
					}
					time.Sleep(time.Millisecond)
					if out := h.events(); out != nil {
						seconds++
						for _, o := range reaching(all[0], out) {
							bursts += size(t, o)
						}
					}
				}

				if most := people * greeting; greetings > most {
					t.Errorf("the greetings cost %d bytes, want at most %d", greetings, most)
				}
				if seconds > 6 || bursts > seconds*burst {
					t.Errorf("a socket was told %d bytes in %d bursts, want at most %d each second", bursts, seconds, burst)
				}
			})
		})
	}
}

func size(t *testing.T, o wire.Outgoing) int {
	raw, err := wire.Encode(o.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return len(o.Name) + len(raw)
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
