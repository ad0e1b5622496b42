package presence_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pryde/internal/id"
	"pryde/internal/presence"
	"pryde/internal/wire"
)

var eve = id.User{11: 0xe}

// society is who has blocks and contacts with whom.
type society struct {
	mu         sync.Mutex
	blocks     map[[2]id.User]bool // both ways round
	err        error               // what is answered instead, while there is one
	contactsOf func(id.User) []id.User
	looking    func(id.User) // called when blocks were looked up, before they are returned
}

func (p *society) BlockedWith(_ context.Context, u id.User) (map[id.User]bool, error) {
	p.mu.Lock()
	apart := make(map[id.User]bool)
	for pair := range p.blocks {
		if pair[0] == u {
			apart[pair[1]] = true
		}
	}
	err, looking := p.err, p.looking
	p.mu.Unlock()
	if looking != nil {
		looking(u)
	}
	return apart, err
}

func (p *society) Contacts(_ context.Context, u id.User) ([]id.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.contactsOf == nil {
		return nil, p.err
	}
	return slices.Clone(p.contactsOf(u)), p.err
}

// part blocks, or ends a block, without a word to the service.
func (p *society) part(a, b id.User, apart bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pair := range [][2]id.User{{a, b}, {b, a}} {
		if apart {
			p.blocks[pair] = true
		} else {
			delete(p.blocks, pair)
		}
	}
}

func (p *society) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *society) whenLooking(f func(id.User)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looking = f
}

// among is run with a society to change.
func among(t *testing.T, test func(*testing.T, *presence.Service, *heard, *society)) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		p := &society{blocks: make(map[[2]id.User]bool)}
		s := presence.New(presence.Options{Publish: &h, People: p, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		defer s.Close()
		test(t, s, &h, p)
	})
}

// of returns the people whom u is told came or went, once for both families of events.
func of(t *testing.T, u id.User, out []wire.Outgoing) (came, went []id.User) {
	t.Helper()
	former := 0
	for _, o := range reaching(u, out) {
		switch c := o.Payload.(type) {
		case wire.PresenceUpdate:
			if c.Online {
				came = append(came, c.UserID)
			} else {
				went = append(went, c.UserID)
			}
		case wire.UserRef:
			former++
		}
	}
	if former != len(came)+len(went) {
		t.Errorf("%d former events for %d changes", former, len(came)+len(went))
	}
	slices.SortFunc(came, id.User.Compare)
	slices.SortFunc(went, id.User.Compare)
	return came, went
}

// hears fails unless u is told that just these people came and went.
func hears(t *testing.T, u id.User, out []wire.Outgoing, came, went []id.User) {
	t.Helper()
	if gotCame, gotWent := of(t, u, out); !slices.Equal(gotCame, came) || !slices.Equal(gotWent, went) {
		t.Errorf("%v heard that %v came and %v went, want %v and %v", u, gotCame, gotWent, came, went)
	}
}

func TestNobodyHearsAcrossABlock(t *testing.T) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
		p.part(ann, bob, true)
		s.Connected(socket(eve, "3"))
		s.Connected(socket(ann, "1"))
		if got, want := listed(t, s.Connected(socket(bob, "2"))[2]), []id.User{eve, bob}; !slices.Equal(got, want) {
			t.Errorf("bob was greeted with %v, want %v", got, want)
		}
		time.Sleep(2 * time.Second)

		out := h.events()
		hears(t, ann, out, []id.User{ann, eve}, nil)
		hears(t, bob, out, []id.User{bob, eve}, nil)
		hears(t, eve, out, []id.User{ann, bob, eve}, nil)
		for _, u := range []id.User{ann, bob, eve} {
			if got := names(reaching(u, out)); got[len(got)-1] != "global_chat:online_count" || strings.Count(strings.Join(got, " "), "count") != 1 {
				t.Errorf("%v heard %q, want the count once, at the end", u, got)
			}
		}
		answer, err := s.Online(t.Context(), socket(ann, "1"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := listed(t, answer.Before[0]), []id.User{eve, ann}; !slices.Equal(got, want) {
			t.Errorf("ann asked and was told %v, want %v", got, want)
		}

		s.Disconnected(socket(ann, "1"))
		time.Sleep(10 * time.Second)
		out = h.events()
		hears(t, bob, out, nil, nil)
		hears(t, eve, out, nil, []id.User{ann})
	})
}

