package limit_test

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pryde/internal/limit"
)

// clock is a time that stands still until it is moved.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_700_000_000, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func limiter(t testing.TB, text string, factor float64, maxKeys int) (*limit.Limiter, *clock) {
	t.Helper()
	rules, err := limit.Defaults().With(text)
	if err != nil {
		t.Fatal(err)
	}
	c := new(clock)
	l, err := limit.New(limit.Options{Rules: rules, Factor: factor, MaxKeys: maxKeys, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return l, c
}

func allow(l *limit.Limiter, operation, key string) (bool, time.Duration) {
	v := l.Take(operation, key)
	return v.Allowed, v.RetryAfter
}

// passes counts how many of n calls pass.
func passes(l *limit.Limiter, operation, key string, n int) (passed int) {
	for range n {
		if l.Take(operation, key).Allowed {
			passed++
		}
	}
	return passed
}

func TestBurstThenRate(t *testing.T) {
	l, clock := limiter(t, "typing=5/1s:10", 1, 0)

	if got := passes(l, limit.Typing, "a", 30); got != 10 {
		t.Errorf("at once: %d pass, want the burst of 10", got)
	}
	ok, after := allow(l, limit.Typing, "a")
	if ok || after != 200*time.Millisecond {
		t.Errorf("got %t, retry after %v; want false, 200ms", ok, after)
	}
	clock.advance(after - 1)
	if ok, after := allow(l, limit.Typing, "a"); ok || after != 1 {
		t.Errorf("a nanosecond early: got %t, retry after %v", ok, after)
	}
	clock.advance(1)
	if ok, _ := allow(l, limit.Typing, "a"); !ok {
		t.Error("after the time that was told it is still refused")
	}
	clock.advance(time.Hour)
	if got := passes(l, limit.Typing, "a", 30); got != 10 {
		t.Errorf("after an hour: %d pass, want no more than the burst of 10", got)
	}
}

func TestTwoRulesHoldAtOnce(t *testing.T) {
	l, clock := limiter(t, "", 1, 0)
	passed := passes(l, limit.SendMessage, "a", 30)
	if passed != 10 {
		t.Errorf("at once: %d pass, want 10", passed)
	}
	// 120 in the bucket of the minute and two a second into it are used up at five a second.
	for range 60 {
		clock.advance(time.Second)
		passed += passes(l, limit.SendMessage, "a", 10)
	}
	if passed < 238 || passed > 241 {
		t.Errorf("in a minute: %d pass, want the 120 of the bucket and the 120 that came in", passed)
	}
	ok, after := allow(l, limit.SendMessage, "a")
	if ok || after > 500*time.Millisecond {
		t.Errorf("got %t, retry after %v; want false and the wait for the slower bucket", ok, after)
	}
}

func TestRefusedCallsCostNothing(t *testing.T) {
	l, clock := limiter(t, "typing=1/1s", 1, 0)
	passes(l, limit.Typing, "a", 1000)

	clock.advance(time.Second)

	if ok, _ := allow(l, limit.Typing, "a"); !ok {
		t.Error("somebody who was refused often is refused for longer")
	}
}

func TestKeysAndOperationsAreCountedApart(t *testing.T) {
	l, _ := limiter(t, "typing=1/1s,search=1/1s", 1, 0)
	for _, c := range []struct{ operation, key string }{{limit.Typing, "a"}, {limit.Typing, "b"}, {limit.Search, "a"}} {
		if got := passes(l, c.operation, c.key, 5); got != 1 {
			t.Errorf("%s of %s: %d pass, want 1", c.operation, c.key, got)
		}
	}
	if got := passes(l, "nobody limits this", "a", 5); got != 5 {
		t.Errorf("without rules: %d pass, want all 5", got)
	}
}

func TestFactorMultipliesRateAndBurst(t *testing.T) {
	l, clock := limiter(t, "typing=5/1s:10", 2.5, 0)

	if got := passes(l, limit.Typing, "a", 100); got != 25 {
		t.Errorf("at once: %d pass, want 25", got)
	}
	clock.advance(2 * time.Second)
	if got := passes(l, limit.Typing, "a", 100); got != 25 {
		t.Errorf("after two seconds: %d pass, want 25", got)
	}
	for _, factor := range []float64{-1, math.NaN(), math.Inf(1)} {
		if _, err := limit.New(limit.Options{Factor: factor, Now: time.Now}); err == nil {
			t.Errorf("a factor of %v is taken", factor)
		}
	}
	huge, _ := limiter(t, "", 1e300, 0)
	if got := passes(huge, limit.LogIn, "a", 1000); got != 1000 {
		t.Errorf("with a huge factor %d of 1000 pass", got)
	}
	tiny, _ := limiter(t, "", 1e-300, 0)
	if got := passes(tiny, limit.LogIn, "a", 1000); got != 1 {
		t.Errorf("with a tiny factor %d pass, want 1", got)
	}
}

func TestFloodOfKeysPushesOutTheIdleFirst(t *testing.T) {
	l, clock := limiter(t, "typing=1/1h:1", 1, 100)
	passes(l, limit.Typing, "busy", 1)
	for i := range 1000 {
		clock.advance(time.Millisecond)
		passes(l, limit.Typing, strconv.Itoa(i), 1)
		if got := passes(l, limit.Typing, "busy", 1); got != 0 {
			t.Fatalf("after %d other keys the busy one is forgotten", i)
		}
	}
}

func TestConcurrentCallersShareOneBudget(t *testing.T) {
	l, _ := limiter(t, "login=100/15m", 1, 0)
	var passed atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { passed.Add(int32(passes(l, limit.LogIn, "a", 100))) })
	}
	all.Wait()
	if got := passed.Load(); got != 100 {
		t.Errorf("%d pass, want 100", got)
	}
}

