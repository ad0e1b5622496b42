package engineio

import (
	"sync"
	"time"
)

const (
	wheelSlots = 512
	minTick    = time.Millisecond
	maxTick    = 50 * time.Millisecond
)

// A wheel wakes sessions at their times, all with one goroutine that lives while there are
// any. A session stands in it once, and is woken up to one tick late; what is farther away
// than the wheel reaches is woken early, and has to enter again.
type wheel struct {
	server *Server
	tick   time.Duration

	mu    sync.Mutex
	slots [wheelSlots]*Session // heads of lists
	slot  int                  // the one whose time is base
	base  time.Duration
	count int
	stop  chan struct{} // of the goroutine; nil without one
}

// spoke is the place of a session in a wheel, which guards it.
type spoke struct {
	next, prev *Session
	slot       int32 // 1 and up; 0 when it is in none
}

// newWheel returns a wheel that is precise enough for a span.
func newWheel(s *Server, span time.Duration) *wheel {
	return &wheel{server: s, tick: min(max(span/64, minTick), maxTick)}
}

// set moves the waking of a session to a time.
func (w *wheel) set(s *Session, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
	if w.count == 0 {
		w.start()
	}
	ahead := int((at - w.base + w.tick - 1) / w.tick)
	i := (w.slot + min(max(ahead, 1), wheelSlots-1)) % wheelSlots
	s.spoke = spoke{next: w.slots[i], slot: int32(i) + 1}
	if s.spoke.next != nil {
		s.spoke.next.spoke.prev = s
	}
	w.slots[i] = s
	w.count++
}

// remove makes a session wake no more.
func (w *wheel) remove(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
	if w.count == 0 && w.stop != nil {
		close(w.stop)
		w.stop = nil
	}
}

func (w *wheel) unlink(s *Session) {
	p := s.spoke
	if p.slot == 0 {
		return
	}
	if p.prev != nil {
		p.prev.spoke.next = p.next
	} else {
		w.slots[p.slot-1] = p.next
	}
	if p.next != nil {
		p.next.spoke.prev = p.prev
	}
	s.spoke = spoke{}
	w.count--
}

// start begins to turn, if it does not yet. The caller holds w.mu.
func (w *wheel) start() {
	if w.stop != nil {
		return
	}
	w.base = w.server.now()
	w.stop = make(chan struct{})
	w.server.enter()
	go w.turn(w.stop)
}

func (w *wheel) turn(stop chan struct{}) {
	defer w.server.leave()
	ticker := time.NewTicker(w.tick)
	defer ticker.Stop()
	var due []*Session
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := w.server.now()
		due = w.advance(stop, now, due[:0])
		for i, s := range due {
			s.wake(now)
			due[i] = nil
		}
	}
}

// advance returns the sessions whose time has come, which are in the wheel no more.
func (w *wheel) advance(stop chan struct{}, now time.Duration, due []*Session) []*Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != stop {
		return due
	}
	for w.base+w.tick <= now {
		w.base += w.tick
		w.slot = (w.slot + 1) % wheelSlots
		for s := w.slots[w.slot]; s != nil; s = w.slots[w.slot] {
			w.unlink(s)
			due = append(due, s)
		}
	}
	return due
}
