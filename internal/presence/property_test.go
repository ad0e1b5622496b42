package presence_test

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"pryde/internal/id"
	"pryde/internal/presence"
	"pryde/internal/wire"
)

// A story is what happens to five people, and what each who is connected believes of the others.
type story struct {
	*rapid.T
	*presence.Service
	heard   *heard
	society *society
	views   map[id.User]map[id.User]bool // of those who are connected: whom they see
	fresh   map[[2]id.User]bool          // between whom a block has come that may not have been announced
}

// TestWhatPeopleSeeOfEachOther lets people come, go, block and unblock each other: nobody is
// ever told that somebody came from whom a block keeps them, and when all is quiet everybody
// sees just those who are there and not kept from them.
func TestWhatPeopleSeeOfEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Without the deadline of the test, which a bubble does not have.
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			s := &story{
				T: rt, heard: &heard{}, society: &society{blocks: make(map[[2]id.User]bool)},
				views: make(map[id.User]map[id.User]bool), fresh: make(map[[2]id.User]bool),
			}
			s.Service = presence.New(presence.Options{Publish: s.heard, People: s.society, Log: slog.New(slog.DiscardHandler), Now: time.Now})
			defer s.Close()
			rt.Repeat(map[string]func(*rapid.T){
				"come": s.come, "go": s.leave, "block": s.block, "wait": s.wait, "wait in vain": s.waitInVain, "quiet": s.quiet,
			})
		})
	})
}

func (s *story) anybody() id.User { return person(rapid.IntRange(0, 4).Draw(s.T, "person")) }

func (s *story) come(*rapid.T) {
	u := s.anybody()
	if s.views[u] != nil {
		return
	}
	out := s.Connected(socket(u, "a"))
	s.views[u] = make(map[id.User]bool)
	s.see(u, out[2])
}

func (s *story) leave(*rapid.T) {
	u := s.anybody()
	delete(s.views, u)
	s.Disconnected(socket(u, "a"))
}

func (s *story) block(*rapid.T) {
	a, b := s.anybody(), s.anybody()
	if a == b {
		return
	}
	apart := !s.apart(a, b)
	s.society.part(a, b, apart)
	s.fresh[[2]id.User{a, b}], s.fresh[[2]id.User{b, a}] = true, true
	s.BlockChanged(a, b)
}

func (s *story) apart(a, b id.User) bool { return s.society.blocks[[2]id.User{a, b}] }

func (s *story) wait(*rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 4000).Draw(s.T, "ms")) * time.Millisecond)
	s.hear()
}

func (s *story) waitInVain(rt *rapid.T) {
	s.society.fail(errors.New("away"))
	s.wait(rt)
	s.society.fail(nil)
}

// quiet waits until everything has been announced.
func (s *story) quiet(*rapid.T) {
	time.Sleep(10 * time.Second)
	s.hear()
	clear(s.fresh)
	for u, view := range s.views {
		var want []id.User
		for other := range s.views {
			if !s.apart(u, other) {
				want = append(want, other)
			}
		}
		slices.SortFunc(want, id.User.Compare)
		if got := slices.SortedFunc(maps.Keys(view), id.User.Compare); !slices.Equal(got, want) {
			s.Fatalf("%v sees %v, want %v", u, got, want)
		}
	}
}

// hear shows people what was published. No block has come or gone while it was.
func (s *story) hear() {
	synctest.Wait()
	out := s.heard.events()
	for u := range s.views {
		for _, o := range reaching(u, out) {
			s.see(u, o)
		}
	}
}

func (s *story) see(u id.User, o wire.Outgoing) {
	switch c := o.Payload.(type) {
	case wire.Raw:
		list, err := wire.Decode[[]id.User](c)
		if err != nil {
			s.Fatal(err)
		}
		clear(s.views[u])
		for _, other := range list {
			s.sees(u, other)
		}
	case wire.PresenceUpdate:
		if c.Online {
			s.sees(u, c.UserID)
			return
		}
		if s.apart(u, c.UserID) && !s.fresh[[2]id.User{u, c.UserID}] {
			s.Fatalf("%v heard that %v went, across a block", u, c.UserID)
		}
		delete(s.views[u], c.UserID)
	}
}

func (s *story) sees(u, other id.User) {
	if s.apart(u, other) {
		s.Fatalf("%v sees %v across a block", u, other)
	}
	s.views[u][other] = true
}
