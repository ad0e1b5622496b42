package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"strings"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// A seatRecord is a group as a member has it, as it was read.
type seatRecord struct {
	seat message.Seat
	last *record
}

// clearedUpTo is how far a member s of a group has cleared it.
const clearedUpTo = "(SELECT coalesce(max(c.message_seq), 0) FROM cleared c WHERE c.user = s.user AND c.conversation = s.conversation)"

// newestSeen is the place of the newest message that a member s of a group can see; NULL where
// there is none.
const newestSeen = `(SELECT n.seq FROM messages n WHERE n.conversation = s.conversation AND n.seq > ` + clearedUpTo + `
	AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user = s.user AND h.conversation = n.conversation AND h.message_seq = n.seq)
	ORDER BY n.seq DESC LIMIT 1)`

// countable picks the messages n that count as unread for a member s, as far as the messages say:
// those of others that are not deleted. It is what the index messages_unread is for.
const countable = "n.conversation < " + groupsEnd + " AND n.deleted_at IS NULL AND n.sender <> s.user"

// unreadIn counts what a member s of a group has not read: the messages of others after the cursor,
// less those among them that the member has deleted for themselves. Where nothing was written since
// nothing is counted.
const unreadIn = `CASE WHEN s.last_seq <= s.read_seq THEN 0 ELSE
	(SELECT count(*) FROM messages n INDEXED BY messages_unread
		WHERE n.conversation = s.conversation AND n.seq > max(s.read_seq, ` + clearedUpTo + `) AND ` + countable + `)
	- (SELECT count(*) FROM hidden h WHERE h.user = s.user AND h.conversation = s.conversation
		AND h.message_seq > max(s.read_seq, ` + clearedUpTo + `) AND EXISTS (SELECT 1 FROM messages n INDEXED BY messages_unread
			WHERE n.conversation = s.conversation AND n.seq = h.message_seq AND ` + countable + `)) END`

// seatsOf selects groups of a person, in the order of the list. What is joined to them is joined
// after they are picked.
func seatsOf(pick string) string {
	return "SELECT " + recordColumns + ", " + strings.ReplaceAll(groupColumns, "g.", "s.") + `,
		s.archived, s.muted, s.muted_until, s.marked_unread, s.read_at, s.changed,
		(SELECT r.id FROM messages r WHERE r.conversation = s.conversation AND r.seq = s.read_seq), ` + unreadIn + `
		FROM (SELECT ` + groupColumns + `, g.last_seq, p.user, p.read_seq, p.read_at,
				p.archived, p.muted, p.muted_until, p.marked_unread,
				max(g.changed, p.changed) AS changed, max(g.last_seq, g.group_changed) AS top
			FROM members p CROSS JOIN groups g ON g.conversation = p.conversation
			WHERE p.left_seq = 0 AND ` + pick + `) s
		LEFT JOIN messages m ON m.conversation = s.conversation AND m.seq = ` + newestSeen + `
		ORDER BY s.top DESC`
}

var (
	listedSeats  = seatsOf("p.user = ? AND top < ? ORDER BY top DESC LIMIT ?")
	changedSeats = seatsOf("p.user = ? AND max(g.changed, p.changed) > ? ORDER BY top DESC LIMIT ?")
	oneSeat      = seatsOf("p.user = ? AND p.conversation = ? LIMIT 1")
)

func readSeat(row []driver.Value) seatRecord {
	rest := row[recordWidth+groupWidth:]
	r := seatRecord{seat: message.Seat{
		Group:    readGroup(row[recordWidth:]),
		Settings: readSettings(rest),
		ReadAt:   instant(rest[4]),
		Changed:  order.Seq(integer(rest[5])),
		ReadUpTo: messageRef(rest[6]),
		Unread:   int(integer(rest[7])),
	}}
	if row[0] != nil {
		last := readRecord(row)
		r.last = &last
	}
	return r
}

// readSeats reads what a query that seatsOf made finds, without the members of the groups.
func readSeats(c *conn, query string, args ...any) ([]seatRecord, error) {
	var found []seatRecord
	err := c.query(func(row []driver.Value) bool {
		found = append(found, readSeat(row))
		return true
	}, query, args...)
	return found, err
}

// seatMembers fills in the members of the groups.
func seatMembers(c *conn, seats []seatRecord) error {
	for i := range seats {
		if err := readMembers(c, &seats[i].seat.Group); err != nil {
			return err
		}
	}
	return nil
}

// seatOf reads a group as somebody has it.
func seatOf(c *conn, g id.Group, u id.User) (seatRecord, error) {
	key := conversationKey(message.InGroup(g))
	found, err := readSeats(c, oneSeat, u[:], key)
	if err == nil {
		err = seatMembers(c, found)
	}
	if err != nil || len(found) == 1 {
		return append(found, seatRecord{})[0], err
	}
	if n, err := c.number("SELECT count(*) FROM groups WHERE conversation = ? AND deleted_at IS NULL", key); err != nil || n == 0 {
		return seatRecord{}, either(err, message.ErrNoGroup)
	}
	return seatRecord{}, message.ErrNotMember
}

