package wire

import (
	"time"

	"pryde/internal/id"
	"pryde/internal/order"
)

// A GroupMember is somebody in a group.
type GroupMember struct {
	ID           id.User   `json:"_id"`
	UserID       id.User   `json:"id"` // the same as _id
	Username     string    `json:"username"`
	DisplayName  string    `json:"displayName"`
	ProfilePhoto string    `json:"profilePhoto"`
	IsAdmin      bool      `json:"isAdmin"`
	JoinedAt     time.Time `json:"joinedAt,omitzero"` // absent for a founder who has left
}

// A GroupHead is what a group shows wherever it is shown.
type GroupHead struct {
	ID          id.Group      `json:"_id"`
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Avatar      string        `json:"avatar"`
	Members     []GroupMember `json:"members"`     // in the order in which they came; in a list the first 100
	MemberCount int           `json:"memberCount"` // exact
	CreatedAt   time.Time     `json:"createdAt"`
	UpdatedAt   time.Time     `json:"updatedAt"` // of the newest message, or of the last change of the group itself
	Seq         order.Seq     `json:"seq"`       // of the last change of the group itself
	Version     int           `json:"__v"`       // always 0
}

// A GroupOwn is what is a member's own of a group.
type GroupOwn struct {
	LastMessage       *LastMessage `json:"lastMessage,omitzero"` // absent where there is none
	UnreadCount       int          `json:"unreadCount"`
	ManuallyUnread    bool         `json:"manuallyUnread"` // the member has marked it as unread
	LastReadMessageID *id.Message  `json:"lastReadMessageId"`
	Archived          bool         `json:"archived"`
	Muted             bool         `json:"muted"`
	MutedUntil        *time.Time   `json:"mutedUntil"` // null where it is not muted, or until the member says otherwise
}

// A Group is a group without what is one member's own.
type Group struct {
	GroupHead
	Creator GroupMember   `json:"creator"`
	Admins  []GroupMember `json:"admins"`
}

// A GroupSeat is a group as one member has it.
type GroupSeat struct {
	GroupHead
	Creator GroupMember   `json:"creator"`
	Admins  []GroupMember `json:"admins"`
	GroupOwn
}

// A GroupRow is a group in the list of one member, its founder and admins by their ids.
type GroupRow struct {
	GroupHead
	Creator id.User   `json:"creator"`
	Admins  []id.User `json:"admins"` // at most 100
	GroupOwn
}

// A GroupQuery asks for a part of the list of groups.
type GroupQuery struct {
	Before id.Group // only what is older; zero: from the newest
	Limit  int      // rows, 1 to 100
}

// NewGroup is what a person says of a group that they found.
type NewGroup struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Avatar      string    `json:"avatar"`    // URL or path of an uploaded file
	MemberIDs   []id.User `json:"memberIds"` // besides the founder; at most 100 at once
}

// GroupChange changes what it names of a group.
type GroupChange struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Avatar      *string `json:"avatar"`
}

// GroupMembers name people who come into a group.
type GroupMembers struct {
	MemberIDs []id.User `json:"memberIds"` // at most 100 at once
}

// A GroupMemberRef names a member of a group.
type GroupMemberRef struct {
	MemberID id.User `json:"memberId"`
}

// A GroupRole says whether a member of a group is an admin from now on.
type GroupRole struct {
	MemberID id.User
	Admin    bool
}

// GroupLeft answers whoever left a group.
type GroupLeft struct {
	Message string `json:"message"`
}

// A GroupCard tells the members that a group is other than it was, or that they are in it now.
// Who the members are is to be loaded.
type GroupCard struct {
	GroupChatID id.Group  `json:"groupChatId"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Avatar      string    `json:"avatar"`
	MemberCount int       `json:"memberCount"`
	UpdatedAt   time.Time `json:"updatedAt"`
}

// GroupRemoved tells somebody that they are no longer in a group.
type GroupRemoved struct {
	GroupChatID id.Group `json:"groupChatId"`
}

// GroupMessageDeleted tells that a message in a group is gone. It carries ids only.
type GroupMessageDeleted struct {
	GroupChatID    id.Group   `json:"groupChatId"`
	MessageID      id.Message `json:"messageId"`
	DeleteForAll   bool       `json:"deleteForAll"`
	DeletedForUser id.User    `json:"deletedForUser,omitzero"` // set when deleteForAll is false
}

// GroupMessageRead tells that a member of a group has read a message, and those before it.
type GroupMessageRead struct {
	GroupChatID id.Group   `json:"groupChatId"`
	MessageID   id.Message `json:"messageId"`
	UserID      id.User    `json:"userId"` // who has read
}
