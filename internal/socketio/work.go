package socketio

import (
	"runtime"
	"sync"
)

// maxParked is the number of workers that wait for work when there is none. Their stacks have
// grown already, which new ones would have to do again for every event.
const maxParked = 4

// A pool runs the lines that have something to do, each worker one step at a time, so that
// no line keeps others waiting. Workers begin when there is work; all but a few end when
// there is none.
//
// Who brings work calls one worker at most, and a worker that finds more than it takes calls the
// next one before it begins. So handlers that do not wait are run by few workers, which need not
// be started for each event, and those that wait hold nobody up.
type pool struct {
	max      int // workers at once
	maxJobs  int // of one line that wait or run before it is full
	maxBytes int // that they hold before it is full

	mu          sync.Mutex
	work        sync.Cond // on mu; a worker is called, or the pool has closed
	workers     int
	parked      int
	called      int   // workers that have been called and have not come yet
	first, last *line // that wait
	closed      bool
	ended       sync.WaitGroup
}

func newPool(workers, jobs, bytes int) *pool {
	p := &pool{max: workers, maxJobs: jobs, maxBytes: bytes}
	p.work.L = &p.mu
	return p
}

// submit makes the pool take one step of l, which does not wait yet. It never blocks.
func (p *pool) submit(l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.first = l
	} else {
		p.last.next = l
	}
	p.last = l
	p.call()
}

// call makes a worker come, if there is one and none is on its way. The caller holds p.mu.
func (p *pool) call() {
	switch {
	case p.called > 0:
	case p.parked > 0:
		p.parked--
		p.called++
		p.work.Signal()
	case p.workers < p.max:
		p.workers++
		p.called++
		p.ended.Add(1)
		go p.run()
	}
}

// close ends the workers once nothing waits. No line may come later.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.called += p.parked
	p.parked = 0
	p.work.Broadcast()
}

func (p *pool) run() {
	defer p.ended.Done()
	finished := false
	defer func() {
		// A handler may have ended the goroutine under us; its place is taken again.
		if !finished {
			p.mu.Lock()
			p.called++
			p.mu.Unlock()
			p.ended.Add(1)
			go p.run()
		}
	}()
	p.mu.Lock()
	p.come()
	p.mu.Unlock()
	for l := p.next(); l != nil; l = p.next() {
		l.step()
	}
	finished = true
}

// come is the way of a worker that has been called. It lets those go first who can run already:
// they may bring work as well, for which nobody has to be called then. The caller holds p.mu.
func (p *pool) come() {
	p.mu.Unlock()
	runtime.Gosched()
	p.mu.Lock()
	p.called--
}

// next returns the line whose turn it is; nil means that the worker has to end.
func (p *pool) next() *line {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.first == nil {
		if p.closed || p.parked == maxParked {
			p.workers--
			return nil
		}
		p.parked++
		p.work.Wait()
		p.come()
	}
	l := p.first
	p.first, l.next = l.next, nil
	if p.first == nil {
		p.last = nil
	} else {
		p.call()
	}
	return l
}

// A task is what a job does.
type task interface{ run() }

// doing makes a function a task.
type doing func()

func (f doing) run() { f() }

// A job is one call of a handler.
type job struct {
	task
	alone bool // begins only when nothing else of its line runs
	event bool // may be discarded while it waits
	size  int  // bytes it holds on to

	// Guarded by the line's mutex.
	passed bool // the next may begin
	next   *job
}

// A line runs the jobs of one seat in order, one at a time except where a job lets the next
// begin.
type line struct {
	pool *pool
	next *line // in the pool

	mu          sync.Mutex
	first, last *job // that wait
	jobs        int  // that wait or run
	running     int
	bytes       int           // of jobs that wait or run
	held        bool          // with the pool, or with a job that has not let the next begin
	stopped     bool          // nobody waits for room any more
	room        chan struct{} // closed when there may be room; nil when nobody waits
	onIdle      []func()      // called once when nothing waits and nothing runs
}

