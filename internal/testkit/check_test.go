package testkit

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/order"
)

var start = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

// msg is the n-th message of ann's conversation with bob, sent by ann.
func msg(n int) Item {
	return Item{
		Message: "m" + string(rune('0'+n)), Seq: seqOf(n), Sender: "ann", Recipient: "bob",
		Tag: "t" + string(rune('0'+n)), CreatedAt: start.Add(time.Duration(n) * time.Second),
	}
}

func tried(client string, connection int, m Item) Entry {
	return Entry{Kind: Tried, Client: client, Connection: connection, Attempt: "a" + m.Tag,
		Item: Item{Sender: m.Sender, Recipient: m.Recipient, Group: m.Group, Tag: m.Tag}}
}

func acked(client string, connection int, m Item) Entry {
	return Entry{Kind: Acked, Client: client, Connection: connection, Attempt: "a" + m.Tag, Item: Item{Message: m.Message}}
}

func saw(connection int, m Item) Entry {
	return Entry{Kind: Saw, Client: "bob/1", Connection: connection, User: "bob", Event: "message:new", Item: m}
}

func synced(connection int, since, upTo int, items ...Item) Entry {
	return Entry{Kind: Synced, Client: "bob/1", Connection: connection, User: "bob", Since: seqOf(since), Item: Item{Seq: seqOf(upTo)}, Items: items}
}

func stored(items ...Item) Entry { return Entry{Kind: Stored, User: "ann", Peer: "bob", Items: items} }

// inGroup is a message to the group of ann, bob and cid instead.
func inGroup(m Item) Item { return with(m, func(m *Item) { m.Recipient, m.Group = "", "all" }) }

var formed = Entry{Kind: Formed, Item: Item{Group: "all"}, Members: []string{"ann", "bob", "cid"}}

// storedFor is the thread of the group as each of these read it.
func storedFor(users string, items ...Item) []Entry {
	var es []Entry
	for u := range strings.FieldsSeq(users) {
		es = append(es, Entry{Kind: Stored, User: u, Item: Item{Group: "all"}, Items: items})
	}
	return es
}

func listed(user string, rows ...Row) Entry { return Entry{Kind: Listed, User: user, Rows: rows} }

func read(user, peer string, m Item) Entry {
	return Entry{Kind: Marked, Client: user + "/1", User: user, Peer: peer, Item: Item{Message: m.Message}}
}

// back is a socket of bob that was told everything after a message.
func back(connection, since int) Entry {
	return Entry{Kind: Connected, Client: "bob/1", Connection: connection, User: "bob", Since: seqOf(since)}
}

// sent is a try and its success on ann's first socket.
func sent(items ...Item) []Entry {
	var es []Entry
	for _, m := range items {
		es = append(es, tried("ann/1", 1, m))
	}
	for _, m := range items {
		es = append(es, acked("ann/1", 1, m))
	}
	return es
}

func history(parts ...any) *History {
	h := NewHistory(func() time.Time { return start })
	for _, p := range parts {
		switch p := p.(type) {
		case Entry:
			h.Add(p)
		case []Entry:
			for _, e := range p {
				h.Add(e)
			}
		}
	}
	return h
}

func with(m Item, change func(*Item)) Item {
	change(&m)
	return m
}

