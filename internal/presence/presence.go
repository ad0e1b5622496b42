// Package presence knows who is online. A person is online while one of their sockets is
// connected, and for a grace period after the last has gone, so that a reload does not
// flicker. It knows neither how sockets work nor who may see whom.
package presence

import (
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
	// maxChanges is how many changes are announced one by one; more of them cost less as the
	// whole list.
	maxChanges = 100
	// crowd is how many people online are too many to tell each of everybody: what a change
	// costs grows with their number, and what all changes cost with its square.
	crowd = 500
	// calm is how many people online are few enough again. It lies below crowd, so that a
	// number about it does not have the list sent every second.
	calm = 400
)

// Service keeps the sets of sockets. Its methods are safe for concurrent use and do not block.
type Service struct {
	publish wire.Publisher
	now     func() time.Time

	mu      sync.Mutex
	people  map[id.User]*person
	roster  roster
	online  int              // people who were online when it was last announced
	crowded bool             // changes are told to nobody but the person
	dirty   map[id.User]bool // who changed since the last announcement, and what was last announced of them
	timer   *time.Timer      // runs announce; nil while nothing has changed
	closed  bool
}

type person struct {
	sockets map[string]struct{}
	leaving *time.Timer // runs when the grace period ends; nil while a socket is connected
}

// New returns a service in which nobody is online. Close ends it.
func New(publish wire.Publisher, now func() time.Time) *Service {
	return &Service{
		publish: publish, now: now, people: make(map[id.User]*person), dirty: make(map[id.User]bool),
		roster: roster{at: make(map[id.User]int)},
	}
}

// Connected counts a socket, and returns what it hears first.
func (s *Service) Connected(who auth.Identity) []wire.Outgoing {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.people[who.User]
	if !known {
		p = &person{sockets: make(map[string]struct{})}
		s.people[who.User] = p
		s.change(who.User, false)
	}
	if p.leaving != nil {
		p.leaving.Stop()
		p.leaving = nil
	}
	p.sockets[who.Socket] = struct{}{}
	socket := wire.SocketRoom(who.Socket)
	count := wire.LoungeCount.To(socket, wire.OnlineCount{Count: len(s.people)})
	count.Volatile = false // a greeting is whole, and leaves in one piece
	return []wire.Outgoing{joined(who, true), count, wire.OnlineUsers.Encoded(socket, s.roster.seenBy(who.User))}
}

// Disconnected counts a socket out.
func (s *Service) Disconnected(who auth.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.people[who.User]
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
	if s.closed || s.people[u] != p || len(p.sockets) > 0 {
		return
	}
	delete(s.people, u)
	s.change(u, true)
}

// change notes that a person came or went; was says what they were before. The caller holds
// s.mu.
func (s *Service) change(u id.User, was bool) {
	if was {
		s.roster.remove(u)
	} else {
		s.roster.add(u)
	}
	if _, noted := s.dirty[u]; !noted {
		s.dirty[u] = was
	}
	if s.timer == nil && !s.closed {
		s.timer = time.AfterFunc(tick, s.announce)
	}
}

// announce tells who came and who went since the last time, and how many are online.
func (s *Service) announce() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	out := s.news()
	clear(s.dirty)
	s.timer = nil
	if len(s.people) != s.online {
		s.online = len(s.people)
		out = append(out, wire.LoungeCount.To(wire.Lounge, wire.OnlineCount{Count: s.online}))
	}
	s.mu.Unlock()
	s.publish.Publish(out...)
}

// news returns what is told of the changes: each of them to everybody, or the list where they
// are many or some were not told. In a crowd only the people themselves hear of their own. The
// caller holds s.mu.
func (s *Service) news() []wire.Outgoing {
	s.fill()
	wasCrowded := s.crowded
	s.crowded = len(s.people) >= crowd || wasCrowded && len(s.people) > calm
	var changed []id.User
	for u, was := range s.dirty {
		if _, is := s.people[u]; is != was {
			changed = append(changed, u)
		}
	}
	if !s.crowded && (wasCrowded || len(changed) > maxChanges) {
		list := wire.OnlineUsers.Encoded(wire.Lounge, s.roster.everyone())
		list.Volatile = true
		return []wire.Outgoing{list}
	}
	var out []wire.Outgoing
	for _, u := range changed {
		to := wire.Lounge
		if s.crowded {
			to = wire.UserRoom(u)
		}
		_, online := s.people[u]
		out = append(out, told(to, u, online)...)
	}
	return out
}

// fill puts people on the list in the place of those who went. The caller holds s.mu.
func (s *Service) fill() {
	for u := range s.people {
		if len(s.roster.listed) == min(len(s.people), maxListed) {
			return
		}
		s.roster.add(u)
	}
}

// told returns both families of events about one person.
func told(to wire.Room, u id.User, online bool) []wire.Outgoing {
	former := wire.UserOffline
	if online {
		former = wire.UserOnline
	}
	return []wire.Outgoing{
		wire.PresenceChanged.To(to, wire.PresenceUpdate{UserID: u, Online: online}),
		former.To(to, wire.UserRef{UserID: u}),
	}
}

// Close stops the timers. Nothing is announced any more.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	for _, p := range s.people {
		if p.leaving != nil {
			p.leaving.Stop()
		}
	}
}