// Seats implements message.GroupStore. A before that is no group of the person is
// message.ErrNoGroup.
func (s *Store) Seats(ctx context.Context, u id.User, before id.Group, limit int) (message.Page[message.Seat], error) {
	var found []seatRecord
	more := false
	err := s.readers.snapshot(ctx, func(c *conn) error {
		end := int64(math.MaxInt64)
		if !before.IsZero() {
			var err error
			if end, err = c.number(`SELECT max(g.last_seq, g.group_changed) FROM members p
				CROSS JOIN groups g ON g.conversation = p.conversation
				WHERE p.conversation = ? AND p.user = ? AND p.left_seq = 0`,
				conversationKey(message.InGroup(before)), u[:]); err != nil || end == 0 {
				return either(err, message.ErrNoGroup)
			}
		}
		var err error
		if found, err = readSeats(c, listedSeats, u[:], end, int64(limit)+1); err != nil {
			return err
		}
		more = len(found) > limit
		found = found[:min(len(found), limit)]
		return seatMembers(c, found)
	})
	if err != nil {
		return message.Page[message.Seat]{}, fmt.Errorf("list groups: %w", err)
	}
	seats, err := s.openSeats(ctx, found)
	if err != nil {
		return message.Page[message.Seat]{}, fmt.Errorf("list groups: %w", err)
	}
	return message.Page[message.Seat]{Items: seats, More: more}, nil
}

// Seat implements message.GroupStore.
func (s *Store) Seat(ctx context.Context, g id.Group, u id.User) (message.Seat, error) {
	var found seatRecord
	err := s.readers.snapshot(ctx, func(c *conn) (err error) {
		found, err = seatOf(c, g, u)
		return err
	})
	if err != nil {
		return message.Seat{}, fmt.Errorf("find a group of somebody: %w", err)
	}
	return s.openSeat(ctx, found)
}

func (s *Store) openSeat(ctx context.Context, r seatRecord) (message.Seat, error) {
	if r.last != nil {
		m, err := s.open(ctx, *r.last)
		if err != nil {
			return message.Seat{}, err
		}
		r.seat.Last = &m
	}
	return r.seat, nil
}

func (s *Store) openSeats(ctx context.Context, found []seatRecord) ([]message.Seat, error) {
	if len(found) == 0 {
		return nil, nil
	}
	seats := make([]message.Seat, len(found))
	for i, r := range found {
		var err error
		if seats[i], err = s.openSeat(ctx, r); err != nil {
			return nil, err
		}
	}
	return seats, nil
}

// UnreadInGroups implements message.GroupStore.
func (s *Store) UnreadInGroups(ctx context.Context, u id.User) (map[id.Group]int, error) {
	counts := map[id.Group]int{}
	err := s.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			if n := integer(row[1]); n > 0 {
				counts[conversation(row[0]).Group] = int(n)
			}
			return true
		}, "SELECT s.conversation, "+unreadIn+` FROM (SELECT p.conversation, p.user, p.read_seq, g.last_seq
			FROM members p CROSS JOIN groups g ON g.conversation = p.conversation
			WHERE p.user = ? AND p.left_seq = 0 AND g.last_seq > p.read_seq) s`, u[:])
	})
	if err != nil {
		return nil, fmt.Errorf("count unread messages in groups: %w", err)
	}
	return counts, nil
}

// ArrangeGroup implements message.GroupStore. Its refusals are those of Seat.
func (s *Store) ArrangeGroup(ctx context.Context, g id.Group, u id.User, _ time.Time, set func(*message.Settings)) (message.Seat, bool, error) {
	var found seatRecord
	changed := false
	err := s.writer.do(ctx, "arrange group", func(t *tx) (err error) {
		if found, err = seatOf(t.conn, g, u); err != nil {
			return err
		}
		after := found.seat.Settings
		set(&after)
		if changed = after != found.seat.Settings; !changed {
			return nil
		}
		if _, err := t.exec(`UPDATE members SET archived = ?, muted = ?, muted_until = ?, marked_unread = ?, changed = ?
			WHERE conversation = ? AND user = ?`,
			truth(after.Archived), truth(after.Muted), millis(after.MutedUntil), millis(after.MarkedUnread), int64(t.next()),
			conversationKey(message.InGroup(g)), u[:]); err != nil {
			return err
		}
		found, err = seatOf(t.conn, g, u)
		return err
	})
	if err != nil {
		return message.Seat{}, false, err
	}
	seat, err := s.openSeat(ctx, found)
	if err != nil {
		return message.Seat{}, false, fmt.Errorf("arrange group: %w", err)
	}
	return seat, changed, nil
}

// ClearGroup implements message.GroupStore. It takes the mark "unread" away. Its refusals are those
// of Seat.
func (s *Store) ClearGroup(ctx context.Context, g id.Group, u id.User) error {
	key := conversationKey(message.InGroup(g))
	return s.writer.do(ctx, "clear group", func(t *tx) error {
		found, err := seatOf(t.conn, g, u)
		if err != nil {
			return err
		}
		if found.last == nil && found.seat.Settings.MarkedUnread.IsZero() {
			return nil
		}
		n := int64(t.next())
		if found.last != nil {
			if _, err := t.exec("INSERT INTO cleared (user, conversation, message_seq, seq) VALUES (?, ?, ?, ?)",
				u[:], key, int64(found.last.message.Seq), n); err != nil {
				return err
			}
		}
		_, err = t.exec("UPDATE members SET marked_unread = NULL, changed = ? WHERE conversation = ? AND user = ?", n, key, u[:])
		return err
	})
}
