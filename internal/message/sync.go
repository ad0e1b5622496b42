package message

import (
	"context"
	"fmt"
	"slices"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// maxSync is how many rows a sync carries at most; beyond it a reload is due.
const maxSync = 1_000

var errOffset = fault.Invalid("INVALID_OFFSET", "since is no offset")

// Sync returns what changed for a person after an offset. An offset of another database or
// of the future, more than 1,000 changed rows, and more than MaxChangeBytes of messages ask for
// a reload.
func (s *Service) Sync(ctx context.Context, who auth.Identity, since string) (wire.Sync, error) {
	after, err := wire.ParseOffset(since)
	if err != nil {
		return wire.Sync{}, errOffset.Because(err)
	}
	foreign := after != (wire.Offset{}) && after.Database != s.database
	if foreign {
		after = wire.Offset{}
	}
	c, err := s.store.Since(ctx, who.User, after.Seq, maxSync)
	if err != nil {
		return wire.Sync{}, fmt.Errorf("sync: %w", err)
	}
	future := after.Seq > c.Seq
	if future {
		if c, err = s.store.Since(ctx, who.User, 0, maxSync); err != nil {
			return wire.Sync{}, fmt.Errorf("sync: %w", err)
		}
	}
	return s.synced(ctx, who, c, foreign || future || c.Reload)
}

func (s *Service) synced(ctx context.Context, who auth.Identity, c Changes, reload bool) (wire.Sync, error) {
	rows, err := s.rows(ctx, who.User, c.Rows)
	if err != nil {
		return wire.Sync{}, fmt.Errorf("sync: %w", err)
	}
	groups, err := s.groupRows(ctx, c.Groups)
	if err != nil {
		return wire.Sync{}, fmt.Errorf("sync: %w", err)
	}
	unread, err := s.Unread(ctx, who)
	if err != nil {
		return wire.Sync{}, err
	}
	out := wire.Sync{
		Seq: wire.Offset{Database: s.database, Seq: c.Seq}, Reload: reload,
		Conversations: rows, Groups: groups, Counts: wire.Counts{Messages: unread.TotalUnread},
	}
	if reload {
		return out, nil
	}
	blocked, err := s.people.BlockedWith(ctx, who.User)
	if err != nil {
		return wire.Sync{}, fmt.Errorf("sync: %w", err)
	}
	c.hide(who.User, blocked)
	sc, err := s.sceneOf(ctx, who.User, c.New, c.Changed)
	if err != nil {
		return wire.Sync{}, fmt.Errorf("sync: %w", err)
	}
	out.Messages, out.Changed = sc.showAll(c.New), sc.showAll(c.Changed)
	for _, g := range c.Deleted {
		out.Deleted = append(out.Deleted, wire.DeletedMessage{
			MessageID: g.ID, DeleteForAll: g.ForAll, ConversationWith: g.Peer, GroupChatID: g.Group,
		})
	}
	for _, l := range c.Left {
		out.GroupsLeft = append(out.GroupsLeft, l.Group)
	}
	for _, cur := range c.Cursors {
		if cur.hasRead() && !cur.ReadID.IsZero() {
			out.GroupReads = append(out.GroupReads, wire.GroupMessageRead{GroupChatID: cur.Group, MessageID: cur.ReadID, UserID: cur.User})
		}
	}
	return out, nil
}

// hide takes away what passed between u and those who are apart from them. What was written in a
// group stays.
func (c *Changes) hide(u id.User, blocked map[id.User]bool) {
	apart := func(m Message) bool { return !m.Conversation().IsGroup() && blocked[m.Conversation().Other(u)] }
	c.New, c.Changed = slices.DeleteFunc(c.New, apart), slices.DeleteFunc(c.Changed, apart)
	c.Deleted = slices.DeleteFunc(c.Deleted, func(g Gone) bool { return g.Group.IsZero() && blocked[g.Peer] })
	c.Rows = slices.DeleteFunc(c.Rows, func(r Row) bool { return blocked[r.Peer] })
}
