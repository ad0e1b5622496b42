package wire

import (
	"time"

	"pryde/internal/id"
	"pryde/internal/order"
)

// A Person is somebody as others see them beside a message.
type Person struct {
	ID           id.User `json:"_id"`
	Username     string  `json:"username"`
	DisplayName  string  `json:"displayName"`
	ProfilePhoto string  `json:"profilePhoto"`
}

// A Message is a message as its participants see it: between two people, or in a group.
type Message struct {
	ID              id.Message    `json:"_id"`
	Seq             order.Seq     `json:"seq"` // its place in the order of its conversation
	Sender          Person        `json:"sender"`
	Recipient       Person        `json:"recipient,omitzero"` // absent in a group
	GroupChat       *id.Group     `json:"groupChat"`          // null in a direct message
	Content         string        `json:"content"`            // plain text
	Attachment      *string       `json:"attachment"`
	VoiceNote       *VoiceNote    `json:"voiceNote,omitzero"`
	ContentWarning  *string       `json:"contentWarning,omitzero"` // what the content may upset; shown in its place at first
	ReplyTo         *id.Message   `json:"replyTo,omitzero"`        // the message that it answers
	Quote           *Quote        `json:"quote,omitzero"`          // the beginning of that message, as far as the reader can see it
	Read            bool          `json:"read"`                    // the recipient has read it; in a group, somebody has
	ReadBy          []ReadBy      `json:"readBy"`                  // members of the group, at most 50; empty in a direct message
	DeliveredTo     []DeliveredTo `json:"deliveredTo"`             // the same of devices that it has reached
	ReadCount       int           `json:"readCount,omitzero"`      // members who have read it, those included whom readBy leaves out
	DeliveredCount  int           `json:"deliveredCount,omitzero"` // members whom it has reached
	Edited          bool          `json:"edited"`
	EditedAt        time.Time     `json:"editedAt,omitzero"`
	Reactions       []Reaction    `json:"reactions"`
	IsDeletedForAll bool          `json:"isDeletedForAll"`
	DeletedForAll   *Deletion     `json:"deletedForAll,omitzero"`
	DeletedFor      []DeletedBy   `json:"deletedFor"`
	IsDeleted       bool          `json:"isDeleted,omitzero"`   // a tombstone: content and attachment are gone
	DeletedType     string        `json:"deletedType,omitzero"` // "all" for a tombstone
	CreatedAt       time.Time     `json:"createdAt"`
	Version         int           `json:"__v"`                  // always 0
	TempID          string        `json:"_tempId,omitzero"`     // the sender's own name for it; sent to the sender only
	MessageID       *id.Message   `json:"messageId,omitzero"`   // in message:edited and group:message_edited: the same as _id
	GroupChatID     *id.Group     `json:"groupChatId,omitzero"` // in group:message_edited: the same as groupChat
}

// A VoiceNote is a recorded voice.
type VoiceNote struct {
	URL      string  `json:"url"`      // as the upload answered it
	Duration float64 `json:"duration"` // seconds
}

// A Quote is the short form of a message in its answers, as it is when it is read.
type Quote struct {
	ID        id.Message `json:"_id"`
	Sender    Person     `json:"sender"`
	Content   string     `json:"content"`   // at most 100 characters; empty where it is deleted
	IsDeleted bool       `json:"isDeleted"` // for everyone, or for whoever reads the answer
}

// A ReadBy says that a member of a group has read a message, and when they last read in it.
type ReadBy struct {
	User   Member    `json:"user"`
	ReadAt time.Time `json:"readAt"`
}

// A DeliveredTo says that a message has reached a device of a member of a group.
type DeliveredTo struct {
	User        Member    `json:"user"`
	DeliveredAt time.Time `json:"deliveredAt,omitzero"` // absent where it is not known any more
}

// A Member is somebody in a list of receipts.
type Member struct {
	ID       id.User `json:"_id"`
	Username string  `json:"username"`
}

// A Reaction is one person's emoji on a message.
type Reaction struct {
	User      id.User   `json:"user"`
	Emoji     string    `json:"emoji"`
	CreatedAt time.Time `json:"createdAt"`
}

// A Deletion says who deleted a message for everyone.
type Deletion struct {
	By id.User   `json:"by"`
	At time.Time `json:"at"`
}

// DeletedBy says that a person deleted a message for themselves.
type DeletedBy struct {
	User      id.User   `json:"user"`
	DeletedAt time.Time `json:"deletedAt"`
}

