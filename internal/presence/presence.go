// Package presence knows who is online. A person is online while one of their sockets is
// connected, and for a grace period after the last has gone, so that a reload does not
// flicker. It knows neither how sockets work nor who may see whom.
package presence

import (
	"context"
	"slices"
	"sync"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

const (
	// grace is how long a person counts as online after their last socket has gone.
	grace = 5 * time.Second
	// tick is how long changes are collected before they are announced.
	tick = time.Second
	// maxListed is how many people online_users names.
	maxListed = 1_000
	// maxChanges is how many people are announced one by one; of more the list is sent, since
	// two events each would fill the queue of a slow socket.
	maxChanges = 100
)

// Service keeps the sets of sockets. Its methods are safe for concurrent use and do not block.
type Service struct {
	publish wire.Publisher
	now     func() time.Time

	mu     sync.Mutex
	people map[id.User]*person
	online int              // people who are online, the ones in their grace period included
	dirty  map[id.User]bool // who changed since the last announcement, and what was last announced of them
	list   []id.User        // for online_users; nil when it has to be made again
	timer  *time.Timer      // runs announce; nil while nothing has changed
	closed bool
}

type person struct {
	sockets map[string]struct{}
	leaving *time.Timer // runs when the grace period ends; nil while a socket is connected
}

// New returns a service in which nobody is online. Close ends it.
func New(publish wire.Publisher, now func() time.Time) *Service {
	return &Service{publish: publish, now: now, people: make(map[id.User]*person), dirty: make(map[id.User]bool)}
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
	here := wire.SocketRoom(who.Socket)
	return []wire.Outgoing{
		joined(who, true), wire.LoungeCount.To(here, wire.OnlineCount{Count: len(s.people)}), wire.OnlineUsers.To(here, s.listed()),
	}
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
	s.list = nil
	if _, noted := s.dirty[u]; !noted {
		s.dirty[u] = was
	}
	if s.timer == nil && !s.closed {
		s.timer = time.AfterFunc(tick, s.announce)
	}
}

// announce tells everybody who came and who went since the last time.
func (s *Service) announce() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	out := s.changes()
	clear(s.dirty)
	s.timer = nil
	if len(s.people) != s.online {
		s.online = len(s.people)
		out = append(out, wire.LoungeCount.To(wire.Lounge, wire.OnlineCount{Count: s.online}))
	}
	s.mu.Unlock()
	s.publish.Publish(out...)
}

// changes tells who came and went, or, where that would be a flood, who is there. The caller
// holds s.mu.
func (s *Service) changes() []wire.Outgoing {
	if len(s.dirty) > maxChanges {
		return []wire.Outgoing{wire.OnlineUsers.To(wire.Lounge, s.listed())}
	}
	var out []wire.Outgoing
	for u, was := range s.dirty {
		if _, is := s.people[u]; is != was {
			out = append(out, told(u, is)...)
		}
	}
	return out
}

// told returns both families of events about one person.
func told(u id.User, online bool) []wire.Outgoing {
	former := wire.UserOffline
	if online {
		former = wire.UserOnline
	}
	return []wire.Outgoing{
		wire.PresenceChanged.To(wire.Lounge, wire.PresenceUpdate{UserID: u, Online: online}),
		former.To(wire.Lounge, wire.UserRef{UserID: u}),
	}
}

// listed returns who is online, at most 1,000. The caller holds s.mu and does not change it.
func (s *Service) listed() []id.User {
	if s.list != nil {
		return s.list
	}
	s.list = make([]id.User, 0, min(len(s.people), maxListed))
	for u := range s.people {
		if len(s.list) == maxListed {
			break
		}
		s.list = append(s.list, u)
	}
	slices.SortFunc(s.list, id.User.Compare)
	return s.list
}

// Online answers get_online_users: the list, and room:joined for clients that forgot.
func (s *Service) Online(_ context.Context, who auth.Identity, _ wire.Raw) (wire.Outcome[wire.None], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wire.Outcome[wire.None]{Before: []wire.Outgoing{
		wire.OnlineUsers.To(wire.SocketRoom(who.Socket), s.listed()),
		joined(who, false),
	}}, nil
}

var errNotYourRoom = fault.Forbidden("INVALID_ROOM", "Invalid user ID or room")

// Join answers join: a socket is in the room of its user from the start, and in no other
// person's ever.
func (s *Service) Join(_ context.Context, who auth.Identity, in wire.JoinRoom) (wire.Outcome[wire.None], error) {
	own := who.User.String()
	if in.UserID != own && in.Room != string(wire.UserRoom(who.User)) {
		return wire.Outcome[wire.None]{}, errNotYourRoom
	}
	return wire.Outcome[wire.None]{Before: []wire.Outgoing{joined(who, false)}}, nil
}

func joined(who auth.Identity, auto bool) wire.Outgoing {
	return wire.RoomJoinedEvent.To(wire.SocketRoom(who.Socket), wire.RoomJoined{
		Room: wire.UserRoom(who.User), UserID: who.User, SocketID: who.Socket, AutoJoined: auto,
	})
}

// Ping answers ping.
func (s *Service) Ping(_ context.Context, who auth.Identity, _ wire.Raw) (wire.Outcome[wire.Pong], error) {
	return wire.Outcome[wire.Pong]{Reply: wire.Pong{Status: "ok", UserID: who.User, Timestamp: s.now().UnixMilli()}}, nil
}

// Echo answers echo.
func (s *Service) Echo(_ context.Context, who auth.Identity, in wire.Raw) (wire.Outcome[wire.Echo], error) {
	if in == nil {
		in = wire.Raw("null")
	}
	return wire.Outcome[wire.Echo]{Reply: wire.Echo{Echo: in, Timestamp: s.now().UnixMilli(), UserID: who.User}}, nil
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
