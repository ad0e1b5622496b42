package journalstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/testkit/mongod"
)

func TestARepeatOfWhatWaitedIsKnownWhileTheDatabaseGivesNoAnswers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, mongod.Emptied(t))
	d := draft(1, alice, bob, "hello")
	d.ClientID = "attempt"
	h.inner.away(true)
	first, _, err := h.Append(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	h.inner.away(false)
	h.drained()
	h.inner.away(true)
	h.inner.noAttempt.Store(true)

	again, repeats, err := h.Append(t.Context(), d)

	if err != nil || !repeats {
		t.Fatalf("a repeat: %v, error %v", repeats, err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the repeat differs (-first +repeat):\n%s", diff)
	}
	if st := h.Status(); st.Waiting != 0 {
		t.Errorf("%d messages wait once more", st.Waiting)
	}
}

// A message that was stored directly is known as well, also by the next run of the server.
func TestARepeatOfWhatWasStoredIsKnownWhileTheDatabaseGivesNoAnswers(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]func(*house){
		"the same run": func(*house) {},
		"the next run": func(h *house) {
			h.close()
			h.open()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := calmHouse(t, mongod.Emptied(t))
			d := draft(1, alice, bob, "hello")
			d.ClientID, d.At = "attempt", time.Now()
			first, _, err := h.Append(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			between(h)
			h.inner.away(true)
			h.inner.noAttempt.Store(true)

			again, repeats, err := h.Append(t.Context(), d)

			if err != nil || !repeats {
				t.Fatalf("a repeat: %v, error %v", repeats, err)
			}
			if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("the repeat differs (-first +repeat):\n%s", diff)
			}
			if st := h.Status(); st.Waiting != 0 {
				t.Errorf("%d messages wait", st.Waiting)
			}
		})
	}
}
