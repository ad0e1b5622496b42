package search_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/metric"
	"pryde/internal/search"
)

func TestAMessageIsFoundAsSoonAsItIsStored(t *testing.T) {
	w := newWorld(t)
	one := w.send(alice, bob, "the first apple")
	w.finds("without an index", alice, "apple", one)
	w.finds("for the recipient", bob, "apple", one)
	w.finds("for a stranger", carol, "apple")

	w.index(alice, 4)
	w.chat(bob, alice, 9)
	w.index(alice, 4)
	if n := w.segments(alice); n != 2 {
		t.Fatalf("10 messages are in %d segments of 4, want 2 and the rest in none", n)
	}
	two := w.send(bob, alice, "another Apple!")

	w.finds("partly from the index", alice, "apple", two, one)
	w.finds("from the index alone", alice, "number3", w.nth(5))
	w.finds("what is in no segment", alice, "number8", w.nth(10))
	w.finds("all words have to be there", alice, "apple first", one)
	w.finds("nothing", alice, "pear")
}

func TestEditsAndDeletionsCountAtOnceAndInTheIndex(t *testing.T) {
	w := newWorld(t)
	one, two, three, four := w.send(alice, bob, "red one"), w.send(bob, alice, "red two"), w.send(alice, bob, "red three"), w.send(alice, bob, "red four")
	w.index(alice, 2)
	if n := w.segments(alice); n != 2 {
		t.Fatalf("there are %d segments, want 2", n)
	}
	w.finds("before", alice, "red", four, three, two, one)

	w.edit(one.ID, "green one")
	w.deleteForAll(two.ID)
	w.deleteForSelf(three.ID, alice)
	for _, when := range []string{"at once", "once the index knows"} {
		w.finds(when, alice, "red", four)
		w.finds(when, alice, "green", one)
		w.index(alice, 2)
	}
	w.deleteForAll(one.ID)
	w.index(alice, 2)
	if n := w.segments(alice); n != 1 {
		t.Errorf("there are %d segments, want 1: of the other, all messages are deleted", n)
	}
	w.finds("after all", alice, "green")
}

func TestAGroupIsSearchedByItsMembersOnly(t *testing.T) {
	w := newWorld(t)
	g := w.newGroup(alice, bob)
	one := w.toGroup(g, alice, "plan one")
	two := w.toGroup(g, bob, "plan two")
	w.index(bob, 2)
	w.index(carol, 2)
	w.finds("a member", bob, "plan", two, one)
	w.finds("who is not in it", carol, "plan")

	w.leave(g, bob)
	w.finds("who has left", bob, "plan")
	w.edit(one.ID, "scheme one")
	three := w.toGroup(g, alice, "plan three")
	w.index(bob, 2)
	w.enter(g, bob)
	w.enter(g, carol)
	for _, when := range []string{"at once", "from the index"} {
		w.finds("who has come back, "+when, bob, "plan", three, two)
		w.finds("who has come back, "+when, bob, "scheme", one)
		w.finds("who has come in, "+when, carol, "plan", three, two)
		w.index(bob, 2)
		w.index(carol, 2)
	}
}

func TestPagesGoOnWhereTheLastOneEnded(t *testing.T) {
	w := newWorld(t)
	var want []id.Message
	for i := range 50 {
		text := fmt.Sprint("other ", i)
		if i%3 > 0 {
			text = fmt.Sprint("wanted ", i)
		}
		m := w.send(alice, user(2+i%5), text)
		if i%3 > 0 {
			want = append([]id.Message{m.ID}, want...)
		}
		if i == 40 {
			w.index(alice, 4)
		}
	}

	for _, limit := range []int{1, 2, 7, len(want) - 1, len(want), 100} {
		if got := w.find(alice, "wanted", limit); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("pages of %d give %v, want %v", limit, got, want)
		}
	}
}

func TestACursorThatIsNoMessageOfTheCallerIsNotFound(t *testing.T) {
	w := newWorld(t)
	foreign := w.send(bob, carol, "of others")
	own := w.send(alice, bob, "own")
	w.deleteForSelf(own.ID, alice)

	for name, before := range map[string]id.Message{"unknown": {9}, "foreign": foreign.ID} {
		_, err := w.service.Search(t.Context(), auth.Identity{User: alice}, search.Query{Text: "own", Limit: 5, Before: before})
		if fault.Of(err).Kind != fault.KindNotFound {
			t.Errorf("%s: error %v, want one of kind not found", name, err)
		}
	}
	if found := w.page(alice, search.Query{Text: "own", Limit: 5, Before: own.ID}); len(found.IDs) > 0 {
		t.Errorf("before a message that was deleted there are %d, want none", len(found.IDs))
	}
}

func TestBadQueriesAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		query search.Query
		want  error
	}{
		"empty":          {search.Query{Limit: 5}, search.ErrQuery},
		"signs":          {search.Query{Text: "?!", Limit: 5}, search.ErrQuery},
		"a megabyte":     {search.Query{Text: strings.Repeat("x", 1<<20), Limit: 5}, search.ErrQuery},
		"no limit":       {search.Query{Text: "x"}, search.ErrLimit},
		"negative limit": {search.Query{Text: "x", Limit: -1}, search.ErrLimit},
	} {
		if _, err := w.service.Search(t.Context(), auth.Identity{User: alice}, c.query); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
}

// TestALongSearchAnswersWithWhatItHas lets the time run out after each look at the clock.
func TestALongSearchAnswersWithWhatItHas(t *testing.T) {
	w := newWorld(t)
	w.chat(alice, bob, 300)
	newest := w.send(alice, bob, "needle at the end")
	var looks atomic.Int64
	w.options.Now = func() time.Time { return start.Add(time.Duration(looks.Add(1)) * time.Minute) }
	w.options.Metrics = metric.New()
	hurried := search.New(w.options)
	defer hurried.Close()

	got, err := hurried.Search(t.Context(), auth.Identity{User: alice}, search.Query{Text: "needle", Limit: 5})

	if err != nil || got.Complete || len(got.IDs) != 1 || got.IDs[0] != newest.ID {
		t.Errorf("found %v, complete %v, error %v; want the newest one, not complete", got.IDs, got.Complete, err)
	}
	got, err = hurried.Search(t.Context(), auth.Identity{User: alice}, search.Query{Text: "filling", Limit: 5})
	if err != nil || !got.Complete || len(got.IDs) != 5 || got.Next.IsZero() {
		t.Errorf("found %d, complete %v, next %v, error %v; want a full page, which lacks nothing", len(got.IDs), got.Complete, got.Next, err)
	}
}

// A stuck store answers nothing until it is released.
type stuck struct {
	search.Store
	entered chan struct{}
	release chan struct{}
}

func (s stuck) SearchHead(ctx context.Context, owner id.User) (search.Head, error) {
	s.entered <- struct{}{}
	<-s.release
	return s.Store.SearchHead(ctx, owner)
}

func TestSearchesRunAFewAtATime(t *testing.T) {
	w := newWorld(t)
	s := stuck{w.store, make(chan struct{}), make(chan struct{})}
	o := w.options
	o.Store, o.Metrics = s, metric.New()
	service := search.New(o)
	defer service.Close()
	query := search.Query{Text: "x", Limit: 5}
	var running sync.WaitGroup
	for range search.AtOnce {
		running.Go(func() {
			if _, err := service.Search(t.Context(), auth.Identity{User: alice}, query); err != nil {
				t.Errorf("a search that had to wait: %v", err)
			}
		})
		<-s.entered
	}
	impatient, leave := context.WithCancel(t.Context())
	leave()

	_, err := service.Search(impatient, auth.Identity{User: alice}, query)

	if fault.Of(err).Kind != fault.KindUnavailable {
		t.Errorf("one search more: error %v, want one of kind unavailable", err)
	}
	close(s.release)
	go func() {
		for range s.entered { // the index is about to be made
		}
	}()
	running.Wait()
	service.Close()
	close(s.entered)
}

// TestTheIndexIsMadeInTheBackground goes the way of the server: a search, then notices.
func TestTheIndexIsMadeInTheBackground(t *testing.T) {
	w := newWorld(t)
	w.chat(alice, bob, 256)
	w.finds("before", alice, "number7", w.nth(8))
	poll(t, "the first search has made a segment", func() bool { return w.segments(alice) == 1 })

	g := w.newGroup(bob, alice)
	for i := range 256 {
		m := w.toGroup(g, bob, fmt.Sprintf("grouped number%d", i))
		w.service.Changed(search.Notice{Sender: m.Sender, Group: m.Group})
	}
	poll(t, "the messages of a group are in a segment", func() bool { return w.segments(alice) == 2 })
	for i := range 256 {
		m := w.send(bob, alice, fmt.Sprintf("direct number%d", i))
		w.service.Changed(search.Notice{Sender: m.Sender, Recipient: m.Recipient})
	}
	poll(t, "further messages are in a segment", func() bool { return w.segments(alice) == 3 })
	if n := w.segments(bob); n != 0 {
		t.Errorf("who never searched has %d segments", n)
	}

	before := w.filtersOf(alice)
	w.deleteForAll(w.nth(8).ID)
	w.service.Changed(search.Notice{Sender: alice, Recipient: bob, Late: true})
	poll(t, "a deletion is in the index", func() bool { return w.filtersOf(alice) != before })
	w.finds("after", alice, "filling number7")
}

