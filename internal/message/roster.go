package message

import (
	"context"
	"sync"

	"pryde/internal/id"
)

// rosterMembers bounds how many members the groups have together that are remembered.
const rosterMembers = 200_000

// A roster remembers groups, so that telling their members of a message reads nothing. What it
// knows is never older than the last change that has ended: a group is forgotten before it
// changes, and while it does nothing is remembered. Its methods are safe for concurrent use.
type roster struct {
	store GroupStore

	mu       sync.Mutex
	known    map[id.Group]Group // only looked at
	members  int                // of those known
	changing map[id.Group]int   // changes that run
	ended    uint64             // changes that have ended
}

func newRoster(store GroupStore) *roster {
	return &roster{store: store, known: make(map[id.Group]Group), changing: make(map[id.Group]int)}
}

// group returns a group, or ErrNoGroup. The caller only looks at it.
func (r *roster) group(ctx context.Context, g id.Group) (Group, error) {
	r.mu.Lock()
	known, ok := r.known[g]
	ended := r.ended
	r.mu.Unlock()
	if ok {
		return known, nil
	}
	found, err := r.store.Group(ctx, g)
	if err != nil {
		return Group{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changing[g] == 0 && r.ended == ended {
		r.remember(found)
	}
	return found, nil
}

func (r *roster) remember(g Group) {
	r.forget(g.ID)
	for other := range r.known {
		if r.members+len(g.Members) <= rosterMembers {
			break
		}
		r.forget(other)
	}
	r.known[g.ID] = g
	r.members += len(g.Members)
}

func (r *roster) forget(g id.Group) {
	r.members -= len(r.known[g].Members)
	delete(r.known, g)
}

// change runs fn, which may change a group.
func (r *roster) change(g id.Group, fn func() error) error {
	r.mu.Lock()
	r.forget(g)
	r.changing[g]++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended++
		if r.changing[g]--; r.changing[g] == 0 {
			delete(r.changing, g)
		}
	}()
	return fn()
}

// memberOf returns a group that somebody is in, else ErrNoGroup or ErrNotMember.
func (s *Service) memberOf(ctx context.Context, g id.Group, u id.User) (Group, error) {
	group, err := s.roster.group(ctx, g)
	if err != nil {
		return Group{}, err
	}
	if _, ok := group.Member(u); !ok {
		return Group{}, ErrNotMember
	}
	return group, nil
}

// Members returns who is in a group, for one of them.
func (s *Service) Members(ctx context.Context, u id.User, g id.Group) ([]id.User, error) {
	group, err := s.memberOf(ctx, g, u)
	return group.users(), err
}

// users returns who is in the group.
func (g Group) users() []id.User {
	us := make([]id.User, len(g.Members))
	for i, m := range g.Members {
		us[i] = m.User
	}
	return us
}
