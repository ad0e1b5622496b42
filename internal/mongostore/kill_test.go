package mongostore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/fault"
	"pryde/internal/testkit/mongod"
)

// TestNothingIsLostOrDoubledWhenTheServerFails lets people send while the server is killed and
// started again, and while it stands still for longer than an operation may take. Whoever is told
// that it could not be stored sends the same attempt again.
func TestNothingIsLostOrDoubledWhenTheServerFails(t *testing.T) {
	const senders = 8
	server := mongod.ForTest(t, mongod.Options{})
	b := newBench(t, connect(t, server.URI("fails"), 2*time.Second), Options{})
	var stored atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if !b.sendUntilStored(ctx, t, i, n) {
					return
				}
				stored.Add(1)
			}
		})
	}
	more := func() {
		for want := stored.Load() + 50; stored.Load() < want && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}

	die := func() error {
		server.Kill()
		return server.Restart(t.Context())
	}
	stand := func() error {
		err := server.Pause()
		// What comes now cannot get as far as its commit: it is told so in time.
		_, _, refused := b.Append(t.Context(), draft(900_000, user(200), user(201), "hello"))
		if f := fault.Of(refused); f.Code != "STORE_UNAVAILABLE" {
			t.Errorf("while the server stands still: %v, want STORE_UNAVAILABLE", refused)
		}
		return errors.Join(err, server.Resume())
	}
	for _, fail := range []func() error{die, stand} {
		more()
		if err := fail(); err != nil {
			t.Fatal(err)
		}
	}
	more()
	cancel()
	all.Wait()

	messages, err := b.coll(messagesName).CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	// What was on its way when the test ended may be stored besides.
	if got := messages; got < stored.Load() || got > stored.Load()+senders {
		t.Errorf("%d messages are stored, %d senders were told of %d", got, senders, stored.Load())
	}
	unread := 0
	for i := range senders {
		counts, err := b.Unread(t.Context(), user(100+i))
		if err != nil {
			t.Fatal(err)
		}
		unread += counts[user(i)]
	}
	if int64(unread) != messages {
		t.Errorf("%d messages are unread, %d are stored", unread, messages)
	}
}

// sendUntilStored sends one message to the sender's friend until it is stored. It reports false
// where the test ends before.
func (b bench) sendUntilStored(ctx context.Context, t *testing.T, sender, n int) bool {
	d := draft(1000*sender+n, user(sender), user(100+sender), "hello")
	d.ClientID = fmt.Sprintf("attempt-%d", n)
	for ctx.Err() == nil {
		_, again, err := b.Append(t.Context(), d)
		if err == nil {
			if again {
				t.Errorf("message %d of sender %d was stored although its sender was told that it was not", n, sender)
			}
			return true
		}
		if f := fault.Of(err); f.Code != "STORE_UNAVAILABLE" {
			t.Errorf("message %d of sender %d: %v", n, sender, err)
			return false
		}
	}
	return false
}
