// Package message carries messages between people, directly and in groups: sending, reading,
// editing and deleting them, and what a person missed. It knows neither sockets nor HTTP nor a
// database.
package message

import (
	"context"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/order"
)

// A Conversation names a conversation of two people, the lower id first; of one person, for
// notes to oneself; or that of a group, in which case Low and High are zero.
type Conversation struct {
	Low, High id.User
	Group     id.Group
}

// Between returns the conversation of two people.
func Between(a, b id.User) Conversation {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return Conversation{Low: a, High: b}
}

// InGroup returns the conversation of a group.
func InGroup(g id.Group) Conversation { return Conversation{Group: g} }

// IsGroup reports whether the conversation is that of a group. Who takes part in it is not told
// by its name: Has, Other and People are for the other kinds.
func (c Conversation) IsGroup() bool { return !c.Group.IsZero() }

// Has reports whether u takes part.
func (c Conversation) Has(u id.User) bool { return u == c.Low || u == c.High }

// Other returns the participant that u talks to: u itself for notes to oneself.
func (c Conversation) Other(u id.User) id.User {
	if u == c.Low {
		return c.High
	}
	return c.Low
}

// People returns the participants, one for notes to oneself.
func (c Conversation) People() []id.User {
	if c.Low == c.High {
		return []id.User{c.Low}
	}
	return []id.User{c.Low, c.High}
}

// A Fingerprint recognises the content of an attempt without keeping it: the first 16 bytes
// of a keyed hash over the conversation, content, attachment, extra and what it replies to. It is
// zero once a message is deleted for all.
type Fingerprint [16]byte

// A Draft is a message on its way into the store.
type Draft struct {
	ID          id.Message
	Sender      id.User
	Recipient   id.User  // zero where it is to a group
	Group       id.Group // zero where it is to a person
	Content     string   // plain text; sealed on its way into the store and nowhere else
	Attachment  string
	Extra       Extra      // sealed like the content
	ReplyTo     id.Message // in the same conversation; zero where it is no reply
	ClientID    string     // the client's own name for the attempt; empty where it gave none
	Fingerprint Fingerprint
	At          time.Time
	// RepeatWindow makes a draft without a client id the same attempt as a message of the same
	// sender, recipient and fingerprint that is at most this old.
	RepeatWindow time.Duration
}

// Conversation returns the conversation that the draft is for.
func (d Draft) Conversation() Conversation {
	if !d.Group.IsZero() {
		return InGroup(d.Group)
	}
	return Between(d.Sender, d.Recipient)
}

// An Extra is what a message has besides its text and its attachment. A store seals it as one
// value, as JSON, and keeps none where it is zero.
type Extra struct {
	VoiceURL     string  `json:"voiceUrl,omitzero"`
	VoiceSeconds float64 `json:"voiceSeconds,omitzero"`
	Warning      string  `json:"warning,omitzero"` // what the content may upset; shown in its place at first
}

// A Reaction is one person's emoji on a message. A person reacts with each emoji at most once.
type Reaction struct {
	User  id.User
	Emoji string
	At    time.Time // whole milliseconds
}

// A Version is a text that a message had before it was edited.
type Version struct {
	Content string
	At      time.Time // from when on it was shown
}

// A Message is a message as the store keeps it.
type Message struct {
	ID          id.Message
	Seq         order.Seq // of the commit that stored it; its place in the conversation
	Changed     order.Seq // of the last commit that changed it; Seq where none has
	Sender      id.User
	Recipient   id.User  // zero in a group
	Group       id.Group // zero between two people
	Content     string
	Attachment  string
	Extra       Extra
	ReplyTo     id.Message // zero where it is no reply
	Reactions   []Reaction // in the order in which they were made
	Fingerprint Fingerprint
	CreatedAt   time.Time // UTC, whole milliseconds; never runs backwards within a conversation
	EditedAt    time.Time // zero where it never was
	DeletedAt   time.Time // for all; content, attachment, extra and reactions are gone; zero where it is not
	Read        bool      // the recipient has read it; false in a group, where Cursors tell it
}

// Conversation returns the conversation that the message belongs to.
func (m Message) Conversation() Conversation {
	if !m.Group.IsZero() {
		return InGroup(m.Group)
	}
	return Between(m.Sender, m.Recipient)
}

// A Row is a conversation as it stands in the list of one participant.
type Row struct {
	Peer     id.User
	Last     *Message   // the newest one that the participant can see; nil where there is none
	Unread   int        // messages of the peer after the read mark, deleted ones not counted
	ReadUpTo id.Message // how far the participant has read; zero at first
	PeerRead id.Message // how far the peer has read; zero at first
	PeerHas  id.Message // how far messages have reached the peer's devices; zero at first
	Settings Settings
	Changed  order.Seq // of the last commit that changed the row
}