// add appends a job. It never blocks; an event is offered.
func (l *line) add(j *job) {
	l.mu.Lock()
	ready := l.append(j)
	l.mu.Unlock()
	if ready {
		l.pool.submit(l)
	}
}

// offer appends a job if it fits, or the line has been stopped, and returns nil; else it returns a
// channel that is closed when to offer it again. A job that is larger than the bound fits when it
// is the only one.
func (l *line) offer(j *job) <-chan struct{} {
	l.mu.Lock()
	if !l.stopped && l.full(j.size) {
		defer l.mu.Unlock()
		if l.room == nil {
			l.room = make(chan struct{})
		}
		return l.room
	}
	ready := l.append(j)
	l.mu.Unlock()
	if ready {
		l.pool.submit(l)
	}
	return nil
}

// append reports whether the line has to be submitted now. The caller holds l.mu.
func (l *line) append(j *job) bool {
	if l.last == nil {
		l.first = j
	} else {
		l.last.next = j
	}
	l.last = j
	l.jobs++
	l.bytes += j.size
	return l.take()
}

func (l *line) full(size int) bool {
	return l.jobs >= l.pool.maxJobs || l.bytes > 0 && l.bytes+size > l.pool.maxBytes
}

// stop makes nobody wait for room any more.
func (l *line) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.tellRoom()
}

func (l *line) tellRoom() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// take holds the line when its next job can begin; the caller then submits the line. The
// caller holds l.mu.
func (l *line) take() bool {
	if l.held || !l.ready() {
		return false
	}
	l.held = true
	return true
}

func (l *line) ready() bool {
	return l.first != nil && (!l.first.alone || l.running == 0)
}

// step runs the next job. A worker calls it.
func (l *line) step() {
	j := l.begin()
	if j == nil {
		l.settle()
		return
	}
	defer l.finish(j)
	j.run()
}

func (l *line) begin() *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	// What was to run may have been discarded since the line was submitted.
	if !l.ready() {
		l.held = false
		return nil
	}
	j := l.first
	l.first, j.next = j.next, nil
	if l.first == nil {
		l.last = nil
	}
	l.running++
	return j
}

func (l *line) finish(j *job) {
	l.mu.Lock()
	l.running--
	l.jobs--
	l.bytes -= j.size
	if !j.passed {
		j.passed = true
		l.held = false
	}
	l.settleAndUnlock()
}

// pass lets the job after j begin although j runs.
func (l *line) pass(j *job) {
	l.mu.Lock()
	first := !j.passed
	if first {
		j.passed = true
		l.held = false
	}
	l.mu.Unlock()
	if first {
		l.settle()
	}
}

// settle submits the line if it can go on, wakes who waits for room, and says when the line
// is idle.
func (l *line) settle() {
	l.mu.Lock()
	l.settleAndUnlock()
}

func (l *line) settleAndUnlock() {
	ready := l.take()
	l.tellRoom()
	var idle []func()
	if l.jobs == 0 {
		idle, l.onIdle = l.onIdle, nil
	}
	l.mu.Unlock()
	if ready {
		l.pool.submit(l)
	}
	for _, f := range idle {
		f()
	}
}

// discard forgets the events that wait. The caller adds a job or settles the line next.
func (l *line) discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.first
	l.first, l.last = nil, nil
	for waiting != nil {
		j := waiting
		waiting, j.next = j.next, nil
		switch {
		case j.event:
			l.jobs--
			l.bytes -= j.size
		case l.last == nil:
			l.first, l.last = j, j
		default:
			l.last.next = j
			l.last = j
		}
	}
}

// whenIdle calls f once when nothing waits and nothing runs, which may be now.
func (l *line) whenIdle(f func()) {
	l.mu.Lock()
	l.onIdle = append(l.onIdle, f)
	l.mu.Unlock()
	l.settle()
}
