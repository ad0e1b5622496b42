package mongostore

import (
	"context"
	encoding "encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/seal"
	"pryde/internal/search"
)

var _ search.Store = (*Store)(nil)

const (
	searchesName = "searches"
	segmentsName = "segments"

	indexSegments    = "owner_1_last_-1_number_-1"
	indexSegmentsAge = "last_1"

	// dropBatch is how many segments are removed in one commit: a long one keeps others waiting.
	dropBatch = 64
)

var (
	searchesCollection = collection{name: searchesName}
	segmentsCollection = collection{name: segmentsName, indexes: []index{
		{keys: bson.D{is("owner", 1), is("last", -1), is("number", -1)}},
		{keys: bson.D{is("last", 1)}},
	}}
)

// A headDoc is how far the search index of a person is. Who never searched has none.
type headDoc struct {
	Owner   bson.ObjectID `bson:"_id"`
	Version int64         `bson:"version"`
	Next    int64         `bson:"next"`
	State   []byte        `bson:"state"` // sealed with the owner's key
}

// A segmentKey names a segment: the id of its owner and its number.
type segmentKey [id.Size + 8]byte

func segmentOf(owner id.User, number int64) (k segmentKey) {
	copy(k[:], owner[:])
	encoding.BigEndian.PutUint64(k[id.Size:], uint64(number))
	return k
}

// MarshalBSONValue writes the key as binary.
func (k segmentKey) MarshalBSONValue() (byte, []byte, error) { return pack(k[:]) }

// UnmarshalBSONValue reads what MarshalBSONValue wrote.
func (k *segmentKey) UnmarshalBSONValue(kind byte, v []byte) error { return unpack(kind, v, k[:]) }

// A segmentDoc tells where words are in up to 256 messages that the owner can see.
type segmentDoc struct {
	ID       segmentKey    `bson:"_id"`
	Owner    bson.ObjectID `bson:"owner"`
	Number   int64         `bson:"number"`
	First    order.Seq     `bson:"first"` // of its oldest message
	Last     order.Seq     `bson:"last"`  // of its newest message
	Messages int           `bson:"messages"`
	Filter   []byte        `bson:"filter"` // sealed with the owner's key
	List     []byte        `bson:"list"`   // likewise
}

func headPlace(owner id.User) seal.Place {
	return seal.Place{Collection: searchesName, Field: "state", Document: owner[:]}
}

func segmentPlace(field string, owner id.User, number int64) seal.Place {
	k := segmentOf(owner, number)
	return seal.Place{Collection: segmentsName, Field: field, Document: k[:]}
}

// openIndex opens a part of an index. It is search.ErrUnreadable where the key is gone that it was
// sealed with, or it is damaged.
func (s *Store) openIndex(ctx context.Context, p seal.Place, sealed []byte) ([]byte, error) {
	plain, err := s.vault.Open(ctx, p, sealed)
	if errors.Is(err, seal.ErrKeyGone) || errors.Is(err, seal.ErrTampered) {
		return nil, search.ErrUnreadable
	}
	return plain, err
}

// SearchHead implements search.Store.
func (s *Store) SearchHead(ctx context.Context, owner id.User) (search.Head, error) {
	found, err := find[headDoc](ctx, s, withIDs(searchesName, []bson.ObjectID{bson.ObjectID(owner)}))
	if err != nil || len(found) == 0 {
		return search.Head{}, wrapped("read how far an index is", err)
	}
	h := search.Head{Version: found[0].Version, Next: found[0].Next}
	if h.State, err = s.openIndex(ctx, headPlace(owner), found[0].State); err != nil {
		return search.Head{}, wrapped("read how far an index is", err)
	}
	return h, nil
}

// wrapped is an error with what was attempted, or nil.
func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, unavailable(err))
}