func TestCheckAcceptsWhatMayHappen(t *testing.T) {
	one, two, three := msg(1), msg(2), msg(3)
	refused := Entry{Kind: Refused, Client: "ann/1", Connection: 1, Attempt: "at1", Code: "RATE_LIMITED"}
	repeat := acked("ann/1", 2, one)
	repeat.Duplicate = true
	silent := with(one, func(m *Item) { m.Seq = 0 })
	all, again := inGroup(one), inGroup(three)
	for name, h := range map[string]*History{
		"a burst that is seen live":                   history(sent(one, two, three), saw(1, one), saw(1, two), saw(1, three), stored(one, two, three)),
		"an attempt that never arrived":               history(tried("ann/1", 1, one), sent(two), stored(two)),
		"an attempt that was stored without an ack":   history(tried("ann/1", 1, one), stored(one)),
		"a repeat that is told so":                    history(tried("ann/1", 1, one), Entry{Kind: Crashed}, tried("ann/1", 2, one), repeat, stored(one)),
		"a refused message that is stored later":      history(tried("ann/1", 1, two), tried("ann/1", 1, one), refused, acked("ann/1", 1, two), tried("ann/1", 1, one), acked("ann/1", 1, one), stored(with(two, func(m *Item) { m.Seq = 5 }), with(one, func(m *Item) { m.Seq, m.CreatedAt = 15, three.CreatedAt }))),
		"a second try by another door that overtakes": history(tried("ann/1", 1, one), tried("ann/1", 1, two), tried("ann/1", 0, one), acked("ann/1", 0, one), acked("ann/1", 1, two), stored(one, two)),
		"a repeat behind a later message":             history(sent(one, two), tried("ann/1", 1, one), repeat, stored(one, two)),
		"an event that repeats without an offset":     history(sent(one, two), saw(1, one), saw(1, two), saw(1, silent), stored(one, two)),
		"a sync after a crash":                        history(sent(one, two, three), saw(1, one), Entry{Kind: Crashed}, synced(2, 1, 3, two, three), stored(one, two, three)),
		"an event that the sync brought too":          history(sent(one, two), synced(1, 0, 2, one, two), saw(1, two), stored(one, two)),
		"a socket that saw nothing":                   history(sent(one, two), synced(1, 0, 1, one), stored(one, two)),
		"a list that is right":                        history(sent(one, two), read("bob", "ann", one), stored(one, two), listed("ann", Row{Peer: "bob", Last: "m2"}), listed("bob", Row{Peer: "ann", Last: "m2", Read: "m1", Unread: 1})),
		"a mark that nobody acknowledged":             history(sent(one), stored(one), listed("bob", Row{Peer: "ann", Last: "m1", Read: "m1"})),
		"a socket that was told what it missed":       history(sent(one, two, three), saw(2, two), back(2, 1), saw(2, three), synced(2, 0, 3, one, two, three), stored(one, two, three)),
		"a group that everybody sees":                 history(formed, sent(all, two, again), saw(1, all), saw(1, two), saw(1, again), stored(two), storedFor("ann bob cid", all, again), listed("bob", Row{Peer: "ann", Last: "m2", Unread: 1}, Row{Peer: "all", Last: "m3", Unread: 2})),
		"an answer that says reload":                  history(sent(one), Entry{Kind: Synced, Client: "bob/1", Connection: 1, User: "bob", Reload: true, Item: Item{Seq: 90}}, stored(one)),
	} {
		t.Run(name, func(t *testing.T) {
			if got := Check(h); got != nil {
				t.Errorf("found %v in a good history", got)
			}
		})
	}
}

