package mongostore

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
)

// oldTalk makes messages as the former system left them, among some people of whom a few talk
// much.
func oldTalk(t testing.TB, d *Database, messages, people int) {
	t.Helper()
	draw := rand.New(rand.NewPCG(1, 2))
	popular := rand.NewZipf(draw, 1.1, 8, uint64(people-1))
	var docs []any
	insert := func() {
		if _, err := d.data.Collection(messagesName).InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		docs = docs[:0]
	}
	for i := range messages {
		from, to := user(int(popular.Uint64())), user(int(popular.Uint64()))
		docs = append(docs, bson.D{
			is("_id", bson.ObjectID(messageID(i))), is("sender", bson.ObjectID(from)), is("recipient", bson.ObjectID(to)),
			is("groupChat", nil), is("content", oldKey.Seal(fmt.Sprint("message ", i))), is("attachment", nil),
			is("read", draw.IntN(8) > 0), is("readBy", bson.A{}), is("deliveredTo", bson.A{}), is("edited", false), is("reactions", bson.A{}),
			is("isDeletedForAll", false), is("deletedFor", bson.A{}), is("createdAt", start.Add(time.Duration(i/3)*time.Millisecond)), is("__v", 0),
		})
		if len(docs) == 1000 {
			insert()
		}
	}
	if len(docs) > 0 {
		insert()
	}
}

// TestAnotherServerGoesOnWithTheBackfill takes the database over again and again while old
// messages get their places.
func TestAnotherServerGoesOnWithTheBackfill(t *testing.T) {
	d := database(t)
	const messages, people = 6000, 40
	oldTalk(t, d, messages, people)
	for range 3 {
		s := openWith(t, d, Options{FormerKey: oldKey})
		known := count(t, d, threadsName, bson.D{})
		for !s.adoption.done.Load() && count(t, d, threadsName, bson.D{}) < known+60 {
			continue // until some more conversations are adopted
		}
		s.Fence()
		_ = s.Close() // it says what it could not finish
		s.closed = true
	}
	s := openWith(t, d, Options{FormerKey: oldKey})
	backfilled(t, s.Store)

	talks := map[convKey][]*messageDoc{}
	for _, m := range documents[messageDoc](t, d, messagesName, bson.D{}) {
		talks[m.Conv] = append(talks[m.Conv], &m)
	}
	for conv, ms := range talks {
		slices.SortFunc(ms, func(a, b *messageDoc) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), slices.Compare(a.ID[:], b.ID[:]))
		})
		if !slices.IsSortedFunc(ms, func(a, b *messageDoc) int { return cmp.Compare(a.Seq, b.Seq) }) || ms[0].Seq == 0 {
			t.Fatalf("the messages of %x are not in order", conv)
		}
		for _, u := range conv.conversation().People() {
			checkOldRow(t, s.Store, conv, u, ms)
		}
	}
	if len(talks[convKey{}]) > 0 || len(talks) < 100 {
		t.Errorf("%d conversations, %d messages in none", len(talks), len(talks[convKey{}]))
	}
}

// checkOldRow compares the row of a person with their messages.
func checkOldRow(t *testing.T, s *Store, conv convKey, u id.User, ms []*messageDoc) {
	t.Helper()
	row, err := find[threadDoc](t.Context(), s, withIDs(threadsName, []threadKey{threadOf(u, conv)}))
	if err != nil || len(row) != 1 {
		t.Fatalf("the row of %s: %v, %v", u, row, err)
	}
	unread := 0
	for _, m := range ms {
		if id.User(m.Recipient) == u && m.Sender != m.Recipient && !*m.Read {
			unread++
		}
	}
	if last := ms[len(ms)-1]; row[0].LastID != last.ID || row[0].LastSeq != last.Seq || row[0].Unread != unread {
		t.Errorf("the row of %s ends with %s at %d and has %d unread, want %s at %d and %d",
			u, row[0].LastID.Hex(), row[0].LastSeq, row[0].Unread, last.ID.Hex(), last.Seq, unread)
	}
}

// TestSendsGoOnDuringTheBackfill sends in conversations that are not adopted yet.
func TestSendsGoOnDuringTheBackfill(t *testing.T) {
	d := database(t)
	oldTalk(t, d, 3000, 30)
	s := openWith(t, d, Options{FormerKey: oldKey})
	sent := 0
	for n := 100_000; !s.adoption.done.Load(); n++ {
		m := send(t, s.Store, n, user(sent%30), user((sent+1)%30), "now")
		page, err := s.PageBefore(t.Context(), m.Conversation(), m.Sender, id.Message{}, 1)
		if err != nil || len(page.Items) != 1 || page.Items[0].ID != m.ID {
			t.Fatalf("the newest message is %v, %v", page.Items, err)
		}
		sent++
	}
	if sent == 0 {
		t.Error("nothing was sent while the old messages got their places")
	}
}

// BenchmarkBackfill gives 20,000 old messages of 500 people their places.
func BenchmarkBackfill(b *testing.B) {
	const messages = 20_000
	for b.Loop() {
		b.StopTimer()
		d := database(b)
		oldTalk(b, d, messages, 500)
		b.StartTimer()
		s := openWith(b, d, Options{FormerKey: oldKey})
		backfilled(b, s.Store)
		b.StopTimer()
		s.close(b)
		b.StartTimer()
	}
	b.ReportMetric(float64(messages*b.N)/b.Elapsed().Seconds(), "messages/s")
}
