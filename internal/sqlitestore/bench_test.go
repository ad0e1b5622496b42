package sqlitestore

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	s := open(b, b.TempDir())
	appendOneByOne(b, s.Store, func(n int64) message.Draft { return randomDraft(user(1), user(2), n) })
}

// BenchmarkAppendToGroup is BenchmarkAppend1 with groups instead of a recipient.
func BenchmarkAppendToGroup(b *testing.B) {
	for _, members := range []int{2, 500} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			s := open(b, b.TempDir())
			form(b, s.Store, 1, members)
			appendOneByOne(b, s.Store, func(n int64) message.Draft {
				d := randomDraft(user(1), id.User{}, n)
				d.Group = groupID(1)
				return d
			})
		})
	}
}

func appendOneByOne(b *testing.B, s *Store, draft func(n int64) message.Draft) {
	b.Helper()
	if err := s.vault.Ensure(b.Context(), user(1)); err != nil {
		b.Fatal(err)
	}
	took := make([]time.Duration, 0, b.N)
	n := int64(0)
	for b.Loop() {
		n++
		begun := time.Now()
		if _, _, err := s.Append(b.Context(), draft(n)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkAppend64 is 64 people who write to each other at once.
func BenchmarkAppend64(b *testing.B) {
	const callers = 64
	s := open(b, b.TempDir())
	for i := range callers {
		if err := s.vault.Ensure(b.Context(), user(i)); err != nil {
			b.Fatal(err)
		}
	}
	var n atomic.Int64
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for {
				k := n.Add(1)
				if k > int64(b.N) {
					return
				}
				if _, _, err := s.Append(b.Context(), randomDraft(user(i), user((i+1)%callers), k)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// fill stores n messages of one person to peers others, from many callers at once.
func fill(b *testing.B, s *Store, n, peers int) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for {
				k := next.Add(1)
				if k > int64(n) {
					return
				}
				if _, _, err := s.Append(b.Context(), randomDraft(user(0), user(1+int(k)%peers), k)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkPage reads the newest 50 of a conversation of 100,000.
func BenchmarkPage(b *testing.B) {
	s := open(b, b.TempDir())
	fill(b, s.Store, 100_000, 1)
	for b.Loop() {
		p, err := s.PageBefore(b.Context(), message.Between(user(0), user(1)), user(1), id.Message{}, 50)
		if err != nil || len(p.Items) != 50 || !p.More {
			b.Fatalf("%d messages, error %v", len(p.Items), err)
		}
	}
}

// BenchmarkRows lists 50 conversations out of 100,000 messages.
func BenchmarkRows(b *testing.B) {
	s := open(b, b.TempDir())
	fill(b, s.Store, 100_000, 50)
	for b.Loop() {
		p, err := s.Rows(b.Context(), user(0), id.Message{}, 50)
		if err != nil || len(p.Items) != 50 {
			b.Fatalf("%d rows, error %v", len(p.Items), err)
		}
	}
}
