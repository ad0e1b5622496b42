package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// A listing is rows of a person's list as they were read.
type listing struct {
	own   []*threadDoc
	sides threads // those of own and their peers'
	last  map[bson.ObjectID]*messageDoc
}

// Rows implements message.Store. A conversation of which a person sees no message is not
// listed.
func (s *Store) Rows(ctx context.Context, u id.User, before id.Message, limit int) (message.Page[message.Row], error) {
	page, err := s.rows(ctx, u, before, limit)
	if err != nil {
		return message.Page[message.Row]{}, fmt.Errorf("list conversations: %w", unavailable(err))
	}
	return page, nil
}

func (s *Store) rows(ctx context.Context, u id.User, before id.Message, limit int) (page message.Page[message.Row], err error) {
	end, err := s.placeFor(ctx, u, before)
	if err != nil {
		return page, err
	}
	var l *listing
	err = s.snapshot(ctx, func(ctx context.Context) error {
		own, err := find[threadDoc](ctx, s, listedQuery(u, end, limit+1))
		if err != nil {
			return err
		}
		former, err := s.unadopted(ctx, u, end, limit+1)
		if err != nil {
			return err
		}
		own = former.merge(own, limit+1)
		page.More = len(own) > limit
		if l, err = s.listing(ctx, own[:min(len(own), limit)]); err == nil {
			former.complete(l)
		}
		return err
	})
	if err != nil {
		return page, err
	}
	page.Items, err = s.openRows(ctx, l)
	return page, err
}

// placeFor is the place of a message that a person wrote or received, or behind the end for
// none.
func (s *Store) placeFor(ctx context.Context, u id.User, m id.Message) (order.Seq, error) {
	if m.IsZero() {
		return endOfTime, nil
	}
	d, err := s.find(ctx, m)
	if err == nil && !d.Conv.conversation().Has(u) {
		err = message.ErrNoMessage
	}
	if err != nil {
		return 0, err
	}
	return d.Seq, nil
}

// listing reads what belongs to rows besides: their newest messages and the rows of the peers.
func (s *Store) listing(ctx context.Context, own []*threadDoc) (*listing, error) {
	l := &listing{own: own, sides: threads{}, last: map[bson.ObjectID]*messageDoc{}}
	l.sides.add(own)
	var peers []threadKey
	var newest []bson.ObjectID
	for _, d := range own {
		if k := threadOf(id.User(d.Peer), d.Conv); l.sides[k] == nil {
			peers = append(peers, k)
		}
		if d.LastSeq > 0 {
			newest = append(newest, d.LastID)
		}
	}
	if len(peers) > 0 {
		found, err := find[threadDoc](ctx, s, peersQuery(peers))
		if err != nil {
			return nil, err
		}
		l.sides.add(found)
	}
	if len(newest) == 0 {
		return l, nil
	}
	found, err := find[messageDoc](ctx, s, newestQuery(newest))
	for _, d := range found {
		l.last[d.ID] = d
	}
	return l, err
}

// openRows returns rows with the texts of their messages in the clear.
func (s *Store) openRows(ctx context.Context, l *listing) ([]message.Row, error) {
	if len(l.own) == 0 {
		return nil, nil
	}
	rows := make([]message.Row, 0, len(l.own))
	for _, own := range l.own {
		peer := l.sides.of(id.User(own.Peer), own.Conv)
		row := message.Row{
			Peer: id.User(own.Peer), Unread: own.Unread, Changed: own.Changed, Settings: own.settings(),
			ReadUpTo: id.Message(own.ReadID), PeerRead: id.Message(peer.ReadID),
		}
		_, row.PeerHas = peer.delivered()
		if last := l.last[own.LastID]; own.LastSeq > 0 && last != nil {
			m, err := s.openOne(ctx, last, l.sides)
			if err != nil {
				return nil, err
			}
			row.Last = &m
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// An unreadRow is what a count of unread messages needs of a row.
type unreadRow struct {
	Peer   bson.ObjectID `bson:"peer"`
	Unread int           `bson:"unread"`
}

// Unread implements message.Store.
func (s *Store) Unread(ctx context.Context, u id.User) (map[id.User]int, error) {
	counts := map[id.User]int{}
	// A row moves within the index while its count changes, so that this one query wants one state
	// of the database too.
	err := s.snapshot(ctx, func(ctx context.Context) error {
		found, err := find[unreadRow](ctx, s, unreadQuery(u))
		for _, d := range found {
			counts[id.User(d.Peer)] = d.Unread
		}
		if err != nil {
			return err
		}
		former, err := s.unreadOf(ctx, u)
		for _, f := range former {
			counts[id.User(f.Peer)] += f.Unread
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count unread messages: %w", unavailable(err))
	}
	return counts, nil
}

// listedQuery finds the conversations of a person with the newest messages, before a place.
func listedQuery(u id.User, end order.Seq, limit int) query {
	return query{
		from: threadsName, index: indexThreads, limit: limit, fields: withoutClearings,
		filter: bson.D{is("user", bson.ObjectID(u)), between("lastSeq", 0, end-1)}, sort: bson.D{is("lastSeq", -1)},
	}
}

var withoutClearings = bson.D{is("cleared", 0)}

func peersQuery(keys []threadKey) query {
	q := withIDs(threadsName, keys)
	q.fields = bson.D{is("user", 1), is("conv", 1), is("readSeq", 1), is("readId", 1), is("deliveredSeq", 1), is("deliveredId", 1)}
	return q
}

func newestQuery(messages []bson.ObjectID) query {
	q := withIDs(messagesName, messages)
	q.fields = unshown
	return q
}

// unreadQuery counts what a person has not read. The index has all that is asked for.
func unreadQuery(u id.User) query {
	return query{
		from: threadsName, index: indexThreads, fields: bson.D{is("_id", 0), is("peer", 1), is("unread", 1)},
		filter: bson.D{is("user", bson.ObjectID(u)), above("unread", 0)},
	}
}
