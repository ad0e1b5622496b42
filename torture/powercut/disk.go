package powercut

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	pageSize   = 4096
	sectorSize = 512
	// capacity bounds what all files hold together, in bytes.
	capacity = 1 << 30
	// maxUnsynced bounds the changes of names that wait for a directory sync. A process that
	// never syncs gets them written for it, oldest first, as a kernel would.
	maxUnsynced = 1 << 16
)

// A file is a regular file or a directory. Of each it knows two states: the live one, which
// processes see, and the one that is on the disk for sure.
type file struct {
	ino     uint64
	mode    uint32 // with its type; a change of the permissions is on the disk at once
	changed time.Time
	unnamed bool // removed or replaced; processes may still have it open

	// Of a regular file.
	live, synced []byte
	dirty        map[int]struct{} // pages in which live and synced may differ

	// Of a directory.
	names, durable map[string]*file
}

func (f *file) isDir() bool { return f.names != nil }

// touch notes that the bytes from one offset up to another changed.
func (f *file) touch(from, to int) {
	for p := from / pageSize; p*pageSize < to; p++ {
		f.dirty[p] = struct{}{}
	}
}

// resize sets the length of b; what is new is zero.
func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return b[:n]
	}
	return append(b, make([]byte, n-len(b))...)
}

// A naming is one name of a directory that got another file, or none.
type naming struct {
	dir  *file
	name string
	to   *file
}

// A change is what one operation did to names; the disk keeps all of it or nothing.
type change []naming

func (c change) touches(dirs map[*file]bool) bool {
	return slices.ContainsFunc(c, func(n naming) bool { return dirs[n.dir] })
}

func (c change) settle() {
	for _, n := range c {
		if n.to == nil {
			delete(n.dir.durable, n.name)
		} else {
			n.dir.durable[n.name] = n.to
		}
	}
}

// A disk holds a tree of files. Its methods are safe for concurrent use; all but restore
// fail with EIO once the power is cut.
type disk struct {
	mu      sync.Mutex
	random  *rand.Rand // only restore draws from it
	root    *file
	lastIno uint64
	used    int      // bytes of all live files that have a name
	log     []change // that no directory sync has settled, oldest first
	dead    chan struct{}
}

func newDisk(seed uint64) *disk {
	d := &disk{random: rand.New(rand.NewPCG(seed, 0)), dead: make(chan struct{})}
	d.root = d.newFile(syscall.S_IFDIR | 0o755)
	return d
}

func (d *disk) newFile(mode uint32) *file {
	d.lastIno++
	f := &file{ino: d.lastIno, mode: mode, changed: time.Now()}
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		f.names, f.durable = map[string]*file{}, map[string]*file{}
	} else {
		f.dirty = map[int]struct{}{}
	}
	return f
}

func (d *disk) off() bool {
	select {
	case <-d.dead:
		return true
	default:
		return false
	}
}

// do runs one operation under the lock, or fails where the power is cut.
func (d *disk) do(operation func() syscall.Errno) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off() {
		return syscall.EIO
	}
	return operation()
}

// cut ends every operation from now on.
func (d *disk) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.off() {
		close(d.dead)
	}
}

func (d *disk) lookup(dir *file, name string) (f *file, errno syscall.Errno) {
	errno = d.do(func() syscall.Errno {
		if f = dir.names[name]; f == nil {
			return syscall.ENOENT
		}
		return 0
	})
	return f, errno
}

// create makes an empty file or directory.
func (d *disk) create(dir *file, name string, mode uint32) (f *file, errno syscall.Errno) {
	errno = d.do(func() syscall.Errno {
		if dir.names[name] != nil {
			return syscall.EEXIST
		}
		f = d.newFile(mode)
		d.rename(naming{dir, name, f})
		return 0
	})
	return f, errno
}

// remove takes a name away: of a file, or of an empty directory.
func (d *disk) remove(dir *file, name string, wantDir bool) syscall.Errno {
	return d.do(func() syscall.Errno {
		switch f := dir.names[name]; {
		case f == nil:
			return syscall.ENOENT
		case f.isDir() != wantDir && wantDir:
			return syscall.ENOTDIR
		case f.isDir() != wantDir:
			return syscall.EISDIR
		case len(f.names) > 0:
			return syscall.ENOTEMPTY
		}
		d.rename(naming{dir, name, nil})
		return 0
	})
}

// move gives a file another name and takes that name from whoever had it.
func (d *disk) move(from *file, name string, to *file, newName string, mayReplace bool) syscall.Errno {
	return d.do(func() syscall.Errno {
		f, old := from.names[name], to.names[newName]
		switch {
		case f == nil:
			return syscall.ENOENT
		case f == old:
			return 0
		case old != nil && !mayReplace:
			return syscall.EEXIST
		case old != nil && f.isDir() && !old.isDir():
			return syscall.ENOTDIR
		case old != nil && !f.isDir() && old.isDir():
			return syscall.EISDIR
		case old != nil && len(old.names) > 0:
			return syscall.ENOTEMPTY
		}
		d.rename(naming{from, name, nil}, naming{to, newName, f})
		return 0
	})
}

