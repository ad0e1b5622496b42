package socketio

import (
	"maps"
	"slices"
	"sync"
)

// A hub knows which admitted sockets are in which rooms. It never calls out while it holds
// its mutex, which also guards the rooms of every socket.
type hub struct {
	mu      sync.RWMutex
	sockets map[*Socket]struct{}
	rooms   map[string]map[*Socket]struct{}
}

func newHub() *hub {
	return &hub{sockets: make(map[*Socket]struct{}), rooms: make(map[string]map[*Socket]struct{})}
}

// add takes a new socket in and puts it into its own room.
func (h *hub) add(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sockets[s] = struct{}{}
	s.rooms = make(map[string]struct{}, 2)
	h.join(s, s.id)
}

// remove takes the socket out of all rooms; it is in none from then on.
func (h *hub) remove(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for room := range s.rooms {
		h.leave(s, room)
	}
	s.rooms = nil
	delete(h.sockets, s)
}

func (h *hub) joinAll(s *Socket, rooms []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.rooms == nil {
		return
	}
	for _, room := range rooms {
		h.join(s, room)
	}
}

func (h *hub) leaveAll(s *Socket, rooms []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, room := range rooms {
		if _, in := s.rooms[room]; in {
			h.leave(s, room)
		}
	}
}

func (h *hub) join(s *Socket, room string) {
	members := h.rooms[room]
	if members == nil {
		members = make(map[*Socket]struct{}, 1)
		h.rooms[room] = members
	}
	members[s] = struct{}{}
	s.rooms[room] = struct{}{}
}

func (h *hub) leave(s *Socket, room string) {
	delete(s.rooms, room)
	delete(h.rooms[room], s)
	if len(h.rooms[room]) == 0 {
		delete(h.rooms, room)
	}
}

func (h *hub) roomsOf(s *Socket) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.rooms))
}

func (h *hub) in(s *Socket, room string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	_, in := s.rooms[room]
	return in
}

func (h *hub) count() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.sockets)
}

// members returns each socket that is in one of the rooms and in none of the excepted ones,
// once.
func (h *hub) members(rooms, except []string) []*Socket {
	h.mu.RLock()
	defer h.mu.RUnlock()
	size := 0
	for _, room := range rooms {
		size += len(h.rooms[room])
	}
	if size == 0 {
		return nil
	}
	found := make([]*Socket, 0, size)
	for i, room := range rooms {
		for s := range h.rooms[room] {
			if !s.inOneOf(rooms[:i]) && !s.inOneOf(except) {
				found = append(found, s)
			}
		}
	}
	return found
}

// inOneOf asks under the hub's mutex.
func (s *Socket) inOneOf(rooms []string) bool {
	for _, room := range rooms {
		if _, in := s.rooms[room]; in {
			return true
		}
	}
	return false
}