func TestTheListOfManyChangesLeavesOutWhoIsApart(t *testing.T) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
		for i := 1; i < 4; i++ {
			p.part(person(0), person(i), true)
		}
		p.part(person(1), person(2), true)
		for i := range 150 {
			s.Connected(socket(person(i), "a"))
		}
		time.Sleep(2 * time.Second)

		out := h.events()
		for i := range 150 {
			own := reaching(person(i), out)
			got := listed(t, own[0])
			for j := range 150 {
				if apart := p.blocks[[2]id.User{person(i), person(j)}]; slices.Contains(got, person(j)) == apart {
					t.Errorf("person %d sees %d: %v", i, j, !apart)
				}
			}
			if len(own) != 2 || own[1].Name != "global_chat:online_count" {
				t.Errorf("person %d heard %q, want the list and the count", i, names(own))
			}
		}
	})
}

func TestInACrowdContactsHear(t *testing.T) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
		for i := range 600 {
			s.Connected(socket(person(i), "a"))
		}
		time.Sleep(20 * time.Second)
		h.events()
		p.contactsOf = func(id.User) []id.User { return []id.User{person(1), person(2), person(3), eve} }
		p.part(ann, person(2), true)

		s.Connected(socket(ann, "1"))
		time.Sleep(2 * time.Second)
		came := h.events()
		s.Disconnected(socket(ann, "1"))
		time.Sleep(10 * time.Second)
		went := h.events()

		hears(t, ann, came, []id.User{ann}, nil)
		for i := range 600 {
			var want []id.User
			if i == 1 || i == 3 {
				want = []id.User{ann}
			}
			hears(t, person(i), came, want, nil)
			hears(t, person(i), went, nil, want)
		}
		for _, o := range append(came, went...) {
			if slices.Contains(o.Rooms, wire.UserRoom(eve)) {
				t.Errorf("%s went to somebody who is not online", o.Name)
			}
		}
	})
}

func TestAWaveInACrowdIsToldLittleByLittle(t *testing.T) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
		s.Connected(socket(ann, "1"))
		time.Sleep(2 * time.Second)
		h.events()
		p.contactsOf = func(id.User) []id.User { return []id.User{ann} }
		for i := range 550 {
			s.Connected(socket(person(i), "a"))
		}

		heard := make(map[id.User]bool)
		for range 6 {
			time.Sleep(time.Second)
			synctest.Wait()
			came, went := of(t, ann, h.events())
			if len(came) > 100 || len(went) > 0 {
				t.Errorf("in one second ann heard that %d came and %d went", len(came), len(went))
			}
			for _, u := range came {
				heard[u] = true
			}
		}

		if len(heard) != 550 {
			t.Errorf("ann heard of %d people, want 550", len(heard))
		}
	})
}

func TestABlockIsSeenAtOnce(t *testing.T) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
		for _, u := range []id.User{ann, bob, eve} {
			s.Connected(socket(u, "a"))
		}
		time.Sleep(2 * time.Second)
		h.events()

		for _, apart := range []bool{true, false} {
			p.part(ann, bob, apart)
			s.BlockChanged(bob, ann)
			s.BlockChanged(ann, bob)
			time.Sleep(time.Second)
			synctest.Wait()
			out := h.events()
			if apart {
				hears(t, ann, out, nil, []id.User{bob})
				hears(t, bob, out, nil, []id.User{ann})
			} else {
				hears(t, ann, out, []id.User{bob}, nil)
				hears(t, bob, out, []id.User{ann}, nil)
			}
			hears(t, eve, out, nil, nil)
		}
	})
}

// An event that somebody went who was not there would tell of the block.
func TestABlockOfSomebodyWhoIsNotOnlineIsNotSeen(t *testing.T) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
		s.Connected(socket(ann, "a"))
		time.Sleep(2 * time.Second)
		h.events()

		p.part(ann, bob, true)
		s.BlockChanged(bob, ann)
		time.Sleep(10 * time.Second)

		if got := h.take(); got != nil {
			t.Errorf("published %q", got)
		}
	})
}

func TestABlockThatComesWhileItIsLookedUpCounts(t *testing.T) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
		block := func() {
			p.whenLooking(nil)
			p.part(ann, bob, true)
			s.BlockChanged(ann, bob)
		}
		s.Connected(socket(bob, "2"))
		p.whenLooking(func(id.User) { block() })
		if got, want := listed(t, s.Connected(socket(ann, "1"))[2]), []id.User{ann}; !slices.Equal(got, want) {
			t.Errorf("ann was greeted with %v, want %v", got, want)
		}
		time.Sleep(2 * time.Second)
		h.events()
		p.part(ann, bob, false)

		s.Disconnected(socket(ann, "1"))
		time.Sleep(10 * time.Second)
		h.events()
		s.Connected(socket(ann, "1"))
		p.whenLooking(func(id.User) { block() })
		time.Sleep(time.Second)
		synctest.Wait()

		hears(t, bob, h.events(), nil, nil)
	})
}

