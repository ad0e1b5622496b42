// Package typing tells people that somebody is writing to them. What it tells is worth nothing
// a moment later: nothing is stored, a socket that is too slow misses it, and whoever stops
// without saying so counts as having stopped after three seconds. It does not know how sockets
// work.
package typing

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

const (
	// lasts is how long a person counts as writing after they last said so.
	lasts = 3 * time.Second
	// pause is how often a group hears that somebody writes, be it still or again, at most.
	pause = time.Second
	// maxRooms bounds who hears of somebody writing at one time, all those who write counted
	// together. Beyond it nobody new is told of.
	maxRooms = 1 << 17
)

// People says who may write to whom.
type People interface {
	// MayWrite returns a fault where from may not write to to.
	MayWrite(ctx context.Context, from, to id.User) error
	// BlockedWith returns everybody whom u blocks or who blocks u. It is only looked at.
	BlockedWith(ctx context.Context, u id.User) (map[id.User]bool, error)
}

// Groups says who is in which group.
type Groups interface {
	// Members returns who is in a group, or a fault where u is not in it.
	Members(ctx context.Context, u id.User, g id.Group) ([]id.User, error)
}

// Options are what a service is made of. All are required.
type Options struct {
	Publish wire.Publisher
	People  People
	Groups  Groups
	Now     func() time.Time
}

// Service knows who is writing to whom. Its methods are safe for concurrent use.
type Service struct {
	publish wire.Publisher
	people  People
	groups  Groups
	now     func() time.Time

	stopping sync.WaitGroup // the timers that are set, or what they run

	mu     sync.Mutex
	shown  map[place]*writing
	rooms  int // that hear of all of shown
	closed bool
}

// A place is where somebody writes: to a person, or in a group.
type place struct {
	from  id.User
	to    id.User
	group id.Group // instead of to
}

// writing is somebody of whom others have heard that they are writing, or were a moment ago.
type writing struct {
	rooms  []wire.Room
	told   time.Time // when they were last told
	over   bool      // they have stopped, and a group has not heard anything for long enough to hear of it again
	timer  *time.Timer
	serial int // of the newest word; an older timer has nothing to say
}

// New returns a service in which nobody writes. Close ends it.
func New(o Options) *Service {
	return &Service{publish: o.Publish, people: o.People, groups: o.Groups, now: o.Now, shown: make(map[place]*writing)}
}

var errNobody = fault.Invalid("MISSING_RECIPIENT", "Recipient ID is required")

// Say tells a person, or the other members of a group, that the caller is writing or has
// stopped. Who may not be written to hears nothing, and nobody does across a block. It tells
// them itself: its outcome is empty.
func (s *Service) Say(ctx context.Context, who auth.Identity, in wire.Typed) (wire.Outcome[wire.None], error) {
	at := place{from: who.User, to: in.RecipientID, group: in.GroupChatID}
	if at.to.IsZero() == at.group.IsZero() {
		return wire.Outcome[wire.None]{}, errNobody
	}
	rooms, err := s.audience(ctx, at)
	if err != nil {
		return wire.Outcome[wire.None]{}, fmt.Errorf("typing: %w", err)
	}
	s.tell(at, rooms, in.IsTyping)
	return wire.Outcome[wire.None]{}, nil
}

// audience returns the rooms of those who may hear that somebody is writing. Notes to oneself
// are told to nobody.
func (s *Service) audience(ctx context.Context, at place) ([]wire.Room, error) {
	if at.group.IsZero() {
		if at.to == at.from {
			return nil, nil
		}
		if err := s.people.MayWrite(ctx, at.from, at.to); err != nil {
			return nil, err
		}
		return []wire.Room{wire.UserRoom(at.to)}, nil
	}
	members, err := s.groups.Members(ctx, at.from, at.group)
	if err != nil {
		return nil, err
	}
	blocked, err := s.people.BlockedWith(ctx, at.from)
	if err != nil {
		return nil, err
	}
	rooms := make([]wire.Room, 0, len(members))
	for _, u := range members {
		if u != at.from && !blocked[u] {
			rooms = append(rooms, wire.UserRoom(u))
		}
	}
	return rooms, nil
}

