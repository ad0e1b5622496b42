package mongostore

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

const threadsName = "threads"

var threadsCollection = collection{name: threadsName, indexes: []index{
	// One for the list, for what changed, and for what is unread: each message changes all three in
	// both rows, and an index of its own for each would cost more than the message itself.
	{name: indexThreads, keys: bson.D{is("user", 1), is("lastSeq", -1), is("changed", 1), is("unread", 1), is("peer", 1)}},
}}

// A threadDoc is a conversation as one person sees it. It is a value: who changes a list in it
// puts a new one there.
type threadDoc struct {
	ID   threadKey     `bson:"_id"`
	User bson.ObjectID `bson:"user"`
	Peer bson.ObjectID `bson:"peer"`
	Conv convKey       `bson:"conv"`

	LastSeq order.Seq     `bson:"lastSeq"` // of the newest message that the person sees; 0 where there is none
	LastID  bson.ObjectID `bson:"lastId,omitempty"`
	LastAt  time.Time     `bson:"lastAt,omitempty"` // of the newest message of all in the conversation
	Unread  int           `bson:"unread"`
	// FormerUnread says that some of them are messages of the former system, each of which has a
	// mark of its own.
	FormerUnread bool `bson:"formerUnread,omitempty"`

	ReadSeq      order.Seq     `bson:"readSeq"`
	ReadID       bson.ObjectID `bson:"readId,omitempty"`
	ReadAt       time.Time     `bson:"readAt,omitempty"`
	DeliveredSeq order.Seq     `bson:"deliveredSeq,omitempty"`
	DeliveredID  bson.ObjectID `bson:"deliveredId,omitempty"`

	Changed  order.Seq `bson:"changed"`
	ReloadAt order.Seq `bson:"reloadAt,omitempty"` // who was away then reads everything again

	Archived     bool      `bson:"archived,omitempty"`
	Muted        bool      `bson:"muted,omitempty"`
	MutedUntil   time.Time `bson:"mutedUntil,omitempty"`
	MarkedUnread time.Time `bson:"markedUnread,omitempty"`
	ArrangedAt   time.Time `bson:"arrangedAt,omitempty"`
	CreatedAt    time.Time `bson:"createdAt,omitempty"` // of the first message

	Cleared clearings `bson:"cleared,omitempty"`
}

// newThread is the row of a person who has none.
func newThread(u, peer id.User) threadDoc {
	conv := keyOf(message.Between(u, peer))
	return threadDoc{ID: threadOf(u, conv), User: bson.ObjectID(u), Peer: bson.ObjectID(peer), Conv: conv}
}

// hides reports whether the person deleted a message for themselves, alone or with the whole
// conversation.
func (d *threadDoc) hides(m *messageDoc) bool {
	_, deleted := m.deletedBy(id.User(d.User))
	return deleted || m.Seq <= d.Cleared.upTo()
}

// delivered is how far messages have reached the person's devices.
func (d *threadDoc) delivered() (order.Seq, id.Message) {
	if d.ReadSeq >= d.DeliveredSeq {
		return d.ReadSeq, id.Message(d.ReadID)
	}
	return d.DeliveredSeq, id.Message(d.DeliveredID)
}

func (d *threadDoc) settings() message.Settings {
	return message.Settings{
		Archived: d.Archived, Muted: d.Muted, MutedUntil: utc(d.MutedUntil), MarkedUnread: utc(d.MarkedUnread),
	}
}
