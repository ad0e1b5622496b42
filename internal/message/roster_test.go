package message

import (
	"context"
	"encoding/binary"
	"testing"

	"pryde/internal/id"
)

// A library is a store of groups that counts how often it is asked, and does something meanwhile.
type library struct {
	GroupStore
	size  int // of each group
	asked int
	while func()
}

func (l *library) Group(_ context.Context, g id.Group) (Group, error) {
	l.asked++
	found := Group{ID: g, Members: make([]Member, l.size)}
	if l.while != nil {
		l.while()
	}
	return found, nil
}

func TestARosterAsksOnceUntilAGroupChanges(t *testing.T) {
	store := &library{size: 3}
	r := newRoster(store)
	look := func(g byte) {
		t.Helper()
		if found, err := r.group(t.Context(), id.Group{g}); err != nil || found.ID != (id.Group{g}) || len(found.Members) != 3 {
			t.Fatalf("found %+v, %v", found, err)
		}
	}

	look(1)
	look(1)
	look(2)
	if store.asked != 2 {
		t.Errorf("asked %d times for two groups, want 2", store.asked)
	}
	_ = r.change(id.Group{1}, func() error {
		look(1)
		look(1)
		look(2)
		return nil
	})
	if store.asked != 4 {
		t.Errorf("asked %d times, want 4: while a group changes nothing is remembered of it", store.asked)
	}
	look(1)
	look(1)
	look(2)
	if store.asked != 5 {
		t.Errorf("asked %d times, want 5", store.asked)
	}
}

// What was read before a change ended may be what was before it.
func TestARosterDoesNotRememberWhatAChangeOvertook(t *testing.T) {
	store := &library{size: 3}
	r := newRoster(store)
	nothing := func() error { return nil }
	store.while = func() { _ = r.change(id.Group{1}, nothing) }

	for range 2 {
		if _, err := r.group(t.Context(), id.Group{1}); err != nil {
			t.Fatal(err)
		}
	}

	if store.asked != 2 {
		t.Errorf("asked %d times, want 2", store.asked)
	}
}

func TestARosterIsBounded(t *testing.T) {
	store := &library{size: MaxMembers}
	r := newRoster(store)
	for i := range uint32(300) {
		var g id.Group
		binary.BigEndian.PutUint32(g[:], i)
		if _, err := r.group(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}

	if want := rosterMembers / MaxMembers; len(r.known) != want || r.members != rosterMembers {
		t.Errorf("%d groups with %d members are remembered, want %d with %d", len(r.known), r.members, want, rosterMembers)
	}
}
