package engineio

import (
	"runtime"
	"sync"
)

// flushers write what is queued for the sessions that are ready. They live while there are
// any, and are as many as Go uses processors.
type flushers struct {
	server *Server
	most   int

	mu      sync.Mutex
	ready   []*Session
	first   int // of ready; those before it are taken
	running int
}

const (
	// grab is how many sessions a flusher takes at once.
	grab = 16

	// spread is how many sessions have to be ready for each flusher that runs before another
	// one is started.
	spread = 64
)

func (f *flushers) init(s *Server) { f.server, f.most = s, runtime.GOMAXPROCS(0) }

// add makes a flusher come to a session, which is not gone: its caller holds its mutex, so
// that a flusher that is started is counted before the session may be gone.
func (f *flushers) add(s *Session) {
	f.mu.Lock()
	if len(f.ready) == cap(f.ready) && f.first > len(f.ready)/2 {
		// Under load it is never empty, and would grow for ever.
		n := copy(f.ready, f.ready[f.first:])
		clear(f.ready[n:])
		f.ready, f.first = f.ready[:n], 0
	}
	f.ready = append(f.ready, s)
	start := f.running < f.most && (f.running == 0 || len(f.ready)-f.first > f.running*spread)
	if start {
		f.running++
		f.server.enter()
		go f.run()
	}
	f.mu.Unlock()
}

func (f *flushers) run() {
	defer f.server.leave()
	var taken [grab]*Session
	for {
		n := f.take(taken[:])
		if n == 0 {
			return
		}
		for i, s := range taken[:n] {
			s.flush()
			taken[i] = nil
		}
	}
}

// take fills what it is given with sessions that are ready. When there are none the flusher
// has to end.
func (f *flushers) take(into []*Session) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := copy(into, f.ready[f.first:])
	clear(f.ready[f.first : f.first+n])
	f.first += n
	if f.first == len(f.ready) {
		f.ready, f.first = f.ready[:0], 0
	}
	if n == 0 {
		f.running--
	}
	return n
}

// flush writes what is queued, or the close frame when the session ends and nothing is.
func (s *Session) flush() {
	s.mu.Lock()
	s.ready = false
	if s.writing || s.socket == nil || s.cut {
		s.mu.Unlock()
		return
	}
	c, last := s.next()
	if c.b == nil {
		s.mu.Unlock()
		return
	}
	s.writing = true
	to := s.socket
	s.mu.Unlock()
	s.write(to, c, last)
}

// next returns what is to be written next, and whether nothing may follow. The caller holds
// s.mu.
func (s *Session) next() (c chunk, last bool) {
	c = s.queue.batch()
	if c.b == nil && s.ended.Load() && !s.parting {
		s.parting = true
		return chunk{b: closeFrame(s.code)}, true
	}
	return c, false
}

// write gives a chunk to the network, without waiting for it. The caller has set s.writing.
func (s *Session) write(to *socket, c chunk, last bool) {
	n, err := to.tryWrite(c.b)
	if err == nil && n < len(c.b) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.gone {
			c.free()
			return
		}
		s.queue.writing = len(c.b) - n
		s.server.enter()
		go s.drain(to, c, n, last)
		return
	}
	c.free()
	s.written(to, last, err)
}

// drain writes the rest of a chunk, and then what is queued, as fast as the network takes it.
func (s *Session) drain(to *socket, c chunk, n int, last bool) {
	defer s.server.leave()
	b := c.b[n:]
	var err error
	for {
		err = to.write(b, s.server.config.PingInterval+s.server.config.PingTimeout)
		c.free()
		s.mu.Lock()
		s.queue.writing = 0
		if err != nil || last {
			s.mu.Unlock()
			break
		}
		c, last = s.next()
		if c.b == nil {
			s.mu.Unlock()
			break
		}
		b = c.b
		s.queue.writing = len(b)
		s.mu.Unlock()
	}
	s.written(to, last, err)
}

// written ends a time of writing.
func (s *Session) written(to *socket, last bool, err error) {
	switch {
	case err != nil:
		s.end(ReasonTransportClose, NoStatus, cut)
		return
	case last:
		to.finish()
		return
	}
	s.mu.Lock()
	s.writing = false
	s.stirAndUnlock()
}
