// Package journal is a durable queue in a folder: records are appended at its end, are on
// disk before their append returns, and stay until they are marked as done. It knows nothing
// of what is in the records; who must not be read on disk seals them.
//
// The folder holds segments of bounded size, which are only written at their end, and a
// cursor up to which everything is done. Those who append at once share one write and one
// sync. Segments in which everything is done are removed.
package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"pryde/internal/filelock"
)

// MaxPayload is the longest record, in bytes.
const MaxPayload = 1 << 20

// The bounds of a journal for which nothing else is said.
const (
	DefaultMaxBytes     = 128 << 20
	DefaultMaxRecords   = 250_000
	DefaultSegmentBytes = 8 << 20
)

// A Position is the place of a record in a journal. Positions grow; 0 stands before the first.
type Position uint64

// A Tag says what a journal belongs to.
type Tag [8]byte

// What goes wrong with a journal, besides the errors of the disk.
var (
	// ErrFull means that the records that wait have reached the bounds.
	ErrFull = errors.New("the journal is full")
	// ErrClosed means that the journal was closed.
	ErrClosed = errors.New("the journal is closed")
	// ErrTooLong means that a record has more than MaxPayload bytes.
	ErrTooLong = errors.New("the record is too long")
	// ErrForeign means that the folder holds the journal of something else.
	ErrForeign = errors.New("the journal belongs to something else")
)

// Options are what a journal is made of. Zero bounds are the defaults.
type Options struct {
	Dir          string
	Tag          Tag
	MaxBytes     int64 // of records that are not done
	MaxRecords   int   // that are not done
	SegmentBytes int64 // after which the next segment begins
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxRecords <= 0 {
		o.MaxRecords = DefaultMaxRecords
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	return o
}

// A Record is a record as it was found when the journal was opened.
type Record struct {
	Position Position
	Payload  []byte
}

// A Loss is a run of records that were durable and cannot be read any more. What lies behind
// them is kept. A segment with a loss is never removed but renamed to end in ".damaged".
type Loss struct {
	Segment  string // the name of the file in which they were, or the one behind it where that is gone
	From, To Position
}

// A Journal is an open journal. Its methods are safe for concurrent use.
type Journal struct {
	writer    *writer
	lock      *filelock.Lock
	recovered []Record
	losses    []Loss

	mu      sync.Mutex
	closed  bool
	bounds  bounds
	pending []*Entry
	marks   []mark
}

// Open opens the journal in a folder, or makes it there. What was being written when the
// last process ended, and was never durable, is cut off. One journal at a time can have a
// folder open. Close must be called.
func Open(o Options) (*Journal, error) { return open(o, osDisk{}) }

func open(o Options, d disk) (_ *Journal, err error) {
	o = o.withDefaults()
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	if err := ensureFolder(o.Dir, d); err != nil {
		return nil, fmt.Errorf("open the journal in %s: %w", o.Dir, err)
	}
	lock, err := filelock.Folder(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the journal in %s: %w", o.Dir, err)
	}
	found, err := recoverFolder(o, d)
	if err != nil {
		return nil, fmt.Errorf("open the journal in %s: %w", o.Dir, errors.Join(err, lock.Release()))
	}
	j := &Journal{
		lock: lock, recovered: found.records, losses: found.losses,
		bounds: bounds{maxBytes: o.MaxBytes, maxRecords: o.MaxRecords},
	}
	for _, r := range found.records {
		j.bounds.add(r.Position, len(r.Payload))
	}
	j.writer = newWriter(o, d, found)
	go j.loop()
	return j, nil
}

// Recovered returns the records that were not done when the journal was opened, in order. It
// hands them over: a second call returns none.
func (j *Journal) Recovered() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.recovered
	j.recovered = nil
	return r
}

// Losses returns what was found to be damaged when the journal was opened.
func (j *Journal) Losses() []Loss { return j.losses }

// Waiting returns how many records are not done, those that are being written included, and
// how many bytes they take on disk.
func (j *Journal) Waiting() (records int, bytes int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bounds.records, j.bounds.bytes
}

// An Entry is a record on its way to the disk.
type Entry struct {
	payload  []byte
	done     chan struct{} // closed when the fields below are final
	position Position
	err      error
}

// Wait returns the position of the record once it is durable, or why it will never be: a
// record that could not be made durable does not come back.
func (e *Entry) Wait() (Position, error) {
	<-e.done
	return e.position, e.err
}

// Enqueue puts a record behind those that were enqueued before. It does not wait for the
// disk, so it may be called under a lock. The payload must not be changed afterwards. Its
// errors are ErrFull, ErrTooLong and ErrClosed.
func (j *Journal) Enqueue(payload []byte) (*Entry, error) {
	if len(payload) > MaxPayload {
		return nil, ErrTooLong
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, ErrClosed
	}
	if !j.bounds.admit(len(payload)) {
		return nil, ErrFull
	}
	e := &Entry{payload: payload, done: make(chan struct{})}
	j.pending = append(j.pending, e)
	j.writer.wake()
	return e, nil
}

// Append is Enqueue and Wait.
func (j *Journal) Append(payload []byte) (Position, error) {
	e, err := j.Enqueue(payload)
	if err != nil {
		return 0, err
	}
	return e.Wait()
}

// A mark is a wish to note that everything up to a position is done.
type mark struct {
	upTo Position
	done chan error
}

// Done notes durably that every record up to a position is done, and makes room. It changes
// nothing where that was known. An error leaves the records waiting; they may be marked again.
func (j *Journal) Done(upTo Position) error {
	m := mark{upTo, make(chan error, 1)}
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	j.marks = append(j.marks, m)
	j.writer.wake()
	j.mu.Unlock()
	return <-m.done
}

// Close writes what is enqueued and ends the journal. It must be called once.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	close(j.writer.closing)
	<-j.writer.stopped
	return errors.Join(j.writer.close(), j.lock.Release())
}
