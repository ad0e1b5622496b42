package sqlitestore

import (
	"testing"

	"pryde/internal/storetest"
)

func TestStoreKeepsItsPromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		s := open(t, t.TempDir())
		return storetest.Stores{Messages: s, Groups: s, People: s, Ties: s, Factors: s, Sessions: s}
	})
}
