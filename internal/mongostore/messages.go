package mongostore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
)

const messagesName = "messages"

var messagesCollection = collection{name: messagesName, indexes: []index{
	{keys: bson.D{is("conv", 1), is("seq", 1)}},
	{keys: bson.D{is("conv", 1), is("late", 1)}, partial: bson.D{is("late", bson.D{is("$exists", true)})}},
	{keys: bson.D{is("sender", 1), is("clientId", 1)}, unique: true, partial: bson.D{is("clientId", bson.D{is("$type", "string")})}},
	{name: "conv_1_seq_1_media", keys: bson.D{is("conv", 1), is("seq", 1)}, partial: bson.D{is("media", true)}},
	{keys: bson.D{is("deletedFor.user", 1), is("deletedFor.seq", 1)}, partial: bson.D{is("deletedFor.seq", bson.D{is("$exists", true)})}},
	{name: indexUnplaced, keys: bson.D{is("createdAt", 1)}, partial: betweenPeople()}, // empty once all have their places
	unnamed,
	{name: indexUnplacedInGroups, keys: bson.D{is("groupChat", 1)}, partial: unplacedInGroups()},
	{keys: bson.D{is("groupChat", 1), is("seq", 1), is("sender", 1), is("isDeletedForAll", 1)}, partial: bson.D{inGroups}},
	{
		keys:    bson.D{is("deletedFor.user", 1), is("groupChat", 1), is("seq", 1)},
		partial: bson.D{inGroups, is("deletedFor.user", bson.D{is("$exists", true)})},
	},
}}

// inGroups matches the messages of groups. By a condition of the same kind the server sees that an
// index has them all.
var inGroups = is("groupChat", bson.D{is("$gt", bson.ObjectID{})})

// A messageDoc is a message as it is stored. It is a value: who changes a list or a text
// in it puts a new one there.
type messageDoc struct {
	ID        bson.ObjectID `bson:"_id"`
	Sender    bson.ObjectID `bson:"sender"`
	Recipient bson.ObjectID `bson:"recipient,omitempty"` // none in a group
	Group     bson.ObjectID `bson:"groupChat,omitempty"` // none between two people
	Conv      convKey       `bson:"conv"`
	Seq       order.Seq     `bson:"seq"`
	Changed   order.Seq     `bson:"changed"`
	Late      order.Seq     `bson:"late,omitempty"` // Changed, once it was changed after it was stored
	ClientID  string        `bson:"clientId,omitempty"`

	// Content, Attachment and Extra are sealed, binary. In documents of the former system they are
	// what it left there. Zero where there is none.
	Content    bson.RawValue `bson:"content,omitempty"`
	Attachment bson.RawValue `bson:"attachment,omitempty"`
	Extra      bson.RawValue `bson:"extra,omitempty"`
	VoiceNote  bson.RawValue `bson:"voiceNote,omitempty"` // only the former system wrote it

	ReplyTo   bson.ObjectID `bson:"replyTo,omitempty"`
	Reactions []reactionDoc `bson:"reactions,omitempty"`
	Versions  []versionDoc  `bson:"versions,omitempty"` // the earlier contents, oldest first

	Media         bool          `bson:"media,omitempty"` // it has an attachment
	Fingerprint   []byte        `bson:"fp,omitempty"`
	CreatedAt     time.Time     `bson:"createdAt"`
	Edited        bool          `bson:"edited,omitempty"`
	EditedAt      time.Time     `bson:"editedAt,omitempty"`
	IsDeleted     bool          `bson:"isDeletedForAll,omitempty"`
	DeletedForAll *deletion     `bson:"deletedForAll,omitempty"`
	DeletedFor    []ownDeletion `bson:"deletedFor,omitempty"`

	// Read is only in documents of the former system, and in all of them: there each message says
	// by itself whether it was read, whatever the mark of its recipient is. In a group it says
	// nothing.
	Read *bool `bson:"read,omitempty"`
}

// A reactionDoc is a reaction, as the former system has it too.
type reactionDoc struct {
	User  bson.ObjectID `bson:"user"`
	Emoji loose         `bson:"emoji"`
	At    time.Time     `bson:"createdAt"`
}

// A versionDoc is a content that a message had, just as it was sealed then.
type versionDoc struct {
	Content bson.RawValue `bson:"content,omitempty"`
	At      time.Time     `bson:"at"` // from when on it was shown
}

