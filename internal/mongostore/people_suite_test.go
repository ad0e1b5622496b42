package mongostore

import (
	"testing"

	"pryde/internal/storetest"
)

// TestPeopleKeepTheirPromises runs what concerns people, in the form of our own.
func TestPeopleKeepTheirPromises(t *testing.T) {
	stores := func(t *testing.T) storetest.Stores {
		s := open(t)
		return storetest.Stores{Messages: s, Groups: s, People: s, Ties: s, Factors: s, Sessions: s}
	}
	t.Run("People", func(t *testing.T) { storetest.People(t, stores) })
	t.Run("Ties", func(t *testing.T) { storetest.Ties(t, stores) })
	t.Run("Credentials", func(t *testing.T) { storetest.Credentials(t, stores) })
	t.Run("SecondFactors", func(t *testing.T) { storetest.SecondFactors(t, stores) })
	t.Run("Sessions", func(t *testing.T) { storetest.Sessions(t, stores) })
}