// SaveSearch implements search.Store.
func (s *Store) SaveSearch(ctx context.Context, owner id.User, h search.Head, put []search.Segment, drop []int64) error {
	state, err := s.sealed(ctx, owner, headPlace(owner), h.State)
	if err != nil {
		return fmt.Errorf("seal an index: %w", err)
	}
	changes := make([]mongo.WriteModel, 0, len(put)+len(drop))
	for _, g := range put {
		d, err := s.sealSegment(ctx, owner, g)
		if err != nil {
			return fmt.Errorf("seal an index: %w", err)
		}
		changes = append(changes, mongo.NewReplaceOneModel().SetFilter(bson.D{is("_id", d.ID)}).SetReplacement(d).SetUpsert(true))
	}
	for _, n := range drop {
		changes = append(changes, mongo.NewDeleteOneModel().SetFilter(bson.D{is("_id", segmentOf(owner, n))}))
	}
	return s.writer.do(ctx, "save an index", func(t *tx) error {
		var was headDoc
		_, err := found(&was, t.reading(searchesName).FindOne(t.ctx, bson.D{is("_id", bson.ObjectID(owner))}).Decode(&was))
		if err != nil || was.Version != h.Version-1 {
			return either(err, search.ErrMoved)
		}
		now := headDoc{Owner: bson.ObjectID(owner), Version: h.Version, Next: h.Next, State: state}
		if _, err := t.collection(searchesName).ReplaceOne(t.ctx, bson.D{is("_id", now.Owner)}, now, options.Replace().SetUpsert(true)); err != nil {
			return err
		}
		if len(changes) > 0 {
			_, err = t.collection(segmentsName).BulkWrite(t.ctx, changes)
		}
		return err
	})
}

func (s *Store) sealSegment(ctx context.Context, owner id.User, g search.Segment) (segmentDoc, error) {
	d := segmentDoc{
		ID: segmentOf(owner, g.Number), Owner: bson.ObjectID(owner), Number: g.Number, First: g.First, Last: g.Last, Messages: g.Messages,
	}
	var err error
	if d.Filter, err = s.sealed(ctx, owner, segmentPlace("filter", owner, g.Number), g.Filter); err != nil {
		return segmentDoc{}, err
	}
	d.List, err = s.sealed(ctx, owner, segmentPlace("list", owner, g.Number), g.List)
	return d, err
}

// SegmentFilters implements search.Store.
func (s *Store) SegmentFilters(ctx context.Context, owner id.User, behind search.Segment, limit int) ([]search.Segment, error) {
	found, err := find[segmentDoc](ctx, s, filtersQuery(owner, behind, limit))
	segments := make([]search.Segment, len(found))
	for i, d := range found {
		if err != nil {
			break
		}
		segments[i] = d.segment()
		segments[i].Filter, err = s.openIndex(ctx, segmentPlace("filter", owner, d.Number), d.Filter)
	}
	if err != nil {
		return nil, wrapped("read segments", err)
	}
	return segments, nil
}

func (d *segmentDoc) segment() search.Segment {
	return search.Segment{Number: d.Number, First: d.First, Last: d.Last, Messages: d.Messages}
}

// filtersQuery finds segments, newest first, behind one.
func filtersQuery(owner id.User, behind search.Segment, limit int) query {
	q := query{
		from: segmentsName, index: indexSegments, limit: limit, fields: bson.D{is("list", 0)},
		sort: bson.D{is("last", -1), is("number", -1)}, filter: bson.D{is("owner", bson.ObjectID(owner))},
	}
	if behind.Last > 0 {
		q.filter = append(q.filter, is("last", bson.D{is("$lte", behind.Last)}), is("$or", bson.A{
			bson.D{is("last", bson.D{is("$lt", behind.Last)})},
			bson.D{is("number", bson.D{is("$lt", behind.Number)})},
		}))
	}
	return q
}

