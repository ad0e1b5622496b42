// Package heap keeps the garbage collector from running often over a small heap. The runtime
// collects when the heap has doubled: with little that lives that is every second or two under
// load, and on one processor whatever is due then waits for a part of the collection.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// Enough is how large the heap of a server may become, in bytes, before it is collected at all.
const Enough = 32 << 20

const (
	usualPercent = 100
	liveBytes    = "/gc/heap/live:bytes" // what the last collection left
)

// Keep lets the heap grow to floor bytes before it is collected, however little of it lives; from
// there on the runtime's own rule holds. It looks again after each collection, until stop is
// called. It is for the whole process: one call at a time, and none where an operator has said by
// GOGC when to collect.
func Keep(floor uint64) (stop func()) {
	k := &keeper{floor: floor}
	k.look()
	k.await()
	return func() {
		k.stopped.Store(true)
		debug.SetGCPercent(usualPercent)
	}
}

type keeper struct {
	floor   uint64
	stopped atomic.Bool
	percent int // in force; of one goroutine at a time
}

// await looks again after the next collection, which finds a value that nobody holds.
func (k *keeper) await() {
	unheld := new([]byte) // with a pointer in it, so that it shares its place with nothing
	runtime.AddCleanup(unheld, (*keeper).collected, k)
}

func (k *keeper) collected() {
	if !k.stopped.Load() {
		k.look()
		k.await()
	}
}

// look sets by how much the heap may grow.
func (k *keeper) look() {
	if p := percent(k.floor, live()); p != k.percent {
		k.percent = p
		debug.SetGCPercent(p)
	}
}

func live() uint64 {
	s := []metrics.Sample{{Name: liveBytes}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// percent is by how much a heap of which live bytes live may grow.
func percent(floor, live uint64) int {
	live = max(live, 1<<20)
	if live*2 >= floor {
		return usualPercent
	}
	return int((floor - live) * 100 / live)
}
