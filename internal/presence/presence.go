// Package presence knows who is online. A person is online while one of their sockets is
// connected, and for a grace period after the last has gone, so that a reload does not
// flicker. Nobody hears of somebody across a block. It does not know how sockets work.
package presence

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

const (
	// grace is how long a person counts as online after their last socket has gone.
	grace = 5 * time.Second
	// tick is how long changes are collected before they are announced.
	tick = time.Second
	// patience is how long the look at who may hear of whom may take.
	patience = 2 * time.Second
	// maxChanges is how many changes are announced one by one in a tick. More of them cost less
	// as the whole list; in a crowd, which has none, the others wait for the next tick.
	maxChanges = 100
	// crowd is how many people online are too many to tell each of everybody: what a change
	// costs grows with their number, and what all changes cost with its square.
	crowd = 500
	// calm is how many people online are few enough again. It lies below crowd, so that a
	// number about it does not have the list sent every second.
	calm = 400
)

// People says who may hear of whom.
type People interface {
	// BlockedWith returns everybody whom u blocks or who blocks u, in a map that is only looked
	// at. It knows every block that BlockChanged was told of before the call.
	BlockedWith(ctx context.Context, u id.User) (map[id.User]bool, error)
	// Contacts returns with whom u has a conversation or a follow, a bounded number of people.
	Contacts(ctx context.Context, u id.User) ([]id.User, error)
}

// Options are what a service is made of. All are required.
type Options struct {
	Publish wire.Publisher
	People  People
	Log     *slog.Logger
	Now     func() time.Time
}

// Service keeps the sets of sockets. Its methods are safe for concurrent use.
type Service struct {
	publish wire.Publisher
	people  People
	log     *slog.Logger
	now     func() time.Time

	announcing sync.WaitGroup // the timer that is set, or what it runs

	mu      sync.Mutex
	present map[id.User]*person
	roster  roster
	online  int              // people who were online when it was last announced
	crowded bool             // changes are told to contacts alone
	dirty   map[id.User]bool // who came or went, which has not been announced
	retied  map[pair]bool    // between whom a block came or went that has not been announced
	blocks  int              // how many blocks have come or gone; what was looked up before is old
	timer   *time.Timer      // runs announce; nil while there is nothing to announce
	closed  bool
}

type person struct {
	sockets map[string]struct{}
	leaving *time.Timer // runs when the grace period ends; nil while a socket is connected
}

// New returns a service in which nobody is online. Close ends it.
func New(o Options) *Service {
	return &Service{
		publish: o.Publish, people: o.People, log: o.Log, now: o.Now, present: make(map[id.User]*person),
		dirty: make(map[id.User]bool), retied: make(map[pair]bool), roster: roster{at: make(map[id.User]int)},
	}
}

// Connected counts a socket, and returns what it hears first. Where it cannot be told within
// two seconds whom the person may see, they see themselves alone.
func (s *Service) Connected(who auth.Identity) []wire.Outgoing {
	s.arrive(who)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := s.seenBy(ctx, who.User)
	if err != nil {
		s.log.Warn("somebody was greeted without who is online", "err", err)
		list = encode([]id.User{who.User})
	}
	socket := wire.SocketRoom(who.Socket)
	count := wire.LoungeCount.To(socket, wire.OnlineCount{Count: s.count()})
	count.Volatile = false // a greeting is whole, and leaves in one piece
	return []wire.Outgoing{joined(who, true), count, wire.OnlineUsers.Encoded(socket, list)}
}

func (s *Service) arrive(who auth.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.present[who.User]
	if !known {
		p = &person{sockets: make(map[string]struct{})}
		s.present[who.User] = p
		s.change(who.User)
	}
	if p.leaving != nil {
		p.leaving.Stop()
		p.leaving = nil
	}
	p.sockets[who.Socket] = struct{}{}
}

func (s *Service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.present)
}

// seenBy returns who is online, as JSON, for somebody who is. A block that comes or goes while
// theirs are looked up is not missed.
func (s *Service) seenBy(ctx context.Context, u id.User) (wire.Raw, error) {
	for {
		at := s.blocksSoFar()
		apart, err := s.people.BlockedWith(ctx, u)
		if err != nil {
			return nil, err
		}
		if list := s.listAt(at, u, apart); list != nil {
			return list, nil
		}
	}
}

// listAt is nil where a block has come or gone since.
func (s *Service) listAt(blocks int, u id.User, apart map[id.User]bool) wire.Raw {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocks != blocks {
		return nil
	}
	return s.roster.seenBy(u, apart)
}

func (s *Service) blocksSoFar() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks
}

// BlockChanged says that the first block between two people has come, or the last has gone.
// Who of them is online goes out of the sight of the other, or comes back into it.
func (s *Service) BlockChanged(a, b id.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks++
	if !s.seen(a) || !s.seen(b) {
		return // there is nothing to be seen, and an event would tell of the block
	}
	s.retied[pairOf(a, b)] = true
	s.wake()
}

// seen reports whether others may believe that somebody is online. The caller holds s.mu.
func (s *Service) seen(u id.User) bool { return s.present[u] != nil || s.dirty[u] }

// Disconnected counts a socket out.
func (s *Service) Disconnected(who auth.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.present[who.User]
	if !known {
		return
	}
	delete(p.sockets, who.Socket)
	if len(p.sockets) > 0 || p.leaving != nil || s.closed {
		return
	}
	p.leaving = time.AfterFunc(grace, func() { s.left(who.User, p) })
}

// left ends a grace period.
func (s *Service) left(u id.User, p *person) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.present[u] != p || len(p.sockets) > 0 {
		return
	}
	delete(s.present, u)
	s.change(u)
}

// change notes that a person came or went. Also when they are soon back to what they were: a
// list that somebody got meanwhile is wrong then. The caller holds s.mu.
func (s *Service) change(u id.User) {
	if s.present[u] == nil {
		s.roster.remove(u)
	} else {
		s.roster.add(u)
	}
	s.dirty[u] = true
	s.wake()
}

// wake has what is new announced. The caller holds s.mu.
func (s *Service) wake() {
	if s.timer == nil && !s.closed {
		s.announcing.Add(1)
		s.timer = time.AfterFunc(tick, s.announce)
	}
}

// fill puts people on the list in the place of those who went. The caller holds s.mu.
func (s *Service) fill() {
	for u := range s.present {
		if len(s.roster.listed) == min(len(s.present), maxListed) {
			return
		}
		s.roster.add(u)
	}
}

// Close stops the timers and waits for the announcement that runs, at most two seconds. Nothing
// is announced any more.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	if s.timer != nil && s.timer.Stop() {
		s.announcing.Done()
	}
	for _, p := range s.present {
		if p.leaving != nil {
			p.leaving.Stop()
		}
	}
	s.mu.Unlock()
	s.announcing.Wait()
}
