package mongostore

import (
	"testing"

	"pryde/internal/storetest"
)

func suiteStores(t *testing.T) storetest.Stores {
	s := open(t)
	return storetest.Stores{Messages: s, Groups: s, Slow: true}
}

func TestStoreKeepsItsPromises(t *testing.T) { storetest.Messages(t, suiteStores) }

func TestStoreKeepsItsPromisesOfGroups(t *testing.T) { storetest.Groups(t, suiteStores) }
