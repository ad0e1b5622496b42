package sqlitestore

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pryde/internal/search"
	"pryde/internal/storetest"
)

func TestStoreKeepsWhatTheSearchNeeds(t *testing.T) {
	storetest.Search(t, func(t *testing.T) storetest.SearchStores {
		s := open(t, t.TempDir())
		return storetest.SearchStores{Search: s, Messages: s, Groups: s}
	})
}

// TestAnIndexIsSealedForItsOwner looks into the file, and moves a part to where it is not from.
func TestAnIndexIsSealedForItsOwner(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for n := range 2 {
		saveIndex(t, s.Store, n)
	}
	if err := s.writer.do(t.Context(), "swap", func(t *tx) error {
		_, err := t.exec("UPDATE segments SET filter = (SELECT filter FROM segments WHERE owner = ?) WHERE owner = ?", userBytes(0), userBytes(1))
		return err
	}); err != nil {
		t.Fatal(err)
	}

	_, err := s.SegmentFilters(t.Context(), user(1), search.Segment{}, 9)
	if !errors.Is(err, search.ErrUnreadable) {
		t.Errorf("the filter of somebody else: error %v, want ErrUnreadable", err)
	}
	s.close(t)
	file, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range [][]byte{planted("filter"), planted("list"), planted("state")} {
		if bytes.Contains(file, plain[:16]) {
			t.Errorf("the file holds a plain %q", plain[:8])
		}
	}
}

func planted(what string) []byte { return bytes.Repeat([]byte("plain "+what+" "), 300) }

func userBytes(n int) []byte { u := user(n); return u[:] }

func saveIndex(t *testing.T, s *Store, n int) {
	t.Helper()
	err := s.SaveSearch(t.Context(), user(n), search.Head{Version: 1, Next: 1, State: planted("state")}, []search.Segment{
		{Number: 0, First: 1, Last: 9, Messages: 3, Filter: planted("filter"), List: planted("list")},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// useSearch calls every method that the search needs.
func useSearch(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	form(t, s, 1, 4)
	direct, inGroup := send(t, s, 1, user(1), user(2), "direct"), sendTo(t, s, 2, groupID(1), user(1), "to all")
	saveIndex(t, s, 1)
	talks, _, err := s.SearchTalks(ctx, user(1), 10)
	var in []search.Stretch
	var refs []search.Ref
	for _, k := range talks {
		in = append(in, search.Stretch{Talk: k.Talk, Before: 100, Last: k.Last})
	}
	newest, err1 := s.SearchMessages(ctx, user(1), in, true, 10)
	oldest, err2 := s.SearchMessages(ctx, user(1), in, false, 10)
	for _, x := range newest {
		refs = append(refs, x.Ref)
	}
	found, err3 := s.SearchTexts(ctx, user(1), refs)
	if len(newest) != 2 || len(oldest) != 2 || len(found) != 2 {
		t.Fatalf("%d, %d and %d messages, want 2 each", len(newest), len(oldest), len(found))
	}
	_, _, err4 := s.SearchChanged(ctx, user(1), 0, 10)
	_, err5 := s.SearchPlace(ctx, user(1), direct.ID)
	_, err6 := s.SearchPlace(ctx, user(1), inGroup.ID)
	_, err7 := s.SearchHead(ctx, user(1))
	_, err8 := s.SegmentFilters(ctx, user(1), search.Segment{Last: 20, Number: 3}, 10)
	_, err9 := s.SegmentLists(ctx, user(1), []int64{0})
	_, err10 := s.SegmentsAt(ctx, user(1), 3)
	_, err11 := s.SearchersIn(ctx, groupID(1))
	fine(t, err, err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11,
		s.SaveSearch(ctx, user(1), search.Head{Version: 2, State: planted("state")}, nil, []int64{7}),
		s.DropSegmentsBefore(ctx, 2), s.DropSegmentsAround(ctx, user(2)), s.DropSegments(ctx, user(1)))
}

func TestTheSearchReadsNoTableAsAWhole(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	before := statements(t, s.Store)
	useSearch(t, s.Store)
	c, err := connect(filepath.Join(dir, fileName), false)
	if err != nil {
		t.Fatal(err)
	}

	looked := 0
	for q := range statements(t, s.Store) {
		if before[q] || !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, strings.Fields(q)[0]) {
			continue
		}
		looked++
		if err := c.query(func(row []driver.Value) bool {
			if of := wholly.FindStringSubmatch(text(row[3])); of != nil && of[1] != "CONSTANT" {
				t.Errorf("%q in the plan of\n%s", text(row[3]), q)
			}
			return true
		}, "EXPLAIN QUERY PLAN "+q, make([]any, strings.Count(q, "?"))...); err != nil {
			t.Fatalf("explain %s: %v", q, err)
		}
	}

	if err := c.close(); err != nil {
		t.Error(err)
	}
	if looked < 25 {
		t.Errorf("%d statements were looked at: the test is blind", looked)
	}
}

func BenchmarkSearch(b *testing.B) {
	s := open(b, b.TempDir())
	storetest.BenchSearch(b, storetest.SearchStores{Search: s, Messages: s, Groups: s})
}
