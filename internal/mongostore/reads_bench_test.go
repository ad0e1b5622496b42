package mongostore

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

var (
	benchMessages = flag.Int("messages", 100_000, "how many messages BenchmarkReads reads among")
	benchPeople   = flag.Int("people", 1_000, "between how many people")
)

// BenchmarkReads reads what a client reads, for people who are the more likely to ask the more
// they write.
func BenchmarkReads(b *testing.B) {
	s := open(b).Store
	c := newCrowd(s, *benchPeople)
	c.write(b, *benchMessages)
	b.Logf("%d conversations", len(c.threads))
	for name, read := range map[string]func(context.Context, id.User) (int, error){
		"page": func(ctx context.Context, u id.User) (int, error) {
			p, err := s.PageBefore(ctx, message.Between(u, c.friend(u)), u, id.Message{}, 50)
			return len(p.Items), err
		},
		"list": func(ctx context.Context, u id.User) (int, error) {
			p, err := s.Rows(ctx, u, id.Message{}, 50)
			return len(p.Items), err
		},
		"unread": func(ctx context.Context, u id.User) (int, error) {
			n, err := s.Unread(ctx, u)
			return len(n), err
		},
		"since": func(ctx context.Context, u id.User) (int, error) {
			p, err := s.Since(ctx, u, c.last-10_000, 1_000)
			return len(p.New), err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			rows := 0
			for b.Loop() {
				u := c.someone()
				begun := time.Now()
				n, err := read(b.Context(), u)
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
				rows += n
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(rows)/float64(len(took)), "rows/op")
		})
	}
}
