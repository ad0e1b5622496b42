package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestPercentLeadsToTheFloorAndNeverBelowTheUsual(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		floor, live uint64
		want        int
	}{
		{32 * mb, 0, 3100}, // a heap of nothing counts as one megabyte
		{32 * mb, 4 * mb, 700},
		{32 * mb, 16 * mb, 100},
		{32 * mb, 500 * mb, 100},
	} {
		if got := percent(c.floor, c.live); got != c.want {
			t.Errorf("percent(%d, %d) is %d, want %d", c.floor, c.live, got, c.want)
		}
	}
}

var kept []byte // so that the compiler makes garbage of it

// collections counts those that garbage leads to.
func collections(megabytes int) uint32 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range megabytes * 16 {
		kept = make([]byte, 64<<10)
	}
	runtime.ReadMemStats(&after)
	return after.NumGC - before.NumGC
}

func TestASmallHeapIsCollectedRarely(t *testing.T) {
	runtime.GC()
	often := collections(512)

	stop := Keep(128 << 20)
	runtime.GC()
	rarely := collections(512)
	stop()

	if rarely*4 > often {
		t.Errorf("512 MB of garbage were collected %d times, without a floor %d times", rarely, often)
	}
	if p := debug.SetGCPercent(usualPercent); p != usualPercent {
		t.Errorf("after the end the heap may grow by %d%%", p)
	}
}
