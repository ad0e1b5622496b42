package app_test

import (
	"cmp"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// An oldMessage is a message as it is in the old database. What is not there is nil.
type oldMessage struct {
	ID            oid   `json:"_id"`
	Sender        *oid  `json:"sender"`
	Recipient     *oid  `json:"recipient"`
	GroupChat     *oid  `json:"groupChat"`
	Read          *bool `json:"read"`
	Edited        bool
	EditedAt      *date
	Attachment    *string
	IsDeleted     bool `json:"isDeletedForAll"`
	DeletedForAll *struct {
		By oid
		At date
	}
	DeletedFor []struct{ User oid }
	ReadBy     []struct{ User oid }
	CreatedAt  date
}

// An oid and a date are those of Extended JSON.
type (
	oid struct {
		Hex string `json:"$oid"`
	}
	date struct {
		Value struct {
			Milliseconds int64 `json:"$numberLong,string"`
		} `json:"$date"`
	}
)

func (d date) wire() string {
	return time.UnixMilli(d.Value.Milliseconds).UTC().Format("2006-01-02T15:04:05.000Z")
}

// direct reports whether the message is one between two people who are both known.
func (m *oldMessage) direct() bool {
	return m.GroupChat == nil && m.Sender != nil && m.Recipient != nil
}

func (m *oldMessage) peerOf(u string) string {
	if m.Sender.Hex == u {
		return m.Recipient.Hex
	}
	return m.Sender.Hex
}

func (m *oldMessage) has(u string) bool {
	return m.direct() && (m.Sender.Hex == u || m.Recipient.Hex == u)
}

func (m *oldMessage) hiddenFrom(u string) bool {
	return slices.ContainsFunc(m.DeletedFor, func(d struct{ User oid }) bool { return d.User.Hex == u })
}

// wasRead is what the message itself says; what says nothing was read.
func (m *oldMessage) wasRead() bool { return m.Read == nil || *m.Read }

func (m *oldMessage) unreadBy(u string) bool {
	return m.has(u) && m.Recipient.Hex == u && m.Sender.Hex != u && !m.wasRead() && !m.IsDeleted && !m.hiddenFrom(u)
}

// An oldSetting is a row of the old conversations.
type oldSetting struct {
	Participants []oid
	GroupChat    *oid
	UnreadFor    []struct{ User oid }
	LastRead     []struct{ User, MessageID oid } `json:"lastReadMessageId"`
}

// An oldGroup is a group of the old database.
type oldGroup struct {
	ID      oid `json:"_id"`
	Members []oid
}

// An oldPerson is somebody as others see them.
type oldPerson struct {
	ID           oid `json:"_id"`
	Username     string
	DisplayName  *string
	ProfilePhoto string
	IsDeleted    bool
}

// An oldText is what a message says.
type oldText struct {
	ID        string `json:"_id"`
	Format    string
	Plaintext *string // nil: nobody can decrypt it
}

// oldTruth is what the old database says, read by itself.
type oldTruth struct {
	messages []*oldMessage // in the order in which they were written
	byID     map[string]*oldMessage
	texts    map[string]oldText
	settings []oldSetting
	groups   map[string]oldGroup
	people   map[string]oldPerson
	blocked  map[[2]string]bool // who blocks whom, both ways
}

func readTruth(t *testing.T) *oldTruth {
	t.Helper()
	o := &oldTruth{byID: map[string]*oldMessage{}, texts: map[string]oldText{}, people: map[string]oldPerson{}, groups: map[string]oldGroup{}, blocked: map[[2]string]bool{}}
	each(t, "messages", func(m oldMessage) {
		o.messages = append(o.messages, &m)
		o.byID[m.ID.Hex] = &m
	})
	slices.SortFunc(o.messages, func(a, b *oldMessage) int {
		return cmp.Or(cmp.Compare(a.CreatedAt.Value.Milliseconds, b.CreatedAt.Value.Milliseconds), cmp.Compare(a.ID.Hex, b.ID.Hex))
	})
	each(t, "plain", func(p oldText) { o.texts[p.ID] = p })
	each(t, "conversations", func(s oldSetting) { o.settings = append(o.settings, s) })
	each(t, "groupchats", func(g oldGroup) { o.groups[g.ID.Hex] = g })
	each(t, "users", func(p oldPerson) { o.people[p.ID.Hex] = p })
	each(t, "blocks", func(b struct{ Blocker, Blocked oid }) {
		o.blocked[[2]string{b.Blocker.Hex, b.Blocked.Hex}] = true
		o.blocked[[2]string{b.Blocked.Hex, b.Blocker.Hex}] = true
	})
	return o
}

// each reads the documents of a collection.
func each[D any](t *testing.T, collection string, f func(D)) {
	t.Helper()
	for line := range jsonLines(t, filepath.Join(oldDocuments, collection+".jsonl")) {
		var d D
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatalf("%s: %v", collection, err)
		}
		f(d)
	}
}

