package socketio

import (
	"context"
	"slices"
	"sync"
)

// An Adapter knows which sockets of one namespace are in which rooms, and reaches them. The
// one that the server has is of this process. Another one, for several nodes, is put around it
// by Config.Adapter: it passes on what concerns sockets of this process, and tells the other
// nodes what concerns theirs. Its methods are safe for concurrent use.
type Adapter interface {
	// Enter and Exit tell of the sockets of this process, each once for a socket. They are
	// called on workers, without locks, and not from within another method; like handlers
	// they may wait, and a panic is logged.
	//
	// Enter comes before the adapter of this process knows the socket, and so before every
	// other call for it. Exit comes when its last handler has returned, before
	// Handler.Disconnected, or at once when the client went before it was admitted. The
	// adapter of this process knows the socket no more from the moment that it left, which is
	// earlier; what others do to it from then on does nothing.
	Enter(s *Socket)
	Exit(s *Socket)

	// Join and Leave change the rooms of a socket that is known; else they do nothing.
	Join(s *Socket, rooms []string)
	Leave(s *Socket, rooms []string)
	Rooms(s *Socket) []string // sorted
	In(s *Socket, room string) bool

	// Sockets and Count tell of this process.
	Sockets(to Target) []*Socket
	Count() int

	// The rest reaches the sockets of all nodes, as the methods of Namespace say. Only Ask
	// and IDs may wait.
	Broadcast(to Target, frames []Frame, volatile bool)
	Ask(ctx context.Context, to Target, f Frame) (answers map[string]Answer, missing []string)
	IDs(ctx context.Context, to Target) ([]string, error)
	JoinAll(to Target, rooms []string)
	LeaveAll(to Target, rooms []string)
	Disconnect(to Target, closing bool)
}

// A local is the adapter of this process. It never calls out while it holds its mutex, which
// also guards the rooms of every socket. A socket is in few rooms and a room is small or
// large, so both are slices that know their places in each other.
type local struct {
	space *Namespace

	mu    sync.RWMutex
	ids   map[string]*Socket
	rooms map[string]*room
}

type room struct {
	name    string
	members []*Socket
}

// A stay is one socket in one room.
type stay struct {
	room *room
	at   int // among the members
}

func newLocal(n *Namespace) *local {
	return &local{space: n, ids: make(map[string]*Socket), rooms: make(map[string]*room)}
}

// Enter implements Adapter. The engine has its own way in and out, because no socket that has
// left may be known.
func (l *local) Enter(*Socket) {}

// Exit implements Adapter.
func (l *local) Exit(*Socket) {}

// enter makes a new socket known.
func (l *local) enter(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids[s.id] = s
}

// exit takes a socket out of all rooms; it is in none from then on.
func (l *local) exit(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(s.rooms) > 0 {
		l.leave(s, len(s.rooms)-1)
	}
	s.rooms = nil
	delete(l.ids, s.id)
}

// Join implements Adapter.
func (l *local) Join(s *Socket, rooms []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids[s.id] != s {
		return
	}
	s.rooms = slices.Grow(s.rooms, len(rooms))
	for _, name := range rooms {
		if !s.in(name) {
			l.join(s, name)
		}
	}
}

func (l *local) join(s *Socket, name string) {
	r := l.rooms[name]
	if r == nil {
		r = &room{name: name}
		l.rooms[name] = r
	}
	s.rooms = append(s.rooms, stay{room: r, at: len(r.members)})
	r.members = append(r.members, s)
}

// Leave implements Adapter.
func (l *local) Leave(s *Socket, rooms []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range rooms {
		if i := slices.IndexFunc(s.rooms, func(st stay) bool { return st.room.name == name }); i >= 0 {
			l.leave(s, i)
		}
	}
}

// leave ends a stay. The last member of the room takes the place that becomes free.
func (l *local) leave(s *Socket, i int) {
	r, at := s.rooms[i].room, s.rooms[i].at
	last := len(r.members) - 1
	moved := r.members[last]
	moved.rooms[slices.Index(moved.rooms, stay{room: r, at: last})].at = at
	r.members[at] = moved
	r.members[last] = nil
	r.members = r.members[:last]
	s.rooms = slices.Delete(s.rooms, i, i+1)
	switch {
	case last == 0:
		delete(l.rooms, r.name)
	case cap(r.members) > 64 && last < cap(r.members)/4:
		r.members = slices.Clone(r.members)
	}
}

