package httpapi

import (
	"context"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Groups are the operations behind the routes of groups.
type Groups interface {
	Groups(ctx context.Context, who auth.Identity, q wire.GroupQuery) (wire.Page[wire.GroupRow], error)
	Group(ctx context.Context, who auth.Identity, g id.Group) (wire.GroupSeat, error)
	CreateGroup(ctx context.Context, who auth.Identity, in wire.NewGroup) (wire.Outcome[wire.Group], error)
	ChangeGroup(ctx context.Context, who auth.Identity, g id.Group, in wire.GroupChange) (wire.Outcome[wire.Group], error)
	AddMembers(ctx context.Context, who auth.Identity, g id.Group, in wire.GroupMembers) (wire.Outcome[wire.Group], error)
	RemoveMember(ctx context.Context, who auth.Identity, g id.Group, in wire.GroupMemberRef) (wire.Outcome[wire.Group], error)
	SetAdmin(ctx context.Context, who auth.Identity, g id.Group, in wire.GroupRole) (wire.Outcome[wire.Group], error)
	Leave(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.GroupLeft], error)
	GroupThread(ctx context.Context, who auth.Identity, g id.Group, q wire.ListQuery) (wire.Page[wire.Message], error)
	GroupMedia(ctx context.Context, who auth.Identity, g id.Group, q wire.MediaQuery) (wire.Media, error)

	ArchiveGroup(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationChanged], error)
	UnarchiveGroup(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationChanged], error)
	MuteGroup(ctx context.Context, who auth.Identity, g id.Group, in wire.Muting) (wire.Outcome[wire.ConversationMuted], error)
	UnmuteGroup(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationChanged], error)
	MarkGroupUnread(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationChanged], error)
	UnmarkGroupUnread(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationMarkedRead], error)
	ReadUpTo(ctx context.Context, who auth.Identity, in wire.ReadUpTo) (wire.Outcome[wire.LastReadUpdated], error)
	ClearGroup(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.ConversationDeleted], error)
	SaveDraft(ctx context.Context, who auth.Identity, in wire.NewDraft) (wire.Outcome[wire.SavedDraft], error)
}

// BindGroups binds the routes of groups.
func BindGroups(a *API, ops Groups) {
	Bind(a, wire.PostGroup, func(ctx context.Context, c Call, in wire.NewGroup) (Answer, error) {
		return outcome(ops.CreateGroup(ctx, c.Who, in))
	})
	bindTo(a, wire.PutGroup, "id", ops.ChangeGroup)
	bindTo(a, wire.PostMembers, "id", ops.AddMembers)
	bindTo(a, wire.PostMemberGone, "id", ops.RemoveMember)
	bindTo(a, wire.PostAdmin, "id", func(ctx context.Context, who auth.Identity, g id.Group, in wire.GroupMemberRef) (wire.Outcome[wire.Group], error) {
		return ops.SetAdmin(ctx, who, g, wire.GroupRole{MemberID: in.MemberID, Admin: true})
	})
	Bind(a, wire.DeleteAdmin, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		g, err := param[id.Group](c, "id")
		if err != nil {
			return Answer{}, err
		}
		member, err := param[id.User](c, "userId")
		if err != nil {
			return Answer{}, err
		}
		return outcome(ops.SetAdmin(ctx, c.Who, g, wire.GroupRole{MemberID: member}))
	})
	bindOf(a, wire.PostGroupLeave, "id", ops.Leave)
	bindGroupReads(a, ops)
	bindSeat(a, ops)
}

func bindGroupReads(a *API, ops Groups) {
	Bind(a, wire.GetGroups, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		q, err := c.groups()
		if err != nil {
			return Answer{}, err
		}
		return page(ops.Groups(ctx, c.Who, q))
	})
	Bind(a, wire.GetGroup, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		g, err := param[id.Group](c, "id")
		if err != nil {
			return Answer{}, err
		}
		return plain(ops.Group(ctx, c.Who, g))
	})
	Bind(a, wire.GetGroupMessages, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		g, err := param[id.Group](c, "groupId")
		if err != nil {
			return Answer{}, err
		}
		q, err := c.list()
		if err != nil {
			return Answer{}, err
		}
		return page(ops.GroupThread(ctx, c.Who, g, q))
	})
	Bind(a, wire.GetGroupMedia, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		g, err := param[id.Group](c, "groupId")
		if err != nil {
			return Answer{}, err
		}
		q, err := c.media()
		if err != nil {
			return Answer{}, err
		}
		return plain(ops.GroupMedia(ctx, c.Who, g, q))
	})
}

// bindSeat binds what a member sets for a group.
func bindSeat(a *API, ops Groups) {
	bindOf(a, wire.PostGroupArchive, "id", ops.ArchiveGroup)
	bindOf(a, wire.PostGroupUnarchive, "id", ops.UnarchiveGroup)
	bindTo(a, wire.PostGroupMute, "id", ops.MuteGroup)
	bindOf(a, wire.PostGroupUnmute, "id", ops.UnmuteGroup)
	bindOf(a, wire.PostGroupMarkUnread, "id", ops.MarkGroupUnread)
	bindOf(a, wire.DeleteGroupMarkUnread, "id", ops.UnmarkGroupUnread)
	bindOf(a, wire.DeleteGroupMessages, "id", ops.ClearGroup)
	bindTo(a, wire.PutGroupLastRead, "id", func(ctx context.Context, who auth.Identity, g id.Group, in wire.LastRead) (wire.Outcome[wire.LastReadUpdated], error) {
		return ops.ReadUpTo(ctx, who, wire.ReadUpTo{GroupChatID: g, LastReadMessageID: in.MessageID})
	})
	bindTo(a, wire.PutGroupDraft, "id", func(ctx context.Context, who auth.Identity, g id.Group, in wire.DraftText) (wire.Outcome[wire.SavedDraft], error) {
		return ops.SaveDraft(ctx, who, wire.NewDraft{GroupChatID: g, Text: in.Text, ReplyTo: in.ReplyTo})
	})
}

// groups reads the parameters of the list of groups.
func (c Call) groups() (wire.GroupQuery, error) {
	limit, err := c.limit()
	if err != nil {
		return wire.GroupQuery{}, err
	}
	q := wire.GroupQuery{Limit: limit}
	if params := c.http.URL.Query(); params.Has("before") {
		if q.Before, err = id.Parse[id.Group](params.Get("before")); err != nil {
			return wire.GroupQuery{}, errBadCursor
		}
	}
	return q, nil
}
