package main

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/seal"
)

// sowChunk is how many documents are stored at once.
const sowChunk = 2_000

// draft is a message on its way into a store.
func draft(from, to id.User, name string) message.Draft {
	d := message.Draft{Sender: from, Recipient: to, Content: text + " " + name, ClientID: name, At: time.Now()}
	d.ID = id.Message(bson.NewObjectID())
	_, _ = rand.Read(d.Fingerprint[:]) // never fails
	return d
}

// A sownMessage is a message as a store keeps it.
type sownMessage struct {
	ID          bson.ObjectID `bson:"_id"`
	Sender      bson.ObjectID `bson:"sender"`
	Recipient   bson.ObjectID `bson:"recipient"`
	Conv        []byte        `bson:"conv"` // both people, the lower id first
	Seq         int64         `bson:"seq"`
	Changed     int64         `bson:"changed"`
	ClientID    string        `bson:"clientId"`
	Content     []byte        `bson:"content"` // sealed
	Fingerprint []byte        `bson:"fp"`
	CreatedAt   time.Time     `bson:"createdAt"`
}

// A sownRow is a conversation as one person sees it.
type sownRow struct {
	conv            []byte
	user, peer      bson.ObjectID
	last, read      sownMark
	lastAt, firstAt time.Time
	unread          int
}

// A sownMark names a message by its number and id.
type sownMark struct {
	seq int64
	id  bson.ObjectID
}

// A soil is where messages are put as a store would put them there. Its methods are for one
// goroutine, but for messages.
type soil interface {
	// newest is the highest number that was given out.
	newest(ctx context.Context) (int64, error)
	messages(ctx context.Context, some []sownMessage) error
	// rows writes rows that changed. The read mark of one that is there stays where it is unless
	// the new one has any.
	rows(ctx context.Context, some []*sownRow) error
	// finish notes the highest number and makes all of it last.
	finish(ctx context.Context, newest int64) error
	close() error
}

// sow puts n further messages of a crowd into the store of a home at which no server is at work,
// past the store itself: to send a million messages as people do takes many minutes. The texts are
// sealed with the keys of those who wrote them.
func (h *home) sow(ctx context.Context, s secrets, c *crowd, users []id.User, n int) (err error) {
	open := h.embeddedSoil
	if h.mongo != nil {
		open = h.sharedSoil
	}
	ground, vault, err := open(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ground.close()) }()
	seq, err := ground.newest(ctx)
	if err != nil {
		return err
	}
	w := &sower{soil: ground, vault: vault, users: users, seq: seq, at: time.Now().Truncate(time.Millisecond), changed: map[side]*sownRow{}}
	if err := w.messages(ctx, c, n); err != nil {
		return err
	}
	var rows []*sownRow
	for _, r := range w.changed {
		rows = append(rows, r)
	}
	for some := range slices.Chunk(rows, sowChunk) {
		if err := ground.rows(ctx, some); err != nil {
			return err
		}
	}
	return ground.finish(ctx, w.seq)
}

// A sower makes the messages of a crowd and counts them in the rows.
type sower struct {
	soil
	vault   *seal.Vault
	users   []id.User
	seq     int64
	at      time.Time
	changed map[side]*sownRow
}

func (s *sower) messages(ctx context.Context, c *crowd, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for left := n; left > 0 && ctx.Err() == nil; left -= sowChunk {
		some := make([]sownMessage, 0, sowChunk)
		for range min(left, sowChunk) {
			l := c.write()
			m := s.message(l)
			s.count(l, m, c)
			some = append(some, m)
		}
		g.Go(func() error {
			if err := s.seal(ctx, some); err != nil {
				return err
			}
			return s.soil.messages(ctx, some)
		})
	}
	return g.Wait()
}

func (s *sower) message(l letter) sownMessage {
	s.seq++
	s.at = s.at.Add(time.Millisecond)
	from, to := s.users[l.from], s.users[l.to]
	talk := message.Between(from, to)
	m := sownMessage{
		ID: bson.NewObjectID(), Sender: bson.ObjectID(from), Recipient: bson.ObjectID(to), Conv: slices.Concat(talk.Low[:], talk.High[:]),
		Seq: s.seq, Changed: s.seq, ClientID: "sown-" + strconv.FormatInt(s.seq, 10), Fingerprint: make([]byte, 16), CreatedAt: s.at,
	}
	_, _ = rand.Read(m.Fingerprint) // never fails
	return m
}

// count brings the rows of both people up to date.
func (s *sower) count(l letter, m sownMessage, c *crowd) {
	for _, v := range []side{{l.from, l.to}, {l.to, l.from}} {
		row := s.changed[v]
		if row == nil {
			row = &sownRow{conv: m.Conv, user: bson.ObjectID(s.users[v.me]), peer: bson.ObjectID(s.users[v.peer]), firstAt: m.CreatedAt}
			s.changed[v] = row
		}
		row.last, row.lastAt, row.unread = sownMark{m.Seq, m.ID}, m.CreatedAt, c.sides[v].unread
		if l.read && v.me == l.to {
			row.read = row.last
		}
	}
}

func (s *sower) seal(ctx context.Context, some []sownMessage) error {
	for i := range some {
		m := &some[i]
		place := seal.Place{Collection: "messages", Field: "content", Document: m.ID[:], Conversation: m.Conv}
		var err error
		if m.Content, err = s.vault.Seal(ctx, m.Sender, place, []byte(text+" "+m.ClientID)); err != nil {
			return err
		}
	}
	return nil
}
