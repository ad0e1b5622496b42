package sqlitestore

import (
	"database/sql/driver"
	"strings"
	"testing"

	"pryde/internal/storetest"
)

func careStores(t *testing.T) storetest.CareStores {
	s := open(t, t.TempDir())
	return storetest.CareStores{
		Stores: storetest.Stores{Messages: s, Groups: s, People: s, Ties: s, Factors: s, Sessions: s},
		Keep:   s, Keys: s.keys, Vault: s.vault, Uploads: s,
	}
}

func TestKeysAreLookedAfter(t *testing.T) { storetest.Custody(t, careStores) }

func TestOldMessagesGo(t *testing.T) { storetest.Retention(t, careStores) }

func BenchmarkRewrap(b *testing.B) {
	storetest.BenchmarkRewrap(b, func(b *testing.B) storetest.KeyKeeper {
		keys, err := OpenKeys(b.Context(), b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := keys.Close(); err != nil {
				b.Error(err)
			}
		})
		return keys
	})
}

func BenchmarkSendsWhileSealedAgain(b *testing.B) {
	storetest.BenchmarkSendsWhileSealedAgain(b, func(b *testing.B) storetest.CareStores {
		s := open(b, b.TempDir())
		return storetest.CareStores{Stores: storetest.Stores{Messages: s}, Keep: s, Keys: s.keys, Vault: s.vault}
	})
}

// What looks for what a person has sealed, and for what is too old, reads ranges of an index.
func TestCareReadsRanges(t *testing.T) {
	s := open(t, t.TempDir())
	queries := map[string][]any{oldestBehind: {[]byte{}}, oldestOf: {[]byte{}, int64(1)}}
	for _, shelf := range shelves {
		queries[shelf.rows] = append(append([]any{[]byte{}}, shelf.start...), int64(1))
	}
	for query, args := range queries {
		err := s.readers.with(t.Context(), func(c *conn) error {
			return c.query(func(row []driver.Value) bool {
				if step := text(row[3]); strings.HasPrefix(step, "SCAN") || strings.Contains(step, "TEMP B-TREE") {
					t.Errorf("%s\n\treads with %s", query, step)
				}
				return true
			}, "EXPLAIN QUERY PLAN "+query, args...)
		})
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}
