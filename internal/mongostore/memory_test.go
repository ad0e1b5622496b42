package mongostore

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/people"
)

func TestAMemoryIsBoundedAndKeepsTheNewest(t *testing.T) {
	var r recalled[int, int]
	const n = 5 * maxRemembered
	for i := range n {
		r.put(i, 2*i, maxRemembered)
	}

	if held := len(r.young) + len(r.old); held > 2*maxRemembered {
		t.Errorf("%d are held", held)
	}
	for i := n - maxRemembered; i < n; i++ {
		if v, ok := r.get(i); !ok || v != 2*i {
			t.Fatalf("%d is %d, there: %v", i, v, ok)
		}
	}
}

// A repeat is found out after it has drawn a number, under which it may be announced.
func TestTheNumberOfARepeatIsNotGivenAgain(t *testing.T) {
	b := newBench(t, database(t), Options{})
	d := randomDraft(user(1), user(2), 1)
	m, _, err := b.Append(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	b.writer.memory.forget() // nobody writes meanwhile
	again, repeat, err := b.Append(t.Context(), d)
	if err != nil || !repeat || again.ID != m.ID {
		t.Fatalf("the repeat is %v (again %v, %v), want %v", again.ID, repeat, err, m.ID)
	}

	if last, recorded := b.counter.Last(), b.leaseDoc(t).Seq; recorded < last {
		t.Errorf("a number was drawn up to %d and recorded up to %d", last, recorded)
	}
}

// What others wrote besides the rows that the writer remembers is seen by the next operation.
func TestABlockIsSeenThroughTheMemory(t *testing.T) {
	b := newBench(t, database(t), Options{})
	if _, _, err := b.Append(t.Context(), randomDraft(user(1), user(2), 1)); err != nil {
		t.Fatal(err)
	}
	if apart, known := b.writer.memory.pairs.get(threadConv(1, 2)); !known || apart {
		t.Fatalf("remembered: %v, apart: %v", known, apart)
	}

	if _, _, err := b.AddBlock(t.Context(), people.Block{Blocker: user(2), Blocked: user(1), CreatedAt: start}); err != nil {
		t.Fatal(err)
	}

	if _, _, err := b.Append(t.Context(), randomDraft(user(1), user(2), 2)); err == nil {
		t.Error("a message was stored across a block")
	}
	if n := count(t, b.db, messagesName, bson.D{}); n != 1 {
		t.Errorf("%d messages are stored, want 1", n)
	}
}

// What is stored is not refused, although the repeat would be.
func TestARepeatIsKnownWhereItWouldBeRefused(t *testing.T) {
	s := open(t)
	d := randomDraft(alice, bob, 1)
	first, _, err := s.Append(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.AddBlock(t.Context(), people.Block{Blocker: bob, Blocked: alice, CreatedAt: start}); err != nil {
		t.Fatal(err)
	}

	m, again, err := s.Append(t.Context(), d)

	if err != nil || !again || m.ID != first.ID {
		t.Errorf("the repeat is %v (again %v, %v), want %v", m.ID, again, err, first.ID)
	}
	if _, _, err := s.Append(t.Context(), randomDraft(alice, bob, 2)); !errors.Is(err, people.ErrBlocked) {
		t.Errorf("another message: %v, want that it is refused", err)
	}
}

// A repeat of what was stored last fails no batch: the writer remembers the attempt.
func TestARepeatOfLateIsFoundInTheMemory(t *testing.T) {
	b := newBench(t, database(t), Options{})
	d := randomDraft(user(1), user(2), 1)
	if _, _, err := b.Append(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	last := b.counter.Last()

	_, repeat, err := b.Append(t.Context(), d)

	if drawn := b.counter.Last(); err != nil || !repeat || drawn != last {
		t.Errorf("again: %v (%v), and the last number is %d, want %d", repeat, err, drawn, last)
	}
}
