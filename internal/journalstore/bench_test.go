package journalstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"pryde/internal/testkit/mongod"
)

// BenchmarkAppend tells how many messages of 64 senders are acknowledged per second: by the store
// alone, by the direct way, and by the journal while the database is away.
func BenchmarkAppend(b *testing.B) {
	for _, way := range []string{"store", "direct", "journal"} {
		b.Run(way, func(b *testing.B) {
			h := calmHouse(b, mongod.Database(b))
			h.close()
			h.bounds.MaxRecords, h.bounds.MaxBytes = 1<<30, 1<<40
			h.open()
			h.inner.away(way == "journal")
			h.inner.noAttempt.Store(way == "journal")
			append := h.Append
			if way == "store" {
				append = h.inner.Append
			}
			var n, sender atomic.Int64
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				me := user(100 + int(sender.Add(1)))
				for pb.Next() {
					i := int(n.Add(1))
					d := draft(i, me, bob, "hello")
					d.ClientID = fmt.Sprint(i)
					if _, _, err := append(b.Context(), d); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acked/s")
		})
	}
}
