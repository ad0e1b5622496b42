package mongostore

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/search"
	"pryde/internal/storetest"
)

func TestStoreKeepsWhatTheSearchNeeds(t *testing.T) {
	storetest.Search(t, func(t *testing.T) storetest.SearchStores {
		s := open(t)
		return storetest.SearchStores{Search: s, Messages: s, Groups: s}
	})
}

// saveIndex gives somebody an index of some segments.
func saveIndex(t *testing.T, s *Store, owner id.User, segments int) {
	t.Helper()
	var put []search.Segment
	for n := range segments {
		first := order.Seq(10*n + 1)
		put = append(put, search.Segment{
			Number: int64(n), First: first, Last: first + 9, Messages: 3, Filter: planted("filter"), List: planted("list"),
		})
	}
	if err := s.SaveSearch(t.Context(), owner, search.Head{Version: 1, Next: int64(segments), State: planted("state")}, put, nil); err != nil {
		t.Fatal(err)
	}
}

func planted(what string) []byte { return bytes.Repeat([]byte("plain "+what+" "), 300) }

// TestAnIndexIsSealedForItsOwner looks into the documents, and moves a part to where it is not from.
func TestAnIndexIsSealedForItsOwner(t *testing.T) {
	s := open(t).Store
	saveIndex(t, s, user(1), 1)
	saveIndex(t, s, user(2), 1)
	var docs []bson.Raw
	for _, name := range []string{searchesName, segmentsName} {
		c, err := s.coll(name).Find(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var some []bson.Raw
		if err := c.All(t.Context(), &some); err != nil {
			t.Fatal(err)
		}
		docs = append(docs, some...)
	}
	if len(docs) != 4 {
		t.Fatalf("%d documents, want 4", len(docs))
	}
	for _, d := range docs {
		if bytes.Contains(d, []byte("plain ")) {
			t.Error("a document holds something plain")
		}
	}
	foreign := docs[2].Lookup("filter")
	if _, err := s.coll(segmentsName).UpdateMany(t.Context(), bson.D{}, set(is("filter", foreign))); err != nil {
		t.Fatal(err)
	}

	for _, u := range []id.User{user(1), user(2)} {
		_, err := s.SegmentFilters(t.Context(), u, search.Segment{}, 9)
		own := docs[2].Lookup("owner").ObjectID() == bson.ObjectID(u)
		if own && err != nil || !own && !errors.Is(err, search.ErrUnreadable) {
			t.Errorf("a filter, their own %v: error %v, want ErrUnreadable where it is that of somebody else", own, err)
		}
	}
}

func TestEveryQueryOfTheSearchIsAnsweredByItsIndex(t *testing.T) {
	s, c, u, _ := busy(t)
	for n := range 5 {
		saveIndex(t, s, user(n), 100)
	}
	var parts []stretch
	for _, d := range c.threads {
		if d.User == bson.ObjectID(u) && len(parts) < maxClauses {
			parts = append(parts, stretch{d.Conv, order.Seq(rand.IntN(20)), c.last - order.Seq(rand.IntN(20))})
		}
	}
	all := slices.Clone(parts)
	for i := range all {
		all[i].after, all[i].upTo = 0, endOfTime
	}

	for name, q := range map[string]query{
		"newest":             textsQuery(u, oneByOne(all), -1, 128),
		"newest of parts":    textsQuery(u, oneByOne(parts), -1, 128),
		"oldest":             textsQuery(u, oneByOne(all), 1, 256),
		"oldest of parts":    textsQuery(u, oneByOne(parts), 1, 256),
		"changed":            changedTextsQuery(u, oneByOne(all), 0, 64),
		"changed, of parts":  changedTextsQuery(u, oneByOne(parts), 0, 64),
		"filters":            filtersQuery(u, search.Segment{}, 64),
		"filters behind one": filtersQuery(u, search.Segment{Number: 80, Last: 810}, 64),
		"segments at":        segmentsAtQuery(u, 985),
		"segments before":    segmentsBeforeQuery(100),
	} {
		t.Run(name, func(t *testing.T) {
			got := explain(t, s, q)
			if got.Returned == 0 {
				t.Fatal("it finds nothing")
			}
			for _, stage := range []string{"COLLSCAN", "SORT"} {
				if slices.Contains(got.stages, stage) {
					t.Errorf("its plan %q has a %s", got.stages, stage)
				}
			}
			// A merge looks at the first message of every conversation.
			if most := got.Returned + got.Returned/4 + 2*len(parts) + 10; got.Docs > most || got.Keys > 2*most {
				t.Errorf("it looks at %d keys and %d documents to find %d", got.Keys, got.Docs, got.Returned)
			}
		})
	}
}

func TestASearchTakesFewRoundTrips(t *testing.T) {
	s, c, u, _ := busy(t)
	saveIndex(t, s, u, 50)
	talks, _, err := s.SearchTalks(t.Context(), u, 1_000)
	if err != nil || len(talks) < 50 {
		t.Fatalf("%d conversations with error %v; want many", len(talks), err)
	}
	var in []search.Stretch
	for _, s := range talks {
		in = append(in, search.Stretch{Talk: s.Talk, Before: endOfTime, Last: s.Last})
	}
	texts, err := s.SearchMessages(t.Context(), u, in, true, 64)
	if err != nil || len(texts) != 64 {
		t.Fatalf("%d messages with error %v; want 64", len(texts), err)
	}
	var refs []search.Ref
	var named []id.Message
	for _, x := range texts {
		refs, named = append(refs, x.Ref), append(named, x.ID)
	}
	most := 1 + (len(talks)+maxClauses-1)/maxClauses

	for name, tt := range map[string]struct {
		most int
		read func() error
	}{
		"head":     {1, func() error { _, err := s.SearchHead(t.Context(), u); return err }},
		"talks":    {2, func() error { _, _, err := s.SearchTalks(t.Context(), u, 1_000); return err }},
		"messages": {most, func() error { _, err := s.SearchMessages(t.Context(), u, in, true, 64); return err }},
		"texts":    {2, func() error { _, err := s.SearchTexts(t.Context(), u, refs); return err }},
		"shown":    {4, func() error { _, err := s.Seen(t.Context(), u, named); return err }},
		"changed":  {5, func() error { _, _, err := s.SearchChanged(t.Context(), u, c.last, 64); return err }},
		"filters":  {1, func() error { _, err := s.SegmentFilters(t.Context(), u, search.Segment{}, 64); return err }},
		"lists":    {1, func() error { _, err := s.SegmentLists(t.Context(), u, []int64{1, 2, 3}); return err }},
	} {
		if got := roundTrips(t, s, tt.read); got == 0 || got > tt.most {
			t.Errorf("%s: %d round trips, want at most %d", name, got, tt.most)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	s := open(b)
	storetest.BenchSearch(b, storetest.SearchStores{Search: s, Messages: s, Groups: s})
}
