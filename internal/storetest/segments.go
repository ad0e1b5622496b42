package storetest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/search"
)

// SearchStores are the parts of an empty database that the search needs.
type SearchStores struct {
	Search   search.Store
	Messages message.Store
	Groups   message.GroupStore
}

// Search tests what is kept for the search, and how messages are read for it. open returns an empty
// database that the end of the test closes.
func Search(t *testing.T, open func(*testing.T) SearchStores) {
	tests := map[string]func(*testing.T, *searchDesk){
		"AHeadIsReplacedOnlyByTheNextOne":          testHeads,
		"SegmentsComeNewestFirst":                  testFilters,
		"ASegmentIsReplacedAndRemoved":             testReplaced,
		"SegmentsAreFoundByThePlaceOfAMessage":     testSegmentsAt,
		"ADroppedIndexIsGoneAndBeginsAnew":         testDropped,
		"SegmentsAreDroppedByRange":                testDroppedBefore,
		"IndexesAreDroppedOfEverybodyWhoCouldRead": testDroppedAround,
		"SearchersInAGroupAreMembersWithAnIndex":   testSearchersIn,
		"TalksAreThoseInWhichAPersonIs":            testTalks,
		"MessagesAreReadFromBothEnds":              testSearchMessages,
		"WhatAPersonCannotSeeIsNotRead":            testUnseen,
		"ChangedMessagesComeInTheOrderOfChanges":   testSearchChanged,
		"ThePlaceOfAMessageIsToldToItsPeople":      testPlace,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			test(t, &searchDesk{deskOf(t, Stores{Messages: s.Messages, Groups: s.Groups}), s.Search})
		})
	}
}

type searchDesk struct {
	*desk
	search search.Store
}

func (d *searchDesk) save(owner id.User, h search.Head, put []search.Segment, drop ...int64) {
	d.t.Helper()
	if err := d.search.SaveSearch(d.t.Context(), owner, h, put, drop); err != nil {
		d.t.Fatalf("SaveSearch: %v", err)
	}
}

func (d *searchDesk) head(owner id.User) search.Head {
	d.t.Helper()
	h, err := d.search.SearchHead(d.t.Context(), owner)
	if err != nil {
		d.t.Fatalf("SearchHead: %v", err)
	}
	return h
}

// filters reads all segments of a person, some at a time.
func (d *searchDesk) filters(owner id.User) []search.Segment {
	d.t.Helper()
	var all []search.Segment
	for last := (search.Segment{}); ; {
		some, err := d.search.SegmentFilters(d.t.Context(), owner, last, 3)
		if err != nil || len(some) > 3 {
			d.t.Fatalf("SegmentFilters gave %d segments and error %v, want at most 3", len(some), err)
		}
		all = append(all, some...)
		if len(some) < 3 {
			return all
		}
		last = some[len(some)-1]
	}
}

