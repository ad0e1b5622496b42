package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
)

// maxGroup is how many bytes share a write and a sync, as a rule.
const maxGroup = 1 << 20

// A segment is one file of the journal.
type segment struct {
	path    string
	last    Position // of its records; 0 where it has none
	size    int64    // bytes that are durable
	damaged bool

	// Only of the newest one.
	file   file
	seed   seed
	proven span // of the one before it
}

// discard removes the file; a damaged one is kept under another name.
func (s *segment) discard(d disk) error {
	if s.damaged {
		return d.rename(s.path, s.path+damaged)
	}
	return d.remove(s.path)
}

// A writer is the one goroutine that touches the files.
type writer struct {
	options Options
	disk    disk
	cursor  *cursor

	signal  chan struct{}
	closing chan struct{}
	stopped chan struct{}

	// The goroutine's own.
	segments []*segment // full, or found when the journal was opened; oldest first
	newest   *segment   // nil: the next record begins one
	number   uint64     // of the newest segment so far
	last     Position   // of the last durable record
	proven   span       // of the newest segment so far
}

func newWriter(o Options, d disk, f *found) *writer {
	w := &writer{
		options: o, disk: d, cursor: f.cursor,
		signal: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{}),
		segments: f.segments, number: f.number, last: f.last, proven: f.proven,
	}
	w.removeDone()
	return w
}

// wake makes the goroutine look for work. It does not block.
func (w *writer) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// loop writes what is enqueued and marks what is done until the journal is closed.
func (j *Journal) loop() {
	defer close(j.writer.stopped)
	for {
		select {
		case <-j.writer.signal:
			// Those who were just answered are about to come back: a moment for them makes one
			// full group where there would be a small one and a large one.
			runtime.Gosched()
			j.work()
		case <-j.writer.closing:
			j.work()
			return
		}
	}
}

// work does what there is to do.
func (j *Journal) work() {
	for {
		group, marks := j.take()
		if len(group) == 0 && len(marks) == 0 {
			return
		}
		if len(group) > 0 {
			j.write(group)
		}
		for _, m := range marks {
			m.done <- j.mark(m.upTo)
		}
	}
}

// take takes a group and the marks that wait.
func (j *Journal) take() (group []*Entry, marks []mark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, size := 0, 0
	for n < len(j.pending) && (n == 0 || size < maxGroup) {
		size += recordSize(len(j.pending[n].payload))
		n++
	}
	group, j.pending = j.pending[:n:n], j.pending[n:]
	if len(j.pending) == 0 {
		j.pending = nil
	}
	marks, j.marks = j.marks, nil
	return group, marks
}

// write makes a group durable and answers it.
func (j *Journal) write(group []*Entry) {
	first := j.writer.last + 1
	err := j.writer.write(group)
	j.mu.Lock()
	for i, e := range group {
		if err != nil {
			e.err = fmt.Errorf("write to the journal: %w", err)
			j.bounds.drop(len(e.payload))
			continue
		}
		e.position = first + Position(i)
		j.bounds.settle(e.position, len(e.payload))
	}
	j.mu.Unlock()
	for _, e := range group {
		close(e.done)
	}
}

// mark notes what is done.
func (j *Journal) mark(upTo Position) error {
	if err := j.writer.done(upTo); err != nil {
		return fmt.Errorf("mark records of the journal as done: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bounds.done(upTo)
	return nil
}

// write appends a group to the newest segment and syncs it. After an error nothing more is
// written to that segment: what a failed sync left on disk is not known, and a later sync
// that succeeds does not tell.
func (w *writer) write(group []*Entry) error {
	if w.newest == nil {
		if err := w.begin(); err != nil {
			return fmt.Errorf("begin a segment: %w", err)
		}
	}
	s := w.newest
	var b []byte
	for i, e := range group {
		b = s.seed.appendRecord(b, w.last+1+Position(i), w.last, e.payload)
	}
	_, err := s.file.WriteAt(b, s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return errors.Join(err, w.spoil())
	}
	s.size += int64(len(b))
	w.last += Position(len(group))
	s.last = w.last
	if s.size >= w.options.SegmentBytes {
		w.finish()
	}
	return nil
}

// begin begins a segment. It is durable when it returns, its name too.
func (w *writer) begin() error {
	h := header{number: w.number + 1, tag: w.options.Tag, prior: w.last, proven: w.proven}
	path := filepath.Join(w.options.Dir, segmentName(h.number))
	w.number++ // also where it fails: the name may be taken
	f, err := createDurably(w.disk, path, h.encode())
	if err != nil {
		return err
	}
	w.newest = &segment{path: path, size: headerLength, file: f, seed: seedOf(h.number, h.tag), proven: h.proven}
	w.proven = span{w.last + 1, w.last}
	return nil
}

// finish ends the newest segment. Everything in it is durable, so an error of closing it says
// nothing.
func (w *writer) finish() {
	s := w.newest
	w.newest = nil
	w.proven.to = w.last
	_ = s.file.Close()
	s.file = nil
	w.segments = append(w.segments, s)
}

// spoil gives the newest segment up. What was not acknowledged is cut off, so that it makes
// room; where that fails, the next segment says that it does not count.
func (w *writer) spoil() error {
	s := w.newest
	err := s.file.Truncate(s.size)
	w.finish()
	if s.last > 0 {
		return err
	}
	w.segments = w.segments[:len(w.segments)-1]
	w.proven = s.proven
	return errors.Join(err, s.discard(w.disk))
}

// done moves the cursor and removes the segments in which everything is done.
func (w *writer) done(upTo Position) error {
	if upTo > w.last {
		return fmt.Errorf("position %d is beyond the last, %d", upTo, w.last)
	}
	if upTo <= w.cursor.upTo() {
		return nil
	}
	if err := w.cursor.move(upTo); err != nil {
		return err
	}
	if upTo == w.last && w.newest != nil {
		w.finish()
	}
	w.removeDone()
	return nil
}

// removeDone removes segments. One that cannot be removed is tried again later: the cursor
// says that it is done.
func (w *writer) removeDone() {
	for len(w.segments) > 0 && w.segments[0].last <= w.cursor.upTo() {
		if w.segments[0].discard(w.disk) != nil {
			return
		}
		w.segments = w.segments[1:]
	}
}

// close closes the files.
func (w *writer) close() error {
	err := w.cursor.file.Close()
	if w.newest != nil {
		err = errors.Join(err, w.newest.file.Close())
	}
	return err
}
