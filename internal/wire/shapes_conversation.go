package wire

import (
	"time"

	"pryde/internal/id"
)

type conversation struct{}

// ConversationID identifies a conversation; it is the same for all who take part.
type ConversationID = id.ID[conversation]

// A ConversationState is what a person has set for a conversation. The lists name the person
// alone: what the other one has set is theirs to know.
type ConversationState struct {
	ID                ConversationID `json:"_id"`
	Participants      []id.User      `json:"participants"` // both people; one for notes to oneself; none for a group
	GroupChat         *id.Group      `json:"groupChat"`    // null between people
	ArchivedBy        []id.User      `json:"archivedBy"`
	MutedBy           []MutedBy      `json:"mutedBy"`
	UnreadFor         []UnreadFor    `json:"unreadFor"`
	LastReadMessageID []LastReadBy   `json:"lastReadMessageId"`
	CreatedAt         time.Time      `json:"createdAt"`
	UpdatedAt         time.Time      `json:"updatedAt"`
	Version           int            `json:"__v"` // always 0
}

// MutedBy says until when a person does not want to be told of new messages.
type MutedBy struct {
	User       id.User    `json:"user"`
	MutedUntil *time.Time `json:"mutedUntil"` // null: until they say otherwise
}

// UnreadFor says since when a person has marked a conversation as unread.
type UnreadFor struct {
	User           id.User   `json:"user"`
	MarkedUnreadAt time.Time `json:"markedUnreadAt"`
}

// LastReadBy says how far a person has read, and since when.
type LastReadBy struct {
	User      id.User    `json:"user"`
	MessageID id.Message `json:"messageId"`
	UpdatedAt time.Time  `json:"updatedAt"`
}

// ConversationChanged answers a change of what a person has set for a conversation.
type ConversationChanged struct {
	Message      string             `json:"message"`
	Conversation *ConversationState `json:"conversation"` // null where there is none
}

// ConversationMuted answers a muting.
type ConversationMuted struct {
	Message      string            `json:"message"`
	Conversation ConversationState `json:"conversation"`
	MutedUntil   *time.Time        `json:"mutedUntil"` // null: until the person says otherwise
}

// ConversationMarkedRead answers that a conversation is no longer marked as unread.
type ConversationMarkedRead struct {
	Message      string             `json:"message"`
	Conversation *ConversationState `json:"conversation,omitzero"` // absent where there is none
}

// ConversationDeleted answers the deletion of a conversation for oneself.
type ConversationDeleted struct {
	Message string `json:"message"`
}

// Muting says for how long a person wants no notice of new messages.
type Muting struct {
	Duration *float64 `json:"duration"` // hours, more than 0 and at most 87,600; null: until they say otherwise
}

// LastRead names the message up to which a person has read.
type LastRead struct {
	MessageID id.Message `json:"messageId"`
}

// LastReadUpdated answers how far a person has read now.
type LastReadUpdated struct {
	Message           string     `json:"message"`
	LastReadMessageID id.Message `json:"lastReadMessageId"`
}

// ReadUpTo is what a client sends to say how far it has read in a conversation.
type ReadUpTo struct {
	ConversationWith  id.User    `json:"conversationWith,omitzero"`
	GroupChatID       id.Group   `json:"groupChatId,omitzero"` // instead of conversationWith
	LastReadMessageID id.Message `json:"lastReadMessageId"`
}

// ConversationRead tells both people of a conversation how far one of them has read.
type ConversationRead struct {
	ConversationWith  id.User    `json:"conversationWith"` // the other person, as seen by whoever hears this
	LastReadMessageID id.Message `json:"lastReadMessageId"`
	UserID            id.User    `json:"userId"` // who has read
}

// MessageRef names a message.
type MessageRef struct {
	MessageID id.Message `json:"messageId"`
}

// MessageDelivered tells that a message, and those before it, have reached a device of their
// recipient.
type MessageDelivered struct {
	MessageID   id.Message `json:"messageId"`
	GroupChatID id.Group   `json:"groupChatId,omitzero"` // where it was sent to a group
	UserID      id.User    `json:"userId"`               // the recipient
	DeliveredAt time.Time  `json:"deliveredAt,omitzero"` // absent where a recovered socket is told what it missed
}

// Noted acknowledges an event that has no other answer.
type Noted struct {
	Success bool `json:"success"` // always true
}

// Note shows whatever an event led to as done.
func Note[T any](T) Noted { return Noted{Success: true} }

// A DraftText is what a person has written and not sent.
type DraftText struct {
	Text    string     `json:"text"` // at most 10,000 characters; empty, and no replyTo: nothing is kept any more
	ReplyTo id.Message `json:"replyTo,omitzero"`
}

// A NewDraft is what a person has written and not sent in a conversation.
type NewDraft struct {
	ConversationWith id.User
	GroupChatID      id.Group // instead of ConversationWith
	Text             string
	ReplyTo          id.Message
}

// A SavedDraft is what is kept of what a person has written in a conversation and not sent:
// nothing where text is empty and replyTo is null.
type SavedDraft struct {
	ConversationWith id.User     `json:"conversationWith,omitzero"`
	GroupChatID      id.Group    `json:"groupChatId,omitzero"` // instead of conversationWith
	Text             string      `json:"text"`
	ReplyTo          *id.Message `json:"replyTo"`
	UpdatedAt        time.Time   `json:"updatedAt"`
}

// A MediaQuery asks for a part of the attachments of a conversation.
type MediaQuery struct {
	Limit int // rows, 1 to 100
	Skip  int // how many of the newest to leave out
}

// Media are the attachments of a conversation, newest first.
type Media struct {
	Media   []MediaItem `json:"media"`
	HasMore bool        `json:"hasMore"`
}

// A MediaItem is one attachment.
type MediaItem struct {
	ID         id.Message `json:"_id"`
	Attachment string     `json:"attachment"`
	Sender     Person     `json:"sender"`
	CreatedAt  time.Time  `json:"createdAt"`
}

// A MessageQuery asks for messages by their words.
type MessageQuery struct {
	Text string
	ListQuery
}

// A Found is a page of what a search found.
type Found struct {
	Page[Message]
	Incomplete bool // it stops before the oldest messages: they are not looked through yet
}
