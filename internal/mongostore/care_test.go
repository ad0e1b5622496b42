package mongostore

import (
	"testing"

	"pryde/internal/storetest"
)

func careStores(t *testing.T) storetest.CareStores {
	s := open(t)
	return storetest.CareStores{
		Stores: storetest.Stores{Messages: s, Groups: s, People: s, Ties: s, Factors: s, Sessions: s, Slow: true},
		Keep:   s, Keys: s.db.Keys(), Vault: s.vault, Uploads: s,
	}
}

func TestKeysAreLookedAfter(t *testing.T) { storetest.Custody(t, careStores) }

func TestOldMessagesGo(t *testing.T) { storetest.Retention(t, careStores) }

func BenchmarkRewrap(b *testing.B) {
	storetest.BenchmarkRewrap(b, func(b *testing.B) storetest.KeyKeeper { return database(b).Keys() })
}

func BenchmarkSendsWhileSealedAgain(b *testing.B) {
	storetest.BenchmarkSendsWhileSealedAgain(b, func(b *testing.B) storetest.CareStores {
		s := open(b)
		return storetest.CareStores{Stores: storetest.Stores{Messages: s}, Keep: s, Keys: s.db.Keys(), Vault: s.vault}
	})
}