func TestAnIndexGoesOnAfterARestart(t *testing.T) {
	data, keys := t.TempDir(), t.TempDir()
	var sent int
	t.Run("before", func(t *testing.T) {
		w := openWorld(t, data, keys)
		w.chat(alice, bob, 20)
		w.index(alice, 4)
		w.send(bob, alice, "acknowledged and never indexed")
		w.edit(w.nth(2).ID, "edited and never indexed")
		sent = w.sent
	})

	w := openWorld(t, data, keys)
	w.sent = sent
	w.finds("the last message", alice, "acknowledged", w.nth(21))
	w.finds("the last edit", alice, "edited", w.nth(2))
	w.finds("what it was before", alice, "number1")
	w.index(alice, 4)
	w.finds("the last edit, from the index", alice, "edited", w.nth(2))
	w.finds("both", alice, "never indexed", w.nth(21), w.nth(2))
}

func TestAnIndexThatWasDroppedIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.chat(alice, bob, 20)
	w.index(alice, 4)

	if err := w.store.DropSegments(t.Context(), alice); err != nil {
		t.Fatal(err)
	}

	w.finds("at once", alice, "number5", w.nth(6))
	w.index(alice, 4)
	if n := w.segments(alice); n != 5 {
		t.Errorf("there are %d segments, want 5", n)
	}
	w.finds("from the index", alice, "number5", w.nth(6))
}

func TestALongTextHasASegmentThatSaysAllOfIt(t *testing.T) {
	w := newWorld(t)
	var long strings.Builder
	for r := rune(0x4e00); r < 0x4e00+10_000; r++ {
		long.WriteRune(r)
	}
	one := w.send(alice, bob, long.String())
	two := w.send(alice, bob, "short")
	w.index(alice, 2)
	if n := w.segments(alice); n != 1 {
		t.Fatalf("there are %d segments, want 1: the long text fills one, and one message is left over", n)
	}

	w.finds("the long one", alice, string([]rune{0x4e00 + 5000, 0x4e00 + 5001, 0x4e00 + 5002}), one)
	w.finds("not in it", alice, string([]rune{0x4e00 + 5000, 0x4e00 + 5002}))
	w.finds("the short one", alice, "short", two)
}

func TestAServiceThatIsClosedLeavesNothingBehind(t *testing.T) {
	w := newWorld(t)
	w.chat(alice, bob, 600)
	for u := range 3 {
		w.page(user(1+u), search.Query{Text: "number7", Limit: 1})
	}
	w.service.Close() // goleak looks at the end of the package
	w.service.Changed(search.Notice{Sender: alice, Recipient: bob})
}

func TestNoticesTakeBoundedMemory(t *testing.T) {
	tasks, counts, absent := search.Flood(300_000)

	if tasks > 4_096 || counts > 65_536 || absent > 65_536 {
		t.Errorf("%d tasks, %d counts and %d people without an index are held, want at most 4,096 and 65,536", tasks, counts, absent)
	}
	if tasks == 0 {
		t.Error("no task is held")
	}
}

func TestLongMessagesEndASegmentEarly(t *testing.T) {
	w := newWorld(t)
	var all []message.Message
	for i := range 9 {
		var long strings.Builder
		for n := range 1_500 {
			fmt.Fprintf(&long, "w%d ", 1_000*i+n)
		}
		all = append(all, w.send(alice, bob, long.String()))
	}
	w.index(alice, 256)
	if n := w.segments(alice); n < 1 || n > 3 {
		t.Fatalf("9 long messages are in %d segments, want 1 to 3", n)
	}

	w.finds("in two of them", alice, "w1200", all[1], all[0])
	w.finds("in the last one", alice, "w9400", all[8])
	w.finds("in none", alice, "w9500")
}