// A text stands for a text of which only that it is one is known.
type someText struct{}

// content is what a message shows.
func (o *oldTruth) content(m *oldMessage) any {
	switch text := o.texts[m.ID.Hex]; {
	case m.IsDeleted:
		return ""
	case text.Plaintext == nil:
		return someText{}
	default:
		return *text.Plaintext
	}
}

// person is how somebody looks beside a message. Who is gone has a name that says so.
func (o *oldTruth) person(u string) map[string]any {
	p, known := o.people[u]
	if !known || p.IsDeleted {
		return map[string]any{"_id": u, "username": "", "displayName": "Deleted user", "profilePhoto": ""}
	}
	return map[string]any{"_id": u, "username": p.Username, "displayName": p.shown(), "profilePhoto": p.ProfilePhoto}
}

// shown is the display name, which is the username where there is none.
func (p oldPerson) shown() string {
	if p.DisplayName == nil || *p.DisplayName == "" {
		return p.Username
	}
	return *p.DisplayName
}

// with returns the messages of two people that one of them sees.
func (o *oldTruth) with(u, peer string) (ms []*oldMessage) {
	for _, m := range o.messages {
		if m.has(u) && m.peerOf(u) == peer && !m.hiddenFrom(u) {
			ms = append(ms, m)
		}
	}
	return ms
}

// peers returns with whom somebody has messages, but for those between whom a block stands.
func (o *oldTruth) peers(u string) (peers []string) {
	for _, m := range o.messages {
		if m.has(u) && !o.blocked[[2]string{u, m.peerOf(u)}] && !slices.Contains(peers, m.peerOf(u)) {
			peers = append(peers, m.peerOf(u))
		}
	}
	return peers
}

func (o *oldTruth) unread(u, peer string) (n int) {
	for _, m := range o.with(u, peer) {
		if m.unreadBy(u) {
			n++
		}
	}
	return n
}

// marks are what any row of two people says for one of them: the mark "unread", and the newest
// message up to which they have read.
func (o *oldTruth) marks(u, peer string) (unread bool, lastRead *oldMessage) {
	for _, s := range o.settings {
		if len(s.Participants) != 2 || s.Participants[0].Hex != u && s.Participants[1].Hex != u ||
			s.Participants[0].Hex != peer && s.Participants[1].Hex != peer || u == peer && s.Participants[0] != s.Participants[1] {
			continue
		}
		unread = unread || slices.ContainsFunc(s.UnreadFor, func(f struct{ User oid }) bool { return f.User.Hex == u })
		for _, r := range s.LastRead {
			m := o.byID[r.MessageID.Hex]
			if r.User.Hex == u && m != nil && (lastRead == nil || slices.Index(o.messages, m) > slices.Index(o.messages, lastRead)) {
				lastRead = m
			}
		}
	}
	return unread, lastRead
}
