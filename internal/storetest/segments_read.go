package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/search"
)

func textOf(m message.Message) search.Text {
	return search.Text{Ref: refOf(m), Changed: m.Changed, Content: m.Content, Gone: !m.DeletedAt.IsZero()}
}

func refOf(m message.Message) search.Ref {
	talk := search.Between(m.Sender, m.Recipient)
	if !m.Group.IsZero() {
		talk = search.InGroup(m.Group)
	}
	return search.Ref{Talk: talk, ID: m.ID, Seq: m.Seq}
}

func texts(messages ...message.Message) []search.Text {
	var list []search.Text
	for _, m := range messages {
		list = append(list, textOf(m))
	}
	return list
}

// testSearchMessages reads random stretches and compares with all that there is.
func testSearchMessages(t *testing.T, d *searchDesk) {
	draw := rand.New(rand.NewPCG(1, 2))
	g := d.newGroup(alice, bob)
	var all []search.Text
	for i := range 60 {
		from, to := alice, user(2+draw.IntN(3))
		if draw.IntN(2) == 0 {
			from, to = to, from
		}
		text := fmt.Sprint("message ", i)
		if draw.IntN(4) == 0 {
			all = append(all, textOf(d.toGroup(g, bob, text)))
			continue
		}
		all = append(all, textOf(d.send(from, to, text)))
	}
	talks, _ := d.talks(alice, 10)
	end := all[len(all)-1].Seq

	for range 60 {
		var in []search.Stretch
		for _, s := range talks {
			if draw.IntN(4) > 0 {
				in = append(in, search.Stretch{
					Talk: s.Talk, After: order.Seq(draw.IntN(int(end))), Before: order.Seq(draw.IntN(int(end) + 10)), Last: s.Last,
				})
			}
		}
		newest, limit := draw.IntN(2) == 0, 1+draw.IntN(20)

		got, err := d.search.SearchMessages(t.Context(), alice, in, newest, limit)
		if err != nil {
			t.Fatal(err)
		}

		want := slices.DeleteFunc(slices.Clone(all), func(m search.Text) bool {
			return !slices.ContainsFunc(in, func(s search.Stretch) bool { return s.Talk == m.Talk && m.Seq > s.After && m.Seq < s.Before })
		})
		if newest {
			slices.Reverse(want)
		}
		same(t, fmt.Sprintf("%d messages, newest %v, of %v", limit, newest, in), got, want[:min(len(want), limit)])
	}
}

// read returns all that a person can see of some messages: by their places, and by themselves.
func (d *searchDesk) read(u id.User, of ...message.Message) []search.Text {
	d.t.Helper()
	var in []search.Stretch
	var refs []search.Ref
	for _, m := range of {
		r := refOf(m)
		refs = append(refs, r)
		in = append(in, search.Stretch{Talk: r.Talk, After: r.Seq - 1, Before: r.Seq + 1, Last: r.Seq})
	}
	stretched, err := d.search.SearchMessages(d.t.Context(), u, in, false, 100)
	if err != nil {
		d.t.Fatalf("SearchMessages: %v", err)
	}
	named, err := d.search.SearchTexts(d.t.Context(), u, refs)
	if err != nil {
		d.t.Fatalf("SearchTexts: %v", err)
	}
	slices.SortFunc(named, func(a, b search.Text) int { return a.Compare(b.Ref) })
	same(d.t, "the messages by name and by place", named, stretched)
	same(d.t, "the messages as they are shown", texts(d.seen(u, of...)...), named)
	return named
}

