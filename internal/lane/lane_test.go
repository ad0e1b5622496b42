package lane_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"pryde/internal/lane"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCallsOfOneKeyRunInTheOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := lane.New(100)
		var running atomic.Int32
		var order []int
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				err := lanes.Do(t.Context(), "k", func(context.Context, func()) error {
					if running.Add(1) != 1 {
						t.Error("two calls ran at once")
					}
					time.Sleep(time.Millisecond)
					order = append(order, i)
					running.Add(-1)
					return nil
				})
				if err != nil {
					t.Errorf("call %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()

		if !slices.IsSorted(order) || len(order) != 100 {
			t.Errorf("calls ran in the order %v", order)
		}
	})
}

func TestKeysDoNotWaitForEachOther(t *testing.T) {
	lanes := lane.New(1)

	err := lanes.Do(t.Context(), "a", func(ctx context.Context, _ func()) error {
		return lanes.Do(ctx, "b", func(context.Context, func()) error { return nil })
	})

	if err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestAdvanceLetsTheNextOneStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := lane.New(3)
		var started []string
		release := make(chan struct{})
		var all sync.WaitGroup
		call := func(name string, advances int) {
			all.Go(func() {
				_ = lanes.Do(t.Context(), "k", func(_ context.Context, advance func()) error {
					started = append(started, name)
					for range advances {
						advance()
					}
					<-release
					advance()
					return nil
				})
			})
			synctest.Wait()
		}

		call("first", 3)
		call("second", 0)
		call("third", 0)

		if want := []string{"first", "second"}; !slices.Equal(started, want) {
			t.Errorf("started %q, want %q: three advances of one call let one call start", started, want)
		}
		close(release)
		all.Wait()
		if len(started) != 3 {
			t.Errorf("started %q, want all three", started)
		}
	})
}

func TestAdvanceAfterTheEndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := lane.New(3)
		var late func()
		_ = lanes.Do(t.Context(), "k", func(_ context.Context, advance func()) error { late = advance; return nil })
		release := make(chan struct{})
		var started atomic.Int32
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				_ = lanes.Do(t.Context(), "k", func(context.Context, func()) error { started.Add(1); <-release; return nil })
			})
		}
		synctest.Wait()

		late()
		synctest.Wait()

		if got := started.Load(); got != 1 {
			t.Errorf("%d calls run at once, want 1", got)
		}
		close(release)
		all.Wait()
	})
}

func TestFullLaneRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := lane.New(2)
		release := make(chan struct{})
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if err := lanes.Do(t.Context(), "k", func(context.Context, func()) error { <-release; return nil }); err != nil {
					t.Errorf("one that fits: %v", err)
				}
			})
		}
		synctest.Wait()

		err := lanes.Do(t.Context(), "k", func(context.Context, func()) error { t.Error("one too many ran"); return nil })

		if !errors.Is(err, lane.ErrFull) {
			t.Errorf("got %v, want ErrFull", err)
		}
		close(release)
		all.Wait()
	})
}

func TestOneThatGivesUpLeavesTheOrderOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes := lane.New(3)
		release := make(chan struct{})
		var order []int
		var all sync.WaitGroup
		gone, leave := context.WithCancel(t.Context())
		for i := range 4 {
			ctx := t.Context()
			if i == 2 {
				ctx = gone
			}
			all.Go(func() {
				err := lanes.Do(ctx, "k", func(context.Context, func()) error { <-release; order = append(order, i); return nil })
				if wantErr := i == 2; errors.Is(err, context.Canceled) != wantErr {
					t.Errorf("call %d: %v", i, err)
				}
			})
			synctest.Wait()
		}

		leave()
		synctest.Wait()
		if err := lanes.Do(gone, "other", func(context.Context, func()) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: got %v, want %v", err, context.Canceled)
		}
		close(release)
		all.Wait()

		if want := []int{0, 1, 3}; !slices.Equal(order, want) {
			t.Errorf("ran %v, want %v", order, want)
		}
	})
}

func TestErrorsAndPanicsFreeTheLane(t *testing.T) {
	lanes := lane.New(1)
	broken := errors.New("broken")

	if err := lanes.Do(t.Context(), "k", func(context.Context, func()) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not reach the caller")
			}
		}()
		_ = lanes.Do(t.Context(), "k", func(context.Context, func()) error { panic("broken") })
	}()

	if err := lanes.Do(t.Context(), "k", func(context.Context, func()) error { return nil }); err != nil {
		t.Errorf("after both: %v", err)
	}
}

// Calls that come at random, give up at random and advance at random: at most one per key has
// not advanced, and those that ran did so in the order in which they came.
func TestOrderHoldsUnderRandomUse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type plan struct {
			key      string
			advances bool
			patience time.Duration
			works    time.Duration
		}
		plans := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) plan {
			return plan{
				key:      strconv.Itoa(rapid.IntRange(0, 2).Draw(rt, "key")),
				advances: rapid.Bool().Draw(rt, "advances"),
				patience: time.Duration(rapid.IntRange(1, 40).Draw(rt, "patience")) * time.Millisecond,
				works:    time.Duration(rapid.IntRange(0, 10).Draw(rt, "works")) * time.Millisecond,
			}
		}), 1, 30).Draw(rt, "plans")

		synctest.Test(t, func(t *testing.T) {
			lanes := lane.New(len(plans))
			var mu sync.Mutex
			held := map[string]int{}
			ran := map[string][]int{}
			var all sync.WaitGroup
			for i, p := range plans {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), p.patience)
					defer cancel()
					err := lanes.Do(ctx, p.key, func(_ context.Context, advance func()) error {
						mu.Lock()
						held[p.key]++
						if held[p.key] != 1 {
							t.Errorf("%d calls hold lane %s", held[p.key], p.key)
						}
						ran[p.key] = append(ran[p.key], i)
						mu.Unlock()
						let := func() { mu.Lock(); held[p.key]--; mu.Unlock() }
						if p.advances {
							let()
							advance()
							time.Sleep(p.works)
							return nil
						}
						time.Sleep(p.works)
						let()
						return nil
					})
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("call %d: %v", i, err)
					}
				})
				synctest.Wait()
			}
			all.Wait()
			for key, order := range ran {
				if !slices.IsSorted(order) {
					t.Errorf("lane %s ran in the order %v", key, order)
				}
			}
		})
	})
}
