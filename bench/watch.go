package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A watcher counts how often a file was found changed.
type watcher struct {
	path    string
	looks   int
	changes int
	end     chan struct{}
	ended   chan struct{}
}

// watchFile looks twice a second at the file with this name below a folder. The database file
// itself changes in a checkpoint only; everything else goes to the log beside it.
func watchFile(dir, file string) *watcher {
	w := &watcher{end: make(chan struct{}), ended: make(chan struct{})}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == file {
			w.path = path
		}
		return nil
	})
	go w.look()
	return w
}

func (w *watcher) look() {
	defer close(w.ended)
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	last := changed(w.path)
	for {
		select {
		case <-w.end:
			return
		case <-tick.C:
		}
		w.looks++
		if now := changed(w.path); now != last {
			w.changes++
			last = now
		}
	}
}

// stop ends the watch and returns how many looks found the file changed.
func (w *watcher) stop() int {
	close(w.end)
	<-w.ended
	return w.changes
}

// changed returns when a file was last written, the zero time where it is not there.
func changed(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
