package search

import (
	"sync"

	"pryde/internal/id"
)

// A Notice says that a message was stored or changed. One may be lost: nothing but the time at
// which an index is brought up to date depends on it.
type Notice struct {
	Sender    id.User
	Recipient id.User  // zero in a group
	Group     id.Group // zero between two people
	Late      bool     // it was there before, and was edited or deleted
}

const (
	// maxTasks is how many people and groups wait to be indexed. Further ones come up again with
	// their next message, or when they search.
	maxTasks = 4_096
	// maxCounted is how many people and groups are counted for. Beyond it the counts begin anew.
	maxCounted = 65_536
)

// A task is a person whose index may be behind, or a group of such people.
type task struct {
	owner    id.User
	group    id.Group // zero where it is a person
	searched bool     // the person has searched: they get an index if they have none
}

// A pool counts what was written since a person or a group was looked at, and holds the tasks that
// come of it. Its methods are safe for concurrent use and do not block.
type pool struct {
	ready chan struct{} // has an element while there may be tasks

	mu      sync.Mutex
	tasks   []task
	taken   bool // one of them is being done
	waiting map[task]bool
	counts  map[task]int
	absent  map[id.User]bool // who has no index, as far as is known
}

func newPool() *pool {
	return &pool{
		ready: make(chan struct{}, 1), waiting: map[task]bool{}, counts: map[task]int{}, absent: map[id.User]bool{},
	}
}

// changed counts a message for those who can see it.
func (p *pool) changed(n Notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !n.Group.IsZero() {
		p.count(task{group: n.Group}, n.Late)
		return
	}
	p.count(task{owner: n.Sender}, n.Late)
	if n.Recipient != n.Sender {
		p.count(task{owner: n.Recipient}, n.Late)
	}
}

// count makes a task once there is enough for a segment. What was edited or deleted is seen to at
// once, so that no trace of it stays in the index.
func (p *pool) count(t task, late bool) {
	if p.absent[t.owner] {
		return
	}
	if len(p.counts) >= maxCounted {
		clear(p.counts)
	}
	p.counts[t]++
	if late || p.counts[t] >= segmentSize {
		p.add(t)
	}
}

// searched makes a task for somebody who has searched and whose index is behind.
func (p *pool) searched(owner id.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(task{owner: owner, searched: true})
}

// members makes tasks for people in a group.
func (p *pool) members(us []id.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range us {
		p.add(task{owner: u})
	}
}

func (p *pool) add(t task) {
	if p.waiting[t] || len(p.tasks) >= maxTasks {
		return
	}
	p.waiting[t] = true
	p.tasks = append(p.tasks, t)
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// left is how many tasks there are, with the one that is being done.
func (p *pool) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.tasks)
	if p.taken {
		n++
	}
	return n
}

// next returns the task that waits for longest, and whether there is one. The one before is done.
func (p *pool) next() (task, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken = len(p.tasks) > 0; !p.taken {
		p.tasks = nil
		return task{}, false
	}
	t := p.tasks[0]
	p.tasks = p.tasks[1:]
	delete(p.waiting, t)
	delete(p.counts, task{owner: t.owner, group: t.group})
	return t, true
}

// note notes whether somebody has an index. Nothing is counted for who has none.
func (p *pool) note(owner id.User, has bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if has {
		delete(p.absent, owner)
		return
	}
	if len(p.absent) >= maxCounted {
		clear(p.absent)
	}
	p.absent[owner] = true
}
