package mongostore

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// busy fills a database and returns the person who has most in it, and the conversation in which
// there is most.
func busy(t *testing.T) (*Store, *crowd, id.User, message.Conversation) {
	t.Helper()
	s := open(t).Store
	c := newCrowd(s, 300)
	c.write(t, 6_000)
	u := user(0)
	return s, c, u, message.Between(u, user(1))
}

func TestEveryQueryIsAnsweredByItsIndex(t *testing.T) {
	s, c, u, talk := busy(t)
	conv, own := keyOf(talk), c.threads.of(u, keyOf(talk))
	after := c.last / 2
	v := &view{store: s, user: u, after: after, limit: 1_000}
	var parts, old []stretch
	var rows []threadKey
	var newest []bson.ObjectID
	for _, d := range c.threads {
		if d.User == bson.ObjectID(u) {
			parts, old = append(parts, stretch{d.Conv, after, endOfTime}), append(old, stretch{d.Conv, 0, after})
			rows, newest = append(rows, d.ID), append(newest, d.LastID)
		}
	}
	// A clause of its own, besides the one that most conversations share.
	parts[0].after++
	old[0].after++

	for name, q := range map[string]query{
		"page":                    pageQuery(u, own.Cleared.upTo(), conv, endOfTime, 51),
		"page before":             pageQuery(u, own.Cleared.upTo(), conv, after, 51),
		"attachments":             mediaQuery(u, own.Cleared.upTo(), conv, 2, 5),
		"list":                    listedQuery(u, endOfTime, 51),
		"list before":             listedQuery(u, after, 21),
		"rows of the peers":       peersQuery(rows),
		"newest messages":         newestQuery(newest),
		"unread":                  unreadQuery(u),
		"changed conversations":   changedQuery(u, after, 1_000),
		"newest of them":          newestChangedQuery(u, after, 20),
		"deleted for oneself":     hiddenQuery(u, after, []convKey{}, 1_000),
		"cleared":                 clearedQuery(v, clauses(old)),
		"stored since":            storedQuery(v, clauses(parts)),
		"changed since":           lateQuery(v, clauses(old)),
		"newest number":           withIDs(stateName, []string{leaseID}),
		"place in a conversation": withIDs(messagesName, newest[:1]),
	} {
		t.Run(name, func(t *testing.T) {
			got := explain(t, s, q)
			if got.Returned == 0 {
				t.Fatal("it finds nothing")
			}
			if !slices.Contains(got.indexes, q.index) || len(slices.Compact(slices.Sorted(slices.Values(got.indexes)))) != 1 {
				t.Errorf("it uses the indexes %q, want %s alone", got.indexes, q.index)
			}
			for _, stage := range []string{"COLLSCAN", "SORT"} {
				if slices.Contains(got.stages, stage) {
					t.Errorf("its plan %q has a %s", got.stages, stage)
				}
			}
			most := got.Returned + got.Returned/4 + 10
			if q.index == indexLate {
				most += c.edits // some of what was edited since was stored since too
			}
			if got.Docs > most {
				t.Errorf("it looks at %d documents to find %d", got.Docs, got.Returned)
			}
			if most := most + got.Returned + len(rows); got.Keys > most {
				t.Errorf("it looks at %d keys to find %d", got.Keys, got.Returned)
			}
		})
	}
	if got := explain(t, s, unreadQuery(u)); got.Docs != 0 {
		t.Errorf("the counts of unread messages look at %d documents, want none besides the index", got.Docs)
	}
}

// A plan is how the server answers a query.
type plan struct {
	Returned int `bson:"nReturned"`
	Docs     int `bson:"totalDocsExamined"`
	Keys     int `bson:"totalKeysExamined"`

	stages, indexes []string
}

func explain(t *testing.T, s *Store, q query) plan {
	t.Helper()
	cmd := bson.D{is("find", q.from), is("filter", q.filter), is("hint", q.index), is("skip", q.skip), is("limit", q.limit)}
	if q.sort != nil {
		cmd = append(cmd, is("sort", q.sort))
	}
	if q.fields != nil {
		cmd = append(cmd, is("projection", q.fields))
	}
	var said struct {
		Planner struct {
			Plan bson.Raw `bson:"winningPlan"`
		} `bson:"queryPlanner"`
		Run plan `bson:"executionStats"`
	}
	err := s.db.data.RunCommand(t.Context(), bson.D{is("explain", cmd), is("verbosity", "executionStats")}).Decode(&said)
	if err != nil {
		t.Fatal(err)
	}
	said.Run.walk(t, said.Planner.Plan)
	return said.Run
}

// walk collects the stages of a plan and of what is below.
func (p *plan) walk(t *testing.T, stage bson.Raw) {
	t.Helper()
	fields, err := stage.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		v := f.Value()
		switch f.Key() {
		case "stage":
			p.stages = append(p.stages, v.StringValue())
		case "indexName":
			p.indexes = append(p.indexes, v.StringValue())
		case "inputStage", "queryPlan":
			p.walk(t, v.Document())
		case "inputStages":
			below, err := v.Array().Values()
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range below {
				p.walk(t, b.Document())
			}
		}
	}
}

