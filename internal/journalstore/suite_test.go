package journalstore_test

import (
	"testing"

	"pryde/internal/storetest"
	"pryde/internal/testkit/mongod"
)

func stores(h *house) storetest.Stores {
	return storetest.Stores{Messages: h.Store, People: h.inner, Ties: h.inner, Factors: h.inner, Sessions: h.inner}
}

func TestStoreKeepsItsPromises(t *testing.T) {
	t.Parallel()
	storetest.Messages(t, func(t *testing.T) storetest.Stores { return stores(calmHouse(t, mongod.Database(t))) })
}

// Every message goes through the journal: it is read from there until it is stored.
func TestStoreKeepsItsPromisesThroughTheJournal(t *testing.T) {
	t.Parallel()
	storetest.Messages(t, func(t *testing.T) storetest.Stores {
		h := calmHouse(t, mongod.Database(t))
		h.inner.noAppend.Store(true)
		return stores(h)
	})
}