func TestNothingIsToldWhileItIsNotKnownWhoMayHear(t *testing.T) {
	for what, people := range map[string]int{"changes": 2, "lists": 150, "in a crowd": 600} {
		t.Run(what, func(t *testing.T) {
			among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
				p.contactsOf = func(id.User) []id.User { return []id.User{person(0)} }
				for i := range people {
					s.Connected(socket(person(i), "a"))
				}
				p.fail(errors.New("away"))
				time.Sleep(5 * time.Second)

				for _, o := range h.events() {
					if o.Name != "global_chat:online_count" {
						t.Fatalf("published %s to %v", o.Name, o.Rooms)
					}
				}
				if _, err := s.Online(t.Context(), socket(person(0), "a"), nil); err == nil {
					t.Error("the list was told")
				}
				if got, want := listed(t, s.Connected(socket(ann, "1"))[2]), []id.User{ann}; !slices.Equal(got, want) {
					t.Errorf("ann was greeted with %v, want %v", got, want)
				}

				p.fail(nil)
				time.Sleep(20 * time.Second)
				told := make(map[id.User]bool)
				for _, o := range reaching(person(0), h.events()) {
					switch c := o.Payload.(type) {
					case wire.Raw:
						for _, u := range listed(t, o) {
							told[u] = true
						}
					case wire.PresenceUpdate:
						told[c.UserID] = true
					}
				}
				if len(told) != people+1 {
					t.Errorf("afterwards one hears of %d people, want %d", len(told), people+1)
				}
			})
		})
	}
}

func TestWhatIsNotKnownIsLoggedOnceInATickWithoutNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := &society{blocks: make(map[[2]id.User]bool)}
		s := presence.New(presence.Options{Publish: &heard{}, People: p, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now})
		for i := range 50 {
			s.Connected(socket(person(i), "a"))
		}
		p.fail(errors.New("away"))
		time.Sleep(3*time.Second + time.Millisecond)
		s.Close()

		if got := strings.Count(log.String(), "err=away"); got != 3 {
			t.Errorf("three seconds left %d lines:\n%s", got, log.String())
		}
		for i := range 50 {
			if strings.Contains(log.String(), person(i).String()) {
				t.Errorf("the log names person %d", i)
			}
		}
	})
}

func TestCloseWaitsForTheAnnouncementThatRuns(t *testing.T) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
		s.Connected(socket(ann, "1"))
		goOn, closed := make(chan struct{}), make(chan struct{})
		p.whenLooking(func(id.User) { <-goOn })
		time.Sleep(2 * time.Second)
		go func() {
			defer close(closed)
			s.Close()
		}()
		synctest.Wait()

		select {
		case <-closed:
			t.Error("closed while an announcement was running")
		default:
		}
		close(goOn)
		<-closed
		h.events()
		s.Disconnected(socket(ann, "1"))
		s.BlockChanged(ann, bob)
		time.Sleep(time.Minute)
		if got := h.take(); got != nil {
			t.Errorf("published %q after Close", got)
		}
	})
}

// TestWhoComesWhileTheListIsMadeGetsIt lets somebody connect, and another come back, while the
// blocks are looked up of those who are sent the whole list.
func TestWhoComesWhileTheListIsMadeGetsIt(t *testing.T) {
	among(t, func(t *testing.T, s *presence.Service, h *heard, p *society) {
		s.Connected(socket(person(500), "s"))
		for i := range 101 {
			s.Connected(socket(person(i), "s"))
		}
		time.Sleep(3 * time.Second)
		for i := range 101 {
			s.Disconnected(socket(person(i), "s"))
		}
		newcomer, back := person(600), person(0)
		looked := false
		p.whenLooking(func(id.User) {
			if looked {
				return // the greetings look, too
			}
			looked = true
			s.Connected(socket(newcomer, "s"))
			s.Connected(socket(back, "again"))
		})
		h.take()
		time.Sleep(20 * time.Second)
		synctest.Wait()

		told := false
		for _, o := range reaching(newcomer, h.events()) {
			list, encoded := o.Payload.(wire.Raw)
			told = told || o.Name == wire.OnlineUsers.Name() && encoded && strings.Contains(string(list), back.String())
			update, ok := o.Payload.(wire.PresenceUpdate)
			told = told || ok && update.UserID == back && update.Online
		}
		if !told {
			t.Error("the newcomer was never told who came back")
		}
	})
}
