package mongostore

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"pryde/internal/fault"
	"pryde/internal/message"
	"pryde/internal/order"
)

// appendWithin calls AppendWithin, and returns when it is queued.
func appendWithin(ctx context.Context, s *Store, d message.Draft) (outcome <-chan error) {
	queued := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		_, _, err := s.AppendWithin(order.OnQueued(ctx, func() { close(queued) }), d)
		result <- err
	}()
	<-queued
	return result
}

// notStored fails unless an append was refused for good.
func notStored(t *testing.T, s *Store, d message.Draft, err error) {
	t.Helper()
	if f := fault.Of(err); err == nil || f.Code != "STORE_UNAVAILABLE" || errors.As(err, new(message.Undecided)) {
		t.Errorf("append of %v: %v, want STORE_UNAVAILABLE", d.ID, err)
	}
	if m, err := s.Message(t.Context(), d.ID); !errors.Is(err, message.ErrNoMessage) {
		t.Errorf("%v is stored as %+v (%v), want ErrNoMessage", d.ID, m, err)
	}
}

// An append behind one that is given up in the queue is not stored: the first one gets a later
// number elsewhere.
func TestAnAppendBehindOneThatIsGivenUpIsNotStored(t *testing.T) {
	s := open(t)
	h := occupy(t, s.Store, nil)
	<-h.begun
	given, behind, after := draft(1, alice, bob, "given up"), draft(2, alice, bob, "behind"), draft(3, alice, bob, "after")
	ctx, cancel := context.WithCancel(t.Context())
	first := appendWithin(ctx, s.Store, given)
	second := appendWithin(t.Context(), s.Store, behind)

	cancel()
	err := <-first
	third := appendWithin(t.Context(), s.Store, after)
	h.release(t, nil)

	notStored(t, s.Store, given, err)
	notStored(t, s.Store, behind, <-second)
	if err := <-third; err != nil {
		t.Errorf("an append that came afterwards: %v", err)
	}
}

// The numbers of an attempt that failed are not told once there is another: those that were tried
// again already have higher ones.
func TestWhatIsGivenUpInASecondAttemptKeepsItsOrder(t *testing.T) {
	s := open(t)
	h := occupy(t, s.Store, nil)
	<-h.begun
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d, e := draft(1, alice, bob, "one"), draft(2, alice, bob, "two")
	run := func(what string, f func(*tx) error) <-chan error {
		queued := make(chan struct{})
		result := make(chan error, 1)
		go func() { result <- s.writer.do(order.OnQueued(t.Context(), func() { close(queued) }), what, f) }()
		<-queued
		return result
	}
	begun, end := make(chan struct{}), make(chan struct{})
	attempts := 0
	first := appendWithin(ctx, s.Store, d)
	between := run("stand still in the second attempt", func(*tx) error {
		if attempts++; attempts == 2 {
			close(begun)
			<-end
		}
		return nil
	})
	second := appendWithin(ctx, s.Store, e)
	fails := run("fail in the first attempt", func(*tx) error {
		if attempts == 1 {
			return mongo.CommandError{Labels: []string{labelTransient}}
		}
		return nil
	})
	h.release(t, nil)
	<-begun

	cancel()
	firstErr, secondErr := <-first, <-second
	close(end)

	said, ok := errors.AsType[message.Undecided](firstErr)
	if !ok {
		t.Fatalf("the first append: %v, want that it is undecided", firstErr)
	}
	for _, result := range []<-chan error{between, fails} {
		if err := <-result; err != nil {
			t.Error(err)
		}
	}
	notStored(t, s.Store, e, secondErr)
	if m, err := s.Message(t.Context(), d.ID); err != nil || m.Seq != said.Message.Seq {
		t.Errorf("the first is stored under %d (%v), told under %d", m.Seq, err, said.Message.Seq)
	}
}
