package engineio

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWheelWakesInTime lets many sessions come at different times and looks at when each is
// pinged.
func TestWheelWakesInTime(t *testing.T) {
	for _, interval := range []time.Duration{10 * time.Millisecond, 700 * time.Millisecond, 25 * time.Second, 2 * time.Minute} {
		t.Run(interval.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := servePipes(t, Config{PingInterval: interval, PingTimeout: 3 * interval}, &stub{})
				tick := e.wheel.tick
				for range 5 {
					<-time.After(interval / 7)
					c := connect(t, e)
					c.patience = 10 * interval
					opened := time.Now()
					for range 2 {
						c.expect("2")
						if late := time.Since(opened) - interval; late < 0 || late > 2*tick {
							t.Errorf("ping came %v late, want at most %v", late, 2*tick)
						}
						c.send("3")
						opened = time.Now()
					}
					_ = c.conn.Close()
				}
			})
		})
	}
}
