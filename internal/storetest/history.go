package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

const (
	historySteps = 250
	historySeeds = 3
)

// A history applies random operations to a store and to the oracle.
type history struct {
	*desk
	*oracle
	random *rand.Rand
	people []id.User
}

func testHistory(t *testing.T, d *desk) {
	for seed := range uint64(historySeeds) {
		h := &history{desk: d, oracle: newOracle(), random: rand.New(rand.NewPCG(seed, 7))}
		h.oracle.seq = d.since(alice, 0).Seq
		for i := range 4 {
			h.people = append(h.people, user(1000+10*int(seed)+i))
		}
		first := h.oracle.seq
		for range historySteps {
			h.step()
			h.checkCounts()
		}
		h.checkPages()
		h.checkChanges(first)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func (h *history) person() id.User { return h.people[h.random.IntN(len(h.people))] }

// step makes one operation; those on old messages prefer the newest ones.
func (h *history) step() {
	if len(h.messages) == 0 || h.random.IntN(100) < 45 {
		h.stepSend()
		return
	}
	e := h.messages[len(h.messages)-1-h.random.IntN(min(len(h.messages), 15))]
	u := e.Sender
	if h.random.IntN(2) == 0 {
		u = e.Recipient
	}
	switch h.random.IntN(16) {
	case 0, 1, 2:
		h.stepEdit(e)
	case 3, 4:
		h.stepDeleteForAll(e)
	case 5, 6:
		h.stepDeleteForSelf(e, u)
	case 7, 8:
		h.stepMarkDelivered(e, u)
	case 9, 10:
		h.stepArrange(u, h.person())
	case 11:
		h.stepClear(u, e.Conversation().Other(u))
	case 12:
		h.stepMarkRead(e, u)
	default:
		h.stepMarkRead(e, e.Recipient)
	}
}

func (h *history) stepSend() {
	draft := h.draft(h.person(), h.person(), fmt.Sprintf("message %d", h.sent))
	draft.At = draft.At.Add(time.Duration(h.random.IntN(5)) * time.Millisecond)
	if h.random.IntN(2) == 0 {
		draft.ClientID = fmt.Sprint("temp-", h.sent)
	}
	m := h.append(draft)
	if m.Seq <= h.oracle.seq {
		h.t.Fatalf("number %d follows %d", m.Seq, h.oracle.seq)
	}
	h.add(m)
}

func (h *history) stepEdit(e *entry) {
	m, err := h.store.Edit(h.t.Context(), e.ID, "edited "+e.Content, h.now())
	if !e.DeletedAt.IsZero() {
		if err == nil {
			h.t.Errorf("a deleted message was edited")
		}
		return
	}
	if err != nil {
		h.t.Fatalf("Edit: %v", err)
	}
	e.Content, e.EditedAt, e.Changed = "edited "+e.Content, h.now(), m.Changed
	h.commit(m.Changed, e.Conversation(), e.Sender, e.Recipient)
	same(h.t, "edited message", m, h.shown(e))
}

func (h *history) stepDeleteForAll(e *entry) {
	m, changed, err := h.store.DeleteForAll(h.t.Context(), e.ID, h.now())
	if want := e.DeletedAt.IsZero(); err != nil || changed != want {
		h.t.Fatalf("DeleteForAll: %v and error %v, want %v", changed, err, want)
	}
	if changed {
		e.Content, e.Attachment, e.Fingerprint = "", "", message.Fingerprint{}
		e.DeletedAt, e.Changed = h.now(), m.Changed
		h.commit(m.Changed, e.Conversation(), e.Sender, e.Recipient)
	}
	same(h.t, "deleted message", m, h.shown(e))
}

func (h *history) stepDeleteForSelf(e *entry, u id.User) {
	m, changed, err := h.store.DeleteForSelf(h.t.Context(), e.ID, u, h.now())
	if want := e.visible(u); err != nil || changed != want {
		h.t.Fatalf("DeleteForSelf: %v and error %v, want %v", changed, err, want)
	}
	if changed {
		e.hidden[u] = m.Changed
		h.commit(m.Changed, e.Conversation(), u)
	}
}

func (h *history) stepMarkRead(e *entry, u id.User) {
	c := e.Conversation()
	s := side{u, c}
	want := c.Low != c.High && e.Seq > h.upTo(s)
	unmark := !want && !h.settings[s].MarkedUnread.IsZero()
	var arrives id.Message
	if want {
		arrives = h.newestOf(c, c.Other(u), h.has(s), e.Seq)
	}
	r, err := h.store.MarkRead(h.t.Context(), u, e.ID, h.now())
	if err != nil || r.Read != want || r.Unmarked != unmark || r.Arrived != arrives {
		h.t.Fatalf("MarkRead: %+v and error %v, want read %v, unmarked %v and arrived %v", r, err, want, unmark, arrives)
	}
	if want {
		h.readUpTo[s] = e
	}
	if want || unmark {
		h.settle(s, func(set *message.Settings) { set.MarkedUnread = time.Time{} })
		h.commit(r.Message.Changed, c, e.Sender, e.Recipient)
	}
}

func (h *history) stepMarkDelivered(e *entry, u id.User) {
	s := side{u, e.Conversation()}
	want := e.Sender != u && e.Seq > h.has(s)
	r, err := h.store.MarkDelivered(h.t.Context(), u, e.ID)
	if err != nil || r.Changed() != want || want && r.Arrived != e.ID {
		h.t.Fatalf("MarkDelivered: %+v and error %v, want %v", r, err, want)
	}
	if want {
		h.delivered[s] = e
		h.commit(r.Message.Changed, e.Conversation(), e.Sender, e.Recipient)
	}
}

func (h *history) stepArrange(u, peer id.User) {
	s, create := side{u, message.Between(u, peer)}, h.random.IntN(2) == 0
	at := h.now()
	set := []func(*message.Settings){
		func(set *message.Settings) { set.Archived = !set.Archived },
		func(set *message.Settings) { set.Muted, set.MutedUntil = true, at.Add(time.Hour) },
		func(set *message.Settings) { set.Muted, set.MutedUntil = false, time.Time{} },
		func(set *message.Settings) { set.MarkedUnread = at },
	}[h.random.IntN(4)]
	before, known := h.settings[s], h.oracle.changed[s] != 0
	state, changed, err := h.store.Arrange(h.t.Context(), u, peer, create, at, set)
	if !known && !create {
		if !errors.Is(err, message.ErrNoConversation) {
			h.t.Fatalf("Arrange of no conversation: %v, want ErrNoConversation", err)
		}
		return
	}
	h.settle(s, set)
	if err != nil || changed != (h.settings[s] != before) || state.Settings != h.settings[s] {
		h.t.Fatalf("Arrange: %+v, changed %v and error %v, want %+v", state, changed, err, h.settings[s])
	}
	if changed {
		h.commit(state.Changed, s.conversation, u)
	}
}

func (h *history) stepClear(u, peer id.User) {
	s := side{u, message.Between(u, peer)}
	want := len(h.oracle.page(s.conversation, u)) > 0 || !h.settings[s].MarkedUnread.IsZero()
	if err := h.store.Clear(h.t.Context(), u, peer); err != nil {
		h.t.Fatalf("Clear: %v", err)
	}
	seq := h.desk.since(u, h.oracle.seq).Seq
	if changed := seq != h.oracle.seq; changed != want {
		h.t.Fatalf("Clear changed something: %v, want %v", changed, want)
	}
	if want {
		h.clear(s, seq)
	}
}

// checkCounts compares what the lists show, and what changed after some number.
func (h *history) checkCounts() {
	h.t.Helper()
	for _, u := range h.people {
		same(h.t, "unread", h.desk.unread(u), h.oracle.unread(u))
	}
	u := h.person()
	same(h.t, "rows", h.desk.rows(u), h.listed(u))
	after := max(0, h.oracle.seq-order.Seq(h.random.IntN(20)))
	same(h.t, fmt.Sprintf("changes after %d of %d", after, h.oracle.seq), h.since(u, after), h.changes(u, after))
}

func (h *history) checkPages() {
	h.t.Helper()
	for i, low := range h.people {
		for _, high := range h.people[i:] {
			for _, viewer := range []id.User{low, high} {
				same(h.t, "page", h.desk.page(low, high, viewer), h.oracle.page(message.Between(low, high), viewer))
			}
		}
	}
}

// checkChanges asks for the changes after every number of the history.
func (h *history) checkChanges(first order.Seq) {
	h.t.Helper()
	for after := first; after <= h.oracle.seq; after++ {
		for _, u := range h.people {
			same(h.t, fmt.Sprintf("changes after %d of %d", after, h.oracle.seq), h.since(u, after), h.changes(u, after))
		}
		if h.t.Failed() {
			return
		}
	}
}

// testConcurrentHistory lets operations race and then counts again from the messages.
func testConcurrentHistory(t *testing.T, d *desk) {
	people := []id.User{alice, bob, carol}
	var mu sync.Mutex
	var known []message.Message
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 11))
			for i := range 40 {
				mu.Lock()
				draft := d.draft(people[random.IntN(3)], people[random.IntN(3)], fmt.Sprint(worker, i))
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
				if err := anyChange(t, d.store, random.IntN(3), m); err != nil {
					t.Errorf("change of a message: %v", err)
				}
			}
		})
	}
	wg.Wait()
	recount(t, d, people)
}

func anyChange(t *testing.T, s message.Store, which int, m message.Message) error {
	var err error
	switch which {
	case 0:
		_, err = s.MarkRead(t.Context(), m.Recipient, m.ID, start)
	case 1:
		_, _, err = s.DeleteForAll(t.Context(), m.ID, start)
	default:
		_, _, err = s.DeleteForSelf(t.Context(), m.ID, m.Recipient, start)
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