// Settings are what a person has set for a conversation.
type Settings struct {
	Archived     bool
	Muted        bool
	MutedUntil   time.Time // zero: until they say otherwise
	MarkedUnread time.Time // zero where they have not marked it
}

// MutedAt reports whether the person wants no notices at a moment.
func (s Settings) MutedAt(t time.Time) bool {
	return s.Muted && (s.MutedUntil.IsZero() || t.Before(s.MutedUntil))
}

// A State is a conversation as one participant has set it.
type State struct {
	User      id.User
	Peer      id.User
	Settings  Settings
	ReadUpTo  id.Message // how far the participant has read; zero at first
	ReadAt    time.Time
	CreatedAt time.Time
	UpdatedAt time.Time // of the participant's last change
	Changed   order.Seq // of the last commit that changed the row
}

// A Receipt is what the reading or the arrival of a message changed.
type Receipt struct {
	Message  Message    // Changed is the commit's number where anything changed
	Read     bool       // the read mark moved
	Unmarked bool       // the mark "unread" went although the read mark did not move
	Arrived  id.Message // the newest message that has reached the person by it, where that is new
}

// Changed reports whether anything did.
func (r Receipt) Changed() bool { return r.Read || r.Unmarked || !r.Arrived.IsZero() }

// A Page is a part of a list, and whether there is more behind it.
type Page[T any] struct {
	Items []T
	More  bool
}

// Changes are what a person can see of the commits after a number, each list in the order
// of seq.
type Changes struct {
	Seq     order.Seq // of the newest commit that they take account of
	Reload  bool      // more rows than asked for, or a block began or ended; only Rows and Seq are filled
	New     []Message // stored since, in their newest state; those deleted since are in Deleted only
	Changed []Message // stored before, changed since
	Deleted []Gone    // deleted since, by the person for themselves or for all; what is both is theirs
	Rows    []Row     // conversations that changed since, by their change; where Reload is set, the 100 with the newest messages
	Groups  []Seat    // the person's groups that changed since, likewise
	Cursors []Cursor  // of other members of these groups that moved since, by their change
	Left    []Left    // groups that the person is no longer in, since
}

// A SavedDraft is what a person has written in a conversation and not sent.
type SavedDraft struct {
	Conversation Conversation
	Text         string     // sealed
	ReplyTo      id.Message // zero where it is no reply
	At           time.Time  // whole milliseconds
}

// Gone names a deleted message.
type Gone struct {
	ID     id.Message
	Peer   id.User  // zero in a group
	Group  id.Group // zero between two people
	ForAll bool
	Seq    order.Seq // of the deletion
}

// What a store answers about messages.
var (
	ErrNoMessage = fault.NotFound("MESSAGE_NOT_FOUND", "Message not found")
	// ErrGone answers a change to a message that is deleted for all.
	ErrGone = fault.NotFound("MESSAGE_DELETED", "Message is deleted")
	// ErrBlocked answers what concerns two people of whom one blocks the other.
	ErrBlocked = fault.Forbidden("CANNOT_INTERACT", "You cannot interact with this user")
	// ErrNoConversation answers a change to a conversation that a person does not have.
	ErrNoConversation = fault.NotFound("CONVERSATION_NOT_FOUND", "No conversation found")
)

// MaxChangeBytes is how much the messages hold together, as they are stored, that Store.Since
// returns: what it returns is in memory at once, for each person who asks.
const MaxChangeBytes = 4 << 20

// Bounds that a store keeps.
const (
	MaxReactions = 100 // of a message
	MaxVersions  = 20  // earlier texts of a message that are kept; the oldest go first
	MaxDrafts    = 200 // saved drafts of a person; the oldest go first
)

// ErrReactions answers a reaction to a message that has MaxReactions.
var ErrReactions = fault.Invalid("TOO_MANY_REACTIONS", "This message has too many reactions")

