package mongostore

import (
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

const groupsName = "groupchats"

var groupsCollection = collection{name: groupsName, indexes: []index{
	{name: indexUnplaced, keys: bson.D{is("createdAt", 1)}, partial: bson.D{is("changed", nil)}}, // empty once all are adopted
}}

// A groupDoc is a group as it is stored: fields of the former system, and our own. A message to the
// group changes lastMessage and the three below it and nothing else. It is a value: who changes a
// list in it puts a new one there.
type groupDoc struct {
	ID          bson.ObjectID   `bson:"_id"`
	Name        loose           `bson:"name"`
	Description loose           `bson:"description"`
	Avatar      loose           `bson:"avatar"`
	Creator     bson.ObjectID   `bson:"creator"`
	Members     []bson.ObjectID `bson:"members"` // in the order in which they came; none where the group is deleted
	Admins      []bson.ObjectID `bson:"admins"`
	CreatedAt   time.Time       `bson:"createdAt"`
	UpdatedAt   time.Time       `bson:"updatedAt"` // of the last change; in the former system a message is one

	LastID  bson.ObjectID `bson:"lastMessage,omitempty"` // the newest message, whoever sees it
	LastSeq order.Seq     `bson:"lastSeq"`
	LastAt  time.Time     `bson:"lastAt,omitempty"`
	Changed order.Seq     `bson:"changed"` // of the last commit that changed the group or a message in it; 0 where it is not adopted

	JoinedAt     []time.Time `bson:"joinedAt"` // of the members, in their order
	ChangedAt    time.Time   `bson:"changedAt"`
	GroupChanged order.Seq   `bson:"groupChanged"` // of the last commit that changed the group itself

	own bool // the group itself was changed in this transaction
}

func (d *groupDoc) conv() convKey { return keyOf(message.InGroup(id.Group(d.ID))) }

// has reports whether somebody is in the group.
func (d *groupDoc) has(u id.User) bool {
	return d != nil && slices.Contains(d.Members, bson.ObjectID(u))
}

// newest is the place of a group in the lists of its members.
func (d *groupDoc) newest() order.Seq { return max(d.LastSeq, d.GroupChanged) }

// receive takes account of a message to the group. One that waited has a lower number than what
// was stored meanwhile.
func (d *groupDoc) receive(m *messageDoc) {
	if m.Seq > d.LastSeq {
		d.LastSeq, d.LastID = m.Seq, m.ID
	}
	d.LastAt, d.Changed = latest(d.LastAt, m.CreatedAt), max(d.Changed, m.Seq)
}

// group is the group as it stands.
func (d *groupDoc) group() message.Group {
	g := message.Group{
		ID: id.Group(d.ID), Name: string(d.Name), Description: string(d.Description), Avatar: string(d.Avatar),
		Creator: id.User(d.Creator), CreatedAt: utc(d.CreatedAt), UpdatedAt: utc(d.ChangedAt), Changed: d.GroupChanged,
		Members: make([]message.Member, len(d.Members)),
	}
	admins := make(map[bson.ObjectID]bool, len(d.Admins))
	for _, u := range d.Admins {
		admins[u] = true
	}
	for i, u := range d.Members {
		m := message.Member{User: id.User(u), Admin: admins[u], JoinedAt: g.CreatedAt}
		if len(d.JoinedAt) == len(d.Members) { // else the former system has changed them
			m.JoinedAt = utc(d.JoinedAt[i])
		}
		g.Members[i] = m
	}
	return g
}

// become makes the document that of a group.
func (d *groupDoc) become(g message.Group, at time.Time, seq order.Seq) {
	d.Name, d.Description, d.Avatar, d.Creator = loose(g.Name), loose(g.Description), loose(g.Avatar), bson.ObjectID(g.Creator)
	d.Members, d.Admins, d.JoinedAt = make([]bson.ObjectID, len(g.Members)), []bson.ObjectID{}, make([]time.Time, len(g.Members))
	for i, m := range g.Members {
		d.Members[i], d.JoinedAt[i] = bson.ObjectID(m.User), whole(m.JoinedAt)
		if m.Admin {
			d.Admins = append(d.Admins, bson.ObjectID(m.User))
		}
	}
	d.UpdatedAt, d.ChangedAt = whole(at), whole(at)
	d.GroupChanged, d.Changed, d.own = seq, seq, true
}

// mutable is the update that brings the stored document to this state. The former system lists
// groups by the time of their last change, and a message is one to it.
func (d *groupDoc) mutable(legacy bool) bson.D {
	set := bson.D{is("lastSeq", d.LastSeq), is("changed", d.Changed)}
	if d.LastSeq > 0 {
		set = append(set, is("lastMessage", d.LastID), is("lastAt", d.LastAt))
	}
	if d.own {
		set = append(set, is("name", d.Name), is("description", d.Description), is("avatar", d.Avatar), is("creator", d.Creator),
			is("members", d.Members), is("admins", d.Admins), is("joinedAt", d.JoinedAt), is("createdAt", d.CreatedAt),
			is("updatedAt", d.UpdatedAt), is("changedAt", d.ChangedAt), is("groupChanged", d.GroupChanged))
	} else if legacy {
		set = append(set, is("updatedAt", latest(d.UpdatedAt, d.LastAt)))
	}
	return bson.D{is("$set", set)}
}

const seatsName = "members"

var seatsCollection = collection{name: seatsName, indexes: []index{
	{keys: bson.D{is("user", 1), is("until", 1)}},
	{keys: bson.D{is("group", 1), is("moved", 1)}},
}}

// A seatDoc is what a member of a group has of their own, and what is left of it when they are
// out. A message to the group does not change it. It is a value, like threadDoc.
type seatDoc struct {
	ID    seatKey       `bson:"_id"`
	Group bson.ObjectID `bson:"group"`
	User  bson.ObjectID `bson:"user"`
	Until order.Seq     `bson:"until"` // the commit by which they went out; endOfTime while they are in

	ReadSeq      order.Seq     `bson:"readSeq"`
	ReadID       bson.ObjectID `bson:"readId,omitempty"`
	ReadAt       time.Time     `bson:"readAt,omitempty"`
	DeliveredSeq order.Seq     `bson:"deliveredSeq"`
	DeliveredID  bson.ObjectID `bson:"deliveredId,omitempty"`
	DeliveredAt  time.Time     `bson:"deliveredAt,omitempty"`
	Moved        order.Seq     `bson:"moved"` // of the last commit that moved a cursor, or by which they came in

	Changed  order.Seq `bson:"changed"`            // of the last commit that changed what is the member's own
	ReloadAt order.Seq `bson:"reloadAt,omitempty"` // who was away then reads everything again

	Archived     bool      `bson:"archived,omitempty"`
	Muted        bool      `bson:"muted,omitempty"`
	MutedUntil   time.Time `bson:"mutedUntil,omitempty"`
	MarkedUnread time.Time `bson:"markedUnread,omitempty"`

	Cleared clearings `bson:"cleared,omitempty"` // it stays when they go out and come back
}

// newSeat is the seat of somebody who comes into a group by a commit. What is there is not new to
// them.
func newSeat(d *groupDoc, u bson.ObjectID, seq order.Seq) seatDoc {
	seat := seatDoc{ID: seatOf(d.ID, id.User(u)), Group: d.ID, User: u, Until: endOfTime, Moved: seq, Changed: seq}
	if d.LastSeq > 0 {
		seat.ReadSeq, seat.ReadID, seat.DeliveredSeq, seat.DeliveredID = d.LastSeq, d.LastID, d.LastSeq, d.LastID
	}
	return seat
}

// in reports whether they are in the group.
func (d *seatDoc) in() bool { return d != nil && d.Until == endOfTime }

// hides reports whether the member deleted a message for themselves, alone or with all others.
func (d *seatDoc) hides(m *messageDoc) bool {
	_, deleted := m.deletedBy(id.User(d.User))
	return deleted || m.Seq <= d.Cleared.upTo()
}

// unreadFrom is the place behind which messages of others are unread.
func (d *seatDoc) unreadFrom() order.Seq { return max(d.ReadSeq, d.Cleared.upTo()) }

func (d *seatDoc) settings() message.Settings {
	return message.Settings{
		Archived: d.Archived, Muted: d.Muted, MutedUntil: utc(d.MutedUntil), MarkedUnread: utc(d.MarkedUnread),
	}
}

func (d *seatDoc) cursor() message.Cursor {
	return message.Cursor{
		Group: id.Group(d.Group), User: id.User(d.User),
		Read: d.ReadSeq, ReadID: id.Message(d.ReadID), ReadAt: utc(d.ReadAt),
		Delivered: d.DeliveredSeq, DeliveredID: id.Message(d.DeliveredID), DeliveredAt: utc(d.DeliveredAt), Changed: d.Moved,
	}
}

// deliver moves the cursor of what has reached the member's devices.
func (d *seatDoc) deliver(m *messageDoc, at time.Time) {
	d.DeliveredSeq, d.DeliveredID, d.DeliveredAt = m.Seq, m.ID, whole(at)
}
