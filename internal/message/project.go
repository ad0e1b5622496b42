package message

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"pryde/internal/id"
	"pryde/internal/wire"
)

// fingerprint recognises the content of an attempt without keeping it. That of a plain message to
// a person covers recipient, text and attachment alone.
func fingerprint(key [32]byte, d Draft) Fingerprint {
	h := hmac.New(sha256.New, key[:])
	part := func(text string) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		h.Write([]byte(text))
	}
	if d.Group.IsZero() && d.Extra == (Extra{}) && d.ReplyTo.IsZero() {
		h.Write([]byte("fingerprint"))
		h.Write(d.Recipient[:])
		part(d.Content)
		h.Write([]byte(d.Attachment))
	} else {
		h.Write([]byte("attempt"))
		h.Write(d.Recipient[:])
		h.Write(d.Group[:])
		h.Write(d.ReplyTo[:])
		h.Write(binary.BigEndian.AppendUint64(nil, math.Float64bits(d.Extra.VoiceSeconds)))
		for _, text := range [...]string{d.Content, d.Attachment, d.Extra.VoiceURL, d.Extra.Warning} {
			part(text)
		}
	}
	return Fingerprint(h.Sum(nil)[:len(Fingerprint{})])
}

// person returns how somebody looks; an account that is gone keeps its place with a name that
// says so, since former clients cannot show a message without a sender.
func person(u id.User, known map[id.User]wire.Person) wire.Person {
	if p, ok := known[u]; ok {
		return p
	}
	return wire.Person{ID: u, DisplayName: "Deleted user"}
}

// projectRow shows a conversation as a row of its participant's list.
func projectRow(r Row, sc scene, now time.Time) wire.Conversation {
	c := wire.Conversation{
		ID: r.Peer, UnreadCount: r.Unread, Unread: r.Unread,
		LastReadMessageID: mark(r.ReadUpTo), PeerLastReadMessageID: mark(r.PeerRead), PeerLastDeliveredID: mark(r.PeerHas),
		ManuallyUnread: !r.Settings.MarkedUnread.IsZero(), Archived: r.Settings.Archived, Muted: r.Settings.MutedAt(now),
	}
	if c.Muted {
		c.MutedUntil = whenSet(r.Settings.MutedUntil)
	}
	if p, ok := sc.known[r.Peer]; ok {
		c.OtherUser = &p
	}
	if r.Last != nil {
		c.LastMessage = sc.last(*r.Last)
	}
	return c
}

// conversationID names a conversation on the wire.
func conversationID(key [32]byte, c Conversation) wire.ConversationID {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("conversation"))
	h.Write(c.key())
	return wire.ConversationID(h.Sum(nil)[:id.Size])
}

// projectState shows a conversation as one participant has set it.
func projectState(st State, key [32]byte, now time.Time) wire.ConversationState {
	c := Between(st.User, st.Peer)
	w := wire.ConversationState{
		ID: conversationID(key, c), Participants: []id.User{c.Low, c.High}, CreatedAt: st.CreatedAt, UpdatedAt: st.UpdatedAt,
	}
	if c.Low == c.High {
		w.Participants = w.Participants[:1]
	}
	own(&w, st.User, st.Settings, st.ReadUpTo, st.ReadAt, now)
	return w
}

// own adds to what is shown of a conversation what one person has set for it, and how far they
// have read.
func own(w *wire.ConversationState, u id.User, set Settings, readUpTo id.Message, readAt, now time.Time) {
	if set.Archived {
		w.ArchivedBy = []id.User{u}
	}
	if set.MutedAt(now) {
		w.MutedBy = []wire.MutedBy{{User: u, MutedUntil: whenSet(set.MutedUntil)}}
	}
	if at := set.MarkedUnread; !at.IsZero() {
		w.UnreadFor = []wire.UnreadFor{{User: u, MarkedUnreadAt: at}}
	}
	if !readUpTo.IsZero() {
		w.LastReadMessageID = []wire.LastReadBy{{User: u, MessageID: readUpTo, UpdatedAt: readAt}}
	}
}

// whenSet is a time, or nil where there is none.
func whenSet(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func mark(m id.Message) *id.Message {
	if m.IsZero() {
		return nil
	}
	return &m
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
