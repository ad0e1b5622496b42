package message

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"pryde/internal/id"
	"pryde/internal/wire"
)

// maxReached is how many members a message names who have read it, and whom it has reached.
const maxReached = 50

// reached says whom a message of a group has reached: the newest maxReached of each kind, the
// newest last, and how many there are.
type reached struct {
	read, delivered           []Cursor
	readCount, deliveredCount int
}

// reached projects the cursors of the groups on their messages. They say when a member last
// read in the group, and not when that was which message.
func (s *Service) reached(ctx context.Context, lists [][]Message) (map[id.Message]reached, error) {
	var out map[id.Message]reached
	marks := make(map[id.Group]groupMarks)
	for _, list := range lists {
		for _, m := range list {
			if !m.Conversation().IsGroup() {
				continue
			}
			of, ok := marks[m.Group]
			if !ok {
				var err error
				if of, err = s.marksOf(ctx, m.Group); err != nil {
					return nil, err
				}
				marks[m.Group] = of
			}
			if out == nil {
				out = make(map[id.Message]reached)
			}
			out[m.ID] = of.reached(m)
		}
	}
	return out, nil
}

// groupMarks are the cursors of a group, the newest first, and since when its members are in it.
type groupMarks struct {
	byRead, byDelivered []Cursor // without those who have not moved theirs
	joined              map[id.User]time.Time
}

func (s *Service) marksOf(ctx context.Context, g id.Group) (groupMarks, error) {
	group, err := s.roster.group(ctx, g)
	var cursors []Cursor
	if err == nil {
		cursors, err = s.groups.Cursors(ctx, g)
	}
	if errors.Is(err, ErrNoGroup) {
		return groupMarks{}, nil
	}
	if err != nil {
		return groupMarks{}, err
	}
	marks := groupMarks{joined: make(map[id.User]time.Time, len(group.Members))}
	for _, m := range group.Members {
		marks.joined[m.User] = m.JoinedAt
	}
	for _, c := range cursors {
		if c.hasRead() {
			marks.byRead = append(marks.byRead, c)
		}
		if !c.DeliveredAt.IsZero() {
			marks.byDelivered = append(marks.byDelivered, c)
		}
	}
	slices.SortFunc(marks.byRead, func(a, b Cursor) int {
		return cmp.Or(b.ReadAt.Compare(a.ReadAt), a.User.Compare(b.User))
	})
	slices.SortFunc(marks.byDelivered, func(a, b Cursor) int {
		return cmp.Or(b.DeliveredAt.Compare(a.DeliveredAt), a.User.Compare(b.User))
	})
	return marks, nil
}

func (g groupMarks) reached(m Message) reached {
	var r reached
	r.read, r.readCount = g.beyond(g.byRead, m, func(c Cursor) bool { return c.Read >= m.Seq })
	r.delivered, r.deliveredCount = g.beyond(g.byDelivered, m, func(c Cursor) bool { return c.Delivered >= m.Seq })
	return r
}

// beyond picks the cursors that have come to a message, without its sender's and without those
// of members who came into the group after it.
func (g groupMarks) beyond(newestFirst []Cursor, m Message, has func(Cursor) bool) (some []Cursor, count int) {
	for _, c := range newestFirst {
		if c.User == m.Sender || !has(c) || g.joined[c.User].After(m.CreatedAt) {
			continue
		}
		if count++; count <= maxReached {
			some = append(some, c)
		}
	}
	slices.Reverse(some)
	return some, count
}

func readBy(cursors []Cursor, known map[id.User]wire.Person) []wire.ReadBy {
	var out []wire.ReadBy
	for _, c := range cursors {
		out = append(out, wire.ReadBy{User: wire.Member{ID: c.User, Username: known[c.User].Username}, ReadAt: c.ReadAt})
	}
	return out
}

func deliveredTo(cursors []Cursor, known map[id.User]wire.Person) []wire.DeliveredTo {
	var out []wire.DeliveredTo
	for _, c := range cursors {
		out = append(out, wire.DeliveredTo{User: wire.Member{ID: c.User, Username: known[c.User].Username}, DeliveredAt: c.DeliveredAt})
	}
	return out
}
