package wire

import (
	"github.com/go-json-experiment/json"

	"pryde/internal/id"
)

// RoomJoined tells a socket that it is in the room of its user.
type RoomJoined struct {
	Room       Room    `json:"room"`
	UserID     id.User `json:"userId"`
	SocketID   string  `json:"socketId"`
	AutoJoined bool    `json:"autoJoined,omitzero"` // on connecting, not in reply to join
}

// Pong answers a ping.
type Pong struct {
	Status    string  `json:"status"` // always "ok"
	UserID    id.User `json:"userId"`
	Timestamp int64   `json:"timestamp"` // milliseconds since 1970
}

// Echo returns what was sent.
type Echo struct {
	Echo      Raw     `json:"echo"`
	Timestamp int64   `json:"timestamp"` // milliseconds since 1970
	UserID    id.User `json:"userId"`
}

// PresenceUpdate tells that a person came or went.
type PresenceUpdate struct {
	UserID id.User `json:"userId"`
	Online bool    `json:"online"`
}

// UserRef names a person.
type UserRef struct {
	UserID id.User `json:"userId"`
}

// OnlineCount is the number of people who are online.
type OnlineCount struct {
	Count int `json:"count"`
}

// Typed says that somebody is writing, or has stopped, in a conversation or a group.
type Typed struct {
	RecipientID id.User  `json:"recipientId,omitzero"`
	GroupChatID id.Group `json:"groupChatId,omitzero"` // instead of recipientId
	IsTyping    bool     `json:"isTyping"`
}

// Typing tells that somebody is writing to you, or has stopped.
type Typing struct {
	UserID   id.User `json:"userId"`
	IsTyping bool    `json:"isTyping"`
}

// GroupTyping tells that somebody is writing in a group, or has stopped.
type GroupTyping struct {
	GroupChatID id.Group `json:"groupChatId"`
	UserID      id.User  `json:"userId"`
	IsTyping    bool     `json:"isTyping"`
}

// ConnectionLimit tells a socket that it must leave because its user has too many.
type ConnectionLimit struct {
	Message string `json:"message"`
}

// ForceLogout tells a socket that its session is over.
type ForceLogout struct {
	Reason string `json:"reason"`
	Final  bool   `json:"final,omitzero"` // nothing to tell the person about
}

// JoinRoom names the room to join: as a text (the user's id) or as an object.
type JoinRoom struct {
	Room   string `json:"room"`   // "user_" and the user's id
	UserID string `json:"userId"` // or the id alone
}

// UnmarshalJSON takes the text form too.
func (j *JoinRoom) UnmarshalJSON(b []byte) error {
	type object JoinRoom
	*j = JoinRoom{}
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &j.UserID)
	}
	return json.Unmarshal(b, (*object)(j))
}
