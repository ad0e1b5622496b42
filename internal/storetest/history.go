package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

const (
	// operations is how many the property test makes in all. Where the store is slow it makes about a
	// twentieth: there each operation, with everything that is read after it, crosses a network a dozen
	// times.
	operations = 10_000
	stories    = 100 // runs of rapid, where nothing else is said
	slowShare  = 20  // one of so many stories is told where the store is slow
	maxCircles = 4   // groups in one story
)

// A history applies random operations to a store and to the oracle.
type history struct {
	*desk
	*oracle
	rt      *rapid.T
	people  []id.User // the last one has no device
	devices []*device
}

// testHistory lets three devices, two of one person, do anything to messages between three people
// and in groups of them. After each operation the lists and the counts of everybody equal what
// the oracle counts, and so does what a device knows that has only heard what changed.
func testHistory(t *testing.T, d *desk) {
	const perStory = operations / stories
	told, made := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		told++
		d.t = rt
		h := &history{desk: d, rt: rt, oracle: newOracle(d.since(user(99), 0).Seq)}
		if d.slow && h.below(slowShare, "told") != 0 {
			return
		}
		for i := range 3 {
			h.people = append(h.people, user(1000+10*told+i))
		}
		for _, owner := range []int{0, 0, 1} {
			h.devices = append(h.devices, newDevice(h.people[owner], h.oracle.seq))
		}
		for range perStory {
			made++
			h.step()
			h.checkCounts()
		}
		h.checkPages()
		for _, device := range h.devices {
			h.sync(device)
		}
	})
	if made < operations && !d.slow && !testing.Short() && !t.Failed() {
		t.Errorf("%d operations were made, want %d", made, operations)
	}
	t.Logf("%d operations", made)
}

// below draws a number below n. What rapid draws from few numbers are mostly the lowest.
func (h *history) below(n int, what string) int {
	return int(rapid.Uint64().Draw(h.rt, what) % uint64(n))
}

func (h *history) person() id.User { return h.people[h.below(len(h.people), "person")] }

// step lets one device make one operation; those on old messages prefer the newest ones.
func (h *history) step() {
	h.sent++ // the clock goes on
	device := h.devices[h.below(len(h.devices), "device")]
	u := device.owner
	switch n := h.below(100, "operation"); {
	case len(h.messages) == 0 || n < 22:
		h.stepSend(message.Draft{Sender: u, Recipient: h.person()})
	case n < 40:
		if g := h.group(); g != nil {
			h.stepSend(message.Draft{Sender: u, Group: g.ID})
		}
	case n < 46:
		h.stepGroup(u)
	case n < 52:
		h.sync(device)
	case n < 56:
		h.stepArrange(u, h.person())
	case n < 60:
		h.stepArrangeGroup(u)
	case n < 62:
		h.stepClear(u, h.person())
	case n < 64:
		h.stepClearGroup(u)
	default:
		h.stepMessage(u, h.messages[len(h.messages)-1-h.below(min(len(h.messages), 15), "message")], n)
	}
}

// stepMessage does something with a message that there is.
func (h *history) stepMessage(u id.User, e *entry, n int) {
	switch {
	case !h.takesPart(u, e.Conversation()):
		h.stepForeign(u, e)
	case n < 70:
		h.stepEdit(e)
	case n < 76:
		h.stepReact(e, u)
	case n < 80:
		h.stepDeleteForAll(e)
	case n < 84:
		h.stepDeleteForSelf(e, u)
	case n < 89:
		h.stepMarkDelivered(e, u)
	default:
		h.stepMarkRead(e, u)
	}
}

func (h *history) stepSend(draft message.Draft) {
	with := h.draft(draft.Sender, draft.Recipient, fmt.Sprintf("message %d", h.sent))
	with.Group = draft.Group
	with.At = with.At.Add(time.Duration(h.below(5, "milliseconds")) * time.Millisecond)
	if h.below(2, "client id") == 0 {
		with.ClientID = fmt.Sprint("temp-", h.sent)
	}
	if c := with.Conversation(); !h.takesPart(with.Sender, c) {
		h.refused("Append", func() error { _, _, err := h.store.Append(h.t.Context(), with); return err }, message.ErrNotMember)
		return
	} else if page := h.oracle.page(c, with.Sender); len(page) > 0 && h.below(4, "reply") == 0 {
		with.ReplyTo = page[h.below(len(page), "replied")].ID
	}
	if h.below(8, "extra") == 0 {
		with.Extra = message.Extra{Warning: fmt.Sprint("warning ", h.sent)}
	}
	m := h.append(with)
	if m.Seq <= h.oracle.seq {
		h.t.Fatalf("number %d follows %d", m.Seq, h.oracle.seq)
	}
	h.add(m)
}

