package mongostore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// A formerList is rows of conversations that are not adopted yet, as adoption will make them. The
// zero value has none.
type formerList struct {
	own   []*threadDoc // newest message first
	peers []*threadDoc // of the same conversations: only how far the peers have read
}

// unadopted returns the conversations of a person that are not adopted yet and whose newest
// message is before a place. It is called with the context of the snapshot in which the rows
// were read.
func (s *Store) unadopted(ctx context.Context, u id.User, end order.Seq, limit int) (formerList, error) {
	if s.adoption.done.Load() {
		return formerList{}, nil
	}
	return s.adoption.list(ctx, u, end, limit)
}

// merge adds the rows to those of a list, newest message first.
func (l formerList) merge(own []*threadDoc, limit int) []*threadDoc {
	if len(l.own) == 0 {
		return own
	}
	own = append(own, l.own...)
	slices.SortStableFunc(own, func(a, b *threadDoc) int { return cmp.Compare(b.LastSeq, a.LastSeq) })
	return own[:min(len(own), limit)]
}

// complete gives a listing what it could not read: the rows of peers, and the places of messages
// that get them only now.
func (l formerList) complete(all *listing) {
	all.sides.add(l.peers)
	for _, d := range all.own {
		if last := all.last[d.LastID]; last != nil && last.Seq == 0 {
			last.Conv, last.Seq, last.Changed = d.Conv, d.LastSeq, d.LastSeq
		}
	}
}

// A formerRow is what the database says of the messages with one person.
type formerRow struct {
	Peer bson.ObjectID `bson:"_id"`
	Last struct {
		At time.Time     `bson:"at"`
		ID bson.ObjectID `bson:"id"`
	} `bson:"last"`
	Unread int `bson:"unread"`
	rank   order.Seq
}

// list aggregates a person's messages that have no place.
func (a *adoption) list(ctx context.Context, u id.User, end order.Seq, limit int) (formerList, error) {
	found, err := a.newestOf(ctx, u, end, limit)
	if err != nil || len(found) == 0 {
		return formerList{}, err
	}
	if err := a.rank(ctx, u, found); err != nil {
		return formerList{}, err
	}
	settings, err := a.settings(ctx, bson.ObjectID(u))
	if err != nil {
		return formerList{}, err
	}
	places, err := a.placesRead(ctx, found, u, settings)
	if err != nil {
		return formerList{}, err
	}
	var l formerList
	for _, f := range found {
		own, peer := newThread(u, id.User(f.Peer)), newThread(id.User(f.Peer), u)
		own.LastSeq, own.LastID, own.LastAt, own.Unread = order.Seq(f.Last.At.UnixMilli())<<rankBits+f.rank, f.Last.ID, f.Last.At, f.Unread
		own.Changed = own.LastSeq
		for _, row := range settings[own.Conv] {
			own.join(row, func(m bson.ObjectID) order.Seq { return places[m] })
			peer.join(row, func(m bson.ObjectID) order.Seq { return places[m] })
		}
		if own.LastSeq < end {
			l.own = append(l.own, &own)
		}
		if f.Peer != bson.ObjectID(u) {
			l.peers = append(l.peers, &peer)
		}
	}
	return l, nil
}

// unplacedOf finds the messages that a person wrote or received and that have no place.
func unplacedOf(u id.User, more ...bson.E) bson.D {
	me := bson.ObjectID(u)
	return append(unplaced(is("$or", bson.A{
		bson.D{is("sender", me), is("recipient", isPerson)},
		bson.D{is("recipient", me), is("sender", isPerson)},
	})), more...)
}

// newestOf finds the newest message that a person sees with each other person, and how many of
// theirs are unread. Conversations that have rows are left out.
func (a *adoption) newestOf(ctx context.Context, u id.User, end order.Seq, limit int) ([]*formerRow, error) {
	me := bson.ObjectID(u)
	fromPeer := bson.D{is("$and", bson.A{bson.D{is("$eq", bson.A{"$read", false})}, bson.D{is("$ne", bson.A{"$isDeletedForAll", true})},
		bson.D{is("$ne", bson.A{"$sender", me})}})}
	found, err := aggregate[formerRow](ctx, a, mongo.Pipeline{
		{is("$match", unplacedOf(u, notDeletedBy(u)))},
		{is("$group", bson.D{
			is("_id", bson.D{is("$cond", bson.A{bson.D{is("$eq", bson.A{"$sender", me})}, "$recipient", "$sender"})}),
			is("last", bson.D{is("$max", bson.D{is("at", writtenAt), is("id", "$_id")})}),
			is("unread", bson.D{is("$sum", bson.D{is("$cond", bson.A{fromPeer, 1, 0})})}),
		})},
		{is("$match", bson.D{is("last.at", bson.D{is("$lte", time.UnixMilli(int64(min(end, a.cut.Base)>>rankBits)))})})},
		{is("$sort", bson.D{is("last", -1)})},
		{is("$limit", limit)},
	})
	if err != nil {
		return nil, err
	}
	return a.withoutRows(ctx, u, found)
}

