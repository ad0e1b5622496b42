package dedup

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestMemoryIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options[int]{TTL: time.Minute, MaxWeight: 100_000, Now: time.Now})
		for i := range 20_000 {
			_, _, _ = c.Do(t.Context(), strconv.Itoa(i), func() (int, error) { return i, nil })
		}
		time.Sleep(time.Minute)

		_, _, _ = c.Do(t.Context(), "one", func() (int, error) { return 1, nil })

		if len(c.entries) != 1 || c.byAge.Len() != 1 || c.weight != 1 || c.peak > shrinkFrom {
			t.Errorf("kept %d entries, %d in the list, weight %d, a map for %d; want 1, 1, 1 and a small map",
				len(c.entries), c.byAge.Len(), c.weight, c.peak)
		}
	})
}

func TestForgottenRunTakesNoMemory(t *testing.T) {
	c := New(Options[int]{TTL: time.Minute, MaxWeight: 10, Now: time.Now})

	_, _, err := c.Do(t.Context(), "k", func() (int, error) { c.Forget("k"); return 1, nil })

	if err != nil || len(c.entries) != 0 || c.byAge.Len() != 0 || c.weight != 0 {
		t.Errorf("%v; kept %d entries, %d in the list, weight %d; want nothing", err, len(c.entries), c.byAge.Len(), c.weight)
	}
}

// Whatever is done, the books agree with each other.
func TestBooksAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const maxWeight = 20
		now := time.Unix(0, 0)
		c := New(Options[int]{TTL: 10 * time.Second, MaxWeight: maxWeight, Weigh: func(v int) int { return v }, Now: func() time.Time { return now }})
		for range rapid.IntRange(1, 100).Draw(rt, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(rt, "key")
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				now = now.Add(time.Duration(rapid.IntRange(0, 6).Draw(rt, "seconds")) * time.Second)
			case 1:
				c.Forget(key)
			default:
				w := rapid.IntRange(0, 8).Draw(rt, "weight")
				if _, _, err := c.Do(t.Context(), key, func() (int, error) { return w, nil }); err != nil {
					rt.Fatalf("Do: %v", err)
				}
			}
			sum := 0
			for e := c.byAge.Front(); e != nil; e = e.Next() {
				sum += e.Value.(*entry[int]).weight
			}
			if sum != c.weight || sum > maxWeight || len(c.entries) != c.byAge.Len() {
				rt.Fatalf("weight %d of %d counted, %d entries, %d in the list", c.weight, sum, len(c.entries), c.byAge.Len())
			}
		}
	})
}