func (h *history) stepEdit(e *entry) {
	if !h.takesPart(e.Sender, e.Conversation()) {
		h.refused("Edit", func() error { _, err := h.store.Edit(h.t.Context(), e.ID, "x", h.now()); return err }, message.ErrNotMember, message.ErrGone)
		return
	}
	if !e.DeletedAt.IsZero() {
		h.refused("Edit", func() error { _, err := h.store.Edit(h.t.Context(), e.ID, "x", h.now()); return err }, message.ErrGone)
		return
	}
	text := fmt.Sprint("edited ", h.sent)
	m, err := h.store.Edit(h.t.Context(), e.ID, text, h.now())
	if err != nil {
		h.t.Fatalf("Edit: %v", err)
	}
	e.edit(text, h.now())
	e.Changed = m.Changed
	h.touch(m.Changed, e)
	same(h.t, "edited message", m, h.shown(e))
}

// edit replaces the text of a message.
func (e *entry) edit(text string, at time.Time) {
	shown := e.CreatedAt
	if !e.EditedAt.IsZero() {
		shown = e.EditedAt
	}
	e.versions = append(e.versions, message.Version{Content: e.Content, At: shown})
	e.versions = e.versions[max(0, len(e.versions)-message.MaxVersions):]
	e.Content, e.EditedAt = text, at
}

func (h *history) stepReact(e *entry, u id.User) {
	r := message.Reaction{User: u, Emoji: []string{"👍", "❤️", "🎉"}[h.below(3, "emoji")], At: h.now()}
	remove := h.below(3, "remove") == 0
	if !e.visible(u) || !e.DeletedAt.IsZero() {
		want := message.ErrGone
		if !e.visible(u) {
			want = message.ErrNoMessage
		}
		h.refused("React", func() error { _, _, err := h.store.React(h.t.Context(), e.ID, r, remove); return err }, want)
		return
	}
	at := slices.IndexFunc(e.Reactions, func(old message.Reaction) bool { return old.User == u && old.Emoji == r.Emoji })
	m, changed, err := h.store.React(h.t.Context(), e.ID, r, remove)
	if want := remove == (at >= 0); err != nil || changed != want {
		h.t.Fatalf("React: %v and error %v, want %v", changed, err, want)
	}
	if changed {
		if remove {
			e.Reactions = slices.Delete(slices.Clone(e.Reactions), at, at+1)
		} else {
			e.Reactions = append(slices.Clone(e.Reactions), r)
		}
		e.Changed = m.Changed
		h.touch(m.Changed, e)
	}
	same(h.t, "message with reactions", m, h.shown(e))
}

