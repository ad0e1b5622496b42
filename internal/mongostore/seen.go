package mongostore

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/search"
)

// Seen implements message.Store, in as many round trips for many messages as for one.
func (s *Store) Seen(ctx context.Context, viewer id.User, of []id.Message) ([]message.Message, error) {
	messages, err := s.seen(ctx, viewer, of)
	return messages, wrapped("read what somebody sees", err)
}

func (s *Store) seen(ctx context.Context, viewer id.User, of []id.Message) ([]message.Message, error) {
	if err := s.adoptedOf(ctx, of); err != nil || len(of) == 0 {
		return nil, err
	}
	ids := make([]bson.ObjectID, len(of))
	for i, m := range of {
		ids[i] = bson.ObjectID(m)
	}
	q := withIDs(messagesName, ids)
	q.fields = unshown
	q.filter = append(q.filter, notDeletedBy(viewer))
	var found []*messageDoc
	sides := threads{}
	err := s.snapshot(ctx, func(ctx context.Context) (err error) {
		if found, err = find[messageDoc](ctx, s, q); err != nil {
			return err
		}
		var talks []search.Talk
		var rows []threadKey
		for _, d := range found {
			talk := search.Talk(d.Conv)
			if slices.Contains(talks, talk) {
				continue
			}
			talks = append(talks, talk)
			if d.between() {
				for _, u := range d.Conv.conversation().People() {
					rows = append(rows, threadOf(u, d.Conv))
				}
			}
		}
		from, err := s.clearedBy(ctx, viewer, talks)
		if err != nil {
			return err
		}
		found = slices.DeleteFunc(found, func(d *messageDoc) bool {
			cleared, takesPart := from[search.Talk(d.Conv)]
			return d.Seq == 0 || !takesPart || d.Seq <= cleared
		})
		if len(rows) == 0 {
			return nil
		}
		all, err := find[threadDoc](ctx, s, withIDs(threadsName, rows))
		sides.add(all)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.openAll(ctx, found, sides)
}

// adoptedOf makes sure that some messages have their places.
func (s *Store) adoptedOf(ctx context.Context, of []id.Message) error {
	if s.adoption.done.Load() {
		return nil
	}
	for _, m := range of {
		d, err := s.findDoc(ctx, m)
		if err != nil {
			return err
		}
		if d == nil || d.Seq > 0 {
			continue
		}
		if conv, ok := d.belongs(); ok {
			if err := s.adopted(ctx, conv); err != nil {
				return err
			}
		}
	}
	return nil
}
