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
	"pryde/internal/seal"
	"pryde/internal/search"
)

// A sealedText is a message as the search reads it.
type sealedText struct {
	search.Text
	sender id.User
	sealed []byte // content; nil where there is none
}

// textColumns are those of a message m, in the order in which readText takes them.
const textColumns = "m.conversation, m.seq, m.id, m.sender, m.changed, m.content, m.deleted_at"

func readText(row []driver.Value) sealedText {
	t := sealedText{sender: userID(row[3]), sealed: blob(row[5])}
	copy(t.Talk[:], blob(row[0]))
	t.Seq, t.ID, t.Changed = order.Seq(integer(row[1])), messageRef(row[2]), order.Seq(integer(row[4]))
	t.Gone = row[6] != nil
	return t
}

func byPlace(a, b sealedText) int { return a.Compare(b.Ref) }

// openTexts opens texts. What a person wrote who was erased is gone.
func (s *Store) openTexts(ctx context.Context, found []sealedText) ([]search.Text, error) {
	texts := make([]search.Text, len(found))
	for i, t := range found {
		if _, erased := s.vault.Erased(seal.Owner(t.sender)); erased {
			t.Gone = true
		}
		if !t.Gone {
			var err error
			if t.Content, err = s.openText(ctx, textPlace("content", t.ID, t.Talk[:]), t.sealed); err != nil {
				return nil, err
			}
		}
		texts[i] = t.Text
	}
	return texts, nil
}

// A viewer reads messages as one person. It remembers in which groups they are.
type viewer struct {
	*conn
	user id.User
	in   map[search.Talk]bool
}

func newViewer(c *conn, u id.User) *viewer {
	return &viewer{conn: c, user: u, in: map[search.Talk]bool{}}
}

// takesPart reports whether the person is in a conversation.
func (v *viewer) takesPart(t search.Talk) (bool, error) {
	in, known := v.in[t]
	if known {
		return in, nil
	}
	in, err := takesPart(v.conn, conversation(t[:]), v.user)
	v.in[t] = in
	return in, err
}

// read finds messages of one conversation behind a place that the person can see. The condition, and
// what follows it, is about messages m.
func (v *viewer) read(t search.Talk, after order.Seq, take func(sealedText), from, condition string, args ...any) error {
	in, err := v.takesPart(t)
	if err != nil || !in {
		return err
	}
	return v.query(func(row []driver.Value) bool {
		take(readText(row))
		return true
	}, "SELECT "+textColumns+" FROM messages m "+from+" WHERE m.conversation = ? AND "+visibleAfter+" AND "+condition,
		append([]any{t[:], int64(after), v.user[:], t[:], v.user[:]}, args...)...)
}

// visibleAfter is visible behind a place. Of two bounds of the places the database would begin at
// one and compare every message with the other.
const visibleAfter = `m.seq > max(?, (SELECT coalesce(max(message_seq), 0) FROM cleared WHERE user = ? AND conversation = ?))
	AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user = ? AND h.conversation = m.conversation AND h.message_seq = m.seq)`

// SearchTalks implements search.Store.
func (s *Store) SearchTalks(ctx context.Context, owner id.User, limit int) ([]search.State, bool, error) {
	var talks []search.State
	take := func(row []driver.Value) bool {
		t := search.State{Last: order.Seq(integer(row[1]))}
		copy(t.Talk[:], blob(row[0]))
		talks = append(talks, t)
		return true
	}
	err := s.readers.snapshot(ctx, func(c *conn) error {
		return errors.Join(
			c.query(take, "SELECT conversation, last_seq FROM threads WHERE user = ? AND last_seq > 0 ORDER BY last_seq DESC LIMIT ?",
				owner[:], int64(limit)+1),
			c.query(take, `SELECT g.conversation, g.last_seq FROM members p INDEXED BY members_user
				CROSS JOIN groups g ON g.conversation = p.conversation
				WHERE p.user = ? AND p.left_seq = 0 LIMIT ?`, owner[:], int64(limit)+1))
	})
	if err != nil {
		return nil, false, fmt.Errorf("list conversations to search: %w", err)
	}
	slices.SortStableFunc(talks, func(a, b search.State) int { return cmp.Compare(b.Last, a.Last) })
	return talks[:min(len(talks), limit)], len(talks) > limit, nil
}

// SearchMessages implements search.Store.
func (s *Store) SearchMessages(ctx context.Context, owner id.User, in []search.Stretch, newest bool, limit int) ([]search.Text, error) {
	var found []sealedText
	err := s.readers.snapshot(ctx, func(c *conn) (err error) {
		if newest {
			found, err = newestTexts(newViewer(c, owner), in, limit)
		} else {
			found, err = oldestTexts(newViewer(c, owner), in, limit)
		}
		return err
	})
	var texts []search.Text
	if err == nil {
		texts, err = s.openTexts(ctx, found)
	}
	if err != nil {
		return nil, fmt.Errorf("read messages to search: %w", err)
	}
	return texts, nil
}

