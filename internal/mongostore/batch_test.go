package mongostore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// calls runs calls of the store in one batch, in this order.
func (b bench) calls(t *testing.T, calls ...func(context.Context) error) {
	t.Helper()
	release := b.block(t)
	errs := make([]error, len(calls))
	var all sync.WaitGroup
	for i, call := range calls {
		queued := make(chan struct{})
		ctx := order.OnQueued(t.Context(), sync.OnceFunc(func() { close(queued) }))
		all.Go(func() { errs[i] = call(ctx) })
		<-queued
	}
	before := b.leaseDoc(t).Batch
	release()
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got := b.leaseDoc(t).Batch - before; got > 2 {
		t.Fatalf("%d transactions, want the blocking one and one more", got)
	}
}

func (b bench) sends(n int, from, to id.User) func(context.Context) error {
	return func(ctx context.Context) error {
		_, _, err := b.Append(ctx, draft(n, from, to, "hello"))
		return err
	}
}

func (b bench) reads(u id.User, n int) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := b.MarkRead(ctx, u, messageID(n), start)
		return err
	}
}

func (b bench) deletes(n int) func(context.Context) error {
	return func(ctx context.Context) error {
		_, _, err := b.DeleteForAll(ctx, messageID(n), start)
		return err
	}
}

func (b bench) hides(u id.User, n int) func(context.Context) error {
	return func(ctx context.Context) error {
		_, _, err := b.DeleteForSelf(ctx, messageID(n), u, start)
		return err
	}
}

// row is the only row of a person.
func (b bench) row(t *testing.T, u id.User) message.Row {
	t.Helper()
	p, err := b.Rows(t.Context(), u, id.Message{}, 10)
	if err != nil || len(p.Items) != 1 {
		t.Fatalf("%d rows, error %v; want one", len(p.Items), err)
	}
	return p.Items[0]
}

// Operations of a batch see what those before them changed, although nothing of it is in the
// database yet.
func TestOperationsOfABatchSeeEachOther(t *testing.T) {
	alice, bob := user(1), user(2)
	tests := map[string]struct {
		calls  func(bench) []func(context.Context) error
		unread int // of bob
		last   int // number of the newest message that bob sees
	}{
		"reading counts what is new, deleted and hidden": {
			func(b bench) []func(context.Context) error {
				return []func(context.Context) error{
					b.sends(5, alice, bob), b.sends(6, bob, alice), b.deletes(3), b.hides(bob, 4), b.reads(bob, 2),
				}
			}, 1, 6,
		},
		"hiding the newest shows the one before": {
			func(b bench) []func(context.Context) error {
				return []func(context.Context) error{b.hides(bob, 3), b.hides(bob, 4)}
			}, 2, 2,
		},
		"hiding and new ones": {
			func(b bench) []func(context.Context) error {
				return []func(context.Context) error{b.sends(5, alice, bob), b.hides(bob, 3), b.hides(bob, 4)}
			}, 3, 5,
		},
		"reading a deleted one": {
			func(b bench) []func(context.Context) error {
				return []func(context.Context) error{b.deletes(2), b.deletes(4), b.reads(bob, 2)}
			}, 1, 4,
		},
		"clearing what has just come": {
			func(b bench) []func(context.Context) error {
				return []func(context.Context) error{
					b.sends(5, alice, bob),
					func(ctx context.Context) error { return b.Clear(ctx, bob, alice) },
					b.sends(6, alice, bob),
				}
			}, 1, 6,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, database(t), Options{})
			for n := 1; n <= 4; n++ {
				send(t, b.Store, n, alice, bob, "hello")
			}

			b.calls(t, test.calls(b)...)

			row := b.row(t, bob)
			if row.Unread != test.unread || row.Last.ID != messageID(test.last) {
				t.Errorf("%d unread, the newest is %v; want %d and %v", row.Unread, row.Last.ID, test.unread, messageID(test.last))
			}
		})
	}
}

func TestRepeatsWithinABatchAreRecognised(t *testing.T) {
	named, unnamed := draft(1, user(1), user(2), "hello"), draft(2, user(1), user(2), "hello again")
	named.ClientID = "attempt"
	unnamed.RepeatWindow = time.Minute
	b := newBench(t, database(t), Options{})
	var again [4]bool
	call := func(i int, d message.Draft) func(context.Context) error {
		d.ID = messageID(10 + i)
		return func(ctx context.Context) error {
			m, repeated, err := b.Append(ctx, d)
			again[i] = repeated
			if err == nil && repeated && m.Content != d.Content {
				err = errors.New("the repeat is another message")
			}
			return err
		}
	}

	b.calls(t, call(0, named), call(1, unnamed), call(2, named), call(3, unnamed))

	if want := [4]bool{false, false, true, true}; again != want {
		t.Errorf("repeats: %v, want %v", again, want)
	}
	if messages, unread := b.stored(t); messages != 2 || unread != 2 {
		t.Errorf("%d messages are stored, %d unread; want 2", messages, unread)
	}
}

func TestClearingsAreForgottenAfterAReload(t *testing.T) {
	alice, bob := user(1), user(2)
	s := open(t)
	first := send(t, s.Store, 1, alice, bob, "hello")
	for n := 2; n <= maxClearings+3; n++ {
		if err := s.Clear(t.Context(), bob, alice); err != nil {
			t.Fatal(err)
		}
		send(t, s.Store, n, alice, bob, "hello")
	}

	c, err := s.Since(t.Context(), bob, first.Seq, 1000)
	if err != nil || !c.Reload {
		t.Errorf("who was away for all clearings: reload %v, error %v; want a reload", c.Reload, err)
	}
	c, err = s.Since(t.Context(), bob, c.Seq-2*maxClearings, 1000)
	if err != nil || c.Reload || len(c.Deleted) < maxClearings-1 {
		t.Errorf("who was away for those that are known: reload %v, %d deleted, error %v", c.Reload, len(c.Deleted), err)
	}
	var row threadDoc
	if err := s.coll(threadsName).FindOne(t.Context(), bson.D{is("_id", threadOf(bob, keyOf(message.Between(alice, bob))))}).Decode(&row); err != nil {
		t.Fatal(err)
	}
	if len(row.Cleared) != maxClearings {
		t.Errorf("%d clearings are kept, want %d", len(row.Cleared), maxClearings)
	}
}