// rename makes a change in the live tree and notes that the disk does not have it yet.
func (d *disk) rename(c ...naming) {
	for _, n := range c {
		if old := n.dir.names[n.name]; old != nil && (n.to != nil || len(c) == 1) {
			old.unnamed = true
			d.used -= len(old.live)
		}
		if n.to == nil {
			delete(n.dir.names, n.name)
		} else {
			n.dir.names[n.name] = n.to
		}
		n.dir.changed = time.Now()
	}
	d.log = append(d.log, c)
	if len(d.log) > maxUnsynced {
		d.log[0].settle()
		d.log = d.log[1:]
	}
}

func (d *disk) read(f *file, into []byte, at int64) (n int, errno syscall.Errno) {
	errno = d.do(func() syscall.Errno {
		if at < int64(len(f.live)) {
			n = copy(into, f.live[at:])
		}
		return 0
	})
	return n, errno
}

func (d *disk) write(f *file, b []byte, at int64) syscall.Errno {
	return d.do(func() syscall.Errno {
		end := at + int64(len(b))
		if end > int64(len(f.live)) {
			if errno := d.setSize(f, end); errno != 0 {
				return errno
			}
		}
		copy(f.live[at:], b)
		f.touch(int(at), int(end))
		f.changed = time.Now()
		return 0
	})
}

func (d *disk) truncate(f *file, size int64) syscall.Errno {
	return d.do(func() syscall.Errno { return d.setSize(f, size) })
}

// allocate makes a file at least that long.
func (d *disk) allocate(f *file, size int64) syscall.Errno {
	return d.do(func() syscall.Errno {
		if size <= int64(len(f.live)) {
			return 0
		}
		return d.setSize(f, size)
	})
}

// setSize changes the length of the live file. The caller is within do.
func (d *disk) setSize(f *file, size int64) syscall.Errno {
	old := len(f.live)
	grown := int(size) - old
	if f.unnamed {
		grown = 0
	}
	if size < 0 || size > capacity || d.used+grown > capacity {
		return syscall.ENOSPC
	}
	d.used += grown
	f.live = resize(f.live, int(size))
	f.touch(min(old, int(size)), max(old, int(size)))
	f.changed = time.Now()
	return 0
}

// sync puts a file on the disk: the content of a regular file, the names of a directory.
// It takes at least delay and counts for nothing where the power is cut meanwhile.
func (d *disk) sync(f *file, delay time.Duration) syscall.Errno {
	if errno := d.wait(delay); errno != 0 {
		return errno
	}
	return d.do(func() syscall.Errno {
		if f.isDir() {
			d.settle(f)
			return 0
		}
		f.synced = resize(f.synced, len(f.live))
		for p := range f.dirty {
			if from := p * pageSize; from < len(f.live) {
				copy(f.synced[from:], f.live[from:min(from+pageSize, len(f.live))])
			}
		}
		clear(f.dirty)
		return 0
	})
}

// wait lets time pass, unless the power is cut.
func (d *disk) wait(delay time.Duration) syscall.Errno {
	if delay == 0 {
		return 0
	}
	d.mu.Lock()
	dead := d.dead
	d.mu.Unlock()
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return 0
	case <-dead:
		return syscall.EIO
	}
}

// settle puts every change of a directory's names on the disk, and whatever older change
// of other directories one of them builds on; nothing else.
func (d *disk) settle(dir *file) {
	dirs := map[*file]bool{dir: true}
	now := make([]bool, len(d.log))
	for i := len(d.log) - 1; i >= 0; i-- {
		if d.log[i].touches(dirs) {
			now[i] = true
			for _, n := range d.log[i] {
				dirs[n.dir] = true
			}
		}
	}
	var later []change
	for i, c := range d.log {
		if now[i] {
			c.settle()
		} else {
			later = append(later, c)
		}
	}
	d.log = later
}

// restore turns the power on again. What was synced is there; of the changes of names the
// disk has a random number of the oldest; of each file a random part of what was not
// synced.
func (d *disk) restore() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.log[:d.random.IntN(len(d.log)+1)] {
		c.settle()
	}
	d.log = nil
	d.used = 0
	d.survive(d.root)
	d.dead = make(chan struct{})
}

// survive gives a file the state that the cut left of it.
func (d *disk) survive(f *file) {
	if f.isDir() {
		f.names = maps.Clone(f.durable)
		for _, name := range slices.Sorted(maps.Keys(f.names)) {
			d.survive(f.names[name])
		}
		return
	}
	size := len(f.synced)
	if d.random.IntN(2) == 0 {
		size = len(f.live)
	}
	kept := resize(slices.Clone(f.synced), size)
	// Nothing, half or nearly everything of a file had reached the disk.
	share := []float64{0, 0.5, 0.9}[d.random.IntN(3)]
	for _, p := range slices.Sorted(maps.Keys(f.dirty)) {
		if d.random.Float64() < share {
			d.keep(kept, f.live, p*pageSize)
		}
	}
	f.live, f.synced = kept, slices.Clone(kept)
	clear(f.dirty)
	f.unnamed = false
	d.used += len(f.live)
}

// keep copies the page at from, one time in four a random half of its sectors only.
func (d *disk) keep(to, live []byte, from int) {
	torn := d.random.IntN(4) == 0
	for s := from; s < from+pageSize && s < len(live) && s < len(to); s += sectorSize {
		if torn && d.random.IntN(2) == 0 {
			continue
		}
		copy(to[s:], live[s:min(s+sectorSize, len(live))])
	}
}