func TestReadsTakeFewRoundTrips(t *testing.T) {
	s, c, u, talk := busy(t)
	page, err := s.PageBefore(t.Context(), talk, u, id.Message{}, 150)
	if err != nil || len(page.Items) <= 101 {
		t.Fatalf("a page of %d with error %v; want more than the server sends at first", len(page.Items), err)
	}
	list, err := s.Rows(t.Context(), u, id.Message{}, 110)
	if err != nil || len(list.Items) <= 101 {
		t.Fatalf("a list of %d with error %v; want more than the server sends at first", len(list.Items), err)
	}
	m := page.Items[len(page.Items)-1].ID

	for name, tt := range map[string]struct {
		most int
		read func() error
	}{
		"message":     {3, func() error { _, err := s.Message(t.Context(), m); return err }},
		"seen by":     {3, func() error { _, err := s.SeenBy(t.Context(), m); return err }},
		"page":        {2, func() error { _, err := s.PageBefore(t.Context(), talk, u, id.Message{}, 150); return err }},
		"page before": {3, func() error { _, err := s.PageBefore(t.Context(), talk, u, m, 150); return err }},
		"attachments": {2, func() error { _, err := s.Media(t.Context(), talk, u, 0, 150); return err }},
		"list":        {3, func() error { _, err := s.Rows(t.Context(), u, id.Message{}, 110); return err }},
		"list before": {4, func() error { _, err := s.Rows(t.Context(), u, m, 110); return err }},
		"unread":      {1, func() error { _, err := s.Unread(t.Context(), u); return err }},
		"nothing new": {3, func() error { _, err := s.Since(t.Context(), u, c.last, 1_000); return err }},
		"changes":     {8 + 1_000/maxHeld, func() error { _, err := s.Since(t.Context(), u, c.last/2, 1_000); return err }},
	} {
		if got := roundTrips(t, s, tt.read); got == 0 || got > tt.most {
			t.Errorf("%s: %d round trips, want at most %d", name, got, tt.most)
		}
	}
}

// roundTrips counts what the server is asked.
func roundTrips(t *testing.T, s *Store, read func() error) int {
	t.Helper()
	profile := func(level int) {
		t.Helper()
		if err := s.db.data.RunCommand(t.Context(), bson.D{is("profile", level)}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	profile(2)
	err := read()
	profile(0)
	if err != nil {
		t.Fatal(err)
	}
	asked := s.coll("system.profile")
	n, err := asked.CountDocuments(t.Context(), bson.D{is("op", bson.D{is("$in", bson.A{"query", "getmore", "command"})}),
		is("command.profile", bson.D{is("$exists", false)})})
	if err != nil {
		t.Fatal(err)
	}
	if err := asked.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// More conversations were cleared than one query looks at.
func TestSinceTellsOfManyClearedConversations(t *testing.T) {
	const peers = maxClauses + 20
	s, alice := open(t).Store, user(1)
	everybody := func(run func(peer id.User, n int)) {
		var wg sync.WaitGroup
		for i := range peers {
			wg.Go(func() { run(user(100+i), i) })
		}
		wg.Wait()
	}
	var mu sync.Mutex
	var old, stored []id.Message
	everybody(func(peer id.User, n int) {
		m := send(t, s, n, peer, alice, fmt.Sprint("old ", n))
		mu.Lock()
		defer mu.Unlock()
		old = append(old, m.ID)
	})
	before := since(t, s, alice, 0, 1_000).Seq
	everybody(func(peer id.User, _ int) {
		if err := s.Clear(t.Context(), alice, peer); err != nil {
			t.Error(err)
		}
	})
	everybody(func(peer id.User, n int) {
		m := send(t, s, 1_000+n, peer, alice, fmt.Sprint("new ", n))
		mu.Lock()
		defer mu.Unlock()
		stored = append(stored, m.ID)
	})

	got := since(t, s, alice, before, 1_000)
	all := since(t, s, alice, 0, 1_000)

	if len(got.Rows) != peers || got.Reload {
		t.Errorf("%d conversations, reload %v; want %d", len(got.Rows), got.Reload, peers)
	}
	sameIDs(t, "deleted", gone(got), old)
	sameIDs(t, "stored", ids(got.New), stored)
	sameIDs(t, "deleted since the beginning", gone(all), old)
	sameIDs(t, "stored since the beginning", ids(all.New), stored)
	if !slices.IsSortedFunc(got.Deleted, func(a, b message.Gone) int { return int(a.Seq - b.Seq) }) {
		t.Error("what was deleted is not in the order of the deletions")
	}
	if few := since(t, s, alice, before, 2*peers-1); !few.Reload || len(few.New)+len(few.Deleted) > 0 || len(few.Rows) != maxReloadRows {
		t.Errorf("one more than the limit: reload %v with %d messages and %d conversations", few.Reload, len(few.New), len(few.Rows))
	}
}

func since(t *testing.T, s *Store, u id.User, after order.Seq, limit int) message.Changes {
	t.Helper()
	c, err := s.Since(t.Context(), u, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func gone(c message.Changes) []id.Message {
	var list []id.Message
	for _, g := range c.Deleted {
		list = append(list, g.ID)
	}
	return list
}

func ids(messages []message.Message) []id.Message {
	var list []id.Message
	for _, m := range messages {
		list = append(list, m.ID)
	}
	return list
}

// sameIDs compares lists in any order.
func sameIDs(t *testing.T, what string, got, want []id.Message) {
	t.Helper()
	got, want = slices.SortedFunc(slices.Values(got), id.Message.Compare), slices.SortedFunc(slices.Values(want), id.Message.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d messages %v, want %d %v", what, len(got), got, len(want), want)
	}
}
