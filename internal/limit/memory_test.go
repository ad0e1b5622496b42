package limit

import (
	"strconv"
	"testing"
	"time"
)

func TestKeysAreBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l, err := New(Options{Rules: Defaults(), MaxKeys: 100, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		l.Take(LogIn, strconv.Itoa(i))
	}
	tab := l.tables[LogIn]
	if len(tab.byKey) != 100 || tab.recent.Len() != 100 {
		t.Errorf("kept %d keys, %d in the list; want 100", len(tab.byKey), tab.recent.Len())
	}

	now = now.Add(time.Hour)
	for i := range 200 {
		l.Take(LogIn, "later"+strconv.Itoa(i%2))
	}
	for i := range 98 {
		l.Take(LogIn, "new"+strconv.Itoa(i))
		now = now.Add(time.Hour)
	}
	if len(tab.byKey) > 3 {
		t.Errorf("kept %d keys whose buckets are full, want them gone", len(tab.byKey))
	}
}
