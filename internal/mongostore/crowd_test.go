package mongostore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
)

const (
	chunk      = 2_000 // documents that are stored at once
	maxFriends = 300   // people to whom one writes first
)

// A crowd writes messages straight into the collections: who writes, and to whom, is as uneven as
// it is among people.
type crowd struct {
	store   *Store
	random  *rand.Rand
	people  int
	writers *rand.Zipf
	friends *rand.Zipf
	last    order.Seq
	edits   int
	threads threads
	docs    []*messageDoc
}

func newCrowd(s *Store, people int) *crowd {
	r := rand.New(rand.NewPCG(1, 2))
	return &crowd{
		store: s, random: r, people: people, threads: threads{},
		writers: rand.NewZipf(r, 1.1, 1, uint64(people-1)), friends: rand.NewZipf(r, 1.2, 1, uint64(min(people-1, maxFriends))),
	}
}

// someone returns a person as often as they write.
func (c *crowd) someone() id.User { return user(int(c.writers.Uint64())) }

// friend returns somebody to whom a person writes.
func (c *crowd) friend(u id.User) id.User {
	n := int(u[10])<<8 | int(u[11])
	return user((n + 1 + int(c.friends.Uint64())) % c.people)
}

// write stores n messages and the rows of the conversations.
func (c *crowd) write(t testing.TB, n int) {
	t.Helper()
	for range n {
		from := c.someone()
		to := c.friend(from)
		if c.random.IntN(2) == 0 {
			from, to = to, from
		}
		c.docs = append(c.docs, c.message(t, from, to))
		if len(c.docs) == chunk {
			insert(t, c.store, messagesName, c.docs)
			c.docs = nil
		}
	}
	if len(c.docs) > 0 {
		insert(t, c.store, messagesName, c.docs)
	}
	rows := make([]*threadDoc, 0, len(c.threads))
	for _, d := range c.threads {
		rows = append(rows, d)
	}
	for part := range slices.Chunk(rows, chunk) {
		insert(t, c.store, threadsName, part)
	}
	if _, err := c.store.coll(stateName).UpdateByID(t.Context(), leaseID, bson.D{is("$set", bson.D{is("seq", c.last)})}); err != nil {
		t.Fatal(err)
	}
}

// insert stores documents without waiting for a disk.
func insert[D any](t testing.TB, s *Store, name string, docs []D) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	to := s.db.data.Collection(name, options.Collection().SetWriteConcern(writeconcern.W1()))
	if _, err := to.InsertMany(ctx, docs); err != nil {
		t.Fatal(err)
	}
}

// message makes the next message and counts it in the rows. Some have an attachment, some are
// hidden by who received them, and after some an older one is edited.
func (c *crowd) message(t testing.TB, from, to id.User) *messageDoc {
	t.Helper()
	c.last++
	d := &messageDoc{
		ID: bson.NewObjectID(), Sender: bson.ObjectID(from), Recipient: bson.ObjectID(to),
		Conv: keyOf(message.Between(from, to)), Seq: c.last, Changed: c.last,
		ClientID: fmt.Sprint("temp-", c.last), CreatedAt: start.Add(time.Duration(c.last) * time.Millisecond),
		Fingerprint: []byte("sixteen bytes ok"),
	}
	d.Content = c.sealed(t, textPlace("content", d), strings.Repeat("hello there ", 1+c.random.IntN(20)))
	c.count(d, c.random.IntN(20) == 0)
	switch c.random.IntN(25) {
	case 0:
		d.Media, d.Attachment = true, c.sealed(t, textPlace("attachment", d), "/upload/image/1")
	case 1:
		d.DeletedFor = []ownDeletion{{User: d.Recipient, DeletedAt: d.CreatedAt, Seq: c.last}}
	case 2:
		if len(c.docs) > 0 {
			c.edit(c.docs[c.random.IntN(len(c.docs))])
		}
	}
	return d
}

// count counts a message in the rows; where it is read, everything before it is too.
func (c *crowd) count(d *messageDoc, read bool) {
	talk := d.Conv.conversation()
	for _, u := range talk.People() {
		row := c.threads[threadOf(u, d.Conv)]
		if row == nil {
			fresh := newThread(u, talk.Other(u))
			row = &fresh
			c.threads[row.ID] = row
		}
		row.LastSeq, row.LastID, row.Changed = d.Seq, d.ID, d.Seq
		switch {
		case u == id.User(d.Sender):
		case read:
			row.Unread, row.ReadSeq, row.ReadID = 0, d.Seq, d.ID
		default:
			row.Unread++
		}
	}
}

func (c *crowd) edit(d *messageDoc) {
	c.last++
	c.edits++
	d.change(c.last)
	for _, u := range d.Conv.conversation().People() {
		c.threads[threadOf(u, d.Conv)].Changed = c.last
	}
}

// sealed seals with the keys of a few: to make those of all would take longer than to write.
func (c *crowd) sealed(t testing.TB, p seal.Place, text string) bson.RawValue {
	t.Helper()
	v, err := c.store.sealText(t.Context(), user(int(c.last)%50), p, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
