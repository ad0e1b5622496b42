package app

import (
	"testing"

	"pryde/internal/journalstore"
)

func TestTheJournalSaysWhatIsInIt(t *testing.T) {
	t.Parallel()
	for says, s := range map[string]journalstore.Status{
		"":                                       {},
		"; messages that wait in the journal: 2": {Waiting: 2},
		"; messages that the database does not take: 1":                                       {Aside: 1},
		"; messages that wait in the journal: 1; messages that the database does not take: 3": {Waiting: 1, Aside: 3},
	} {
		if got := saysOf(s); got != says {
			t.Errorf("%+v says %q, want %q", s, got, says)
		}
	}
}
