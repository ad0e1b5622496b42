package mongostore

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// pairKeys are the keys of the index by which the old messages of two people are found. The former
// system made it.
var pairKeys = bson.D{is("sender", 1), is("recipient", 1), is("createdAt", -1)}

// isPerson matches the id of a person; senders of the former system may be null.
var isPerson = bson.D{is("$type", "objectId")}

// unplaced is a filter that finds the direct messages that have no place yet.
func unplaced(more ...bson.E) bson.D {
	return append(bson.D{is("conv", nil), is("groupChat", nil)}, more...)
}

// betweenPeople is unplaced for the messages of which it is known whose they are.
func betweenPeople() bson.D {
	return unplaced(is("sender", isPerson), is("recipient", isPerson))
}

// unplacedInGroups finds the messages of groups that have no place yet, and those of groups that are
// gone, which never get one.
func unplacedInGroups(more ...bson.E) bson.D {
	return append(bson.D{is("conv", nil), inGroups, is("sender", isPerson)}, more...)
}

// An oldMessage is what adoption reads of a message. The former system left fields out and had
// others in them; what is not of the right type is not there.
type oldMessage struct {
	ID         bson.ObjectID `bson:"_id"`
	Sender     bson.ObjectID `bson:"sender"`
	Recipient  bson.ObjectID `bson:"recipient"`
	Group      bson.ObjectID `bson:"groupChat"`
	CreatedAt  bson.RawValue `bson:"createdAt"`
	Read       bson.RawValue `bson:"read"`
	Deleted    bson.RawValue `bson:"isDeletedForAll"`
	DeletedFor bson.RawValue `bson:"deletedFor"`
	Attachment bool          `bson:"attachment"` // there is one
	Placed     order.Seq     `bson:"seq"`        // the place that it has; 0 where it has none

	seq     order.Seq    // the place that is for it
	readers []oldReceipt // of a message to a group that is to go to the end of it
}

// oldFields are those of oldMessage.
var oldFields = bson.D{
	is("sender", 1), is("recipient", 1), is("groupChat", 1), is("createdAt", 1), is("read", 1),
	is("isDeletedForAll", 1), is("deletedFor.user", 1), is("seq", 1),
	is("attachment", bson.D{is("$and", bson.A{ // it may be long
		bson.D{is("$eq", bson.A{bson.D{is("$type", "$attachment")}, "string"})}, bson.D{is("$ne", bson.A{"$attachment", ""})},
	})}),
}

func (m *oldMessage) conv() convKey {
	if !m.Group.IsZero() {
		return keyOf(message.InGroup(id.Group(m.Group)))
	}
	return keyOf(message.Between(id.User(m.Sender), id.User(m.Recipient)))
}

// at is when the message was written: where it does not say so, when its id was made.
func (m *oldMessage) at() time.Time {
	if ms, ok := m.CreatedAt.DateTimeOK(); ok {
		return time.UnixMilli(ms).UTC()
	}
	return m.ID.Timestamp().UTC()
}

// unreadBy reports whether the message counts as unread for its recipient. A message that does
// not say has been read.
func (m *oldMessage) unreadBy(u id.User) bool {
	read, says := m.Read.BooleanOK()
	deleted, _ := m.Deleted.BooleanOK()
	return says && !read && !deleted && id.User(m.Recipient) == u && id.User(m.Sender) != u && !m.hiddenFrom(u)
}

// hiddenFrom reports whether somebody deleted the message for themselves.
func (m *oldMessage) hiddenFrom(u id.User) bool {
	list, ok := m.DeletedFor.ArrayOK()
	if !ok {
		return false
	}
	entries, err := list.Values()
	return err == nil && slices.ContainsFunc(entries, func(e bson.RawValue) bool {
		d, ok := e.DocumentOK()
		if !ok {
			return false
		}
		by, ok := d.Lookup("user").ObjectIDOK()
		return ok && id.User(by) == u
	})
}

