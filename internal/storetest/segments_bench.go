package storetest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/metric"
	"pryde/internal/search"
)

// benchMessages is how many messages somebody has whose searches are measured.
const benchMessages = 50_000

// BenchSearch measures the searches of somebody with many messages, for words of every frequency, and
// reports the 99th percentile besides.
func BenchSearch(b *testing.B, s SearchStores) {
	draw := rand.New(rand.NewPCG(1, 2))
	words := rand.NewZipf(draw, 1.2, 3, 30_000)
	word := func() string { return fmt.Sprintf("word%dx", words.Uint64()) }
	texts := make([]string, benchMessages)
	for i := range texts {
		var text strings.Builder
		for range 3 + draw.IntN(20) {
			text.WriteString(word() + " ")
		}
		texts[i] = text.String()
	}
	fillChat(b, s.Messages, texts)
	service := search.New(search.Options{
		Store: s.Search, Key: [32]byte{1}, Metrics: metric.New(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	b.Cleanup(service.Close)
	find := func(text string) search.Found {
		found, err := service.Search(b.Context(), auth.Identity{User: alice}, search.Query{Text: text, Limit: 50})
		if err != nil {
			b.Fatal(err)
		}
		return found
	}
	find("nothing")
	waitForIndex(b, s.Search)

	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		query := word()
		if draw.IntN(4) == 0 {
			query += " " + word()
		}
		if found := find(query); !found.Complete {
			b.Fatal("not everything was looked at")
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}

// fillChat stores messages between two people.
func fillChat(b *testing.B, store message.Store, texts []string) {
	b.Helper()
	const atOnce = 64
	var writers sync.WaitGroup
	for lane := range atOnce {
		writers.Go(func() {
			for i := lane; i < len(texts); i += atOnce {
				from, to := alice, bob
				if i%2 == 0 {
					from, to = to, from
				}
				if _, _, err := store.Append(b.Context(), message.Draft{ID: messageID(i), Sender: from, Recipient: to, Content: texts[i], At: start}); err != nil {
					b.Errorf("Append: %v", err)
					return
				}
			}
		})
	}
	writers.Wait()
}

func waitForIndex(b *testing.B, store search.Store) {
	b.Helper()
	for deadline := time.Now().Add(5 * time.Minute); indexedMessages(b, store, alice) < benchMessages-256; {
		if time.Now().After(deadline) {
			b.Fatal("the index is not made in 5 minutes")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func indexedMessages(b *testing.B, store search.Store, u id.User) (n int) {
	b.Helper()
	segments, err := store.SegmentFilters(b.Context(), u, search.Segment{}, benchMessages)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range segments {
		n += s.Messages
	}
	return n
}
