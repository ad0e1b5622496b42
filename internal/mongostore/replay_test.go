package mongostore

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/people"
	"pryde/internal/wire"
)

// wait makes a draft a message that waits, under the next number.
func wait(t *testing.T, s *Store, d message.Draft) message.Waiting {
	t.Helper()
	w, err := s.Seal(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	w.Seq = s.Counter().Next(t.Context())
	w.Changed = w.Seq
	return w
}

func replay(t *testing.T, s *Store, ws ...message.Waiting) {
	t.Helper()
	if err := s.Replay(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
}

func leaseSeq(t *testing.T, s *Store) order.Seq {
	t.Helper()
	var l leaseDoc
	if err := s.coll(stateName).FindOne(t.Context(), s.lease()).Decode(&l); err != nil {
		t.Fatal(err)
	}
	return l.Seq
}

// rowOf is the row of a person with one other.
func rowOf(t *testing.T, s *Store, u, peer id.User) message.Row {
	t.Helper()
	rows, err := s.RowsWith(t.Context(), u, []id.User{peer})
	if err != nil || len(rows) != 1 {
		t.Fatalf("RowsWith: %d rows, error %v; want one", len(rows), err)
	}
	return rows[0]
}

func TestWhatWaitedIsStoredOnceAsItStands(t *testing.T) {
	s := open(t)
	first := send(t, s.Store, 1, alice, bob, "first")
	d := draft(2, alice, bob, "waited")
	d.Attachment, d.ClientID = "/files/2", "temp-2"
	w := wait(t, s.Store, d)
	// What is committed meanwhile has higher numbers, and stays.
	if _, err := s.MarkRead(t.Context(), bob, first.ID, start); err != nil {
		t.Fatal(err)
	}
	later := leaseSeq(t, s.Store)
	want, err := s.Open(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if want.Content != "waited" || want.Attachment != "/files/2" || want.Seq != w.Seq {
		t.Errorf("the waiting message opens as %+v", want)
	}

	for range 2 {
		replay(t, s.Store, w, w)

		got, err := s.Message(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the message differs (-want +got):\n%s", diff)
		}
		row := rowOf(t, s.Store, bob, alice)
		if row.Unread != 1 || row.Last == nil || row.Last.ID != d.ID || row.Changed != later || row.ReadUpTo != first.ID {
			t.Errorf("bob's row is %+v", row)
		}
		if got := leaseSeq(t, s.Store); got != later {
			t.Errorf("the highest number is %d, want still %d", got, later)
		}
	}
	// The same attempt under another id is the same message.
	d.ID = messageID(3)
	replay(t, s.Store, wait(t, s.Store, d))
	if _, err := s.Message(t.Context(), d.ID); !errors.Is(err, message.ErrNoMessage) {
		t.Errorf("the attempt under another id: %v, want ErrNoMessage", err)
	}
	if m, found, err := s.Attempt(t.Context(), d); err != nil || !found || m.ID != messageID(2) {
		t.Errorf("the attempt: %v, found %v, error %v", m.ID, found, err)
	}
}

func TestWhatWaitedBeginsAConversation(t *testing.T) {
	s := open(t)
	w := wait(t, s.Store, draft(1, alice, bob, "hello"))
	note := wait(t, s.Store, draft(2, alice, alice, "note"))

	replay(t, s.Store, w, note)

	if r := rowOf(t, s.Store, bob, alice); r.Unread != 1 || r.Last.ID != w.ID || r.Changed != w.Seq {
		t.Errorf("bob's row is %+v", r)
	}
	if r := rowOf(t, s.Store, alice, alice); r.Unread != 0 || r.Last.ID != note.ID {
		t.Errorf("alice's notes are %+v", r)
	}
	if got := leaseSeq(t, s.Store); got != note.Seq {
		t.Errorf("the highest number is %d, want %d", got, note.Seq)
	}
	if rows, err := s.RowsWith(t.Context(), bob, []id.User{user(9)}); err != nil || len(rows) != 0 {
		t.Errorf("with a stranger: %v, %v; want no row", rows, err)
	}
}

func TestABlockDoesNotKeepBackWhatWaited(t *testing.T) {
	s := open(t)
	w := wait(t, s.Store, draft(1, alice, bob, "waited"))
	if _, _, err := s.AddBlock(t.Context(), people.Block{ID: wire.BlockID{1}, Blocker: bob, Blocked: alice, CreatedAt: start}); err != nil {
		t.Fatal(err)
	}

	replay(t, s.Store, w)

	if _, err := s.Message(t.Context(), w.ID); err != nil {
		t.Error(err)
	}
}

// A hold keeps the writer busy.
type hold struct {
	begun, end chan struct{}
	result     chan error
	seq        order.Seq
}

// occupy puts an operation into the queue that takes a number and then stands still until it is
// released, and returns outcome.
func occupy(t *testing.T, s *Store, outcome error) *hold {
	h := &hold{begun: make(chan struct{}, 2), end: make(chan struct{}), result: make(chan error, 1)}
	queued := make(chan struct{})
	ctx := order.OnQueued(t.Context(), func() { close(queued) })
	go func() {
		h.result <- s.writer.do(ctx, "occupy", func(tx *tx) error {
			h.seq = tx.next()
			h.begun <- struct{}{}
			<-h.end
			if outcome != nil {
				tx.collection(stateName) // it cannot be undone alone
			}
			return outcome
		})
	}()
	<-queued
	return h
}

func (h *hold) release(t *testing.T, want error) {
	t.Helper()
	close(h.end)
	if err := <-h.result; !errors.Is(err, want) {
		t.Errorf("the operation that stood still: %v, want %v", err, want)
	}
}

func TestWhatIsBeingCommittedIsNotSettled(t *testing.T) {
	s := open(t)
	before := send(t, s.Store, 1, alice, bob, "x").Seq
	if got := s.Settled(); got < before {
		t.Errorf("settled up to %d, stored up to %d", got, before)
	}
	h := occupy(t, s.Store, nil)
	<-h.begun
	drawn := s.Counter().Next(t.Context()) // by a journal

	if got := s.Settled(); got < before || got >= h.seq {
		t.Errorf("settled up to %d while %d is being committed", got, h.seq)
	}
	h.release(t, nil)
	send(t, s.Store, 2, alice, bob, "y")
	if got := s.Settled(); got < drawn {
		t.Errorf("settled up to %d, want at least %d", got, drawn)
	}
}

func TestAnAppendThatIsGivenUpInTheQueueIsNotStored(t *testing.T) {
	s := open(t)
	h := occupy(t, s.Store, nil)
	<-h.begun
	ctx, cancel := context.WithCancel(t.Context())

	_, _, err := s.AppendWithin(order.OnQueued(ctx, cancel), draft(1, alice, bob, "given up"))

	if f := fault.Of(err); f.Code != "STORE_UNAVAILABLE" || errors.As(err, new(message.Undecided)) {
		t.Errorf("given up in the queue: %v, want STORE_UNAVAILABLE", err)
	}
	h.release(t, nil)
	send(t, s.Store, 2, alice, bob, "next")
	if _, err := s.Message(t.Context(), messageID(1)); !errors.Is(err, message.ErrNoMessage) {
		t.Errorf("the message that was given up: %v, want ErrNoMessage", err)
	}
}

// An append that is given up while it is being committed is stored as it was said, or never.
func TestAnAppendThatIsGivenUpInItsBatchIsStoredAsItWasSaidOrNever(t *testing.T) {
	errFails := errors.New("the batch fails")
	for name, outcome := range map[string]error{"stored": nil, "never": errFails} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			first := occupy(t, s.Store, nil)
			<-first.begun
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d := draft(1, alice, bob, "given up")
			queued := make(chan struct{})
			result := make(chan error, 1)
			go func() {
				_, _, err := s.AppendWithin(order.OnQueued(ctx, func() { close(queued) }), d)
				result <- err
			}()
			<-queued
			second := occupy(t, s.Store, outcome) // in one batch with the append, and behind it
			first.release(t, nil)
			<-second.begun

			cancel()
			err := <-result

			said, ok := errors.AsType[message.Undecided](err)
			if !ok || said.Message.ID != d.ID || said.Message.Content != "given up" || said.Message.Seq >= second.seq {
				t.Fatalf("given up in its batch: %v", err)
			}
			second.release(t, outcome)
			send(t, s.Store, 2, alice, bob, "next")
			got, err := s.Message(t.Context(), d.ID)
			if outcome != nil {
				if !errors.Is(err, message.ErrNoMessage) {
					t.Errorf("a batch that failed stored %+v (%v)", got, err)
				}
				replay(t, s.Store, waitingAs(t, s.Store, d, said.Message))
				got, err = s.Message(t.Context(), d.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(said.Message, got); diff != "" {
				t.Errorf("what is stored differs from what was said (-said +stored):\n%s", diff)
			}
		})
	}
}

// waitingAs is a draft that waits under the number that it was given.
func waitingAs(t *testing.T, s *Store, d message.Draft, m message.Message) message.Waiting {
	t.Helper()
	w, err := s.Seal(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	w.Seq, w.Changed, w.CreatedAt = m.Seq, m.Changed, m.CreatedAt
	return w
}

// What waits is sealed as it is stored: the very bytes.
func TestWhatWaitsIsSealedAsItIsStored(t *testing.T) {
	s := open(t)
	w := wait(t, s.Store, draft(1, alice, bob, "sealed"))
	replay(t, s.Store, w)
	var doc struct {
		Content bson.Binary `bson:"content"`
	}
	if err := s.coll(messagesName).FindOne(t.Context(), bson.D{{Key: "_id", Value: bson.ObjectID(w.ID)}}).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.SealedContent, doc.Content.Data); diff != "" {
		t.Errorf("the stored bytes differ (-waiting +stored):\n%s", diff)
	}
}

// TestWhatWaitedIsStoredAsBeforeDuringATrial leaves the former system a text that it can read.
func TestWhatWaitedIsStoredAsBeforeDuringATrial(t *testing.T) {
	s := openWith(t, database(t), Options{FormerKey: oldKey, Legacy: true})
	d := draft(1, alice, bob, "waited")
	d.Attachment = "/files/1"

	replay(t, s.Store, wait(t, s.Store, d))

	doc := raw(t, s.Store, messagesName, bson.D{})
	stored, _ := doc["content"].(string)
	if text, sealed := oldKey.Unseal(stored); !sealed || text != "waited" || doc["attachment"] != "/files/1" || doc["read"] != false {
		t.Errorf("stored as %v", doc)
	}
	if m, err := s.MarkRead(t.Context(), bob, d.ID, start); err != nil || !m.Message.Read {
		t.Errorf("MarkRead: %+v, %v", m, err)
	}
	if n, err := s.Unread(t.Context(), bob); err != nil || len(n) != 0 {
		t.Errorf("unread: %v, %v", n, err)
	}
}

// A message waits while its sender is taken out of the group: it was acknowledged.
func TestWhatWaitedForAGroupIsStoredAsItStands(t *testing.T) {
	s := open(t)
	g := makeGroup(t, s.Store, 1, alice, bob, carol)
	first := sendTo(t, s.Store, 1, alice, g.ID, "first")
	d := groupDraft(2, bob, g.ID, "waited")
	d.ClientID, d.ReplyTo, d.Extra = "temp-2", first.ID, message.Extra{Warning: "loud"}
	w := wait(t, s.Store, d)
	want, err := s.Open(t.Context(), w)
	if err != nil || want.Content != "waited" || want.Extra != d.Extra || want.Group != g.ID || want.ReplyTo != first.ID {
		t.Fatalf("the waiting message opens as %+v, %v", want, err)
	}
	_, _, err = s.ChangeGroup(t.Context(), g.ID, alice, start, func(g *message.Group) error {
		g.Members = slices.DeleteFunc(g.Members, func(m message.Member) bool { return m.User == bob })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	later := sendTo(t, s.Store, 3, carol, g.ID, "later")

	for range 2 {
		replay(t, s.Store, w, w)

		if diff := cmp.Diff([]message.Message{first, want, later}, talkOf(t, s.Store, g.ID, alice)); diff != "" {
			t.Errorf("the group differs (-want +got):\n%s", diff)
		}
		seat, err := s.Seat(t.Context(), g.ID, alice)
		if err != nil || seat.Unread != 2 || seat.Last.ID != later.ID || seat.Changed != later.Seq {
			t.Errorf("alice's seat is %+v, %v", seat, err)
		}
	}
	if m, found, err := s.Attempt(t.Context(), d); err != nil || !found || m.ID != w.ID {
		t.Errorf("the attempt: %v, found %v, error %v", m.ID, found, err)
	}
	recent, err := s.Recent(t.Context(), start, 10)
	if err != nil || len(recent) != 1 || recent[0].Group != g.ID || recent[0].ReplyTo != first.ID {
		t.Errorf("the recent attempts are %+v, %v", recent, err)
	}
}