// hasMedia reports whether the message shows an attachment.
func (m *oldMessage) hasMedia() bool {
	deleted, _ := m.Deleted.BooleanOK()
	return m.Attachment && !deleted
}

// load reads the messages of a person with some others that have no place, by conversation.
func (a *adoption) load(ctx context.Context, u id.User, peers []id.User) (map[convKey][]*oldMessage, error) {
	found := map[convKey][]*oldMessage{}
	return found, a.loadBoth(ctx, u, peers, unplaced(), found)
}

// loadOld reads all messages of a conversation that have a place among the old ones, or none.
func (a *adoption) loadOld(ctx context.Context, conv convKey) ([]*oldMessage, error) {
	c := conv.conversation()
	placeable := is("$or", bson.A{bson.D{is("seq", nil)}, bson.D{is("seq", bson.D{is("$lte", a.cut.Base)})}})
	if c.IsGroup() {
		found, err := a.loadGroup(ctx, bson.ObjectID(c.Group), placeable)
		return found.messages, err
	}
	found := map[convKey][]*oldMessage{}
	err := a.loadBoth(ctx, c.Low, []id.User{c.High}, bson.D{is("groupChat", nil), placeable}, found)
	return found[conv], err
}

// loadBoth reads what went both ways between a person and some others.
func (a *adoption) loadBoth(ctx context.Context, u id.User, peers []id.User, which bson.D, into map[convKey][]*oldMessage) error {
	var all, notMe []bson.ObjectID
	for _, p := range peers {
		all = append(all, bson.ObjectID(p))
		if p != u { // a note to oneself went one way only
			notMe = append(notMe, bson.ObjectID(p))
		}
	}
	me := bson.ObjectID(u)
	if err := a.loadInto(ctx, append(slices.Clone(which), is("sender", me), is("recipient", bson.D{is("$in", all)})), into); err != nil || len(notMe) == 0 {
		return err
	}
	return a.loadInto(ctx, append(slices.Clone(which), is("sender", bson.D{is("$in", notMe)}), is("recipient", me)), into)
}

func (a *adoption) loadInto(ctx context.Context, filter bson.D, into map[convKey][]*oldMessage) error {
	cursor, err := a.store.coll(messagesName).Find(ctx, filter, options.Find().SetProjection(oldFields).SetHint(pairKeys))
	if err != nil {
		return err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	for cursor.Next(ctx) {
		m := new(oldMessage)
		if err := cursor.Decode(m); err != nil {
			return err
		}
		into[m.conv()] = append(into[m.conv()], m)
	}
	return cursor.Err()
}

// anyLeft reports whether a message has no place yet, or a group no seats.
func (a *adoption) anyLeft(ctx context.Context) (bool, error) {
	left, err := a.anyMessageLeft(ctx)
	if err != nil || left {
		return left, err
	}
	groups, err := a.unadoptedGroups(ctx, 1)
	return len(groups) > 0, err
}

// anyMessageLeft reports whether a message has no place yet.
func (a *adoption) anyMessageLeft(ctx context.Context, more ...bson.E) (bool, error) {
	err := a.store.coll(messagesName).FindOne(ctx, append(betweenPeople(), more...),
		options.FindOne().SetProjection(bson.D{is("_id", 1)}).SetHint(indexUnplaced)).Err()
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return err == nil, err
	}
	groups, err := a.groupsLeft(ctx, 1, more...)
	return len(groups) > 0, err
}

// withRows returns which conversations of a person with some others have rows: what has no place
// there came after them.
func (a *adoption) withRows(ctx context.Context, u id.User, peers []id.User) (map[convKey]bool, error) {
	keys := make([]threadKey, len(peers))
	for i, p := range peers {
		keys[i] = threadOf(u, keyOf(message.Between(u, p)))
	}
	q := withIDs(threadsName, keys)
	q.fields = bson.D{is("conv", 1)}
	found, err := find[threadDoc](ctx, a.store, q)
	has := map[convKey]bool{}
	for _, d := range found {
		has[d.Conv] = true
	}
	return has, err
}