// seen returns the messages themselves, by their places.
func (d *searchDesk) seen(u id.User, of ...message.Message) []message.Message {
	d.t.Helper()
	seen, err := d.store.Seen(d.t.Context(), u, ids(of))
	if err != nil {
		d.t.Fatalf("Seen: %v", err)
	}
	slices.SortFunc(seen, func(a, b message.Message) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, m := range seen {
		same(d.t, "a message among others and by itself", m, d.find(m.ID))
	}
	return seen
}

func testUnseen(t *testing.T, d *searchDesk) {
	g := d.newGroup(carol, alice, bob)
	before := d.send(alice, bob, "cleared")
	inGroupBefore := d.toGroup(g, bob, "cleared in the group")
	if err := errors.Join(d.store.Clear(t.Context(), alice, bob), d.groups.ClearGroup(t.Context(), g.ID, alice)); err != nil {
		t.Fatal(err)
	}
	kept := d.send(bob, alice, "kept")
	hidden := d.send(bob, alice, "hidden")
	inGroup := d.toGroup(g, bob, "in the group")
	hiddenInGroup := d.toGroup(g, bob, "hidden in the group")
	gone := d.send(alice, bob, "gone")
	foreign := d.send(bob, carol, "of others")
	d.deleteForSelf(hidden.ID, alice)
	d.deleteForSelf(hiddenInGroup.ID, alice)
	gone = d.deleteForAll(gone.ID)
	all := []message.Message{before, inGroupBefore, kept, hidden, inGroup, hiddenInGroup, gone, foreign}
	d.markRead(alice, kept.ID)
	tombstone := search.Text{Ref: refOf(gone), Changed: gone.Changed, Gone: true}

	same(t, "what one sees", d.read(alice, all...), append(texts(kept, inGroup), tombstone))
	same(t, "what the other sees", d.read(bob, all...),
		append(append(texts(before, inGroupBefore, kept, hidden, inGroup, hiddenInGroup), tombstone), textOf(foreign)))
	same(t, "what a stranger sees", d.read(user(9), all...), texts())

	d.leave(g, alice)
	same(t, "what one sees who has left the group", d.read(alice, all...), append(texts(kept), tombstone))
	d.enter(g, carol, alice)
	same(t, "what one sees who has come back", d.read(alice, all...), append(texts(kept, inGroup), tombstone))
	elsewhere := refOf(kept)
	elsewhere.Talk = search.Between(alice, carol)
	if got, err := d.search.SearchTexts(t.Context(), alice, []search.Ref{elsewhere}); err != nil || len(got) > 0 {
		t.Errorf("a message in another conversation: %d found, error %v; want none", len(got), err)
	}
}

func (d *searchDesk) changes(u id.User, after order.Seq, limit int) ([]search.Text, order.Seq) {
	d.t.Helper()
	got, upTo, err := d.search.SearchChanged(d.t.Context(), u, after, limit)
	if err != nil {
		d.t.Fatalf("SearchChanged: %v", err)
	}
	return got, upTo
}

func testSearchChanged(t *testing.T, d *searchDesk) {
	g := d.newGroup(carol, alice)
	edit := func(m message.Message, text string) message.Message {
		t.Helper()
		m, err := d.store.Edit(t.Context(), m.ID, text, d.now())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	one, two, three := d.send(alice, bob, "one"), d.send(bob, alice, "two"), d.toGroup(g, carol, "three")
	foreign := d.send(bob, carol, "of others")
	three, one = edit(three, "three, edited"), edit(one, "one, edited")
	edit(foreign, "of others, edited")
	two = d.deleteForAll(two.ID)
	last := d.send(alice, bob, "last")
	want := append(texts(three, one), search.Text{Ref: refOf(two), Changed: two.Changed, Gone: true})

	got, upTo := d.changes(alice, 0, 10)
	same(t, "all changes", got, want)
	if upTo != last.Seq {
		t.Errorf("all changes are told up to %d, want %d", upTo, last.Seq)
	}
	got, upTo = d.changes(alice, 0, 2)
	same(t, "the first changes", got, want[:2])
	if upTo != one.Changed {
		t.Errorf("the first changes are told up to %d, want %d", upTo, one.Changed)
	}
	got, upTo = d.changes(alice, one.Changed, 10)
	same(t, "the other changes", got, want[2:])
	if upTo != last.Seq {
		t.Errorf("the other changes are told up to %d, want %d", upTo, last.Seq)
	}
	if got, upTo = d.changes(alice, 1<<53, 1); len(got) > 0 || upTo != last.Seq {
		t.Errorf("after the end there are %d changes up to %d, want none up to %d", len(got), upTo, last.Seq)
	}
	d.leave(g, alice)
	if got, _ = d.changes(alice, 0, 10); len(got) != 2 {
		t.Errorf("%d changes are told to one who has left the group, want 2", len(got))
	}
}

func testPlace(t *testing.T, d *searchDesk) {
	g := d.newGroup(carol, alice, bob)
	direct, inGroup := d.send(alice, bob, "direct"), d.toGroup(g, bob, "in a group")
	d.deleteForSelf(direct.ID, alice)
	d.leave(g, bob)

	for _, c := range []struct {
		who   id.User
		of    message.Message
		knows bool
	}{
		{alice, direct, true}, {bob, direct, true}, {carol, direct, false},
		{alice, inGroup, true}, {bob, inGroup, false}, {user(9), inGroup, false},
		{alice, message.Message{ID: messageID(999)}, false},
	} {
		got, err := d.search.SearchPlace(t.Context(), c.who, c.of.ID)
		switch {
		case c.knows && (err != nil || got != refOf(c.of)):
			t.Errorf("the place of %q is %v, error %v; want %v", c.of.Content, got, err, refOf(c.of))
		case !c.knows && fault.Of(err).Kind != fault.KindNotFound:
			t.Errorf("the place of %q for a stranger: error %v, want one of kind not found", c.of.Content, err)
		}
	}
}