// withoutRows leaves out what has rows: there the rows say everything.
func (a *adoption) withoutRows(ctx context.Context, u id.User, found []*formerRow) ([]*formerRow, error) {
	if len(found) == 0 {
		return nil, nil
	}
	peers := make([]id.User, len(found))
	for i, f := range found {
		peers[i] = id.User(f.Peer)
	}
	has, err := a.withRows(ctx, u, peers)
	return slices.DeleteFunc(found, func(f *formerRow) bool { return has[keyOf(message.Between(u, id.User(f.Peer)))] }), err
}

// writtenAt is oldMessage.at for the database.
var writtenAt = bson.D{is("$cond", bson.A{
	bson.D{is("$eq", bson.A{bson.D{is("$type", "$createdAt")}, "date"})}, "$createdAt", bson.D{is("$toDate", "$_id")},
})}

// rank finds how many messages stand before each newest one in its millisecond.
func (a *adoption) rank(ctx context.Context, u id.User, rows []*formerRow) error {
	by := map[bson.ObjectID]*formerRow{}
	var any []bson.D
	for _, f := range rows {
		by[f.Peer] = f
		at := is("createdAt", f.Last.At)
		any = append(any,
			bson.D{is("sender", bson.ObjectID(u)), is("recipient", f.Peer), at},
			bson.D{is("sender", f.Peer), is("recipient", bson.ObjectID(u)), at})
	}
	for some := range slices.Chunk(any, maxClauses) {
		c, err := a.store.coll(messagesName).Find(ctx, unplaced(is("$or", some)),
			options.Find().SetHint(pairKeys).SetProjection(bson.D{is("sender", 1), is("recipient", 1)}))
		if err != nil {
			return err
		}
		var same []oldMessage
		if err := c.All(ctx, &same); err != nil {
			return err
		}
		counted := map[bson.ObjectID]bool{}
		for _, m := range same {
			f := by[bson.ObjectID(m.conv().conversation().Other(u))]
			if !counted[m.ID] && bytes.Compare(m.ID[:], f.Last.ID[:]) < 0 {
				f.rank++
			}
			counted[m.ID] = true // a note to oneself meets two conditions
		}
	}
	return nil
}

// placesRead are about the places of the messages up to which people have read, by their ids.
func (a *adoption) placesRead(ctx context.Context, rows []*formerRow, u id.User, settings map[convKey][]settingsDoc) (map[bson.ObjectID]order.Seq, error) {
	var ids []bson.ObjectID
	for _, f := range rows {
		for _, s := range settings[keyOf(message.Between(u, id.User(f.Peer)))] {
			for _, m := range s.LastRead {
				ids = append(ids, m.MessageID)
			}
		}
	}
	places := map[bson.ObjectID]order.Seq{}
	if len(ids) == 0 {
		return places, nil
	}
	q := withIDs(messagesName, ids)
	q.fields = oldFields
	found, err := find[oldMessage](ctx, a.store, q)
	for _, m := range found {
		places[m.ID] = order.Seq(m.at().UnixMilli()) << rankBits
	}
	return places, err
}

// unreadOf counts what a person has not read in conversations that are not adopted yet.
func (s *Store) unreadOf(ctx context.Context, u id.User) ([]*formerRow, error) {
	if s.adoption.done.Load() {
		return nil, nil
	}
	found, err := aggregate[formerRow](ctx, s.adoption, mongo.Pipeline{
		{is("$match", unplaced(is("recipient", bson.ObjectID(u)), is("read", false),
			is("sender", bson.D{is("$type", "objectId"), is("$ne", bson.ObjectID(u))}),
			is("isDeletedForAll", bson.D{is("$ne", true)}), notDeletedBy(u)))},
		{is("$group", bson.D{is("_id", "$sender"), is("unread", bson.D{is("$sum", 1)})})},
	})
	if err != nil {
		return nil, err
	}
	return s.adoption.withoutRows(ctx, u, found)
}

// adoptedAll adopts all conversations of a person, if there are not too many messages in them. It
// reports whether all are adopted.
func (s *Store) adoptedAll(ctx context.Context, u id.User, limit int) (bool, error) {
	a := s.adoption
	if a.done.Load() {
		return true, nil
	}
	n, err := s.coll(messagesName).CountDocuments(ctx, unplacedOf(u), options.Count().SetLimit(int64(limit)+1))
	if err != nil || n > int64(limit) {
		return false, err
	}
	found, err := aggregate[formerRow](ctx, a, mongo.Pipeline{
		{is("$match", unplacedOf(u))},
		{is("$group", bson.D{is("_id", bson.D{is("$cond", bson.A{bson.D{is("$eq", bson.A{"$sender", bson.ObjectID(u)})}, "$recipient", "$sender"})})})},
	})
	if err != nil {
		return false, err
	}
	for _, f := range found {
		if err := a.ensure(ctx, keyOf(message.Between(u, id.User(f.Peer)))); err != nil {
			return false, err
		}
	}
	return true, nil
}

func aggregate[D any](ctx context.Context, a *adoption, p mongo.Pipeline) ([]*D, error) {
	c, err := a.store.coll(messagesName).Aggregate(ctx, p)
	if err != nil {
		return nil, err
	}
	var docs []*D
	err = c.All(ctx, &docs)
	return docs, err
}
