package export

import (
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/people"
)

// Format is the version of the shapes below. A field may be added within one; one that changes or
// goes makes another.
const Format = 1

// About is about.json. Where it is not there the export is not whole.
type About struct {
	Format    int       `json:"format"`
	Person    Person    `json:"person"`
	WrittenAt time.Time `json:"writtenAt"`
	Messages  int       `json:"messages"`
	Files     int       `json:"files"`
}

// A Person is somebody; only the id where the account is gone.
type Person struct {
	ID          id.User `json:"id"`
	Username    string  `json:"username,omitzero"`
	DisplayName string  `json:"displayName,omitzero"`
}

// A Profile is profile.json.
type Profile struct {
	Person
	Email         string         `json:"email"`
	EmailVerified bool           `json:"emailVerified"`
	ProfilePhoto  string         `json:"profilePhoto"`
	Role          string         `json:"role"`
	CreatedAt     time.Time      `json:"createdAt,omitzero"`
	Active        bool           `json:"active"`
	Deleted       bool           `json:"deleted"`
	Details       people.Details `json:"details"`
	Settings      Settings       `json:"settings"`
}

// Settings are what a person has set for others.
type Settings struct {
	WhoCanMessage  string `json:"whoCanMessage"`
	WhoSeesProfile string `json:"whoSeesProfile,omitzero"`
}

// A Session is one of sessions.json, without what would let anybody in.
type Session struct {
	CreatedAt  time.Time `json:"createdAt,omitzero"`
	LastActive time.Time `json:"lastActive,omitzero"`
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`
	UserAgent  string    `json:"userAgent"`
	Address    string    `json:"address"`
}

// A Block is one of blocks.json.
type Block struct {
	Person Person    `json:"person"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Followed is follows.json.
type Followed struct {
	Following []Person `json:"following"`
	Followers []Person `json:"followers"`
}

// A Draft is one of drafts.json.
type Draft struct {
	With    id.User    `json:"with,omitzero"`
	Group   id.Group   `json:"group,omitzero"`
	Text    string     `json:"text"`
	ReplyTo id.Message `json:"replyTo,omitzero"`
	At      time.Time  `json:"at"`
}

// ConversationSettings are what the person has set for a conversation.
type ConversationSettings struct {
	Archived     bool      `json:"archived"`
	Muted        bool      `json:"muted"`
	MutedUntil   time.Time `json:"mutedUntil,omitzero"`
	MarkedUnread time.Time `json:"markedUnread,omitzero"`
}

func settingsOf(s message.Settings) ConversationSettings {
	return ConversationSettings{Archived: s.Archived, Muted: s.Muted, MutedUntil: s.MutedUntil, MarkedUnread: s.MarkedUnread}
}

// A Conversation is one of conversations.json. File has its messages.
type Conversation struct {
	With     Person     `json:"with"`
	File     string     `json:"file"`
	Messages int        `json:"messages"`
	Unread   int        `json:"unread"`
	ReadUpTo id.Message `json:"readUpTo,omitzero"`
	ConversationSettings
}

// A Group is one of groups.json. File has its messages.
type Group struct {
	ID          id.Group   `json:"id"`
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Avatar      string     `json:"avatar"`
	CreatedAt   time.Time  `json:"createdAt"`
	Members     []Member   `json:"members"`
	File        string     `json:"file"`
	Messages    int        `json:"messages"`
	Unread      int        `json:"unread"`
	ReadUpTo    id.Message `json:"readUpTo,omitzero"`
	ConversationSettings
}

// A Member is somebody in a group.
type Member struct {
	Person
	Admin    bool      `json:"admin"`
	JoinedAt time.Time `json:"joinedAt"`
}

// A Message is one of a file of messages, which has the newest first.
type Message struct {
	ID           id.Message `json:"id"`
	From         id.User    `json:"from"`
	To           id.User    `json:"to,omitzero"`
	Group        id.Group   `json:"group,omitzero"`
	At           time.Time  `json:"at"`
	EditedAt     time.Time  `json:"editedAt,omitzero"`
	DeletedAt    time.Time  `json:"deletedAt,omitzero"`
	Content      string     `json:"content"`
	Attachment   string     `json:"attachment,omitzero"`
	Voice        string     `json:"voice,omitzero"`
	VoiceSeconds float64    `json:"voiceSeconds,omitzero"`
	Warning      string     `json:"warning,omitzero"`
	ReplyTo      id.Message `json:"replyTo,omitzero"`
	Read         bool       `json:"read,omitzero"` // by the other person
	Reactions    []Reaction `json:"reactions,omitzero"`
	Earlier      []Version  `json:"earlier,omitzero"` // texts of a message of the person's own, oldest first
}

// A Reaction is one to a message.
type Reaction struct {
	From  id.User   `json:"from"`
	Emoji string    `json:"emoji"`
	At    time.Time `json:"at"`
}

// A Version is a text that a message had before it was edited.
type Version struct {
	Content string    `json:"content"`
	At      time.Time `json:"at"`
}

// A File is one of files.json.
type File struct {
	File    string    `json:"file"`
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Type    string    `json:"type"`
	Size    int64     `json:"size"` // bytes
	At      time.Time `json:"at"`
	Missing bool      `json:"missing,omitzero"` // it is not there any more
}