func (h *history) stepDeleteForAll(e *entry) {
	m, changed, err := h.store.DeleteForAll(h.t.Context(), e.ID, h.now())
	if want := e.DeletedAt.IsZero(); err != nil || changed != want {
		h.t.Fatalf("DeleteForAll: %v and error %v, want %v", changed, err, want)
	}
	if changed {
		e.Content, e.Attachment, e.Fingerprint = "", "", message.Fingerprint{}
		e.Extra, e.Reactions, e.versions = message.Extra{}, nil, nil
		e.DeletedAt, e.Changed = h.now(), m.Changed
		h.touch(m.Changed, e)
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
	s := side{u, e.Conversation()}
	own, has := h.own(s), h.has(s).seq()
	notes := !s.conversation.IsGroup() && s.conversation.Low == s.conversation.High
	want := !notes && e.Seq > h.upTo(s)
	unmarks := !want && !own.settings.MarkedUnread.IsZero()
	var arrives id.Message
	if want {
		arrives = h.newestTo(s, has, e.Seq)
	}
	r, err := h.store.MarkRead(h.t.Context(), u, e.ID, h.now())
	if err != nil || r.Read != want || r.Unmarked != unmarks || r.Arrived != arrives {
		h.t.Fatalf("MarkRead: %+v and error %v, want read %v, unmarked %v and arrived %v", r, err, want, unmarks, arrives)
	}
	if !want && !unmarks {
		return
	}
	h.settle(s, unmark)
	if want {
		own.read, own.readAt, own.moved = e, h.now(), r.Message.Changed
		if e.Seq > has {
			own.deliveredAt = h.now()
		}
	}
	h.moved(s, e, r)
}

// moved takes over a commit that concerns how far somebody has read: between two people both see
// it in their rows, in a group it is the member's own.
func (h *history) moved(s side, e *entry, r message.Receipt) {
	if s.conversation.IsGroup() {
		h.commit(r.Message.Changed, s.conversation, s.user)
		return
	}
	h.commit(r.Message.Changed, s.conversation, e.Sender, e.Recipient)
}

func (h *history) stepMarkDelivered(e *entry, u id.User) {
	s := side{u, e.Conversation()}
	want := e.Sender != u && e.Seq > h.has(s).seq()
	r, err := h.store.MarkDelivered(h.t.Context(), u, e.ID, h.now())
	if err != nil || r.Changed() != want || want && r.Arrived != e.ID {
		h.t.Fatalf("MarkDelivered: %+v and error %v, want %v", r, err, want)
	}
	if want {
		own := h.own(s)
		own.delivered, own.deliveredAt, own.moved = e, h.now(), r.Message.Changed
		h.moved(s, e, r)
	}
}

// setting draws a change of what somebody has set.
func (h *history) setting() func(*message.Settings) {
	at := h.now()
	return []func(*message.Settings){
		func(set *message.Settings) { set.Archived = !set.Archived },
		func(set *message.Settings) { set.Muted, set.MutedUntil = true, at.Add(time.Hour) },
		func(set *message.Settings) { set.Muted, set.MutedUntil = false, time.Time{} },
		func(set *message.Settings) { set.MarkedUnread = at },
	}[h.below(4, "setting")]
}

func (h *history) stepArrange(u, peer id.User) {
	s, create, set := side{u, message.Between(u, peer)}, h.below(2, "create") == 0, h.setting()
	own := h.own(s)
	before, known := own.settings, own.changed != 0
	if !known && !create {
		h.refused("Arrange", func() error {
			_, _, err := h.store.Arrange(h.t.Context(), u, peer, create, h.now(), set)
			return err
		}, message.ErrNoConversation)
		return
	}
	state, changed, err := h.store.Arrange(h.t.Context(), u, peer, create, h.now(), set)
	h.settle(s, set)
	if err != nil || changed != (own.settings != before) || state.Settings != own.settings {
		h.t.Fatalf("Arrange: %+v, changed %v and error %v, want %+v", state, changed, err, own.settings)
	}
	if changed {
		h.commit(state.Changed, s.conversation, u)
	}
}

func (h *history) stepClear(u, peer id.User) {
	s := side{u, message.Between(u, peer)}
	if h.own(s).changed == 0 {
		h.refused("Clear", func() error { return h.store.Clear(h.t.Context(), u, peer) }, message.ErrNoConversation)
		return
	}
	h.clears(s, func() error { return h.store.Clear(h.t.Context(), u, peer) })
}

// clears takes over a clearing, which changes nothing where there is nothing to see and no mark.
func (h *history) clears(s side, clear func() error) {
	want := len(h.oracle.page(s.conversation, s.user)) > 0 || !h.own(s).settings.MarkedUnread.IsZero()
	if err := clear(); err != nil {
		h.t.Fatalf("the clearing: %v", err)
	}
	seq := h.desk.since(s.user, h.oracle.seq).Seq
	if changed := seq != h.oracle.seq; changed != want {
		h.t.Fatalf("the clearing changed something: %v, want %v", changed, want)
	}
	if want {
		h.oracle.clear(s, seq)
	}
}

// checkCounts compares what the lists show, and now and then what changed after some number.
func (h *history) checkCounts() {
	h.t.Helper()
	u := h.person()
	for _, other := range h.people {
		if other != u && h.slow {
			continue
		}
		same(h.t, "unread", h.desk.unread(other), h.oracle.unread(other))
		same(h.t, "unread in groups", h.desk.unreadInGroups(other), h.oracle.unreadInGroups(other))
	}
	same(h.t, "rows", h.desk.rows(u), h.listed(u))
	same(h.t, "seats", h.desk.seats(u), h.oracle.seats(u))
	if h.below(3, "changes") == 0 {
		h.checkChanges(u, max(0, h.oracle.seq-order.Seq(h.below(20, "back"))))
	}
	if h.t.Failed() {
		h.t.Fatal("see above")
	}
}

// checkChanges compares what changed after some number.
func (h *history) checkChanges(u id.User, after order.Seq) {
	h.t.Helper()
	got := h.desk.since(u, after)
	slices.SortStableFunc(got.Cursors, byMove)
	same(h.t, fmt.Sprintf("changes after %d of %d", after, h.oracle.seq), got, h.changes(u, after))
}

// checkPages compares everything that everybody can see, and how far they have.
func (h *history) checkPages() {
	h.t.Helper()
	for i, low := range h.people {
		for _, high := range h.people[i:] {
			for _, viewer := range []id.User{low, high} {
				same(h.t, "page", h.desk.page(low, high, viewer), h.oracle.page(message.Between(low, high), viewer))
			}
		}
		for _, c := range h.circles {
			if _, in := c.Member(low); in {
				same(h.t, "page of a group", h.desk.thread(message.InGroup(c.ID), low), h.oracle.page(message.InGroup(c.ID), low))
			}
		}
	}
	for _, c := range h.circles {
		if len(c.Members) > 0 {
			same(h.t, "cursors", h.desk.cursors(c.ID), h.oracle.cursors(c))
		}
	}
	for _, e := range h.messages {
		same(h.t, "versions", h.desk.versions(e.ID), e.versions)
	}
}