// A LastMessage is the newest message of a conversation or a group in the list, with plain ids.
type LastMessage struct {
	ID              id.Message    `json:"_id"`
	Seq             order.Seq     `json:"seq"`
	Sender          id.User       `json:"sender"`
	Recipient       id.User       `json:"recipient,omitzero"` // absent in a group
	GroupChat       *id.Group     `json:"groupChat"`
	Content         string        `json:"content"`
	Attachment      *string       `json:"attachment"`
	VoiceNote       *VoiceNote    `json:"voiceNote,omitzero"`
	ContentWarning  *string       `json:"contentWarning,omitzero"`
	ReplyTo         *id.Message   `json:"replyTo,omitzero"`
	Read            bool          `json:"read"`
	ReadBy          []ReadBy      `json:"readBy"`      // always empty
	DeliveredTo     []DeliveredTo `json:"deliveredTo"` // always empty
	Edited          bool          `json:"edited"`
	EditedAt        time.Time     `json:"editedAt,omitzero"`
	Reactions       []Reaction    `json:"reactions"`
	IsDeletedForAll bool          `json:"isDeletedForAll"`
	DeletedFor      []DeletedBy   `json:"deletedFor"`
	CreatedAt       time.Time     `json:"createdAt"`
	Version         int           `json:"__v"`
}

// A Conversation is one row of the list.
type Conversation struct {
	ID                    id.User      `json:"_id"`         // the other person; oneself for notes
	LastMessage           *LastMessage `json:"lastMessage"` // null where everything is deleted
	UnreadCount           int          `json:"unreadCount"`
	Unread                int          `json:"unread"`         // the same number, by the former name
	OtherUser             *Person      `json:"otherUser"`      // null where the account is gone
	ManuallyUnread        bool         `json:"manuallyUnread"` // the person has marked it as unread
	LastReadMessageID     *id.Message  `json:"lastReadMessageId"`
	PeerLastReadMessageID *id.Message  `json:"peerLastReadMessageId"`      // how far the other person has read
	PeerLastDeliveredID   *id.Message  `json:"peerLastDeliveredMessageId"` // how far messages have reached the other person's devices
	Archived              bool         `json:"archived"`
	Muted                 bool         `json:"muted"`
	MutedUntil            *time.Time   `json:"mutedUntil"` // null where it is not muted, or until the person says otherwise
}

// NewMessage is what a client sends to write to someone, or to a group.
type NewMessage struct {
	RecipientID    id.User    `json:"recipientId,omitzero"`
	GroupChatID    id.Group   `json:"groupChatId,omitzero"` // instead of recipientId
	Content        string     `json:"content"`              // plain text, at most 10,000 characters once trimmed
	Attachment     string     `json:"attachment"`           // URL or path of an uploaded file
	VoiceNote      *VoiceNote `json:"voiceNote,omitzero"`
	ContentWarning string     `json:"contentWarning,omitzero"` // at most 50 characters
	ReplyTo        id.Message `json:"replyTo,omitzero"`        // a message of the same conversation
	TempID         string     `json:"_tempId"`                 // the client's own name for the attempt, at most 128 bytes; makes retries safe
}

// PostedMessage is NewMessage as the REST door takes it.
type PostedMessage struct {
	Recipient      id.User    `json:"recipient,omitzero"`
	GroupChatID    id.Group   `json:"groupChatId,omitzero"`
	Content        string     `json:"content"`
	Attachment     string     `json:"attachment"`
	VoiceNote      *VoiceNote `json:"voiceNote,omitzero"`
	ContentWarning string     `json:"contentWarning,omitzero"`
	ReplyTo        id.Message `json:"replyTo,omitzero"`
	TempID         string     `json:"_tempId"` // or the Idempotency-Key header
}

// A Delivery is what sending a message led to.
type Delivery struct {
	Message   Message
	TempID    string
	Duplicate bool // an earlier attempt had already stored it
}

// Sent shows a delivery as the acknowledgement of the socket.
func (d Delivery) Sent() Sent {
	return Sent{Success: true, MessageID: d.Message.ID, TempID: d.TempID, Duplicate: d.Duplicate}
}

// Sent acknowledges a message.
type Sent struct {
	Success   bool       `json:"success"` // always true
	MessageID id.Message `json:"messageId"`
	TempID    string     `json:"_tempId,omitzero"`
	Duplicate bool       `json:"duplicate,omitzero"` // an earlier attempt had already stored it
}

// A Failure acknowledges an event that was refused.
type Failure struct {
	Error     string    `json:"error"`
	Message   string    `json:"message"` // the same sentence as error
	Code      string    `json:"code"`    // stable and machine-readable
	Timestamp time.Time `json:"timestamp"`
	TempID    string    `json:"_tempId,omitzero"`
}