// in asks under the adapter's mutex.
func (s *Socket) in(name string) bool {
	return name == s.id || slices.ContainsFunc(s.rooms, func(st stay) bool { return st.room.name == name })
}

// Rooms implements Adapter.
func (l *local) Rooms(s *Socket) []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.ids[s.id] != s {
		return nil
	}
	names := []string{s.id}
	for _, st := range s.rooms {
		names = append(names, st.room.name)
	}
	slices.Sort(names)
	return names
}

// In implements Adapter.
func (l *local) In(s *Socket, room string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.ids[s.id] == s && s.in(room)
}

// Count implements Adapter.
func (l *local) Count() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.ids)
}

// Sockets implements Adapter.
func (l *local) Sockets(to Target) []*Socket { return l.appendSockets(nil, to) }

// appendSockets appends each of the named sockets once.
func (l *local) appendSockets(found []*Socket, to Target) []*Socket {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if to.All {
		for _, s := range l.ids {
			if !s.inOneOf(to.Except) {
				found = append(found, s)
			}
		}
		return found
	}
	for i, name := range to.Rooms {
		if s := l.ids[name]; s != nil && !s.inOneOf(to.Rooms[:i]) && !s.inOneOf(to.Except) {
			found = append(found, s)
		}
		r := l.rooms[name]
		switch {
		case r == nil:
		case i == 0 && len(to.Except) == 0:
			found = append(found, r.members...)
		default:
			for _, s := range r.members {
				if !s.inOneOf(to.Rooms[:i]) && !s.inOneOf(to.Except) {
					found = append(found, s)
				}
			}
		}
	}
	return found
}

// inOneOf asks under the adapter's mutex.
func (s *Socket) inOneOf(rooms []string) bool {
	for _, name := range rooms {
		if s.in(name) {
			return true
		}
	}
	return false
}

// audiences keeps the lists of those who were reached.
var audiences = sync.Pool{New: func() any { return new([]*Socket) }}

// Broadcast implements Adapter.
func (l *local) Broadcast(to Target, frames []Frame, volatile bool) {
	p := newParcel(frames, l.space.name, volatile)
	if len(p.messages) == 0 {
		return
	}
	audience := audiences.Get().(*[]*Socket)
	*audience = l.appendSockets((*audience)[:0], to)
	for _, s := range *audience {
		s.deliver(p)
	}
	clear(*audience)
	audiences.Put(audience)
}

// Ask implements Adapter.
func (l *local) Ask(ctx context.Context, to Target, f Frame) (answers map[string]Answer, missing []string) {
	if f.body == nil {
		return nil, nil
	}
	sockets := l.Sockets(to)
	q := &question{id: l.space.asks.Add(1), answers: make(chan given, len(sockets))}
	p := newQuestion(f, l.space.name, q.id)
	waiting := make(map[string]*Socket, len(sockets))
	for _, s := range sockets {
		if s.expect(q) {
			waiting[s.id] = s
			s.deliver(p)
		}
	}
	answers = make(map[string]Answer, len(waiting))
	take := func(g given) {
		delete(waiting, g.socket.id)
		if a, err := g.decode(); err == nil {
			answers[g.socket.id] = a
		} else {
			missing = append(missing, g.socket.id)
		}
	}
	for len(waiting) > 0 && ctx.Err() == nil {
		select {
		case g := <-q.answers:
			take(g)
		case <-ctx.Done():
		}
	}
	for id, s := range waiting {
		if s.release(q.id) != nil {
			delete(waiting, id)
			missing = append(missing, id)
		}
	}
	// Who was not waited for any more has answered already: it is in the channel, or about to
	// be.
	for len(waiting) > 0 {
		take(<-q.answers)
	}
	return answers, missing
}

// IDs implements Adapter.
func (l *local) IDs(_ context.Context, to Target) ([]string, error) {
	sockets := l.Sockets(to)
	ids := make([]string, len(sockets))
	for i, s := range sockets {
		ids[i] = s.id
	}
	return ids, nil
}

// JoinAll implements Adapter.
func (l *local) JoinAll(to Target, rooms []string) {
	for _, s := range l.Sockets(to) {
		s.Join(rooms...)
	}
}

// LeaveAll implements Adapter.
func (l *local) LeaveAll(to Target, rooms []string) {
	for _, s := range l.Sockets(to) {
		s.Leave(rooms...)
	}
}

// Disconnect implements Adapter.
func (l *local) Disconnect(to Target, closing bool) {
	for _, s := range l.Sockets(to) {
		if closing {
			s.Disconnect()
		} else {
			s.DisconnectNamespace()
		}
	}
}
