package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// CreateGroup implements message.GroupStore.
func (s *Store) CreateGroup(ctx context.Context, g message.Group) (message.Group, error) {
	key := conversationKey(message.InGroup(g.ID))
	members := changeMembers(message.Group{}, g).in
	err := s.writer.do(ctx, "create group", func(t *tx) (err error) {
		if err := apartFromAny(t.conn, g.Creator, members); err != nil {
			return err
		}
		n := int64(t.next())
		if _, err := t.exec(`INSERT INTO groups (conversation, name, description, avatar, creator, created_at, updated_at,
				last_seq, group_changed, changed) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
			key, g.Name, g.Description, g.Avatar, g.Creator[:], g.CreatedAt.UnixMilli(), latest(g.CreatedAt, g.UpdatedAt).UnixMilli(),
			n, n); err != nil {
			return err
		}
		if err := takeIn(t.conn, key, members, g.CreatedAt, n); err != nil {
			return err
		}
		g, err = groupOf(t.conn, key)
		return err
	})
	if err != nil {
		return message.Group{}, err
	}
	return g, nil
}

// Group implements message.GroupStore.
func (s *Store) Group(ctx context.Context, g id.Group) (message.Group, error) {
	var group message.Group
	err := s.readers.snapshot(ctx, func(c *conn) (err error) {
		group, err = groupOf(c, conversationKey(message.InGroup(g)))
		return err
	})
	if err != nil {
		return message.Group{}, fmt.Errorf("find group: %w", err)
	}
	return group, nil
}

// ChangeGroup implements message.GroupStore.
func (s *Store) ChangeGroup(ctx context.Context, g id.Group, by id.User, at time.Time, set func(*message.Group) error) (before, after message.Group, err error) {
	key := conversationKey(message.InGroup(g))
	err = s.writer.do(ctx, "change group", func(t *tx) (err error) {
		if before, err = groupOf(t.conn, key); err != nil {
			return err
		}
		after = before
		after.Members = slices.Clone(before.Members)
		if err := set(&after); err != nil {
			return err
		}
		after, err = changeGroup(t, key, by, at, before, after)
		return err
	})
	if err != nil {
		return message.Group{}, message.Group{}, err
	}
	return before, after, nil
}

// changeGroup stores what was changed of a group, and returns it as it is then.
func changeGroup(t *tx, key []byte, by id.User, at time.Time, before, after message.Group) (message.Group, error) {
	m := changeMembers(before, after)
	if m.none() && before.Name == after.Name && before.Description == after.Description && before.Avatar == after.Avatar &&
		before.Creator == after.Creator {
		return before, nil
	}
	if err := apartFromAny(t.conn, by, m.in); err != nil {
		return message.Group{}, err
	}
	n := int64(t.next())
	if err := m.store(t.conn, key, at, n); err != nil {
		return message.Group{}, err
	}
	if len(after.Members) == 0 {
		_, err := t.exec(`UPDATE groups SET name = '', description = '', avatar = '', updated_at = ?, deleted_at = ?,
			group_changed = ?, changed = ? WHERE conversation = ?`, at.UnixMilli(), at.UnixMilli(), n, n, key)
		after.ID, after.Members, after.CreatedAt = before.ID, nil, before.CreatedAt
		after.UpdatedAt, after.Changed = instant(at.UnixMilli()), order.Seq(n)
		return after, err
	}
	if _, err := t.exec(`UPDATE groups SET name = ?, description = ?, avatar = ?, creator = ?, updated_at = ?,
			group_changed = ?, changed = ? WHERE conversation = ?`,
		after.Name, after.Description, after.Avatar, after.Creator[:], at.UnixMilli(), n, n, key); err != nil {
		return message.Group{}, err
	}
	return groupOf(t.conn, key)
}

// memberChanges are what is changed among the members of a group.
type memberChanges struct {
	in, out []message.Member
	roles   []message.Member // those who stay and are an admin now, or no longer
}

func changeMembers(before, after message.Group) memberChanges {
	var c memberChanges
	is := make(map[id.User]message.Member, len(after.Members))
	for _, m := range after.Members {
		if _, twice := is[m.User]; !twice {
			is[m.User] = m
		}
	}
	was := make(map[id.User]bool, len(before.Members))
	for _, m := range before.Members {
		was[m.User] = true
		switch now, stays := is[m.User]; {
		case !stays:
			c.out = append(c.out, m)
		case now.Admin != m.Admin:
			c.roles = append(c.roles, now)
		}
	}
	for _, m := range after.Members {
		if !was[m.User] {
			was[m.User] = true
			c.in = append(c.in, m)
		}
	}
	return c
}

func (c memberChanges) none() bool { return len(c.in)+len(c.out)+len(c.roles) == 0 }

// store writes the changes that a commit makes.
func (c memberChanges) store(t *conn, key []byte, at time.Time, commit int64) error {
	for _, m := range c.out {
		if _, err := t.exec(`UPDATE members SET admin = 0, read_seq = 0, read_at = NULL, delivered_seq = 0, delivered_at = NULL,
				moved = 0, archived = 0, muted = 0, muted_until = NULL, marked_unread = NULL, changed = ?, left_seq = ?
			WHERE conversation = ? AND user = ?`, commit, commit, key, m.User[:]); err != nil {
			return err
		}
		if err := forgetDraft(t, m.User, key); err != nil {
			return err
		}
	}
	for _, m := range c.roles {
		if _, err := t.exec("UPDATE members SET admin = ? WHERE conversation = ? AND user = ?", truth(m.Admin), key, m.User[:]); err != nil {
			return err
		}
	}
	return takeIn(t, key, c.in, at, commit)
}

// takeIn puts people into a group, behind those who are in it, with their cursors at its newest
// message. Who comes back takes the row that said that they had left.
func takeIn(c *conn, key []byte, people []message.Member, at time.Time, commit int64) error {
	newest, err := c.number("SELECT last_seq FROM groups WHERE conversation = ?", key)
	if err != nil {
		return err
	}
	place, err := c.number("SELECT coalesce(max(place), 0) FROM members INDEXED BY members_present WHERE conversation = ? AND left_seq = 0", key)
	if err != nil {
		return err
	}
	for i, m := range people {
		joined := m.JoinedAt
		if joined.IsZero() {
			joined = at
		}
		if _, err := c.exec(`INSERT INTO members (conversation, user, place, admin, joined_at, read_seq, delivered_seq, moved, changed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (conversation, user) DO UPDATE SET place = excluded.place, admin = excluded.admin,
				joined_at = excluded.joined_at, read_seq = excluded.read_seq, delivered_seq = excluded.delivered_seq,
				moved = excluded.moved, changed = excluded.changed, left_seq = 0`,
			key, m.User[:], place+int64(i)+1, truth(m.Admin), joined.UnixMilli(), newest, newest, commit, commit); err != nil {
			return err
		}
	}
	return nil
}

// apartFromAny is message.ErrBlocked where somebody and one of the others block each other.
func apartFromAny(c *conn, u id.User, others []message.Member) error {
	for _, m := range others {
		if m.User == u {
			continue
		}
		if refused, err := apart(c, u, m.User); err != nil || refused {
			return either(err, message.ErrBlocked)
		}
	}
	return nil
}

// groupColumns are those of a group g, in the order in which readGroup takes them.
const groupColumns = "g.conversation, g.name, g.description, g.avatar, g.creator, g.created_at, g.updated_at, g.group_changed"

// groupWidth is the number of groupColumns.
var groupWidth = strings.Count(groupColumns, ",") + 1

// readGroup reads the groupColumns at the front of a row.
func readGroup(row []driver.Value) message.Group {
	return message.Group{
		ID: conversation(row[0]).Group, Name: text(row[1]), Description: text(row[2]), Avatar: text(row[3]), Creator: userID(row[4]),
		CreatedAt: instant(row[5]), UpdatedAt: instant(row[6]), Changed: order.Seq(integer(row[7])),
	}
}

// groupOf reads a group with its members.
func groupOf(c *conn, key []byte) (message.Group, error) {
	var g message.Group
	found, err := c.one(func(row []driver.Value) { g = readGroup(row) },
		"SELECT "+groupColumns+" FROM groups g WHERE g.conversation = ? AND g.deleted_at IS NULL", key)
	if err != nil || !found {
		return message.Group{}, either(err, message.ErrNoGroup)
	}
	return g, readMembers(c, &g)
}

// readMembers fills in the members of a group, in the order in which they came.
func readMembers(c *conn, g *message.Group) error {
	return c.query(func(row []driver.Value) bool {
		g.Members = append(g.Members, message.Member{User: userID(row[0]), Admin: integer(row[1]) != 0, JoinedAt: instant(row[2])})
		return true
	}, "SELECT user, admin, joined_at FROM members INDEXED BY members_present WHERE conversation = ? AND left_seq = 0 ORDER BY place",
		conversationKey(message.InGroup(g.ID)))
}

// isMember reports whether somebody is in a group.
func isMember(c *conn, key []byte, u id.User) (bool, error) {
	n, err := c.number("SELECT count(*) FROM members WHERE conversation = ? AND user = ? AND left_seq = 0", key, u[:])
	return n > 0, err
}

// admit is message.ErrNotMember where a conversation is that of a group that somebody is not in.
// It says nothing about the other kinds.
func admit(c *conn, talk message.Conversation, u id.User) error {
	if !talk.IsGroup() {
		return nil
	}
	if in, err := isMember(c, conversationKey(talk), u); err != nil || !in {
		return either(err, message.ErrNotMember)
	}
	return nil
}

// membersWhoSee are the members of a group who did not delete a message of it for themselves.
func membersWhoSee(c *conn, r record) ([]id.User, error) {
	var seers []id.User
	key, seq := r.key(), int64(r.message.Seq)
	err := c.query(into(&seers), `SELECT p.user FROM members p INDEXED BY members_present
		WHERE p.conversation = ? AND p.left_seq = 0
			AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user = p.user AND h.conversation = ? AND h.message_seq = ?)
			AND NOT EXISTS (SELECT 1 FROM cleared c WHERE c.user = p.user AND c.conversation = ? AND c.message_seq >= ?)
		ORDER BY p.place`, key, key, seq, key, seq)
	return seers, err
}

// touchMember marks what is a member's own of a group as changed by a commit.
func touchMember(c *conn, key []byte, u id.User, commit int64) error {
	_, err := c.exec("UPDATE members SET changed = ? WHERE conversation = ? AND user = ?", commit, key, u[:])
	return err
}
