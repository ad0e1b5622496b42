package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

func testMarkRead(t *testing.T, d *desk) {
	first, second := d.send(alice, bob, "1"), d.send(alice, bob, "2")
	own := d.send(bob, alice, "3")

	got := d.markRead(bob, second.ID)

	want := second
	want.Read, want.Changed = true, got.Changed
	if got.Changed <= own.Seq {
		t.Errorf("Changed is %d, want the number of the commit, more than %d", got.Changed, own.Seq)
	}
	same(t, "message that was read", got, want)
	if !d.find(first.ID).Read || !d.find(second.ID).Read || d.find(own.ID).Read {
		t.Error("reading a message reads those before it and no other")
	}
	for _, m := range []message.Message{first, second} {
		if r, err := d.store.MarkRead(t.Context(), bob, m.ID, start); err != nil || r.Changed() {
			t.Errorf("a second MarkRead moved %+v and gave error %v, want nothing", r, err)
		}
	}
	if got := d.row(bob).ReadUpTo; got != second.ID {
		t.Errorf("bob has read up to %v, want %v", got, second.ID)
	}
	if r, err := d.store.MarkRead(t.Context(), bob, own.ID, start); err != nil || !r.Read || !r.Arrived.IsZero() || r.Message.Read {
		t.Errorf("MarkRead of a message of one's own moved %+v and gave error %v, want the read mark alone", r, err)
	}
	if got := d.row(bob).ReadUpTo; got != own.ID {
		t.Errorf("bob has read up to %v, want %v", got, own.ID)
	}
	if d.find(d.send(alice, bob, "4").ID).Read {
		t.Error("a new message is read")
	}
}

func testMarkReadCounts(t *testing.T, d *desk) {
	var sent []message.Message
	for i := range 6 {
		sent = append(sent, d.send(alice, bob, fmt.Sprint(i)))
	}
	d.send(bob, alice, "in between")
	d.send(carol, bob, "another conversation")
	d.deleteForAll(sent[4].ID)
	d.deleteForSelf(sent[5].ID, bob)
	d.deleteForSelf(sent[3].ID, alice)

	same(t, "unread before", d.unread(bob), map[id.User]int{alice: 4, carol: 1})
	d.markRead(bob, sent[1].ID)
	same(t, "unread after the second", d.unread(bob), map[id.User]int{alice: 2, carol: 1})
	d.deleteForAll(sent[0].ID)
	d.deleteForSelf(sent[1].ID, bob)
	same(t, "unread after what was read is deleted", d.unread(bob), map[id.User]int{alice: 2, carol: 1})
	d.markRead(bob, sent[4].ID)
	same(t, "unread after a tombstone was read", d.unread(bob), map[id.User]int{carol: 1})
	d.deleteForAll(sent[5].ID)
	same(t, "unread after a hidden message is deleted", d.unread(bob), map[id.User]int{carol: 1})
	same(t, "unread of the sender", d.unread(alice), map[id.User]int{bob: 1})
}

func testPeerRead(t *testing.T, d *desk) {
	first := d.send(alice, bob, "1")
	read := d.markRead(bob, first.ID)

	changes := d.since(alice, first.Seq)

	last := first
	last.Read = true
	want := message.Row{Peer: bob, Last: &last, PeerRead: first.ID, PeerHas: first.ID, Changed: read.Changed}
	same(t, "sender's changes", changes, message.Changes{Seq: read.Changed, Rows: []message.Row{want}})
	want = message.Row{Peer: alice, Last: &last, ReadUpTo: first.ID, Changed: read.Changed}
	same(t, "reader's row", d.row(bob), want)
}

func testTooMany(t *testing.T, d *desk) {
	var last message.Message
	for i := range 3 {
		d.send(alice, bob, fmt.Sprint(i))
	}
	edited := d.send(alice, bob, "edited")
	after := edited.Seq
	if _, err := d.store.Edit(t.Context(), edited.ID, "new", start); err != nil {
		t.Fatalf("Edit: %v", err)
	}
	gone := d.send(carol, bob, "gone")
	d.deleteForSelf(gone.ID, bob)
	last = d.send(alice, bob, "last")

	for limit := range 6 {
		c, err := d.store.Since(t.Context(), bob, after, limit)
		if err != nil {
			t.Fatalf("Since: %v", err)
		}
		if want := limit < 3; c.Reload != want {
			t.Errorf("3 rows with limit %d: too many is %v, want %v", limit, c.Reload, want)
		}
		if n := len(c.New) + len(c.Changed) + len(c.Deleted); c.Reload && n != 0 || !c.Reload && n != 3 {
			t.Errorf("limit %d: %d rows are filled in (too many: %v)", limit, n, c.Reload)
		}
		if len(c.Rows) != 2 || c.Seq != last.Seq {
			t.Errorf("limit %d: %d conversations up to %d, want 2 up to %d", limit, len(c.Rows), c.Seq, last.Seq)
		}
	}
}

