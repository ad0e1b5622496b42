package dedup_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/dedup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func cache(ttl time.Duration, maxWeight int) *dedup.Cache[int] {
	return dedup.New(dedup.Options[int]{TTL: ttl, MaxWeight: maxWeight, Weigh: func(v int) int { return v }, Now: time.Now})
}

func give(v int) func() (int, error) { return func() (int, error) { return v, nil } }

// value runs give(v) and returns what came out of the cache.
func value(t *testing.T, c *dedup.Cache[int], key string, v int) int {
	t.Helper()
	got, again, err := c.Do(t.Context(), key, give(v))
	if err != nil {
		t.Errorf("Do(%q): %v", key, err)
	}
	if again != (got != v) {
		t.Errorf("Do(%q) gave %d with again=%t", key, got, again)
	}
	return got
}

func TestConcurrentCallersRunOnce(t *testing.T) {
	c := cache(time.Minute, 100)
	var runs, firsts atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			v, again, err := c.Do(t.Context(), "k", func() (int, error) { return int(runs.Add(1)), nil })
			if v != 1 || err != nil {
				t.Errorf("got %d, %v; want 1, nil", v, err)
			}
			if !again {
				firsts.Add(1)
			}
		})
	}
	all.Wait()
	if runs.Load() != 1 || firsts.Load() != 1 {
		t.Errorf("ran %d times for %d first callers, want 1 and 1", runs.Load(), firsts.Load())
	}
}

func TestFailureIsForgotten(t *testing.T) {
	c := cache(time.Minute, 100)
	down := errors.New("store is down")

	if _, _, err := c.Do(t.Context(), "k", func() (int, error) { return 0, down }); !errors.Is(err, down) {
		t.Fatalf("got %v, want %v", err, down)
	}

	if got := value(t, c, "k", 7); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
}

func TestWaitersOfAFailureRunThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache(time.Minute, 100)
		hungUp := errors.New("the caller hung up")
		var all sync.WaitGroup
		all.Go(func() {
			_, again, err := c.Do(t.Context(), "k", func() (int, error) { time.Sleep(time.Second); return 0, hungUp })
			if again || !errors.Is(err, hungUp) {
				t.Errorf("first: again=%t, %v; want its own error", again, err)
			}
		})
		synctest.Wait()
		var runs atomic.Int32
		for range 10 {
			all.Go(func() {
				v, _, err := c.Do(t.Context(), "k", func() (int, error) { time.Sleep(time.Second); return int(runs.Add(1)), nil })
				if v != 1 || err != nil {
					t.Errorf("waiter: %d, %v; want 1, nil", v, err)
				}
			})
		}
		all.Wait()
		if runs.Load() != 1 {
			t.Errorf("%d waiters ran, want one", runs.Load())
		}
	})
}

func TestWaiterCanGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache(time.Minute, 100)
		var all sync.WaitGroup
		all.Go(func() { value(t, c, "k", 1) })
		all.Go(func() {
			_, _, _ = c.Do(t.Context(), "slow", func() (int, error) { time.Sleep(time.Minute); return 1, nil })
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		_, again, err := c.Do(ctx, "slow", give(2))

		if again || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got again=%t, %v; want %v", again, err, context.DeadlineExceeded)
		}
		all.Wait()
	})
}

func TestPanicLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache(time.Minute, 100)
		var all sync.WaitGroup
		all.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not reach its caller")
				}
			}()
			_, _, _ = c.Do(t.Context(), "k", func() (int, error) { time.Sleep(time.Second); panic("broken") })
		})
		synctest.Wait()

		if got := value(t, c, "k", 7); got != 7 {
			t.Errorf("got %d, want 7", got)
		}
		all.Wait()
	})
}

func TestWindowCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache(time.Minute, 100)
		value(t, c, "k", 1)

		time.Sleep(59 * time.Second)
		if got := value(t, c, "k", 2); got != 1 {
			t.Errorf("inside the window: got %d, want 1", got)
		}
		time.Sleep(time.Second)
		if got := value(t, c, "k", 3); got != 3 {
			t.Errorf("after the window: got %d, want 3", got)
		}
	})
}

func TestTheOldestGoWhenTheWeightIsTooMuch(t *testing.T) {
	c := cache(time.Minute, 10)
	value(t, c, "a", 4)
	value(t, c, "b", 5)

	value(t, c, "c", 3)

	if got := value(t, c, "b", 1); got != 5 {
		t.Errorf("b: got %d, want 5 as remembered", got)
	}
	if got := value(t, c, "c", 1); got != 3 {
		t.Errorf("c: got %d, want 3 as remembered", got)
	}
	if got := value(t, c, "a", 1); got != 1 {
		t.Errorf("a: got %d, want 1: it was the oldest", got)
	}
	value(t, c, "huge", 11)
	if got := value(t, c, "huge", 2); got != 2 {
		t.Errorf("huge: got %d, want 2: it is too heavy to be remembered", got)
	}
}

func TestForgetMakesTheNextCallRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache(time.Hour, 100)
		value(t, c, "k", 1)
		c.Forget("k")
		if got := value(t, c, "k", 2); got != 2 {
			t.Errorf("after Forget: got %d, want 2", got)
		}

		c.Forget("k")
		var all sync.WaitGroup
		all.Go(func() {
			_, _, _ = c.Do(t.Context(), "k", func() (int, error) { time.Sleep(time.Second); return 3, nil })
		})
		synctest.Wait()
		c.Forget("k")
		if got := value(t, c, "k", 4); got != 4 {
			t.Errorf("after Forget during a run: got %d, want 4", got)
		}
		all.Wait()
		if got := value(t, c, "k", 5); got != 4 {
			t.Errorf("got %d, want 4: the forgotten run must not replace the newer result", got)
		}
	})
}

func BenchmarkDo(b *testing.B) {
	c := cache(time.Minute, 10_000)
	i := 0
	for b.Loop() {
		i++
		_, _, _ = c.Do(b.Context(), strconv.Itoa(i), give(1))
	}
}