// A Store keeps messages. Each method is atomic. Those that change something give the change
// the next commit sequence number (order.Number), call order.Queued once their place is
// fixed, and always return the true outcome: they do not give up waiting for a commit that
// may still happen.
type Store interface {
	// Append stores a message, both conversation rows and the recipient's unread count in one
	// commit; to a group, the message and the group's own row alone. Where the attempt is already
	// stored (the same sender and client id; without a client id the draft's RepeatWindow), it
	// changes nothing and returns that message with again set. An id that another attempt has taken
	// is an error, not a repeat. What is new is a fault of kind forbidden where one of the two blocks
	// the other by the time of the commit, and ErrNotMember where the sender is not in the group by
	// then.
	Append(ctx context.Context, d Draft) (m Message, again bool, err error)
	// Attempt finds the message that Append would find to be stored already.
	Attempt(ctx context.Context, d Draft) (m Message, found bool, err error)
	// Message returns one message, tombstones included, or ErrNoMessage.
	Message(ctx context.Context, m id.Message) (Message, error)
	// SeenBy returns the participants of a message who did not delete it for themselves, in a group
	// its present members, or ErrNoMessage.
	SeenBy(ctx context.Context, m id.Message) ([]id.User, error)
	// PageBefore returns the newest messages of a conversation that viewer can see and that are
	// older than before (zero: all), oldest first. A before that is not of the conversation is
	// ErrNoMessage; a viewer who is not in the group is ErrNotMember, as in Media and Some. What the
	// viewer deleted for themselves is left out; what was deleted for all is a tombstone.
	PageBefore(ctx context.Context, c Conversation, viewer id.User, before id.Message, limit int) (Page[Message], error)
	// Rows returns the conversations of a person, newest message first, older than the one whose
	// newest message is before (zero: all).
	Rows(ctx context.Context, u id.User, before id.Message, limit int) (Page[Row], error)
	// Unread returns the unread messages of a person, per peer, zero counts left out.
	Unread(ctx context.Context, u id.User) (map[id.User]int, error)
	// Some returns those of some messages of a conversation that viewer can see, tombstones
	// included, in no order.
	Some(ctx context.Context, c Conversation, viewer id.User, of []id.Message) ([]Message, error)
	// Seen returns those of some messages, of any conversations, that viewer can see, tombstones
	// included, in no order.
	Seen(ctx context.Context, viewer id.User, of []id.Message) ([]Message, error)
	// Edit replaces the content of a message, and keeps the text that it had as a Version. It is
	// ErrGone where the message is deleted, ErrBlocked where one of the two blocks the other by the
	// time of the commit, and ErrNotMember where the sender is no longer in the group.
	Edit(ctx context.Context, m id.Message, content string, at time.Time) (Message, error)
	// Versions returns the earlier texts of a message, oldest first.
	Versions(ctx context.Context, m id.Message) ([]Version, error)
	// React adds a reaction, or takes it away where remove is set. What is there already, or gone
	// already, changes nothing, reports false and takes no number. It is ErrReactions where there
	// are too many, and like Edit for the rest; a person who does not see the message, or is not
	// in the group, is ErrNoMessage.
	React(ctx context.Context, m id.Message, r Reaction, remove bool) (Message, bool, error)
	// DeleteForAll removes content, earlier texts, attachment, extra, reactions and fingerprint of
	// a message, and its count among the unread. The id and the attempt stay taken. A second call
	// changes nothing, reports false and takes no number.
	DeleteForAll(ctx context.Context, m id.Message, at time.Time) (Message, bool, error)
	// DeleteForSelf hides a message from one participant. A second call changes nothing,
	// reports false and takes no number.
	DeleteForSelf(ctx context.Context, m id.Message, u id.User, at time.Time) (Message, bool, error)
	// MarkRead moves a person's read mark to a message, never backwards, counts what is unread
	// after it, and takes the mark "unread" from the conversation. What is read was delivered.
	// In notes to oneself nothing moves. In a group it moves the person's Cursor. It is ErrBlocked
	// where one of the two blocks the other by the time of the commit, and ErrNoMessage where the
	// person is not in the group, like MarkDelivered.
	MarkRead(ctx context.Context, u id.User, m id.Message, at time.Time) (Receipt, error)
	// MarkDelivered moves the mark of what has reached a person's devices to a message of
	// somebody else, never backwards.
	MarkDelivered(ctx context.Context, u id.User, m id.Message, at time.Time) (Receipt, error)
	// Arrange changes what a person has set for the conversation with a peer, and reports
	// whether anything changed. set runs where writes are serialised: it only looks at what it
	// is given. A conversation that the person does not have is made where create is set, and
	// is ErrNoConversation else.
	Arrange(ctx context.Context, u, peer id.User, create bool, at time.Time, set func(*Settings)) (State, bool, error)
	// Clear hides every message that a person can see in the conversation with a peer from that
	// person, and takes the mark "unread" away. It is ErrNoConversation where the person does not
	// have the conversation.
	Clear(ctx context.Context, u, peer id.User) error
	// Media returns the messages of a conversation that have an attachment and that viewer can
	// see, newest first, the first skip left out.
	Media(ctx context.Context, c Conversation, viewer id.User, skip, limit int) (Page[Message], error)
	// SaveDraft keeps what a person has written and not sent in a conversation, in place of what
	// was kept before; an empty text and no reply keep nothing. It takes no number.
	SaveDraft(ctx context.Context, u id.User, d SavedDraft) error
	// Drafts returns what a person has written and not sent, newest first.
	Drafts(ctx context.Context, u id.User) ([]SavedDraft, error)
	// Since returns what changed for a person after a number. More than limit messages, messages
	// with more than MaxChangeBytes in them, and more than limit (at least 100) conversations are
	// Reload.
	Since(ctx context.Context, u id.User, after order.Seq, limit int) (Changes, error)
}
