package sqlitestore

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

const (
	// maxReloadRows is how many conversations of a kind Since lists where there is too much to tell.
	maxReloadRows = 100
	// maxCursors is how many cursors Since tells at most.
	maxCursors = 10 * message.MaxMembers
)

// Since implements message.Store. Everything is read from one state of the database.
func (s *Store) Since(ctx context.Context, u id.User, after order.Seq, limit int) (message.Changes, error) {
	v := &view{user: u, after: int64(after), limit: limit}
	err := s.readers.snapshot(ctx, v.read)
	if err != nil {
		return message.Changes{}, fmt.Errorf("read changes: %w", err)
	}
	changes, err := s.openView(ctx, v)
	if err != nil {
		return message.Changes{}, fmt.Errorf("read changes: %w", err)
	}
	return changes, nil
}

func (s *Store) openView(ctx context.Context, v *view) (message.Changes, error) {
	changes := message.Changes{Seq: v.seq, Reload: v.reload}
	slices.SortFunc(v.rows, func(a, b rowRecord) int { return cmp.Compare(a.row.Changed, b.row.Changed) })
	slices.SortFunc(v.seats, func(a, b seatRecord) int { return cmp.Compare(a.seat.Changed, b.seat.Changed) })
	var err error
	if changes.Rows, err = s.openRows(ctx, v.rows); err != nil {
		return message.Changes{}, err
	}
	if changes.Groups, err = s.openSeats(ctx, v.seats); err != nil || changes.Reload {
		return changes, err
	}
	slices.SortFunc(v.cursors, func(a, b message.Cursor) int { return cmp.Compare(a.Changed, b.Changed) })
	changes.Cursors, changes.Left = v.cursors, v.left
	slices.SortFunc(v.stored, func(a, b record) int { return cmp.Compare(a.message.Seq, b.message.Seq) })
	slices.SortFunc(v.changed, func(a, b record) int { return cmp.Compare(a.message.Changed, b.message.Changed) })
	slices.SortStableFunc(v.gone, func(a, b message.Gone) int { return cmp.Compare(a.Seq, b.Seq) })
	changes.Deleted = v.gone
	if changes.New, err = s.openAll(ctx, v.stored); err != nil {
		return message.Changes{}, err
	}
	changes.Changed, err = s.openAll(ctx, v.changed)
	return changes, err
}

// A view gathers what a person can see of the commits after a number.
type view struct {
	user  id.User
	after int64
	limit int // messages, deleted ones included; one more is looked for

	seq     order.Seq
	rows    []rowRecord
	seats   []seatRecord
	cursors []message.Cursor
	left    []message.Left
	stored  []record
	changed []record
	gone    []message.Gone
	bytes   int  // of the sealed contents that are held
	again   bool // a block began or ended between
	reload  bool // there is more than can be told: of rows and seats some are held, of the rest none counts
}

// rowLimit is how many conversations are told; one more is looked for.
func (v *view) rowLimit() int { return max(v.limit, maxReloadRows) }

func (v *view) count() int { return len(v.stored) + len(v.changed) + len(v.gone) }

// tooMuch reports whether there are more messages, or more in them, than can be told.
func (v *view) tooMuch() bool { return v.count() > v.limit || v.bytes > message.MaxChangeBytes }

// overflows reports whether there is more than can be told.
func (v *view) overflows() bool {
	return v.again || v.tooMuch() || len(v.rows)+len(v.seats) > v.rowLimit() || len(v.left) > v.rowLimit() || len(v.cursors) > maxCursors
}

// more is how many more messages decide whether there are too many.
func (v *view) more() int64 { return int64(v.limit + 1 - v.count()) }

// A span is a conversation that changed, and how to tell what was read in it.
type span struct {
	conversation []byte
	read         func(message.Message) bool
}

func (v *view) read(c *conn) error {
	seq, err := c.number("SELECT value FROM meta WHERE key = 'seq'")
	if err != nil {
		return err
	}
	v.seq = order.Seq(seq)
	if err := v.readConversations(c); err != nil {
		return err
	}
	if err := v.readMessages(c); err != nil {
		return err
	}
	if v.reload = v.overflows(); v.reload {
		v.rows = v.rows[:min(len(v.rows), maxReloadRows)]
		v.seats = v.seats[:min(len(v.seats), maxReloadRows)]
	}
	return seatMembers(c, v.seats)
}

// readConversations finds the conversations that changed since, and what others did in groups.
func (v *view) readConversations(c *conn) (err error) {
	most := int64(v.rowLimit() + 1)
	if err := c.query(func(row []driver.Value) bool {
		v.rows = append(v.rows, readRow(row))
		return true
	}, changedRows, v.user[:], v.after, most); err != nil {
		return err
	}
	if v.seats, err = readSeats(c, changedSeats, v.user[:], v.after, most); err != nil {
		return err
	}
	if err := c.query(func(row []driver.Value) bool {
		v.left = append(v.left, message.Left{Group: conversation(row[0]).Group, Seq: order.Seq(integer(row[1]))})
		return true
	}, "SELECT conversation, left_seq FROM members WHERE user = ? AND left_seq > ? ORDER BY left_seq LIMIT ?",
		v.user[:], v.after, most); err != nil {
		return err
	}
	return c.query(func(row []driver.Value) bool {
		v.cursors = append(v.cursors, readCursor(row))
		return true
	}, "SELECT "+cursorColumns+` FROM members p CROSS JOIN members o INDEXED BY members_moved
			ON o.conversation = p.conversation AND o.moved > ? AND o.user <> p.user AND o.delivered_seq > 0
		WHERE p.user = ? AND p.left_seq = 0 LIMIT ?`, v.after, v.user[:], int64(maxCursors+1))
}

