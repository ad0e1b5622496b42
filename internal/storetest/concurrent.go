package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"pryde/internal/id"
	"pryde/internal/message"
)

// testConcurrentHistory lets operations race and then counts again from the messages.
func testConcurrentHistory(t *testing.T, d *desk) {
	people := []id.User{alice, bob, carol}
	g := d.newGroup(alice, bob, carol)
	var mu sync.Mutex
	var known []message.Message
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 11))
			for i := range 40 {
				mu.Lock()
				draft := d.draft(people[random.IntN(3)], people[random.IntN(3)], fmt.Sprint(worker, i))
				if random.IntN(3) == 0 {
					draft.Recipient, draft.Group = id.User{}, g.ID
				}
				var m message.Message
				if len(known) > 0 {
					m = known[random.IntN(len(known))]
				}
				mu.Unlock()
				if m.ID.IsZero() || random.IntN(2) == 0 {
					sent, _, err := d.store.Append(t.Context(), draft)
					if err != nil {
						t.Errorf("Append: %v", err)
					}
					mu.Lock()
					known = append(known, sent)
					mu.Unlock()
					continue
				}
				u := m.Recipient
				if !m.Group.IsZero() {
					u = people[random.IntN(3)]
				}
				if err := anyChange(t, d.store, random.IntN(4), m, u); err != nil {
					t.Errorf("change of a message: %v", err)
				}
			}
		})
	}
	wg.Wait()
	recount(t, d, people)
	recountGroup(t, d, g, people)
}

func anyChange(t *testing.T, s message.Store, which int, m message.Message, u id.User) error {
	var err error
	switch which {
	case 0:
		_, err = s.MarkRead(t.Context(), u, m.ID, start)
	case 1:
		_, _, err = s.DeleteForAll(t.Context(), m.ID, start)
	case 2:
		_, err = s.MarkDelivered(t.Context(), u, m.ID, start)
	default:
		_, _, err = s.DeleteForSelf(t.Context(), m.ID, u, start)
	}
	return err
}

// recount compares counts and rows with the messages themselves.
func recount(t *testing.T, d *desk, people []id.User) {
	t.Helper()
	for _, u := range people {
		rows := map[id.User]message.Row{}
		for _, r := range d.rows(u) {
			rows[r.Peer] = r
		}
		want := map[id.User]int{}
		for _, peer := range people {
			page := d.page(u, peer, u)
			for _, m := range page {
				if m.Sender != u && !m.Read && m.DeletedAt.IsZero() {
					want[peer]++
				}
			}
			if len(page) > 0 {
				same(t, "last message", rows[peer].Last, &page[len(page)-1])
			}
			if rows[peer].Unread != want[peer] {
				t.Errorf("the row counts %d unread, want %d", rows[peer].Unread, want[peer])
			}
		}
		same(t, "unread", d.unread(u), want)
	}
}

// recountGroup is recount for a group.
func recountGroup(t *testing.T, d *desk, g message.Group, people []id.User) {
	t.Helper()
	cursors := map[id.User]message.Cursor{}
	for _, c := range d.cursors(g.ID) {
		cursors[c.User] = c
	}
	for _, u := range people {
		page, want := d.thread(message.InGroup(g.ID), u), 0
		for _, m := range page {
			if m.Sender != u && m.Seq > cursors[u].Read && m.DeletedAt.IsZero() {
				want++
			}
		}
		seat := d.seat(g.ID, u)
		if seat.Unread != want || d.unreadInGroups(u)[g.ID] != want {
			t.Errorf("%d unread are counted in the seat and %d in the list, want %d", seat.Unread, d.unreadInGroups(u)[g.ID], want)
		}
		same(t, "last message of the group", seat.Last, newest(page))
	}
}
