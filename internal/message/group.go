package message

import (
	"context"
	"slices"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/order"
)

// MaxMembers is how many people a group has at most.
const MaxMembers = 1_000

// A Group is a group as it stands.
type Group struct {
	ID          id.Group
	Name        string
	Description string
	Avatar      string // URL or path
	Creator     id.User
	Members     []Member // in the order in which they came; none where the group is deleted
	CreatedAt   time.Time
	UpdatedAt   time.Time // of the last change of the group itself
	Changed     order.Seq // of the last commit that changed the group itself, not of messages
}

// A Member is somebody in a group.
type Member struct {
	User     id.User
	Admin    bool
	JoinedAt time.Time
}

// Member returns what somebody is in the group.
func (g Group) Member(u id.User) (Member, bool) {
	i := slices.IndexFunc(g.Members, func(m Member) bool { return m.User == u })
	if i < 0 {
		return Member{}, false
	}
	return g.Members[i], true
}

// A Seat is a group as one of its members has it.
type Seat struct {
	Group    Group
	Last     *Message   // the newest one that the member can see; nil where there is none
	Unread   int        // messages of others after the cursor, deleted and hidden ones not counted
	ReadUpTo id.Message // how far the member has read; zero at first
	ReadAt   time.Time
	Settings Settings
	Changed  order.Seq // of the last commit that changed the group, a message in it, or what is the member's own
}

// A Cursor is how far a member of a group has read, and how far messages have reached their
// devices. What is read was delivered.
type Cursor struct {
	Group       id.Group
	User        id.User
	Read        order.Seq // place of the message; 0 at first
	ReadID      id.Message
	ReadAt      time.Time // when it was last moved by reading; zero where it never was
	Delivered   order.Seq
	DeliveredID id.Message
	DeliveredAt time.Time // when it was last moved; zero where it never was
	Changed     order.Seq
}

// Left says since when a person is no longer in a group.
type Left struct {
	Group id.Group
	Seq   order.Seq
}

// What a store answers about groups.
var (
	ErrNoGroup   = fault.NotFound("GROUP_NOT_FOUND", "Group not found")
	ErrNotMember = fault.Forbidden("NOT_A_MEMBER", "Not a member of this group chat")
)

// A GroupStore keeps groups: one row for a group with its newest message, and one for each
// member with what is the member's own, which a message to the group does not touch. The rules
// of Store hold: each method is atomic, and what changes something takes the next number. Messages
// of groups are kept by the methods of Store.
type GroupStore interface {
	// CreateGroup stores a new group and returns it with its number. It is ErrBlocked where the
	// creator and one of the members block each other by the time of the commit.
	CreateGroup(ctx context.Context, g Group) (Group, error)
	// Group returns a group, or ErrNoGroup where there is none or it is deleted.
	Group(ctx context.Context, g id.Group) (Group, error)
	// ChangeGroup lets set change a group, and returns it as it was and as it is. set runs where
	// writes are serialised: it only looks at what it is given. Its error is the answer, and
	// nothing has changed then. Whoever set adds to the members comes in with the cursor at the
	// newest message, which they have not read (no ReadAt, no DeliveredAt), and is ErrBlocked where
	// by and they block each other. Whoever it takes away is out: their cursor, settings and draft are
	// gone, what they deleted for themselves stays so, and Since says that they have left. A group
	// without members is deleted; after has its number all the same. Where set changes nothing no
	// number is taken, and after is before.
	ChangeGroup(ctx context.Context, g id.Group, by id.User, at time.Time, set func(*Group) error) (before, after Group, err error)
	// Seats returns the groups of a person, that with the newest message or the newest change of
	// the group itself first, older than the one of before (zero: all).
	Seats(ctx context.Context, u id.User, before id.Group, limit int) (Page[Seat], error)
	// Seat returns a group as somebody has it. It is ErrNoGroup where there is none, and
	// ErrNotMember where they are not in it.
	Seat(ctx context.Context, g id.Group, u id.User) (Seat, error)
	// Cursors returns how far the members of a group have read.
	Cursors(ctx context.Context, g id.Group) ([]Cursor, error)
	// UnreadInGroups returns the unread messages of a person, per group, zero counts left out.
	UnreadInGroups(ctx context.Context, u id.User) (map[id.Group]int, error)
	// ArrangeGroup changes what a member has set for a group, and reports whether anything
	// changed. Of Settings a group has Archived, Muted, MutedUntil and MarkedUnread.
	ArrangeGroup(ctx context.Context, g id.Group, u id.User, at time.Time, set func(*Settings)) (Seat, bool, error)
	// ClearGroup hides every message that a member can see in a group from that member.
	ClearGroup(ctx context.Context, g id.Group, u id.User) error
}