func (d *searchDesk) lists(owner id.User, numbers ...int64) []search.Segment {
	d.t.Helper()
	all, err := d.search.SegmentLists(d.t.Context(), owner, numbers)
	if err != nil {
		d.t.Fatalf("SegmentLists: %v", err)
	}
	slices.SortFunc(all, func(a, b search.Segment) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

func segment(number int64, first, last order.Seq) search.Segment {
	return search.Segment{
		Number: number, First: first, Last: last, Messages: 7,
		Filter: bytes.Repeat([]byte{byte(number)}, 4096), List: bytes.Repeat([]byte{byte(number) + 100}, 9000),
	}
}

// withFilter and withList are segments as they are read.
func withFilter(g search.Segment) search.Segment { g.List = nil; return g }
func withList(g search.Segment) search.Segment   { g.Filter = nil; return g }

// index gives somebody an index of one segment.
func (d *searchDesk) index(owner id.User, first, last order.Seq) {
	d.t.Helper()
	d.save(owner, search.Head{Version: 1, Next: 1, State: []byte("state")}, []search.Segment{segment(0, first, last)})
}

func testHeads(t *testing.T, d *searchDesk) {
	if got := d.head(alice); got.Version != 0 {
		t.Errorf("who never searched has a head of version %d", got.Version)
	}
	first, second := search.Head{Version: 1, Next: 3, State: []byte("one")}, search.Head{Version: 2, Next: 9, State: []byte("two")}
	d.save(alice, first, nil)
	same(t, "the first head", d.head(alice), first)
	d.save(alice, second, nil)
	same(t, "the second head", d.head(alice), second)

	for _, version := range []int64{1, 2, 4} {
		stale := search.Head{Version: version, State: []byte("stale")}
		err := d.search.SaveSearch(t.Context(), alice, stale, []search.Segment{segment(5, 1, 2)}, nil)
		if !errors.Is(err, search.ErrMoved) {
			t.Errorf("version %d after version 2: error %v, want ErrMoved", version, err)
		}
	}
	same(t, "the head after refusals", d.head(alice), second)
	if got := d.filters(alice); len(got) > 0 {
		t.Errorf("a refused change left %d segments", len(got))
	}
	if got := d.head(bob); got.Version != 0 {
		t.Errorf("somebody else has a head of version %d", got.Version)
	}
}

func testFilters(t *testing.T, d *searchDesk) {
	// Ranges overlap, and some end at the same place.
	segments := []search.Segment{
		segment(0, 1, 50), segment(1, 10, 50), segment(2, 51, 80), segment(3, 20, 90), segment(4, 81, 90),
		segment(5, 91, 91), segment(6, 2, 50), segment(7, 85, 200),
	}
	d.save(alice, search.Head{Version: 1, Next: 8, State: []byte{1}}, segments)
	d.index(bob, 1, 1000)

	var want []search.Segment
	for _, n := range []int{7, 5, 4, 3, 2, 6, 1, 0} {
		want = append(want, withFilter(segments[n]))
	}
	same(t, "the segments", d.filters(alice), want)
	same(t, "some lists", d.lists(alice, 2, 99, 6), []search.Segment{withList(segments[2]), withList(segments[6])})
}

func testReplaced(t *testing.T, d *searchDesk) {
	d.save(alice, search.Head{Version: 1, Next: 3, State: []byte{1}}, []search.Segment{segment(0, 1, 5), segment(1, 6, 9), segment(2, 10, 12)})
	changed := segment(1, 6, 8)
	changed.Filter, changed.List, changed.Messages = []byte("filter"), []byte("list"), 2

	d.save(alice, search.Head{Version: 2, Next: 3, State: []byte{2}}, []search.Segment{changed}, 0, 77)

	same(t, "the filters", d.filters(alice), []search.Segment{withFilter(segment(2, 10, 12)), withFilter(changed)})
	same(t, "the lists", d.lists(alice, 0, 1, 2), []search.Segment{withList(changed), withList(segment(2, 10, 12))})
}

func testSegmentsAt(t *testing.T, d *searchDesk) {
	d.save(alice, search.Head{Version: 1, Next: 3, State: []byte{1}}, []search.Segment{segment(0, 10, 20), segment(1, 21, 30), segment(2, 15, 25)})
	d.index(bob, 1, 100)

	for at, want := range map[order.Seq][]int64{9: nil, 10: {0}, 15: {0, 2}, 20: {0, 2}, 21: {1, 2}, 26: {1}, 30: {1}, 31: nil} {
		got, err := d.search.SegmentsAt(t.Context(), alice, at)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		same(t, fmt.Sprint("the segments at ", at), got, want)
	}
}

func testDropped(t *testing.T, d *searchDesk) {
	d.index(alice, 1, 5)
	d.index(bob, 1, 5)

	for range 2 {
		if err := d.search.DropSegments(t.Context(), alice); err != nil {
			t.Fatal(err)
		}
	}

	if h, left := d.head(alice), d.filters(alice); h.Version != 0 || len(left) > 0 {
		t.Errorf("a dropped index has a head of version %d and %d segments", h.Version, len(left))
	}
	err := d.search.SaveSearch(t.Context(), alice, search.Head{Version: 2, Next: 2, State: []byte{1}}, []search.Segment{segment(1, 6, 9)}, nil)
	if !errors.Is(err, search.ErrMoved) {
		t.Errorf("what was under way when the index was dropped: error %v, want ErrMoved", err)
	}
	if got := d.filters(bob); len(got) != 1 {
		t.Errorf("%d segments of somebody else are left, want 1", len(got))
	}
	d.index(alice, 7, 9)
	same(t, "the new index", d.filters(alice), []search.Segment{withFilter(segment(0, 7, 9))})
}

func testDroppedBefore(t *testing.T, d *searchDesk) {
	d.save(alice, search.Head{Version: 1, Next: 3, State: []byte{1}}, []search.Segment{segment(0, 1, 9), segment(1, 5, 10), segment(2, 10, 12)})
	d.index(bob, 1, 9)
	d.index(carol, 2, 20)

	if err := d.search.DropSegmentsBefore(t.Context(), 10); err != nil {
		t.Fatal(err)
	}

	same(t, "what is left", d.filters(alice), []search.Segment{withFilter(segment(2, 10, 12)), withFilter(segment(1, 5, 10))})
	if n, m := len(d.filters(bob)), len(d.filters(carol)); n != 0 || m != 1 {
		t.Errorf("%d and %d segments are left, want none and 1", n, m)
	}
	if h := d.head(bob); h.Version != 1 {
		t.Errorf("the head has version %d, want 1: the index goes on", h.Version)
	}
}

func testDroppedAround(t *testing.T, d *searchDesk) {
	dave, eve, frank, gina := user(4), user(5), user(6), user(7)
	d.send(alice, bob, "between two")
	g := d.newGroup(carol, alice, dave, eve)
	d.leave(g, eve)
	h := d.newGroup(frank, alice)
	d.leave(h, alice)
	d.send(bob, gina, "of others")
	for _, u := range []id.User{alice, bob, carol, dave, eve, frank, gina} {
		d.index(u, 1, 9)
	}

	if err := d.search.DropSegmentsAround(t.Context(), alice); err != nil {
		t.Fatal(err)
	}

	for name, u := range map[string]id.User{
		"the person": alice, "who talks to them": bob, "who is in a group with them": dave, "who has left the group": eve, "whose group they have left": frank,
	} {
		if h := d.head(u); h.Version != 0 || len(d.filters(u)) > 0 {
			t.Errorf("%s has an index", name)
		}
	}
	if h := d.head(gina); h.Version != 1 || len(d.filters(gina)) != 1 {
		t.Error("who never could read what the person wrote has lost their index")
	}
}

func testSearchersIn(t *testing.T, d *searchDesk) {
	dave := user(4)
	g := d.newGroup(alice, bob, carol)
	d.leave(g, carol)
	for _, u := range []id.User{alice, carol, dave} {
		d.index(u, 1, 9)
	}

	got, err := d.search.SearchersIn(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}

	same(t, "the searchers", got, []id.User{alice})
}

func (d *searchDesk) talks(u id.User, limit int) ([]search.State, bool) {
	d.t.Helper()
	talks, more, err := d.search.SearchTalks(d.t.Context(), u, limit)
	if err != nil {
		d.t.Fatalf("SearchTalks: %v", err)
	}
	return talks, more
}

func testTalks(t *testing.T, d *searchDesk) {
	g := d.newGroup(carol, alice)
	left := d.newGroup(carol, alice)
	d.toGroup(left, carol, "before")
	d.leave(left, alice)
	one := d.send(alice, bob, "one")
	two := d.toGroup(g, carol, "two")
	three := d.send(alice, alice, "a note")
	d.send(bob, carol, "of others")

	got, more := d.talks(alice, 10)

	want := []search.State{
		{Talk: search.Between(alice, alice), Last: three.Seq}, {Talk: search.InGroup(g.ID), Last: two.Seq}, {Talk: search.Between(alice, bob), Last: one.Seq},
	}
	same(t, "the talks", got, want)
	if more {
		t.Error("more talks are said to be there")
	}
	if got, more = d.talks(alice, 2); !more {
		t.Error("no more talks are said to be there")
	}
	same(t, "the newest talks", got, want[:2])
	if got, _ = d.talks(user(9), 10); len(got) > 0 {
		t.Errorf("somebody without messages has %d talks", len(got))
	}
}
