package message

import (
	"time"

	"pryde/internal/id"
	"pryde/internal/wire"
)

const (
	// maxListed is how many members, and how many admins, a list shows of a group.
	maxListed = 100
	// maxListedTogether is how many a list shows of all its groups together.
	maxListedTogether = 10_000
)

// listed returns how many members a list of so many groups shows of each.
func listed(groups int) int { return min(maxListed, maxListedTogether/max(1, groups)) }

// groupPeople returns whom a group shows that shows its first members.
func groupPeople(g Group, first int) []id.User {
	us := []id.User{g.Creator}
	admins := 0
	for i, m := range g.Members {
		if m.Admin {
			admins++
		}
		if i < first || m.Admin && admins <= first {
			us = append(us, m.User)
		}
	}
	return us
}

// card tells the members of a group what it is now.
func card(g Group) wire.GroupCard {
	return wire.GroupCard{
		GroupChatID: g.ID, Name: g.Name, Description: g.Description, Avatar: g.Avatar, MemberCount: len(g.Members), UpdatedAt: g.UpdatedAt,
	}
}

func groupHead(g Group, first int, known map[id.User]wire.Person) wire.GroupHead {
	return wire.GroupHead{
		ID: g.ID, Name: g.Name, Description: g.Description, Avatar: g.Avatar,
		Members: groupMembers(g.Members[:min(first, len(g.Members))], known), MemberCount: len(g.Members),
		CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt, Seq: g.Changed,
	}
}

func groupMembers(ms []Member, known map[id.User]wire.Person) []wire.GroupMember {
	out := make([]wire.GroupMember, len(ms))
	for i, m := range ms {
		out[i] = groupMember(m, known)
	}
	return out
}

func groupMember(m Member, known map[id.User]wire.Person) wire.GroupMember {
	p := person(m.User, known)
	return wire.GroupMember{
		ID: p.ID, UserID: p.ID, Username: p.Username, DisplayName: p.DisplayName, ProfilePhoto: p.ProfilePhoto,
		IsAdmin: m.Admin, JoinedAt: m.JoinedAt,
	}
}

// creator returns who made the group, as a member where they still are one.
func (g Group) creator() Member {
	if m, ok := g.Member(g.Creator); ok {
		return m
	}
	return Member{User: g.Creator}
}

// admins returns the admins of the group, in the order in which they came into it.
func (g Group) admins() []Member {
	var out []Member
	for _, m := range g.Members {
		if m.Admin {
			out = append(out, m)
		}
	}
	return out
}

// projectGroup shows a group with all its members.
func projectGroup(g Group, known map[id.User]wire.Person) wire.Group {
	return wire.Group{
		GroupHead: groupHead(g, len(g.Members), known), Creator: groupMember(g.creator(), known), Admins: groupMembers(g.admins(), known),
	}
}

// projectSeat shows a group with all its members as one of them has it.
func projectSeat(st Seat, sc scene, now time.Time) wire.GroupSeat {
	g := projectGroup(st.Group, sc.known)
	g.UpdatedAt = st.updatedAt()
	return wire.GroupSeat{GroupHead: g.GroupHead, Creator: g.Creator, Admins: g.Admins, GroupOwn: groupOwn(st, sc, now)}
}

// projectGroupRow shows a group with its first members as a row of its member's list.
func projectGroupRow(st Seat, first int, sc scene, now time.Time) wire.GroupRow {
	row := wire.GroupRow{GroupHead: groupHead(st.Group, first, sc.known), Creator: st.Group.Creator, GroupOwn: groupOwn(st, sc, now)}
	row.UpdatedAt = st.updatedAt()
	for _, m := range st.Group.admins() {
		if len(row.Admins) < first {
			row.Admins = append(row.Admins, m.User)
		}
	}
	return row
}

// updatedAt is when something last happened in the group that its member can see.
func (st Seat) updatedAt() time.Time {
	if st.Last != nil && st.Last.CreatedAt.After(st.Group.UpdatedAt) {
		return st.Last.CreatedAt
	}
	return st.Group.UpdatedAt
}

func groupOwn(st Seat, sc scene, now time.Time) wire.GroupOwn {
	own := wire.GroupOwn{
		UnreadCount: st.Unread, ManuallyUnread: !st.Settings.MarkedUnread.IsZero(), LastReadMessageID: mark(st.ReadUpTo),
		Archived: st.Settings.Archived, Muted: st.Settings.MutedAt(now),
	}
	if own.Muted {
		own.MutedUntil = whenSet(st.Settings.MutedUntil)
	}
	if st.Last != nil {
		own.LastMessage = sc.last(*st.Last)
	}
	return own
}

// projectGroupState shows what a member has set for a group.
func projectGroupState(st Seat, u id.User, key [32]byte, now time.Time) wire.ConversationState {
	g := st.Group
	w := wire.ConversationState{
		ID: conversationID(key, InGroup(g.ID)), GroupChat: &g.ID, CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt,
	}
	own(&w, u, st.Settings, st.ReadUpTo, st.ReadAt, now)
	return w
}
