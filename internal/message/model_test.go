package message_test

import (
	"cmp"
	"fmt"
	"slices"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/wire"
)

// A model knows what people must see, by looking at everything that happened each time.
type model struct {
	messages []*written
	sides    map[seat]*side
	apart    map[message.Conversation]bool
}

// written is a message; its place is that in the list.
type written struct {
	id       id.Message
	from, to id.User
	text     string
	gone     bool             // deleted for all
	hidden   map[id.User]bool // deleted for themselves
}

func (m *written) conversation() message.Conversation { return message.Between(m.from, m.to) }

// A seat is one person's place in the conversation with another.
type seat struct{ user, peer id.User }

// A side is what a person did in a conversation. Places count from 1; 0 is none.
type side struct {
	read, delivered         int
	archived, muted, marked bool
}

func newModel() *model {
	return &model{sides: map[seat]*side{}, apart: map[message.Conversation]bool{}}
}

func (m *model) side(u, peer id.User) *side {
	s := m.sides[seat{u, peer}]
	if s == nil {
		s = &side{}
		m.sides[seat{u, peer}] = s
	}
	return s
}

func (m *model) blocked(a, b id.User) bool { return m.apart[message.Between(a, b)] }

// name is the message at a place.
func (m *model) name(place int) id.Message {
	if place == 0 {
		return id.Message{}
	}
	return m.messages[place-1].id
}

// visible are the places of what a person can see of a conversation.
func (m *model) visible(u, peer id.User) []int {
	var places []int
	for i, w := range m.messages {
		if w.conversation() == message.Between(u, peer) && !w.hidden[u] {
			places = append(places, i+1)
		}
	}
	return places
}

func (m *model) unread(u, peer id.User) int {
	n := 0
	for _, place := range m.visible(u, peer) {
		if w := m.messages[place-1]; w.from != u && !w.gone && place > m.side(u, peer).read {
			n++
		}
	}
	return n
}

// row is a conversation in a person's list, as text, and the place of its newest message.
func (m *model) row(u, peer id.User) (string, int) {
	places := m.visible(u, peer)
	if len(places) == 0 {
		return "", 0
	}
	last := places[len(places)-1]
	mine, theirs := m.side(u, peer), m.side(peer, u)
	return rowText(peer, m.name(last), m.messages[last-1].text, m.unread(u, peer), mine.marked, mine.archived, mine.muted,
		m.name(mine.read), m.name(theirs.read), m.name(max(theirs.read, theirs.delivered))), last
}

func rowText(peer id.User, last id.Message, text string, unread int, marked, archived, muted bool, read, peerRead, peerHas id.Message) string {
	return fmt.Sprintf("%s: %s %q, %d unread, marked %v archived %v muted %v, read %s, peer read %s, peer has %s",
		peer, last, text, unread, marked, archived, muted, read, peerRead, peerHas)
}

// list is a person's list as text, newest first.
func (m *model) list(u id.User, people []id.User) []string {
	type row struct {
		text string
		last int
	}
	var rows []row
	for _, peer := range people {
		if text, last := m.row(u, peer); last > 0 && !m.blocked(u, peer) {
			rows = append(rows, row{text, last})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(b.last, a.last) })
	var out []string
	for _, r := range rows {
		out = append(out, r.text)
	}
	return out
}

// shownRow is a row as the service shows it, as text.
func shownRow(c wire.Conversation) string {
	name := func(m *id.Message) id.Message {
		if m == nil {
			return id.Message{}
		}
		return *m
	}
	return rowText(c.ID, c.LastMessage.ID, c.LastMessage.Content, c.Unread, c.ManuallyUnread, c.Archived, c.Muted,
		name(c.LastReadMessageID), name(c.PeerLastReadMessageID), name(c.PeerLastDeliveredID))
}

// thread is what a person can see of a conversation, as text by message.
func (m *model) thread(u, peer id.User) map[id.Message]string {
	out := map[id.Message]string{}
	for _, place := range m.visible(u, peer) {
		w := m.messages[place-1]
		out[w.id] = shownText(w.text, w.gone)
	}
	return out
}

func shownText(text string, gone bool) string {
	if gone {
		return "(deleted)"
	}
	return text
}
