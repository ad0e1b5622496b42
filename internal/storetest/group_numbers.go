package storetest

import (
	"context"
	"slices"
	"testing"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

func testNoGroupNumber(t *testing.T, d *desk) {
	g := d.newGroup(alice, bob)
	first, second := d.toGroup(g, alice, "first"), d.toGroup(g, alice, "second")
	d.markRead(bob, second.ID)
	like := message.Reaction{User: bob, Emoji: "👍", At: start}
	d.react(first.ID, like)
	d.deleteForSelf(first.ID, alice)
	newest := d.deleteForAll(second.ID).Changed

	// As between two people, a repeat of an attempt is not among them.
	for what, call := range map[string]func() (bool, error){
		"ChangeGroup": func() (bool, error) { return d.moves(g.ID, func(*message.Group) {}) },
		"MarkRead": func() (bool, error) {
			r, err := d.store.MarkRead(t.Context(), bob, second.ID, start)
			return r.Changed(), err
		},
		"MarkDelivered": func() (bool, error) {
			r, err := d.store.MarkDelivered(t.Context(), bob, second.ID, start)
			return r.Changed(), err
		},
		"React": func() (bool, error) {
			_, changed, err := d.store.React(t.Context(), first.ID, like, false)
			return changed, err
		},
		"React, remove": func() (bool, error) {
			_, changed, err := d.store.React(t.Context(), first.ID, message.Reaction{User: bob, Emoji: "🎉"}, true)
			return changed, err
		},
		"DeleteForAll": func() (bool, error) {
			_, changed, err := d.store.DeleteForAll(t.Context(), second.ID, start)
			return changed, err
		},
		"DeleteForSelf": func() (bool, error) {
			_, changed, err := d.store.DeleteForSelf(t.Context(), first.ID, alice, start)
			return changed, err
		},
		"ArrangeGroup": func() (bool, error) {
			_, changed, err := d.groups.ArrangeGroup(t.Context(), g.ID, bob, start, func(*message.Settings) {})
			return changed, err
		},
		"SaveDraft": func() (bool, error) {
			return false, d.store.SaveDraft(t.Context(), bob, message.SavedDraft{Conversation: message.InGroup(g.ID), Text: "x", At: start})
		},
	} {
		if changed, err := call(); changed || err != nil {
			t.Errorf("%s reported %v and error %v, want nothing changed", what, changed, err)
		}
		if got := d.since(alice, 0).Seq; got != newest {
			t.Errorf("%s took the number %d", what, got)
			newest = got
		}
	}
}

// moves reports whether a change of a group changed something.
func (d *desk) moves(g id.Group, set func(*message.Group)) (bool, error) {
	before, after, err := d.groups.ChangeGroup(d.t.Context(), g, alice, d.now(), func(g *message.Group) error {
		set(g)
		return nil
	})
	return before.Changed != after.Changed, err
}

// A within is a test with another context.
type within struct {
	tester
	ctx context.Context
}

func (w within) Context() context.Context { return w.ctx }

// under is the desk whose operations have another context.
func (d *desk) under(ctx context.Context) *desk {
	other := *d
	other.t = within{d.t, ctx}
	return &other
}

// groupOperations make each operation on groups once, and return their numbers.
func (d *desk) groupOperations(begin func() (context.Context, func(order.Seq))) {
	g := d.groupOf(alice, bob)
	var m message.Message
	like := message.Reaction{User: bob, Emoji: "👍", At: start}
	hello := d.groupDraft(g, alice, "hello")
	for _, call := range []func(*desk) order.Seq{
		func(d *desk) order.Seq {
			got, err := d.groups.CreateGroup(d.t.Context(), g)
			if err != nil {
				d.t.Fatalf("CreateGroup: %v", err)
			}
			return got.Changed
		},
		func(d *desk) order.Seq { m = d.append(hello); return m.Seq },
		func(d *desk) order.Seq { return d.enter(g, alice, carol).Changed },
		func(d *desk) order.Seq { return d.react(m.ID, like).Changed },
		func(d *desk) order.Seq {
			return d.arrangeGroup(g.ID, bob, func(s *message.Settings) { s.Archived = true }).Changed
		},
		func(d *desk) order.Seq { return d.markRead(bob, m.ID).Changed },
		func(d *desk) order.Seq {
			if err := d.groups.ClearGroup(d.t.Context(), g.ID, bob); err != nil {
				d.t.Fatalf("ClearGroup: %v", err)
			}
			return 0
		},
		func(d *desk) order.Seq { return d.leave(g, bob).Changed },
	} {
		ctx, done := begin()
		seq := call(d.under(ctx))
		if seq == 0 {
			seq = d.since(alice, 0).Seq
		}
		done(seq)
	}
}

func testGroupNumbers(t *testing.T, d *desk) {
	line := order.NewLine(0)
	var turns []*order.Turn
	var seqs []order.Seq
	d.groupOperations(func() (context.Context, func(order.Seq)) {
		ctx, turn := line.Begin(t.Context())
		return ctx, func(seq order.Seq) { turns, seqs = append(turns, turn), append(seqs, seq) }
	})

	// Ending the turns from the last number to the first shows whether they were numbered.
	got := published(line, func(publish func(order.Seq) func()) {
		for i, turn := range slices.Backward(turns) {
			turn.End(publish(seqs[i]))
		}
	})
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(turns) {
		t.Errorf("what was announced is numbered %d, want growing numbers", got)
	}
}

func testGroupCancelled(t *testing.T, d *desk) {
	var last order.Seq
	d.groupOperations(func() (context.Context, func(order.Seq)) {
		return queuedThenCancelled(t.Context()), func(seq order.Seq) {
			if seq <= last {
				t.Errorf("number %d follows %d", seq, last)
			}
			last = seq
		}
	})
}
