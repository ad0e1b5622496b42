package journalstore_test

import (
	"testing"

	"pryde/internal/storetest"
	"pryde/internal/testkit/mongod"
)

func stores(h *house) storetest.Stores {
	return storetest.Stores{Messages: h.Store, Groups: h.Store, People: h.inner, Ties: h.inner, Factors: h.inner, Sessions: h.inner, Slow: true}
}

// suite is what a store does with messages and groups.
func suite(t *testing.T, open func(*testing.T) storetest.Stores) {
	t.Run("Messages", func(t *testing.T) { storetest.Messages(t, open) })
	t.Run("Groups", func(t *testing.T) { storetest.Groups(t, open) })
}

func TestStoreKeepsItsPromises(t *testing.T) {
	t.Parallel()
	suite(t, func(t *testing.T) storetest.Stores { return stores(calmHouse(t, mongod.Emptied(t))) })
}

// Every message goes through the journal: it is read from there until it is stored.
func TestStoreKeepsItsPromisesThroughTheJournal(t *testing.T) {
	t.Parallel()
	suite(t, func(t *testing.T) storetest.Stores {
		h := calmHouse(t, mongod.Emptied(t))
		h.inner.noAppend.Store(true)
		return stores(h)
	})
}
