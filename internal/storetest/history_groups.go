package storetest

import (
	"errors"
	"fmt"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
)

// refused makes an operation that must be refused with one of these errors.
func (h *history) refused(what string, call func() error, want ...error) {
	h.t.Helper()
	err := call()
	if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
		h.t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

// group draws one of the groups; nil where there is none.
func (h *history) group() *circle {
	if len(h.circles) == 0 {
		return nil
	}
	return h.circles[h.below(len(h.circles), "group")]
}

// stepForeign tries what is not open to somebody who is not in the conversation of a message.
func (h *history) stepForeign(u id.User, e *entry) {
	ctx := h.t.Context()
	r := message.Reaction{User: u, Emoji: "👍", At: h.now()}
	h.refused("MarkRead", func() error { _, err := h.store.MarkRead(ctx, u, e.ID, h.now()); return err }, message.ErrNoMessage)
	h.refused("React", func() error { _, _, err := h.store.React(ctx, e.ID, r, false); return err }, message.ErrNoMessage)
	if !e.Group.IsZero() {
		h.refused("PageBefore", func() error {
			_, err := h.store.PageBefore(ctx, e.Conversation(), u, id.Message{}, 10)
			return err
		}, message.ErrNotMember)
		h.refused("Seat", func() error { _, err := h.groups.Seat(ctx, e.Group, u); return err }, message.ErrNotMember, message.ErrNoGroup)
	}
}

// stepGroup makes a group or changes one.
func (h *history) stepGroup(u id.User) {
	c := h.group()
	if c == nil || len(h.circles) < maxCircles && h.below(3, "form") == 0 {
		h.form(h.newGroup(u, h.others(u)...))
		return
	}
	if len(c.Members) == 0 {
		h.refused("ChangeGroup", func() error {
			_, _, err := h.groups.ChangeGroup(h.t.Context(), c.ID, u, h.now(), func(*message.Group) error { return nil })
			return err
		}, message.ErrNoGroup)
		return
	}
	who := h.person()
	set := []func(*message.Group){
		func(g *message.Group) { g.Name = fmt.Sprint("named ", h.sent) },
		func(g *message.Group) { enter(g, message.Member{User: who, JoinedAt: h.now()}) },
		func(g *message.Group) { enter(g, message.Member{User: who, JoinedAt: h.now()}) },
		func(g *message.Group) { leave(g, who) },
		func(*message.Group) {},
	}[h.below(5, "change")]
	h.stepChangeGroup(c, u, set)
}

// others are some people besides one.
func (h *history) others(u id.User) []id.User {
	var some []id.User
	for _, p := range h.people {
		if p != u && h.below(3, "other") > 0 {
			some = append(some, p)
		}
	}
	return some
}

func (h *history) stepChangeGroup(c *circle, by id.User, set func(*message.Group)) {
	want := c.Group
	want.Members = slices.Clone(c.Members)
	set(&want)
	changes := want.Name != c.Name || !slices.Equal(want.Members, c.Members)
	before, after, err := h.groups.ChangeGroup(h.t.Context(), c.ID, by, h.now(), func(g *message.Group) error {
		set(g)
		return nil
	})
	if err != nil {
		h.t.Fatalf("ChangeGroup: %v", err)
	}
	same(h.t, "group as it was", before, c.Group)
	if changed := after.Changed != before.Changed; changed != changes {
		h.t.Fatalf("ChangeGroup changed something: %v, want %v", changed, changes)
	}
	if changes {
		want.UpdatedAt, want.Changed = h.now(), after.Changed
	}
	same(h.t, "group as it is", after, want)
	if changes {
		h.reform(before, after)
	}
}

// enter adds somebody to a group, and leave takes somebody out, where that changes anything.
func enter(g *message.Group, m message.Member) {
	if _, in := g.Member(m.User); !in {
		g.Members = append(g.Members, m)
	}
}

func leave(g *message.Group, u id.User) {
	g.Members = slices.DeleteFunc(g.Members, func(m message.Member) bool { return m.User == u })
}

func (h *history) stepArrangeGroup(u id.User) {
	c := h.group()
	if c == nil {
		return
	}
	set, s := h.setting(), side{u, message.InGroup(c.ID)}
	if !h.takesPart(u, s.conversation) {
		h.refused("ArrangeGroup", func() error {
			_, _, err := h.groups.ArrangeGroup(h.t.Context(), c.ID, u, h.now(), set)
			return err
		}, noSeat(c))
		return
	}
	own := h.own(s)
	before := own.settings
	h.settle(s, set)
	seat, changed, err := h.groups.ArrangeGroup(h.t.Context(), c.ID, u, h.now(), set)
	if want := own.settings != before; err != nil || changed != want {
		h.t.Fatalf("ArrangeGroup: changed %v and error %v, want %v", changed, err, want)
	}
	if changed {
		h.commit(seat.Changed, s.conversation, u)
	}
	same(h.t, "arranged seat", seat, h.oracle.seat(u, c))
}

// noSeat is the answer to somebody who is not in a group.
func noSeat(c *circle) error {
	if len(c.Members) == 0 {
		return message.ErrNoGroup
	}
	return message.ErrNotMember
}

func (h *history) stepClearGroup(u id.User) {
	c := h.group()
	if c == nil {
		return
	}
	s := side{u, message.InGroup(c.ID)}
	clear := func() error { return h.groups.ClearGroup(h.t.Context(), c.ID, u) }
	if !h.takesPart(u, s.conversation) {
		h.refused("ClearGroup", clear, noSeat(c))
		return
	}
	h.clears(s, clear)
}