// A deletion is one for all.
type deletion struct {
	By bson.ObjectID `bson:"by"`
	At time.Time     `bson:"at"`
}

// An ownDeletion hides a message from one person. One of the former system has no number.
type ownDeletion struct {
	User      bson.ObjectID `bson:"user"`
	DeletedAt time.Time     `bson:"deletedAt"`
	Seq       order.Seq     `bson:"seq,omitempty"`
}

// deletedBy returns the deletion for one person, if they deleted the message by itself.
func (d *messageDoc) deletedBy(u id.User) (ownDeletion, bool) {
	i := slices.IndexFunc(d.DeletedFor, func(o ownDeletion) bool { return o.User == bson.ObjectID(u) })
	if i < 0 {
		return ownDeletion{}, false
	}
	return d.DeletedFor[i], true
}

// belongs returns the conversation of the message, whether it has its place or not. The former system
// kept messages of people who are gone in the same collection: they are of none.
func (d *messageDoc) belongs() (convKey, bool) {
	switch {
	case d.Sender.IsZero():
		return convKey{}, false
	case !d.Group.IsZero():
		return keyOf(message.InGroup(id.Group(d.Group))), true
	}
	return keyOf(message.Between(id.User(d.Sender), id.User(d.Recipient))), !d.Recipient.IsZero()
}

// between reports whether it is a message between people, and not to a group.
func (d *messageDoc) between() bool { return d.Group.IsZero() }

// readAt reports whether the recipient, who has read up to mark, has read the message.
func (d *messageDoc) readAt(mark order.Seq) bool {
	if !d.between() {
		return false
	}
	if d.Read != nil {
		return *d.Read
	}
	return d.Seq <= mark
}

// createdAt is when the message was written. The former system did not always say so.
func (d *messageDoc) createdAt() time.Time {
	if d.CreatedAt.IsZero() {
		return d.ID.Timestamp().UTC()
	}
	return d.CreatedAt.UTC()
}

// change notes the commit that changes the message.
func (d *messageDoc) change(seq order.Seq) { d.Changed, d.Late = seq, seq }

// mutable is the update that brings a stored document to this state. What an older system keeps
// in it besides stays.
func (d *messageDoc) mutable() bson.D {
	var set, unset bson.D
	put := func(field string, there bool, v any) {
		if there {
			set = append(set, is(field, v))
		} else {
			unset = append(unset, is(field, ""))
		}
	}
	put("changed", true, d.Changed)
	put("late", d.Late > 0, d.Late)
	put("content", !d.Content.IsZero(), d.Content)
	put("attachment", !d.Attachment.IsZero(), d.Attachment)
	put("extra", !d.Extra.IsZero(), d.Extra)
	put("voiceNote", !d.VoiceNote.IsZero(), d.VoiceNote)
	put("reactions", len(d.Reactions) > 0, d.Reactions)
	put("versions", len(d.Versions) > 0, d.Versions)
	put("media", d.Media, true)
	put("fp", len(d.Fingerprint) > 0, d.Fingerprint)
	put("edited", d.Edited, true)
	put("editedAt", !d.EditedAt.IsZero(), d.EditedAt)
	put("isDeletedForAll", d.IsDeleted, true)
	put("deletedForAll", d.DeletedForAll != nil, d.DeletedForAll)
	put("deletedFor", len(d.DeletedFor) > 0, d.DeletedFor)
	return bson.D{is("$set", set), is("$unset", unset)}
}

// message is what the document says, its text left out.
func (d *messageDoc) message(readUpTo order.Seq) message.Message {
	m := message.Message{
		ID: id.Message(d.ID), Seq: d.Seq, Changed: d.Changed,
		Sender: id.User(d.Sender), Recipient: id.User(d.Recipient), Group: id.Group(d.Group), ReplyTo: id.Message(d.ReplyTo),
		CreatedAt: d.createdAt(), EditedAt: utc(d.EditedAt), Read: d.readAt(readUpTo),
	}
	copy(m.Fingerprint[:], d.Fingerprint)
	if d.IsDeleted {
		m.DeletedAt = m.CreatedAt // the former system did not always say when
		if d.DeletedForAll != nil && !d.DeletedForAll.At.IsZero() {
			m.DeletedAt = utc(d.DeletedForAll.At)
		}
		return m
	}
	m.Reactions = d.reactions()
	return m
}

