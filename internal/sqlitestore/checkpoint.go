package sqlitestore

import (
	"database/sql/driver"
	"errors"
	"log/slog"
	"time"
)

const (
	// passiveFrames is how many new pages in the write-ahead log start a checkpoint beside the
	// writer; a page has 4 KiB.
	passiveFrames = 1_000
	// maxFrames is the length of the log, in pages, at which the writer is held up for the short
	// time that it takes to begin the log anew: under steady load it never would by itself.
	maxFrames = 8_000
	// commitsPerLook is after how many commits the length of the log is looked at.
	commitsPerLook = 32
	// checkpointPatience is how long a checkpoint that holds up the writer waits for reads that
	// began before it, in milliseconds; it is tried again later.
	checkpointPatience = "200"
	// quietCheckpoint is how often everything is moved into the database file and the log is
	// emptied, so that what was deleted does not stay in it.
	quietCheckpoint = time.Minute
)

// A checkpointer moves what was committed from the write-ahead log into the database file, on
// a goroutine and a connection of its own, so that no commit pays for it.
type checkpointer struct {
	conn       *conn
	log        *slog.Logger
	passiveAt  int64 // pages; see passiveFrames
	truncateAt int64 // pages; see maxFrames
	commits    int   // of the writer's goroutine

	wake    chan struct{}
	closing chan struct{}
	stopped chan struct{}
}

// newCheckpointer starts the goroutine, which owns c.
func newCheckpointer(c *conn, log *slog.Logger) *checkpointer {
	p := &checkpointer{
		conn: c, log: log, passiveAt: passiveFrames, truncateAt: maxFrames,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	go p.loop()
	return p
}

// committed is called by the writer after each commit. It does not block.
func (p *checkpointer) committed() {
	p.commits++
	if p.commits%commitsPerLook != 0 {
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// stop ends the goroutine and closes the connection.
func (p *checkpointer) stop() error {
	close(p.closing)
	<-p.stopped
	return p.conn.close()
}

func (p *checkpointer) loop() {
	defer close(p.stopped)
	quiet := time.NewTicker(quietCheckpoint)
	defer quiet.Stop()
	for {
		var err error
		select {
		case <-p.wake:
			err = p.look()
		case <-quiet.C:
			err = p.truncate()
		case <-p.closing:
			return
		}
		if err != nil {
			p.log.Error("checkpoint failed", "err", err)
		}
	}
}

// look checkpoints where enough has gathered.
func (p *checkpointer) look() error {
	w, err := p.run("PRAGMA wal_checkpoint(NOOP)")
	if err != nil || w.frames-w.moved < p.passiveAt {
		return err
	}
	if w, err = p.run("PRAGMA wal_checkpoint(PASSIVE)"); err != nil || w.frames < p.truncateAt {
		return err
	}
	_, err = p.run("PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// truncate moves everything and empties the log. Most is moved without holding up the writer.
func (p *checkpointer) truncate() error {
	w, err := p.run("PRAGMA wal_checkpoint(PASSIVE)")
	if err != nil || w.frames == 0 {
		return err
	}
	_, err = p.run("PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// walState is the write-ahead log: pages in it, and pages already moved.
type walState struct{ frames, moved int64 }

func (p *checkpointer) run(pragma string) (walState, error) {
	var w walState
	found, err := p.conn.one(func(row []driver.Value) {
		w = walState{integer(row[1]), integer(row[2])}
	}, pragma)
	if err == nil && !found {
		err = errors.New("the checkpoint answered nothing")
	}
	return w, err
}