// SegmentLists implements search.Store.
func (s *Store) SegmentLists(ctx context.Context, owner id.User, numbers []int64) ([]search.Segment, error) {
	keys := make([]segmentKey, len(numbers))
	for i, n := range numbers {
		keys[i] = segmentOf(owner, n)
	}
	q := withIDs(segmentsName, keys)
	q.fields = bson.D{is("filter", 0)}
	found, err := find[segmentDoc](ctx, s, q)
	segments := make([]search.Segment, len(found))
	for i, d := range found {
		if err != nil {
			break
		}
		segments[i] = d.segment()
		segments[i].List, err = s.openIndex(ctx, segmentPlace("list", owner, d.Number), d.List)
	}
	if err != nil {
		return nil, wrapped("read segments", err)
	}
	return segments, nil
}

// SegmentsAt implements search.Store.
func (s *Store) SegmentsAt(ctx context.Context, owner id.User, at order.Seq) ([]int64, error) {
	found, err := find[segmentDoc](ctx, s, segmentsAtQuery(owner, at))
	var numbers []int64
	for _, d := range found {
		numbers = append(numbers, d.Number)
	}
	return numbers, wrapped("find segments", err)
}

func segmentsAtQuery(owner id.User, at order.Seq) query {
	return query{
		from: segmentsName, index: indexSegments, fields: bson.D{is("number", 1)},
		filter: bson.D{is("owner", bson.ObjectID(owner)), is("last", bson.D{is("$gte", at)}), is("first", bson.D{is("$lte", at)})},
	}
}

// DropSegments implements search.Store.
func (s *Store) DropSegments(ctx context.Context, owner id.User) error {
	// Without the head nothing is added any more, except by a new index, whose numbers are higher.
	end := int64(0)
	err := s.writer.do(ctx, "drop an index", func(t *tx) error {
		found, err := t.reading(segmentsName).Find(t.ctx, bson.D{is("owner", bson.ObjectID(owner))},
			options.Find().SetHint(indexSegments).SetProjection(bson.D{is("number", 1)}))
		if err != nil {
			return err
		}
		all, err := all[segmentDoc](t.ctx, found)
		if err != nil {
			return err
		}
		end = 0
		for _, d := range all {
			end = max(end, d.Number+1)
		}
		_, err = t.collection(searchesName).DeleteOne(t.ctx, bson.D{is("_id", bson.ObjectID(owner))})
		return err
	})
	if err != nil || end == 0 {
		return err
	}
	return s.dropSome(ctx, query{
		from: segmentsName, index: indexSegments,
		filter: bson.D{is("owner", bson.ObjectID(owner)), is("number", bson.D{is("$lt", end)})},
	})
}

// DropSegmentsBefore implements search.Store.
func (s *Store) DropSegmentsBefore(ctx context.Context, before order.Seq) error {
	return s.dropSome(ctx, segmentsBeforeQuery(before))
}

func segmentsBeforeQuery(before order.Seq) query {
	return query{from: segmentsName, index: indexSegmentsAge, filter: bson.D{is("last", bson.D{is("$lt", before)})}}
}

// dropSome removes the segments that a query finds, some at a time.
func (s *Store) dropSome(ctx context.Context, q query) error {
	q.fields, q.limit = bson.D{is("_id", 1)}, dropBatch
	for {
		found, err := find[segmentDoc](ctx, s, q)
		if err != nil || len(found) == 0 {
			return wrapped("find segments to drop", err)
		}
		keys := make([]segmentKey, len(found))
		for i, d := range found {
			keys[i] = d.ID
		}
		if err := s.writer.do(ctx, "drop segments", func(t *tx) error {
			_, err := t.collection(segmentsName).DeleteMany(t.ctx, bson.D{is("_id", bson.D{is("$in", keys)})})
			return err
		}); err != nil {
			return err
		}
	}
}