// find returns a message, tombstones included, or ErrNoMessage.
func (s *Store) find(ctx context.Context, m id.Message) (*messageDoc, error) {
	d, err := s.findDoc(ctx, m)
	if err != nil || d == nil {
		return nil, either(err, message.ErrNoMessage)
	}
	conv, ok := d.belongs()
	if !ok {
		return nil, message.ErrNoMessage
	}
	if err := s.adopted(ctx, conv); err != nil || d.Seq > 0 {
		return d, err
	}
	if d, err = s.findDoc(ctx, m); err == nil && (d == nil || d.Seq == 0) {
		err = message.ErrNoMessage
	}
	return d, err
}

func (s *Store) findDoc(ctx context.Context, m id.Message) (*messageDoc, error) {
	var d messageDoc
	return found(&d, s.coll(messagesName).FindOne(ctx, bson.D{is("_id", bson.ObjectID(m))}).Decode(&d))
}

// readUpTo is how far the recipient of a message has read; 0 in a group.
func (s *Store) readUpTo(ctx context.Context, d *messageDoc) (order.Seq, error) {
	if !d.between() {
		return 0, nil
	}
	var row threadDoc
	_, err := found(&row, s.coll(threadsName).FindOne(ctx,
		bson.D{is("_id", threadOf(id.User(d.Recipient), d.Conv))}).Decode(&row))
	return row.ReadSeq, err
}

// open returns the message of a document with its text in the clear. readUpTo is how far its
// recipient has read.
func (s *Store) open(ctx context.Context, d *messageDoc, readUpTo order.Seq) (message.Message, error) {
	m := d.message(readUpTo)
	if d.IsDeleted {
		return m, nil
	}
	if at, gone := s.vault.Erased(seal.Owner(m.Sender)); gone {
		m.DeletedAt, m.Reactions = at, nil
		return m, nil
	}
	var err error
	if m.Content, err = s.openContent(ctx, d, d.Content); err != nil {
		return message.Message{}, err
	}
	if m.Extra, err = s.openExtra(ctx, d); err != nil {
		return message.Message{}, err
	}
	if isFormer(d.Attachment) {
		m.Attachment = s.formerPlain(d.Attachment, d.createdAt())
	} else if m.Attachment, err = s.openText(ctx, textPlace("attachment", d), d.Attachment); err != nil {
		return message.Message{}, err
	}
	return m, nil
}

// openContent opens a content of a message: that which it has, or one that it had.
func (s *Store) openContent(ctx context.Context, d *messageDoc, v bson.RawValue) (string, error) {
	if isFormer(v) {
		return s.formerContent(d, v), nil
	}
	return s.openText(ctx, textPlace("content", d), v)
}

func textPlace(field string, d *messageDoc) seal.Place {
	return seal.Place{Collection: messagesName, Field: field, Document: d.ID[:], Conversation: d.Conv[:]}
}

// sealText seals one text; an empty text is no value.
func (s *Store) sealText(ctx context.Context, owner id.User, p seal.Place, text string) (bson.RawValue, error) {
	if text == "" {
		return bson.RawValue{}, nil
	}
	if s.legacy {
		return s.legacyText(p, text), nil
	}
	b, err := s.sealed(ctx, owner, p, []byte(text))
	if err != nil {
		return bson.RawValue{}, fmt.Errorf("seal %s: %w", p.Field, err)
	}
	return binary(b), nil
}

// openText opens one text that was sealed here. No value is an empty text.
func (s *Store) openText(ctx context.Context, p seal.Place, v bson.RawValue) (string, error) {
	_, sealed, ok := v.BinaryOK()
	if !ok {
		return "", nil
	}
	b, err := s.vault.Open(ctx, p, sealed)
	if err != nil {
		return "", fmt.Errorf("open %s of %s: %w", p.Field, p.Collection, err)
	}
	return string(b), nil
}

// sealed seals a value with the key of its owner, which is made where there is none.
func (s *Store) sealed(ctx context.Context, owner id.User, p seal.Place, plain []byte) ([]byte, error) {
	if err := s.vault.Ensure(ctx, owner); err != nil {
		return nil, err
	}
	return s.vault.Seal(ctx, owner, p, plain)
}

// utc is a stored time as the interfaces want it.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// whole is a time as the database keeps it: whole milliseconds.
func whole(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// binary is a value of bytes.
func binary(b []byte) bson.RawValue {
	t, v, _ := bson.MarshalValue(bson.Binary{Data: b})
	return bson.RawValue{Type: t, Value: v}
}
