package mongostore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// place puts the old messages of a conversation into the order in which they were written and
// numbers them. The numbers depend on nothing else. Messages that say that they were written after
// the database was first taken over get none: they are returned by themselves.
func (a *adoption) place(ms []*oldMessage) (placed, later []*oldMessage) {
	sortOld(ms)
	last := order.Seq(0)
	for i, m := range ms {
		if a.isLater(m) {
			return ms[:i], ms[i:]
		}
		last = max(order.Seq(m.at().UnixMilli())<<rankBits, last+1) // a time before 1970 is none
		m.seq = last
	}
	return ms, nil
}

// isLater reports whether a message says that it was written after the database was first taken
// over.
func (a *adoption) isLater(m *oldMessage) bool {
	return m.at().UnixMilli() > int64((a.cut.Base-rankRoom)>>rankBits)
}

func sortOld(ms []*oldMessage) { slices.SortFunc(ms, compareOld) }

func compareOld(x, y *oldMessage) int {
	return cmp.Or(x.at().Compare(y.at()), bytes.Compare(x.ID[:], y.ID[:]))
}

// A settingsDoc is a row of the former system's conversations. There may be several of two people.
type settingsDoc struct {
	Participants []bson.ObjectID `bson:"participants"`
	ArchivedBy   []bson.ObjectID `bson:"archivedBy"`
	MutedBy      []struct {
		User       bson.ObjectID `bson:"user"`
		MutedUntil time.Time     `bson:"mutedUntil"`
	} `bson:"mutedBy"`
	UnreadFor []struct {
		User           bson.ObjectID `bson:"user"`
		MarkedUnreadAt time.Time     `bson:"markedUnreadAt"`
	} `bson:"unreadFor"`
	LastRead []struct {
		User      bson.ObjectID `bson:"user"`
		MessageID bson.ObjectID `bson:"messageId"`
		UpdatedAt time.Time     `bson:"updatedAt"`
	} `bson:"lastReadMessageId"`
	CreatedAt time.Time `bson:"createdAt"`
	UpdatedAt time.Time `bson:"updatedAt"`
}

// conv is the conversation that a row is of; false where it is of no two people, or one.
func (d *settingsDoc) conv() (convKey, bool) {
	switch len(d.Participants) {
	case 1:
		return keyOf(message.Between(id.User(d.Participants[0]), id.User(d.Participants[0]))), true
	case 2:
		return keyOf(message.Between(id.User(d.Participants[0]), id.User(d.Participants[1]))), true
	}
	return convKey{}, false
}

// says reports whether somebody has set something.
func (d settingsDoc) says() bool {
	return len(d.ArchivedBy)+len(d.MutedBy)+len(d.UnreadFor)+len(d.LastRead) > 0
}

// settingsOf reads the rows of two people.
func (a *adoption) settingsOf(ctx context.Context, u, peer id.User) (map[convKey][]settingsDoc, error) {
	return a.settings(ctx, bson.D{is("$all", bson.A{bson.ObjectID(u), bson.ObjectID(peer)})})
}

// settings reads the rows of some people, by conversation.
func (a *adoption) settings(ctx context.Context, participants any) (map[convKey][]settingsDoc, error) {
	c, err := a.store.coll(formerSettings).Find(ctx, bson.D{is("participants", participants), is("groupChat", nil)})
	if err != nil {
		return nil, err
	}
	var all []settingsDoc
	if err := c.All(ctx, &all); err != nil {
		return nil, err
	}
	found := map[convKey][]settingsDoc{}
	for _, d := range all {
		if conv, ok := d.conv(); ok {
			found[conv] = append(found[conv], d)
		}
	}
	return found, nil
}

// threads are the rows of both people of a conversation, one for notes to oneself. The messages
// are all there are, in their places.
func (a *adoption) threads(conv convKey, ms []*oldMessage, rows []settingsDoc) []threadDoc {
	c := conv.conversation()
	var out []threadDoc
	for _, u := range c.People() {
		d := newThread(u, c.Other(u))
		d.Changed = 1
		for _, m := range ms {
			d.take(m)
		}
		places := map[bson.ObjectID]order.Seq{}
		for _, m := range ms {
			places[m.ID] = m.seq
		}
		for _, r := range rows {
			d.join(r, func(m bson.ObjectID) order.Seq { return places[m] })
		}
		out = append(out, d)
	}
	return out
}

// take counts an old message in, the newest one last.
func (d *threadDoc) take(m *oldMessage) {
	u := id.User(d.User)
	d.Changed, d.LastAt = max(d.Changed, m.seq), latest(d.LastAt, m.at())
	if d.CreatedAt.IsZero() {
		d.CreatedAt = m.at()
	}
	if !m.hiddenFrom(u) {
		d.LastSeq, d.LastID = m.seq, m.ID
	}
	if m.unreadBy(u) {
		d.Unread++
		d.FormerUnread = true
	}
}

// join takes what a row of the former system says of the person: what any row says holds, and of
// marks and times the one that goes furthest. placeOf gives a message's number, 0 where it is gone.
func (d *threadDoc) join(r settingsDoc, placeOf func(bson.ObjectID) order.Seq) {
	if slices.Contains(r.ArchivedBy, d.User) {
		d.Archived = true
	}
	for _, m := range r.MutedBy {
		if m.User == d.User {
			mute(&d.Muted, &d.MutedUntil, m.MutedUntil)
		}
	}
	for _, m := range r.UnreadFor {
		if m.User == d.User {
			d.MarkedUnread = latest(d.MarkedUnread, cmpTime(m.MarkedUnreadAt, r.UpdatedAt, r.CreatedAt))
		}
	}
	for _, m := range r.LastRead {
		if seq := placeOf(m.MessageID); m.User == d.User && seq > d.ReadSeq {
			d.ReadSeq, d.ReadID, d.ReadAt = seq, m.MessageID, cmpTime(m.UpdatedAt, r.UpdatedAt)
		}
	}
	if !r.CreatedAt.IsZero() && (d.CreatedAt.IsZero() || r.CreatedAt.Before(d.CreatedAt)) {
		d.CreatedAt = r.CreatedAt
	}
	d.ArrangedAt = latest(d.ArrangedAt, r.UpdatedAt)
}

// mute mutes a conversation until a time, or for good where it is zero. The longest wins.
func mute(muted *bool, mutedUntil *time.Time, until time.Time) {
	switch {
	case !*muted:
		*muted, *mutedUntil = true, until
	case until.IsZero():
		*mutedUntil = time.Time{}
	case !mutedUntil.IsZero():
		*mutedUntil = latest(*mutedUntil, until)
	}
}

// cmpTime is the first time that is one; a mark without any was set at the epoch.
func cmpTime(ts ...time.Time) time.Time {
	for _, t := range ts {
		if !t.IsZero() {
			return t
		}
	}
	return time.UnixMilli(0).UTC()
}
