package socketio

import "sync"

// A pool runs the lines that have something to do, each worker one step at a time, so that
// no line keeps others waiting. Workers begin when there is work and end when there is none.
type pool struct {
	max int // workers at once

	mu      sync.Mutex
	workers int
	waiting []*line
	ended   sync.WaitGroup
}

// submit makes the pool take one step of l. It never blocks.
func (p *pool) submit(l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, l)
	if p.workers < p.max {
		p.workers++
		p.ended.Add(1)
		go p.work()
	}
}

func (p *pool) work() {
	defer p.ended.Done()
	finished := false
	defer func() {
		// A handler may have ended the goroutine under us; its place is taken again.
		if !finished {
			p.ended.Add(1)
			go p.work()
		}
	}()
	for l := p.next(); l != nil; l = p.next() {
		l.step()
	}
	finished = true
}

// next returns the line whose turn it is; nil means that the worker has to end.
func (p *pool) next() *line {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.waiting = nil
		p.workers--
		return nil
	}
	l := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	return l
}

// A job is one call of a handler.
type job struct {
	do    func()
	alone bool // begins only when nothing else of its line runs
	event bool // may be discarded while it waits
	size  int  // bytes it holds on to

	passed bool // the next may begin; guarded by the line's mutex
}

// A line runs the jobs of one transport in order, one at a time except where a job lets the
// next begin.
type line struct {
	pool     *pool
	maxJobs  int // that wait or run before the line is full
	maxBytes int // that they hold before the line is full
	changed  chan struct{}

	mu      sync.Mutex
	jobs    []*job // that wait
	running int
	bytes   int    // of jobs that wait or run
	held    bool   // with the pool, or with a job that has not let the next begin
	onIdle  func() // called once when nothing waits and nothing runs
}

func newLine(p *pool, jobs, bytes int) *line {
	return &line{pool: p, maxJobs: jobs, maxBytes: bytes, changed: make(chan struct{}, 1)}
}

// add appends a job. It never blocks; the reader asks full first.
func (l *line) add(j *job) {
	l.mu.Lock()
	l.jobs = append(l.jobs, j)
	l.bytes += j.size
	ready := l.take()
	l.mu.Unlock()
	if ready {
		l.pool.submit(l)
	}
}

// full reports whether a job of this size has to wait outside. A job that is larger than the
// bound passes when it is the only one.
func (l *line) full(size int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.jobs)+l.running >= l.maxJobs || l.bytes > 0 && l.bytes+size > l.maxBytes
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
	return len(l.jobs) > 0 && (!l.jobs[0].alone || l.running == 0)
}

// step runs the next job. A worker calls it.
func (l *line) step() {
	j := l.begin()
	if j == nil {
		l.settle()
		return
	}
	defer l.finish(j)
	j.do()
}

func (l *line) begin() *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	// What was to run may have been discarded since the line was submitted.
	if !l.ready() {
		l.held = false
		return nil
	}
	j := l.jobs[0]
	l.jobs[0] = nil
	l.jobs = l.jobs[1:]
	l.running++
	return j
}

func (l *line) finish(j *job) {
	l.mu.Lock()
	l.running--
	l.bytes -= j.size
	if !j.passed {
		j.passed = true
		l.held = false
	}
	l.mu.Unlock()
	l.settle()
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

// settle submits the line if it can go on, wakes whoever waits for a change, and says when
// the line is idle.
func (l *line) settle() {
	l.mu.Lock()
	ready := l.take()
	var idle func()
	if len(l.jobs) == 0 && l.running == 0 {
		idle, l.onIdle = l.onIdle, nil
	}
	l.mu.Unlock()
	if ready {
		l.pool.submit(l)
	}
	signal(l.changed)
	if idle != nil {
		idle()
	}
}

// discard forgets the events that wait. The caller adds a job or settles the line next.
func (l *line) discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.jobs[:0]
	for _, j := range l.jobs {
		if j.event {
			l.bytes -= j.size
		} else {
			kept = append(kept, j)
		}
	}
	clear(l.jobs[len(kept):])
	l.jobs = kept
}

// whenIdle calls f once when nothing waits and nothing runs, which may be now.
func (l *line) whenIdle(f func()) {
	l.mu.Lock()
	l.onIdle = f
	l.mu.Unlock()
	l.settle()
}

// wait returns when nothing waits and nothing runs. Only the owner of the line calls it.
func (l *line) wait() {
	for !l.idle() {
		<-l.changed
	}
}

func (l *line) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.jobs) == 0 && l.running == 0
}

// signal leaves a note in a channel of one place, where one is enough.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
