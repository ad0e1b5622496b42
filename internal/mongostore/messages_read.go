package mongostore

import (
	"context"
	"fmt"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// endOfTime is behind every place.
const endOfTime = order.Seq(math.MaxInt64)

// Threads are conversations as people see them.
type threads map[threadKey]*threadDoc

// of returns a conversation as one person sees it; an empty row where they have none.
func (t threads) of(u id.User, conv convKey) *threadDoc {
	if d, ok := t[threadOf(u, conv)]; ok {
		return d
	}
	return &threadDoc{User: bson.ObjectID(u)}
}

func (t threads) add(docs []*threadDoc) {
	for _, d := range docs {
		t[d.ID] = d
	}
}

// threadsOf reads a conversation as its people see it. That of a group nobody sees in a way of
// their own, but for what they hide.
func (s *Store) threadsOf(ctx context.Context, c message.Conversation) (threads, error) {
	if c.IsGroup() {
		return threads{}, nil
	}
	var keys []threadKey
	for _, u := range c.People() {
		keys = append(keys, threadOf(u, keyOf(c)))
	}
	found, err := find[threadDoc](ctx, s, withIDs(threadsName, keys))
	sides := threads{}
	sides.add(found)
	return sides, err
}

// withThreads reads a message, and its conversation as its people see it, from one state of the
// database.
func (s *Store) withThreads(ctx context.Context, m id.Message) (d *messageDoc, sides threads, err error) {
	known, err := s.find(ctx, m) // in which conversation it is never changes
	if err != nil {
		return nil, nil, err
	}
	err = s.snapshot(ctx, func(ctx context.Context) error {
		if sides, err = s.threadsOf(ctx, known.Conv.conversation()); err != nil {
			return err
		}
		found, err := find[messageDoc](ctx, s, withIDs(messagesName, []bson.ObjectID{known.ID}))
		if err != nil || len(found) == 0 {
			return either(err, message.ErrNoMessage)
		}
		d = found[0]
		return nil
	})
	return d, sides, err
}

// Message implements message.Store.
func (s *Store) Message(ctx context.Context, m id.Message) (message.Message, error) {
	d, sides, err := s.withThreads(ctx, m)
	if err != nil {
		return message.Message{}, fmt.Errorf("find message: %w", unavailable(err))
	}
	return s.openOne(ctx, d, sides)
}

// SeenBy implements message.Store.
func (s *Store) SeenBy(ctx context.Context, m id.Message) ([]id.User, error) {
	d, sides, err := s.withThreads(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("look who sees a message: %w", unavailable(err))
	}
	var seers []id.User
	if !d.between() {
		seats, err := find[seatDoc](ctx, s, clearedByMembersQuery(d.Group))
		for _, seat := range seats {
			if !seat.hides(d) {
				seers = append(seers, id.User(seat.User))
			}
		}
		return seers, unavailable(err)
	}
	for _, u := range d.Conv.conversation().People() {
		if !sides.of(u, d.Conv).hides(d) {
			seers = append(seers, u)
		}
	}
	return seers, nil
}

// clearedByMembersQuery finds what the members of a group have cleared.
func clearedByMembersQuery(g bson.ObjectID) query {
	q := seatsQuery(g)
	q.fields = bson.D{is("user", 1), is("cleared", 1)}
	return q
}

// PageBefore implements message.Store.
func (s *Store) PageBefore(ctx context.Context, c message.Conversation, viewer id.User, before id.Message, limit int) (message.Page[message.Message], error) {
	page, err := s.page(ctx, c, viewer, limit, func(ctx context.Context, from order.Seq) (query, error) {
		end, err := s.placeIn(ctx, keyOf(c), before)
		return pageQuery(viewer, from, keyOf(c), end, limit+1), err
	})
	if err != nil {
		return message.Page[message.Message]{}, fmt.Errorf("read a page: %w", unavailable(err))
	}
	slices.Reverse(page.Items)
	return page, nil
}

// Media implements message.Store.
func (s *Store) Media(ctx context.Context, c message.Conversation, viewer id.User, skip, limit int) (message.Page[message.Message], error) {
	page, err := s.page(ctx, c, viewer, limit, func(_ context.Context, from order.Seq) (query, error) {
		return mediaQuery(viewer, from, keyOf(c), skip, limit+1), nil
	})
	if err != nil {
		return message.Page[message.Message]{}, fmt.Errorf("read attachments: %w", unavailable(err))
	}
	return page, nil
}

// Some implements message.Store.
func (s *Store) Some(ctx context.Context, c message.Conversation, viewer id.User, of []id.Message) ([]message.Message, error) {
	page, err := s.page(ctx, c, viewer, len(of), func(_ context.Context, from order.Seq) (query, error) {
		return someQuery(viewer, from, keyOf(c), of), nil
	})
	if err != nil {
		return nil, fmt.Errorf("read some messages: %w", unavailable(err))
	}
	return page.Items, nil
}

// sight reads a conversation as its people see it, and up to where the viewer has cleared it. It is
// ErrNotMember where the viewer is not in the group.
func (s *Store) sight(ctx context.Context, c message.Conversation, viewer id.User) (sides threads, from order.Seq, err error) {
	if c.IsGroup() {
		seat, err := s.findSeat(ctx, c.Group, viewer)
		if err != nil {
			return nil, 0, err
		}
		return threads{}, seat.Cleared.upTo(), nil
	}
	sides, err = s.threadsOf(ctx, c)
	return sides, sides.of(viewer, keyOf(c)).Cleared.upTo(), err
}

// page reads messages of one conversation, newest first. plan is told up to where the viewer has
// cleared it and says what to read: one more than the limit, to see whether more follows.
func (s *Store) page(ctx context.Context, c message.Conversation, viewer id.User, limit int, plan func(context.Context, order.Seq) (query, error)) (page message.Page[message.Message], err error) {
	if err := s.adopted(ctx, keyOf(c)); err != nil {
		return page, err
	}
	var found []*messageDoc
	var sides threads
	err = s.snapshot(ctx, func(ctx context.Context) error {
		var from order.Seq
		if sides, from, err = s.sight(ctx, c, viewer); err != nil {
			return err
		}
		q, err := plan(ctx, from)
		if err != nil {
			return err
		}
		found, err = find[messageDoc](ctx, s, q)
		return err
	})
	if err != nil {
		return page, err
	}
	page.More = len(found) > limit
	page.Items, err = s.openAll(ctx, found[:min(len(found), limit)], sides)
	return page, err
}

// placeIn is the place of a message in a conversation, or behind the end of it for none.
func (s *Store) placeIn(ctx context.Context, conv convKey, m id.Message) (order.Seq, error) {
	if m.IsZero() {
		return endOfTime, nil
	}
	q := withIDs(messagesName, []bson.ObjectID{bson.ObjectID(m)})
	q.fields = bson.D{is("conv", 1), is("seq", 1)}
	found, err := find[messageDoc](ctx, s, q)
	if err != nil || len(found) == 0 || found[0].Conv != conv {
		return 0, either(err, message.ErrNoMessage)
	}
	return found[0].Seq, nil
}

// unshown are fields that the former system left in messages, and no answer has.
// Earlier contents are asked for by themselves.
var unshown = bson.D{is("readBy", 0), is("deliveredTo", 0), is("versions", 0)}

var newestFirst = bson.D{is("seq", -1)}

// pageQuery finds the newest messages of a conversation that a person can see, before a place.
func pageQuery(u id.User, from order.Seq, conv convKey, end order.Seq, limit int) query {
	return query{
		from: messagesName, index: indexPlace, sort: newestFirst, fields: unshown, limit: limit,
		filter: bson.D{is("conv", conv), between("seq", from, end-1), notDeletedBy(u)},
	}
}

// mediaQuery finds the newest messages of a conversation that a person can see and that have an
// attachment.
func mediaQuery(u id.User, from order.Seq, conv convKey, skip, limit int) query {
	return query{
		from: messagesName, index: indexMedia, sort: newestFirst, fields: unshown, skip: skip, limit: limit,
		filter: bson.D{is("conv", conv), is("media", true), above("seq", from), notDeletedBy(u)},
	}
}

// someQuery finds some messages of a conversation that a person can see.
func someQuery(u id.User, from order.Seq, conv convKey, of []id.Message) query {
	ids := make([]bson.ObjectID, len(of))
	for i, m := range of {
		ids[i] = bson.ObjectID(m)
	}
	q := withIDs(messagesName, ids)
	q.fields = unshown
	q.filter = append(q.filter, is("conv", conv), above("seq", from), notDeletedBy(u))
	return q
}

// openOne returns a message with its text in the clear, of a conversation as its people see it.
func (s *Store) openOne(ctx context.Context, d *messageDoc, sides threads) (message.Message, error) {
	return s.open(ctx, d, sides.of(id.User(d.Recipient), d.Conv).ReadSeq)
}

func (s *Store) openAll(ctx context.Context, docs []*messageDoc, sides threads) ([]message.Message, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	messages := make([]message.Message, 0, len(docs))
	for _, d := range docs {
		m, err := s.openOne(ctx, d, sides)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}