func TestEachRuleAloneCatchesItsHistory(t *testing.T) {
	one, two, three := msg(1), msg(2), msg(3)
	once := acked("ann/1", 1, one)
	once.Duplicate = true
	all, more, again := inGroup(one), inGroup(two), inGroup(three)
	for name, c := range map[string]struct {
		rule Rule
		h    *History
	}{
		"acknowledged and gone":             {RuleLost, history(sent(one, two), stored(two))},
		"acknowledged in an unread thread":  {RuleLost, history(sent(one))},
		"stored under two ids":              {RuleTwice, history(sent(one), stored(one, with(two, func(m *Item) { m.Tag = "t1" })))},
		"two acks, two ids":                 {RuleAnswers, history(sent(one), sent(two), Entry{Kind: Acked, Client: "ann/1", Connection: 1, Attempt: "at1", Item: Item{Message: "m2"}}, stored(one, two))},
		"a first try called a repeat":       {RuleAnswers, history(tried("ann/1", 1, one), once, stored(one))},
		"stored and never sent":             {RuleMixed, history(sent(one), stored(one, two))},
		"stored for somebody else":          {RuleMixed, history(sent(with(one, func(m *Item) { m.Recipient = "cid" })), stored(one))},
		"acknowledged as another":           {RuleMixed, history(tried("ann/1", 1, one), tried("ann/1", 1, two), Entry{Kind: Acked, Attempt: "at1", Item: Item{Message: "m2"}}, stored(one, two))},
		"seen with another text":            {RuleMixed, history(sent(one), saw(1, with(one, func(m *Item) { m.Tag = "t9" })), stored(one))},
		"seen with another number":          {RuleMixed, history(sent(one), saw(1, with(one, func(m *Item) { m.Seq = 11 })), stored(one))},
		"a burst stored in disorder":        {RuleSentOrder, history(sent(two, one), stored(one, two))},
		"overtaken while a try was lost":    {RuleSentOrder, history(tried("ann/1", 1, two), tried("ann/1", 1, one), acked("ann/1", 1, one), Entry{Kind: Crashed}, tried("ann/1", 2, two), acked("ann/1", 2, two), stored(one, two))},
		"an offset that falls":              {RuleSeqGrows, history(sent(one, elsewhere(2)), saw(1, elsewhere(2)), saw(1, one), stored(one), Entry{Kind: Stored, User: "cid", Peer: "bob", Items: []Item{elsewhere(2)}})},
		"an event that came twice":          {RuleSeqGrows, history(sent(one), saw(1, one), saw(1, one), stored(one))},
		"a conversation told in disorder":   {RuleLiveOrder, swapped(one, two)},
		"seen and not stored":               {RuleGhost, history(sent(one), saw(1, one), saw(1, two), stored(one))},
		"synced and not stored":             {RuleGhost, history(sent(one), synced(1, 0, 2, one, two), stored(one))},
		"a sync that misses one":            {RuleSync, history(sent(one, two, three), synced(1, 0, 3, one, three), stored(one, two, three))},
		"a sync that repeats one":           {RuleSync, history(sent(one, two), synced(1, 0, 2, one, one, two), stored(one, two))},
		"a sync that brings what is known":  {RuleSync, history(sent(one, two), synced(1, 1, 2, one, two), stored(one, two))},
		"a sync in disorder":                {RuleSync, history(sent(one, two), synced(1, 0, 2, two, one), stored(one, two))},
		"a hole in what a socket saw":       {RuleGap, history(sent(one, two, three), saw(1, one), saw(1, three), stored(one, two, three))},
		"a hole after the sync":             {RuleGap, history(sent(one, two, three), synced(1, 0, 1, one), saw(1, three), stored(one, two, three))},
		"a thread out of order":             {RuleThread, history(tried("ann/1", 1, one), tried("ann/2", 1, two), stored(two, with(one, func(m *Item) { m.CreatedAt = two.CreatedAt })))},
		"a clock that runs backwards":       {RuleThread, history(sent(one, two), stored(one, with(two, func(m *Item) { m.CreatedAt = start })))},
		"two readers, two threads":          {RuleThread, history(sent(one, two), stored(one, two), Entry{Kind: Stored, User: "bob", Peer: "ann", Items: []Item{one}})},
		"a hole in what it was told":        {RuleGap, history(sent(one, two, three), back(2, 1), saw(2, three), stored(one, two, three))},
		"a number of two":                   {RuleNumbers, history(sent(one, elsewhere(2)), stored(one), Entry{Kind: Stored, User: "cid", Peer: "bob", Items: []Item{with(elsewhere(2), func(m *Item) { m.Seq = one.Seq })}})},
		"one too many unread":               {RuleUnread, history(sent(one), stored(one), listed("bob", Row{Peer: "ann", Last: "m1", Unread: 2}))},
		"read and unread":                   {RuleUnread, history(sent(one), stored(one), listed("bob", Row{Peer: "ann", Last: "m1", Read: "m1", Unread: 1}))},
		"own messages unread":               {RuleUnread, history(sent(one), stored(one), listed("ann", Row{Peer: "bob", Last: "m1", Unread: 1}))},
		"a conversation that is not listed": {RuleUnread, history(sent(one), stored(one), listed("ann"))},
		"an older message on top":           {RuleUnread, history(sent(one, two), stored(one, two), listed("ann", Row{Peer: "bob", Last: "m1"}))},
		"a mark that is forgotten":          {RuleUnread, history(sent(one, two), read("bob", "ann", two), stored(one, two), listed("bob", Row{Peer: "ann", Last: "m2", Read: "m1", Unread: 1}))},
		"a group message that one misses":   {RuleThread, history(formed, sent(all, again), storedFor("ann bob", all, again), storedFor("cid", all))},
		"a group message that is gone":      {RuleLost, history(formed, sent(all, again), storedFor("ann bob cid", all))},
		"a group message in a conversation": {RuleMixed, history(formed, sent(all), stored(one))},
		"a hole in what a member saw":       {RuleGap, history(formed, sent(all, more, again), saw(1, all), saw(1, again), storedFor("ann bob cid", all, more, again))},
		"a sync without a group message":    {RuleSync, history(formed, sent(all, two), synced(1, 0, 2, two), stored(two), storedFor("ann bob cid", all))},
		"a group told in disorder":          {RuleSentOrder, history(formed, sent(more, all), storedFor("ann bob cid", all, more))},
		"a count in a group":                {RuleUnread, history(formed, sent(all), storedFor("ann bob cid", all), listed("cid", Row{Peer: "all", Last: "m1"}))},
		"an account that is gone":           {RuleLockedOut, history(Entry{Kind: Joined, User: "ann"}, Entry{Kind: LockedOut, User: "ann"})},
	} {
		t.Run(name, func(t *testing.T) {
			got := rulesOf(Check(c.h))

			if want := []Rule{c.rule}; !slices.Equal(got, want) {
				t.Errorf("rules %v, want %v", got, want)
			}
		})
	}
}

