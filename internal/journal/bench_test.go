package journal_test

import (
	"fmt"
	"testing"

	"pryde/internal/journal"
)

// BenchmarkAppend tells how many records of 400 bytes are acknowledged per second, to callers of
// whom each appends one after the other.
func BenchmarkAppend(b *testing.B) {
	for _, parallelism := range []int{1, 32} {
		b.Run(fmt.Sprint("parallelism=", parallelism), func(b *testing.B) {
			j, err := journal.Open(journal.Options{Dir: b.TempDir(), MaxRecords: 1 << 30, MaxBytes: 1 << 40})
			if err != nil {
				b.Fatal(err)
			}
			payload := make([]byte, 400)
			b.SetParallelism(parallelism)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := j.Append(payload); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acked/s")
			if err := j.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}