func testTooLarge(t *testing.T, d *desk) {
	const size = message.MaxChangeBytes / 16
	text := strings.Repeat("x", size)
	var last message.Message
	for range 15 {
		last = d.send(alice, bob, text)
	}
	if c := d.since(bob, 0); c.Reload || len(c.New) != 15 {
		t.Errorf("a little less than the bound: reload is %v, %d messages", c.Reload, len(c.New))
	}
	for range 2 {
		last = d.send(alice, bob, text)
	}

	c, err := d.store.Since(t.Context(), bob, 0, 1000)

	if err != nil || !c.Reload || len(c.New) != 0 || len(c.Rows) != 1 || c.Seq != last.Seq {
		t.Errorf("more than the bound: reload is %v, %d messages, %d rows up to %d, %v", c.Reload, len(c.New), len(c.Rows), c.Seq, err)
	}
}

func testNoChanges(t *testing.T, d *desk) {
	same(t, "changes of an empty database", d.since(alice, 0), message.Changes{})
	newest := d.send(alice, bob, "x").Seq
	elsewhere := d.send(bob, carol, "y").Seq

	same(t, "changes since the newest", d.since(alice, newest), message.Changes{Seq: elsewhere})
	same(t, "changes of a stranger", d.since(user(99), 0), message.Changes{Seq: elsewhere})
	same(t, "changes since the future", d.since(alice, elsewhere+1000), message.Changes{Seq: elsewhere})
}

func testChangedRows(t *testing.T, d *desk) {
	const peers = 103
	for i := range peers {
		d.send(user(100+i), alice, "hello")
	}

	rows := d.since(alice, 0).Rows

	if len(rows) != peers {
		t.Fatalf("%d conversations, want %d", len(rows), peers)
	}
	if !slices.IsSortedFunc(rows, func(a, b message.Row) int { return int(a.Changed - b.Changed) }) {
		t.Error("the conversations are not in the order of their change")
	}
	c, err := d.store.Since(t.Context(), alice, 0, 102)
	if err != nil || !c.Reload || len(c.Rows) != 100 {
		t.Errorf("103 conversations with limit 102: reload is %v, %d conversations, %v", c.Reload, len(c.Rows), err)
	}
}

// While somebody writes, what is read together belongs together.
func testOneMoment(t *testing.T, d *desk) {
	var drafts []message.Draft
	for i := range 100 {
		drafts = append(drafts, d.draft(alice, bob, fmt.Sprint(i)))
	}
	d.moments(d.since(bob, 0).Seq, drafts, func(c message.Changes) (*message.Message, int) {
		return c.Rows[0].Last, c.Rows[0].Unread
	})
}

// moments reads what changed for bob while somebody else sends him drafts, beginning after a number.
// row returns the newest message and the count of the only conversation that changed.
func (d *desk) moments(after order.Seq, drafts []message.Draft, row func(message.Changes) (*message.Message, int)) {
	d.t.Helper()
	written := make(chan []order.Seq)
	go func() {
		var seqs []order.Seq
		for _, draft := range drafts {
			m, _, err := d.store.Append(d.t.Context(), draft)
			if err != nil {
				d.t.Errorf("Append: %v", err)
			}
			seqs = append(seqs, m.Seq)
		}
		written <- seqs
	}()

	seen := map[order.Seq]int{}
	for n := 0; n < len(drafts) && !d.t.Failed(); {
		c := d.since(bob, after)
		n = len(c.New)
		if before, again := seen[c.Seq]; again && before != n {
			d.t.Errorf("up to number %d there are %d messages and %d", c.Seq, before, n)
		}
		if seen[c.Seq] = n; n == 0 {
			continue
		}
		if last, unread := row(c); last == nil || last.ID != c.New[n-1].ID || unread != n {
			d.t.Errorf("the row ends at %v and counts %d, want %v and %d", last, unread, c.New[n-1].ID, n)
		}
	}
	seqs := <-written
	for upTo, n := range seen {
		if want, _ := slices.BinarySearch(seqs, upTo+1); n != want {
			d.t.Errorf("%d messages up to number %d, want %d", n, upTo, want)
		}
	}
}