// newestTexts looks at the stretches with the newest messages first. What is older than the limit
// of those that it has found need not be read.
func newestTexts(v *viewer, in []search.Stretch, limit int) ([]sealedText, error) {
	in = slices.SortedFunc(slices.Values(in), func(a, b search.Stretch) int {
		return cmp.Compare(min(b.Last, b.Before), min(a.Last, a.Before))
	})
	var found []sealedText
	for _, s := range in {
		if len(found) == limit {
			s.After = max(s.After, found[limit-1].Seq-1)
		}
		if min(s.Last, s.Before-1) <= s.After {
			continue
		}
		before := len(found)
		err := v.read(s.Talk, s.After, func(t sealedText) { found = append(found, t) }, "",
			"m.seq < ? ORDER BY m.seq DESC LIMIT ?", int64(s.Before), int64(limit))
		if err != nil {
			return nil, err
		}
		if len(found) > before {
			slices.SortFunc(found, func(a, b sealedText) int { return byPlace(b, a) })
			found = found[:min(len(found), limit)]
		}
	}
	return found, nil
}

func oldestTexts(v *viewer, in []search.Stretch, limit int) ([]sealedText, error) {
	var found []sealedText
	for _, s := range in {
		if len(found) == limit {
			s.Before = min(s.Before, found[limit-1].Seq+1)
		}
		before := len(found)
		err := v.read(s.Talk, s.After, func(t sealedText) { found = append(found, t) }, "",
			"m.seq < ? ORDER BY m.seq LIMIT ?", int64(s.Before), int64(limit))
		if err != nil {
			return nil, err
		}
		if len(found) > before {
			slices.SortFunc(found, byPlace)
			found = found[:min(len(found), limit)]
		}
	}
	return found, nil
}

// SearchChanged implements search.Store.
func (s *Store) SearchChanged(ctx context.Context, owner id.User, after order.Seq, limit int) ([]search.Text, order.Seq, error) {
	var found []sealedText
	var upTo order.Seq
	err := s.readers.snapshot(ctx, func(c *conn) error {
		seq, err := c.number("SELECT value FROM meta WHERE key = 'seq'")
		if err != nil {
			return err
		}
		upTo = order.Seq(seq)
		talks, err := changedTalks(c, owner, after)
		if err != nil {
			return err
		}
		v := newViewer(c, owner)
		for _, t := range talks {
			if err := v.read(t, 0, func(t sealedText) { found = append(found, t) }, "INDEXED BY messages_changed",
				"m.changed > ? AND m.changed > m.seq ORDER BY m.changed LIMIT ?", int64(after), int64(limit)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read changed messages to search: %w", err)
	}
	slices.SortFunc(found, func(a, b sealedText) int { return cmp.Compare(a.Changed, b.Changed) })
	if len(found) >= limit {
		found = found[:limit]
		upTo = found[limit-1].Changed
	}
	texts, err := s.openTexts(ctx, found)
	if err != nil {
		return nil, 0, fmt.Errorf("read changed messages to search: %w", err)
	}
	return texts, upTo, nil
}

// changedTalks are the conversations of a person in which something changed after a commit.
func changedTalks(c *conn, owner id.User, after order.Seq) ([]search.Talk, error) {
	var talks []search.Talk
	take := func(row []driver.Value) bool {
		var t search.Talk
		copy(t[:], blob(row[0]))
		talks = append(talks, t)
		return true
	}
	err := errors.Join(
		c.query(take, "SELECT conversation FROM threads WHERE user = ? AND changed > ?", owner[:], int64(after)),
		c.query(take, `SELECT g.conversation FROM members p INDEXED BY members_user
			CROSS JOIN groups g ON g.conversation = p.conversation
			WHERE p.user = ? AND p.left_seq = 0 AND g.changed > ?`, owner[:], int64(after)))
	return talks, err
}

// SearchTexts implements search.Store.
func (s *Store) SearchTexts(ctx context.Context, owner id.User, of []search.Ref) ([]search.Text, error) {
	var found []sealedText
	err := s.readers.snapshot(ctx, func(c *conn) error {
		v := newViewer(c, owner)
		for _, r := range of {
			take := func(t sealedText) {
				if t.ID == r.ID {
					found = append(found, t)
				}
			}
			if err := v.read(r.Talk, r.Seq-1, take, "", "m.seq <= ? LIMIT 1", int64(r.Seq)); err != nil {
				return err
			}
		}
		return nil
	})
	var texts []search.Text
	if err == nil {
		texts, err = s.openTexts(ctx, found)
	}
	if err != nil {
		return nil, fmt.Errorf("read messages that were found: %w", err)
	}
	return texts, nil
}

// SearchPlace implements search.Store.
func (s *Store) SearchPlace(ctx context.Context, owner id.User, m id.Message) (search.Ref, error) {
	r := search.Ref{ID: m}
	err := s.readers.snapshot(ctx, func(c *conn) error {
		found, err := c.one(func(row []driver.Value) {
			copy(r.Talk[:], blob(row[0]))
			r.Seq = order.Seq(integer(row[1]))
		}, "SELECT conversation, seq FROM messages WHERE id = ?", m[:])
		if err == nil && found {
			found, err = newViewer(c, owner).takesPart(r.Talk)
		}
		if err == nil && !found {
			err = message.ErrNoMessage
		}
		return err
	})
	if err != nil {
		return search.Ref{}, fmt.Errorf("find the place of a message: %w", err)
	}
	return r, nil
}