// DropSegmentsAround implements search.Store.
func (s *Store) DropSegmentsAround(ctx context.Context, u id.User) error {
	owners, err := s.readersOf(ctx, u)
	if err != nil {
		return wrapped("look who may have read somebody", err)
	}
	for some := range slices.Chunk(owners, maxClauses) {
		have, err := s.haveIndex(ctx, some)
		if err != nil {
			return wrapped("look for indexes", err)
		}
		for _, owner := range have {
			if err := s.DropSegments(ctx, owner); err != nil {
				return err
			}
		}
	}
	return nil
}

// readersOf are a person and everybody who has a conversation with them or is in a group in which
// they are or were.
func (s *Store) readersOf(ctx context.Context, u id.User) (owners []id.User, err error) {
	// Rows move within the index while messages come.
	err = s.snapshot(ctx, func(ctx context.Context) error {
		owners, err = s.readers(ctx, u)
		return err
	})
	return owners, err
}

func (s *Store) readers(ctx context.Context, u id.User) ([]id.User, error) {
	owners := []id.User{u}
	rows, err := find[threadDoc](ctx, s, query{
		from: threadsName, index: indexThreads, fields: bson.D{is("peer", 1)}, filter: bson.D{is("user", bson.ObjectID(u))},
	})
	if err != nil {
		return nil, err
	}
	for _, d := range rows {
		owners = append(owners, id.User(d.Peer))
	}
	seats, err := find[seatDoc](ctx, s, wasMemberQuery(u))
	if err != nil {
		return nil, err
	}
	for _, seat := range seats {
		// Who has left has an index of what was written before.
		members, err := find[seatDoc](ctx, s, query{
			from: seatsName, index: indexMoved, fields: bson.D{is("user", 1)}, filter: bson.D{is("group", seat.Group)},
		})
		if err != nil {
			return nil, err
		}
		for _, d := range members {
			owners = append(owners, id.User(d.User))
		}
	}
	slices.SortFunc(owners, id.User.Compare)
	return slices.Compact(owners), nil
}

// haveIndex returns those of some people of whose index anything is there.
func (s *Store) haveIndex(ctx context.Context, owners []id.User) ([]id.User, error) {
	ids := objectIDs(owners)
	heads, err := find[headDoc](ctx, s, withIDs(searchesName, ids))
	if err != nil {
		return nil, err
	}
	var have []id.User
	for _, d := range heads {
		have = append(have, id.User(d.Owner))
	}
	for _, owner := range owners {
		left, err := find[segmentDoc](ctx, s, query{
			from: segmentsName, index: indexSegments, limit: 1, fields: bson.D{is("_id", 1)}, filter: bson.D{is("owner", bson.ObjectID(owner))},
		})
		if err != nil {
			return nil, err
		}
		if len(left) > 0 && !slices.Contains(have, owner) {
			have = append(have, owner)
		}
	}
	return have, nil
}

func objectIDs(us []id.User) []bson.ObjectID {
	ids := make([]bson.ObjectID, len(us))
	for i, u := range us {
		ids[i] = bson.ObjectID(u)
	}
	return ids
}

// SearchersIn implements search.Store.
func (s *Store) SearchersIn(ctx context.Context, g id.Group) ([]id.User, error) {
	members, err := find[seatDoc](ctx, s, query{
		from: seatsName, index: indexMoved, fields: bson.D{is("user", 1)},
		filter: bson.D{is("group", bson.ObjectID(g)), is("until", endOfTime)},
	})
	var who []id.User
	for some := range slices.Chunk(members, maxHeld) {
		ids := make([]bson.ObjectID, len(some))
		for i, d := range some {
			ids[i] = d.User
		}
		q := withIDs(searchesName, ids)
		q.fields = bson.D{is("_id", 1)}
		heads, failed := find[headDoc](ctx, s, q)
		for _, d := range heads {
			who = append(who, id.User(d.Owner))
		}
		err = either(err, failed)
	}
	return who, wrapped("look who searches in a group", err)
}
