package message

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"pryde/internal/id"
	"pryde/internal/wire"
)

// fingerprint recognises the content of an attempt without keeping it.
func fingerprint(key [32]byte, to id.User, text, attachment string) Fingerprint {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("fingerprint"))
	h.Write(to[:])
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
	h.Write([]byte(text))
	h.Write([]byte(attachment))
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

// project shows a message as its participants see it.
func project(m Message, known map[id.User]wire.Person) wire.Message {
	w := wire.Message{
		ID: m.ID, Seq: m.Seq, Sender: person(m.Sender, known), Recipient: person(m.Recipient, known),
		Content: m.Content, Attachment: optional(m.Attachment), Read: m.Read,
		Edited: !m.EditedAt.IsZero(), EditedAt: m.EditedAt, CreatedAt: m.CreatedAt,
	}
	if !m.DeletedAt.IsZero() {
		w.IsDeletedForAll, w.IsDeleted, w.DeletedType = true, true, "all"
		w.DeletedForAll = &wire.Deletion{By: m.Sender, At: m.DeletedAt}
	}
	return w
}

func projectAll(ms []Message, known map[id.User]wire.Person) []wire.Message {
	out := make([]wire.Message, len(ms))
	for i, m := range ms {
		out[i] = project(m, known)
	}
	return out
}

// projectRow shows a conversation as a row of its participant's list.
func projectRow(r Row, known map[id.User]wire.Person, now time.Time) wire.Conversation {
	c := wire.Conversation{
		ID: r.Peer, UnreadCount: r.Unread, Unread: r.Unread,
		LastReadMessageID: mark(r.ReadUpTo), PeerLastReadMessageID: mark(r.PeerRead), PeerLastDeliveredID: mark(r.PeerHas),
		ManuallyUnread: !r.Settings.MarkedUnread.IsZero(), Archived: r.Settings.Archived, Muted: r.Settings.MutedAt(now),
	}
	if c.Muted {
		c.MutedUntil = whenSet(r.Settings.MutedUntil)
	}
	if p, ok := known[r.Peer]; ok {
		c.OtherUser = &p
	}
	if m := r.Last; m != nil {
		c.LastMessage = &wire.LastMessage{
			ID: m.ID, Seq: m.Seq, Sender: m.Sender, Recipient: m.Recipient, Content: m.Content,
			Attachment: optional(m.Attachment), Read: m.Read, Edited: !m.EditedAt.IsZero(), EditedAt: m.EditedAt,
			IsDeletedForAll: !m.DeletedAt.IsZero(), CreatedAt: m.CreatedAt,
		}
	}
	return c
}

// conversationID names a conversation on the wire.
func conversationID(key [32]byte, c Conversation) wire.ConversationID {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("conversation"))
	h.Write(c.Low[:])
	h.Write(c.High[:])
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
	if st.Settings.Archived {
		w.ArchivedBy = []id.User{st.User}
	}
	if st.Settings.MutedAt(now) {
		w.MutedBy = []wire.MutedBy{{User: st.User, MutedUntil: whenSet(st.Settings.MutedUntil)}}
	}
	if at := st.Settings.MarkedUnread; !at.IsZero() {
		w.UnreadFor = []wire.UnreadFor{{User: st.User, MarkedUnreadAt: at}}
	}
	if !st.ReadUpTo.IsZero() {
		w.LastReadMessageID = []wire.LastReadBy{{User: st.User, MessageID: st.ReadUpTo, UpdatedAt: st.ReadAt}}
	}
	return w
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
