package main

import (
	"runtime/debug"
	"testing"
)

// TestWhoSetsGOGCHasIt is not parallel: what it looks at is the whole process's.
func TestWhoSetsGOGCHasIt(t *testing.T) {
	usual := debug.SetGCPercent(50)
	defer debug.SetGCPercent(usual)

	keepHeap(map[string]string{"GOGC": "50"})()
	set := debug.SetGCPercent(50)
	stop := keepHeap(nil)
	kept := debug.SetGCPercent(50)
	stop()

	if set != 50 || kept == 50 {
		t.Errorf("the heap may grow by %d%% where GOGC is 50, and by %d%% where nothing is set", set, kept)
	}
}