// tell publishes that somebody writes or has stopped, and sees to it that the former ends. What
// is published is in order, since it is under the lock: a publisher does not wait for anybody.
func (s *Service) tell(at place, rooms []wire.Room, typing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	w, now := s.shown[at], s.now()
	if !typing || len(rooms) == 0 {
		s.end(at, w, now)
		return
	}
	if w == nil {
		w = &writing{}
	} else if soon := !at.group.IsZero() && now.Sub(w.told) < pause; soon && w.over {
		return
	} else if soon && slices.Equal(w.rooms, rooms) {
		s.arm(at, w, lasts)
		return
	}
	if s.rooms-len(w.rooms)+len(rooms) > maxRooms {
		return
	}
	var out []wire.Outgoing
	if left := without(w.rooms, rooms); !w.over && len(left) > 0 {
		out = events(at, left, false)
	}
	s.rooms += len(rooms) - len(w.rooms)
	w.rooms, w.told, w.over = rooms, now, false
	s.shown[at] = w
	s.arm(at, w, lasts)
	s.publish.Publish(append(out, events(at, rooms, true)...)...)
}

// end tells those who heard that somebody writes that they have stopped; nobody where w is nil. In a
// group it is remembered until they may be told of again. The caller holds s.mu.
func (s *Service) end(at place, w *writing, now time.Time) {
	if w == nil || w.over {
		return
	}
	if rest := pause - now.Sub(w.told); !at.group.IsZero() && rest > 0 {
		w.over = true
		s.arm(at, w, rest)
	} else {
		s.forget(at, w)
	}
	s.publish.Publish(events(at, w.rooms, false)...)
}

// without returns those of rooms that are not among others.
func without(rooms, others []wire.Room) []wire.Room {
	if len(rooms) == 0 || slices.Equal(rooms, others) {
		return nil
	}
	among := make(map[wire.Room]bool, len(others))
	for _, r := range others {
		among[r] = true
	}
	return slices.DeleteFunc(slices.Clone(rooms), func(r wire.Room) bool { return among[r] })
}

// arm lets what somebody writes end by itself after a time. The caller holds s.mu.
func (s *Service) arm(at place, w *writing, after time.Duration) {
	w.serial++
	serial := w.serial
	s.disarm(w)
	s.stopping.Add(1)
	w.timer = time.AfterFunc(after, func() {
		defer s.stopping.Done()
		s.lapse(at, w, serial)
	})
}

// disarm stops the timer, unless it runs already. The caller holds s.mu.
func (s *Service) disarm(w *writing) {
	if w.timer != nil && w.timer.Stop() {
		s.stopping.Done()
	}
}

// lapse ends what nobody has said anything of since.
func (s *Service) lapse(at place, w *writing, serial int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.shown[at] != w || w.serial != serial {
		return
	}
	s.forget(at, w)
	if !w.over {
		s.publish.Publish(events(at, w.rooms, false)...)
	}
}

// forget makes w nothing that others have heard of. The caller holds s.mu.
func (s *Service) forget(at place, w *writing) {
	s.disarm(w)
	s.rooms -= len(w.rooms)
	delete(s.shown, at)
}

// events tell the rooms; a person by both of the names that clients listen to.
func events(at place, rooms []wire.Room, typing bool) []wire.Outgoing {
	if !at.group.IsZero() {
		out := wire.GroupTypingShown.To(rooms[0], wire.GroupTyping{GroupChatID: at.group, UserID: at.from, IsTyping: typing})
		out.Rooms = rooms
		return []wire.Outgoing{out}
	}
	word := wire.Typing{UserID: at.from, IsTyping: typing}
	return []wire.Outgoing{wire.TypingShown.To(rooms[0], word), wire.UserTypingShown.To(rooms[0], word)}
}

// Close ends every timer and returns when none runs any more. Nobody is told.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	for _, w := range s.shown {
		s.disarm(w)
	}
	clear(s.shown)
	s.mu.Unlock()
	s.stopping.Wait()
}