// EditedContent replaces the text of a message.
type EditedContent struct {
	Content string `json:"content"`
}

// A MessageVersion is a text that a message had before it was edited.
type MessageVersion struct {
	Content string    `json:"content"`
	At      time.Time `json:"at"` // from when on it was shown
}

// Emoji is a reaction to a message.
type Emoji struct {
	Emoji string `json:"emoji"` // at most 10 characters
}

// MessageReaction tells that somebody reacted to a message, or took that back.
type MessageReaction struct {
	MessageID id.Message `json:"messageId"`
	UserID    id.User    `json:"userId"`
	Emoji     string     `json:"emoji"`
	Removed   bool       `json:"removed"`

	GroupChatID id.Group `json:"groupChatId,omitzero"` // where the message is in a group
}

// Deleted answers a deletion.
type Deleted struct {
	Message      string     `json:"message"`
	MessageID    id.Message `json:"messageId"`
	DeleteForAll bool       `json:"deleteForAll"`
}

// MessageDeleted tells that a message is gone. It carries ids only.
type MessageDeleted struct {
	MessageID      id.Message `json:"messageId"`
	DeleteForAll   bool       `json:"deleteForAll"`
	DeletedForUser id.User    `json:"deletedForUser,omitzero"` // set when deleteForAll is false
}

// MessageRead tells of a receipt: the reader's devices hear conversationWith, or groupChatId,
// the sender's readBy. Without a message it tells that a conversation is no longer marked as
// unread.
type MessageRead struct {
	MessageID        id.Message `json:"messageId,omitzero"`
	ConversationWith id.User    `json:"conversationWith,omitzero"`
	GroupChatID      id.Group   `json:"groupChatId,omitzero"`
	ReadBy           id.User    `json:"readBy,omitzero"`
}

// Unread counts the unread messages of a person.
type Unread struct {
	TotalUnread   int             `json:"totalUnread"` // those in groups included
	UnreadByUser  []UnreadByUser  `json:"unreadByUser"`
	UnreadByGroup []UnreadByGroup `json:"unreadByGroup"`
}

// UnreadByUser counts the unread messages that one person sent.
type UnreadByUser struct {
	UserID       id.User `json:"userId"`
	Username     string  `json:"username"`
	DisplayName  string  `json:"displayName"`
	ProfilePhoto string  `json:"profilePhoto"`
	Count        int     `json:"count"`
}

// UnreadByGroup counts the unread messages in one group.
type UnreadByGroup struct {
	GroupChatID id.Group `json:"groupChatId"`
	Count       int      `json:"count"`
}

// A Sync is what changed for a person after an offset, each list in the order of seq.
type Sync struct {
	Seq           Offset             `json:"seq"`      // where to ask from next time
	Reload        bool               `json:"reload"`   // too much changed: load again; only conversations, groups and counts are filled
	Messages      []Message          `json:"messages"` // new ones
	Changed       []Message          `json:"changed"`  // older ones in their newest state
	Deleted       []DeletedMessage   `json:"deleted"`
	Notifications []Notification     `json:"notifications"`
	Conversations []Conversation     `json:"conversations"`
	Groups        []GroupRow         `json:"groups"`
	GroupsLeft    []id.Group         `json:"groupsLeft"` // groups that you are no longer in
	GroupReads    []GroupMessageRead `json:"groupReads"` // how far other members have read
	Counts        Counts             `json:"counts"`
}

// A DeletedMessage is a message that is gone since the offset.
type DeletedMessage struct {
	MessageID        id.Message `json:"messageId"`
	DeleteForAll     bool       `json:"deleteForAll"`
	ConversationWith id.User    `json:"conversationWith,omitzero"`
	GroupChatID      id.Group   `json:"groupChatId,omitzero"` // instead of conversationWith
}

// Counts are the numbers on the badges.
type Counts struct {
	Messages      int `json:"messages"`      // unread messages
	Notifications int `json:"notifications"` // unread notices of the bell
}

// A Notification is a notice as its recipient sees it.
type Notification struct {
	ID        id.Notice `json:"_id"`
	Recipient id.User   `json:"recipient"`
	Sender    *Person   `json:"sender"`
	Type      string    `json:"type"`
	Message   string    `json:"message"`
	Read      bool      `json:"read"`
	Link      string    `json:"link,omitzero"`
	CreatedAt time.Time `json:"createdAt"`
}