// readMessages finds what was stored, changed and deleted since, as far as it can be told.
func (v *view) readMessages(c *conn) error {
	if v.overflows() {
		return nil
	}
	spans, err := v.spans(c)
	if err != nil {
		return err
	}
	if err := errors.Join(v.readHidden(c), v.readCleared(c)); err != nil {
		return err
	}
	for _, s := range spans {
		if v.again || v.tooMuch() {
			return nil
		}
		if err := v.readSpan(c, s); err != nil {
			return err
		}
	}
	return nil
}

// spans are the conversations that changed: a message that changed marks its conversation.
func (v *view) spans(c *conn) ([]span, error) {
	var spans []span
	err := c.query(func(row []driver.Value) bool {
		spans = append(spans, span{blob(row[0]), marks(v.user, order.Seq(integer(row[1])), order.Seq(integer(row[2])))})
		v.again = v.again || v.after > 0 && integer(row[3]) > v.after
		return true
	}, `SELECT t.conversation, t.read_seq, p.read_seq, t.reload_at FROM threads t
		LEFT JOIN threads p ON p.user = t.peer AND p.conversation = t.conversation
		WHERE t.user = ? AND t.changed > ?`, v.user[:], v.after)
	if err != nil {
		return nil, err
	}
	err = c.query(func(row []driver.Value) bool {
		spans = append(spans, span{blob(row[0]), noRecipient})
		return true
	}, `SELECT g.conversation FROM members p CROSS JOIN groups g ON g.conversation = p.conversation
		WHERE p.user = ? AND p.left_seq = 0 AND g.changed > ?`, v.user[:], v.after)
	return spans, err
}

// inSight leaves out of what a person deleted for themselves what was in groups that they have left
// since. Its parameter is that person.
const inSight = ` AND (m.conversation >= ` + groupsEnd + ` OR EXISTS
	(SELECT 1 FROM members p WHERE p.conversation = m.conversation AND p.user = ? AND p.left_seq = 0))`

// readHidden finds what the person deleted for themselves since.
func (v *view) readHidden(c *conn) error {
	return c.query(v.takeGone, "SELECT "+recordColumns+`, h.seq FROM hidden h
		JOIN messages m ON m.conversation = h.conversation AND m.seq = h.message_seq
		WHERE h.user = ? AND h.seq > ?`+inSight+` LIMIT ?`, v.user[:], v.after, v.user[:], v.more())
}

// readCleared finds what the person deleted for themselves since with a whole conversation:
// what lies between that deletion and the one before it, unless it had gone by itself.
func (v *view) readCleared(c *conn) error {
	return c.query(v.takeGone, "SELECT "+recordColumns+`, c.seq FROM cleared c
		CROSS JOIN messages m ON m.conversation = c.conversation AND m.seq <= c.message_seq
			AND m.seq > (SELECT coalesce(max(b.message_seq), 0) FROM cleared b
				WHERE b.user = c.user AND b.conversation = c.conversation AND b.message_seq < c.message_seq)
		WHERE c.user = ? AND c.seq > ? AND NOT EXISTS (SELECT 1 FROM hidden h
			WHERE h.user = c.user AND h.conversation = m.conversation AND h.message_seq = m.seq)
		`+inSight+` LIMIT ?`, v.user[:], v.after, v.user[:], v.more())
}

// takeGone takes what the person deleted for themselves. What was deleted for all besides is
// told as theirs all the same: they see no tombstone of it.
func (v *view) takeGone(row []driver.Value) bool {
	r := readRecord(row)
	v.tell(r, false, order.Seq(integer(row[recordWidth])))
	return true
}

// tell takes a message that is gone for the person.
func (v *view) tell(r record, forAll bool, seq order.Seq) {
	g := message.Gone{ID: r.message.ID, Group: r.message.Group, ForAll: forAll, Seq: seq}
	if g.Group.IsZero() {
		g.Peer = r.message.Conversation().Other(v.user)
	}
	v.gone = append(v.gone, g)
}

// readSpan finds what was stored and what was changed since in one conversation, and is not
// hidden from the person.
func (v *view) readSpan(c *conn, s span) error {
	take := func(row []driver.Value) bool {
		r := readRecord(row)
		switch r.message.Read = s.read(r.message); {
		case r.deleted():
			v.tell(r, true, r.message.Changed)
		case int64(r.message.Seq) > v.after:
			v.stored = append(v.stored, r)
		default:
			v.changed = append(v.changed, r)
		}
		v.bytes += r.size()
		return !v.tooMuch()
	}
	if err := c.query(take, "SELECT "+recordColumns+` FROM messages m
		WHERE m.conversation = ? AND m.seq > ? AND `+visible+` LIMIT ?`,
		visibleTo(v.user, s.conversation, []any{s.conversation, v.after}, v.more())...); err != nil || v.tooMuch() {
		return err
	}
	return c.query(take, "SELECT "+recordColumns+` FROM messages m INDEXED BY messages_changed
		WHERE m.conversation = ? AND m.changed > ? AND m.changed > m.seq AND m.seq <= ? AND `+visible+` LIMIT ?`,
		visibleTo(v.user, s.conversation, []any{s.conversation, v.after, v.after}, v.more())...)
}