func seqOf(n int) order.Seq { return order.Seq(10 * n) }

// elsewhere is a message of another conversation of bob.
func elsewhere(n int) Item { return with(msg(n), func(m *Item) { m.Sender = "cid" }) }

// swapped shows bob two messages with growing offsets in the order that their thread, whose
// own numbers are unknown, does not have.
func swapped(one, two Item) *History {
	unnumbered := func(m *Item) { m.Seq = 0 }
	late := with(one, func(m *Item) { m.Seq = 30 })
	return history(sent(one, two), saw(1, two), saw(1, late), stored(with(one, unnumbered), with(two, unnumbered)))
}

func rulesOf(vs []Violation) []Rule {
	var rules []Rule
	for _, v := range vs {
		rules = append(rules, v.Rule)
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

func TestCheckIsDeterministic(t *testing.T) {
	h := history(sent(msg(1), msg(2), msg(3), msg(4)), saw(1, msg(4)), saw(1, msg(2)), saw(1, msg(3)))

	want := Check(h)

	for range 20 {
		if diff := cmp.Diff(want, Check(h)); diff != "" {
			t.Fatalf("a second check differs (-first +second):\n%s", diff)
		}
	}
}

func TestHistoryReadsBackWhatItWrote(t *testing.T) {
	h := history(sent(msg(1), msg(2)), saw(1, msg(1)), synced(2, 1, 2, msg(2)), Entry{Kind: Crashed, Note: "kill"}, stored(msg(1), msg(2)))
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		t.Fatal(err)
	}
	if got, want := bytes.Count(b.Bytes(), []byte("\n")), len(h.Entries()); got != want {
		t.Errorf("%d lines, want one for each of %d entries", got, want)
	}

	back, err := ReadHistory(&b)

	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h.Entries(), back.Entries()); diff != "" {
		t.Errorf("read back (-written +read):\n%s", diff)
	}
}

func TestReadHistoryRefusesATornLine(t *testing.T) {
	_, err := ReadHistory(bytes.NewBufferString(`{"kind":"tried"}` + "\n" + `{"kind":`))

	if err == nil {
		t.Error("a torn line was read without an error")
	}
}

func TestManyClientsRecordAtOnce(t *testing.T) {
	h := NewHistory(time.Now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				h.Add(Entry{Kind: Tried})
			}
		})
	}
	wg.Wait()

	if got, want := h.Count(Tried), 800; got != want {
		t.Errorf("%d entries, want %d", got, want)
	}
}