// Whoever waits as long as they are told passes, and never more than burst + rate x time pass.
func TestBudgetIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l, clock := limiter(t, "typing=3/1s:7", 1, 0)
		passed := 0
		for range rapid.IntRange(1, 60).Draw(rt, "calls") {
			clock.advance(time.Duration(rapid.IntRange(0, 700).Draw(rt, "pause")) * time.Millisecond)
			ok, after := allow(l, limit.Typing, "a")
			if !ok {
				clock.advance(after)
				if ok, _ = allow(l, limit.Typing, "a"); !ok {
					rt.Fatalf("refused after a wait of %v", after)
				}
			}
			passed++
			if most := 7 + 3*float64(clock.at.Load())/1e9; float64(passed) > most+0.01 {
				rt.Fatalf("%d passed, at most %f may", passed, most)
			}
		}
	})
}

func TestAVerdictSaysWhatIsLeft(t *testing.T) {
	l, clock := limiter(t, "", 1, 0)
	const policy = "10;w=2, 120;w=60"
	for _, step := range []struct {
		takes int
		after time.Duration
		want  limit.Verdict
	}{
		{1, 0, limit.Verdict{Allowed: true, Limit: 10, Remaining: 9, Reset: 200 * time.Millisecond, Window: 2 * time.Second, Policy: policy}},
		{9, 0, limit.Verdict{Allowed: true, Limit: 10, Remaining: 0, Reset: 2 * time.Second, Window: 2 * time.Second, Policy: policy}},
		{1, 0, limit.Verdict{RetryAfter: 200 * time.Millisecond, Limit: 10, Remaining: 0, Reset: 2 * time.Second, Window: 2 * time.Second, Policy: policy}},
		{1, time.Minute, limit.Verdict{Allowed: true, Limit: 10, Remaining: 9, Reset: 200 * time.Millisecond, Window: 2 * time.Second, Policy: policy}},
	} {
		clock.advance(step.after)
		var got limit.Verdict
		for range step.takes {
			got = l.Take(limit.SendMessage, "a")
		}
		if got != step.want {
			t.Errorf("after %d takes: got %+v, want %+v", step.takes, got, step.want)
		}
	}
	if got, want := l.Take("nobody limits this", "a"), (limit.Verdict{Allowed: true}); got != want {
		t.Errorf("without rules: got %+v, want %+v", got, want)
	}
}

func BenchmarkTake(b *testing.B) {
	l, _ := limiter(b, "", 1e9, 0)
	for b.Loop() {
		l.Take(limit.SendMessage, "a")
	}
}
