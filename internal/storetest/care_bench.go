package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"pryde/internal/custody"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/seal"
)

// BenchmarkRewrap measures how long it takes to wrap the keys of 10,000 people with another master
// key.
func BenchmarkRewrap(b *testing.B, open func(*testing.B) KeyKeeper) {
	const people = 10_000
	keys := open(b)
	masters := []seal.Key{{1}, {2}}
	vault := func(primary int) *seal.Vault {
		ring, err := seal.RingOf(masters[primary], masters[1-primary])
		if err != nil {
			b.Fatal(err)
		}
		return seal.New(ring, keys, rand.Reader)
	}
	first := vault(0)
	var all sync.WaitGroup
	for part := range 64 {
		all.Go(func() {
			for n := part; n < people; n += 64 {
				if err := first.Ensure(b.Context(), seal.Owner(user(n))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ResetTimer()
	for i := range b.N {
		n, err := vault(1 - i%2).Rewrap(b.Context())
		if err != nil || n != people {
			b.Fatalf("Rewrap changed %d keys, error %v", n, err)
		}
	}
}

// BenchmarkSendsWhileSealedAgain measures how long sends take while nothing else happens, and while
// what somebody has written is sealed again behind them.
func BenchmarkSendsWhileSealedAgain(b *testing.B, open func(*testing.B) CareStores) {
	const written = 20_000
	s := open(b)
	d := &desk{t: b, store: s.Messages}
	var all sync.WaitGroup
	for part := range 64 {
		all.Go(func() {
			for n := part; n < written; n += 64 {
				draft := message.Draft{ID: messageID(n), Sender: alice, Recipient: user(100 + n%50), Content: fmt.Sprint("a text of usual length, number ", n), At: start}
				draft.Fingerprint[0], draft.Fingerprint[1], draft.Fingerprint[2] = byte(n), byte(n>>8), byte(n>>16)
				if n%2 == 0 {
					draft.ClientID = fmt.Sprint("c", n)
				}
				if _, _, err := d.store.Append(b.Context(), draft); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	next := written
	sends := func(b *testing.B) {
		took := make([]time.Duration, 0, b.N)
		for range b.N {
			next++
			draft := message.Draft{ID: messageID(next), Sender: bob, Recipient: carol, Content: "a text", At: start, ClientID: fmt.Sprint("b", next)}
			began := time.Now()
			if _, _, err := d.store.Append(b.Context(), draft); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	}
	b.Run("quiet", sends)
	b.Run("sealed again", func(b *testing.B) {
		if err := s.Vault.Replace(b.Context(), seal.Owner(alice), time.Now()); err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(b.Context())
		care := custody.New(custody.Options{
			Vault: s.Vault, Desk: s.Keys, People: nobody{}, Data: s.Keep, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		var done sync.WaitGroup
		done.Go(func() { care.Run(ctx) })
		defer done.Wait()
		defer stop()
		sends(b)
	})
	b.Run("sealing again", func(b *testing.B) {
		sealed, began := 0, time.Now()
		for range b.N {
			if err := s.Vault.Replace(b.Context(), seal.Owner(alice), time.Now()); err != nil {
				b.Fatal(err)
			}
			for mark, more := "", true; more; more = mark != "" {
				batch, err := s.Keep.Reseal(b.Context(), alice, mark, 64)
				if err != nil {
					b.Fatal(err)
				}
				mark, sealed = batch.Next, sealed+batch.Sealed
			}
		}
		b.ReportMetric(float64(sealed)/time.Since(began).Seconds(), "values/s")
	})
}

// nobody are no accounts.
type nobody struct{}

func (nobody) Find(context.Context, string) (id.User, error)                     { return id.User{}, nil }
func (nobody) Remove(context.Context, id.User) error                             { return nil }
func (nobody) Standing(context.Context, []id.User) (standing []id.User, _ error) { return nil, nil }
