package sqlitestore

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pryde/internal/seal"
)

func TestConcurrentEditsKeepEveryText(t *testing.T) {
	s := open(t, t.TempDir())
	m := send(t, s.Store, 1, user(1), user(2), "text 0")
	const edits = 12
	var wg sync.WaitGroup
	for i := 1; i <= edits; i++ {
		wg.Go(func() {
			if _, err := s.Edit(t.Context(), m.ID, fmt.Sprint("text ", i), start.Add(time.Duration(i)*time.Second)); err != nil {
				t.Errorf("edit %d: %v", i, err)
			}
		})
	}
	wg.Wait()

	versions, err := s.Versions(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.Message(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{now.Content: true}
	for _, v := range versions {
		seen[v.Content] = true
	}
	if len(versions) != edits || len(seen) != edits+1 || versions[0].Content != "text 0" {
		t.Errorf("%d versions and %d texts with the newest after %d edits, the first %q; want each once", len(versions), len(seen), edits, versions[0].Content)
	}
}

func TestAnEarlierTextIsNoTextOfTheMessage(t *testing.T) {
	s := open(t, t.TempDir())
	m := send(t, s.Store, 1, user(1), user(2), "one")
	for _, text := range []string{"two", "three"} {
		if _, err := s.Edit(t.Context(), m.ID, text, start); err != nil {
			t.Fatal(err)
		}
	}
	misplace := func(statement string) {
		t.Helper()
		if err := s.writer.do(t.Context(), "test", func(t *tx) error {
			_, err := t.exec(statement)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}

	misplace("UPDATE versions SET content = (SELECT content FROM versions WHERE number = 2) WHERE number = 1")
	_, swapped := s.Versions(t.Context(), m.ID)
	misplace("UPDATE messages SET content = (SELECT content FROM versions WHERE number = 2)")
	_, restored := s.Message(t.Context(), m.ID)

	if !errors.Is(swapped, seal.ErrTampered) || !errors.Is(restored, seal.ErrTampered) {
		t.Errorf("a version in the place of another: %v, of the text: %v; want ErrTampered", swapped, restored)
	}
}
