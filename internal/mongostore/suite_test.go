package mongostore

import (
	"testing"

	"pryde/internal/storetest"
)

func TestStoreKeepsItsPromises(t *testing.T) {
	storetest.Messages(t, func(t *testing.T) storetest.Stores {
		s := open(t)
		return storetest.Stores{Messages: s}
	})
}
