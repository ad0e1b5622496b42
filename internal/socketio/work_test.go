package socketio

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// TestJobsThatWaitHoldNobodyUp begins more jobs than are let in at once, each of which waits for as
// many others as may run.
func TestJobsThatWaitHoldNobodyUp(t *testing.T) {
	const workers, lines = 20, 60
	synctest.Test(t, func(t *testing.T) {
		p := newPool(workers, 64, 1000)
		var running, done sync.WaitGroup
		running.Add(workers)
		done.Add(lines)
		var mu sync.Mutex
		now, most, begun := 0, 0, 0
		for range lines {
			l := &line{pool: p}
			l.add(&job{task: doing(func() {
				defer done.Done()
				mu.Lock()
				now++
				most = max(most, now)
				first := begun < workers
				begun++
				mu.Unlock()
				if first {
					running.Done()
					running.Wait()
				}
				mu.Lock()
				now--
				mu.Unlock()
			})})
		}

		done.Wait()
		p.close()
		p.ended.Wait()

		if most != workers || p.workers != 0 || p.called != 0 || p.parked != 0 {
			t.Errorf("%d ran at once, want %d; %d workers are left, %d called, %d parked", most, workers, p.workers, p.called, p.parked)
		}
	})
}

func TestAWorkerWhoseJobEndsItsGoroutineIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1, 64, 1000)
		l := &line{pool: p}
		l.add(&job{task: doing(runtime.Goexit)})
		again := make(chan struct{})
		l.add(&job{task: doing(func() { close(again) })})

		<-again
		p.close()
		p.ended.Wait()

		if p.workers != 0 || p.called != 0 {
			t.Errorf("%d workers are left, %d called", p.workers, p.called)
		}
	})
}
