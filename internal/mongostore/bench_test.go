package mongostore

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
)

func randomDraft(from, to id.User, n int64) message.Draft {
	d := message.Draft{
		Sender: from, Recipient: to, Content: strings.Repeat("hello there ", 8),
		ClientID: fmt.Sprintf("temp-%d", n), At: start.Add(time.Duration(n) * time.Millisecond),
	}
	_, _ = rand.Read(d.ID[:])
	_, _ = rand.Read(d.Fingerprint[:])
	return d
}

// BenchmarkAppend1 is one caller that waits for each commit.
func BenchmarkAppend1(b *testing.B) {
	s := open(b)
	took := make([]time.Duration, 0, b.N)
	n := int64(0)
	for b.Loop() {
		n++
		begun := time.Now()
		if _, _, err := s.Append(b.Context(), randomDraft(user(1), user(2), n)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// callers runs one operation after the other on 64 goroutines, b.N in all.
func callers(b *testing.B, run func(caller int, n int64) error) {
	const callers = 64
	var n atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for i := range callers {
		wg.Go(func() {
			for k := n.Add(1); k <= int64(b.N); k = n.Add(1) {
				if err := run(i, k); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkAppend64 is 64 people who write to each other at once.
func BenchmarkAppend64(b *testing.B) {
	s := open(b)
	for i := range 64 {
		if err := s.vault.Ensure(b.Context(), user(i)); err != nil {
			b.Fatal(err)
		}
	}
	callers(b, func(i int, n int64) error {
		_, _, err := s.Append(b.Context(), randomDraft(user(i), user((i+1)%64), n))
		return err
	})
}

// BenchmarkInsert64 is what Append64 is compared with: 64 clients that each insert a document of
// the same size, acknowledged by a majority, and nothing besides.
func BenchmarkInsert64(b *testing.B) {
	c := database(b).data.Collection("bare")
	text := make([]byte, 96+37)
	callers(b, func(i int, n int64) error {
		_, err := c.InsertOne(b.Context(), bson.D{
			is("sender", bson.ObjectID(user(i))), is("recipient", bson.ObjectID(user(i+1))),
			is("content", text), is("createdAt", start), is("n", n),
		})
		return err
	})
}
